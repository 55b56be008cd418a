/** Listening and connecting below the engines: shared ports, inherited descriptors, UNIX sockets, source addresses, time limits. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { addon } from '../../lib/addon.js';
import { Connection } from '../../lib/index.js';
import type { ListenProps, NativeConnection, NativeListener } from '../../lib/native.js';
import { anyPort } from '../helpers/native-props.mjs';

const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) {
    cleanup();
  }
});

interface Accepting {
  readonly listener: NativeListener;
  readonly accepted: NativeConnection[];
  /** Resolves when `count` connections have come. */
  until(count: number): Promise<void>;
}

function listen(props: Partial<ListenProps>): Accepting {
  const listener = addon.listen({ ...anyPort, ...props });
  const accepted: NativeConnection[] = [];
  let wake: () => void = () => undefined;
  listener.owner = {
    onTurnedAway: () => undefined,
    onAccept(connection: NativeConnection) {
      accepted.push(connection);
      wake();
    },
  };
  cleanups.push(() => {
    listener.close();
    for (const connection of accepted) {
      connection.destroy();
    }
  });
  const until = async (count: number): Promise<void> => {
    while (accepted.length < count) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  return { listener, accepted, until };
}

async function connect(options: Parameters<typeof Connection.connect>[0]): Promise<Connection> {
  const connection = await Connection.connect(options);
  cleanups.push(() => connection.destroy());
  return connection;
}

test('a burst is accepted whole', async () => {
  const { listener, until } = listen({ backlog: 512 });
  await Promise.all(Array.from({ length: 150 }, () => connect({ port: listener.port })));
  await until(150);
});

test('two listeners share a port with reusePort, and only with it', async () => {
  const one = listen({ reusePort: true });
  const two = listen({ reusePort: true, port: one.listener.port });
  expect(two.listener.port).toBe(one.listener.port);
  expect(() => listen({ port: one.listener.port })).toThrowError(
    expect.objectContaining({ class: 'config', code: 'LISTEN_FAILED' }),
  );
  for (let i = 0; i < 40; i++) {
    await connect({ port: one.listener.port });
  }
  while (one.accepted.length + two.accepted.length < 40) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  // The kernel spreads by hash: 40 times the same side has a chance of 2^-39.
  expect(Math.min(one.accepted.length, two.accepted.length)).toBeGreaterThan(0);
});

test('a UNIX socket: accepted, told by its path, removed at the end', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'mxtls-unix-'));
  cleanups.push(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'smtpd');
  const { listener, until } = listen({ host: null, path });
  expect(listener.address).toBe(path);
  await connect({ path });
  await until(1);
  listener.close();
  expect(existsSync(path)).toBe(false);
});

test('IPv6, and IPv4 clients of a dual-stack listener by their IPv4 address', async () => {
  const { listener, accepted, until } = listen({ host: '::' });
  await connect({ host: '::1', port: listener.port });
  await until(1);
  await connect({ host: '127.0.0.1', port: listener.port });
  await until(2);
  expect(accepted.map((connection) => connection.remoteAddress)).toEqual(['::1', '127.0.0.1']);
});

test('the source address is the one that was asked for', async () => {
  const { listener, accepted, until } = listen({});
  const connection = await connect({ port: listener.port, localAddress: '127.0.0.9' });
  await until(1);
  expect(connection.localAddress).toBe('127.0.0.9');
  expect(accepted[0]?.remoteAddress).toBe('127.0.0.9');
});

test('closing a listener leaves its connections', async () => {
  const { listener, accepted, until } = listen({});
  const connection = await connect({ port: listener.port });
  await until(1);
  listener.close();
  listener.close();
  accepted[0]?.write(Buffer.from('220 still here\r\n'));
  expect(String((await once(connection, 'data'))[0])).toBe('220 still here\r\n');
});

// ---- other processes

function child(source: string, stdio: ('pipe' | 'inherit' | 'ignore' | number)[]): ChildProcess {
  const made = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio });
  cleanups.push(() => {
    made.kill('SIGCONT');
    made.kill('SIGKILL');
  });
  return made;
}

test('a listening descriptor is inherited, as under socket activation', async () => {
  const parent = net.createServer();
  parent.listen(0, '127.0.0.1');
  await once(parent, 'listening');
  const { port } = parent.address() as AddressInfo;
  const fd = (parent as unknown as { _handle: { fd: number } })._handle.fd;
  const activated = child(
    `
      const { Smtpd } = await import('${new URL('../../dist/index.js', import.meta.url).href}');
      const smtpd = new Smtpd({ myhostname: 'mx.example.com', tls: { securityLevel: 'none' }, onData() {} });
      await smtpd.listen({ fd: 3 });
      console.log('ready');
    `,
    ['ignore', 'pipe', 'ignore', fd],
  );
  const [line] = await once(activated.stdout ?? activated, 'data');
  expect(String(line)).toBe('ready\n');
  parent.close(); // the child's copy lives on
  const connection = await connect({ port });
  expect(String((await once(connection, 'data'))[0])).toBe('220 mx.example.com ESMTP mxtls\r\n');
});

test('a server that accepts no connection any more is a time-out', async () => {
  const stopped = child(
    `
      import net from 'node:net';
      const server = net.createServer();
      server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(server.address().port));
    `,
    ['ignore', 'pipe', 'inherit'],
  );
  const port = Number(String((await once(stopped.stdout ?? stopped, 'data'))[0]));
  stopped.kill('SIGSTOP');
  const attempts = Array.from({ length: 8 }, () => Connection.connect({ port, timeout: 200 }));
  const results = await Promise.allSettled(attempts);
  for (const result of results) {
    if (result.status === 'fulfilled') {
      cleanups.push(() => result.value.destroy()); // in the backlog of one
    } else {
      expect(result.reason).toMatchObject({ class: 'timeout', code: 'CONNECT_TIMEOUT' });
    }
  }
  expect(results.filter((result) => result.status === 'rejected').length).toBeGreaterThan(0);
});

test('a listener closed while it asks whom to admit drops that client, and nothing follows', async () => {
  const { listener, accepted } = listen({ admit: true });
  const asked: string[] = [];
  listener.owner = {
    onAdmit(address: string) {
      asked.push(address);
      listener.close();
      return true;
    },
  };
  const client = net.connect({ port: listener.port, host: '127.0.0.1' });
  client.resume();
  await once(client, 'close');
  expect(asked).toEqual(['127.0.0.1']);
  expect(accepted).toEqual([]);
  expect(listener.taken).toBe(0);
});

test('a seat is free again when its connection is closed, by whichever side', async () => {
  const { listener, accepted, until } = listen({ limit: 2, busyReply: 'full\r\n' });
  const first = await connect({ host: '127.0.0.1', port: listener.port });
  await connect({ host: '127.0.0.1', port: listener.port });
  await until(2);
  expect(listener.taken).toBe(2);
  const third = net.connect({ port: listener.port, host: '127.0.0.1' });
  const [reply] = await once(third, 'data');
  expect(String(reply)).toBe('full\r\n');
  accepted[0]?.destroy();
  expect(listener.taken).toBe(1);
  first.destroy();
  await connect({ host: '127.0.0.1', port: listener.port });
  await until(3);
  expect(listener.taken).toBe(2);
});

test('setContext wants a listener that has a context', () => {
  const { listener } = listen({});
  expect(() =>
    listener.setContext({ nativeContext: true, prepare: () => undefined }, anyPort.tls as never),
  ).toThrow(expect.objectContaining({ class: 'usage', code: 'INVALID_ARGUMENT' }));
});
