/**
 * The chains of one engine over its life: loaded once for all who present them, loaded anew on request or when their
 * files change, looked at for certificates that expire.
 *
 * Whoever presents them hands over a function that takes new ones in two steps: `prepare` makes what is needed of them, and
 * may fail; what it returns puts that in service, and may not. So new chains are in service everywhere or nowhere, and a
 * file that cannot be used leaves the former ones.
 *
 * Times come from a clock that a test can hold.
 */
import { TlsError } from '../errors.js';
import type { NativeChains, OwnCertificate } from '../native.js';
import {
  type CertificateOptions,
  type ChainOptions,
  type ChainSource,
  chainSource,
  expiringBy,
  loadChains,
  ownChains,
  sourceFiles,
} from './chains.js';
import { FileWatch } from './file-watch.js';

/** Milliseconds of a day. */
export const day = 86_400_000;

export interface Clock {
  now(): number;
  /** Calls again and again, without keeping the process alive; returns what ends it. */
  every(ms: number, call: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  every: (ms, call) => {
    const timer = setInterval(call, ms).unref();
    return () => clearInterval(timer);
  },
};

/** Who is told. None of it may throw. */
export interface ChainReport {
  warn(text: string): void;
  /** New chains are in service. */
  reloaded(certificates: readonly OwnCertificate[]): void;
  /** They are not, the former ones stay. What was wrong with a file has been warned of. */
  refused(error: TlsError): void;
  /** A certificate has expired or will soon. */
  expiring(certificate: OwnCertificate, now: number): void;
}

export interface ChainKeeperProps {
  readonly engine: 'smtpd' | 'smtp';
  /** Which files; none: there is nothing to keep. */
  readonly files: ChainOptions;
  readonly care: Required<CertificateOptions>;
  readonly report: ChainReport;
  /**
   * Makes what is needed of new chains, or without any where no file is named; the result puts it in service. Throws
   * what `reload` is to throw.
   */
  readonly prepare: (chains: NativeChains | null) => () => void;
  readonly clock?: Clock;
}

/** What becomes of chains that cannot be loaded anew. */
const consequence = 'keeping the former certificates';

export class ChainKeeper {
  readonly #props: ChainKeeperProps;
  readonly #source: ChainSource | null;
  readonly #clock: Clock;
  readonly #watch: FileWatch;
  #chains: NativeChains | null = null;
  #stops: (() => void)[] = [];
  #nextFiles = 0;
  #nextExpiry = 0;

  constructor(props: ChainKeeperProps) {
    this.#props = props;
    this.#clock = props.clock ?? systemClock;
    this.#source = chainSource(props.files);
    this.#watch = new FileWatch(this.#source === null ? [] : sourceFiles(this.#source));
  }

  /** What is in service; empty before the first {@link chains}. */
  get certificates(): readonly OwnCertificate[] {
    return this.#chains?.certificates ?? [];
  }

  /** The chains, loaded at the first call; null without a source. @throws TlsError `CHAIN_*` */
  chains(): NativeChains | null {
    if (this.#chains === null && this.#source !== null) {
      const { files, engine, report } = this.#props;
      this.#watch.mark();
      this.#chains = ownChains(files, engine, (text) => report.warn(text));
      this.#checkExpiry();
    }
    return this.#chains;
  }

  /** Loads anew, and puts in service; where that fails, everything stays. @throws TlsError `CHAIN_*`, `CA_LOAD` */
  reload(): readonly OwnCertificate[] {
    const { report } = this.#props;
    const source = this.#source;
    try {
      this.#watch.mark();
      const fresh =
        source === null ? null : loadChains(source, (text) => report.warn(text), consequence);
      const commit = this.#props.prepare(fresh);
      this.#chains = fresh;
      commit();
    } catch (error) {
      if (error instanceof TlsError) {
        report.refused(error);
      }
      throw error;
    }
    if (source !== null) {
      report.reloaded(this.certificates);
      this.#checkExpiry();
    }
    return this.certificates;
  }

  /** From now on by the clock: looks at the files, and at the certificates once a day. Idempotent. */
  start(): void {
    const { chainFilesCheckInterval: checkInterval } = this.#props.care;
    if (this.#source === null || this.#stops.length > 0) {
      return;
    }
    this.#stops.push(this.#clock.every(day, () => this.#checkExpiry()));
    if (checkInterval > 0) {
      this.#stops.push(this.#clock.every(checkInterval, () => this.#checkFiles()));
    }
  }

  /** Ends what {@link start} began, and forgets the chains: they are loaded anew when they are wanted. */
  stop(): void {
    for (const stop of this.#stops) {
      stop();
    }
    this.#stops = [];
    this.#chains = null;
  }

  /** What {@link start} does, for an engine without a life of its own: whenever it works, and when it is time. */
  look(): void {
    const { chainFilesCheckInterval: checkInterval } = this.#props.care;
    if (this.#chains === null) {
      return;
    }
    const now = this.#clock.now();
    if (checkInterval > 0 && now >= this.#nextFiles) {
      this.#nextFiles = now + checkInterval;
      this.#checkFiles();
    }
    if (now >= this.#nextExpiry) {
      this.#checkExpiry();
    }
  }

  #checkFiles(): void {
    if (!this.#watch.changed()) {
      return;
    }
    try {
      this.reload();
    } catch (error) {
      if (!(error instanceof TlsError)) {
        throw error; // and the report has been told of the others
      }
    }
  }

  #checkExpiry(): void {
    const { report } = this.#props;
    const { expiryWarningDays } = this.#props.care;
    const now = this.#clock.now();
    this.#nextExpiry = now + day;
    if (expiryWarningDays > 0) {
      for (const certificate of expiringBy(this.certificates, now + expiryWarningDays * day)) {
        report.expiring(certificate, now);
      }
    }
  }
}
