/** SIGTERM and SIGINT: the first ends gracefully, the second at once. SIGHUP: what was read from files is read anew. */
import { constants } from 'node:os';

const signals = ['SIGTERM', 'SIGINT'] as const;

/**
 * Resolves with the first signal; a second one ends the process with the signal's exit code.
 *
 * @param second called before that
 */
export async function firstSignal(
  second: (signal: NodeJS.Signals) => void = () => undefined,
): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let seen = false;
    for (const signal of signals) {
      process.on(signal, () => {
        if (seen) {
          second(signal);
          process.exit(128 + constants.signals[signal]);
        }
        seen = true;
        resolve(signal);
      });
    }
  });
}

/** Calls at each SIGHUP, which would else end the process. */
export function onHangUp(call: () => void): void {
  process.on('SIGHUP', call);
}
