/** `socketmap:` against a server in a process of its own, over TCP and UNIX sockets. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { openTable } from '../../lib/maps/open.js';
import { openSocketmap, type SocketmapOptions } from '../../lib/maps/socketmap-table.js';
import type { OpenTable } from '../../lib/maps/table.js';
import { isProblem } from '../../lib/policy/policy.js';
import { hostFacts, policyWorld } from '../helpers/policy.js';

const script = fileURLToPath(new URL('../helpers/socketmap-server.mjs', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'mxtls-socketmap-'));
const path = join(folder, 'socket');
const children: ChildProcess[] = [];

/** @returns its port */
async function start(where: string): Promise<string> {
  const child = spawn(process.execPath, [script, where], { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  for await (const line of createInterface(child.stdout)) {
    return line.replace('ready ', '');
  }
  throw new Error('the socketmap server does not start');
}

let tcp = '';

beforeAll(async () => {
  tcp = `inet:127.0.0.1:${await start('0')}`;
  await start(path);
});

afterAll(async () => {
  for (const child of children) {
    const closed = once(child, 'close');
    child.stdin?.end();
    await closed;
  }
  rmSync(folder, { recursive: true });
});

const kinds = ['TCP', 'UNIX'] as const;
const nameOf = (kind: (typeof kinds)[number]): string =>
  `${kind === 'TCP' ? tcp : `unix:${path}`}:policies`;

function open(kind: (typeof kinds)[number], options: SocketmapOptions = {}): OpenTable {
  const table = openSocketmap(nameOf(kind), options);
  onTestFinished(() => table.close());
  return table;
}

const connections = async (table: OpenTable): Promise<number> =>
  Number(await table.lookup('connections'));

describe.each(kinds)('over a %s socket', (kind) => {
  test('name and key are sent as they are', async () => {
    expect(await open(kind).lookup('Example.ORG')).toBe('policies/Example.ORG');
  });

  test.each([
    ['found', 'secure match=hostname'],
    ['split-found', 'secure match=hostname'],
    ['empty', ''],
    ['bare', ''],
    ['none', undefined],
    ['split-none', undefined],
    ['none-bare', undefined],
    ['utf8', 'bücher'],
    ['split-utf8', 'bücher'],
  ])('%s', async (key, value) => {
    expect(await open(kind).lookup(key)).toBe(value);
  });

  test('a reply of 100000 bytes', async () => {
    expect(await open(kind).lookup('largest')).toHaveLength(99_997);
  });

  test.each([
    ['temp', ' socketmap server temporary error: try later'],
    ['timeout', ' socketmap server timeout error'],
    ['perm', ' socketmap server permanent error: no such map'],
    ['other', ": unexpected reply status 'MAYBE'"],
    ['nothing', ": unexpected reply status ''"],
    ['oversize', ': netstring protocol error: input exceeds size limit'],
    ['split-oversize', ': netstring protocol error: input exceeds size limit'],
    ['endless', ': netstring protocol error: input exceeds size limit'],
    ['garbage', ': netstring protocol error: input format error'],
    ['split-garbage', ': netstring protocol error: input format error'],
    ['leading-zero', ': netstring protocol error: input format error'],
    ['negative', ': netstring protocol error: input format error'],
    ['no-comma', ': netstring protocol error: input format error'],
    ['more', ': netstring protocol error: input format error'],
    ['cut', ': the server closed it'],
    ['close-first', ': the server closed it'],
  ])('%s is an error, and the next key is asked in peace', async (key, text) => {
    const table = open(kind);
    await expect(table.lookup(key)).rejects.toMatchObject({
      code: 'LOOKUP_TABLE',
      message: `socketmap:${nameOf(kind)}${text}`,
    });
    expect(await table.lookup('found')).toBe('secure match=hostname');
  });

  test('a server that stalls is given up', async () => {
    const table = open(kind, { timeLimit: 100 });
    await expect(table.lookup('stall')).rejects.toMatchObject({
      code: 'LOOKUP_TABLE',
      message: `socketmap:${nameOf(kind)}: Connection timed out`,
    });
  });

  test('one connection serves all keys, asked at once or one by one', async () => {
    const table = open(kind);
    const before = await connections(table);
    const values = await Promise.all(['a', 'b', 'c'].map((key) => table.lookup(key)));
    expect(values).toEqual(['policies/a', 'policies/b', 'policies/c']);
    for (let i = 0; i < 30; i++) {
      await table.lookup('none'); // listeners would pile up by now
    }
    expect(await connections(table)).toBe(before);
  });

  test('a connection that the server closed between keys is made anew', async () => {
    const table = open(kind);
    const before = await connections(table);
    expect(await table.lookup('then-close')).toBe('once');
    expect(await table.lookup('found')).toBe('secure match=hostname');
    expect(await connections(table)).toBe(before + 1);
  });

  test('after close() a key is an error', async () => {
    const table = open(kind);
    await table.lookup('found');
    table.close();
    await expect(table.lookup('found')).rejects.toMatchObject({ code: 'LOOKUP_TABLE' });
  });

  test('a policy of it counts, and its failure skips the host', async () => {
    const table = await openTable(`socketmap:${nameOf(kind)}`);
    onTestFinished(() => table.close());
    const { resolver, warnings } = policyWorld({ policyMaps: [{ spec: table.spec, table }] });
    expect(await resolver.resolvePolicy(hostFacts({ nexthop: 'found' }))).toMatchObject({
      level: 'secure',
      source: 'table',
      match: ['mx.example.org'],
    });
    const failed = await resolver.resolvePolicy(hostFacts({ nexthop: 'temp' }));
    expect(isProblem(failed) && failed.text).toBe('client TLS configuration problem');
    expect(warnings).toEqual([
      `${table.spec} socketmap server temporary error: try later`,
      'smtp_tls_policy_maps, next-hop destination "temp": policy table lookup error',
    ]);
  });
});

describe('a kept connection', () => {
  /** Answers the first request of each connection. */
  async function answering(options: SocketmapOptions): Promise<[OpenTable, Promise<Socket>]> {
    const server = createServer((socket) => {
      socket.once('data', () => socket.write('5:OK ab,'));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const table = openSocketmap(
      `inet:127.0.0.1:${(server.address() as AddressInfo).port}:x`,
      options,
    );
    onTestFinished(() => {
      table.close();
      server.close();
    });
    return [table, once(server, 'connection').then(([socket]) => socket as Socket)];
  }

  test('is closed when it is idle for too long', async () => {
    const [table, connected] = await answering({ idleLimit: 1 });
    const closed = connected.then((socket) => once(socket, 'close'));
    expect(await table.lookup('a')).toBe('ab');
    await closed;
    expect(await table.lookup('b')).toBe('ab');
  });

  test('is closed when the server says something unasked, which is no answer to a later key', async () => {
    const [table, connected] = await answering({});
    expect(await table.lookup('a')).toBe('ab');
    const socket = await connected;
    const closed = once(socket, 'close');
    socket.on('error', () => undefined).write('8:OK stale,');
    await closed;
    expect(await table.lookup('b')).toBe('ab');
  });
});

test('nobody listens: the reason is that of the system', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  for (const [name, reason] of [
    [`inet:127.0.0.1:${port}:x`, 'Connection refused'],
    [`unix:${folder}/none:x`, 'No such file or directory'],
  ] as const) {
    await expect(openSocketmap(name).lookup('key')).rejects.toMatchObject({
      message: `socketmap:${name}: ${reason}`,
    });
  }
});

test.each(['', 'inet:a:1', 'inet:a:0:n', 'inet:a:65536:n', 'inet:a:x:n', 'unix:/p', 'tcp:a:1:n'])(
  'socketmap:%s is refused with a sentence that helps',
  async (name) => {
    await expect(openTable(`socketmap:${name}`)).rejects.toMatchObject({
      code: 'LOOKUP_TABLE',
      message: `bad syntax: "socketmap:${name}"; write socketmap:inet:HOST:PORT:NAME or socketmap:unix:PATH:NAME`,
    });
  },
);
