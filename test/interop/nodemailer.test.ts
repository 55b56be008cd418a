/** nodemailer to our smtpd. */
import { randomBytes } from 'node:crypto';
import { createTransport } from 'nodemailer';
import { describe, expect, onTestFinished, test } from 'vitest';
import { certificate } from '../helpers/certificates.js';
import { startSmtpd, type TestServer } from '../helpers/servers.js';

const tls = { securityLevel: 'may', chainFiles: [certificate('ecdsa').chainFile] } as const;

function transport(server: TestServer, options: object = {}) {
  const made = createTransport({
    host: '127.0.0.1',
    port: server.port,
    name: 'nodemailer.example',
    tls: { rejectUnauthorized: false },
    ...options,
  });
  onTestFinished(() => made.close());
  return made;
}

const raw = `From: a@example.org\r\nTo: b@example.com\r\nSubject: raw\r\n\r\n.dot\r\n..\r\n${'line\r\n'.repeat(20_000)}`;
const envelope = { from: 'a@example.org', to: ['b@example.com', 'c@example.com'] };

describe.each([
  ['plaintext', { ignoreTLS: true }, {}, null],
  ['STARTTLS', { requireTLS: true }, {}, 'TLSv1.3'],
  ['TLS from the first byte', { secure: true }, { wrappermode: true }, 'TLSv1.3'],
])('%s', (_, client, where, protocol) => {
  test('a raw message arrives byte for byte', async () => {
    const server = await startSmtpd({ tls }, where);
    const info = await transport(server, client).sendMail({ envelope, raw });
    expect(info.accepted).toEqual(envelope.to);
    expect(info.response).toMatch(/^250 2\.0\.0 Ok: queued as/);
    const [message] = server.received;
    expect(message?.content.toString()).toBe(raw);
    expect(message).toMatchObject({ sender: envelope.from, recipients: envelope.to });
    expect(message?.session.tls?.protocol ?? null).toBe(protocol);
  });
});

test('a composed message with an attachment, over a connection that is kept', async () => {
  const server = await startSmtpd({ tls });
  const pool = transport(server, { pool: true, maxConnections: 1, requireTLS: true });
  const content = randomBytes(300_000);
  for (let i = 0; i < 3; i++) {
    await pool.sendMail({
      from: 'a@example.org',
      to: 'b@example.com',
      subject: 'grüße',
      text: 'hello',
      attachments: [{ filename: 'x.bin', content }],
    });
  }
  expect(server.received).toHaveLength(3);
  expect(server.smtpd.connections).toBe(1);
  const text = server.received[2]?.content.toString() ?? '';
  expect(text.replace(/\r\n/g, '')).toContain(content.toString('base64'));
});

test('a recipient that is refused is told', async () => {
  const server = await startSmtpd({
    tls,
    onRcpt: (_session, { address }) =>
      address.startsWith('c@') ? { code: 550, enhanced: '5.1.1', text: 'User unknown' } : undefined,
  });
  const info = await transport(server).sendMail({ envelope, raw });
  expect(info.accepted).toEqual(['b@example.com']);
  expect(info.rejected).toEqual(['c@example.com']);
});
