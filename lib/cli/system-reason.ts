/** Why the system refused something, as the C library words it: for sentences of commands. */
import { constants } from 'node:os';
import { systemErrorText } from '../log/system-error.js';

/** `No such file or directory`; the message of an error that is not the system's. */
export function systemReason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const errno = constants.errno[code as keyof typeof constants.errno];
  return errno === undefined ? String(message) : systemErrorText(errno);
}
