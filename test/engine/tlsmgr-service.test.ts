/** The tlsmgr service and its clients, over a real socket. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import { addon } from '../../lib/addon.js';
import { TlsmgrClient } from '../../lib/tlsmgr/client.js';
import { announcement, encode, requests } from '../../lib/tlsmgr/protocol.js';
import { sealedKeyInfo, type SealedKey } from '../../lib/tlsmgr/sealed-key.js';
import { TlsmgrService, type TlsmgrServiceProps } from '../../lib/tlsmgr/service.js';
import { SocketTlsmgr } from '../../lib/tlsmgr/socket-tlsmgr.js';
import { certificate } from '../helpers/certificates.js';
import { Lines } from '../helpers/lines.js';
import { startSmtpd } from '../helpers/servers.js';

const wrappingKey = randomBytes(32);
const memory = { database: 'memory:', timeout: 3600 };

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'mxtls-tlsmgr-'));
  onTestFinished(() => rmSync(made, { recursive: true }));
  return made;
}

async function start(props: Partial<TlsmgrServiceProps> = {}) {
  const logger = new Lines();
  const path = props.path ?? join(folder(), 'tlsmgr');
  const service = await TlsmgrService.start({
    ...{ path, smtpd: memory, smtp: memory, wrappingKey, logger },
    ...props,
  });
  onTestFinished(() => service.close());
  return { service, path, logger };
}

function managerOf(path: string, patience = 2000) {
  const logger = new Lines();
  const manager = new SocketTlsmgr({ path, wrappingKey, logger, patience, backoff: [5, 20] });
  onTestFinished(() => manager.close());
  return { manager, logger };
}

function clientOf(path: string, patience = 2000) {
  const logger = new Lines();
  const client = new TlsmgrClient({ path, logger, patience, backoff: [5, 20] });
  onTestFinished(() => client.close());
  return { client, logger };
}

const bytes = (text: string): Buffer => Buffer.from(text);

test('sessions of a type are kept for all who ask, apart from those of the other type', async () => {
  const { path } = await start();
  const one = managerOf(path).manager.sessions('smtpd');
  const other = managerOf(path).manager;
  await one.update('a', bytes('session'));
  expect(await other.sessions('smtpd').lookup('a')).toEqual(bytes('session'));
  expect(await other.sessions('smtp').lookup('a')).toBeNull();
  await other.sessions('smtpd').delete('a');
  expect(await one.lookup('a')).toBeNull();
});

test('the policy tells whether there is a database, and the sanitised time-out', async () => {
  const smtp = { database: '', timeout: 7 };
  const { path } = await start({ smtpd: { database: 'memory:', timeout: 1 }, smtp });
  const { manager } = managerOf(path);
  expect(await manager.policy('smtpd')).toEqual({ cachable: true, timeout: 120 });
  expect(await manager.policy('smtp')).toEqual({ cachable: false, timeout: 120 });
});

test('a seed has the length that was asked for, from 1 to 255', async () => {
  const { path, logger } = await start();
  const { client } = clientOf(path);
  const size = (length: number) => {
    const field = Buffer.alloc(4);
    field.writeUInt32BE(length);
    return [field];
  };
  expect((await client.ask('seed', size(1)))?.[0]).toHaveLength(1);
  expect((await client.ask('seed', size(255)))?.[0]).toHaveLength(255);
  await expect(client.ask('seed', size(0))).rejects.toThrow('refuses');
  await expect(client.ask('seed', size(256))).rejects.toThrow('refuses');
  expect(logger.all).toEqual([
    'warning: tlsmgr: bogus seed length: 0',
    'warning: tlsmgr: bogus seed length: 256',
  ]);
});

test('requests that make no sense are refused, and the connection stays', async () => {
  const { path, logger } = await start({ smtp: { database: '', timeout: 3600 } });
  const { client } = clientOf(path);
  await expect(client.ask('policy', [bytes('lmtp')])).rejects.toThrow('refuses');
  await expect(client.ask('lookup', [bytes('smtpd')])).rejects.toThrow('refuses');
  await expect(client.ask('update', [bytes('smtpd'), bytes('a')])).rejects.toThrow('refuses');
  await expect(client.ask('lookup', [bytes('smtp'), bytes('a')])).rejects.toThrow('refuses');
  await expect(client.ask('tktkey', [bytes('short')])).rejects.toThrow('refuses');
  expect(await client.ask('lookup', [bytes('smtpd'), bytes('a')])).toBeNull();
  expect(logger.all).toEqual([
    'warning: tlsmgr: bogus cache type: lmtp',
    'warning: tlsmgr: invalid session ticket key name length: 5',
  ]);
});

test('ticket keys are sealed, the same for all, and found by name', async () => {
  const { path } = await start();
  const keys = (manager: SocketTlsmgr) =>
    new Promise<readonly SealedKey[]>((resolve) => manager.ticketKeys?.subscribe(resolve));
  const { manager } = managerOf(path);
  const [one] = await keys(manager);
  const [same] = await keys(managerOf(path).manager);
  expect(one).toHaveLength(128);
  expect(same).toEqual(one);
  const name = Buffer.from(sealedKeyInfo(one)?.name ?? '', 'hex');
  expect(await manager.ticketKeys?.find(name)).toEqual(one);
  expect(await manager.ticketKeys?.find(Buffer.alloc(16))).toBeNull();
  const { client } = clientOf(path);
  expect(await client.ask('tktkey', [Buffer.alloc(0)])).toEqual([one]);
});

test('without a wrapping key there are no ticket keys', async () => {
  const { path } = await start({ wrappingKey: null });
  const { client } = clientOf(path);
  expect(await client.ask('tktkey', [Buffer.alloc(0)])).toBeNull();
});

test('only its owner may open the socket, whatever the umask is', async () => {
  const before = process.umask(0);
  onTestFinished(() => {
    process.umask(before);
  });
  const { path } = await start();
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const { path: other } = await start({ mode: 0o660 });
  expect(statSync(other).mode & 0o777).toBe(0o660);
});

test('the kernel says who is at the other end', async () => {
  const { path } = await start();
  const socket = connect(path);
  onTestFinished(() => {
    socket.destroy();
  });
  await once(socket, 'data');
  const fd = (socket as unknown as { _handle: { fd: number } })._handle.fd;
  expect(addon.peerUid(fd)).toBe(process.geteuid?.());
  expect(addon.peerUid(0x7fffffff)).toBeNull();
  expect(addon.peerUid(-1)).toBeNull();
});

describe.skipIf(process.geteuid?.() !== 0)('by another user, whom only root can play', () => {
  const nobody = 65534;

  /** What a process of that user is sent at a service that lets anybody open its socket. */
  async function greeting(props: Partial<TlsmgrServiceProps>) {
    const directory = folder();
    chmodSync(directory, 0o711);
    const { path, service, logger } = await start({
      ...{ path: join(directory, 'tlsmgr'), mode: 0o666 },
      ...props,
    });
    const script = `
      require('node:net').connect(process.argv[1])
        .on('data', function (data) { process.stdout.write(data); this.end(); })
        .on('error', ({ code }) => process.stdout.write(code));`;
    const child = spawn(process.execPath, ['-e', script, path], {
      uid: nobody,
      gid: nobody,
      cwd: '/',
    });
    const [output] = await Promise.all([
      child.stdout.toArray() as Promise<Buffer[]>,
      once(child, 'close'),
    ]);
    expect(child.exitCode).toBe(0);
    return { said: Buffer.concat(output), lines: logger.all, clients: service.clients };
  }

  test('a connection is ended without a word', async () => {
    const { said, lines, clients } = await greeting({});
    expect(said).toEqual(Buffer.alloc(0));
    expect(lines).toEqual([`warning: tlsmgr: user ${nobody} may not ask`]);
    expect(clients).toBe(0);
  });

  test('one of allowUids is let in', async () => {
    const { said, lines } = await greeting({ allowUids: [nobody] });
    expect(said).toEqual(announcement());
    expect(lines).toEqual([]);
  });

  test('the mode of the socket comes first', async () => {
    const { said, lines } = await greeting({ mode: 0o600, allowUids: [nobody] });
    expect(said.toString()).toBe('EACCES');
    expect(lines).toEqual([]);
  });
});

