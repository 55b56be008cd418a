/** Connections that pass from one delivering process to the next through a tlsproxy: which, and what when it is gone. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Smtp, type SmtpOptions } from '../../lib/client.js';
import type { SmtpTlsOptions } from '../../lib/config/options.js';
import type { DeliveryReport } from '../../lib/delivery/report.js';
import type { SmtpdOptions } from '../../lib/server.js';
import { Tlsproxy } from '../../lib/tlsproxy/proxy.js';
import { authority, certificate, serverCertificate } from '../helpers/certificates.js';
import { mxtls, parameters, Run, sendArguments } from '../helpers/command.js';
import { pkeyFingerprint } from '../helpers/fingerprints.js';
import { Lines } from '../helpers/lines.js';
import { startCounted } from '../helpers/servers.js';

const chain = serverCertificate('mx', ['mx.example.com']);
const root = authority();
const own = certificate('rsa');

const start = (options: Partial<SmtpdOptions> = {}) =>
  startCounted({ tls: { securityLevel: 'may', chainFiles: [chain.chainFile] }, ...options });

function socketPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mxtls-reuse-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, 'tlsproxy');
}

/** A proxy in this process. */
function startProxy(tls: SmtpTlsOptions = {}, path = socketPath()) {
  const lines = new Lines();
  const proxy = new Tlsproxy({ client: { securityLevel: 'may', ...tls }, logger: lines });
  proxy.listen(path);
  onTestFinished(() => proxy.close(true));
  return { path, proxy, lines };
}

/** `mxtls tlsproxy` of its own. */
async function proxyCommand(path: string): Promise<Run> {
  const run = new Run(['tlsproxy', '--socket', path, '--role', 'client']);
  await run.until(() => run.stdout === `listening ${path}\n`);
  return run;
}

const long = { connectionCacheTimeLimit: 60_000 };

/** Stands for a process: an Smtp shares nothing with another one. */
function client(path: string, options: Partial<SmtpOptions> = {}) {
  const lines = new Lines();
  const { tls, ...rest } = options;
  const smtp = new Smtp({
    ...{ logger: lines, lookup: async () => ['127.0.0.1'], tlsproxyServiceName: path, ...long },
    tls: { securityLevel: 'may', connectionReuse: true, ...tls },
    ...rest,
  });
  onTestFinished(() => smtp.close());
  const deliver = (nexthop: string, message = 'x\r\n'): Promise<DeliveryReport> =>
    smtp.deliver({ sender: 'a@example.org', recipients: ['b@example.com'], message, nexthop });
  const sent = async (nexthop: string): Promise<void> => {
    const { recipients } = await deliver(nexthop);
    expect(recipients).toMatchObject([{ status: 'sent' }]);
  };
  return { smtp, lines, deliver, sent };
}

function sendCommand(path: string, port: number, ...settings: readonly string[]) {
  return mxtls(
    sendArguments(
      port,
      ...parameters('smtp_tls_connection_reuse=yes', `tlsproxy_service_name=${path}`),
      ...parameters('smtp_connection_cache_time_limit=60s', 'smtp_tls_loglevel=0', ...settings),
    ),
    'Subject: x\n\nx\n',
  );
}

test('a process that has ended leaves its TLS session to the next one', async () => {
  const { port, connections, received, lines } = await start();
  const path = socketPath();
  const proxy = await proxyCommand(path);
  const first = await sendCommand(path, port);
  const second = await sendCommand(path, port);
  expect([first.code, second.code]).toEqual([0, 0]);
  expect(connections()).toBe(1);
  expect(received).toHaveLength(2);
  expect(first.stdout).toMatch(/^Untrusted TLS connection established to .*: TLSv1\.3 /m);
  expect(second.stdout).toMatch(/^Untrusted TLS connection reused to .*: TLSv1\.3 /m);
  expect(second.stdout).toMatch(/conn_use=2, .*tls=may, dsn=2\.0\.0, status=sent/);
  proxy.child.kill('SIGTERM');
  expect(await proxy.exit).toBe(0);
  expect(await lines.line(/^disconnect from/)).toMatch(/ehlo=2 starttls=1 mail=2 rcpt=2 data=2/);
});

test('a third process with another policy has a connection of its own', async () => {
  const { port, connections } = await start();
  const { path } = startProxy();
  await sendCommand(path, port);
  const other = await sendCommand(path, port, 'smtp_tls_security_level=encrypt');
  expect(other.stdout).toMatch(/TLS connection established to/);
  expect(connections()).toBe(2);
});

