/**
 * Loglevels of single peers (`smtpd_tls_loglevel_maps`, `smtp_tls_loglevel_maps`): a table's value is one as in `*_tls_loglevel`.
 *
 * The name of the peer is looked up first, then its address; `DUNNO` ends the search. What is in no table, and a table that fails, leave
 * the usual loglevel: logging must not stop mail.
 */
import { TableList } from '../maps/table-list.js';
import type { Logger } from './logger.js';
import { type LogFlags, parseLoglevel } from './loglevel.js';

export interface PeerLoglevelsProps {
  /** Postfix's name of it, for the log. */
  readonly parameter: string;
  /** `type:name` each. */
  readonly specs: readonly string[];
  readonly logger: Logger;
  /** The first look-up opens them, and not {@link PeerLoglevels.open}. */
  readonly lazy?: boolean;
}

export class PeerLoglevels {
  readonly #props: PeerLoglevelsProps;
  readonly #tables: TableList;

  constructor(props: PeerLoglevelsProps) {
    this.#props = props;
    this.#tables = new TableList(props);
  }

  /** There is something to look up. */
  get configured(): boolean {
    return this.#props.specs.length > 0;
  }

  /** @throws TlsError (rejects) `LOOKUP_TABLE` */
  open(): Promise<void> {
    return this.#tables.open();
  }

  /** @throws TlsError (rejects) `LOOKUP_TABLE`: the former tables stay in use, and the log says so */
  reload(): Promise<void> {
    return this.#tables.reload();
  }

  close(): void {
    this.#tables.close();
  }

  /** What is logged about this peer; never fails. */
  async of(name: string, address: string, usual: LogFlags): Promise<LogFlags> {
    const { parameter, logger, lazy = false } = this.#props;
    for (const key of name === address ? [address] : [name, address]) {
      let value: string | undefined;
      try {
        await (lazy && this.#tables.open());
        value = await this.#tables.lookup(key);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        logger.warn(`${parameter}: lookup error for "${key}": ${reason}`);
        return usual;
      }
      if (value !== undefined) {
        return this.#flags(value.trim(), usual);
      }
    }
    return usual;
  }

  #flags(value: string, usual: LogFlags): LogFlags {
    if (value.toUpperCase() === 'DUNNO') {
      return usual;
    }
    const { flags, warning } = parseLoglevel(value, this.#props.parameter);
    if (warning !== null) {
      this.#props.logger.warn(warning);
    }
    return flags;
  }
}
