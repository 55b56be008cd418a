/**
 * Sessions without tickets that `openssl s_client` stores and brings back to our smtpd through STARTTLS, and that our own
 * client does.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Smtp } from '../../lib/client.js';
import type { TlsSnapshot } from '../../lib/snapshot.js';
import { authority, certificate, issuedCertificate } from '../helpers/certificates.js';
import { mail, sClient, shows } from '../helpers/s-client.js';
import { startSmtpd } from '../helpers/servers.js';

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'mxtls-scache-'));
  onTestFinished(() => rmSync(made, { recursive: true }));
  return made;
}

async function server(database: string, tls = {}) {
  const seen: TlsSnapshot[] = [];
  const started = await startSmtpd({
    tls: {
      securityLevel: 'may',
      chainFiles: [certificate('ecdsa').chainFile],
      sessionTicketCipher: '',
      sessionCacheDatabase: database,
      ...tls,
    },
    onRcpt: (session) => {
      if (session.tls !== null) {
        seen.push(session.tls);
      }
    },
  });
  return { ...started, seen };
}

const versions = ['-tls1_2', '-tls1_3'] as const;

test.each(
  versions.flatMap((version) => [[version, 'memory:'] as const, [version, 'lmdb:'] as const]),
)('s_client %s resumes from %s, three times', async (version, type) => {
  const database = type === 'lmdb:' ? `lmdb:${join(folder(), 'scache')}` : type;
  const { port, seen } = await server(database);
  const file = join(folder(), 'session');
  const to = `127.0.0.1:${port}`;
  await mail(sClient(to, [version, '-sess_out', file]), 'b@example.com');
  for (let i = 0; i < 3; i++) {
    const args = [version, '-sess_in', file, '-sess_out', file];
    await mail(sClient(to, args), 'b@example.com');
  }
  expect(seen.map(({ resumed, ticket }) => [resumed, ticket])).toEqual([
    [false, false],
    ...Array.from({ length: 3 }, () => [true, false]),
  ]);
});

test('s_client -no_ticket of TLS 1.2 resumes beside tickets', async () => {
  const { port, seen } = await server('memory:', { sessionTicketCipher: 'aes-256-cbc' });
  const file = join(folder(), 'session');
  const args = ['-tls1_2', '-no_ticket'];
  await mail(sClient(`127.0.0.1:${port}`, [...args, '-sess_out', file]), 'b@example.com');
  await mail(sClient(`127.0.0.1:${port}`, [...args, '-sess_in', file]), 'b@example.com');
  expect(seen.map(({ resumed, ticket }) => [resumed, ticket])).toEqual([
    [false, false],
    [true, false],
  ]);
});

test.each(versions)('%s: a certificate is known again by all that it said', async (version) => {
  const { port, seen } = await server('memory:', { askCcert: true, CAfile: authority().certFile });
  const file = join(folder(), 'session');
  const args = [version, ...shows(issuedCertificate())];
  await mail(sClient(`127.0.0.1:${port}`, [...args, '-sess_out', file]), 'b@example.com');
  await mail(sClient(`127.0.0.1:${port}`, [...args, '-sess_in', file]), 'b@example.com');
  const [full, again] = seen;
  expect(full).toMatchObject({ status: 'Trusted', resumed: false });
  expect(again).toMatchObject({
    ...{ status: 'Trusted', resumed: true, peerSubject: full?.peerSubject ?? '' },
    peerCertFingerprint: full?.peerCertFingerprint ?? '',
  });
});

test.each(['TLSv1.2', 'TLSv1.3'])('our client resumes by %s', async (protocol) => {
  const { nexthop, seen } = await server('memory:', { protocols: `>=${protocol}, <=${protocol}` });
  const smtp = new Smtp({
    tls: { securityLevel: 'may', sessionCacheDatabase: 'memory:' },
    logger: { info: () => undefined, warn: () => undefined },
  });
  for (let i = 0; i < 4; i++) {
    const report = await smtp.deliver({
      ...{ sender: 'a@example.org', recipients: ['b@example.com'], nexthop },
      message: 'Subject: x\r\n\r\nx\r\n',
    });
    expect(report.recipients.map(({ status }) => status)).toEqual(['sent']);
  }
  expect(seen.map(({ resumed }) => resumed)).toEqual([false, true, true, true]);
});
