/**
 * Smtp: Postfix's smtp(8) as a class. Delivers messages to an explicit next hop.
 */
import { resolveSmtp } from './config/check.js';
import type { SmtpParameters } from './config/options.js';
import { Delivery } from './delivery/delivery.js';
import { type HostLookup, systemLookup } from './delivery/host-lookup.js';
import { parseNexthop } from './delivery/nexthop.js';
import type { DeliveryReport, DeliveryRequest } from './delivery/report.js';
import { DeliveryService } from './delivery/service.js';
import { TlsError } from './errors.js';
import { engineLogger, type Logger } from './log/logger.js';
import { isAddress } from './smtp/path.js';
import { nextQueueId } from './smtp/queue-id.js';
import { mustEncrypt } from './tls/levels.js';

export interface SmtpOptions extends SmtpParameters {
  /** Default: standard error. */
  readonly logger?: Logger;
  /** Finds the addresses of a host; default: the system's resolver. */
  readonly lookup?: HostLookup;
}

export class Smtp {
  readonly #service: DeliveryService;
  readonly #lookup: HostLookup;

  /** @throws TlsError `UNKNOWN_OPTION`, `INVALID_PARAMETER` */
  constructor(options: SmtpOptions = {}) {
    const resolved = resolveSmtp(options, ['logger', 'lookup']);
    this.#service = new DeliveryService({
      options: resolved,
      logger: engineLogger(options.logger, 'smtp'),
    });
    this.#lookup = options.lookup ?? systemLookup;
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
    checkRequest(request);
    const { wrappermode } = this.#service.options.tls;
    const nexthop = parseNexthop(request.nexthop, wrappermode ? 465 : 25);
    const queueId = request.queueId ?? nextQueueId();
    return new Delivery({
      service: this.#service,
      request,
      nexthop,
      queueId,
      lookup: this.#lookup,
    }).run();
  }
}

function checkRequest(request: DeliveryRequest): void {
  const { sender, recipients } = request;
  if (typeof sender !== 'string' || !isAddress(sender)) {
    throw wrong(`sender "${String(sender)}" is not an address`);
  }
  if (!Array.isArray(recipients) || recipients.length === 0) {
    throw wrong('recipients is not a list of addresses');
  }
  const bad = recipients.find(
    (text) => typeof text !== 'string' || text === '' || !isAddress(text),
  );
  if (bad !== undefined) {
    throw wrong(`recipient "${String(bad)}" is not an address`);
  }
  if (request.message === undefined || request.message === null) {
    throw wrong('message is missing');
  }
}

function wrong(message: string): TlsError {
  return new TlsError({
    code: 'INVALID_ARGUMENT',
    message,
    suggestion: 'write addresses without angle brackets, such as user@example.com',
  });
}
