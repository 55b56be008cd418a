/** Session tickets of the smtpd engine: which settings make them, and which none; for whom; what the log says. */
import { randomBytes } from 'node:crypto';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { SmtpdTlsOptions } from '../../lib/config/options.js';
import { Smtpd, type SmtpdOptions } from '../../lib/server.js';
import type { SmtpdListenOptions } from '../../lib/smtpd/listener.js';
import { certificate } from '../helpers/certificates.js';
import { startSmtpd } from '../helpers/servers.js';
import { FilledSource, tlsmgrOf } from '../helpers/ticket-keys.js';
import { renamed, versions, visit, visitByStarttls } from '../helpers/ticket-visit.js';

const { chainFile } = certificate('ecdsa');
const minute = 60_000;

async function wrapped(
  tls: SmtpdTlsOptions,
  options: Partial<SmtpdOptions> = {},
  where: SmtpdListenOptions = {},
) {
  const all = { chainFiles: [chainFile], ...tls };
  return startSmtpd({ tls: all, ...options }, { wrappermode: true, ...where });
}

describe.each(versions)('%s', (version) => {
  test.each([
    ['aes-256-cbc', {}],
    ['aes-128-cbc', { sessionTicketCipher: 'aes-128-cbc' }],
    ['camellia-256-cbc', { sessionTicketCipher: 'CAMELLIA-256-CBC' }],
  ])('tickets by %s resume, and are not renewed', async (_, tls) => {
    const { port } = await wrapped(tls);
    const first = await visit(port, version);
    expect(first.ticket.length).toBeGreaterThan(100);
    expect(first.ticket.length).toBeLessThanOrEqual(256);
    expect(await visit(port, version, first.session)).toMatchObject({
      resumed: true,
      renewed: false,
    });
  });

  test.each([
    ['tls_session_ticket_cipher is empty', { sessionTicketCipher: '' }],
    ['smtpd_tls_session_cache_timeout is 0', { sessionCacheTimeout: 0 }],
    ['the cipher cannot be used', { sessionTicketCipher: 'aes-256-gcm' }],
  ])('no tickets where %s', async (_, tls) => {
    const { port } = await wrapped(tls);
    const first = await visit(port, version);
    expect(first.ticket).toHaveLength(0);
    expect((await visit(port, version, first.session)).resumed).toBe(false);
  });

  test('a ticket resumes after a reload, and at another engine of the process', async () => {
    const { port, smtpd } = await wrapped({});
    const { session } = await visit(port, version);
    await smtpd.reload();
    expect((await visit(port, version, session)).resumed).toBe(true);
    const other = await wrapped({});
    expect((await visit(other.port, version, session)).resumed).toBe(true);
  });

  test('a ticket resumes through STARTTLS', async () => {
    const { port } = await startSmtpd({ tls: { chainFiles: [chainFile], securityLevel: 'may' } });
    const { session } = await visitByStarttls(port, version);
    expect((await visitByStarttls(port, version, session)).resumed).toBe(true);
  });

  test('a ticket of other keys is a full handshake, and a new ticket', async () => {
    const one = await wrapped({});
    const other = await wrapped({ sessionCacheTimeout: 200_000 });
    const { session } = await visit(one.port, version);
    expect(await visit(other.port, version, session)).toMatchObject({
      resumed: false,
      renewed: true,
    });
  });

  test('a listener without tickets neither gives nor takes them', async () => {
    const { port, smtpd } = await wrapped({});
    const { port: bare } = await smtpd.listen({
      ...{ host: '127.0.0.1', port: 0, wrappermode: true, tickets: false },
    });
    const { session } = await visit(port, version);
    expect((await visit(bare, version)).ticket).toHaveLength(0);
    expect((await visit(bare, version, session)).resumed).toBe(false);
    expect((await visit(port, version, session)).resumed).toBe(true);
  });

  test.each([
    ['127.0.0.0/8', true],
    ['192.0.2.0/24', false],
  ])('clients in noTicketClients (%s) neither get nor use tickets: %s', async (network, off) => {
    const giving = await wrapped({});
    const { session } = await visit(giving.port, version);
    const { port, smtpd } = await wrapped({ securityLevel: 'may' }, { noTicketClients: [network] });
    expect((await visit(port, version)).ticket.length > 0).toBe(!off);
    expect((await visit(port, version, session)).resumed).toBe(!off);
    const plain = await smtpd.listen({ host: '127.0.0.1', port: 0, wrappermode: false });
    const visited = await visitByStarttls(plain.port, version);
    expect(visited.ticket.length > 0).toBe(!off);
  });

  test('names of keys that a client invents are full handshakes, and few questions', async () => {
    const source = new FilledSource();
    const now = Date.now();
    const key = source.mint(now - minute, now + minute);
    source.tell(key);
    const { port } = await wrapped({}, { tlsmgr: tlsmgrOf(source) });
    const first = await visit(port, version);
    const prefix = first.ticket.subarray(0, 8);
    const begin = performance.now();
    for (let i = 0; i < 1000; i++) {
      const name = i % 2 === 0 ? randomBytes(16) : Buffer.concat([prefix, randomBytes(8)]);
      const { resumed, renewed } = await visit(port, version, renamed(first, name));
      expect({ resumed, renewed }).toEqual({ resumed: false, renewed: true });
    }
    const seconds = Math.ceil((performance.now() - begin) / 1000);
    expect(source.asked.length).toBeGreaterThan(0);
    expect(source.asked.length).toBeLessThanOrEqual(10 * (seconds + 1));
    expect(new Set(source.asked).size).toBe(source.asked.length);
    expect(source.asked.every((name) => name.startsWith(prefix.toString('hex')))).toBe(true);
    expect((await visit(port, version, first.session)).resumed).toBe(true);
  }, 60_000);

  test('a key that only the service knows yet is asked for, and resumes', async () => {
    const now = Date.now();
    const issuing = new FilledSource('one cluster');
    const key = issuing.mint(now - minute, now + minute);
    issuing.tell(key);
    const elsewhere = await wrapped({}, { tlsmgr: tlsmgrOf(issuing) });
    const { session } = await visit(elsewhere.port, version);
    const late = new FilledSource('one cluster');
    late.answer = async () => key;
    const { port } = await wrapped({}, { tlsmgr: tlsmgrOf(late) });
    expect((await visit(port, version)).ticket).toHaveLength(0);
    expect((await visit(port, version, session)).resumed).toBe(true);
    expect((await visit(port, version, session)).resumed).toBe(true);
    expect(late.asked).toEqual([key.toString('hex', 4, 20)]);
  });

  test('a service that fails costs full handshakes, and one warning', async () => {
    const now = Date.now();
    const source = new FilledSource('failing');
    const unknown = source.mint(now - minute, now + minute);
    source.tell(unknown);
    const issuing = await wrapped({}, { tlsmgr: tlsmgrOf(source) });
    const first = await visit(issuing.port, version);
    const failing = new FilledSource('failing');
    failing.tell(failing.mint(now - minute, now + minute));
    failing.answer = async () => {
      throw new Error('the socket has gone');
    };
    const { port, lines } = await wrapped({}, { tlsmgr: tlsmgrOf(failing) });
    for (let i = 0; i < 5; i++) {
      const visited = await visit(port, version, first.session);
      expect(visited).toMatchObject({ resumed: false, renewed: true });
    }
    expect(lines.matching(/ticket keys/)).toEqual([
      'warning: ticket keys: the socket has gone; clients without a known ticket get full handshakes',
    ]);
  });

  test('the log tells when the key of a ticket expires, where the cache is logged', async () => {
    const now = Date.now();
    const source = new FilledSource();
    const expires = now + minute;
    const key = source.mint(now - minute, expires);
    source.tell(key);
    const { port, lines } = await wrapped({ loglevel: 'cache' }, { tlsmgr: tlsmgrOf(source) });
    const { session } = await visit(port, version);
    const seconds = Math.floor(expires / 1000);
    const issuing = `unknown[127.0.0.1]: Issuing session ticket, key expiration: ${seconds}`;
    expect(lines.matching(/session ticket/)).toEqual([issuing]);
    await visit(port, version, session);
    expect(lines.matching(/session ticket/)).toEqual([
      issuing,
      `unknown[127.0.0.1]: Decrypting session ticket, key expiration: ${seconds}`,
      'unknown[127.0.0.1]: Reusing old session (RFC 5077 session ticket)',
    ]);
  });
});

