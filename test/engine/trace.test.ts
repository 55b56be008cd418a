/** Protocol traces of sessions in the log of both engines: `trace` in the loglevel. */
import { expect, test } from 'vitest';
import { Smtp } from '../../lib/client.js';
import type { SmtpdTlsOptions, SmtpTlsOptions } from '../../lib/config/options.js';
import { Connection } from '../../lib/connection.js';
import { adoptSocket } from '../../lib/adopt.js';
import { clientTls, serverTls } from '../../lib/setup.js';
import { certificate } from '../helpers/certificates.js';
import { Lines } from '../helpers/lines.js';
import { startSmtpd, type TestServer } from '../helpers/servers.js';
import { once } from 'node:events';
import { createServer } from 'node:net';

const serverOptions: SmtpdTlsOptions = {
  securityLevel: 'may',
  chainFiles: [certificate('ecdsa').chainFile],
  loglevel: '1 trace',
  traceRateLimit: 0,
};
const clientOptions: SmtpTlsOptions = { loglevel: '1 trace', traceRateLimit: 0 };

async function deliver(server: TestServer, tls: SmtpTlsOptions, subject = 'hello'): Promise<Lines> {
  const lines = new Lines();
  const smtp = new Smtp({ myhostname: 'client.example', logger: lines, tls });
  await smtp.deliver({
    sender: 'a@client.example',
    recipients: ['b@mx.example.com'],
    message: `Subject: ${subject}\r\n\r\nbody\r\n`,
    nexthop: server.nexthop,
  });
  return lines;
}

const traced = (lines: Lines): readonly string[] =>
  lines.matching(/: trace: /).map((line) => line.replace(/^\S+: trace: /, ''));

/** Kinds of messages without records, lengths and what is in them. */
const messages = (lines: Lines): readonly string[] =>
  traced(lines)
    .filter((line) => /^(?:sent|received) (?!record)/.test(line))
    .map((line) => line.replace(/ \(.*$/, ''));

test('a session is told by both sides, from the first hello to the last alert', async () => {
  const server = await startSmtpd({ tls: serverOptions });
  const client = await deliver(server, clientOptions, 'a secret');
  await server.lines.line(/^disconnect/);
  const ends = /alert warning: close notify$/; // the client's comes, or its FIN is there first
  expect(messages(server.lines).filter((kind) => !ends.test(kind))).toEqual([
    'received ClientHello',
    'sent ServerHello',
    'sent ChangeCipherSpec',
    'sent EncryptedExtensions',
    'sent Certificate',
    'sent CertificateVerify',
    'sent Finished',
    'received ChangeCipherSpec',
    'received Finished',
    'sent NewSessionTicket',
  ]);
  expect(messages(server.lines)).toContain('sent alert warning: close notify');
  expect(messages(client).slice(0, 3)).toEqual([
    'sent ClientHello',
    'received ServerHello',
    'received ChangeCipherSpec',
  ]);
  expect(traced(server.lines)).toContain('  extension supported_versions (43): TLSv1.3');
  expect(client.matching(/: trace: /)[0]).toMatch(/^127\.0\.0\.1\[127\.0\.0\.1\]:\d+: trace: sent/);
  expect(server.lines.matching(/: trace: /)[0]).toMatch(
    /^unknown\[127\.0\.0\.1\]: trace: received record Handshake \(22\), version 0x0301, \d+ bytes$/,
  );
  expect([...server.lines.all, ...client.all].join('\n')).not.toMatch(/a secret|body/);
});

test('a failed handshake is told by both sides', async () => {
  const server = await startSmtpd({ tls: { ...serverOptions, protocols: '>=TLSv1.3' } });
  const client = await deliver(server, { ...clientOptions, protocols: '<=TLSv1.2' });
  await server.lines.line(/^disconnect/);
  expect(messages(server.lines)).toEqual([
    'received ClientHello',
    'sent alert fatal: protocol version',
  ]);
  expect(messages(client)).toEqual(['sent ClientHello', 'received alert fatal: protocol version']);
  const at = (pattern: RegExp): number => server.lines.all.findIndex((line) => pattern.test(line));
  expect(at(/trace: sent alert/)).toBeLessThan(at(/^SSL_accept error/));
});

test('wrappermode: both ends', async () => {
  const server = await startSmtpd({ tls: serverOptions }, { wrappermode: true });
  const wrapped = { ...clientOptions, wrappermode: true, securityLevel: 'encrypt' } as const;
  await deliver(server, wrapped);
  await server.lines.line(/^disconnect/);
  expect(messages(server.lines)[0]).toBe('received ClientHello');
  expect(messages(server.lines).at(-1)).toMatch(/alert warning: close notify$/);
});

test('wrappermode: a failure is told although no session came about', async () => {
  const options = { ...serverOptions, mandatoryProtocols: '>=TLSv1.3' };
  const server = await startSmtpd({ tls: options }, { wrappermode: true });
  const wrapped = { ...clientOptions, wrappermode: true, securityLevel: 'encrypt' } as const;
  await deliver(server, { ...wrapped, mandatoryProtocols: '<=TLSv1.2' });
  await server.lines.line(/^disconnect/);
  expect(messages(server.lines)).toEqual([
    'received ClientHello',
    'sent alert fatal: protocol version',
  ]);
});

test('a trace has a largest size', async () => {
  const server = await startSmtpd({ tls: { ...serverOptions, traceSizeLimit: 300 } });
  await deliver(server, {});
  await server.lines.line(/^disconnect/);
  const lines = traced(server.lines);
  expect(lines.at(-1)).toBe('the trace ends here: it has reached its largest size');
  expect(lines.join('\n').length).toBeLessThan(300);
  expect(lines[1]).toMatch(/^received ClientHello/);
});

test.each([
  { ...serverOptions, loglevel: 4 },
  { ...serverOptions, traceSizeLimit: 0 },
])('no trace: %o', async (tls) => {
  const server = await startSmtpd({ tls });
  await deliver(server, {});
  await server.lines.line(/^disconnect/);
  expect(traced(server.lines)).toEqual([]);
});

test('one session a minute is traced where nothing else is said', async () => {
  const { traceRateLimit: _, ...tls } = serverOptions;
  const counts: number[] = [];
  for (let i = 0; i < 3; i++) {
    const server = await startSmtpd({ tls });
    await deliver(server, {});
    await server.lines.line(/^disconnect/);
    counts.push(messages(server.lines).filter((kind) => kind === 'received ClientHello').length);
  }
  expect(counts).toEqual([1, 0, 0]);
});

test('a Connection has its trace to take', async () => {
  const listening = createServer().listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const accepted = once(listening, 'connection');
  const { port } = listening.address() as { port: number };
  const client = await Connection.connect({ host: '127.0.0.1', port });
  const [socket] = await accepted;
  const server = adoptSocket(socket, 'server');
  const ours = serverTls(serverOptions);
  const theirs = clientTls(clientOptions, 'mx.example.com');
  await Promise.all([
    server.startTls(ours.context, ours.props),
    client.startTls(theirs.context, theirs.props),
  ]);
  expect(server.takeTrace()).toMatch(/^received record Handshake/);
  expect(server.takeTrace()).toBeNull();
  expect(client.takeTrace()).toMatch(/\nreceived ServerHello/);
  client.destroy();
  server.destroy();
  listening.close();
});
