/** `--tlsmgr SOCKET` and `--wrapping-key FILE`: ticket keys and sessions shared with other processes. */
import type { SocketTlsmgrProps } from '../tlsmgr/socket-tlsmgr.js';
import type { OptionSpec, ParsedArgs } from './args.js';
import { usageError } from './command.js';

export const tlsmgrOption = {
  tlsmgr: { type: 'string' },
  'wrapping-key': { type: 'string' },
} as const satisfies Readonly<Record<string, OptionSpec>>;

export const tlsmgrHelp = `  --tlsmgr SOCKET           share TLS sessions with other processes through "mxtls tlsmgr"
  --wrapping-key FILE       its wrapping key: share ticket keys, too`;

/** @throws TlsError `COMMAND_LINE` */
export function readTlsmgr(options: ParsedArgs): Omit<SocketTlsmgrProps, 'logger'> | null {
  const path = options.string('tlsmgr');
  const file = options.string('wrapping-key');
  if (path === null && file === null) {
    return null;
  }
  if (path === null || path === '') {
    throw usageError('--wrapping-key without a tlsmgr', 'add --tlsmgr SOCKET');
  }
  return file === null ? { path } : { path, wrappingKey: { file } };
}
