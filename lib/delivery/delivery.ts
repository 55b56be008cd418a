/**
 * One request from the look-up of its hosts to a result for each recipient.
 *
 * Hosts and their addresses are tried in turn. A recipient that was refused for good, or that a
 * server took, is through; the others go to the next address with what is known so far, and what is
 * left at the end keeps the last reason. Nothing is sent twice on purpose: when nobody knows
 * whether a server took the message, no other one is tried.
 */
import { TlsError } from '../errors.js';
import { logEstablished } from '../log/handshake.js';
import type { TlsSnapshot } from '../snapshot.js';
import { deferred, type Failure } from './failure.js';
import { type HostLookup, lookupHost } from './host-lookup.js';
import { type CredentialsLookup, lookupCredentials } from './login.js';
import { MessageSource } from './message-source.js';
import type { Nexthop } from './nexthop.js';
import { Outcomes } from './outcomes.js';
import type { DeliveryReport, DeliveryRequest } from './report.js';
import type { DeliveryService } from './service.js';
import { Session, type SessionProps } from './session.js';
import type { SessionPool } from './session-pool.js';
import { Transaction } from './transaction.js';

export interface DeliveryProps {
  readonly service: DeliveryService;
  readonly request: DeliveryRequest;
  /** In the order in which they are tried. */
  readonly nexthops: readonly Nexthop[];
  readonly queueId: string;
  readonly lookup: HostLookup;
  readonly credentials: CredentialsLookup;
  /** Connections of the messages before this one. */
  readonly pool: SessionPool;
  /** Other messages follow: the connection is kept. */
  readonly more: boolean;
}

export class Delivery {
  readonly #props: DeliveryProps;
  readonly #source: MessageSource;
  readonly #arrival: number;
  readonly #active = Date.now();
  readonly #outcomes: Outcomes;
  #tls: TlsSnapshot | null = null;
  /** Other servers must not be tried. */
  #stopped = false;

  constructor(props: DeliveryProps) {
    const { request, service, queueId } = props;
    this.#props = props;
    this.#source = new MessageSource(request.message, service.options.lineLengthLimit);
    this.#arrival = request.arrivalTime ?? this.#active;
    this.#outcomes = new Outcomes({
      service,
      recipients: request.recipients,
      queueId,
      arrival: this.#arrival,
      active: this.#active,
    });
  }

  async run(): Promise<DeliveryReport> {
    const { nexthops, queueId } = this.#props;
    for (const [i, nexthop] of nexthops.entries()) {
      if (!this.#finished) {
        await this.#tryHost(nexthop, i === nexthops.length - 1);
      }
    }
    return { queueId, recipients: this.#outcomes.report(), tls: this.#tls };
  }

  get #finished(): boolean {
    return this.#stopped || this.#outcomes.open.length === 0;
  }

  async #tryHost(nexthop: Nexthop, lastHost: boolean): Promise<void> {
    const { lookup, service, credentials } = this.#props;
    const addresses = await lookupHost(nexthop.host, lookup);
    if ('kind' in addresses) {
      this.#outcomes.setAll(addresses, null);
      this.#logTrouble(addresses, lastHost);
      return;
    }
    const login = service.options.saslAuthEnable
      ? await lookupCredentials(nexthop.host, credentials)
      : null;
    if (login !== null && 'kind' in login) {
      this.#outcomes.setAll(login, null);
      this.#logTrouble(login, lastHost);
      return;
    }
    for (const [i, address] of addresses.entries()) {
      const failure = await this.#tryAddress({
        ...{
          ...nexthop,
          address,
          level: service.level,
          nexthop: `[${nexthop.host}]:${nexthop.port}`,
        },
        credentials: login,
      });
      if (this.#finished) {
        return;
      }
      this.#logTrouble(failure, lastHost && i === addresses.length - 1);
    }
  }

  /** What went wrong with a server that is not the last one. */
  #logTrouble(failure: Failure | null, last: boolean): void {
    if (failure !== null && !last) {
      this.#props.service.logger.info(`${this.#props.queueId}: ${failure.text}`);
    }
  }

  /** One address; at level `may` perhaps a second time, in plaintext. */
  async #tryAddress(server: SessionProps): Promise<Failure | null> {
    const session = this.#connect(server);
    if (!(session instanceof Session)) {
      return session;
    }
    const kept = session.uses > 0;
    const failure = await this.#attempt(session);
    if (kept && failure?.kind === 'interrupted' && !this.#finished) {
      return this.#tryAddress(server); // it broke while it was kept, perhaps for no other reason
    }
    if (failure === null || !this.#mayFallBack(failure, session)) {
      return failure;
    }
    const plain = this.#connect({ ...server, level: 'none' });
    return plain instanceof Session ? this.#attempt(plain) : plain;
  }

  /** A connection of an earlier message, or a new one. */
  #connect(server: SessionProps): Session | Failure {
    const { service, pool } = this.#props;
    const kept = pool.take(server);
    if (kept !== null) {
      this.#logReused(kept);
      return kept;
    }
    try {
      return new Session(service, server);
    } catch (error) {
      if (!(error instanceof TlsError)) {
        throw error;
      }
      const failure = deferred('connect', '4.4.1', error.message);
      this.#outcomes.setAll(failure, null);
      return failure;
    }
  }

  /** What the delivery comes to on one connection. */
  async #attempt(session: Session): Promise<Failure | null> {
    const refusal = session.uses === 0 ? await session.opened() : null;
    this.#tls = session.tls;
    if (refusal !== null) {
      this.#outcomes.setAll(refusal, session);
      return refusal;
    }
    const { request, service, pool, more } = this.#props;
    const ready = Date.now();
    const { open } = this.#outcomes;
    const transaction = new Transaction(
      {
        request,
        recipients: open.map((i) => request.recipients[i] ?? ''),
        source: this.#source,
        smtputf8Enable: service.options.smtputf8Enable,
      },
      session.namaddr,
    );
    const failure = await session.send(transaction, !more);
    this.#stopped = transaction.ambiguous || !this.#source.rewindable;
    for (const [at, i] of open.entries()) {
      this.#outcomes.set(i, transaction.outcomes[at] ?? null, session, ready);
    }
    if (more && session.usable) {
      pool.give(session);
    } else {
      session.quit();
    }
    return failure;
  }

  /** The rules of Postfix for giving up TLS: only at `may`, and never for a message that is new. */
  #mayFallBack(failure: Failure, session: Session): boolean {
    const { service } = this.#props;
    const broken =
      failure.kind === 'handshake' || (failure.kind === 'interrupted' && session.tls !== null);
    return (
      broken &&
      session.props.level === 'may' &&
      session.props.credentials === null &&
      this.#active - this.#arrival >= service.options.minimalBackoffTime &&
      this.#source.rewindable &&
      this.#outcomes.open.length > 0
    );
  }

  #logReused(session: Session): void {
    const { logger, logFlags: flags } = this.#props.service;
    if (session.tls !== null && session.relay !== null) {
      const { tls: snapshot, relay: namaddr } = session;
      logEstablished(logger, { snapshot, direction: 'to', use: 'reused', namaddr, flags });
    }
  }
}