test('a cipher that cannot be used is warned of in the words of Postfix', async () => {
  const { lines } = await wrapped({ sessionTicketCipher: 'aes-256-gcm' });
  expect(lines.matching(/tickets/)).toEqual([
    'warning: tls_session_ticket_cipher: invalid value: aes-256-gcm; session tickets disabled',
  ]);
});

test('a wrapping key that cannot be had is no listener, and the next one tries again', async () => {
  const source = new FilledSource();
  let known = false;
  const wrappingKey = async () => {
    if (!known) {
      throw new Error('sealed');
    }
    return source.wrappingKey;
  };
  const smtpd = new Smtpd({
    myhostname: 'mx.example.com',
    onData: () => undefined,
    tls: { chainFiles: [chainFile] },
    tlsmgr: tlsmgrOf({
      name: source.name,
      wrappingKey,
      subscribe: (onChange) => source.subscribe(onChange),
      find: async () => null,
    }),
  });
  onTestFinished(() => smtpd.close(true));
  const where = { host: '127.0.0.1', port: 0, wrappermode: true };
  await expect(smtpd.listen(where)).rejects.toMatchObject({ code: 'WRAPPING_KEY' });
  known = true;
  const { port } = await smtpd.listen(where);
  expect((await visit(port, 'TLSv1.3')).resumed).toBe(false);
});

test.each([
  ['192.0.2.0/33', 'INVALID_PARAMETER'],
  [5, 'INVALID_ARGUMENT'],
])('noTicketClients with %s is an error', (network, code) => {
  const options = { myhostname: 'mx.example.com', onData: () => undefined };
  expect(() => new Smtpd({ ...options, noTicketClients: [network as string] })).toThrow(
    expect.objectContaining({ code }),
  );
});
