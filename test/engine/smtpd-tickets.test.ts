/** Session tickets of the smtpd engine: which settings make them, and which none. */
import { once } from 'node:events';
import { connect, type SecureVersion, type TLSSocket } from 'node:tls';
import { describe, expect, test } from 'vitest';
import type { SmtpdTlsOptions } from '../../lib/config/options.js';
import { certificate } from '../helpers/certificates.js';
import { startSmtpd } from '../helpers/servers.js';

const { chainFile } = certificate('ecdsa');

async function wrapped(tls: SmtpdTlsOptions) {
  return startSmtpd({ tls: { chainFiles: [chainFile], ...tls } }, { wrappermode: true });
}

interface Visit {
  /** The session that the server gave, or null. */
  readonly session: Buffer | null;
  readonly resumed: boolean;
  readonly ticketBytes: number;
}

/** A session up to the greeting: by then a TLS 1.3 ticket has come. */
async function visit(
  port: number,
  version: SecureVersion,
  session: Buffer | null = null,
): Promise<Visit> {
  const options = { port, host: '127.0.0.1', rejectUnauthorized: false } as const;
  const versions = { minVersion: version, maxVersion: version };
  const socket: TLSSocket = connect({
    ...options,
    ...versions,
    ...(session === null ? {} : { session }),
  });
  let given: Buffer | null = null;
  socket.on('session', (value: Buffer) => {
    given = value;
  });
  await once(socket, 'data');
  const ticketBytes = socket.getTLSTicket()?.length ?? 0;
  const resumed = socket.isSessionReused();
  socket.destroy();
  return {
    session: given ?? (version === 'TLSv1.2' ? (socket.getSession() ?? null) : null),
    resumed,
    ticketBytes,
  };
}

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('%s', (version) => {
  test.each([
    ['aes-256-cbc', {}],
    ['aes-128-cbc', { sessionTicketCipher: 'aes-128-cbc' }],
    ['camellia-256-cbc', { sessionTicketCipher: 'CAMELLIA-256-CBC' }],
  ])('tickets by %s resume', async (_, tls) => {
    const { port } = await wrapped(tls);
    const first = await visit(port, version);
    expect(first.ticketBytes).toBeGreaterThan(100);
    expect((await visit(port, version, first.session)).resumed).toBe(true);
  });

  test.each([
    ['tls_session_ticket_cipher is empty', { sessionTicketCipher: '' }],
    ['smtpd_tls_session_cache_timeout is 0', { sessionCacheTimeout: 0 }],
    ['the cipher cannot be used', { sessionTicketCipher: 'aes-256-gcm' }],
  ])('no tickets where %s', async (_, tls) => {
    const { port } = await wrapped(tls);
    const first = await visit(port, version);
    expect(first.ticketBytes).toBe(0);
    expect((await visit(port, version, first.session)).resumed).toBe(false);
  });

  test('a ticket of other keys is a full handshake', async () => {
    const tls = { sessionTicketCipher: 'aes-128-cbc' };
    const one = await wrapped(tls);
    const other = await wrapped(tls);
    const { session } = await visit(one.port, version);
    expect((await visit(other.port, version, session)).resumed).toBe(false);
  });
});

test('a cipher that cannot be used is warned of in the words of Postfix', async () => {
  const { lines } = await wrapped({ sessionTicketCipher: 'aes-256-gcm' });
  expect(lines.matching(/tickets/)).toEqual([
    'warning: tls_session_ticket_cipher: invalid value: aes-256-gcm; session tickets disabled',
  ]);
});
