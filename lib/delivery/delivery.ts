/**
 * One message to the hosts of one destination, from their look-up to a result for each recipient.
 *
 * Next hops, their hosts and the addresses of those are tried in turn. A host whose policy cannot be satisfied is passed
 * over before anybody connects to it. A recipient that was refused for good, or that a server took, is through; the
 * others go to the next address with what is known so far, and what is left at the end keeps the last reason. Nothing is
 * sent twice on purpose: when nobody knows whether a server took the message, no other one is tried.
 */
import { domainToASCII } from 'node:url';
import { TlsError } from '../errors.js';
import { logEstablished } from '../log/handshake.js';
import { isProblem, type PolicyProblem } from '../policy/policy.js';
import { nexthopDomain } from '../policy/host-name.js';
import type { TlsSnapshot } from '../snapshot.js';
import type { TlsrptAttempt } from '../tlsrpt/index.js';
import type { Target } from './destination.js';
import { deferred, type Failure, softened } from './failure.js';
import { type CredentialsLookup, lookupCredentials } from './login.js';
import type { MessageSource } from './message-source.js';
import type { Nexthop } from './nexthop.js';
import { type Asked, askedOf, Outcomes } from './outcomes.js';
import type { DeliveryRequest, RecipientResult } from './report.js';
import type { RequiretlsRequest } from './requiretls.js';
import type { DeliveryService } from './service.js';
import { Session, type SessionProps } from './session.js';
import { alwaysTold } from './session-log.js';
import { reuseKey, type SessionPool } from './session-pool.js';
import { hostReport, reportSkipped } from './tlsrpt.js';
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

