/**
 * One message to the hosts of one destination, from their look-up to a result for each recipient.
 *
 * Next hops, their hosts and the addresses of those are tried in turn. A host whose policy cannot be satisfied is passed
 * over before anybody connects to it. A recipient that was refused for good, or that a server took, is through; the
 * others go to the next address with what is known so far, and what is left at the end keeps the last reason. Nothing is
 * sent twice on purpose: when nobody knows whether a server took the message, no other one is tried.
 */
import { TlsError } from '../errors.js';
import { logEstablished } from '../log/handshake.js';
import { type HostPolicy, isProblem, type PolicyProblem } from '../policy/policy.js';
import { nexthopDomain } from '../policy/host-name.js';
import type { TlsSnapshot } from '../snapshot.js';
import type { TlsrptAttempt } from '../tlsrpt/index.js';
import type { Target } from './destination.js';
import { deferred, type Failure, softened } from './failure.js';
import { type CredentialsLookup, lookupCredentials } from './login.js';
import type { MessageSource } from './message-source.js';
import type { Nexthop } from './nexthop.js';
import { Outcomes } from './outcomes.js';
import type { DeliveryRequest, RecipientResult } from './report.js';
import type { DeliveryService } from './service.js';
import { Session, type SessionProps } from './session.js';
import type { SessionPool } from './session-pool.js';
import { reportMissingSts, tlsrptPolicy } from './tlsrpt.js';
import { Transaction } from './transaction.js';

export interface DeliveryProps {
  readonly service: DeliveryService;
  readonly request: DeliveryRequest;
  /** Those of the request that have these next hops. */
  readonly recipients: DeliveryRequest['recipients'];
  /** In the order in which they are tried. */
  readonly nexthops: readonly Nexthop[];
  readonly source: MessageSource;
  readonly queueId: string;
  /** When the message entered the queue; milliseconds. */
  readonly arrival: number;
  /** The message says `TLS-Required: no`, and that is heeded. */
  readonly tlsRequiredNo: boolean;
  readonly credentials: CredentialsLookup;
  /** Connections of the messages before this one. */
  readonly pool: SessionPool;
  /** Other messages follow: the connection is kept. */
  readonly more: boolean;
}

export interface DeliveryResult {
  readonly recipients: readonly RecipientResult[];
  /** The TLS session of the last connection; null in plaintext or without one. */
  readonly tls: TlsSnapshot | null;
}

export class Delivery {
  readonly #props: DeliveryProps;
  readonly #active = Date.now();
  readonly #outcomes: Outcomes;
  #tls: TlsSnapshot | null = null;
  /** Other servers must not be tried. */
  #stopped = false;
  /** Sessions with servers of this next hop that got as far as MAIL. */
  #sessions = 0;

