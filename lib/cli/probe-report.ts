/** What a probe comes to for a script: the exit code. */
import { isSatisfied, type ProbeRecord } from '../probe/result.js';
import { exitCode } from './command.js';

/**
 * With all hosts, each has to satisfy the level; else the one that answered: mail would go there.
 *
 * @param allMx all hosts were asked for
 */
export function probeCode(results: readonly ProbeRecord[], allMx: boolean): number {
  const counted = allMx ? results : results.slice(-1);
  const failed = counted.filter((result) => !isSatisfied(result));
  if (failed.length === 0) {
    return exitCode.ok;
  }
  const again = failed.some(({ outcome, dsn }) => outcome === 'defer' || dsn.startsWith('4'));
  return again ? exitCode.tempFail : exitCode.unavailable;
}
