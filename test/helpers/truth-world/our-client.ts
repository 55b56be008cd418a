/** Our smtp in the world of the recorded cases, with the parameters that the recording was made with. */
import { Smtp, type SmtpOptions } from '../../../lib/client.js';
import type { DeliveryRequest, RecipientResult } from '../../../lib/delivery/report.js';
import { tlsSummary } from '../../../lib/log/summary.js';
import type { ClientSecurityLevel } from '../../../lib/tls/levels.js';
import { Lines } from '../lines.js';
import type { SmtpRow } from './cases.js';
import type { TruthWorld } from './truth-world.js';

export type Outcome = Omit<SmtpRow, 'case' | 'level'>;

export class OurClient {
  readonly lines = new Lines();
  readonly #world: TruthWorld;
  readonly #smtps = new Map<string, Smtp>();

  readonly #options: SmtpOptions;
  readonly #request: Partial<DeliveryRequest>;

  /** @param options beside those of the recording @param request what all messages ask for */
  constructor(
    world: TruthWorld,
    options: SmtpOptions = {},
    request: Partial<DeliveryRequest> = {},
  ) {
    this.#world = world;
    this.#options = options;
    this.#request = request;
  }

  /** One message, as if it had just come. */
  async deliver(
    { case: name, level }: Pick<SmtpRow, 'case' | 'level'>,
    message = 'Subject: recorded\n\nhello\n',
  ): Promise<RecipientResult> {
    const one = this.#world.caseOf(name);
    const { recipients } = await this.#smtp(level).deliver({
      sender: 'a@client.example',
      recipients: [`b@${one.domain}`.replace(/\.$/, '')],
      message,
      nexthop: this.#world.destinationOf(one),
      ...this.#request,
    });
    const [result] = recipients;
    if (result === undefined) {
      throw new Error(`${name} at level ${level}: a recipient without a result`);
    }
    return result;
  }

  close(): void {
    for (const smtp of this.#smtps.values()) {
      void smtp.close();
    }
  }

  #smtp(level: string): Smtp {
    const settings = ourOptions(this.#world, level as ClientSecurityLevel, this.lines);
    const smtp =
      this.#smtps.get(level) ??
      new Smtp({
        ...settings,
        ...this.#options,
        tls: { ...settings.tls, ...this.#options.tls },
      });
    this.#smtps.set(level, smtp);
    return smtp;
  }
}

function ourOptions(
  { certificates, nameserver }: TruthWorld,
  securityLevel: ClientSecurityLevel,
  logger: Lines,
): SmtpOptions {
  return {
    myhostname: 'client.example',
    logger,
    nameservers: [nameserver],
    validationNames: { signed: 'mx.good-311.lab.test', bogus: 'mx.zone-bogus.bogus.test' },
    dnsSupportLevel: 'dnssec',
    minimalBackoffTime: 4_000_000,
    tls: {
      securityLevel,
      loglevel: 1,
      enableRpk: true,
      chainFiles: [certificates.of('client').chainFile],
      CAfile: certificates.of('lab-root').certFile,
    },
  };
}

/** A result in the columns of the recording. */
export function asRecorded({
  status,
  dsn,
  tls,
  tlsFeature,
  relay,
  reply,
}: RecipientResult): Outcome {
  const rawKey = tls?.server?.rawPublicKey === true || tls?.client?.rawPublicKey === true;
  return {
    status,
    dsn,
    security: tls?.status ?? '',
    protocol: tls?.protocol ?? '',
    rpk: tls === null ? '' : `${rawKey}`,
    tls_field: tlsFeature ?? '',
    relay: relay ?? 'none',
    reason: withoutQueueId(reply),
  };
}

/** The summary line of the session that a result came of. */
export function summaryOf({ tls, relay }: RecipientResult): string | null {
  return tls === null
    ? null
    : tlsSummary({ snapshot: tls, direction: 'to', use: 'established', namaddr: relay ?? '' });
}

export function withoutQueueId(reply: string): string {
  return reply.replace(/queued as \S+$/, 'queued as <QID>');
}
