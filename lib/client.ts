/**
 * Smtp: Postfix's smtp(8) as a class. Delivers messages to an explicit next hop.
 */
import { resolveSmtp } from './config/check.js';
import type { SmtpParameters } from './config/options.js';
import { Delivery } from './delivery/delivery.js';
import { type HostLookup, systemLookup } from './delivery/host-lookup.js';
import type { CredentialsLookup, LoginCredentials } from './delivery/login.js';
import { type Nexthop, parseNexthop } from './delivery/nexthop.js';
import type { DeliveryReport, DeliveryRequest } from './delivery/report.js';
import { checkRequest } from './delivery/request-check.js';
import { DeliveryService } from './delivery/service.js';
import { SessionPool } from './delivery/session-pool.js';
import { TlsError } from './errors.js';
import { engineLogger, type Logger } from './log/logger.js';
import type { OwnCertificate } from './native.js';
import type { SessionStore } from './session-cache/store.js';
import { nextQueueId } from './smtp/queue-id.js';
import {
  type CertificateOptions,
  certificateOptionNames,
  certificateOptions,
} from './tls/chains.js';
import { mustEncrypt } from './tls/levels.js';
import { checkKeyLogOption } from './tls/probes.js';

export interface SmtpOptions extends SmtpParameters, CertificateOptions {
  /** Default: standard error. */
  readonly logger?: Logger;
  /** File that gets the secrets of all TLS sessions; see {@link SmtpdOptions.keyLogFile}. */
  readonly keyLogFile?: string;
  /** Finds the addresses of a host; default: the system's resolver. */
  readonly lookup?: HostLookup;
  /** User and password, for every server or by its name; used with `saslAuthEnable`. */
  readonly credentials?: LoginCredentials | CredentialsLookup;
  /** Keeps TLS sessions with servers, in the place of `tls.sessionCacheDatabase`; it may serve several processes. */
  readonly sessionStore?: SessionStore;
}

export class Smtp {
  readonly #service: DeliveryService;
  readonly #lookup: HostLookup;
  readonly #credentials: CredentialsLookup;

  /** @throws TlsError `UNKNOWN_OPTION`, `INVALID_PARAMETER`, `INVALID_ARGUMENT`, `KEYLOG_FILE` */
  constructor(options: SmtpOptions = {}) {
    const resolved = resolveSmtp(options, [
      ...['logger', 'lookup', 'credentials', 'keyLogFile', 'sessionStore'],
      ...certificateOptionNames,
    ]);
    this.#service = new DeliveryService({
      options: resolved,
      logger: engineLogger(options.logger, 'smtp'),
      care: certificateOptions(options),
      sessionStore: options.sessionStore ?? null,
      keyLogFile: checkKeyLogOption(options.keyLogFile),
    });
    this.#lookup = options.lookup ?? systemLookup;
    const { credentials = null } = options;
    this.#credentials = typeof credentials === 'function' ? credentials : () => credentials;
    if (resolved.tls.wrappermode && !mustEncrypt(this.#service.level)) {
      throw new TlsError({
        code: 'INVALID_PARAMETER',
        message: 'smtp_tls_wrappermode needs smtp_tls_security_level encrypt or stronger',
        suggestion: "set tls.securityLevel to 'encrypt'",
      });
    }
  }

  /** The client certificates in use, their issuers among them; empty before the first delivery that needs them. */
  get certificates(): readonly OwnCertificate[] {
    return this.#service.certificates;
  }

  /**
   * Loads keys and certificates anew, and the files of CAs with them: new connections get the new ones. Happens by
   * itself when the files change, see `chainFilesCheckInterval`: with the next delivery.
   *
   * @returns what is in use now; empty when the options name no file
   * @throws TlsError (rejects) `CHAIN_*`, `CA_LOAD`: the former ones stay in use, and the log says so
   */
  async reload(): Promise<readonly OwnCertificate[]> {
    return this.#service.reload();
  }

  /**
   * Delivers a message. Whatever servers and networks do ends in a result for each recipient.
   *
   * @throws TlsError (rejects) `INVALID_ARGUMENT` when the request itself is wrong
   */
  async deliver(request: DeliveryRequest): Promise<DeliveryReport> {
    const [report] = await this.deliverAll([request]);
    if (report === undefined) {
      throw new TlsError({ code: 'INVALID_STATE', message: 'a message was not tried' });
    }
    return report;
  }

  /**
   * Delivers messages one after the other, over one connection where they go to the same server.
   *
   * @throws TlsError (rejects) `INVALID_ARGUMENT` when a request itself is wrong: nothing is sent then
   */
  async deliverAll(requests: readonly DeliveryRequest[]): Promise<readonly DeliveryReport[]> {
    const nexthops = requests.map((request) => this.#check(request));
    const pool = new SessionPool();
    const reports: DeliveryReport[] = [];
    try {
      for (const [i, request] of requests.entries()) {
        const delivery = new Delivery({
          service: this.#service,
          request,
          nexthops: nexthops[i] ?? [],
          queueId: request.queueId ?? nextQueueId(),
          lookup: this.#lookup,
          credentials: this.#credentials,
          pool,
          more: i < requests.length - 1,
        });
        reports.push(await delivery.run());
      }
    } finally {
      pool.close();
    }
    return reports;
  }

  #check(request: DeliveryRequest): readonly Nexthop[] {
    checkRequest(request);
    const port = this.#service.options.tls.wrappermode ? 465 : 25;
    const list = typeof request.nexthop === 'string' ? [request.nexthop] : request.nexthop;
    return list.map((text) => parseNexthop(text, port));
  }
}
