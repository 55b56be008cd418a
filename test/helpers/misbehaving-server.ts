/**
 * A server that knows its part of the dialogue and misbehaves at one step of it.
 *
 * It answers command by command, so the same server fits lock step and pipelining, one recipient
 * and many, the first message of a connection and those after it.
 */
import type { ScriptedPeer } from './scripted-server.js';

/** Where a server answers. `EHLO in TLS`: the one after STARTTLS; `content`: in the middle of it. */
export type Step =
  | 'greeting'
  | 'EHLO'
  | 'HELO'
  | 'STARTTLS'
  | 'handshake'
  | 'EHLO in TLS'
  | 'AUTH'
  | 'MAIL'
  | 'RCPT'
  | 'DATA'
  | 'content'
  | 'end of data'
  | 'BDAT'
  | 'BDAT LAST'
  | 'RSET'
  | 'QUIT';

export interface Moment {
  readonly step: Step;
  /** Message of the connection, from 1; 0 before the first one. */
  readonly message: number;
  /** Of the message, from 1; its last one that was named, for later steps. */
  readonly recipient: number;
}

/**
 * How the dialogue goes on after a fault: as if the command had been accepted, as if it had been
 * refused, or not at all: the server only waits for the client to go.
 */
export type Sequel = 'accepted' | 'refused' | 'over';

/** What a server does instead of its reply `good`. */
export type Fault = (peer: ScriptedPeer, good: string) => Sequel | Promise<Sequel>;

export interface Misbehaviour {
  /** Keywords offered to EHLO; STARTTLS not in TLS. */
  readonly keywords: readonly string[];
  /** TLS from the first byte. */
  readonly wrappermode?: boolean;
  /** What happens at a moment; null: what should. */
  readonly at: (moment: Moment) => Fault | null;
}

/** A whole conversation; resolves when the client has gone. */
export function misbehaving(props: Misbehaviour): (peer: ScriptedPeer) => Promise<void> {
  return (peer) => new MisbehavingServer(peer, props).run();
}

class MisbehavingServer {
  readonly #peer: ScriptedPeer;
  readonly #props: Misbehaviour;
  #inTls: boolean;
  #message = 0;
  #recipient = 0;
  #done = false;

  constructor(peer: ScriptedPeer, props: Misbehaviour) {
    this.#peer = peer;
    this.#props = props;
    this.#inTls = props.wrappermode === true;
  }

  async run(): Promise<void> {
    if (this.#inTls) {
      await this.#secure();
    }
    await this.#answer('greeting', '220 peer.example ESMTP\r\n');
    while (!this.#done) {
      const line = await this.#peer.hear();
      if (line === null) {
        return;
      }
      await this.#command(line);
    }
    await this.#peer.gone();
  }

  async #command(line: string): Promise<unknown> {
    const verb = line.replace(/ .*/s, '').toUpperCase();
    switch (verb) {
      case 'EHLO':
        return this.#answer(this.#inTls ? 'EHLO in TLS' : 'EHLO', this.#features());
      case 'HELO':
      case 'RSET':
        return this.#answer(verb, '250 2.0.0 Ok\r\n');
      case 'STARTTLS':
        return this.#startTls();
      case 'AUTH':
        return this.#answer('AUTH', '235 2.7.0 Authentication successful\r\n');
      case 'MAIL':
        this.#message++;
        this.#recipient = 0;
        return this.#answer('MAIL', '250 2.1.0 Ok\r\n');
      case 'RCPT':
        this.#recipient++;
        return this.#answer('RCPT', '250 2.1.5 Ok\r\n');
      case 'DATA':
        return this.#data();
      case 'BDAT':
        return this.#bdat(line);
      case 'QUIT':
        await this.#answer('QUIT', '221 2.0.0 Bye\r\n');
        return this.#end();
      default:
        return this.#peer.say('500 5.5.2 what?\r\n');
    }
  }

  #features(): string {
    const keywords = this.#props.keywords.filter((word) => !(this.#inTls && word === 'STARTTLS'));
    const lines = ['peer.example', ...keywords];
    return lines.map((line, i) => `250${i < lines.length - 1 ? '-' : ' '}${line}\r\n`).join('');
  }

  async #startTls(): Promise<void> {
    if (await this.#answer('STARTTLS', '220 2.0.0 Ready to start TLS\r\n')) {
      await this.#secure();
    }
  }

  /** A handshake that the client breaks off is the end. */
  async #secure(): Promise<void> {
    const fault = this.#fault('handshake');
    if (fault !== null) {
      this.#done = (await fault(this.#peer, '')) === 'over';
      return;
    }
    try {
      await this.#peer.secure();
      this.#inTls = true;
    } catch {
      this.#done = true;
    }
  }

  async #data(): Promise<void> {
    if (await this.#answer('DATA', '354 End data with <CR><LF>.<CR><LF>\r\n')) {
      if (await this.#interrupt()) {
        await this.#peer.skipMessage();
      } else {
        await this.#peer.hearMessage();
      }
      await this.#answer('end of data', `250 2.0.0 Ok: queued as Q${this.#message}\r\n`);
    }
  }

  /** A fault after the first line of a message, if there is one; what is good here is to say nothing. */
  async #interrupt(): Promise<boolean> {
    const fault = this.#fault('content');
    if (fault !== null) {
      await this.#peer.hear();
      this.#done = (await fault(this.#peer, '')) === 'over';
    }
    return fault !== null;
  }

  async #bdat(line: string): Promise<void> {
    const [, size = '0', last] = line.split(' ');
    await this.#peer.hearBytes(Number(size));
    if (last === undefined) {
      await this.#answer('BDAT', `250 2.0.0 Ok: ${size} bytes\r\n`);
    } else {
      await this.#answer('BDAT LAST', `250 2.0.0 Ok: queued as Q${this.#message}\r\n`);
    }
  }

  /** Answers, well or badly; true: well. */
  async #answer(step: Step, good: string): Promise<boolean> {
    if (this.#done) {
      return false;
    }
    const fault = this.#fault(step);
    if (fault === null) {
      this.#peer.say(good);
      return true;
    }
    const sequel = await fault(this.#peer, good);
    this.#done ||= sequel === 'over';
    return sequel === 'accepted';
  }

  #fault(step: Step): Fault | null {
    return this.#props.at({ step, message: this.#message, recipient: this.#recipient });
  }

  #end(): void {
    this.#done = true;
    this.#peer.end();
  }
}
