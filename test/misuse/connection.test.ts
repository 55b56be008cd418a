/** Connection: what each method does in each state, and how it behaves as a stream. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket, type AddressInfo } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { addon } from '../../lib/addon.js';
import { adoptSocket } from '../../lib/adopt.js';
import { resolveSmtp, resolveSmtpd } from '../../lib/config/check.js';
import { Connection } from '../../lib/connection.js';
import type { ListenerOwner } from '../../lib/dispatch.js';
import { TlsError } from '../../lib/errors.js';
import type { NativeContext, StartTlsProps } from '../../lib/native.js';
import { clientTlsProps, createClientContext } from '../../lib/tls/client-context.js';
import { createServerContext, serverTlsProps } from '../../lib/tls/server-context.js';
import { certificate } from '../helpers/certificates.js';

const serverOptions = resolveSmtpd({
  tls: { securityLevel: 'may', chainFiles: [certificate('ecdsa').chainFile] },
});
const serverContext = createServerContext(serverOptions.tls, { service: 'test' });
const serverProps = serverTlsProps({ timeout: 5000 });
const clientOptions = resolveSmtp({});
const clientContext = createClientContext(clientOptions.tls);
const clientProps = clientTlsProps(clientOptions.tls, {
  level: 'may',
  host: 'localhost',
  nexthop: 'localhost',
  timeout: 5000,
});

interface Pair {
  readonly server: Connection;
  readonly client: Connection;
}

/** Two ends of one connection. */
async function pair(): Promise<Pair> {
  const listener = addon.listen({
    host: '127.0.0.1',
    port: 0,
    path: null,
    fd: -1,
    backlog: 5,
    reusePort: false,
    limit: 0,
    busyReply: null,
    admit: false,
    ipv6Only: false,
    context: null,
    tls: null,
  });
  const accepted = new Promise<Connection>((resolve) => {
    listener.owner = {
      onAccept: (native) => resolve(new Connection(native, 'server')),
    } as Partial<ListenerOwner>;
  });
  const client = await Connection.connect({ host: '127.0.0.1', port: listener.port });
  const server = await accepted;
  listener.close();
  onTestFinished(() => {
    client.destroy();
    server.destroy();
  });
  return { server, client };
}

async function securedPair(): Promise<Pair> {
  const both = await pair();
  await Promise.all([
    both.server.startTls(serverContext, serverProps),
    both.client.startTls(clientContext, clientProps),
  ]);
  return both;
}

/** Everything up to the peer's end; unlike `for await` it leaves the stream alone afterwards. */
async function readAll(stream: Connection): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(stream, 'end');
  return Buffer.concat(chunks);
}

async function closed(stream: Connection): Promise<void> {
  if (!stream.closed) {
    await once(stream, 'close');
  }
}

/** The error that a call throws or rejects with, as class and code; null for none. */
async function outcome(call: () => unknown): Promise<string | null> {
  try {
    await call();
    return null;
  } catch (error) {
    expect(error).toBeInstanceOf(TlsError);
    return `${(error as TlsError).class}:${(error as TlsError).code}`;
  }
}

describe.each([
  ['plaintext', pair],
  ['TLS', securedPair],
])('stream in %s', (_, make) => {
  test('bytes in both directions, and a clean end', async () => {
    const { server, client } = await make();
    const big = Buffer.alloc(3_000_000, 'abcdefg');
    client.end(big);
    server.end('short');
    const [atServer, atClient] = await Promise.all([readAll(server), readAll(client)]);
    expect(atServer.equals(big)).toBe(true);
    expect(atClient.toString()).toBe('short');
    await Promise.all([closed(server), closed(client)]);
    expect(server.destroyed && client.destroyed).toBe(true);
  });

  test('a reader that does not read stops the writer', async () => {
    const { server, client } = await make();
    const chunk = Buffer.alloc(256 * 1024);
    let written = 0;
    while (client.write(chunk) || client.writableLength < 4 * chunk.length) {
      written += chunk.length;
      if (written > 500_000_000) {
        expect.unreachable('nothing ever stops the writer');
      }
      await turn();
    }
    expect(server.bytesRead).toBeLessThan(200_000);
    client.end();
    const total = (await readAll(server)).length;
    expect(total).toBeGreaterThanOrEqual(written);
  });

  test('half-close: one side ends, the other goes on', async () => {
    const { server, client } = await make();
    client.end('question');
    expect((await readAll(server)).toString()).toBe('question');
    expect(server.writable).toBe(true);
    server.write('one ');
    server.end('two');
    expect((await readAll(client)).toString()).toBe('one two');
  });

  test('abort: the other side sees an error or an end, nothing hangs', async () => {
    const { server, client } = await make();
    const gone = closed(client);
    client.on('error', () => undefined);
    client.on('end', () => client.end());
    client.resume();
    server.abort();
    await gone;
    expect(server.destroyed && client.destroyed).toBe(true);
  });

  test('many small writes arrive in order', async () => {
    const { server, client } = await make();
    for (let i = 0; i < 1000; i++) {
      client.write(`${i},`);
    }
    client.end();
    const text = (await readAll(server)).toString();
    expect(text).toBe(Array.from({ length: 1000 }, (_, i) => `${i},`).join(''));
  });

  test('setTimeout emits once', async () => {
    const { server } = await make();
    server.setTimeout(20);
    await once(server, 'timeout');
    expect(server.destroyed).toBe(false);
  });

  test('setDeadline emits although bytes move', async () => {
    const { server, client } = await make();
    server.resume();
    server.setDeadline(60);
    const expired = once(server, 'timeout');
    const ticker = setInterval(() => client.write('x'), 5);
    await expired;
    clearInterval(ticker);
  });
});

