/** Smtp with a Tlsmgr: sessions with servers that other processes resume, and what when the service is gone. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Smtp } from '../../lib/client.js';
import { LocalTlsmgr } from '../../lib/tlsmgr/local-tlsmgr.js';
import { SocketTlsmgr } from '../../lib/tlsmgr/socket-tlsmgr.js';
import type { Tlsmgr } from '../../lib/tlsmgr/tlsmgr.js';
import { serverCertificate } from '../helpers/certificates.js';
import { mxtls, parameters, Run, sendArguments } from '../helpers/command.js';
import { Lines } from '../helpers/lines.js';
import { startSmtpd } from '../helpers/servers.js';

const chain = serverCertificate('mx', ['mx.example.com']);
const serving = { tls: { securityLevel: 'may', chainFiles: [chain.chainFile] } } as const;

function socketPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mxtls-smtp-tlsmgr-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, 'tlsmgr');
}

async function serviceAt(path: string, ...settings: readonly string[]): Promise<Run> {
  const run = new Run(['tlsmgr', '--listen', path, ...parameters(...settings)]);
  await run.until(() => run.stdout === `listening ${path}\n`);
  return run;
}

function client(tlsmgr: Tlsmgr) {
  const lines = new Lines();
  const smtp = new Smtp({ logger: lines, tlsmgr, tls: { securityLevel: 'may', loglevel: 1 } });
  onTestFinished(() => smtp.close());
  const resumed = async (nexthop: string): Promise<boolean> => {
    const { recipients, tls } = await smtp.deliver({
      ...{ sender: 'a@example.org', recipients: ['b@example.com'], message: 'x\r\n', nexthop },
    });
    expect(recipients).toMatchObject([{ status: 'sent' }]);
    return tls?.resumed === true;
  };
  return { smtp, lines, resumed };
}

async function send(port: number, ...more: readonly string[]): Promise<boolean> {
  const { code, stdout } = await mxtls(
    [...sendArguments(port, '--json', ...more)],
    'Subject: x\n\nx\n',
  );
  expect(code).toBe(0);
  const [row] = JSON.parse(stdout) as { snapshot: { resumed: boolean } | null }[];
  return row?.snapshot?.resumed === true;
}

test.each([
  ['--tlsmgr', (path: string) => ['--tlsmgr', path]],
  ['tlsmgr_service_name', (path: string) => parameters(`tlsmgr_service_name=${path}`)],
])('the session of one process resumes in the next: %s', async (_, where) => {
  const { port } = await startSmtpd(serving);
  const path = socketPath();
  await serviceAt(path, 'smtp_tls_session_cache_database=memory:');
  expect(await send(port, ...where(path))).toBe(false);
  expect(await send(port, ...where(path))).toBe(true);
  expect(await send(port)).toBe(false);
});

test('a session is for the same policy only', async () => {
  const { port } = await startSmtpd(serving);
  const path = socketPath();
  await serviceAt(path, 'smtp_tls_session_cache_database=memory:');
  await send(port, '--tlsmgr', path);
  const other = parameters('smtp_tls_security_level=encrypt');
  expect(await send(port, '--tlsmgr', path, ...other)).toBe(false);
  expect(await send(port, '--tlsmgr', path)).toBe(true);
});

test('a service that has no such cache costs full handshakes, and no warning', async () => {
  const { port, nexthop } = await startSmtpd(serving);
  const path = socketPath();
  await serviceAt(path, 'smtpd_tls_session_cache_database=memory:');
  expect(await send(port, '--tlsmgr', path)).toBe(false);
  const lines = new Lines();
  const tlsmgr = new SocketTlsmgr({ path, logger: lines });
  onTestFinished(() => tlsmgr.close());
  const { resumed } = client(tlsmgr);
  expect([await resumed(nexthop), await resumed(nexthop)]).toEqual([false, false]);
  expect(lines.all).toEqual([]);
});

test('a service that is killed: full handshakes with one warning, and sessions again when it is back', async () => {
  const { nexthop } = await startSmtpd(serving);
  const path = socketPath();
  const cache = `smtp_tls_session_cache_database=lmdb:${path}.scache`;
  const service = await serviceAt(path, cache);
  const lines = new Lines();
  const tlsmgr = new SocketTlsmgr({ path, logger: lines, backoff: [5, 20] });
  onTestFinished(() => tlsmgr.close());
  const { resumed, lines: said } = client(tlsmgr);
  /** LMDB shows a session once it is on disk; the time limit of the test is the limit. */
  const untilResumed = async (): Promise<void> => {
    while (!(await resumed(nexthop))) {
      // mail goes
    }
  };
  await untilResumed();
  service.child.kill('SIGKILL');
  await service.exit;
  expect([await resumed(nexthop), await resumed(nexthop)]).toEqual([false, false]);
  await serviceAt(path, cache);
  await untilResumed();
  expect(lines.all).toEqual([
    expect.stringMatching(/^warning: tlsmgr \S+: .*; full TLS handshakes meanwhile$/),
    `tlsmgr ${path}: works again`,
  ]);
  expect(said.matching(/^warning/)).toEqual([]);
});

