/** Tlsproxy: sockets handed over, both roles, sessions that go from process to process, and what goes wrong. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { Connection } from '../../lib/connection.js';
import { Tlsproxy, type TlsproxyOptions } from '../../lib/tlsproxy/proxy.js';
import { keepProxied, takeProxied, tlsByProxy } from '../../lib/tlsproxy/requester.js';
import { certificate } from '../helpers/certificates.js';
import { parameters, Run } from '../helpers/command.js';
import { Lines } from '../helpers/lines.js';
import { startSmtpd } from '../helpers/servers.js';

const rsa = certificate('rsa');
const serving = { chainFiles: [rsa.chainFile], securityLevel: 'may', loglevel: '1' } as const;

interface Proxy {
  readonly path: string;
  readonly proxy: Tlsproxy;
  readonly lines: Lines;
}

function start(options: TlsproxyOptions): Proxy {
  const folder = mkdtempSync(join(tmpdir(), 'mxtls-proxy-'));
  const lines = new Lines();
  const proxy = new Tlsproxy({ logger: lines, ...options });
  const path = join(folder, 'tlsproxy');
  proxy.listen(path);
  onTestFinished(async () => {
    await proxy.close(true);
    rmSync(folder, { recursive: true });
  });
  return { path, proxy, lines };
}

/** A connected pair: what the server has accepted, and the client's end. */
async function pair(): Promise<{ accepted: Socket; client: Socket }> {
  const server: Server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const client = connect(typeof address === 'object' ? (address?.port ?? 0) : 0, '127.0.0.1');
  const [accepted] = (await once(server, 'connection')) as [Socket];
  server.close();
  onTestFinished(() => {
    client.destroy();
    accepted.destroy();
  });
  return { accepted, client };
}

function fdOf(socket: Socket): number {
  return (socket as unknown as { _handle: { fd: number } })._handle.fd;
}

async function secure(client: Socket): Promise<TLSSocket> {
  const tls = connectTls({ socket: client, rejectUnauthorized: false });
  await once(tls, 'secureConnect');
  return tls;
}

async function heard(stream: NodeJS.ReadableStream): Promise<string> {
  const [data] = (await once(stream, 'data')) as [Buffer];
  return data.toString();
}

test('a server hands a client over, gets the snapshot, and speaks plaintext', async () => {
  const { path, lines } = start({ server: serving });
  const { accepted, client } = await pair();
  const tls = secure(client);
  const session = await tlsByProxy(path, accepted, { role: 'server', peer: '[127.0.0.1]:25' });
  const peer = await tls;
  expect(session).toMatchObject({ reused: false, tls: { protocol: 'TLSv1.3' } });
  session.stream.write('220 ready\r\n');
  expect(await heard(peer)).toBe('220 ready\r\n');
  peer.write('EHLO x\r\n');
  expect(await heard(session.stream)).toBe('EHLO x\r\n');
  const ended = once(peer, 'end');
  session.stream.end();
  await ended;
  expect(lines.all).toEqual([
    'CONNECT from [127.0.0.1]:25',
    expect.stringMatching(
      /^Anonymous TLS connection established from \[127\.0\.0\.1\]:25: TLSv1\.3 /,
    ),
  ]);
});

test.each(['to the peer', 'from the peer'])('64 MiB pass unchanged %s', async (way) => {
  const { path } = start({ server: serving });
  const { accepted, client } = await pair();
  const tls = secure(client);
  const { stream } = await tlsByProxy(path, accepted, { role: 'server', peer: '[127.0.0.1]:25' });
  const [from, to] = way === 'to the peer' ? [stream, await tls] : [await tls, stream];
  const sent = createHash('sha256');
  const got = createHash('sha256');
  const pieces = Array.from({ length: 64 }, (_, i) => Buffer.alloc(1 << 20, i));
  for (const piece of pieces) {
    sent.update(piece);
  }
  Readable.from(pieces).pipe(from);
  for await (const data of to) {
    got.update(data as Buffer);
  }
  expect(got.digest('hex')).toBe(sent.digest('hex'));
});

