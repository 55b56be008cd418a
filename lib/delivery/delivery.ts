/**
 * One request from the look-up of its host to a result for each recipient.
 *
 * Addresses of the host are tried in turn. A recipient that was refused for good, or that the
 * server took, is through; the others go to the next address with what is known so far, and what is
 * left at the end keeps the last reason. Nothing is sent twice on purpose: when nobody knows
 * whether a server took the message, no other one is tried.
 */
import { TlsError } from '../errors.js';
import { type DeliveryTimes, deliveryDelays, logDelivery, tlsField } from '../log/delivery.js';
import type { TlsLevel } from '../tls/levels.js';
import type { TlsSnapshot } from '../tls/snapshot.js';
import { deferred, type Failure } from './failure.js';
import { type HostLookup, lookupHost } from './host-lookup.js';
import { MessageSource } from './message-source.js';
import type { Nexthop } from './nexthop.js';
import type { DeliveryReport, DeliveryRequest, RecipientResult } from './report.js';
import type { DeliveryService } from './service.js';
import { Session } from './session.js';
import { type Outcome, Transaction } from './transaction.js';

export interface DeliveryProps {
  readonly service: DeliveryService;
  readonly request: DeliveryRequest;
  readonly nexthop: Nexthop;
  readonly queueId: string;
  readonly lookup: HostLookup;
}

/** How it stands with one recipient. */
interface Standing {
  readonly outcome: NonNullable<Outcome>;
  readonly relay: string | null;
  readonly tlsFeature: string;
  /** When the connection was ready for the message; null: it never was. */
  readonly ready: number | null;
  readonly done: number;
  /** No other server can change it. */
  readonly final: boolean;
}

export class Delivery {
  readonly #props: DeliveryProps;
  readonly #source: MessageSource;
  readonly #arrival: number;
  readonly #active = Date.now();
  readonly #standings: (Standing | null)[];
  #tls: TlsSnapshot | null = null;
  /** Other servers must not be tried. */
  #stopped = false;

  constructor(props: DeliveryProps) {
    this.#props = props;
    this.#source = new MessageSource(props.request.message);
    this.#arrival = props.request.arrivalTime ?? this.#active;
    this.#standings = props.request.recipients.map(() => null);
  }

  async run(): Promise<DeliveryReport> {
    const { nexthop, lookup, request, queueId } = this.#props;
    const addresses = await lookupHost(nexthop.host, lookup);
    if ('kind' in addresses) {
      this.#standAll(addresses, null);
    } else {
      await this.#tryAll(addresses);
    }
    const recipients = request.recipients.map((recipient, i) => this.#result(recipient, i));
    return { queueId, recipients, tls: this.#tls };
  }

  async #tryAll(addresses: readonly string[]): Promise<void> {
    const { service, queueId } = this.#props;
    for (const [i, address] of addresses.entries()) {
      const failure = await this.#tryAddress(address);
      if (this.#stopped || this.#open().length === 0) {
        return;
      }
      if (failure !== null && i < addresses.length - 1) {
        service.logger.info(`${queueId}: ${failure.text}`);
      }
    }
  }

  /** One address; at level `may` perhaps a second time, in plaintext. */
  async #tryAddress(address: string): Promise<Failure | null> {
    const { service } = this.#props;
    const session = this.#connect(address, service.level);
    if (!(session instanceof Session)) {
      return session;
    }
    const failure = await this.#attempt(session);
    if (failure === null || !this.#mayFallBack(failure, session)) {
      return failure;
    }
    const plain = this.#connect(address, 'none');
    return plain instanceof Session ? this.#attempt(plain) : plain;
  }

  #connect(address: string, level: TlsLevel): Session | Failure {
    const { service, nexthop } = this.#props;
    try {
      return new Session(service, { ...nexthop, address, level });
    } catch (error) {
      if (!(error instanceof TlsError)) {
        throw error;
      }
      const failure = deferred('connect', '4.4.1', error.message);
      this.#standAll(failure, null);
      return failure;
    }
  }

  /** What the delivery comes to on one connection. */
  async #attempt(session: Session): Promise<Failure | null> {
    const { request } = this.#props;
    const refusal = await session.opened();
    this.#tls = session.tls;
    if (refusal !== null) {
      this.#standAll(refusal, session);
      return refusal;
    }
    const ready = Date.now();
    const open = this.#open();
    const transaction = new Transaction(
      {
        sender: request.sender,
        recipients: open.map((i) => request.recipients[i] ?? ''),
        source: this.#source,
        eightBit: request.encoding !== '7bit',
      },
      session.namaddr,
    );
    this.#source.rewind();
    const failure = await session.send(transaction, true);
    session.quit();
    this.#stopped = failure?.kind === 'ambiguous' || !this.#source.rewindable;
    for (const [at, i] of open.entries()) {
      this.#stand(i, transaction.outcomes[at] ?? null, session, ready);
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
      service.level === 'may' &&
      this.#active - this.#arrival >= service.options.minimalBackoffTime &&
      this.#source.rewindable &&
      this.#open().length > 0
    );
  }

  /** Recipients that another attempt may help. */
  #open(): readonly number[] {
    return [...this.#standings.keys()].filter((i) => this.#standings[i]?.final !== true);
  }

  #standAll(failure: Failure, session: Session | null): void {
    for (const i of this.#open()) {
      this.#standings[i] = {
        ...this.#circumstances(session, null),
        outcome: failure,
        final: false,
      };
    }
  }

  #stand(i: number, outcome: Outcome, session: Session, ready: number): void {
    // Each recipient has an outcome; a missing one would be a message lost in silence.
    const known = outcome ?? deferred('protocol', '4.3.0', 'the delivery ended without a result');
    const final =
      known.status === 'sent' || (known.kind === 'refused' && known.status === 'bounced');
    this.#standings[i] = { ...this.#circumstances(session, ready), outcome: known, final };
  }

  #circumstances(
    session: Session | null,
    ready: number | null,
  ): Omit<Standing, 'outcome' | 'final'> {
    const initial = this.#props.service.level;
    const reached = session?.reached ?? null;
    const violated = session?.violated ?? false;
    return {
      relay: session?.relay ?? null,
      tlsFeature: tlsField({ initial, final: reached, violated }),
      ready,
      done: Date.now(),
    };
  }

  #result(recipient: string, i: number): RecipientResult {
    const standing = this.#standings[i];
    if (standing === null || standing === undefined) {
      throw new TlsError({ code: 'INVALID_STATE', message: 'a recipient was not tried' });
    }
    const { outcome, relay, tlsFeature } = standing;
    const { delay, delays } = deliveryDelays(this.#times(standing));
    const { status, dsn, text } = outcome;
    const { service, queueId } = this.#props;
    logDelivery(service.logger, {
      ...{ queueId, recipient, relay, delay, delays, dsn, status, text },
      origRecipient: null,
      connUse: 1,
      tls: service.options.logTlsFeatureStatus ? tlsFeature : null,
    });
    return { recipient, status, dsn, reply: text, relay, delay, delays, tlsFeature };
  }

  #times(standing: Standing): DeliveryTimes {
    return {
      arrival: this.#arrival,
      active: this.#active,
      handoff: this.#active,
      ready: standing.ready,
      done: standing.done,
    };
  }
}