// ---- in the process

test('a Tlsmgr in the process serves several Smtp, which do not close it', async () => {
  const { nexthop } = await startSmtpd(serving);
  const tlsmgr = new LocalTlsmgr();
  onTestFinished(() => tlsmgr.close());
  const first = client(tlsmgr);
  expect(await first.resumed(nexthop)).toBe(false);
  await first.smtp.close();
  expect(await client(tlsmgr).resumed(nexthop)).toBe(true);
});

test('it keeps sessions of servers and with servers apart', async () => {
  const tlsmgr = new LocalTlsmgr();
  await tlsmgr.sessions('smtpd')?.update('id', Buffer.from('x'));
  expect(await tlsmgr.sessions('smtp')?.lookup('id')).toBeNull();
  expect(await tlsmgr.sessions('smtpd')?.lookup('id')).toEqual(new Uint8Array(Buffer.from('x')));
  expect(tlsmgr.sessions('smtp')).toBe(tlsmgr.sessions('smtp'));
  await tlsmgr.close();
});

test('seed: 1 to 255 bytes, no two alike', async () => {
  const tlsmgr = new LocalTlsmgr();
  const [one, other] = [await tlsmgr.seed(255), await tlsmgr.seed(255)];
  expect([one.length, other.length]).toEqual([255, 255]);
  expect(one).not.toEqual(other);
  expect(await tlsmgr.seed(1)).toHaveLength(1);
  for (const size of [0, 256, -1, 1.5, Number.NaN]) {
    await expect(tlsmgr.seed(size)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: `bogus seed length: ${size}; ask for 1 to 255 bytes`,
    });
  }
});

test('policy: whether there is a database, and the sanitised time-out, with or without one', async () => {
  const memory = (timeout: number) => ({ database: 'memory:', timeout });
  const policyOf = (timeout: number) => new LocalTlsmgr({ smtpd: memory(timeout) }).policy('smtpd');
  expect(await policyOf(3600)).toEqual({ cachable: true, timeout: 3600 });
  expect(await policyOf(1)).toEqual({ cachable: true, timeout: 120 });
  expect(await policyOf(0)).toEqual({ cachable: false, timeout: 0 });
  expect(await policyOf(9_000_000)).toEqual({ cachable: true, timeout: 8_640_000 });
  const none = new LocalTlsmgr({ smtp: { database: '', timeout: 7 } });
  expect(await none.policy('smtp')).toEqual({ cachable: false, timeout: 120 });
  expect(none.sessions('smtp')).toBeNull();
});

test('one file for both caches is refused', () => {
  const cache = { database: 'lmdb:/nowhere/scache', timeout: 3600 };
  expect(() => new LocalTlsmgr({ smtpd: cache, smtp: cache })).toThrow('name two');
});

test('the service answers seed and policy in the same way', async () => {
  const path = socketPath();
  await serviceAt(path, 'smtp_tls_session_cache_database=memory:');
  const tlsmgr = new SocketTlsmgr({ path, logger: new Lines() });
  onTestFinished(() => tlsmgr.close());
  expect(await tlsmgr.seed(255)).toHaveLength(255);
  await expect(tlsmgr.seed(256)).rejects.toThrow('tlsmgr refuses the request seed');
  expect(await tlsmgr.policy('smtp')).toEqual({ cachable: true, timeout: 3600 });
  expect(await tlsmgr.policy('smtpd')).toEqual({ cachable: false, timeout: 3600 });
});
