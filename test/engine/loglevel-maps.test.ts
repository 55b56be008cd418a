/** `smtpd_tls_loglevel_maps` and `smtp_tls_loglevel_maps` at work: what the log has of single peers. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Smtp } from '../../lib/client.js';
import type { SmtpdTlsOptions, SmtpTlsOptions } from '../../lib/config/options.js';
import { pem } from '../helpers/ccert-clients.js';
import { certificate } from '../helpers/certificates.js';
import { Lines } from '../helpers/lines.js';
import { RawClient } from '../helpers/raw-client.js';
import { startSmtpd, type TestServer } from '../helpers/servers.js';
import { secure, secureFromStart } from '../helpers/tls-client.js';

const tls: SmtpdTlsOptions = {
  securityLevel: 'may',
  chainFiles: [certificate('ecdsa').chainFile],
  traceRateLimit: 0,
};

async function visit({ port, lines }: TestServer): Promise<readonly string[]> {
  const before = lines.all.length;
  const plain = await RawClient.greeted(port);
  await plain.command('STARTTLS');
  const client = await secure(plain);
  await client.command('QUIT');
  client.end();
  await lines.line(/^disconnect/, before);
  return kinds(lines, before);
}

/** What there is about TLS, by kind. */
function kinds(lines: Lines, from = 0): readonly string[] {
  const found = lines.all.slice(from).map((line) => {
    return /: trace: /.test(line)
      ? 'trace'
      : (/(?:TLS connection established|^warning: .*)/.exec(line)?.[0] ?? '');
  });
  return [...new Set(found)].filter((kind) => kind !== '');
}

const summary = 'TLS connection established';

test('smtpd: clients in no table have the usual loglevel', async () => {
  const loglevelMaps = ['inline:{ {client.example.org = 1} }'];
  expect(await visit(await startSmtpd({ tls: { ...tls, loglevel: 0, loglevelMaps } }))).toEqual([]);
  expect(await visit(await startSmtpd({ tls: { ...tls, loglevel: 1, loglevelMaps } }))).toEqual([
    summary,
  ]);
});

test('smtpd: a client has its own by the address, a trace with it', async () => {
  const loglevelMaps = ['cidr:{ {127.0.0.0/8 1, trace} }'];
  const server = await startSmtpd({ tls: { ...tls, loglevelMaps } });
  expect(await visit(server)).toEqual(['trace', summary]);
});

test('smtpd: and by the name that was found, before the address', async () => {
  const loglevelMaps = ['inline:{ {client.example.org = 1}, {127.0.0.1 = 0} }'];
  const resolveClientName = async (): Promise<string> => 'client.example.org';
  expect(
    await visit(await startSmtpd({ tls: { ...tls, loglevelMaps }, resolveClientName })),
  ).toEqual([summary]);
  expect(await visit(await startSmtpd({ tls: { ...tls, loglevelMaps } }))).toEqual([]);
});

test('smtpd: a client can have less than the others', async () => {
  const loglevelMaps = ['inline:{ {127.0.0.1 = 0} }'];
  const server = await startSmtpd({ tls: { ...tls, loglevel: '1, trace', loglevelMaps } });
  expect(await visit(server)).toEqual([]);
});

test('smtpd: a look-up that fails leaves the usual loglevel and the session alone', async () => {
  const loglevelMaps = ['socketmap:unix:/nonexistent/socket:levels'];
  const server = await startSmtpd({ tls: { ...tls, loglevel: 1, loglevelMaps } });
  expect(await visit(server)).toEqual([
    expect.stringMatching(/^warning: smtpd_tls_loglevel_maps: lookup error for "unknown": /),
    summary,
  ]);
});

test('smtpd: a required certificate makes it say why one is not trusted, whatever the table says', async () => {
  const loglevelMaps = ['inline:{ {127.0.0.1 = 0} }'];
  const { port, lines } = await startSmtpd({
    tls: { ...tls, securityLevel: 'encrypt', reqCcert: true, loglevelMaps },
  });
  const plain = await RawClient.greeted(port);
  await plain.command('STARTTLS');
  const client = await secure(plain, pem(certificate('rsa')));
  await client.command('EHLO x');
  expect(lines.matching(/certificate verification failed/)).toEqual([
    'certificate verification failed for unknown[127.0.0.1]: self-signed certificate',
  ]);
});

test('smtpd, wrappermode: summary by the table; a trace is taken away, not added', async () => {
  const sessions = async (loglevel: string, own: string): Promise<readonly string[]> => {
    const loglevelMaps = [`inline:{ {127.0.0.1 = ${own}} }`];
    const { port, lines } = await startSmtpd(
      { tls: { ...tls, loglevel, loglevelMaps } },
      { wrappermode: true },
    );
    const client = await secureFromStart(port);
    await client.reply();
    await client.command('QUIT');
    client.end();
    await lines.line(/^disconnect/);
    return kinds(lines);
  };
  expect(await sessions('0', '1, trace')).toEqual([summary]);
  expect(await sessions('1, trace', '1')).toEqual([summary]);
  expect(await sessions('trace', 'DUNNO')).toEqual(['trace']);
});

