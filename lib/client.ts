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
import { nextQueueId } from './smtp/queue-id.js';
import { mustEncrypt } from './tls/levels.js';

export interface SmtpOptions extends SmtpParameters {
  /** Default: standard error. */
  readonly logger?: Logger;
  /** Finds the addresses of a host; default: the system's resolver. */
  readonly lookup?: HostLookup;
  /** User and password, for every server or by its name; used with `saslAuthEnable`. */
  readonly credentials?: LoginCredentials | CredentialsLookup;
}

export class Smtp {
  readonly #service: DeliveryService;
  readonly #lookup: HostLookup;
  readonly #credentials: CredentialsLookup;

  /** @throws TlsError `UNKNOWN_OPTION`, `INVALID_PARAMETER` */
  constructor(options: SmtpOptions = {}) {
    const resolved = resolveSmtp(options, ['logger', 'lookup', 'credentials']);
    this.#service = new DeliveryService({
      options: resolved,
      logger: engineLogger(options.logger, 'smtp'),
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
