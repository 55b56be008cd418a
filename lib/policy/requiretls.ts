/**
 * REQUIRETLS (RFC 8689) on the way out: `smtp_requiretls_policy`, and what each step of a session makes of its result.
 * Pure; the delivery engine asks only for messages whose sender has requested it.
 */
import { foldKey } from '../maps/table.js';
import { splitOutsideBraces } from '../maps/split.js';
import { mustMatch, type TlsLevel } from '../tls/levels.js';
import type { NamedTable } from './find.js';
import { isHostName } from './host-name.js';
import type { Warn } from './table-policy.js';

/** `error`: the policy cannot be used, and mail waits. */
export type RequiretlsPolicy =
  | 'enforce'
  | 'opportunistic+starttls'
  | 'opportunistic'
  | 'disable'
  | 'error';

const atoms: readonly RequiretlsPolicy[] = [
  'enforce',
  'opportunistic+starttls',
  'opportunistic',
  'disable',
  'error',
];

/** An element of the policy list: a result, a table, or something that is neither. */
export type RequiretlsElement =
  | { readonly kind: 'atom'; readonly policy: RequiretlsPolicy }
  | { readonly kind: 'table'; readonly spec: string }
  | { readonly kind: 'wrong'; readonly text: string };

/** Takes `smtp_requiretls_policy` apart. */
export function readRequiretlsPolicy(text: string): readonly RequiretlsElement[] {
  return splitOutsideBraces(text).map((element) => {
    const policy = atomOf(element);
    if (policy !== null) {
      return { kind: 'atom', policy };
    }
    return /^[a-z]\w*:/i.test(element)
      ? { kind: 'table', spec: element }
      : { kind: 'wrong', text: element };
  });
}

/**
 * The policy for a next hop.
 *
 * @param domain the next hop without brackets and port
 * @param tables those that the elements name, by `spec`
 */
export async function requiretlsPolicy(
  elements: readonly RequiretlsElement[],
  domain: string,
  tables: ReadonlyMap<string, NamedTable>,
  warn: Warn,
): Promise<RequiretlsPolicy> {
  for (const element of elements) {
    const policy = await elementPolicy(element, domain, tables, warn);
    if (policy !== null) {
      return policy;
    }
  }
  return 'enforce';
}

