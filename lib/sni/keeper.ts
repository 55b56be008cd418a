/** The source of an engine's server names, over its life: opened with the first listener, read anew, closed. */
import type { ResolvedSmtpdTls } from '../tls/options.js';
import type { Logger } from '../log/logger.js';
import { type ResolvedSni, resolveSni, type SniOptions } from './options.js';
import { SniSource } from './source.js';

export class SniKeeper {
  readonly #maps: readonly string[];
  readonly #options: ResolvedSni;
  readonly #logger: Logger;
  #opening: Promise<SniSource | null> | null = null;
  #source: SniSource | null = null;

  /** @throws TlsError `INVALID_PARAMETER` */
  constructor(tls: ResolvedSmtpdTls, options: SniOptions | undefined, logger: Logger) {
    this.#maps = tls.serverSniMaps;
    this.#options = resolveSni(options);
    this.#logger = logger;
  }

  /**
   * The source, opened once for all listeners; null where there is neither a table nor a function.
   *
   * @throws TlsError (rejects) `LOOKUP_TABLE`
   */
  async open(): Promise<SniSource | null> {
    this.#opening ??= SniSource.open({
      ...this.#options,
      maps: this.#maps,
      logger: this.#logger,
    });
    try {
      this.#source = await this.#opening;
      return this.#source;
    } catch (error) {
      this.#opening = null; // the next listener tries again
      throw error;
    }
  }

  invalidate(name: string | null): void {
    this.#source?.invalidate(name);
  }

  /** @throws TlsError (rejects) `LOOKUP_TABLE`: the former tables stay in use, and the log says so */
  async reload(): Promise<void> {
    await this.#source?.reload();
  }

  close(): void {
    this.#source?.close();
    this.#source = null;
    this.#opening = null;
  }
}