/** What came of one connection; no session where none could be tried. */
interface Tried {
  readonly failure: Failure | null;
  readonly session: Session | null;
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
  /** There is no other server to try. */
  #last = false;

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
    const found = service.finder.find(nexthop);
    const targets = found instanceof Promise ? await found : found;
    if ('kind' in targets) {
      // That a place to fall back to is not there is no reason to give the message up.
      this.#outcomes.setAll(index > 0 ? softened(targets) : targets, null, null);
      this.#logTrouble(lastOne);
      return;
    }
    const attempt = service.tlsrpt.active
      ? await service.tlsrpt.attempt(nexthop, tlsRequiredNo)
      : null;
    const { mxSessionLimit: limit } = service.options;
    this.#sessions = 0;
    for (const [i, target] of targets.entries()) {
      this.#last = lastOne && i === targets.length - 1;
      await this.#tryTarget(target, attempt);
      if (this.#finished) {
        return;
      }
      const enough = limit > 0 && this.#sessions >= limit;
      this.#logTrouble(lastOne && (enough || i === targets.length - 1));
      if (enough) {
        return;
      }
    }
  }

  /** What went wrong with a server that is not the last one: each reason once. */
  #logTrouble(last: boolean): void {
    for (const reason of last ? [] : this.#outcomes.reasons) {
      this.#props.service.logger.info(`${this.#props.queueId}: ${reason}`);
    }
  }

  async #tryTarget(target: Target, attempt: TlsrptAttempt | null): Promise<void> {
    const { service, request, queueId, tlsRequiredNo } = this.#props;
    const facts = tlsRequiredNo ? { ...target.facts, tlsRequiredNo } : target.facts;
    const resolved = service.policies.resolve(facts);
    const policy = resolved instanceof Promise ? await resolved : resolved;
    const requiretls =
      request.requiretls === true
        ? await service.requiretls.request(request, target.facts.nexthop, queueId)
        : null;
    if (isProblem(policy)) {
      this.#skip(policy, requiretls);
      if (attempt !== null && policy.sts !== null) {
        const domain = domainToASCII(domainOf(target));
        reportSkipped(attempt, policy.sts, domain, target.peer.host);
      }
      return;
    }
    const { level } = policy;
    const insecure = requiretls?.at({ at: 'level', level, host: target.peer.host }) ?? null;
    if (insecure !== null) {
      this.#giveUp(insecure, { level, requiretls }, null);
      return;
    }
    const login = service.options.saslAuthEnable ? await this.#credentialsFor(target) : null;
    if (login !== null && 'kind' in login) {
      this.#outcomes.setAll(login, { level, requiretls }, null);
      return;
    }
    const report =
      attempt === null
        ? null
        : await hostReport(attempt, policy, domainToASCII(domainOf(target)), service.sts);
    const { host, address, port } = target.peer;
    const logFlags = service.looksUpLoglevels
      ? await service.logFlagsOf(host, address)
      : service.logFlags;
    await this.#tryAddress({
      host,
      address,
      port,
      nexthop: target.facts.nexthop,
      policy,
      plaintext: false,
      hello: 'usual',
      credentials: login,
      requiretls,
      logFlags,
      report,
    });
  }

  /** The policy of a host keeps us away from it. */
  #skip(
    { dsn, text, warning, levelKnown }: PolicyProblem,
    requiretls: RequiretlsRequest | null,
  ): void {
    if (warning !== null) {
      this.#props.service.logger.warn(warning);
    }
    const asked = { level: levelKnown ?? 'unknown', requiretls } as const;
    this.#outcomes.setAll(deferred('connect', dsn, text), asked, null);
  }

  /** A server is no good; what REQUIRETLS says against it is not for good while there are others. */
  #giveUp(failure: Failure, asked: Asked, session: Session | null): Failure {
    const known =
      failure === asked.requiretls?.failure && !this.#last ? softened(failure) : failure;
    this.#outcomes.setAll(known, asked, session);
    return known;
  }

  /** By the name of the server, else by the next hop. */
  async #credentialsFor(target: Target): ReturnType<typeof lookupCredentials> {
    const { credentials } = this.#props;
    const { host } = target.peer;
    const found = await lookupCredentials(host, credentials);
    const domain = domainOf(target);
    return found !== null || domain === host ? found : lookupCredentials(domain, credentials);
  }

  /** One address; with smaller ClientHellos where the usual one is too large, and at level `may` perhaps in plaintext. */
  async #tryAddress(server: SessionProps): Promise<void> {
    const { hellos } = this.#props.service;
    let tried: Tried = { failure: null, session: null };
    for (const hello of hellos.kindsFor(server)) {
      tried = await this.#trySession(hello === server.hello ? server : { ...server, hello });
      if (tried.session?.choked !== true) {
        break;
      }
    }
    const { session, failure } = tried;
    if (session === null) {
      return;
    }
    if (session.choked || session.tls !== null) {
      hellos.learn(server, session.choked ? null : session.props.hello);
    }
    if (failure !== null && this.#mayFallBack(failure, session)) {
      const plain = await this.#connect({ ...session.props, plaintext: true, report: null });
      if (plain !== null) {
        await this.#attempt(plain);
      }
    }
  }

  async #trySession(server: SessionProps): Promise<Tried> {
    const session = await this.#connect(server);
    if (session === null) {
      return { failure: null, session };
    }
    const kept = session.uses > 0;
    const failure = await this.#attempt(session);
    if (failure?.kind !== 'interrupted' || this.#finished) {
      return { failure, session };
    }
    if (kept) {
      return this.#trySession(server); // it broke while it was kept, perhaps for no other reason
    }
    const { shared } = this.#props.service;
    return session.passedOn && (await shared?.lost()) === true
      ? this.#trySession({ ...server, direct: true })
      : { failure, session };
  }

  /** A connection of an earlier message, or a new one; null where that cannot even be tried, which the outcomes tell. */
  async #connect(server: SessionProps): Promise<Session | null> {
    const { service, pool } = this.#props;
    const kept = server.plaintext ? null : (pool.take(server) ?? (await this.#takeShared(server)));
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
      this.#outcomes.setAll(failure, askedOf(server), null);
      return null;
    }
  }

  async #takeShared(server: SessionProps): Promise<Session | null> {
    const { service } = this.#props;
    const taken = (await service.shared?.take(server, reuseKey)) ?? null;
    return taken === null ? null : new Session(service, server, taken);
  }

  /** What the delivery comes to on one connection. */
  async #attempt(session: Session): Promise<Failure | null> {
    const refusal = session.uses === 0 ? await session.opened() : null;
    this.#tls = session.tls;
    if (refusal !== null) {
      return this.#giveUp(refusal, askedOf(session.props), session);
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
        requiretls: session.props.requiretls?.passedOn ?? null,
      },
      session.namaddr,
    );
    const failure = await session.send(transaction, !pool.keeps(session.props, more));
    this.#stopped = transaction.ambiguous || !source.rewindable;
    for (const [at, i] of open.entries()) {
      this.#outcomes.set(i, transaction.outcomes[at] ?? null, session, ready);
    }
    await pool.give(session, more);
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
      session.props.requiretls?.forbidsPlaintext !== true &&
      this.#active - arrival >= service.options.minimalBackoffTime &&
      source.rewindable &&
      this.#outcomes.open.length > 0
    );
  }

  #logReused(session: Session): void {
    const { logger } = this.#props.service;
    if (session.tls !== null && session.relay !== null) {
      const { tls: snapshot, relay: namaddr, props } = session;
      const flags = alwaysTold(props.logFlags, session);
      logEstablished(logger, { snapshot, direction: 'to', use: 'reused', namaddr, flags });
    }
  }
}

function domainOf({ facts }: Target): string {
  return nexthopDomain(facts.nexthop);
}
