/** `mxtls send` as a program: what it prints, and what its exit code says. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { certificate, serverCertificate } from '../helpers/certificates.js';
import { mxtls, parameters, Run, sendArguments } from '../helpers/command.js';
import { tlsaOf } from '../helpers/memory-dns.js';
import { answer, ScriptedDns } from '../helpers/scripted-dns.js';
import { hello, type ScriptedPeer, scriptedServer } from '../helpers/scripted-server.js';
import { startSmtpd } from '../helpers/servers.js';

const tls = { securityLevel: 'may', chainFiles: [certificate('ecdsa').chainFile] } as const;
const message = 'Subject: test\n\nhello\n';
const encrypt = parameters('smtp_tls_security_level=encrypt');

test('a message in a file goes out under TLS; TLS and the recipient have a line each', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'mxtls-cli-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'message.eml');
  writeFileSync(file, message);
  const { port, received } = await startSmtpd({ tls });
  const run = await mxtls([...sendArguments(port, ...encrypt), file]);
  expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 0, stderr: '' });
  expect(run.stdout).toMatch(
    /^Untrusted TLS connection established to 127\.0\.0\.1\[127\.0\.0\.1\]:\d+: TLSv1\.3 with cipher .*\n\w+: to=<b@mx\.example>, relay=127\.0\.0\.1\[127\.0\.0\.1\]:\d+, delay=.*, tls=encrypt, dsn=2\.0\.0, status=sent \(250 2\.0\.0 Ok: queued as \w+\)\n$/,
  );
  expect(received[0]?.content.toString()).toContain('Subject: test\r\n\r\nhello\r\n');
});

test('a message from standard input goes out in plaintext, its size declared', async () => {
  const { port, received } = await startSmtpd();
  const run = await mxtls([...sendArguments(port), '-'], 'Subject: test\r\n\r\n.\r\n');
  expect(run.code).toBe(0);
  expect(run.stdout).toMatch(
    /^\w+: to=<b@mx\.example>, .*, tls=may:none, dsn=2\.0\.0, status=sent \(.*\)\n$/,
  );
  expect(received[0]?.content.toString()).toContain('Subject: test\r\n\r\n.\r\n');
});

test('--json prints one object per recipient and nothing else on standard output', async () => {
  const { port } = await startSmtpd({
    tls,
    onRcpt: (_session, { address }) =>
      address.startsWith('c@') ? { code: 550, enhanced: '5.1.1', text: 'User unknown' } : undefined,
  });
  const relay = `127.0.0.1[127.0.0.1]:${port}`;
  const args = sendArguments(port, '--to', 'c@mx.example', '--json', ...encrypt);
  const { code, stdout, stderr } = await mxtls(args, message);
  expect(code).toBe(69);
  const row = {
    relay,
    delay: expect.any(Number),
    delays: Array(4).fill(expect.any(Number)),
    tls: 'encrypt',
    tlsStatus: 'Untrusted',
    snapshot: expect.objectContaining({ status: 'Untrusted', protocol: 'TLSv1.3' }),
  };
  expect(JSON.parse(stdout)).toEqual([
    {
      ...row,
      recipient: 'b@mx.example',
      status: 'sent',
      dsn: '2.0.0',
      reply: expect.stringMatching(/^250 2\.0\.0 Ok: queued as/),
    },
    {
      ...row,
      recipient: 'c@mx.example',
      status: 'bounced',
      dsn: '5.1.1',
      reply: expect.stringContaining('said: 550 5.1.1 User unknown (in reply to RCPT TO command)'),
    },
  ]);
  expect(stderr).toMatch(/^mxtls\/smtp\[\d+\]: Untrusted TLS connection established to /);
  expect(stderr.match(/status=/g)).toHaveLength(2);
});

test('what is not known is null in JSON', async () => {
  const { port, smtpd } = await startSmtpd();
  await smtpd.close();
  const off = parameters('smtp_log_tls_feature_status=no');
  const { code, stdout } = await mxtls(sendArguments(port, '--json', ...off), message);
  expect(code).toBe(75);
  expect(JSON.parse(stdout)).toEqual([
    {
      recipient: 'b@mx.example',
      status: 'deferred',
      dsn: '4.4.1',
      reply: `connect to 127.0.0.1[127.0.0.1]:${port}: Connection refused`,
      relay: null,
      delay: expect.any(Number),
      delays: [expect.any(Number), expect.any(Number), expect.any(Number), 0],
      tls: null,
      tlsStatus: null,
      snapshot: null,
    },
  ]);
});

test('TLS that is required and not offered is deferred: exit code 75', async () => {
  const { port } = await startSmtpd();
  const run = await mxtls(sendArguments(port, ...encrypt), message);
  expect(run.code).toBe(75);
  expect(run.stdout).toMatch(
    /tls=!encrypt, dsn=4\.7\.4, status=deferred \(TLS is required, but was not offered by host /,
  );
});

test('a refused message is exit code 69', async () => {
  const { port } = await startSmtpd({ messageSizeLimit: 600 });
  const run = await mxtls(sendArguments(port), 'x\r\n'.repeat(1000));
  expect(run.code).toBe(69);
  expect(run.stdout).toMatch(/dsn=5\.3\.4, status=bounced \(/);
});

test('one deferred recipient among others is exit code 75', async () => {
  const { port } = await startSmtpd({
    onRcpt: (_session, { address }) =>
      address.startsWith('c@') ? { code: 450, enhanced: '4.2.0', text: 'Greylisted' } : undefined,
  });
  const run = await mxtls(sendArguments(port, '--to', 'c@mx.example'), message);
  expect(run.code).toBe(75);
  expect(run.stdout).toMatch(/to=<b@mx\.example>.* status=sent[\s\S]*to=<c@.* status=deferred/);
});

test('nobody listening is deferred', async () => {
  const { port, smtpd } = await startSmtpd();
  await smtpd.close();
  const run = await mxtls(sendArguments(port), message);
  expect(run.code).toBe(75);
  expect(run.stdout).toMatch(
    /relay=none, .*, tls=may\?, dsn=4\.4\.1, status=deferred \(connect to 127\.0\.0\.1\[127\.0\.0\.1\]:\d+: Connection refused\)/,
  );
});

test('an address literal needs no next hop', async () => {
  const recipients = ['--to', 'b@[127.0.0.1]', '--to', 'c@[IPv6:::1]', '--to', 'd@[127.0.0.1]'];
  const relay = parameters('smtp_connect_timeout=1s');
  const { stdout } = await mxtls(['send', '--from', '', ...recipients, '--json', ...relay]);
  const rows = JSON.parse(stdout) as { readonly recipient: string; readonly reply: string }[];
  expect(rows.map(({ recipient }) => recipient)).toEqual([
    'b@[127.0.0.1]',
    'c@[IPv6:::1]',
    'd@[127.0.0.1]',
  ]);
});

test.each([
  [
    'has just arrived is deferred',
    [],
    75,
    /tls=may\?, dsn=4\.7\.5, status=deferred \(Cannot start/,
  ],
  [
    'has waited goes out in plaintext',
    ['--arrival-time', '2001-02-03T04:05:06Z'],
    0,
    /delays=\d{9}\/.*, tls=may:none, dsn=2\.0\.0, status=sent/,
  ],
  [
    'has waited, in seconds since 1970, does so, too',
    ['--arrival-time', '981173106.5'],
    0,
    /tls=may:none, dsn=2\.0\.0, status=sent/,
  ],
])('after a failed handshake a message that %s', async (_, args, code, text) => {
  const { port } = await startSmtpd({ tls: { ...tls, protocols: 'TLSv1.2' } });
  const only13 = parameters('smtp_tls_protocols=>=TLSv1.3');
  const run = await mxtls(sendArguments(port, ...only13, ...args), message);
  expect(run.stdout).toMatch(text);
  expect(run.code).toBe(code);
});

/** A server that keeps a client waiting at the end of its message. */
async function slowServer(): Promise<{
  readonly port: number;
  readonly peer: Promise<ScriptedPeer>;
}> {
  let arrived: (peer: ScriptedPeer) => void;
  const peer = new Promise<ScriptedPeer>((resolve) => {
    arrived = resolve;
  });
  const { port } = await scriptedServer(async (scripted) => {
    await hello(scripted);
    await scripted.answer('250 2.1.0 Ok\r\n');
    await scripted.answer('250 2.1.5 Ok\r\n');
    await scripted.answer('354 go\r\n');
    await scripted.hearMessage();
    arrived(scripted);
  });
  return { port, peer };
}

