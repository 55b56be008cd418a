/**
 * Smtp: Postfix's smtp(8) as a class. Finds the hosts of a destination, decides what each has to prove, and delivers.
 */
import { resolveSmtp } from './config/check.js';
import type { ResolvedSmtp, SmtpParameters } from './config/options.js';
import { serviceSocket } from './config/service-name.js';
import { Delivery, type DeliveryProps, type DeliveryResult } from './delivery/delivery.js';
import { HostFinder } from './delivery/destination.js';
import { checkLimit, Connections } from './delivery/connections.js';
import type { HostLookup } from './delivery/host-lookup.js';
import { HostPolicies } from './delivery/host-policy.js';
import type { CredentialsLookup, LoginCredentials } from './delivery/login.js';
import { MessageSource } from './delivery/message-source.js';
import { portNumber } from './delivery/nexthop.js';
import type { DeliveryReport, DeliveryRequest, RecipientResult } from './delivery/report.js';
import { checkRequest } from './delivery/request-check.js';
import { bounceAdvice } from './delivery/requiretls.js';
import { type Route, routesOf } from './delivery/routes.js';
import { DeliveryService } from './delivery/service.js';
import { sideBySide } from './delivery/side-by-side.js';
import { SessionPool } from './delivery/session-pool.js';
import { TlsrptReporting } from './delivery/tlsrpt.js';
import { saysTlsRequiredNo } from './delivery/tls-required.js';
import { ValidationWatch } from './delivery/validation-watch.js';
import type { DnsLookup } from './dns/answer.js';
import type { ValidationNames } from './dns/check.js';
import { GuardedLookup } from './dns/guarded-lookup.js';
import type { Random } from './dns/random.js';
import { Resolver } from './dns/resolver.js';
import { TlsError } from './errors.js';
import { engineLogger, type Logger } from './log/logger.js';
import type { LookupTable } from './maps/table.js';
import { type TableLike, toTable } from './maps/table-like.js';
import type { OwnCertificate } from './native.js';
import { nextQueueId } from './smtp/queue-id.js';
import type { SessionStore } from './session-cache/store.js';
import type { MtaSts } from './sts/index.js';
import {
  type CertificateOptions,
  certificateOptionNames,
  certificateOptions,
} from './tls/chains.js';
import { mustEncrypt } from './tls/levels.js';
import { checkKeyLogOption } from './tls/probes.js';
import type { Tlsmgr } from './tlsmgr/tlsmgr.js';
import type { TlsrptSink } from './tlsrpt/index.js';

export interface SmtpOptions extends SmtpParameters, CertificateOptions {
  /** Default: standard error. */
  readonly logger?: Logger;
  /** File that gets the secrets of all TLS sessions; see {@link SmtpdOptions.keyLogFile}. */
  readonly keyLogFile?: string;
  /** DNS servers, `127.0.0.1:5353`; default: those of /etc/resolv.conf. One on a loopback address is trusted for DNSSEC. */
  readonly nameservers?: readonly string[];
  /** Asked in the place of `nameservers`: a {@link Resolver}, or what serves as one. */
  readonly resolver?: DnsLookup;
  /** Finds the addresses of a host, in the order in which they are tried; in the place of `hostLookup`. */
  readonly lookup?: HostLookup;
  /** Networks that DNS must not lead to; default {@link impossibleNetworks}. Next hops that are addresses count. */
  readonly refusedNetworks?: readonly string[];
  /** Shuffles hosts of equal preference; default: by chance. */
  readonly random?: Random;
  /** What tells whether the resolver validates: looked up with the first delivery where `dnsSupportLevel` is `dnssec`. */
  readonly validationNames?: ValidationNames;
  /** Policies in the form of `tls.policyMaps`, searched before those: a table, or a function. */
  readonly policyTable?: TableLike | PolicyFunction;
  /** MTA-STS, for destinations that no table names and that have no DANE; default: none. */
  readonly sts?: MtaSts;
  /** Get what TLSRPT has to say, beside the collector of `tlsrptSocketName`: {@link TlsrptJournal}, {@link TlsrptCollector}. */
  readonly tlsrpt?: readonly TlsrptSink[];
  /** User and password, for every server or by its name; used with `saslAuthEnable`. */
  readonly credentials?: LoginCredentials | CredentialsLookup;
  /** Keeps TLS sessions with servers, in the place of `tls.sessionCacheDatabase`; it may serve several processes. */
  readonly sessionStore?: SessionStore;
  /** Keeps them, in the place of `tls.sessionCacheDatabase`, for all processes that use the same one; who has made it closes it. */
  readonly tlsmgr?: Tlsmgr;
  /** Connections at a time; further deliveries wait. 0: any number. Default 1000. */
  readonly connectionLimit?: number;
  /** Domains of one message that are delivered to at a time. 0: all of them. Default 20. */
  readonly messageConcurrencyLimit?: number;
}

