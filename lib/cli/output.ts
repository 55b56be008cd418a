/** What becomes of a command whose output nobody takes: it does its work, and its exit code is true. */
import { exitCode } from './command.js';
import { systemReason } from './system-reason.js';

/**
 * A reader that has gone (`mxtls ... | head`) is no error, and must not end a delivery in its middle.
 * Output that cannot be written is one; it never hides that something worse has happened.
 */
export function watchOutput(): void {
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') {
      return;
    }
    process.stderr.write(`mxtls: cannot write to standard output: ${systemReason(error)}\n`);
    process.on('exit', (code) => {
      process.exitCode = code === exitCode.ok ? exitCode.failed : code;
    });
  });
}
