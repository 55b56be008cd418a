/**
 * What all subcommands share: their shape, exit codes, and how an error ends.
 *
 * A subcommand parses its arguments, calls the library and prints. It loads the library only when it runs, so that
 * `--help` works where the native addon does not.
 */
import { TlsError } from '../errors.js';

/** Exit codes of sysexits(3), as mail programs use them. */
export const exitCode = {
  ok: 0,
  failed: 1,
  usage: 64,
  noInput: 66,
  unavailable: 69,
  software: 70,
  tempFail: 75,
  config: 78,
} as const;

export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  readonly help: string;
  /** Resolves with the exit code; what it throws is printed by {@link reportError}. */
  run(args: readonly string[]): Promise<number>;
}

/** What only a command knows of, a missing program for example: a sentence and an exit code. */
export class Failure extends Error {
  readonly exitCode: number;

  constructor(message: string, code: number, cause?: unknown) {
    super(message, { cause });
    this.exitCode = code;
  }
}

/** Prints `mxtls: sentence` on standard error and gives the exit code that belongs to it. */
export function reportError(error: unknown, command: string | null): number {
  if (error instanceof Failure) {
    process.stderr.write(`mxtls: ${error.message}\n`);
    return error.exitCode;
  }
  if (!(error instanceof TlsError)) {
    process.stderr.write(
      `mxtls: ${error instanceof Error ? (error.stack ?? error.message) : error}\n`,
    );
    return exitCode.software;
  }
  process.stderr.write(`mxtls: ${error.message}\n`);
  if (error.code === 'COMMAND_LINE') {
    process.stderr.write(`Try "mxtls${command === null ? '' : ` ${command}`} --help".\n`);
  }
  return codeOf(error);
}

function codeOf(error: TlsError): number {
  switch (error.class) {
    case 'usage':
      return exitCode.usage;
    case 'config':
      return exitCode.config;
    case 'internal':
      return exitCode.software;
    default:
      return exitCode.unavailable;
  }
}

/** A wrong command line. */
export function usageError(message: string, suggestion?: string): TlsError {
  return new TlsError({
    code: 'COMMAND_LINE',
    message,
    ...(suggestion === undefined ? {} : { suggestion }),
  });
}
