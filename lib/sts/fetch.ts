/**
 * Fetches `https://mta-sts.DOMAIN/.well-known/mta-sts.txt` (RFC 8461 section 3.3).
 *
 * node's HTTPS client with WebPKI: this is HTTPS and no SMTP, so node:tls is good enough. No redirects, no proxy, no
 * cache, a connection for one request; 64 KiB and a minute at most; only addresses that the filter allows, and the
 * connection goes to these addresses and not to what a second look-up would say.
 */
import type { ClientRequest, IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { isIPv6, type LookupFunction } from 'node:net';
import { checkServerIdentity, type PeerCertificate, TLSSocket } from 'node:tls';
import type { DnsLookup } from '../dns/answer.js';
import { parsePolicyFile, type StsPolicyFile } from './policy-file.js';
import { isPublicAddress } from './public-address.js';

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

export interface FetchProps {
  readonly dns: Pick<DnsLookup, 'a' | 'aaaa'>;
  /** PEM certificates that are trusted instead of those that node brings. */
  readonly ca?: string | readonly string[];
  /** Default: {@link isPublicAddress}. */
  readonly allowAddress?: (address: string) => boolean;
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

/** Addresses that may be connected to, or why there is none. */
async function findAddresses(host: string, props: FetchProps): Promise<string[] | string> {
  const answers = await Promise.all([props.dns.a(host), props.dns.aaaa(host)]);
  const found = answers.flatMap((answer) => (answer.kind === 'found' ? answer.records : []));
  const allowed = found.filter(props.allowAddress ?? isPublicAddress);
  if (allowed.length > 0) {
    return allowed;
  }
  if (found.length > 0) {
    return `address ${found.join(', ')} is not public`;
  }
  const failed = answers.find((answer) => answer.kind === 'failure');
  return failed === undefined ? 'the name has no address' : failed.text;
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

/** What was looked up and filtered, for node to choose from. */
function fixedLookup(addresses: readonly string[]): LookupFunction {
  const all = addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
  return (_host, options, done) => {
    const [first] = all;
    if (options.all === true || first === undefined) {
      done(null, all);
    } else {
      done(null, first.address, first.family);
    }
  };
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

/** Connecting to several addresses fails with an AggregateError, which says nothing itself. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) {
    return error.errors.map(reasonOf).join('; ');
  }
  return error instanceof Error ? error.message : String(error);
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

function timeoutError(what: string): Error {
  return new Error(`${what} took too long`);
}

/** Ends waits when time is up. */
class TimeLimit {
  readonly #timer: NodeJS.Timeout;
  readonly #passed: Promise<never>;
  #stop: (error: Error) => void = () => undefined;

  constructor(ms: number) {
    const { promise, reject } = withResolvers();
    this.#passed = promise;
    this.#passed.catch(() => undefined);
    this.#timer = setTimeout(() => {
      const error = timeoutError('fetching the policy');
      reject(error);
      this.#stop(error);
    }, ms);
  }

  race<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#passed]);
  }

  onPassed(stop: (error: Error) => void): void {
    this.#stop = stop;
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}

function withResolvers(): { promise: Promise<never>; reject: (error: Error) => void } {
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<never>((_resolve, refuse) => {
    reject = refuse;
  });
  return { promise, reject };
}
