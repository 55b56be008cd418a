/**
 * Values of parameters: from text (`-o name=value`), and checked as options of the classes.
 *
 * Both ways end in the same value, so that an option of the wrong kind is refused where it is given and not in the
 * middle of a session.
 */
import { TlsError } from '../errors.js';
import { splitOutsideBraces } from '../maps/split.js';
import { parseGrade, splitExclusions } from '../tls/ciphers.js';
import { checkClientLevel, serverLevel } from '../tls/levels.js';
import { parseProtocols } from '../tls/protocols.js';
import { isRelease } from './expand.js';
import type { Parameter, ParameterType, ParameterValue } from './parameter.js';

const unitMs: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/**
 * Reads the text of a parameter.
 *
 * @throws TlsError `INVALID_PARAMETER`
 */
export function readValue(parameter: Parameter, text: string): ParameterValue {
  const trimmed = text.trim();
  if (trimmed === '' && parameter.nonEmpty) {
    throw invalid(parameter.name, 'must not be empty');
  }
  return checkRange(parameter, parameter.name, readers[parameter.type](trimmed, parameter));
}

type Reader = (text: string, parameter: Parameter) => ParameterValue;

const readers: Readonly<Record<ParameterType, Reader>> = {
  string: (text, parameter) => withoutControls(parameter.name, text),
  bool: readBool,
  enum: readEnum,
  time: readTime,
  int: readInt,
  release: readRelease,
  list: (text) => splitList(text, /[\s,]+/),
  tables: splitOutsideBraces,
  'colon-list': (text) => splitList(text, /[\s,:]+/),
  grade: (text, parameter) => parseGrade(text, parameter.name),
  exclusions: (text, parameter) => splitExclusions([text], parameter.name),
  protocols: (text, parameter) => {
    parseProtocols(text, parameter.name);
    return text;
  },
  loglevel: (text) => text,
  'server-level': readServerLevel,
  'client-level': (text) => (text === '' ? 'none' : checkClientLevel(text)),
};

/**
 * Checks the value of an option.
 *
 * @param name as the caller wrote it, for the error
 * @throws TlsError `INVALID_PARAMETER`
 */
export function checkValue(parameter: Parameter, name: string, value: unknown): ParameterValue {
  const wanted = optionKinds[parameter.type];
  if (!wanted.test(value)) {
    throw invalid(name, `is ${describe(value)}`, `give ${wanted.words}`);
  }
  if (typeof value === 'string') {
    return readValue({ ...parameter, name }, value);
  }
  if (parameter.type === 'exclusions') {
    return splitExclusions(value as readonly string[], name);
  }
  return checkRange(parameter, name, value as ParameterValue);
}

interface Kind {
  readonly test: (value: unknown) => boolean;
  readonly words: string;
}

const text: Kind = { test: (value) => typeof value === 'string', words: 'a string' };
const strings: Kind = {
  test: (value) => Array.isArray(value) && value.every((item) => typeof item === 'string'),
  words: 'an array of strings',
};
const count: Kind = { test: Number.isSafeInteger, words: 'a whole number' };

const optionKinds: Readonly<Record<ParameterType, Kind>> = {
  string: text,
  bool: { test: (value) => typeof value === 'boolean', words: 'true or false' },
  time: {
    test: (value) => typeof value === 'number' && Number.isFinite(value),
    words: 'a number of milliseconds',
  },
  enum: text,
  int: count,
  release: text,
  list: strings,
  tables: strings,
  'colon-list': strings,
  grade: text,
  exclusions: strings,
  protocols: text,
  loglevel: {
    test: (value) => typeof value === 'string' || Number.isSafeInteger(value),
    words: 'a number or words',
  },
  'server-level': text,
  'client-level': text,
};

function readBool(value: string, parameter: Parameter): boolean {
  const folded = value.toLowerCase();
  if (folded !== 'yes' && folded !== 'no') {
    throw invalid(parameter.name, `is "${value}"`, 'write yes or no');
  }
  return folded === 'yes';
}

function readTime(value: string, parameter: Parameter): number {
  const match = /^(\d+)([smhdw]?)$/i.exec(value);
  const unit = unitMs[(match?.[2] || 's').toLowerCase()];
  if (match === null || unit === undefined) {
    throw invalid(parameter.name, `is "${value}"`, 'write a time such as 300s, 5m, 1h, 2d or 1w');
  }
  return Number(match[1]) * unit;
}

function readInt(value: string, parameter: Parameter): number {
  const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(number)) {
    throw invalid(parameter.name, `is "${value}"`, 'write a whole number');
  }
  return number;
}

function readEnum(value: string, parameter: Parameter): string {
  const { values = [], aliases = {} } = parameter;
  const folded = value.toLowerCase();
  const word = Object.hasOwn(aliases, folded) ? aliases[folded] : folded;
  if (word === undefined || !values.includes(word)) {
    const known = values.filter((item) => item !== '').join(', ');
    throw invalid(parameter.name, `is "${value}"`, `write one of ${known}`);
  }
  return word;
}

function readRelease(value: string, parameter: Parameter): string {
  if (!isRelease(value)) {
    throw invalid(parameter.name, `is "${value}"`, 'write a release of Postfix such as 3.11');
  }
  return value;
}

function splitList(value: string, separator: RegExp): readonly string[] {
  return value.split(separator).filter((item) => item !== '');
}

function readServerLevel(value: string, parameter: Parameter): string {
  const level = value === '' ? 'none' : serverLevel(value)?.level;
  if (level === undefined) {
    throw invalid(parameter.name, `: invalid TLS level "${value}"`, 'use none, may or encrypt');
  }
  return level;
}

function withoutControls(name: string, value: string): string {
  if (/\p{Cc}/u.test(value)) {
    throw invalid(name, 'contains a control character');
  }
  return value;
}

function checkRange(parameter: Parameter, name: string, value: ParameterValue): ParameterValue {
  const { min, max } = parameter;
  if (typeof value !== 'number' || parameter.type === 'loglevel') {
    return value;
  }
  const show = (limit: number): string =>
    parameter.type === 'time' ? `${limit / 1000}s` : `${limit}`;
  if (min !== undefined && value < min) {
    throw invalid(name, `is ${show(value)}, less than the smallest value ${show(min)}`);
  }
  if (max !== undefined && value > max) {
    throw invalid(name, `is ${show(value)}, more than the largest value ${show(max)}`);
  }
  return value;
}

function describe(value: unknown): string {
  if (value === null || value === undefined) {
    return String(value);
  }
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`;
}

function invalid(name: string, what: string, suggestion?: string): TlsError {
  const message = what.startsWith(':') ? `${name}${what}` : `${name} ${what}`;
  return new TlsError({
    code: 'INVALID_PARAMETER',
    message,
    ...(suggestion === undefined ? {} : { suggestion }),
  });
}
