/** `--keylog FILE` of the commands that open TLS sessions. */
import type { OptionSpec, ParsedArgs } from './args.js';
import { usageError } from './command.js';

export const keyLogOption = {
  keylog: { type: 'string' },
} as const satisfies Readonly<Record<string, OptionSpec>>;

export const keyLogHelp = `  --keylog FILE             append the secrets of all TLS sessions to FILE (NSS format, mode
                            0600): whoever reads it can decrypt them`;

/** @throws TlsError `COMMAND_LINE` */
export function readKeyLog(args: ParsedArgs): { readonly keyLogFile?: string } {
  const keyLogFile = args.string('keylog');
  if (keyLogFile === '') {
    throw usageError('--keylog: no file', 'name one, for example --keylog /etc/mxtls/session.keys');
  }
  return keyLogFile === null ? {} : { keyLogFile };
}