  constructor(props: DeliveryProps) {
    const { service, queueId, recipients, arrival } = props;
    this.#props = props;
    this.#outcomes = new Outcomes({
      service,
      recipients,
      queueId,
      arrival,
      active: this.#active,
    });
  }

  async run(): Promise<DeliveryResult> {
    const { nexthops } = this.#props;
    for (const [i, nexthop] of nexthops.entries()) {
      if (!this.#finished) {
        await this.#tryNexthop(nexthop, i);
      }
    }
    return { recipients: this.#outcomes.report(), tls: this.#tls };
  }

  get #finished(): boolean {
    return this.#stopped || this.#outcomes.open.length === 0;
  }

  async #tryNexthop(nexthop: Nexthop, index: number): Promise<void> {
    const { service, nexthops, tlsRequiredNo } = this.#props;
    const lastOne = index === nexthops.length - 1;
    const targets = await service.finder.find(nexthop);
    if ('kind' in targets) {
      // That a place to fall back to is not there is no reason to give the message up.
      const failure = index > 0 ? softened(targets) : targets;
      this.#outcomes.setAll(failure, null, null);
      this.#logTrouble(failure, lastOne);
      return;
    }
    const attempt = await service.tlsrpt.attempt(nexthop, tlsRequiredNo);
    const { mxSessionLimit: limit } = service.options;
    this.#sessions = 0;
    for (const [i, target] of targets.entries()) {
      const failure = await this.#tryTarget(target, attempt);
      if (this.#finished) {
        return;
      }
      const enough = limit > 0 && this.#sessions >= limit;
      this.#logTrouble(failure, lastOne && (enough || i === targets.length - 1));
      if (enough) {
        return;
      }
    }
  }

  /** What went wrong with a server that is not the last one. */
  #logTrouble(failure: Failure | null, last: boolean): void {
    if (failure !== null && !last) {
      this.#props.service.logger.info(`${this.#props.queueId}: ${failure.text}`);
    }
  }

  async #tryTarget(target: Target, attempt: TlsrptAttempt | null): Promise<Failure | null> {
    const { service, tlsRequiredNo } = this.#props;
    const policy = await service.policies.resolve({ ...target.facts, tlsRequiredNo });
    if (isProblem(policy)) {
      return this.#skip(policy);
    }
    const login = await this.#credentialsFor(target);
    if (login !== null && 'kind' in login) {
      this.#outcomes.setAll(login, policy.level, null);
      return login;
    }
    if (attempt !== null) {
      await this.#preparePolicyReport(attempt, policy, target);
    }
    const plain = { ...target.peer, nexthop: target.facts.nexthop, policy, plaintext: false };
    return this.#tryAddress({ ...plain, credentials: login, tlsrpt: attempt });
  }

  /** The policy of a host keeps us away from it. */
  #skip({ dsn, text, warning, levelKnown }: PolicyProblem): Failure {
    if (warning !== null) {
      this.#props.service.logger.warn(warning);
    }
    const failure = deferred('connect', dsn, text);
    this.#outcomes.setAll(failure, levelKnown ?? 'unknown', null);
    return failure;
  }

  /** By the name of the server, else by the next hop. */
  async #credentialsFor({ peer, facts }: Target): ReturnType<typeof lookupCredentials> {
    const { service, credentials } = this.#props;
    if (!service.options.saslAuthEnable) {
      return null;
    }
    const found = await lookupCredentials(peer.host, credentials);
    const domain = nexthopDomain(facts.nexthop);
    return found !== null || domain === peer.host ? found : lookupCredentials(domain, credentials);
  }

  async #preparePolicyReport(
    attempt: TlsrptAttempt,
    policy: HostPolicy,
    { facts }: Target,
  ): Promise<void> {
    const domain = nexthopDomain(facts.nexthop).toLowerCase();
    attempt.setPolicy(tlsrptPolicy(policy, domain));
    await reportMissingSts(attempt, policy, this.#props.service.sts, domain);
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
    const plain = this.#connect({ ...server, plaintext: true, tlsrpt: null });
    return plain instanceof Session ? this.#attempt(plain) : plain;
  }

  /** A connection of an earlier message, or a new one. */
  #connect(server: SessionProps): Session | Failure {
    const { service, pool } = this.#props;
    const kept = server.plaintext ? null : pool.take(server);
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
      this.#outcomes.setAll(failure, server.policy.level, null);
      return failure;
    }
  }

  /** What the delivery comes to on one connection. */
  async #attempt(session: Session): Promise<Failure | null> {
    const refusal = session.uses === 0 ? await session.opened() : null;
    this.#tls = session.tls;
    if (refusal !== null) {
      this.#outcomes.setAll(refusal, session.props.policy.level, session);
      return refusal;
    }
    this.#sessions++;
    const { request, recipients, service, pool, more, source } = this.#props;
    const ready = Date.now();
    const { open } = this.#outcomes;
    const transaction = new Transaction(
      {
        request,
        recipients: open.map((i) => recipients[i] ?? ''),
        source,
        smtputf8Enable: service.options.smtputf8Enable,
      },
      session.namaddr,
    );
    const failure = await session.send(transaction, !pool.keeps(session.props, more));
    this.#stopped = transaction.ambiguous || !source.rewindable;
    for (const [at, i] of open.entries()) {
      this.#outcomes.set(i, transaction.outcomes[at] ?? null, session, ready);
    }
    pool.give(session, more);
    return failure;
  }

  /** The rules of Postfix for giving up TLS: only at `may`, and never for a message that is new. */
  #mayFallBack(failure: Failure, session: Session): boolean {
    const { service, source, arrival } = this.#props;
    const broken =
      failure.kind === 'handshake' || (failure.kind === 'interrupted' && session.tls !== null);
    return (
      broken &&
      session.props.policy.level === 'may' &&
      !session.props.plaintext &&
      session.props.credentials === null &&
      this.#active - arrival >= service.options.minimalBackoffTime &&
      source.rewindable &&
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