/** The policy of a next hop or of a parent domain, `secure match=…`; undefined: none. That it rejects defers the mail. */
export type PolicyFunction = (key: string) => string | undefined | Promise<string | undefined>;

const ownOptions = [
  ...['logger', 'keyLogFile', 'nameservers', 'resolver', 'lookup', 'refusedNetworks', 'random'],
  ...['validationNames', 'policyTable', 'sts', 'tlsrpt', 'credentials'],
  ...['sessionStore', 'tlsmgr', 'connectionLimit', 'messageConcurrencyLimit'],
  ...certificateOptionNames,
];

export class Smtp {
  readonly #service: DeliveryService;
  readonly #credentials: CredentialsLookup;
  readonly #port: number;
  readonly #validation: ValidationWatch;
  readonly #connections: Connections;
  readonly #messageLimit: number;

  /** @throws TlsError `UNKNOWN_OPTION`, `INVALID_PARAMETER`, `INVALID_ARGUMENT`, `KEYLOG_FILE` */
  constructor(options: SmtpOptions = {}) {
    const resolved = resolveSmtp(options, ownOptions);
    this.#port = defaultPort(resolved);
    checkWrappermode(resolved, options);
    const logger = engineLogger(options.logger, 'smtp');
    const asked = resolverOf(options);
    const dns = guarded(asked, logger);
    const { lookup, refusedNetworks, random, sts = null, tlsrpt: sinks = [] } = options;
    const shared = { options: resolved, dns, logger };
    this.#service = new DeliveryService({
      ...shared,
      care: certificateOptions(options),
      keyLogFile: checkKeyLogOption(options.keyLogFile),
      finder: new HostFinder({ ...shared, lookup, refusedNetworks, random }),
      policies: new HostPolicies({ ...shared, table: policyTable(options.policyTable), sts }),
      tlsrpt: new TlsrptReporting({ ...shared, sinks }),
      sts,
      sessionStore: options.sessionStore ?? options.tlsmgr?.sessions('smtp') ?? null,
      tlsproxy: serviceSocket(resolved.tlsproxyServiceName),
    });
    this.#connections = new Connections({
      options: resolved,
      limit: options.connectionLimit ?? 1000,
    });
    this.#messageLimit = checkLimit(
      'messageConcurrencyLimit',
      options.messageConcurrencyLimit ?? 20,
    );
    this.#validation = new ValidationWatch({
      ...{ ...shared, dns: asked, names: options.validationNames ?? {} },
    });
    const { credentials = null } = options;
    this.#credentials = typeof credentials === 'function' ? credentials : () => credentials;
  }

  /** The client certificates in use, their issuers among them; empty before the first delivery that needs them. */
  get certificates(): readonly OwnCertificate[] {
    return this.#service.certificates;
  }

  /**
   * Loads keys and certificates anew, the files of CAs with them, and the tables of policies and loglevels: new connections
   * get the new ones. Certificates do so by themselves when the files change, see `chainFilesCheckInterval`: with the next
   * delivery.
   *
   * @returns what is in use now; empty when the options name no file
   * @throws TlsError (rejects) `CHAIN_*`, `CA_LOAD`, `LOOKUP_TABLE`: the former ones stay in use, and the log says so
   */
  async reload(): Promise<readonly OwnCertificate[]> {
    const certificates = await this.#service.reload();
    this.#connections.pool.trim(0); // the servers know us by the former certificates
    return certificates;
  }

  /**
   * Takes no further delivery, lets those that run or wait come to their end, ends the connections that were kept, and
   * closes session cache and tables.
   */
  async close(): Promise<void> {
    await this.#connections.close();
    await this.#service.shared?.close();
    await this.#service.sessions?.close();
    this.#service.close();
  }

  /**
   * Delivers a message. Whatever servers and networks do ends in a result for each recipient.
   *
   * @throws TlsError (rejects) `INVALID_ARGUMENT` when the request itself is wrong; `INVALID_STATE` after {@link close}
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
   * @throws TlsError (rejects) `INVALID_ARGUMENT` when a request itself is wrong, `INVALID_STATE` after {@link close}: nothing
   *   is sent then
   */
  async deliverAll(requests: readonly DeliveryRequest[]): Promise<readonly DeliveryReport[]> {
    this.#connections.requireOpen();
    const tasks = requests.map((request) => ({ request, routes: this.#routes(request) }));
    this.#validation.begin();
    const pool = new SessionPool(this.#connections.pool);
    const reports: DeliveryReport[] = [];
    try {
      for (const [i, { request, routes }] of tasks.entries()) {
        reports.push(await this.#deliver(request, routes, pool, i < tasks.length - 1));
      }
    } finally {
      pool.close();
    }
    return reports;
  }

  #routes(request: DeliveryRequest): readonly Route[] {
    checkRequest(request);
    return routesOf(request, this.#port);
  }

  async #deliver(
    request: DeliveryRequest,
    routes: readonly Route[],
    pool: SessionPool,
    more: boolean,
  ): Promise<DeliveryReport> {
    const service = this.#service;
    const arrival = request.arrivalTime ?? Date.now();
    const queueId = request.queueId ?? nextQueueId();
    const { message: given } = request;
    const message = typeof given === 'string' ? Buffer.from(given) : given;
    const open = (): MessageSource => new MessageSource(message, service.options.lineLengthLimit);
    const head = open();
    const saysNo = saysTlsRequiredNo(head, request, queueId, service);
    const tlsRequiredNo = typeof saysNo === 'boolean' ? saysNo : await saysNo;
    const results: RecipientResult[] = [];
    const tls: DeliveryResult['tls'][] = [];
    await sideBySide(routes, this.#messageLimit, async ({ recipients, nexthops }, i) => {
      const source = i === 0 ? head : open();
      const props: DeliveryProps = {
        service,
        request,
        recipients: recipients.map((at) => request.recipients[at] ?? ''),
        nexthops,
        source,
        queueId,
        arrival,
        tlsRequiredNo,
        credentials: this.#credentials,
        pool,
        more,
      };
      const done = await this.#connections.run(nexthops, () => new Delivery(props).run());
      source.cancel(); // its header was read, perhaps by nobody else
      tls[i] = done.tls;
      for (const [at, result] of done.recipients.entries()) {
        results[recipients[at] ?? 0] = result;
      }
    });
    service.policies.requestEnded();
    const bounce = bounceAdvice(request, service.options);
    return { queueId, recipients: results, bounce, tls: tls.at(-1) ?? null };
  }
}

/** `smtp_tcp_port`, and 465 in its place where TLS comes first. */
function defaultPort({ tcpPort, tls }: ResolvedSmtp): number {
  const port = portNumber(tcpPort);
  if (port === null) {
    throw new TlsError({
      code: 'INVALID_PARAMETER',
      message: `smtp_tcp_port is "${tcpPort}"`,
      suggestion: 'write a number or smtp, submission, submissions',
    });
  }
  return tls.wrappermode && tcpPort === 'smtp' ? 465 : port;
}

/** Without tables it is known now that every delivery would be skipped. */
function checkWrappermode({ tls }: ResolvedSmtp, { policyTable }: SmtpOptions): void {
  const tables = tls.policyMaps.length + tls.perSite.length > 0 || policyTable !== undefined;
  if (tls.wrappermode && !mustEncrypt(tls.securityLevel) && !tables) {
    throw new TlsError({
      code: 'INVALID_PARAMETER',
      message: 'smtp_tls_wrappermode needs smtp_tls_security_level encrypt or stronger',
      suggestion: "set tls.securityLevel to 'encrypt'",
    });
  }
}

function resolverOf({ resolver, nameservers }: SmtpOptions): DnsLookup {
  if (resolver !== undefined && nameservers !== undefined) {
    throw new TlsError({
      code: 'INVALID_ARGUMENT',
      message: 'resolver and nameservers exclude each other',
      suggestion: 'give the servers to the Resolver',
    });
  }
  return resolver ?? new Resolver(nameservers === undefined ? {} : { servers: nameservers });
}

/** Our own resolver never rejects; what the caller gives may, and mail waits then. */
function guarded(dns: DnsLookup, logger: Required<Logger>): DnsLookup {
  return dns instanceof Resolver ? dns : new GuardedLookup(dns, (text) => logger.warn(text));
}

function policyTable(given: SmtpOptions['policyTable']): LookupTable | null {
  if (given === undefined) {
    return null;
  }
  return typeof given === 'function' ? { lookup: given } : toTable(given);
}