test('the first signal waits for the outcome of the delivery', async () => {
  const server = await slowServer();
  const run = new Run(sendArguments(server.port));
  run.child.stdin.end(message);
  const peer = await server.peer;
  run.child.kill('SIGTERM');
  await run.logged('SIGTERM: waiting for the delivery to end');
  peer.say('250 2.0.0 Ok: queued as PEER\r\n');
  peer.end();
  expect(await run.exit).toBe(0);
  expect(run.stdout).toMatch(/status=sent \(250 2\.0\.0 Ok: queued as PEER\)\n$/);
});

test('a server that does not hang up holds it for the time of smtp_quit_timeout only', async () => {
  const server = await slowServer();
  const run = new Run(sendArguments(server.port, ...parameters('smtp_quit_timeout=1s')));
  run.child.stdin.end(message);
  (await server.peer).say('250 2.0.0 Ok: queued as PEER\r\n');
  expect(await run.exit).toBe(0);
});

test('the second signal ends it at once', async () => {
  const server = await slowServer();
  const run = new Run(sendArguments(server.port));
  run.child.stdin.end(message);
  await server.peer;
  run.child.kill('SIGINT');
  await run.logged('SIGINT: waiting for the delivery to end');
  run.child.kill('SIGINT');
  expect(await run.exit).toBe(130);
  expect(run.stdout).toBe('');
});

