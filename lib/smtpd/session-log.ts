/** What the smtpd engine logs about one session, in Postfix's words. */
import { channel } from 'node:diagnostics_channel';
import type { TlsError } from '../errors.js';
import { credentialLines } from '../log/credential.js';
import { libraryProblems, logEstablished, logHandshakeFailure } from '../log/handshake.js';
import { logNotices } from '../log/notices.js';
import { logReject } from '../log/reject.js';
import { logTrace } from '../log/trace.js';
import type { LogFlags } from '../log/loglevel.js';
import type { NativeConnection, NativeNotice } from '../native.js';
import type { Verb } from '../smtp/command.js';
import type { ClientView } from './client-view.js';
import type { CommandCount } from './command-count.js';
import type { Service } from './service.js';

/** What a refusal is about; null: not known. */
export interface Subject {
  readonly sender: string | null;
  readonly recipient: string | null;
}

const established = channel('mxtls:tls:established');

export function newSessionRateExceeded(count: number, namaddr: string, service: string): string {
  return `New TLS session rate limit exceeded: ${count} from ${namaddr} for service ${service}`;
}

export class SessionLog {
  /** The service's, or the client's own. */
  flags: LogFlags;
  readonly #service: Service;
  readonly #client: ClientView;

  constructor(service: Service, client: ClientView) {
    this.#service = service;
    this.#client = client;
    this.flags = service.logFlags;
  }

  /** Finds out what is to be logged about this client, whose name is known. */
  async choose(): Promise<void> {
    const { clientName, remoteAddress } = this.#client;
    this.flags = await this.#service.logFlagsOf(clientName, remoteAddress);
  }

  connected(): void {
    this.#info(`connect from ${this.#client.namaddr}`);
  }

