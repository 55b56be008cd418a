/** `--tlsmgr WHERE` and `--wrapping-key FILE`: ticket keys and sessions shared with other processes. */
import { Effective } from '../config/effective.js';
import { serviceSocket } from '../config/service-name.js';
import type { Logger } from '../log/logger.js';
import { namesRedis } from '../session-cache/redis-address.js';
import type { Tlsmgr } from '../tlsmgr/tlsmgr.js';
import type { OptionSpec, ParsedArgs } from './args.js';
import { usageError } from './command.js';
import { readSettings } from './parameter-options.js';

export const tlsmgrOption = {
  tlsmgr: { type: 'string' },
  'wrapping-key': { type: 'string' },
} as const satisfies Readonly<Record<string, OptionSpec>>;

export const tlsmgrHelp = `  --tlsmgr SOCKET|ADDRESS   share TLS sessions with other processes: through "mxtls tlsmgr" on
                            this UNIX socket, or through a Valkey or Redis
                            (redis://HOST?wrapping-key=FILE)
  --wrapping-key FILE       that of "mxtls tlsmgr": share ticket keys, too`;

export interface TlsmgrChoice {
  /** A UNIX socket, or the address of a Redis. */
  readonly where: string;
  readonly wrappingKeyFile: string | null;
}

/** Nothing is opened yet that could fail for lack of a service. @throws TlsError (rejects) `INVALID_PARAMETER`, `WRAPPING_KEY` */
export async function openTlsmgr(
  { where, wrappingKeyFile: file }: TlsmgrChoice,
  sessionCacheTimeout: number | undefined,
  logger: Logger,
): Promise<Tlsmgr> {
  if (namesRedis(where)) {
    const { RedisTlsmgr } = await import('../tlsmgr/redis-tlsmgr.js');
    const timeout = sessionCacheTimeout === undefined ? {} : { sessionCacheTimeout };
    return await RedisTlsmgr.open({ address: where, logger, ...timeout });
  }
  const { SocketTlsmgr } = await import('../tlsmgr/socket-tlsmgr.js');
  const key = file === null ? {} : { wrappingKey: { file } };
  return new SocketTlsmgr({ path: where, logger, ...key });
}

/** What the options say, else `tlsmgr_service_name`. @throws TlsError `COMMAND_LINE`, `MAIN_CF` */
export function readTlsmgr(options: ParsedArgs): TlsmgrChoice | null {
  const path = options.string('tlsmgr') ?? serviceOf(options);
  const file = options.string('wrapping-key');
  if (path === null && file === null) {
    return null;
  }
  if (path === null || path === '') {
    throw usageError('--wrapping-key without a tlsmgr', 'add --tlsmgr SOCKET');
  }
  if (namesRedis(path) && file !== null) {
    throw usageError('--wrapping-key is for a socket', 'add ?wrapping-key=FILE to the address');
  }
  return { where: path, wrappingKeyFile: file };
}

function serviceOf(options: ParsedArgs): string | null {
  const name = new Effective(readSettings(options)).expanded('tlsmgr_service_name').trim();
  return namesRedis(name) ? name : serviceSocket(name);
}
