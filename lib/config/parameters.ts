/**
 * The parameter table: every Postfix parameter that mxtls knows, once.
 *
 * Name, type, default, group, option path, one line of documentation, and what is special: legacy, ignored, not acted
 * upon yet. Command line, main.cf, typed options of the classes and documentation derive from it. The rows are in
 * `table-*.ts`, how values are read is in `values.ts`.
 */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { TlsError } from '../errors.js';
import { expand, type Lookup } from './expand.js';
import type { Parameter, ParameterValue } from './parameter.js';
import { nearest } from './suggest.js';
import { generalTable } from './table-general.js';
import { smtpTable } from './table-smtp.js';
import { smtpTlsTable } from './table-smtp-tls.js';
import { smtpdTable } from './table-smtpd.js';
import { smtpdTlsTable } from './table-smtpd-tls.js';
import { tlsTable } from './table-tls.js';
import { tlsproxyTable } from './table-tlsproxy.js';
import { readValue } from './values.js';

export type { Parameter, ParameterGroup, ParameterType, ParameterValue } from './parameter.js';

const tables = [
  generalTable,
  smtpdTable,
  smtpdTlsTable,
  smtpTable,
  smtpTlsTable,
  tlsTable,
  tlsproxyTable,
];

/** All parameters, sorted by name. */
export const parameters: readonly Parameter[] = Object.freeze(
  tables.flat().sort((a, b) => (a.name < b.name ? -1 : 1)),
);

const byName: ReadonlyMap<string, Parameter> = new Map(
  parameters.map((parameter) => [parameter.name, parameter]),
);

/** The row of a parameter, or null. */
export function knownParameter(name: string): Parameter | null {
  return byName.get(name) ?? null;
}

/**
 * The row of a parameter.
 *
 * @throws TlsError `UNKNOWN_OPTION`, with the nearest known name
 */
export function findParameter(name: string): Parameter {
  const parameter = byName.get(name);
  if (parameter === undefined) {
    const near = nearest(name, byName.keys());
    throw new TlsError({
      code: 'UNKNOWN_OPTION',
      message: `unknown parameter "${name}"`,
      ...(near === null ? {} : { suggestion: `did you mean "${near}"?` }),
    });
  }
  return parameter;
}

/**
 * The default of a parameter as text, unexpanded. Some are found out: the name of the machine, its domain, our version.
 *
 * @param lookup what the parameters are that such a default depends on
 */
export function defaultText(parameter: Parameter, lookup: Lookup = defaultLookup): string {
  switch (parameter.name) {
    case 'myhostname':
      return hostname();
    case 'mydomain':
      return domainOf(lookup);
    case 'mail_version':
      return packageVersion();
    default:
      return parameter.default;
  }
}

/**
 * What `$name` stands for: what was set, else the default.
 *
 * @param set the text of what was set; undefined for everything else
 */
export function lookupWith(set: (name: string) => string | undefined): Lookup {
  const lookup: Lookup = (name) => {
    const row = byName.get(name);
    return set(name) ?? (row === undefined ? null : defaultText(row, lookup));
  };
  return lookup;
}

const defaultLookup: Lookup = lookupWith(() => undefined);

/**
 * Reads one parameter from text.
 *
 * @throws TlsError `UNKNOWN_OPTION`, `INVALID_PARAMETER`
 */
export function parseParameter(name: string, text: string): ParameterValue {
  return readValue(findParameter(name), text);
}

/** `mx.example.com` is of `example.com`; a name without a dot has the domain that Postfix makes up. */
function domainOf(lookup: Lookup): string {
  const ownReference: Lookup = (name) => (name === 'mydomain' ? '$mydomain' : lookup(name));
  const name = expand('myhostname', lookup('myhostname') ?? '', ownReference);
  const dot = name.indexOf('.');
  return dot < 0 ? 'localdomain' : name.slice(dot + 1);
}

function packageVersion(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { readonly version: string }).version;
}
