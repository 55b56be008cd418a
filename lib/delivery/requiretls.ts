/**
 * REQUIRETLS (RFC 8689) of the messages that are delivered: how a next hop is held to it (`smtp_requiretls_policy`), and what becomes of the
 * request at each server. What a step comes to is `lib/policy/requiretls.ts`.
 */
import type { ResolvedSmtp } from '../config/options.js';
import type { TlsFeature } from '../log/delivery.js';
import type { Logger } from '../log/logger.js';
import { TableList } from '../maps/table-list.js';
import type { NamedTable } from '../policy/find.js';
import { nexthopDomain } from '../policy/host-name.js';
import {
  forbidsPlaintext,
  type RequiretlsElement,
  type RequiretlsPolicy,
  type RequiretlsStep,
  readRequiretlsPolicy,
  requiretlsPolicy,
  requiretlsStep,
} from '../policy/requiretls.js';
import type { Failure } from './failure.js';
import type { BounceAdvice, DeliveryRequest } from './report.js';

const parameter = 'smtp_requiretls_policy';

/** The policies of next hops. Tables are opened when a message first asks; one that cannot be is one that fails. */
export class RequiretlsPolicies {
  readonly #enabled: boolean;
  readonly #elements: readonly RequiretlsElement[];
  readonly #tables: readonly TableList[];
  readonly #named: ReadonlyMap<string, NamedTable>;
  readonly #logger: Logger;

  constructor({ requiretlsEnable, requiretlsPolicy: text }: ResolvedSmtp, logger: Logger) {
    this.#enabled = requiretlsEnable;
    this.#elements = readRequiretlsPolicy(text);
    this.#logger = logger;
    const specs = this.#elements.flatMap((it) => (it.kind === 'table' ? [it.spec] : []));
    const lists = specs.map((spec) => new TableList({ parameter, specs: [spec], logger }));
    this.#tables = lists;
    this.#named = new Map(lists.map((list, i) => named(specs[i] ?? '', list)));
  }

  /** A message's request at a server of a next hop; null: there is none that counts. Never rejects. */
  async request(
    { requiretls }: DeliveryRequest,
    nexthop: string,
    queueId: string,
  ): Promise<RequiretlsRequest | null> {
    if (requiretls !== true || !this.#enabled) {
      return null;
    }
    const warn = (text: string): void => this.#logger.warn(`${queueId}: ${text}`);
    const domain = nexthopDomain(nexthop);
    const policy = await requiretlsPolicy(this.#elements, domain, this.#named, warn);
    const log = (text: string): void => this.#logger.info(`${queueId}: ${text}`);
    return policy === 'disable' ? null : new RequiretlsRequest(policy, log);
  }

  /** @throws TlsError (rejects) `LOOKUP_TABLE`: the former tables stay in use, and the log says so */
  async reload(): Promise<void> {
    for (const table of this.#tables) {
      await table.reload();
    }
  }

  close(): void {
    for (const table of this.#tables) {
      table.close();
    }
  }
}

function named(spec: string, list: TableList): [string, NamedTable] {
  const lookup = async (key: string): Promise<string | undefined> => {
    await list.open();
    return list.lookup(key);
  };
  return [spec, { spec, table: { lookup } }];
}

/** What the `tls=` field says a request has come to; null: nobody knows yet. */
type Final = 'requiretls' | 'nocertmatch' | 'nostarttls' | 'noencryption' | 'none' | null;

/** A request on its way to one server. */
export class RequiretlsRequest {
  readonly policy: RequiretlsPolicy;
  /** Why the server is given up for it. */
  failure: Failure | null = null;

  readonly #log: (text: string) => void;
  #final: Final = null;

  /** @param log takes what is said about a server that is not given up */
  constructor(policy: RequiretlsPolicy, log: (text: string) => void) {
    this.policy = policy;
    this.#log = log;
  }

  /** MAIL asks the server for it. */
  get passedOn(): boolean {
    return this.#final === 'requiretls';
  }

  /** TLS or nothing. */
  get forbidsPlaintext(): boolean {
    return forbidsPlaintext(this.policy);
  }

  /** For the `tls=` field. */
  get feature(): TlsFeature {
    const violated = this.failure !== null && this.#final !== null;
    return { initial: 'requiretls', final: this.#final, violated };
  }

  /** Null: it goes on. */
  at(step: RequiretlsStep): Failure | null {
    const decision = requiretlsStep(this.policy, step);
    this.#final =
      this.policy === 'error' ? null : finalOf(this.policy, step, decision.kind === 'fail');
    if (decision.kind === 'log') {
      this.#log(decision.text);
    }
    if (decision.kind !== 'fail') {
      return null;
    }
    const { dsn, text } = decision;
    const status = dsn.startsWith('5') ? 'bounced' : 'deferred';
    this.failure = { kind: 'refused', status, dsn, text };
    return this.failure;
  }
}

function finalOf(policy: RequiretlsPolicy, step: RequiretlsStep, failed: boolean): Final {
  switch (step.at) {
    case 'requiretls-offered':
      return 'requiretls';
    case 'requiretls-not-offered':
      return 'none';
    case 'level':
      return failed ? (policy === 'enforce' ? 'nocertmatch' : 'noencryption') : null;
    case 'not-matched':
      return failed ? 'nocertmatch' : null;
    default:
      return failed ? 'nostarttls' : null;
  }
}

/** What a bounce is to be like: who has asked for REQUIRETLS is told by headers alone, and gets to know at all. */
export function bounceAdvice(
  { requiretls, ret }: DeliveryRequest,
  { requiretlsEnable, requiretlsRedactDsn }: ResolvedSmtp,
): BounceAdvice {
  const asked = requiretls === true && requiretlsEnable;
  return asked && requiretlsRedactDsn
    ? { ret: 'HDRS', requiretls: false }
    : { ret: ret ?? null, requiretls: asked };
}
