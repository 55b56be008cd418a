// The stub resolver. It does not validate: it asks a resolver that does, and believes that one's AD bit
// if it runs on this machine or the administrator says so. docs/dns.md tells what follows from that.
import { randomInt } from 'node:crypto';
import { TlsError } from '../errors.js';
import type { DnsLookup, DnsResult, MxRecord, TlsaRecord } from './answer.js';
import { ask } from './ask.js';
import { checkValidation, type ValidationCheck, type ValidationNames } from './check.js';
import { ResolvConfFile } from './configuration.js';
import type { RecordReader } from './interpret.js';
import { Lookups } from './lookups.js';
import type { Question } from './message.js';
import type { Random } from './random.js';
import { readA, readAaaa, readCname, readMx, readTlsa, readTxt } from './records.js';
import { type DnsServer, parseServers } from './servers.js';
import { TurnLimit } from './turn-limit.js';

export interface ResolverOptions {
  /** `127.0.0.1:5353`, `[::1]:53`, `192.0.2.1`; default: those of /etc/resolv.conf. */
  readonly servers?: readonly string[];
  /** Seconds per server and attempt; default: resolv.conf's, or 5. */
  readonly timeout?: number;
  /** Rounds over all servers; default: resolv.conf's, or 2. */
  readonly attempts?: number;
  /**
   * Believe the AD bit of every server, as `options trust-ad` of resolv.conf does. Only for a validating
   * resolver on the far side of a path that nobody can tamper with. Default: only of loopback addresses.
   */
  readonly trustAd?: boolean;
  /** Answers kept per record type. Default 5000. */
  readonly cacheSize?: number;
  /** Default `/etc/resolv.conf`. */
  readonly resolvConf?: string;
  /** Milliseconds of a clock that does not go back. */
  readonly now?: () => number;
  /** 0 to `below` - 1, unpredictable. */
  readonly random?: Random;
}

/** Queries on their way at a time; each has a socket. */
const MAX_QUERIES = 256;

interface Plan {
  readonly servers: readonly DnsServer[];
  readonly timeout: number;
  readonly attempts: number;
  readonly rotate: boolean;
}

/**
 * Looks up MX, A, AAAA, CNAME, TLSA and TXT, with DNSSEC state. Look-ups never reject: what goes wrong is
 * a result of kind `failure`.
 */
export class Resolver implements DnsLookup {
  readonly #random: Random;
  readonly #plan: () => Promise<Plan>;
  readonly #turns = new TurnLimit(MAX_QUERIES);
  #rotation = 0;

  readonly #mx: Lookups<MxRecord>;
  readonly #a: Lookups<string>;
  readonly #aaaa: Lookups<string>;
  readonly #cname: Lookups<string>;
  readonly #tlsa: Lookups<TlsaRecord>;
  readonly #txt: Lookups<string>;

  /** @throws TlsError `INVALID_ARGUMENT`: a server that is no address, a time or count that is not above 0 */
  constructor(options: ResolverOptions = {}) {
    const now = options.now ?? (() => performance.now());
    checkNumbers(options);
    this.#random = options.random ?? randomInt;
    this.#plan = planOf(options, now);
    const props = {
      ask: <Data>(question: Question, read: RecordReader<Data>) => this.#ask(question, read),
      cacheSize: options.cacheSize ?? 5000,
      now,
    };
    this.#mx = new Lookups('MX', readMx, props);
    this.#a = new Lookups('A', readA, props);
    this.#aaaa = new Lookups('AAAA', readAaaa, props);
    this.#cname = new Lookups('CNAME', readCname, props);
    this.#tlsa = new Lookups('TLSA', readTlsa, props);
    this.#txt = new Lookups('TXT', readTxt, props);
  }

  mx(name: string): Promise<DnsResult<MxRecord>> {
    return this.#mx.of(name);
  }

  a(name: string): Promise<DnsResult<string>> {
    return this.#a.of(name);
  }

  aaaa(name: string): Promise<DnsResult<string>> {
    return this.#aaaa.of(name);
  }

  cname(name: string): Promise<DnsResult<string>> {
    return this.#cname.of(name);
  }

  tlsa(name: string): Promise<DnsResult<TlsaRecord>> {
    return this.#tlsa.of(name);
  }

  txt(name: string): Promise<DnsResult<string>> {
    return this.#txt.of(name);
  }

  /**
   * Finds out whether the resolver behind this one validates: a signed name must come back secure, a bogus
   * one must not come back at all. The result has one sentence for the log.
   */
  async check(names: ValidationNames = {}): Promise<ValidationCheck> {
    const { servers } = await this.#plan();
    return checkValidation(this, servers, names);
  }

  async #ask<Data>(question: Question, read: RecordReader<Data>): Promise<DnsResult<Data>> {
    const plan = await this.#plan();
    const servers = plan.rotate ? this.#rotated(plan.servers) : plan.servers;
    const { timeout, attempts } = plan;
    return this.#turns.run(() =>
      ask(question, read, { servers, timeout: timeout * 1000, attempts, random: this.#random }),
    );
  }

  #rotated(servers: readonly DnsServer[]): readonly DnsServer[] {
    const first = this.#rotation++ % servers.length;
    return [...servers.slice(first), ...servers.slice(0, first)];
  }
}

function checkNumbers({ timeout, attempts, cacheSize }: ResolverOptions): void {
  for (const [name, value] of Object.entries({ timeout, attempts, cacheSize })) {
    if (value !== undefined && !(Number.isFinite(value) && value > 0)) {
      throw new TlsError({
        code: 'INVALID_ARGUMENT',
        message: `${name} of a Resolver is ${value}`,
        suggestion: 'give a number above 0',
      });
    }
  }
}

function planOf(options: ResolverOptions, now: () => number): () => Promise<Plan> {
  const trustAd = options.trustAd ?? false;
  const { timeout, attempts } = options;
  if (options.servers !== undefined) {
    const servers = parseServers(options.servers, trustAd);
    const plan = { servers, timeout: timeout ?? 5, attempts: attempts ?? 2, rotate: false };
    return async () => plan;
  }
  const file = new ResolvConfFile(options.resolvConf ?? '/etc/resolv.conf', trustAd, now);
  return async () => {
    const current = await file.current();
    return {
      servers: current.servers,
      timeout: timeout ?? current.timeout,
      attempts: attempts ?? current.attempts,
      rotate: current.rotate,
    };
  };
}
