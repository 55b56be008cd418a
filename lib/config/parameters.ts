/**
 * The parameter table: every Postfix parameter that mxtls knows, once.
 *
 * Name, type, default, group, option path and one line of documentation. Command line, typed options of the classes
 * and documentation derive from it. The rows are in `table-*.ts`, how values are read is in `values.ts`.
 */
import { hostname } from 'node:os';
import { TlsError } from '../errors.js';
import type { Parameter, ParameterValue } from './parameter.js';
import { nearest } from './suggest.js';
import { smtpdTable } from './table-smtpd.js';
import { smtpTable } from './table-smtp.js';
import { tlsTable } from './table-tls.js';
import { readValue } from './values.js';

export type { Parameter, ParameterGroup, ParameterType, ParameterValue } from './parameter.js';

/** All parameters, sorted by name. */
export const parameters: readonly Parameter[] = Object.freeze(
  [...smtpdTable, ...smtpTable, ...tlsTable].sort((a: Parameter, b: Parameter) =>
    a.name < b.name ? -1 : 1,
  ),
);

const byName: ReadonlyMap<string, Parameter> = new Map(
  parameters.map((parameter) => [parameter.name, parameter]),
);

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

/** The default of a parameter as text, unexpanded; that of `myhostname` is the machine's name. */
export function defaultText(parameter: Parameter): string {
  return parameter.name === 'myhostname' ? hostname() : parameter.default;
}

/**
 * Reads one parameter from text.
 *
 * @throws TlsError `UNKNOWN_OPTION`, `INVALID_PARAMETER`
 */
export function parseParameter(name: string, text: string): ParameterValue {
  return readValue(findParameter(name), text);
}
