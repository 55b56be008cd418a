/** A client that comes with a session ticket and leaves with one: node's, so that two implementations meet. */
import { connect, type SecureVersion, type TLSSocket } from 'node:tls';
import { RawClient } from './raw-client.js';
import { secure } from './tls-client.js';

export const versions = ['TLSv1.2', 'TLSv1.3'] as const;

export interface Visit {
  /** The session that the server gave, or null. */
  readonly session: Buffer | null;
  readonly resumed: boolean;
  /** The ticket that the client has at the end; empty: none. */
  readonly ticket: Buffer;
  /** The server gave it at this visit. */
  readonly renewed: boolean;
}

function settings(version: SecureVersion, session: Buffer | null) {
  const versions = { minVersion: version, maxVersion: version };
  return { rejectUnauthorized: false, ...versions, ...(session === null ? {} : { session }) };
}

/**
 * A session up to the greeting of a server with TLS from the first byte: by then a TLS 1.3 ticket has come.
 *
 * @throws Error (rejects): there was none
 */
export async function visit(
  port: number,
  version: SecureVersion,
  session: Buffer | null = null,
  host = '127.0.0.1',
): Promise<Visit> {
  const socket = connect({ port, host, ...settings(version, session) });
  const outcome = watch(socket, version, session);
  await new Promise<void>((resolve, reject) => {
    socket.once('data', () => resolve());
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the connection ended before the greeting')));
  });
  socket.destroy();
  return outcome();
}

/** The same through STARTTLS, up to the answer to EHLO. */
export async function visitByStarttls(
  port: number,
  version: SecureVersion,
  session: Buffer | null = null,
): Promise<Visit> {
  const plain = await RawClient.greeted(port);
  await plain.commands('EHLO client.example.org', 'STARTTLS');
  const client = await secure(plain, settings(version, session));
  const outcome = watch(client.secured, version, session);
  await client.command('EHLO client.example.org');
  client.secured.destroy();
  return outcome();
}

const nothing: Visit = { session: null, resumed: false, ticket: Buffer.alloc(0), renewed: false };

/** What came of it, once the server has spoken. */
function watch(socket: TLSSocket, version: SecureVersion, offered: Buffer | null): () => Visit {
  let given: Buffer | null = null;
  let last = nothing;
  const look = () => {
    const session = given ?? (version === 'TLSv1.2' ? (socket.getSession() ?? null) : null);
    const ticket = socket.getTLSTicket() ?? Buffer.alloc(0);
    last = {
      session,
      resumed: socket.isSessionReused(),
      ticket,
      renewed: ticket.length > 0 && !(offered?.includes(ticket) ?? false),
    };
  };
  socket.on('session', (value: Buffer) => {
    given = value;
  });
  socket.on('data', look);
  return () => last;
}

/** The same session with other bytes in the place of its ticket's key name. */
export function renamed({ session, ticket }: Visit, name: Buffer): Buffer {
  if (session === null) {
    throw new Error('the server has given no session');
  }
  const changed = Buffer.from(session);
  name.copy(changed, changed.indexOf(ticket), 0, 16);
  return changed;
}