test('one Smtp, too, finds what it has left with the proxy, and leaves it when the message is through', async () => {
  const { nexthop, connections, received } = await start();
  const { path, proxy } = startProxy();
  const { sent, lines } = client(path);
  await sent(nexthop);
  expect(proxy.kept).toBe(1);
  await sent(nexthop);
  await client(path).sent(nexthop);
  expect(proxy.kept).toBe(1);
  expect(connections()).toBe(1);
  expect(received).toHaveLength(3);
  expect(lines.matching(/TLS connection/).map((line) => line.split(' ')[3])).toEqual([
    'established',
    'reused',
  ]);
});

test('messages of one batch go over one connection, which is left behind the last of them', async () => {
  const { nexthop, connections } = await start();
  const { path, proxy } = startProxy();
  const { smtp, sent } = client(path);
  const one = { sender: 'a@example.org', recipients: ['b@example.com'], message: 'x\r\n', nexthop };
  await smtp.deliverAll([one, one, one]);
  expect(proxy.kept).toBe(1);
  await sent(nexthop);
  expect(connections()).toBe(1);
});

test('without smtp_tls_connection_reuse the proxy is not asked', async () => {
  const { nexthop } = await start();
  const { path, lines } = startProxy();
  await client(path, { tls: { connectionReuse: false } }).sent(nexthop);
  expect(lines.all).toEqual([]);
});

test('a connection that is too old is left to nobody', async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const { nexthop } = await start({
    onRcpt: () => {
      vi.setSystemTime(Date.now() + 301_000);
      return undefined;
    },
  });
  const { path, proxy } = startProxy();
  await client(path).sent(nexthop);
  expect(proxy.kept).toBe(0);
});

test('a connection is used again no more often than smtp_connection_reuse_count_limit', async () => {
  const { nexthop, connections } = await start();
  const { path } = startProxy();
  const { sent } = client(path, { connectionReuseCountLimit: 1 });
  await sent(nexthop);
  await sent(nexthop);
  expect(connections()).toBe(1);
  await sent(nexthop);
  expect(connections()).toBe(2);
});

// ---- never mixed

interface Difference {
  readonly first?: Partial<SmtpOptions> & { readonly tls?: SmtpTlsOptions };
  /** Of the other process, instead. */
  readonly second?: Partial<SmtpOptions> & { readonly tls?: SmtpTlsOptions };
  readonly policy?: readonly [string, string];
  readonly nexthop?: string;
}

const names = `secure match=mx.example.com tafile=${root.certFile}`;
const pin = pkeyFingerprint(chain.certFile);

test.each<[string, Difference]>([
  ['level', { policy: ['may', 'encrypt'] }],
  ['protocols', { policy: ['may', 'may protocols=>=TLSv1.2'] }],
  ['ciphers', { policy: ['may', 'may exclude=3DES'] }],
  ['cipher grade', { policy: ['may', 'may ciphers=high'] }],
  ['server name', { policy: ['may', 'may servername=mx.example.com'] }],
  ['names', { policy: [names, `${names} match=.example.com`] }],
  ['raw public keys', { policy: ['may', 'may enable_rpk=yes'] }],
  [
    'fingerprints',
    {
      policy: [`fingerprint match=${pin}`, `fingerprint match=${pin} match=${'AA:'.repeat(31)}AA`],
    },
  ],
  ['trust anchors', { policy: ['secure match=mx.example.com', names] }],
  ['next hop of an authenticated server', { policy: [names, names], nexthop: '[MX.example.com]' }],
  ['EHLO name', { second: { heloName: 'other.example.org' } }],
  ['keywords that are not heeded', { second: { discardEhloKeywords: ['size'] } }],
  ['source address', { second: { bindAddress: '127.0.0.2' } }],
])('not where the %s differ(s)', async (_, difference) => {
  const { first = {}, second = first, policy = ['may', 'may'], nexthop } = difference;
  const { port, connections, received } = await start();
  const tls = { CAfile: root.certFile };
  const { path } = startProxy(tls);
  const process = (options: typeof first, turn: 0 | 1) =>
    client(path, { tls, ...options, policyTable: () => policy[turn] });
  const here = `[mx.example.com]:${port}`;
  await process(first, 0).sent(here);
  await process(first, 0).sent(here);
  expect(connections()).toBe(1);
  await process(second, 1).sent(nexthop === undefined ? here : `${nexthop}:${port}`);
  expect(connections()).toBe(2);
  await process(first, 0).sent(here);
  expect(connections()).toBe(2);
  expect(received).toHaveLength(4);
});

test('not where the user who has logged in is another', async () => {
  const { nexthop, connections } = await start({
    saslAuthEnable: true,
    onAuth: () => true,
    tls: { securityLevel: 'may', chainFiles: [chain.chainFile] },
  });
  const { path } = startProxy();
  const as = (username: string, password = 'secret') =>
    client(path, {
      saslAuthEnable: true,
      saslTlsSecurityOptions: [],
      credentials: { username, password },
    });
  await as('one').sent(nexthop);
  await as('one').sent(nexthop);
  expect(connections()).toBe(1);
  await as('two').sent(nexthop);
  await as('one', 'other').sent(nexthop);
  expect(connections()).toBe(3);
});