/** @returns null: the next element decides */
async function elementPolicy(
  element: RequiretlsElement,
  domain: string,
  tables: ReadonlyMap<string, NamedTable>,
  warn: Warn,
): Promise<RequiretlsPolicy | null> {
  if (element.kind === 'atom') {
    return element.policy;
  }
  const fail = (what: string): 'error' => {
    warn(`smtp_requiretls_policy: ${what}`);
    return 'error';
  };
  if (element.kind === 'wrong') {
    return fail(`invalid policy "${element.text}"`);
  }
  const named = tables.get(element.spec);
  if (named === undefined) {
    return fail(`table ${element.spec} is not open`);
  }
  let value: string | undefined;
  try {
    value = await lookUp(named, domain);
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
  if (value === undefined) {
    return null;
  }
  return atomOf(value.trim()) ?? fail(`${element.spec}: invalid policy "${value}" for ${domain}`);
}

/** Tables with fixed keys have `.parent` for all names below it; others are asked for the name only. */
async function lookUp({ spec, table }: NamedTable, domain: string): Promise<string | undefined> {
  const fixed = /^(?:texthash|inline|lmdb):/.test(spec);
  const labels = fixed && isHostName(domain) ? domain.split('.') : [];
  const parents = labels.slice(1).map((_, i) => `.${labels.slice(i + 1).join('.')}`);
  for (const key of [domain, ...parents]) {
    const value = await table.lookup(fixed ? foldKey(key) : key);
    if (value !== undefined) {
      return value;
    }
  }
  return undefined;
}

function atomOf(text: string): RequiretlsPolicy | null {
  return atoms.find((atom) => atom === text.toLowerCase()) ?? null;
}

/** A step of a session. `host` is not connected to yet, `namaddr` is `host[address]`. */
export type RequiretlsStep =
  | { readonly at: 'level'; readonly level: TlsLevel; readonly host: string }
  | { readonly at: 'starttls-not-offered'; readonly namaddr: string }
  | { readonly at: 'starttls-rejected'; readonly namaddr: string; readonly reply: string }
  | {
      readonly at: 'not-matched';
      readonly because: 'untrusted' | 'mismatch';
      readonly namaddr: string;
    }
  | { readonly at: 'requiretls-not-offered'; readonly namaddr: string }
  | { readonly at: 'requiretls-offered' };

export type RequiretlsDecision =
  /** As if nobody had asked. */
  | { readonly kind: 'continue' }
  /** The same, with a line in the log. */
  | { readonly kind: 'log'; readonly text: string }
  /** `REQUIRETLS` goes into MAIL FROM. */
  | { readonly kind: 'send' }
  /** The host is given up. A 5.x code is soft until the last one. */
  | { readonly kind: 'fail'; readonly dsn: string; readonly text: string };

const requested = 'Sender requested REQUIRETLS';
const proceed: RequiretlsDecision = { kind: 'continue' };

/** What the policy makes of a step. */
export function requiretlsStep(policy: RequiretlsPolicy, step: RequiretlsStep): RequiretlsDecision {
  switch (policy) {
    case 'disable':
      return proceed;
    case 'error':
      return { kind: 'fail', dsn: '4.7.10', text: 'REQUIRETLS policy configuration error' };
    case 'enforce':
      return whenEnforced(step);
    case 'opportunistic+starttls':
      return whenEncrypted(step);
    default:
      return step.at === 'requiretls-offered' ? { kind: 'send' } : proceed;
  }
}

/** A failed handshake is not repeated in plaintext. */
export function forbidsPlaintext(policy: RequiretlsPolicy): boolean {
  return policy === 'enforce' || policy === 'opportunistic+starttls';
}

function whenEnforced(step: RequiretlsStep): RequiretlsDecision {
  switch (step.at) {
    case 'level':
      return mustMatch(step.level)
        ? proceed
        : disabled(step.level, 'certificate matching', step.host);
    case 'not-matched': {
      const kind = step.because === 'untrusted' ? 'trusted' : 'matching';
      return fail('5.7.10', `no ${kind} server certificate was found. ${lastOne(step.namaddr)}`);
    }
    case 'requiretls-not-offered':
      return fail(
        '5.7.30',
        `no server was found that supports REQUIRETLS. ${lastOne(step.namaddr)}`,
      );
    default:
      return whenEncrypted(step);
  }
}

function whenEncrypted(step: RequiretlsStep): RequiretlsDecision {
  switch (step.at) {
    case 'level':
      if (step.level === 'none') {
        return disabled(step.level, 'encryption', step.host);
      }
      return mustMatch(step.level)
        ? proceed
        : log(`the TLS security level '${step.level}' disables certificate matching`);
    case 'starttls-not-offered':
      return fail('5.7.30', `TLS service was not offered by host ${step.namaddr}`);
    case 'starttls-rejected':
      return fail('5.7.10', `host ${step.namaddr} refused to start TLS: ${step.reply}`);
    case 'requiretls-not-offered':
      return log(`${step.namaddr} does not support it`);
    case 'requiretls-offered':
      return { kind: 'send' };
    default:
      return proceed;
  }
}

function disabled(level: TlsLevel, what: string, host: string): RequiretlsDecision {
  return fail(
    '5.7.10',
    `my configured TLS security level '${level}' disables ${what}. ${lastOne(host)}`,
  );
}

function lastOne(host: string): string {
  return `The last attempted server was ${host}`;
}

function fail(dsn: string, text: string): RequiretlsDecision {
  return { kind: 'fail', dsn, text: `${requested}, but ${text}` };
}

function log(text: string): RequiretlsDecision {
  return { kind: 'log', text: `${requested}, but ${text}` };
}