test('who opens the socket may use the keys: it is for its owner alone', () => {
  const { path } = start({ server: serving });
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('a handshake that fails is told and logged', async () => {
  const { path, lines } = start({ server: serving });
  const { accepted, client } = await pair();
  client.end('GET / HTTP/1.0\r\n\r\n');
  await expect(
    tlsByProxy(path, accepted, { role: 'server', peer: '[127.0.0.1]:25' }),
  ).rejects.toMatchObject({ code: 'TLSPROXY_REFUSED' });
  expect(lines.matching(/SSL_accept/)).toEqual(['SSL_accept error from [127.0.0.1]:25: -1']);
});

test('a handshake may take no longer than was asked for', async () => {
  const { path } = start({ server: serving });
  const { accepted } = await pair();
  await expect(
    tlsByProxy(path, accepted, { role: 'server', peer: '[127.0.0.1]:25', handshakeTimeout: 0.05 }),
  ).rejects.toMatchObject({ message: expect.stringContaining('took too long') });
});

test('a requester that goes away during the handshake takes the peer with it', async () => {
  const { path, proxy } = start({ server: serving });
  const { accepted, client } = await pair();
  const stream = await Connection.connect({ path });
  stream.sendDescriptor(fdOf(accepted), Buffer.from('{"role":"server","peer":"[127.0.0.1]:25"}\n'));
  await heard(stream);
  accepted.destroy();
  stream.destroy();
  client.resume();
  await once(client, 'close');
  expect(proxy.requesters).toBe(0);
});

test.each([
  ['no JSON', 'hello\n', 'a line that is no JSON object'],
  ['an unknown role', '{"role":"x"}\n', '"role" must be server, client, take or keep'],
  ['no peer', '{"role":"server"}\n', '"peer" must be a text'],
  ['no descriptor', '{"role":"server","peer":"x"}\n', 'no descriptor came with the request'],
  ['more behind it', '{"role":"take","key":"x"}\nEHLO\n', 'bytes behind the request'],
  ['a line without end', `{"role":"${'x'.repeat(70_000)}`, 'a line of more than 65536 bytes'],
])('a request with %s is refused', async (_, text, message) => {
  const { path } = start({ server: serving });
  const stream = await Connection.connect({ path });
  expect(await heard(stream)).toBe('{"protocol":"mxtls-tlsproxy","version":1}\n');
  stream.on('error', () => undefined).write(text);
  expect(JSON.parse(await heard(stream))).toEqual({
    ...{ ok: false, begun: false, code: 'TLSPROXY_PROTOCOL' },
    message: `tlsproxy: ${message}`,
    ...{ reason: null, library: null, errno: 0 },
  });
});

test('a role without options is disabled', async () => {
  const { path } = start({ client: {} });
  const { accepted } = await pair();
  await expect(tlsByProxy(path, accepted, { role: 'server', peer: 'x' })).rejects.toMatchObject({
    message: expect.stringMatching(/^tlsproxy: TLS server role is disabled by configuration/),
  });
});

test('without a proxy there is an error, and no hang', async () => {
  const { accepted } = await pair();
  await expect(
    tlsByProxy('/nonexistent/tlsproxy', accepted, { role: 'server', peer: 'x' }),
  ).rejects.toMatchObject({ code: 'CONNECT_FAILED' });
  expect(accepted.destroyed).toBe(false); // it can still be answered
});

test('a smtpd in another language stands behind the proxy', async () => {
  const { path } = start({ server: serving });
  const program = `
import json, socket, sys
listening = socket.create_server(('127.0.0.1', 0))
print(listening.getsockname()[1], flush=True)
client, address = listening.accept()
client.sendall(b'220 python ESMTP\\r\\n')
client.recv(512); client.sendall(b'250 STARTTLS\\r\\n')
client.recv(512); client.sendall(b'220 2.0.0 Ready\\r\\n')
proxy = socket.socket(socket.AF_UNIX); proxy.connect(sys.argv[1])
stream = proxy.makefile('rwb', buffering=0)
assert json.loads(stream.readline())['protocol'] == 'mxtls-tlsproxy'
request = {'role': 'server', 'peer': '[%s]:%d' % address}
socket.send_fds(proxy, [json.dumps(request).encode() + b'\\n'], [client.fileno()])
client.close()
answer = json.loads(stream.readline())
stream.readline(); stream.write(b'250 ' + answer['tls']['protocol'].encode() + b'\\r\\n')
`;
  const python = spawn('python3', ['-c', program, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void python.kill());
  const client = connect(Number(await heard(python.stdout)), '127.0.0.1');
  expect(await heard(client)).toBe('220 python ESMTP\r\n');
  client.write('EHLO x\r\n');
  expect(await heard(client)).toBe('250 STARTTLS\r\n');
  client.write('STARTTLS\r\n');
  expect(await heard(client)).toBe('220 2.0.0 Ready\r\n');
  const tls = await secure(client);
  tls.write('EHLO x\r\n');
  expect(await heard(tls)).toBe('250 TLSv1.3\r\n');
});

/** A client's socket in the middle of STARTTLS at our smtpd. */
async function startedTls(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  await heard(socket);
  socket.write('EHLO x\r\n');
  await heard(socket);
  socket.write('STARTTLS\r\n');
  expect(await heard(socket)).toBe('220 2.0.0 Ready to start TLS\r\n');
  return socket;
}

test('a session goes from one process to the next under its key, and ends when nobody takes it', async () => {
  const { path, proxy } = start({ client: { securityLevel: 'encrypt' } });
  const server = await startSmtpd({ tls: { securityLevel: 'may', chainFiles: [rsa.chainFile] } });
  const socket = await startedTls(server.port);
  const request = { role: 'client', peer: '[127.0.0.1]:25', host: 'mx.example' } as const;
  const first = await tlsByProxy(path, socket, request);
  first.stream.write('EHLO one\r\n');
  expect(await heard(first.stream)).toContain('250 ');
  expect(await keepProxied(path, { id: first.id, key: 'k1', idle: 60 })).toBe(true);
  first.stream.end();
  await once(first.stream, 'close');
  expect(proxy.kept).toBe(1);
  expect(await takeProxied(path, 'another key')).toBeNull();
  const second = await takeProxied(path, 'k1');
  expect(second).toMatchObject({ reused: true, uses: 1, tls: { protocol: 'TLSv1.3' } });
  expect(await takeProxied(path, 'k1')).toBeNull();
  second?.stream.write('RSET\r\n');
  expect(await heard(second?.stream as Connection)).toBe('250 2.0.0 Ok\r\n');
  await keepProxied(path, { id: second?.id ?? '', key: 'k1', idle: 0.05 });
  second?.stream.end();
  await server.lines.line(/^disconnect from/);
  expect(proxy.kept).toBe(0);
});

test('a session that was not kept ends with its requester', async () => {
  const { path, proxy } = start({ client: { securityLevel: 'encrypt' } });
  const server = await startSmtpd({ tls: { securityLevel: 'may', chainFiles: [rsa.chainFile] } });
  const socket = await startedTls(server.port);
  const { stream, id } = await tlsByProxy(path, socket, {
    ...{ role: 'client', peer: '[127.0.0.1]:25', host: 'mx.example' },
  });
  stream.end();
  await server.lines.line(/^disconnect from/);
  expect(proxy.kept).toBe(0);
  expect(await keepProxied(path, { id, key: 'k1' })).toBe(false);
});

test('a session that a server has ended is not given to anybody', async () => {
  const { path, proxy } = start({ client: { securityLevel: 'encrypt' } });
  const server = await startSmtpd({ tls: { securityLevel: 'may', chainFiles: [rsa.chainFile] } });
  const socket = await startedTls(server.port);
  const { stream, id } = await tlsByProxy(path, socket, {
    ...{ role: 'client', peer: '[127.0.0.1]:25', host: 'mx.example' },
  });
  await keepProxied(path, { id, key: 'k1', idle: 60 });
  stream.resume().end();
  await once(stream, 'close');
  await server.smtpd.close(); // which waits for the proxy to close its end
  expect(proxy.kept).toBe(0);
  expect(await takeProxied(path, 'k1')).toBeNull();
});

test('as a program: says where it listens, serves, and ends at SIGTERM', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mxtls-proxy-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'tlsproxy');
  const run = new Run([
    ...['tlsproxy', '--socket', path, '--mode', '0660', '--role', 'server'],
    ...parameters('smtpd_tls_security_level=may', `smtpd_tls_chain_files=${rsa.chainFile}`),
  ]);
  await run.until(() => run.stdout === `listening ${path}\n`);
  expect(statSync(path).mode & 0o777).toBe(0o660);
  const { accepted, client } = await pair();
  const peer = secure(client);
  const { tls, stream } = await tlsByProxy(path, accepted, { role: 'server', peer: '[::1]:25' });
  expect(tls.protocol).toBe('TLSv1.3');
  await peer;
  stream.destroy();
  run.child.kill('SIGTERM');
  expect(await run.exit).toBe(0);
  expect(run.stderr).toMatch(/^mxtls\/tlsproxy\[\d+\]: CONNECT from \[::1\]:25$/m);
});

test('as a program: tlsproxy_tls_* come before smtpd_tls_*', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mxtls-proxy-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'tlsproxy');
  const run = new Run([
    ...['tlsproxy', '--socket', path, '--role', 'server'],
    ...parameters('smtpd_tls_security_level=may', 'smtpd_tls_chain_files=/nonexistent'),
    ...parameters(`tlsproxy_tls_chain_files=${rsa.chainFile}`, 'tlsproxy_tls_protocols=<=TLSv1.2'),
  ]);
  await run.until(() => run.stdout === `listening ${path}\n`);
  const { accepted, client } = await pair();
  const peer = secure(client);
  const { tls, stream } = await tlsByProxy(path, accepted, { role: 'server', peer: '[::1]:25' });
  expect(tls.protocol).toBe('TLSv1.2');
  await peer;
  stream.destroy();
  expect(run.stderr).not.toMatch(/warning/);
});
