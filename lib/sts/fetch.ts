/**
 * Fetches `https://mta-sts.DOMAIN/.well-known/mta-sts.txt` (RFC 8461 section 3.3).
 *
 * node's HTTPS client with WebPKI: this is HTTPS and no SMTP, so node:tls is good enough. No redirects, no proxy, no
 * cache, a connection for one request; 64 KiB and a minute at most; only addresses that the filter allows, and the
 * connection goes to these addresses and not to what a second look-up would say.
 */
import type { ClientRequest, IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { checkServerIdentity, type PeerCertificate, TLSSocket } from 'node:tls';
import {
  type Addresses,
  findAddresses,
  fixedLookup,
  reasonOf,
  TimeLimit,
  timeoutError,
} from './https.js';
import { parsePolicyFile, type StsPolicyFile } from './policy-file.js';

/** Result types of RFC 8460 section 4.3.2.2. */
export type StsFailureType = 'sts-policy-fetch-error' | 'sts-policy-invalid' | 'sts-webpki-invalid';

/** There is a policy, and it cannot be had. */
export interface StsFailure {
  readonly kind: 'failure';
  readonly type: StsFailureType;
  /** One sentence for the log; no line ends. */
  readonly text: string;
}

export interface StsFetched {
  readonly kind: 'fetched';
  readonly file: StsPolicyFile;
}

export interface FetchProps extends Addresses {
  /** PEM certificates that are trusted instead of those that node brings. */
  readonly ca?: string | readonly string[];
  /** Default: 443, and nothing else outside tests. */
  readonly port?: number;
  /** Milliseconds until the TLS handshake is done; default 20 s. */
  readonly connectTimeout?: number;
  /** Milliseconds for everything, look-ups included; default 60 s (RFC 8461 section 3.3). */
  readonly fetchTimeout?: number;
}

/** RFC 8461 section 3.3 suggests it. */
export const policySizeLimit = 65_536;

const userAgent = 'mxtls (MTA-STS)';

/** Never rejects. */
export async function fetchPolicyFile(
  domain: string,
  props: FetchProps,
): Promise<StsFetched | StsFailure> {
  const host = `mta-sts.${domain}`;
  const limit = new TimeLimit(props.fetchTimeout ?? 60_000);
  try {
    const addresses = await limit.race(findAddresses(host, props));
    if (!Array.isArray(addresses)) {
      return failure('sts-policy-fetch-error', `${host}: ${addresses}`);
    }
    const { sent, answered } = send(host, addresses, props);
    limit.onPassed((error) => sent.destroy(error));
    return await limit.race(answered.then((response) => readPolicy(host, response)));
  } catch (error) {
    return asFailure(host, error);
  } finally {
    limit.end();
  }
}

interface Exchange {
  readonly sent: ClientRequest;
  readonly answered: Promise<IncomingMessage>;
}

function send(host: string, addresses: readonly string[], props: FetchProps): Exchange {
  const sent = request({
    ...{ host, port: props.port ?? 443, path: '/.well-known/mta-sts.txt', method: 'GET' },
    // The default agent keeps connections and, in newer releases of node, may use a proxy.
    ...{ agent: false, servername: host, rejectUnauthorized: true, minVersion: 'TLSv1.2' },
    headers: { accept: 'text/plain', 'accept-encoding': 'identity', 'user-agent': userAgent },
    lookup: fixedLookup(addresses),
    checkServerIdentity: checkDnsId,
    ...(props.ca === undefined ? {} : { ca: [props.ca].flat() }),
  });
  const connectTimeout = props.connectTimeout ?? 20_000;
  const timer = setTimeout(() => sent.destroy(timeoutError('connecting')), connectTimeout);
  sent.once('socket', (socket) => socket.once('secureConnect', () => clearTimeout(timer)));
  sent.once('close', () => clearTimeout(timer));
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    sent.once('response', resolve);
    sent.once('error', (error) => {
      reject(isUntrusted(sent.socket) ? new UntrustedError(error.message) : error);
    });
  });
  return { sent: sent.end(), answered };
}

/** RFC 8461 section 3.3 wants a DNS-ID: a common name does not do, as it would for node. */
function checkDnsId(host: string, certificate: PeerCertificate): Error | undefined {
  return /(?:^|, )DNS:/.test(certificate.subjectaltname ?? '')
    ? checkServerIdentity(host, certificate)
    : new Error('the certificate names no DNS host');
}

class UntrustedError extends Error {}

function isUntrusted(socket: unknown): boolean {
  // Null, against its declared type, until node has checked a certificate and refused it.
  return socket instanceof TLSSocket && Boolean(socket.authorizationError);
}

async function readPolicy(
  host: string,
  response: IncomingMessage,
): Promise<StsFetched | StsFailure> {
  const [type = ''] = (response.headers['content-type'] ?? '').split(';');
  if (response.statusCode !== 200) {
    response.destroy();
    return failure('sts-policy-fetch-error', `${host}: HTTP status ${response.statusCode}`);
  }
  if (type.trim().toLowerCase() !== 'text/plain') {
    response.destroy();
    return failure('sts-policy-fetch-error', `${host}: the media type is not text/plain`);
  }
  const body = await readBody(response);
  const file = body === null ? tooLarge : parsePolicyFile(body);
  return 'problem' in file
    ? failure('sts-policy-invalid', `${host}: ${file.problem}`)
    : { kind: 'fetched', file };
}

const tooLarge = { problem: `the policy is larger than ${policySizeLimit} bytes` } as const;

/** Null when there is more than a policy may have; what is not UTF-8 shows as U+FFFD. */
async function readBody(response: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > policySizeLimit) {
      return null; // leaving the loop destroys the response and its connection
    }
  }
  return Buffer.concat(chunks).toString('utf8');
}

function asFailure(host: string, error: unknown): StsFailure {
  const type = error instanceof UntrustedError ? 'sts-webpki-invalid' : 'sts-policy-fetch-error';
  return failure(type, `${host}: ${reasonOf(error)}`);
}

function failure(type: StsFailureType, text: string): StsFailure {
  return {
    kind: 'failure',
    type,
    text: text
      .slice(0, 500)
      .replace(/\p{Cc}+/gu, ' ')
      .trim(),
  };
}
