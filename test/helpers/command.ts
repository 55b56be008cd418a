/** The command mxtls as a child process. Runs dist/, which `npm test` builds first. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** One run; killed when the test is over. */
export class Run {
  readonly child: ChildProcessWithoutNullStreams;
  /** The exit code; 128 and the number of the signal that ended it. */
  readonly exit: Promise<number>;
  stdout = '';
  stderr = '';
  #waiting: (() => void)[] = [];
  #ended = false;

  constructor(args: readonly string[], program: string = process.execPath) {
    const whole = program === process.execPath ? [main, ...args] : args;
    this.child = spawn(program, whole);
    this.child.stdin.on('error', () => undefined);
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.#changed();
    });
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.#changed();
    });
    this.exit = once(this.child, 'close').then(([code, signal]) => {
      this.#ended = true;
      this.#changed();
      return typeof code === 'number' ? code : 128 + constants.signals[signal as NodeJS.Signals];
    });
    onTestFinished(async () => {
      this.child.kill('SIGKILL');
      await this.exit;
    });
  }

  /** Another program, which runs the command in its turn. */
  static of(program: string, args: readonly string[]): Run {
    return new Run(args, program);
  }

  /** Waits for a text in the log. */
  async logged(text: string): Promise<void> {
    await this.until(() => this.stderr.includes(text));
  }

  /** Port of the first `listening` line. */
  async port(): Promise<number> {
    await this.until(() => /^listening \S+\n/.test(this.stdout));
    return Number(/:(\d+)\n/.exec(this.stdout)?.[1]);
  }

  /** Waits for what the child's output makes true. */
  async until(check: () => boolean): Promise<void> {
    while (!check()) {
      if (this.#ended) {
        throw new Error(`mxtls has ended: ${this.stdout}${this.stderr}`);
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #changed(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) {
      wake();
    }
  }
}

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command to its end. */
export async function mxtls(args: readonly string[], input = ''): Promise<Finished> {
  const run = new Run(args);
  run.child.stdin.end(input);
  const code = await run.exit;
  return { code, stdout: run.stdout, stderr: run.stderr };
}

/** `-o` for each. */
export function parameters(...settings: readonly string[]): readonly string[] {
  return settings.flatMap((setting) => ['-o', setting]);
}

/** `mxtls smtpd` on a port of its own. */
export function smtpdCommand(...args: readonly string[]): Run {
  return new Run(['smtpd', '--listen', '127.0.0.1:0', '-o', 'myhostname=mx.example', ...args]);
}

/** Arguments of `mxtls send` for a message to b@mx.example. */
export function sendArguments(port: number, ...args: readonly string[]): readonly string[] {
  const envelope = ['--from', 'a@client.example', '--to', 'b@mx.example'];
  return ['send', ...envelope, '--nexthop', `[127.0.0.1]:${port}`, ...args];
}
