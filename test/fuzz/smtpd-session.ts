/**
 * A session of the smtpd engine over a connection that exists only here, so that what is read comes
 * in exactly the pieces that a target wants.
 */
import { resolveSmtpd, resolveStressedSmtpd } from '../../lib/config/check.js';
import type { SmtpdParameters } from '../../lib/config/options.js';
import type { ConnectionOwner } from '../../lib/dispatch.js';
import { silentLogger } from '../../lib/log/logger.js';
import type { NativeConnection } from '../../lib/native.js';
import { ConnectionCount } from '../../lib/smtpd/connection-count.js';
import { NetworkList } from '../../lib/smtpd/network-list.js';
import { NewSessionRate } from '../../lib/smtpd/new-session-rate.js';
import { Service } from '../../lib/smtpd/service.js';
import { noTickets } from '../../lib/smtpd/tickets.js';
import { Session } from '../../lib/smtpd/session.js';
import { SmtpdTables } from '../../lib/smtpd/tables.js';

/** What a client saw, and what the engine's user got. */
export interface Transcript {
  readonly replies: string;
  readonly messages: readonly string[];
}

class Pipe implements NativeConnection {
  owner: ConnectionOwner | null = null;
  readonly remoteAddress = '192.0.2.1';
  readonly remotePort = 1;
  readonly localAddress = '192.0.2.2';
  readonly localPort = 25;
  readonly fd = -1;
  readonly bytesRead = 0;
  readonly bytesWritten = 0;
  open = true;
  reading = false;
  ended = false;
  written = '';

  receiveDescriptors(): void {
    throw new Error('no descriptors here');
  }

  takeDescriptor(): number {
    return -1;
  }

  sendDescriptor(): void {
    throw new Error('no descriptors here');
  }

  newSessionId(): null {
    return null;
  }

  takeSession(): null {
    return null;
  }

  readStart(): void {
    this.reading = true;
  }

  readStop(): void {
    this.reading = false;
  }

  write(data: Uint8Array | string): boolean {
    const bytes = typeof data === 'string' ? Buffer.from(data) : Buffer.from(data);
    this.written += bytes.toString('latin1');
    return true;
  }

  end(): void {
    this.ended = true;
  }

  finish(): void {
    this.ended = true;
  }

  destroy(): void {
    this.open = false;
  }

  startTls(): void {
    throw new Error('there is no TLS here');
  }

  takeNotices(): null {
    return null;
  }

  claims(): null {
    return null;
  }
  peerChain(): readonly [] {
    return [];
  }

  takeTrace(): null {
    return null;
  }

  snapshot(): null {
    return null;
  }

  setTimeout(): void {}

  setDeadline(): void {}
}

const quietTurns = 8;

function serviceOf(parameters: SmtpdParameters, messages: string[]): Service {
  const options = { myhostname: 'mx.example.com', errorSleepTime: 0, ...parameters };
  const resolved = resolveSmtpd(options);
  const everybody = new NetworkList([]);
  return new Service({
    options: resolved,
    stressed: resolveStressedSmtpd(options),
    handlers: {
      onAuth: () => false,
      onData: async (_session, message) => {
        const chunks: Buffer[] = [];
        for await (const chunk of message) {
          chunks.push(chunk);
        }
        messages.push(Buffer.concat(chunks).toString('latin1'));
      },
    },
    logger: { ...silentLogger, error: (text) => messages.push(`error: ${text}`) },
    tables: new SmtpdTables(resolved, silentLogger),
    wrappermode: false,
    name: 'smtpd',
    connections: new ConnectionCount(0, []),
    sni: null,
    sessions: null,
    tickets: noTickets,
    newSessions: new NewSessionRate({ limit: 0, unit: 60_000, exceptions: everybody }),
  });
}

/** Plays `input` in pieces of the sizes that `size` gives, then the end of the client's side. */
export async function play(
  parameters: SmtpdParameters,
  input: Buffer,
  size: () => number,
): Promise<Transcript> {
  const messages: string[] = [];
  const pipe = new Pipe();
  const session = new Session(serviceOf(parameters, messages), pipe, () => undefined);
  session.start();
  const slab = Buffer.alloc(65_536);
  for (let at = 0; at < input.length && pipe.open && !pipe.ended; ) {
    if (!pipe.reading) {
      await turn();
      continue;
    }
    const piece = input.subarray(at, at + Math.max(1, size()));
    piece.copy(slab);
    at += piece.length;
    pipe.owner?.onRead(slab, piece.length);
    slab.fill(0xff, 0, piece.length); // what is used later had to be copied
  }
  await settled(pipe);
  pipe.owner?.onEnd();
  pipe.owner?.onClose(null);
  await turn();
  return { replies: pipe.written.replace(/queued as \w+/g, 'queued as ID'), messages };
}

/** Waits until nothing is said or read any more: no callback here takes longer than some turns. */
async function settled(pipe: Pipe): Promise<void> {
  for (let quiet = 0, length = -1; quiet < quietTurns; quiet++) {
    if (length !== pipe.written.length) {
      length = pipe.written.length;
      quiet = 0;
    }
    await turn();
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
