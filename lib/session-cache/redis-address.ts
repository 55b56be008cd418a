/**
 * Where a Valkey or Redis is, as one text: pure.
 *
 * - `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`, `rediss://` with TLS
 * - `redis-sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT/NAME[/DATABASE]`: the sentinels that know where the master NAME is
 *
 * After `?`: `wrapping-key=FILE`, 32 bytes that seal what is kept; `ca=FILE`, the roots that the server's certificate is
 * checked against; `prefix=TEXT` of the names of keys, default `mxtls`.
 */
import { TlsError } from '../errors.js';

export interface RedisHost {
  readonly host: string;
  readonly port: number;
}

export interface RedisAddress {
  /** The servers, or with `master` the sentinels. */
  readonly hosts: readonly RedisHost[];
  /** Name of the master as sentinels know it. */
  readonly master: string | null;
  readonly tls: boolean;
  readonly username: string | null;
  readonly password: string | null;
  readonly database: number;
  readonly wrappingKeyFile: string | null;
  readonly caFile: string | null;
  readonly prefix: string;
  /** For messages: without user and password. */
  readonly shown: string;
}

const form =
  /^(redis|rediss|redis-sentinel):\/\/(?:([^@/?]*)@)?([^/?]+)((?:\/[^/?]*)*)(?:\?(.*))?$/;

const ports = { server: 6379, sentinel: 26379 };

/** The text is one of these, well-formed or not. */
export function namesRedis(text: string): boolean {
  return /^redis(s|-sentinel)?:/.test(text);
}

/** @throws TlsError `INVALID_PARAMETER` */
export function parseRedisAddress(text: string): RedisAddress {
  const [, scheme, user = '', hosts = '', path = '', query = ''] = form.exec(text) ?? [];
  if (scheme === undefined) {
    throw bad('it has another form');
  }
  const sentinel = scheme === 'redis-sentinel';
  const parts = path
    .split('/')
    .slice(1)
    .filter((part) => part !== '');
  const options = new URLSearchParams(query);
  const unknown = [...options.keys()].find((key) => !known.includes(key));
  if (unknown !== undefined) {
    throw bad(`there is no "${unknown}"`);
  }
  const master = sentinel ? (parts.shift() ?? '') : null;
  if (master === '') {
    throw bad('a sentinel is asked for the master of a name');
  }
  const [username, password] = user === '' ? [null, null] : credentials(user);
  const list = hosts
    .split(',')
    .map((host) => hostOf(host, sentinel ? ports.sentinel : ports.server));
  return {
    ...{ hosts: list, master, tls: scheme === 'rediss', username, password },
    database: databaseOf(parts),
    wrappingKeyFile: options.get('wrapping-key'),
    caFile: options.get('ca'),
    prefix: options.get('prefix') ?? 'mxtls',
    shown: `${scheme}://${hosts}${path}`,
  };
}

const known = ['wrapping-key', 'ca', 'prefix'];

function credentials(user: string): readonly [string | null, string] {
  const colon = user.indexOf(':');
  const name = decode(colon < 0 ? '' : user.slice(0, colon));
  return [name === '' ? null : name, decode(user.slice(colon + 1))];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw bad('user and password are not percent-encoded');
  }
}

function hostOf(text: string, defaultPort: number): RedisHost {
  const [, six, name, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = six ?? name;
  if (host === undefined || Number(port ?? 1) > 65_535) {
    throw bad('a host is not HOST:PORT');
  }
  return { host, port: port === undefined ? defaultPort : Number(port) };
}

function databaseOf([number = '0', ...rest]: readonly string[]): number {
  if (!/^\d{1,4}$/.test(number) || rest.length > 0) {
    throw bad('the database is no number');
  }
  return Number(number);
}

/** The text has a password in it: it is not repeated. */
function bad(what: string): TlsError {
  return new TlsError({
    code: 'INVALID_PARAMETER',
    message: `the address of the Redis cannot be read: ${what}`,
    suggestion: 'write it as in redis://:PASSWORD@cache.example.com:6379/0?wrapping-key=FILE',
  });
}
