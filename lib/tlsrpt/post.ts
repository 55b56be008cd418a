/**
 * Submits a report by HTTPS (RFC 8460 section 5.4). The URI is another domain's word: addresses are filtered as for
 * MTA-STS policies, redirects are not followed, and what the server answers is not read.
 */
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { isIP } from 'node:net';
import { type Addresses, findAddresses, fixedLookup, TimeLimit } from '../sts/https.js';
import { isPublicAddress } from '../sts/public-address.js';

export interface PostProps extends Addresses {
  /** PEM certificates that are trusted instead of those that node brings. */
  readonly ca?: string | readonly string[];
  /** The RFC lets reports go to servers whose certificate is not good; default false. */
  readonly ignoreCertificates?: boolean;
  /** Milliseconds; default 60 s. */
  readonly timeout?: number;
}

/** Resolves when the server has taken it; rejects with an Error that says why not. */
export async function postReport(uri: string, gzipped: Buffer, props: PostProps): Promise<void> {
  const url = new URL(uri);
  const limit = new TimeLimit(props.timeout ?? 60_000);
  try {
    const addresses = await limit.race(addressesOf(url, props));
    const sent = request(url, {
      ...{ method: 'POST', agent: false, lookup: fixedLookup(addresses) },
      headers: {
        'content-type': 'application/tlsrpt+gzip',
        'content-length': gzipped.length,
        'user-agent': 'mxtls (TLSRPT)',
      },
      rejectUnauthorized: props.ignoreCertificates !== true,
      ...(props.ca === undefined ? {} : { ca: [props.ca].flat() }),
    });
    limit.onPassed((error) => sent.destroy(error));
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      sent.once('response', resolve).on('error', reject);
    });
    sent.end(gzipped);
    const response = await limit.race(answered);
    response.destroy();
    if (response.statusCode === undefined || Math.floor(response.statusCode / 100) !== 2) {
      throw new Error(`HTTP status ${response.statusCode}`);
    }
  } finally {
    limit.end();
  }
}

async function addressesOf(url: URL, props: PostProps): Promise<readonly string[]> {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (isIP(host) === 0) {
    const found = await findAddresses(host, props);
    if (Array.isArray(found)) {
      return found;
    }
    throw new Error(String(found));
  }
  // node does not ask `lookup` for an address.
  if (!(props.allowAddress ?? isPublicAddress)(host)) {
    throw new Error(`address ${host} is not public`);
  }
  return [host];
}