test('--requiretls: the server is asked for it, and a policy that it does not satisfy refuses the message', async () => {
  const required: boolean[] = [];
  const { port } = await startSmtpd({
    tls,
    onMail: (_session, { requiretls }) => void required.push(requiretls),
  });
  const sent = await mxtls(sendArguments(port, '--requiretls', ...encrypt), message);
  expect(sent.code).toBe(0); // by default addresses are held to nothing
  expect(sent.stdout).toContain(', tls=encrypt/requiretls, dsn=2.0.0, status=sent ');
  const enforce = parameters('smtp_requiretls_policy=enforce');
  const args = sendArguments(port, '--requiretls', ...encrypt, ...enforce);
  const refused = await mxtls(args, message);
  expect(refused.code).toBe(69);
  expect(refused.stdout).toContain(
    "tls=encrypt?/!requiretls:nocertmatch, dsn=5.7.10, status=bounced (Sender requested REQUIRETLS, but my configured TLS security level 'encrypt' disables certificate matching.",
  );
  expect(required).toEqual([true]);
});

describe('by MX', () => {
  const issued = serverCertificate('policy', ['mx.example.com', 'example.net']);

  /** Signed, as its name server says: example.com has one host, whose records are `tlsa`. */
  async function nameServer(port: number, tlsa: string): Promise<ScriptedDns> {
    const [usage = '', selector = '', matchingType = '', hex = ''] = tlsa.split(' ');
    const certificate = Buffer.from(hex, 'hex');
    const numbers = [usage, selector, matchingType].map(Number);
    const [certUsage = 0, certSelector = 0, certType = 0] = numbers;
    const dns = await ScriptedDns.start((query) => {
      const { name, type } = query;
      const ad = true;
      switch (`${name} ${type}`) {
        case 'example.com MX': {
          const data = { preference: 10, exchange: 'mx.example.com' };
          return [answer(query, { ad, answers: [{ type: 'MX', name, ttl: 60, data }] })];
        }
        case 'mx.example.com A':
          return [
            answer(query, { ad, answers: [{ type: 'A', name, ttl: 60, data: '127.0.0.1' }] }),
          ];
        case `_${port}._tcp.mx.example.com TLSA`: {
          const data = {
            usage: certUsage,
            selector: certSelector,
            matchingType: certType,
            certificate,
          };
          return [answer(query, { ad, answers: [{ type: 'TLSA', name, ttl: 60, data }] })];
        }
        default:
          return [answer(query, { ad, code: 3 })];
      }
    });
    onTestFinished(() => dns.close());
    return dns;
  }

  const good = tlsaOf(issued.certFile, 3, 0, 1);
  const bad = `3 0 1 ${'ab'.repeat(32)}`;

  test.each([
    [
      good,
      [],
      0,
      /^Verified TLS connection established to mx\.example\.com\[.*\n.*, tls=dane, dsn=2/,
    ],
    [bad, [], 75, /tls=!dane, dsn=4\.7\.5, status=deferred \(Server certificate not verified\)/],
    [bad, ['--tls-required-no'], 0, /tls=may, dsn=2\.0\.0, status=sent/],
  ])('%s %j', async (tlsa, options, code, stdout) => {
    const { port, received } = await startSmtpd({
      tls: { securityLevel: 'may', chainFiles: [issued.chainFile] },
    });
    const dns = await nameServer(port, tlsa);
    const run = await mxtls(
      [
        ...['send', '--from', '', '--to', 'b@example.com', '--nameserver', dns.address],
        ...parameters('smtp_tls_security_level=dane', `smtp_tcp_port=${port}`),
        ...options,
      ],
      message,
    );
    expect(run.stdout).toMatch(stdout);
    expect(run.code).toBe(code);
    const header = options.length > 0 ? 'TLS-Required: No\r\n' : '';
    const contents = received.map(({ content }) => content.toString());
    expect(contents).toEqual(code === 0 ? [`${header}Subject: test\r\n\r\nhello\r\n`] : []);
  });
});
