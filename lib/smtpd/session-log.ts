/** What the smtpd engine logs about one session, in Postfix's words. */
import { channel } from 'node:diagnostics_channel';
import type { TlsError } from '../errors.js';
import { libraryProblems, logEstablished, logHandshakeFailure } from '../log/handshake.js';
import { logTrace } from '../log/trace.js';
import type { NativeConnection } from '../native.js';
import type { CommandCount } from './command-count.js';
import type { SmtpdSession } from './handlers.js';
import type { Service } from './service.js';

const established = channel('mxtls:tls:established');

export function newSessionRateExceeded(count: number, namaddr: string): string {
  return `New TLS session rate limit exceeded: ${count} from ${namaddr} for service smtpd`;
}

export class SessionLog {
  readonly #service: Service;
  readonly #client: SmtpdSession;

  constructor(service: Service, client: SmtpdSession) {
    this.#service = service;
    this.#client = client;
  }

  connected(): void {
    this.#info(`connect from ${this.#client.namaddr}`);
  }

  /** What was traced of TLS so far. */
  trace(connection: NativeConnection): void {
    if (this.#service.logFlags.trace) {
      logTrace(this.#service.logger, this.#client.namaddr, connection.takeTrace());
    }
  }

  /** The snapshot is only taken when somebody looks. */
  tlsEstablished(): void {
    const flags = this.#service.logFlags;
    if (!flags.summary && !established.hasSubscribers) {
      return;
    }
    const snapshot = this.#client.tls;
    if (snapshot !== null) {
      const { namaddr } = this.#client;
      const use = 'established';
      logEstablished(this.#service.logger, { snapshot, direction: 'from', use, namaddr, flags });
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
      this.#service.logger.warn(line.text);
    }
    const id = this.#client.queueId ?? 'NOQUEUE';
    this.#info(`${id}: ${what} after ${where} from ${this.#client.namaddr}`);
  }

  /** `improper command pipelining after EHLO from NAMADDR: MAIL FROM:<...>` */
  improperPipelining(where: string, data: string): void {
    this.#info(`improper command pipelining after ${where} from ${this.#client.namaddr}: ${data}`);
  }

  tooManyConnections(count: number): void {
    this.#service.logger.warn(
      `Connection concurrency limit exceeded: ${count} from ${this.#client.namaddr} for service smtpd`,
    );
  }

  /** Before the handshake: the client has made too many already. */
  newSessionRefused(): void {
    this.#service.logger.warn(
      `Refusing STARTTLS request from ${this.#client.namaddr} for service smtpd`,
    );
  }

  tooManyNewSessions(count: number): void {
    this.#service.logger.warn(newSessionRateExceeded(count, this.#client.namaddr));
  }

  bareNewline(where: string): void {
    const id = this.#client.queueId ?? 'NOQUEUE';
    this.#info(`${id}: bare <LF> received after ${where} from ${this.#client.namaddr}`);
  }

  disconnected(count: CommandCount): void {
    this.#info(`disconnect from ${this.#client.namaddr} ${count}`);
  }

  callbackFailed(error: unknown): void {
    const id = this.#client.queueId ?? 'NOQUEUE';
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#service.logger.error(
      `${id}: a callback failed for ${this.#client.namaddr}: ${text.replace(/\s*\n\s*/g, ' ')}`,
    );
  }

  #info(text: string): void {
    this.#service.logger.info(text);
  }
}
