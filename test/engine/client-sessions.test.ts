/** TLS sessions that the smtp engine keeps and brings back, with real handshakes at our smtpd. */
import { expect, test } from 'vitest';
import { Smtp, type SmtpOptions } from '../../lib/client.js';
import { MemorySessionStore, type SessionStore } from '../../lib/session-cache/store.js';
import { certificate } from '../helpers/certificates.js';
import { Lines } from '../helpers/lines.js';
import { startSmtpd, type TestServer } from '../helpers/servers.js';
import type { SmtpdOptions } from '../../lib/server.js';

const { chainFile } = certificate('ecdsa');
const message = { sender: 'a@example.org', recipients: ['b@example.com'], message: 'x\r\n' };

type Version = '1.2' | '1.3';

function start(version: Version, more: Partial<SmtpdOptions> = {}): Promise<TestServer> {
  const protocols = `>=TLSv${version}, <=TLSv${version}`;
  return startSmtpd({ tls: { securityLevel: 'may', chainFiles: [chainFile], protocols }, ...more });
}

/** Deliveries of one client. */
function client(server: TestServer, options: Partial<SmtpOptions> = {}) {
  const lines = new Lines();
  const { tls, ...rest } = options;
  const smtp = new Smtp({
    logger: lines,
    // Else TLS 1.2 has no certificate at these levels.
    tls: { loglevel: 'cache', excludeCiphers: ['aNULL'], sessionCacheDatabase: 'memory:', ...tls },
    ...rest,
  });
  /** Whether the session was resumed; null: in plaintext. */
  const resumes = async (): Promise<boolean | null> => {
    const report = await smtp.deliver({ ...message, nexthop: server.nexthop });
    expect(report.recipients.map(({ status }) => status)).toEqual(['sent']);
    return report.tls?.resumed ?? null;
  };
  return { smtp, lines, resumes };
}

test('without a session cache every handshake is a full one', async () => {
  const server = await start('1.3');
  const { resumes, lines } = client(server, { tls: { sessionCacheDatabase: '' } });
  expect([await resumes(), await resumes()]).toEqual([false, false]);
  expect(lines.matching(/session/)).toEqual([]);
});

test('TLS 1.2: the session of the first connection serves all others', async () => {
  const server = await start('1.2');
  const { resumes } = client(server);
  expect([await resumes(), await resumes(), await resumes()]).toEqual([false, true, true]);
});

test('TLS 1.3: a session serves once', async () => {
  const server = await start('1.3');
  const { resumes } = client(server);
  expect([await resumes(), await resumes()]).toEqual([false, true]);
});

test.each(['1.2', '1.3'] as const)('TLS %s: what is logged at verbosity cache', async (version) => {
  const server = await start(version);
  const { resumes, lines } = client(server);
  await resumes();
  await resumes();
  const key = /session (\S+) (?:in|from|to) smtp cache/.exec(lines.all[0] ?? '')?.[1] ?? '';
  const { port } = server;
  expect(key).toMatch(
    new RegExp(`^smtp&\\[127.0.0.1\\]:${port}&127.0.0.1&127.0.0.1&1&&&[\\dA-F]{64}$`),
  );
  expect(lines.matching(/session/).slice(0, 4)).toEqual([
    `looking for session ${key} in smtp cache`,
    `save session ${key} to smtp cache`,
    `looking for session ${key} in smtp cache`,
    `reloaded session ${key} from smtp cache`,
  ]);
  expect(lines.matching(/Reusing/)).toEqual([`127.0.0.1[127.0.0.1]:${port}: Reusing old session`]);
});