// Whoever else runs the tests has one user only, and is told so.
test.runIf(process.env['CI'] !== undefined)('these tests run as root', () => {
  expect(process.geteuid?.()).toBe(0);
});

test('who breaks the protocol is disconnected, and the others are not', async () => {
  const { path, logger } = await start();
  const { client } = clientOf(path);
  await client.ask('policy', [bytes('smtpd')]);
  for (const data of [
    bytes('GET / HTTP/1.1\r\n\r\n'),
    encode(0, requests.lookup),
    Buffer.alloc(9),
  ]) {
    const socket = connect(path);
    socket.write(data);
    socket.resume();
    await once(socket, 'close');
  }
  expect(await client.ask('lookup', [bytes('smtpd'), bytes('a')])).toBeNull();
  expect(logger.all).toEqual(
    Array.from({ length: 3 }, () => 'warning: tlsmgr: a client broke the protocol; disconnected'),
  );
});

test('many requests at once are all answered, each with its own', async () => {
  const { path } = await start();
  const store = managerOf(path).manager.sessions('smtpd');
  const ids = Array.from({ length: 900 }, (_, i) => `id ${i}`);
  await Promise.all(ids.map((id) => store.update(id, bytes(id))));
  const found = await Promise.all(ids.map((id) => store.lookup(id)));
  expect(found.map(String)).toEqual(ids);
});

