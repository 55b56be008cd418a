/** Where `mxtls smtpd` puts messages: into a Maildir, or nowhere. */
import { access, constants } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { TlsError } from '../errors.js';
import type { Logger } from '../log/logger.js';
import { Maildir } from '../maildir/maildir.js';
import type { SmtpdHandlers, SmtpdMessage, SmtpdSession } from '../smtpd/handlers.js';
import { exitCode, Failure } from './command.js';
import { systemReason } from './system-reason.js';

/** Takes a message; the client gets its 250 when this has resolved. */
export type Store = SmtpdHandlers['onData'];

/** @throws Failure when the directory cannot be used */
export async function openMaildir(path: string): Promise<Maildir> {
  try {
    return await Maildir.open({ path });
  } catch (error) {
    throw new Failure(
      `--maildir: cannot write to ${path}: ${await reasonFor(path, error)}; name a directory that this user may write to`,
      exitCode.config,
      error,
    );
  }
}

/** A store that is opened later: messages wait for it. */
export class LateStore {
  readonly store: Store;
  #open: (store: Store) => void = () => undefined;

  constructor() {
    const opened = new Promise<Store>((resolve) => {
      this.#open = resolve;
    });
    this.store = async (session, message) => (await opened)(session, message);
  }

  open(store: Store): void {
    this.#open(store);
  }
}

/** node calls a directory that cannot be made missing; the reason is with the one above it. */
async function reasonFor(path: string, error: unknown): Promise<string> {
  let reason = error;
  for (
    let at = resolve(path);
    (reason as NodeJS.ErrnoException).code === 'ENOENT';
    at = dirname(at)
  ) {
    try {
      await access(at, constants.W_OK);
      return systemReason(error);
    } catch (problem) {
      reason = problem;
    }
  }
  return systemReason(reason);
}

export interface KeepProps {
  readonly maildir: Maildir;
  readonly logger: Logger;
  /** The Received: header of a session's message. */
  received(session: SmtpdSession): string;
}

/** Keeps messages. One that cannot be written is refused for now. */
export function keepIn({ maildir, logger, received }: KeepProps): Store {
  return async (session, message) => {
    const { queueId, sender, recipients } = session;
    try {
      const header = envelope(session) + received(session);
      const name = await maildir.deliver(withHeader(header, message));
      logger.info(
        `${queueId}: from=<${sender?.address}>, size=${message.bytes}, nrcpt=${recipients.length}` +
          ` (delivered to maildir as ${name})`,
      );
      return undefined;
    } catch (error) {
      if (error instanceof TlsError) {
        throw error; // the message did not come to its end
      }
      logger.warn(`${queueId}: cannot write to maildir ${maildir.path}: ${systemReason(error)}`);
      return { code: 451, enhanced: '4.3.0', text: 'Error: mail file write error' };
    }
  };
}

/** Reads messages to their end: only then is a message known to be whole. */
export function discard(logger: Logger): Store {
  return async (session, message) => {
    const { queueId, namaddr } = session;
    for await (const _ of message.borrowed()) {
      // Thrown away.
    }
    logger.warn(`${queueId}: message of ${message.bytes} bytes from ${namaddr} discarded`);
  };
}

/** The envelope as header fields, which is all that a file can keep of it (RFC 5321 section 4.4). */
function envelope({ sender, recipients }: SmtpdSession): string {
  const deliveredTo = recipients.map(({ address }) => `Delivered-To: ${address}\r\n`);
  return `Return-Path: <${sender?.address}>\r\n${deliveredTo.join('')}`;
}

async function* withHeader(
  header: string,
  message: SmtpdMessage,
): AsyncGenerator<Buffer, void, undefined> {
  yield Buffer.from(header);
  yield* message.borrowed(); // a Maildir has written each chunk before it asks for the next
}
