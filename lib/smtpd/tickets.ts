/** Session tickets of the smtpd engine: their keys, over its life, and who gets none. */
import { TlsError } from '../errors.js';
import { ensureLibrary } from '../tls/library.js';
import type { ResolvedSmtpdTls } from '../tls/options.js';
import { type ServerTickets, wantsTickets } from '../tls/tickets.js';
import { resolveWrappingKey, TicketKeys, ticketKeyPeriod } from '../tlsmgr/ticket-keys.js';
import type { Tlsmgr } from '../tlsmgr/tlsmgr.js';
import { NetworkList } from './network-list.js';

/** Options of the engine that are no parameters. */
export interface TicketOptions {
  /** Who keeps what many processes have in common, ticket keys above all. Default: this process is alone. */
  readonly tlsmgr?: Tlsmgr;
  /**
   * Networks of clients that neither get nor use TLS session tickets, as in `mynetworks`: some clients fail on them.
   * Default: none.
   */
  readonly noTicketClients?: readonly string[];
}

export const ticketOptionNames = [
  'tlsmgr',
  'noTicketClients',
] as const satisfies readonly (keyof TicketOptions)[];

/** What a listener has to do with tickets. */
export interface ServiceTickets {
  /** Null: the parameters want none. */
  readonly keys: ServerTickets | null;
  /** False: none here, whatever the parameters want. */
  readonly given: boolean;
  /** Clients that get none. */
  readonly exceptions: NetworkList;
}

export const noTickets: ServiceTickets = {
  keys: null,
  given: false,
  exceptions: new NetworkList([]),
};

export class SmtpdTickets {
  readonly #tlsmgr: Tlsmgr | null;
  readonly #exceptions: NetworkList;
  readonly #tls: ResolvedSmtpdTls;
  readonly #warn: (text: string) => void;
  #opening: Promise<TicketKeys | null> | null = null;

  /** @throws TlsError `INVALID_ARGUMENT`, `INVALID_PARAMETER` */
  constructor(options: TicketOptions, tls: ResolvedSmtpdTls, warn: (text: string) => void) {
    const clients: readonly unknown[] = options.noTicketClients ?? [];
    if (!Array.isArray(clients) || !clients.every((client) => typeof client === 'string')) {
      throw new TlsError({
        code: 'INVALID_ARGUMENT',
        message: 'noTicketClients is no list of networks',
        suggestion: "write them as in ['192.0.2.0/24', '[2001:db8::]/32']",
      });
    }
    this.#tlsmgr = options.tlsmgr ?? null;
    this.#exceptions = new NetworkList(clients);
    this.#tls = tls;
    this.#warn = warn;
  }

  /**
   * For a listener; the keys are opened with the first one. @param given its option `tickets`
   *
   * @throws TlsError (rejects) `WRAPPING_KEY`
   */
  async open(given = true): Promise<ServiceTickets> {
    this.#opening ??= this.#openKeys();
    try {
      return { keys: await this.#opening, given, exceptions: this.#exceptions };
    } catch (error) {
      this.#opening = null; // the next listener tries again
      throw error;
    }
  }

  /** The last engine with these keys in the process takes them out of use. */
  close(): void {
    void this.#opening?.then((keys) => keys?.close()).catch(() => undefined);
    this.#opening = null;
  }

  async #openKeys(): Promise<TicketKeys | null> {
    const tls = this.#tls;
    if (!wantsTickets(tls)) {
      return null;
    }
    ensureLibrary(tls);
    const source = this.#tlsmgr?.ticketKeys ?? null;
    const wrappingKey = source === null ? null : await resolveWrappingKey(source.wrappingKey);
    const period = ticketKeyPeriod(tls.sessionCacheTimeout);
    return new TicketKeys({ period, source, warn: this.#warn }, wrappingKey);
  }
}