test('a socket that was left behind is replaced, one in use is not', async () => {
  const path = join(folder(), 'tlsmgr');
  const dead = createServer().listen(path);
  await once(dead, 'listening');
  await expect(start({ path })).rejects.toMatchObject({ code: 'LISTEN_FAILED' });
  dead.close();
  writeFileSync(`${path}.other`, 'a file of somebody else');
  await expect(start({ path: `${path}.other` })).rejects.toMatchObject({ code: 'LISTEN_FAILED' });
  expect(existsSync(`${path}.other`)).toBe(true);
  await start({ path });
  expect(existsSync(path)).toBe(true);
});

test('one file for both caches is refused', async () => {
  const cache = { database: 'lmdb:/nowhere/scache', timeout: 3600 };
  await expect(start({ smtpd: cache, smtp: cache })).rejects.toMatchObject({
    code: 'INVALID_PARAMETER',
  });
});

/** Asks until it is answered. */
async function untilFound(store: { lookup(id: string): Promise<Uint8Array | null> }) {
  const end = Date.now() + 10_000;
  for (;;) {
    const found = await store.lookup('a');
    if (found !== null) {
      return found;
    }
    expect(Date.now()).toBeLessThan(end);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('a service that goes is one warning, and is found again when it is back', async () => {
  const path = join(folder(), 'tlsmgr');
  const file = join(folder(), 'scache');
  const smtpd = { database: `lmdb:${file}`, timeout: 3600 };
  const first = await start({ path, smtpd });
  const { manager, logger } = managerOf(path);
  const store = manager.sessions('smtpd');
  await store.update('a', bytes('session'));
  await first.service.close();
  for (let i = 0; i < 50; i++) {
    expect(await store.lookup('a')).toBeNull();
    await store.update('b', bytes('lost'));
  }
  await start({ path, smtpd });
  expect(await untilFound(store)).toEqual(bytes('session'));
  expect(logger.all).toEqual([
    expect.stringMatching(/^warning: tlsmgr \S+: .*; full TLS handshakes meanwhile$/),
    `tlsmgr ${path}: works again`,
  ]);
});

test('a service that was never there is one warning', async () => {
  const { manager, logger } = managerOf(join(folder(), 'nothing'));
  for (let i = 0; i < 10; i++) {
    expect(await manager.sessions('smtpd').lookup('a')).toBeNull();
  }
  expect(logger.all).toHaveLength(1);
  expect(logger.all[0]).toMatch(/^warning: tlsmgr \S+: .*ENOENT.*; full TLS handshakes meanwhile$/);
});

test.each([
  ['says nothing', [], 'no answer in 50 ms'],
  ['is another program', ['220 mx.example.com ESMTP\r\n'], 'it breaks the protocol'],
  [
    'speaks another version',
    [encode(0, 0, [bytes('mxtls-tlsmgr'), bytes('99')])],
    'it speaks version "99", not 1',
  ],
  ['announces itself and says nothing more', [announcement()], 'no answer in 50 ms'],
])('a service that %s is one warning', async (_, says, reason) => {
  const path = join(folder(), 'tlsmgr');
  const server = createServer((socket) => {
    for (const text of says) {
      socket.write(text);
    }
    socket.resume();
    socket.on('error', () => undefined);
  }).listen(path);
  onTestFinished(() => {
    server.close();
  });
  await once(server, 'listening');
  const { manager, logger } = managerOf(path, reason.startsWith('no answer') ? 50 : 5000);
  for (let i = 0; i < 3; i++) {
    expect(await manager.sessions('smtpd').lookup('a')).toBeNull();
  }
  expect(logger.matching(/meanwhile/)[0]).toBe(
    `warning: tlsmgr ${path}: ${reason}; full TLS handshakes meanwhile`,
  );
});

/** A TLS session up to the greeting. */
async function visit(port: number, session: Buffer | null) {
  const socket = connectTls({
    ...{ port, host: '127.0.0.1', rejectUnauthorized: false },
    ...(session === null ? {} : { session }),
  });
  let given: Buffer | null = null;
  socket.on('session', (value: Buffer) => {
    given = value;
  });
  await once(socket, 'data');
  const resumed = socket.isSessionReused();
  socket.destroy();
  return { session: given as Buffer | null, resumed };
}

test.each(['', 'aes-256-cbc'])(
  'what one smtpd began another resumes, with the ticket cipher "%s"',
  async (sessionTicketCipher) => {
    const { path, service } = await start();
    const listen = async () => {
      const { manager } = managerOf(path);
      const tls = { chainFiles: [certificate('ecdsa').chainFile], sessionTicketCipher };
      return (await startSmtpd({ tls, tlsmgr: manager }, { wrappermode: true })).port;
    };
    const [one, other] = [await listen(), await listen()];
    await visit(one, null); // by then the keys are there
    const { session } = await visit(one, null);
    expect((await visit(other, session)).resumed).toBe(true);
    await service.close();
    const last = await visit(other, null); // mail flows
    expect(last.resumed).toBe(false);
  },
);
