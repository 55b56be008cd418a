/** Why a place to listen at cannot be had, and what to do about it. */
import { constants } from 'node:os';
import { TlsError } from '../errors.js';
import { exitCode, Failure } from './command.js';

const { EADDRINUSE, EADDRNOTAVAIL, EACCES } = constants.errno;

const remedies: Readonly<Record<number, string>> = {
  [EADDRINUSE]: 'another program listens there: end it, or choose another port',
  [EADDRNOTAVAIL]: 'give an address of this machine, 0.0.0.0 or [::] for all of them',
  [EACCES]: 'ports below 1024 are for root, or for a program with CAP_NET_BIND_SERVICE',
};

/** The same error with advice; what there is none for stays as it is. */
export function explainListenFailure(error: unknown): unknown {
  const remedy = error instanceof TlsError ? remedies[error.errno] : undefined;
  return error instanceof TlsError && remedy !== undefined
    ? new Failure(`${error.message}; ${remedy}`, exitCode.config, error)
    : error;
}
