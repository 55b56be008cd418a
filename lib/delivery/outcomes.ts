/**
 * How it stands with each recipient of a delivery, and the records at its end.
 */
import { TlsError } from '../errors.js';
import { deliveryDelays, logDelivery, tlsField } from '../log/delivery.js';
import type { TlsSnapshot } from '../snapshot.js';
import type { TlsLevel } from '../tls/levels.js';
import { deferred, type Failure } from './failure.js';
import type { RecipientResult, RequestedRecipient } from './report.js';
import type { RequiretlsRequest } from './requiretls.js';
import type { DeliveryService } from './service.js';
import type { Session, SessionProps } from './session.js';
import { addressOf, type Outcome } from './transaction.js';

export interface OutcomesProps {
  readonly service: DeliveryService;
  readonly recipients: readonly (string | RequestedRecipient)[];
  readonly queueId: string;
  /** When the message entered the queue, and when its delivery began; milliseconds. */
  readonly arrival: number;
  readonly active: number;
}

interface Standing {
  readonly outcome: NonNullable<Outcome>;
  readonly circumstances: Circumstances;
  /** No other server can change it. */
  readonly final: boolean;
}

interface Circumstances {
  readonly relay: string | null;
  readonly connUse: number;
  readonly tlsFeature: string | null;
  readonly tls: TlsSnapshot | null;
  /** When the connection was ready for the message; null: it never was. */
  readonly ready: number | null;
  readonly done: number;
}

/** What was asked of a server: its level, `unknown` where its policy cannot be had; and REQUIRETLS. */
export interface Asked {
  readonly level: TlsLevel | 'unknown';
  readonly requiretls: RequiretlsRequest | null;
}

export class Outcomes {
  readonly #props: OutcomesProps;
  readonly #standings: (Standing | null)[];

  constructor(props: OutcomesProps) {
    this.#props = props;
    this.#standings = props.recipients.map(() => null);
  }

  /** Recipients that another server may help. */
  get open(): readonly number[] {
    return [...this.#standings.keys()].filter((i) => this.#standings[i]?.final !== true);
  }

  /** Why they are not delivered to. */
  get reasons(): readonly string[] {
    const texts = this.open.map((i) => this.#standings[i]?.outcome.text ?? '');
    return [...new Set(texts)];
  }

  /**
   * What is true of all of them.
   *
   * @param asked null where no policy was looked for
   */
  setAll(failure: Failure, asked: Asked | null, session: Session | null): void {
    const circumstances = this.#circumstances(asked, session, null);
    for (const i of this.open) {
      this.#standings[i] = { outcome: failure, circumstances, final: isFinal(failure) };
    }
  }

  /** What came of one on a connection that was ready for it. */
  set(i: number, outcome: Outcome, session: Session, ready: number): void {
    // A missing outcome would be a message lost in silence.
    const known = outcome ?? deferred('protocol', '4.3.0', 'the delivery ended without a result');
    const circumstances = this.#circumstances(askedOf(session.props), session, ready);
    this.#standings[i] = { outcome: known, circumstances, final: isFinal(known) };
  }

  /** The results, each with its line in the log. */
  report(): readonly RecipientResult[] {
    return this.#props.recipients.map((recipient, i) => this.#result(addressOf(recipient), i));
  }

  #circumstances(
    asked: Asked | null,
    session: Session | null,
    ready: number | null,
  ): Circumstances {
    return {
      relay: session?.relay ?? null,
      connUse: session?.uses ?? 1,
      tlsFeature: asked === null ? null : featureOf(asked, session),
      tls: session?.tls ?? null,
      ready,
      done: Date.now(),
    };
  }

  #result(recipient: string, i: number): RecipientResult {
    const standing = this.#standings[i];
    if (standing === null || standing === undefined) {
      throw new TlsError({ code: 'INVALID_STATE', message: 'a recipient was not tried' });
    }
    const { service, queueId, arrival, active } = this.#props;
    const { relay, connUse, tlsFeature, tls, ready, done } = standing.circumstances;
    const { status, dsn, text } = standing.outcome;
    const { delay, delays } = deliveryDelays({ arrival, active, handoff: active, ready, done });
    logDelivery(service.logger, {
      queueId,
      recipient,
      origRecipient: null,
      relay,
      connUse,
      delay,
      delays,
      tls: service.options.logTlsFeatureStatus ? tlsFeature : null,
      dsn,
      status,
      text,
    });
    return { recipient, status, dsn, reply: text, relay, delay, delays, tlsFeature, tls };
  }
}

/** What was asked of the server of a session. */
export function askedOf({ policy, requiretls }: SessionProps): Asked {
  return { level: policy.level, requiretls };
}

function featureOf({ level, requiretls }: Asked, session: Session | null): string {
  const final = session?.reached ?? null;
  const violated = session?.violated ?? false;
  return tlsField({ initial: level, final, violated }, requiretls?.feature);
}

/** No other server can change it. */
function isFinal(outcome: NonNullable<Outcome>): boolean {
  return outcome.status === 'sent' || (outcome.status === 'bounced' && outcome.kind === 'refused');
}