describe('startTls', () => {
  test('gives both sides their snapshot', async () => {
    const { server, client } = await pair();
    const [atServer, atClient] = await Promise.all([
      server.startTls(serverContext, serverProps),
      client.startTls(clientContext, clientProps),
    ]);
    expect(atServer).toBe(server.tls);
    expect(atClient).toBe(client.tls);
    expect(atServer.cipher).toBe(atClient.cipher);
    expect(atClient.status).toBe('Untrusted');
  });

  test('what is written and ended during the handshake goes out inside TLS', async () => {
    const { server, client } = await pair();
    const handshakes = Promise.all([
      server.startTls(serverContext, serverProps),
      client.startTls(clientContext, clientProps),
    ]);
    client.end('secret');
    server.end();
    await handshakes;
    expect((await readAll(server)).toString()).toBe('secret');
  });

  test('server: plaintext that was read and not taken is thrown away', async () => {
    const { server, client } = await pair();
    client.write('injected');
    await once(server, 'readable');
    const seen: Buffer[] = [];
    server.on('data', (data) => seen.push(data));
    server.pause();
    expect(server.readableLength).toBe(8);
    const handshakes = Promise.all([
      server.startTls(serverContext, serverProps),
      client.startTls(clientContext, clientProps),
    ]);
    expect(server.readableLength).toBe(0);
    await handshakes;
    server.resume();
    client.end('proper');
    await once(server, 'end');
    expect(Buffer.concat(seen).toString()).toBe('proper');
  });

  test('client: plaintext that was read and not taken ends the connection', async () => {
    const { server, client } = await pair();
    server.write('injected');
    await once(client, 'readable');
    expect(await outcome(() => client.startTls(clientContext, clientProps))).toBe(
      'protocol:EARLY_PLAINTEXT',
    );
    expect(client.destroyed).toBe(true);
  });

  test('a handshake that fails rejects, and closes without an error event beside it', async () => {
    const { server, client } = await pair();
    const errors: Error[] = [];
    server.on('error', (error) => errors.push(error));
    client.write('no client hello');
    const gone = closed(server);
    expect(await outcome(() => server.startTls(serverContext, serverProps))).toBe(
      'protocol:TLS_HANDSHAKE',
    );
    await gone;
    expect(errors).toEqual([]);
  });

  test('a handshake that nobody answers times out', async () => {
    const { client } = await pair();
    const props: StartTlsProps = { ...clientProps, timeout: 30 };
    expect(await outcome(() => client.startTls(clientContext, props))).toBe(
      'timeout:HANDSHAKE_TIMEOUT',
    );
  });

  test('destroy during the handshake rejects it', async () => {
    const { client } = await pair();
    const result = outcome(() => client.startTls(clientContext, clientProps));
    client.destroy();
    expect(await result).toBe('closed:CANCELLED');
  });
});