  /** What there is to say about server name and session, before the outcome. */
  tlsNotices(notices: readonly NativeNotice[] | null): void {
    logNotices(this.#service.logger, notices, this.#client.namaddr);
    this.#service.sessions?.log(notices, this.#client.namaddr);
  }

  /** What was traced of TLS so far. */
  trace(connection: NativeConnection): void {
    if (this.flags.trace) {
      logTrace(this.#service.logger, this.#client.namaddr, connection.takeTrace());
    }
  }

  /** The snapshot is only taken when somebody looks. */
  tlsEstablished(): void {
    const { flags } = this;
    const credential = flags.peercert || flags.verbose || flags.untrusted;
    if (!flags.summary && !flags.cache && !credential && !established.hasSubscribers) {
      return;
    }
    const snapshot = this.#client.tls;
    if (snapshot !== null) {
      const { namaddr, claims } = this.#client;
      if (flags.cache && snapshot.resumed) {
        const kind = snapshot.ticket ? ' (RFC 5077 session ticket)' : '';
        this.#info(`${namaddr}: Reusing old session${kind}`);
      }
      const event = { snapshot, direction: 'from', namaddr, flags } as const;
      for (const line of credential ? credentialLines({ ...event, claims }) : []) {
        this.#info(line);
      }
      logEstablished(this.#service.logger, { ...event, use: 'established' });
    }
  }

  tlsFailed(error: TlsError): void {
    const { namaddr } = this.#client;
    logHandshakeFailure(this.#service.logger, { direction: 'from', namaddr, error });
  }

  /** `NOQUEUE: abort: TLS from NAMADDR: No client certificate presented` */
  tlsAborted(problem: string): void {
    this.#info(`NOQUEUE: abort: TLS from ${this.#client.namaddr}: ${problem}`);
  }

  /** The client went away, or took too long, in the middle of `where`. */
  interrupted(what: 'lost connection' | 'timeout', where: string, error: TlsError | null): void {
    for (const line of error === null ? [] : libraryProblems(error)) {
      this.#warn(line.text);
    }
    this.#info(`${this.#id}: ${what} after ${where} from ${this.#client.namaddr}`);
  }

  tooManyErrors(where: string): void {
    this.#info(`${this.#id}: too many errors after ${where} from ${this.#client.namaddr}`);
  }

  /** @param data what the client had sent too early */
  improperPipelining(where: string, data: Buffer): void {
    const text = escaped(data);
    this.#info(`improper command pipelining after ${where} from ${this.#client.namaddr}: ${text}`);
  }

  /** @param reply as it goes over the wire, or why there is none */
  rejected(where: string, reply: string, about: Subject): void {
    const { namaddr, protocol, helo } = this.#client;
    const reason = oneLine(reply);
    const queueId = this.#queueId;
    logReject(this.#service.logger, {
      ...{ queueId, where, namaddr, reason },
      ...about,
      ...{ protocol, helo },
    });
  }

  /** The whole message is refused. */
  messageRejected(reply: string): void {
    const { sender, recipients } = this.#client;
    const [only = null, ...others] = recipients;
    this.rejected('END-OF-MESSAGE', reply, {
      sender: sender?.address ?? null,
      recipient: others.length === 0 ? (only?.address ?? null) : null,
    });
  }

  illegalAddress(verb: Verb, path: string): void {
    const { namaddr } = this.#client;
    this.#warn(`Illegal address syntax from ${namaddr} in ${verb} command: ${path}`);
  }

  authFailed(mechanism: string, reason: string, username: string): void {
    const { namaddr } = this.#client;
    const who = `sasl_username=${username}`;
    this.#warn(`${namaddr}: SASL ${mechanism} authentication failed: ${reason}, ${who}`);
  }

  authAborted(mechanism: string): void {
    this.#warn(`${this.#client.namaddr}: SASL ${mechanism} authentication aborted`);
  }

  malformedBdat(argument: string): void {
    const { namaddr } = this.#client;
    const command = `BDAT ${argument}`.trimEnd();
    this.#warn(`${this.#id}: malformed BDAT command syntax from ${namaddr}: ${command}`);
  }

  chunkTooBig(): void {
    const { namaddr } = this.#client;
    this.#warn(`${this.#id}: BDAT request from ${namaddr} exceeds message size limit`);
  }

  lineTooLong(limit: number, line: string): void {
    const { namaddr } = this.#client;
    this.#warn(`${namaddr}: request longer than ${limit}: ${line.slice(0, 30)}...`);
  }

  /** What came is not SMTP. */
  foreign(line: string): void {
    this.#warn(`non-SMTP command from ${this.#client.namaddr}: ${line.slice(0, 100)}`);
  }

  tooManyConnections(count: number): void {
    const { namaddr } = this.#client;
    const { name } = this.#service;
    this.#warn(
      `Connection concurrency limit exceeded: ${count} from ${namaddr} for service ${name}`,
    );
  }

  /** Before the handshake: the client has made too many already. */
  newSessionRefused(): void {
    const { namaddr } = this.#client;
    this.#warn(`Refusing STARTTLS request from ${namaddr} for service ${this.#service.name}`);
  }

  tooManyNewSessions(count: number): void {
    this.#warn(newSessionRateExceeded(count, this.#client.namaddr, this.#service.name));
  }

  /** @param bareLf the client has sent lines that end in a bare LF, which is to be noted */
  disconnected(count: CommandCount, bareLf: boolean): void {
    const notes = bareLf ? ' notes=bare_lf' : '';
    this.#info(`disconnect from ${this.#client.namaddr} ${count}${notes}`);
  }

  callbackFailed(error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#service.logger.error(
      `${this.#id}: a callback failed for ${this.#client.namaddr}: ${text.replace(/\s*\n\s*/g, ' ')}`,
    );
  }

  /** A message has a name from its first recipient on. */
  get #queueId(): string | null {
    return this.#client.recipients.length > 0 ? this.#client.queueId : null;
  }

  get #id(): string {
    return this.#queueId ?? 'NOQUEUE';
  }

  #info(text: string): void {
    this.#service.logger.info(text);
  }

  #warn(text: string): void {
    this.#service.logger.warn(text);
  }
}

/** `554-5.7.1 two`, `554 5.7.1 lines`: `554 5.7.1 two lines`. */
function oneLine(reply: string): string {
  const [first = '', ...more] = reply.trimEnd().split('\r\n');
  const status = /^\d{3}[- ](?:\d\.\d+\.\d+ )?/;
  return [first.replace(/^(\d{3})-/, '$1 '), ...more.map((line) => line.replace(status, ''))].join(
    ' ',
  );
}

const escapes: Readonly<Record<string, string>> = { '\r': '\\r', '\n': '\\n', '\t': '\\t' };

/** At most a hundred bytes, control characters as C writes them. */
function escaped(data: Buffer): string {
  return data
    .toString('latin1', 0, 100)
    .replace(/[^ -~]/g, (c) => escapes[c] ?? `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`);
}
