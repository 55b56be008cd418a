/**
 * What a request to somebody else's web server takes: addresses that were looked up and filtered once, and a time limit
 * for everything. Policies are fetched with it, and TLSRPT reports are sent.
 */
import { isIPv6, type LookupFunction } from 'node:net';
import type { DnsLookup } from '../dns/answer.js';
import { isPublicAddress } from './public-address.js';

/** Where addresses come from, and which may be used. */
export interface Addresses {
  readonly dns: Pick<DnsLookup, 'a' | 'aaaa'>;
  /** Default: {@link isPublicAddress}. */
  readonly allowAddress?: (address: string) => boolean;
}

/** Addresses that may be connected to, or why there is none. */
export async function findAddresses(host: string, props: Addresses): Promise<string[] | string> {
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

/** What was looked up and filtered, for node to choose from. */
export function fixedLookup(addresses: readonly string[]): LookupFunction {
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

/** Connecting to several addresses fails with an AggregateError, which says nothing itself. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) {
    return error.errors.map(reasonOf).join('; ');
  }
  return error instanceof Error ? error.message : String(error);
}

export function timeoutError(what: string): Error {
  return new Error(`${what} took too long`);
}

/** Ends waits when time is up. */
export class TimeLimit {
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