describe('method x state', () => {
  type State = 'open' | 'handshaking' | 'secured' | 'ended' | 'destroyed';

  async function inState(state: State): Promise<Connection> {
    const { server } = await (state === 'secured' ? securedPair() : pair());
    if (state === 'handshaking') {
      server.startTls(serverContext, serverProps).catch(() => undefined);
    } else if (state === 'ended') {
      server.end();
      await once(server, 'finish');
    } else if (state === 'destroyed') {
      server.destroy();
      await once(server, 'close');
    }
    return server;
  }

  const methods: Readonly<Record<string, (connection: Connection) => unknown>> = {
    startTls: (connection) => {
      const result = connection.startTls(serverContext, serverProps);
      // In the state where it is allowed nobody answers: only refusal is looked at.
      return Promise.race([result, turn()]);
    },
    setTimeout: (connection) => connection.setTimeout(1000),
    setDeadline: (connection) => connection.setDeadline(1000, 10),
    snapshot: (connection) => connection.tls,
    addresses: (connection) => [
      connection.remoteAddress,
      connection.remotePort,
      connection.localAddress,
      connection.localPort,
      connection.bytesRead,
      connection.bytesWritten,
    ],
    read: (connection) => connection.read(),
    pause: (connection) => connection.pause().resume(),
    abort: (connection) => connection.abort(),
    destroy: (connection) => connection.destroy(),
  };

  const refused: Readonly<Record<string, readonly State[]>> = {
    startTls: ['handshaking', 'secured', 'ended', 'destroyed'],
  };

  describe.each(Object.keys(methods))('%s', (name) => {
    test.each<State>(['open', 'handshaking', 'secured', 'ended', 'destroyed'])(
      '%s',
      async (state) => {
        const connection = await inState(state);
        const expected = refused[name]?.includes(state) ? 'usage:INVALID_STATE' : null;
        expect(await outcome(() => methods[name]?.(connection))).toBe(expected);
        connection.on('error', () => undefined);
      },
    );
  });

  test('startTls while a write is pending', async () => {
    const { server } = await pair();
    const chunk = Buffer.alloc(256 * 1024);
    while (server.write(chunk) || server.writableLength === 0) {
      await turn();
    }
    expect(await outcome(() => server.startTls(serverContext, serverProps))).toBe(
      'usage:INVALID_STATE',
    );
  });

  test('startTls with what is no context', async () => {
    const { server } = await pair();
    const nothing = {} as NativeContext;
    expect(await outcome(() => server.startTls(nothing, serverProps))).toBe(
      'usage:INVALID_ARGUMENT',
    );
    expect(server.destroyed).toBe(false);
  });
});

describe('connect', () => {
  test('a port that nobody listens on', async () => {
    expect(await outcome(() => Connection.connect({ host: '127.0.0.77', port: 1 }))).toBe(
      'io:CONNECT_FAILED',
    );
  });

  test.each([{ host: 'not an address' }, { port: 70_000 }])('%j', async (options) => {
    expect(await outcome(() => Connection.connect(options))).toBe('usage:INVALID_ARGUMENT');
  });
});

describe('adoptSocket', () => {
  async function sockets(): Promise<{ here: Socket; there: Socket }> {
    const listening: Server = createServer({ pauseOnConnect: true });
    listening.listen(0, '127.0.0.1');
    await once(listening, 'listening');
    const there = connect((listening.address() as AddressInfo).port, '127.0.0.1');
    const [here] = (await once(listening, 'connection')) as [Socket];
    await once(there, 'connect');
    listening.close();
    onTestFinished(() => {
      here.destroy();
      there.destroy();
    });
    return { here, there };
  }

  test('goes on in plaintext and in TLS; the peer notices nothing', async () => {
    const { here, there } = await sockets();
    const ends: string[] = [];
    there.on('end', () => ends.push('end'));
    const server = adoptSocket(here, 'server');
    const client = adoptSocket(there, 'client');
    expect(here.destroyed && there.destroyed).toBe(true);
    server.write('plain');
    const [plain] = (await once(client, 'data')) as [Buffer];
    expect(plain.toString()).toBe('plain');
    await Promise.all([
      server.startTls(serverContext, serverProps),
      client.startTls(clientContext, clientProps),
    ]);
    server.end('secret');
    client.end();
    expect((await readAll(client)).toString()).toBe('secret');
    expect(ends).toEqual([]);
    await once(server.resume(), 'close');
  });

  test.each([
    ['server', null],
    ['client', 'protocol:EARLY_PLAINTEXT'],
  ] as const)('bytes that were read and not taken, as a %s', async (role, error) => {
    const { here, there } = await sockets();
    there.write('left over');
    here.resume();
    here.pause();
    await once(here, 'readable');
    expect(here.readableLength).toBe(9);
    const seen: Buffer[] = [];
    here.on('data', (data) => seen.push(data));
    expect(await outcome(() => adoptSocket(here, role).destroy())).toBe(error);
    expect(seen).toEqual([]);
    expect(here.destroyed).toBe(true);
  });

  test('a socket that is not connected', async () => {
    const { here } = await sockets();
    here.destroy();
    expect(await outcome(() => adoptSocket(here, 'server'))).toBe('usage:INVALID_STATE');
    const connecting = connect(1, '127.0.0.1');
    connecting.on('error', () => undefined);
    expect(await outcome(() => adoptSocket(connecting, 'client'))).toBe('usage:INVALID_STATE');
    connecting.destroy();
  });

  test('a socket that has something to write', async () => {
    const { here } = await sockets();
    while (here.write(Buffer.alloc(1_000_000))) {
      await turn();
    }
    expect(await outcome(() => adoptSocket(here, 'server'))).toBe('usage:INVALID_STATE');
    expect(here.destroyed).toBe(false);
  });
});
