/**
 * What the log and TLSRPT are told of a session's TLS, in the order in which Postfix tells it.
 */
import { channel } from 'node:diagnostics_channel';
import type { TlsError } from '../errors.js';
import { credentialLines } from '../log/credential.js';
import { logEstablished, logHandshakeFailure } from '../log/handshake.js';
import { type LogFlags, withUntrusted } from '../log/loglevel.js';
import { logNotices } from '../log/notices.js';
import { type HostPolicy, isTested } from '../policy/policy.js';
import type { TlsSnapshot } from '../snapshot.js';
import { mustMatch } from '../tls/levels.js';
import type { TlsrptAttempt } from '../tlsrpt/index.js';
import type { Conversation } from './conversation.js';
import type { DeliveryService } from './service.js';
import {
  reportCertificate,
  reportNoStarttls,
  reportTested,
  reportUnauthenticated,
  reportUnusable,
} from './tlsrpt.js';

export interface SessionLogProps {
  readonly service: Pick<DeliveryService, 'options' | 'logger'>;
  readonly conversation: Conversation;
  readonly policy: HostPolicy;
  /** Name of the server. */
  readonly host: string;
  /** What is logged about TLS with this server. */
  readonly logFlags: LogFlags;
  readonly tlsrpt: TlsrptAttempt | null;
}

const observers = channel('mxtls:tls:established');

export class SessionLog {
  readonly #props: SessionLogProps;
  readonly #flags: LogFlags;

  constructor(props: SessionLogProps) {
    this.#props = props;
    const { policy, logFlags } = props;
    this.#flags = mustMatch(policy.level) ? withUntrusted(logFlags) : logFlags;
  }

  /** In plaintext: a server that could have had TLS, for those who collect such servers. */
  offer(starttls: boolean): void {
    const { service, policy, host } = this.#props;
    if (starttls && policy.level === 'none' && service.options.tls.noteStarttlsOffer) {
      service.logger.info(`Host offered STARTTLS: [${host}]`);
    }
  }

  /** The server has no STARTTLS, or refuses it; `demanded`: mail does not go without. */
  noStarttls(demanded: boolean): void {
    const { tlsrpt, policy, host } = this.#props;
    if (tlsrpt !== null && (demanded || isTested(policy))) {
      reportNoStarttls(tlsrpt, policy, host);
    }
  }

  /** The handshake begins. */
  begins(): void {
    const { service, conversation, policy } = this.#props;
    for (const warning of policy.sessionWarnings) {
      service.logger.warn(`${conversation.namaddrport}: ${warning}`);
    }
  }

  failed(error: TlsError): void {
    const { service, conversation, tlsrpt } = this.#props;
    const namaddr = conversation.namaddrport;
    this.#takeNotices();
    logHandshakeFailure(service.logger, { direction: 'to', namaddr, error });
    tlsrpt?.failure('validation-failure', 'tls-handshake-failure');
  }

  established(snapshot: TlsSnapshot): void {
    const { service, conversation, policy, host, tlsrpt } = this.#props;
    this.#takeNotices();
    this.#tellOfCredential(snapshot);
    if (tlsrpt !== null) {
      reportCertificate(tlsrpt, policy, snapshot);
      reportTested(tlsrpt, policy, host, snapshot);
    }
    const flags = alwaysTold(this.#flags, conversation);
    if (flags.summary || observers.hasSubscribers) {
      const namaddr = conversation.namaddrport;
      const use = 'established';
      logEstablished(service.logger, { snapshot, direction: 'to', use, namaddr, flags });
    }
    if (snapshot.resumed && flags.cache) {
      service.logger.info(`${conversation.namaddrport}: Reusing old session`);
    }
  }

  /** The server is not who it has to be. */
  unauthenticated(snapshot: TlsSnapshot): void {
    const { tlsrpt } = this.#props;
    if (tlsrpt !== null) {
      reportUnauthenticated(tlsrpt, snapshot);
    }
  }

  /** What cannot be matched. That no name can be checked is a warning of the policy already. */
  #takeNotices(): void {
    const { service, conversation, policy, tlsrpt } = this.#props;
    const notices = conversation.tlsFacts.takeNotices();
    if (notices === null) {
      return;
    }
    if (tlsrpt !== null) {
      reportUnusable(tlsrpt, policy, notices);
    }
    const told = notices.filter(
      ({ kind }) => kind !== 'no-names' || policy.sessionWarnings.length === 0,
    );
    logNotices(service.logger, told, conversation.namaddrport);
  }

  /** Who the server says it is, and why it is not believed where it has to be. */
  #tellOfCredential(snapshot: TlsSnapshot): void {
    const { service, conversation, policy } = this.#props;
    const flags = this.#flags;
    const { untrusted, certmatch, peercert, verbose } = flags;
    if (certmatch || peercert || verbose || (untrusted && snapshot.verifyError !== null)) {
      const namaddr = conversation.namaddrport;
      const claims = conversation.tlsFacts.claims();
      const policyFailure = policy.failure;
      const props = { snapshot, claims, direction: 'to', namaddr, flags, policyFailure } as const;
      for (const line of credentialLines(props)) {
        service.logger.info(line);
      }
    }
  }
}

/** Whatever the loglevel is, a session of a tlsproxy is told of here, too, as in Postfix. */
export function alwaysTold(flags: LogFlags, { proxied }: Pick<Conversation, 'proxied'>): LogFlags {
  return proxied === null ? flags : { ...flags, summary: true };
}

/** The server has ended the handshake, or let it hang, before it said a word in it. */
export function isSilence({ peerSpoke, class: kind }: TlsError): boolean {
  return !peerSpoke && (kind === 'closed' || kind === 'timeout');
}
