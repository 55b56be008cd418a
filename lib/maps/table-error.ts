/** What is wrong with a table, as an error. */
import { TlsError } from '../errors.js';

/** A table that cannot be used: the operator's to mend. */
export function tableError(message: string, suggestion?: string, cause?: unknown): TlsError {
  return new TlsError({
    code: 'LOOKUP_TABLE',
    message,
    ...(suggestion === undefined ? {} : { suggestion }),
    ...(cause === undefined ? {} : { cause }),
  });
}