test('smtpd, wrappermode: a failed handshake is traced unless the table says otherwise', async () => {
  for (const [own, expected] of [
    ['0', 0],
    ['DUNNO', 1],
  ] as const) {
    const loglevelMaps = [`inline:{ {127.0.0.1 = ${own}} }`];
    const { port, lines } = await startSmtpd(
      { tls: { ...tls, loglevel: 'trace', mandatoryProtocols: '>=TLSv1.3', loglevelMaps } },
      { wrappermode: true },
    );
    await expect(secureFromStart(port, { maxVersion: 'TLSv1.2' })).rejects.toThrow(
      /protocol version/,
    );
    await lines.line(/^disconnect/);
    expect(lines.matching(/: trace: sent alert/)).toHaveLength(expected);
    const words = lines.all.filter((line) => !/trace|warning/.test(line));
    expect(words.map((line) => line.split(' ')[0])).toEqual([
      ...['connect', 'SSL_accept', 'NOQUEUE:', 'disconnect'],
    ]);
  }
});

test('smtpd: a table that cannot be opened is why there is no listener with TLS', async () => {
  const loglevelMaps = ['texthash:/nonexistent'];
  await expect(startSmtpd({ tls: { ...tls, loglevelMaps } })).rejects.toMatchObject({
    class: 'config',
    code: 'LOOKUP_TABLE',
  });
  await startSmtpd({ tls: { loglevelMaps } });
});

function levelsFile(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'mxtls-loglevels-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'levels');
  writeFileSync(file, text);
  return file;
}

test('smtpd: a reload reads the tables anew', async () => {
  const file = levelsFile('127.0.0.1 0\n');
  const server = await startSmtpd({ tls: { ...tls, loglevelMaps: [`texthash:${file}`] } });
  expect(await visit(server)).toEqual([]);
  writeFileSync(file, '127.0.0.1 1\n');
  await server.smtpd.reload();
  expect(await visit(server)).toEqual([summary]);
  rmSync(file);
  await expect(server.smtpd.reload()).rejects.toMatchObject({ code: 'LOOKUP_TABLE' });
  expect(await visit(server)).toEqual([summary]);
});

function client(options: SmtpTlsOptions): {
  readonly lines: Lines;
  readonly smtp: Smtp;
  deliver(nexthop: string): Promise<unknown>;
} {
  const lines = new Lines();
  const smtp = new Smtp({
    myhostname: 'client.example',
    logger: lines,
    tls: { traceRateLimit: 0, ...options },
    lookup: async () => ['127.0.0.1'],
  });
  const message = {
    sender: 'a@client.example',
    recipients: ['b@mx.example.com'],
    message: 'x\r\n',
  };
  return { lines, smtp, deliver: (nexthop) => smtp.deliver({ ...message, nexthop }) };
}

test('smtp: a server has its own by its name, then by its address', async () => {
  const { port } = await startSmtpd({ tls });
  const loglevelMaps = [
    'inline:{ {mx.example.com = 1, trace}, {quiet.example.com = 0}, {127.0.0.1 = 1} }',
  ];
  const kindsAt = async (host: string): Promise<readonly string[]> => {
    const { lines, deliver } = client({ loglevel: 0, loglevelMaps });
    await deliver(`${host}:${port}`);
    return kinds(lines);
  };
  expect(await kindsAt('[mx.example.com]')).toEqual(['trace', summary]);
  expect(await kindsAt('[quiet.example.com]')).toEqual([]);
  expect(await kindsAt('[other.example.com]')).toEqual([summary]);
  expect(await kindsAt('[127.0.0.1]')).toEqual([summary]);
});

test('smtp: a table that cannot be read leaves the usual loglevel, and mail goes', async () => {
  const { nexthop, received } = await startSmtpd({ tls });
  const { lines, deliver } = client({ loglevel: 1, loglevelMaps: ['texthash:/nonexistent'] });
  await deliver(nexthop);
  expect(received).toHaveLength(1);
  expect(kinds(lines)).toEqual([
    expect.stringMatching(/^warning: smtp_tls_loglevel_maps: lookup error for "127\.0\.0\.1": /),
    summary,
  ]);
});

test('smtp: a reload reads the tables anew', async () => {
  const { nexthop } = await startSmtpd({ tls });
  const file = levelsFile('127.0.0.1 0\n');
  const { lines, smtp, deliver } = client({ loglevel: 1, loglevelMaps: [`texthash:${file}`] });
  await deliver(nexthop);
  expect(kinds(lines)).toEqual([]);
  writeFileSync(file, '127.0.0.1 DUNNO\n');
  await smtp.reload();
  await deliver(nexthop);
  expect(kinds(lines)).toEqual([summary]);
});
