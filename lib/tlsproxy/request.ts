/** What a requester may ask for, checked field by field: it may be a program in any language. */
import type { CipherGrade } from '../tls/ciphers.js';
import type { ContextSettings } from '../tls/context-settings.js';
import { clientLevel, type TlsLevel } from '../tls/levels.js';
import { type ClientRequest, type TlsproxyRequest, violation } from './message.js';

type Fields = Readonly<Record<string, unknown>>;

/** @throws TlsError `TLSPROXY_PROTOCOL` */
export function readRequest(fields: Fields): TlsproxyRequest {
  const { role } = fields;
  switch (role) {
    case 'server':
      return { role, ...timed(fields), ...optional('service', text, fields) };
    case 'client':
      return readClient(fields);
    case 'take':
      return { role, key: text('key', fields.key) };
    case 'keep':
      return {
        role,
        key: text('key', fields.key),
        id: text('id', fields.id),
        ...optional('idle', seconds, fields),
        ...optional('state', text, fields),
      };
    default:
      throw violation('"role" must be server, client, take or keep');
  }
}

function readClient(fields: Fields): ClientRequest {
  return {
    role: 'client',
    ...timed(fields),
    host: text('host', fields.host),
    ...optional('level', level, fields),
    ...optional('protocols', text, fields),
    ...optional('ciphers', grade, fields),
    ...optional('exclude', texts, fields),
    ...optional('servername', anyText, fields),
    ...optional('names', texts, fields),
    ...optional('fingerprints', texts, fields),
    ...optional('tlsa', records, fields),
    ...optional('trustAnchorFiles', texts, fields),
    ...optional('enableRpk', flag, fields),
    ...optional('forcedFailure', flag, fields),
    ...optional('settings', settings, fields),
  };
}

interface Timed {
  readonly peer: string;
  readonly handshakeTimeout?: number;
  readonly sessionTimeout?: number;
}

function timed(fields: Fields): Timed {
  return {
    peer: text('peer', fields.peer),
    ...optional('handshakeTimeout', seconds, fields),
    ...optional('sessionTimeout', seconds, fields),
  };
}

type Read<Value> = (name: string, value: unknown) => Value;

/** The field, where there is one. */
function optional<Name extends string, Value>(
  name: Name,
  read: Read<Value>,
  fields: Fields,
): { readonly [Key in Name]?: Value } {
  const value = fields[name];
  return (value === undefined || value === null ? {} : { [name]: read(name, value) }) as {
    readonly [Key in Name]?: Value;
  };
}

function text(name: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') {
    throw violation(`"${name}" must be a text`);
  }
  return value;
}

function anyText(name: string, value: unknown): string {
  return value === '' ? '' : text(name, value);
}

function grade(name: string, value: unknown): CipherGrade {
  if (value !== 'high' && value !== 'medium' && value !== 'null') {
    throw violation(`"${name}" must be a cipher grade`);
  }
  return value;
}

function settings(name: string, value: unknown): ContextSettings {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw violation(`"${name}" must be an object`);
  }
  return value as ContextSettings;
}

function texts(name: string, value: unknown): readonly string[] {
  return list(name, value).map((each) => text(name, each));
}

function seconds(name: string, value: unknown): number {
  if (typeof value !== 'number' || !(value > 0 && value <= 86_400)) {
    throw violation(`"${name}" must be a number of seconds`);
  }
  return value;
}

function flag(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') {
    throw violation(`"${name}" must be true or false`);
  }
  return value;
}

function level(name: string, value: unknown): TlsLevel {
  const known =
    typeof value !== 'string' ? null : value === 'halfdane' ? value : clientLevel(value);
  if (known === null) {
    throw violation(`"${name}" must be a security level`);
  }
  return known;
}

function records(
  name: string,
  value: unknown,
): readonly (readonly [number, number, number, string])[] {
  return list(name, value).map((each) => {
    const [usage, selector, matchingType, data] = list(name, each);
    const numbers = [usage, selector, matchingType];
    if (!numbers.every(isByte) || typeof data !== 'string' || !/^(?:[\da-f]{2})+$/i.test(data)) {
      throw violation(`"${name}" must hold [usage, selector, matching type, hex]`);
    }
    return [Number(usage), Number(selector), Number(matchingType), data] as const;
  });
}

function isByte(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 255;
}

function list(name: string, value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) {
    throw violation(`"${name}" must be a list`);
  }
  return value;
}
