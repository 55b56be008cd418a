/** `openssl s_client` and `s_server` as peers: real programs on the other side of the wire. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';
import { opensslEnvironment, opensslProgram } from './openssl.js';

export class OpensslPeer {
  readonly #child: ChildProcessWithoutNullStreams;
  #out = '';
  #ended = false;
  #changed: (() => void) | null = null;
  /** What it said about itself. */
  errors = '';

  constructor(args: readonly string[]) {
    this.#child = spawn(opensslProgram(), args, { env: opensslEnvironment });
    this.#child.stdout.on('data', (data: Buffer) => this.#add(data.toString()));
    this.#child.stderr.on('data', (data: Buffer) => {
      this.errors += data.toString();
    });
    this.#child.stdin.on('error', () => undefined);
    this.#child.on('close', () => {
      this.#ended = true;
      this.#changed?.();
    });
    onTestFinished(async () => {
      this.#child.kill('SIGKILL');
      if (!this.#ended) {
        await once(this.#child, 'close');
      }
    });
  }

  say(text: string): void {
    this.#child.stdin.write(text);
  }

  /** What matches next on its standard output; everything up to there is used up. */
  async hear(pattern: RegExp): Promise<string> {
    for (;;) {
      const match = pattern.exec(this.#out);
      if (match !== null) {
        this.#out = this.#out.slice(match.index + match[0].length);
        return match[0];
      }
      if (this.#ended) {
        throw new Error(`openssl has ended without ${pattern}: ${this.#out}\n${this.errors}`);
      }
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }

  #add(text: string): void {
    this.#out += text;
    this.#changed?.();
  }
}

/** `s_server` on a port of its own, silent but for what the client says. */
export async function opensslServer(
  args: readonly string[],
): Promise<{ peer: OpensslPeer; port: number }> {
  const peer = new OpensslPeer(['s_server', '-accept', '127.0.0.1:0', ...args]);
  const accept = await peer.hear(/ACCEPT 127\.0\.0\.1:(\d+)\n/);
  return { peer, port: Number(/(\d+)\n$/.exec(accept)?.[1]) };
}