test.each<[string, string, SmtpTlsOptions]>([
  ['CAs', 'CAfile', { CAfile: root.certFile }],
  ['own certificate', 'chainFiles', { chainFiles: [own.chainFile] }],
])(
  'a process with another %s than the proxy does its own TLS, and is told once',
  async (_, name, tls) => {
    const { nexthop, connections } = await start();
    const { path, lines: said } = startProxy();
    const { sent, lines } = client(path, { tls });
    await sent(nexthop);
    await sent(nexthop);
    expect(connections()).toBe(2); // one was passed to the proxy in vain, one serves both messages
    expect(lines.matching(/^warning/)).toEqual([
      `warning: tlsproxy ${path}: request from tlsproxy client with unexpected settings: ${name}; connections are not shared meanwhile`,
    ]);
    expect(said.matching(/^warning/)).toEqual([
      expect.stringMatching(`unexpected settings: ${name}; give both the same`),
    ]);
  },
);

test('a server that does not prove itself gets no message, and its connection is left to nobody', async () => {
  const { port, received } = await start();
  const { path, proxy } = startProxy();
  const { deliver } = client(path, { policyTable: () => 'secure match=mx.example.com' });
  const report = await deliver(`[mx.example.com]:${port}`);
  expect(report.recipients).toMatchObject([
    { status: 'deferred', dsn: '4.7.5', reply: 'Server certificate not verified' },
  ]);
  expect(received).toEqual([]);
  expect(proxy.kept).toBe(0);
});

test('a handshake that fails is told as one of our own', async () => {
  const { nexthop } = await start({
    tls: { securityLevel: 'may', chainFiles: [chain.chainFile], protocols: '<=TLSv1.2' },
  });
  const { path } = startProxy();
  const { deliver, lines } = client(path, { policyTable: () => 'encrypt protocols=>=TLSv1.3' });
  const { recipients } = await deliver(nexthop);
  expect(recipients).toMatchObject([
    { status: 'deferred', reply: 'Cannot start TLS: handshake failure' },
  ]);
  expect(lines.matching(/SSL_connect/)).toEqual([
    expect.stringMatching(/^SSL_connect error to 127\.0\.0\.1\[127\.0\.0\.1\]:\d+: -1$/),
  ]);
  expect(lines.matching(/TLS library problem/)).toHaveLength(1);
});

// ---- the proxy is gone

test('without a proxy mail goes by connections of its own, with one warning', async () => {
  const { nexthop, connections } = await start();
  const { sent, lines } = client(socketPath());
  for (let i = 0; i < 4; i++) {
    await sent(nexthop);
  }
  expect(connections()).toBeGreaterThan(0);
  expect(lines.matching(/^warning/)).toEqual([
    expect.stringMatching(/^warning: tlsproxy \S+: .*; connections are not shared meanwhile$/),
  ]);
});

test('a proxy that is killed between messages, and one that is back', async () => {
  const { port, connections, received } = await start();
  const path = socketPath();
  const proxy = await proxyCommand(path);
  const { sent, lines } = client(path);
  await sent(`[mx.example.com]:${port}`);
  proxy.child.kill('SIGKILL');
  await proxy.exit;
  await sent(`[mx.example.com]:${port}`);
  expect(received).toHaveLength(2);
  rmSync(path);
  const { proxy: again } = startProxy({}, path);
  for (let i = 0; again.kept === 0; i++) {
    await sent(`[mx${i}.example.com]:${port}`); // each a connection of its own
  }
  expect(lines.matching(/tlsproxy/)).toEqual([
    expect.stringMatching(/^warning: tlsproxy \S+: .*; connections are not shared meanwhile$/),
    `tlsproxy ${path}: works again`,
  ]);
  expect(connections()).toBe(received.length);
});

test('a proxy that is killed in the middle of a message: it is sent again, over a connection of its own', async () => {
  const path = socketPath();
  const proxy = await proxyCommand(path);
  let kill = true;
  const { nexthop, connections, received } = await start({
    onRcpt: async () => {
      if (kill) {
        kill = false;
        proxy.child.kill('SIGKILL');
        await proxy.exit;
      }
      return undefined;
    },
  });
  const { sent, lines } = client(path);
  await sent(nexthop);
  expect(received).toHaveLength(1);
  expect(connections()).toBe(2);
  expect(lines.matching(/^warning/)).toHaveLength(1);
});
