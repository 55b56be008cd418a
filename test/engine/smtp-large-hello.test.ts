/** Servers that choke on a large ClientHello get a smaller one, everybody else the post-quantum one. */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Smtp, type SmtpOptions } from '../../lib/client.js';
import { HelloMemory } from '../../lib/delivery/hello-memory.js';
import { helloGroups } from '../../lib/tls/hello-groups.js';
import { authority, certificate } from '../helpers/certificates.js';
import { helloFilter, type Reaction } from '../helpers/hello-filter.js';
import { Lines } from '../helpers/lines.js';
import { startSmtpd } from '../helpers/servers.js';

const chainFiles = [certificate('ecdsa').chainFile];
const hybrid = { tls: { securityLevel: 'may', chainFiles } } as const;
const classical = { tls: { ...hybrid.tls, eecdhAutoCurves: ['X25519', 'prime256v1'] } };
/** A ClientHello with a share of X25519MLKEM768 has more bytes, one without has less. */
const limit = 1024;

function client(options: SmtpOptions = {}): Smtp {
  return new Smtp({ logger: new Lines(), ...options });
}

const mail = { sender: 'a@example.org', recipients: ['b@example.com'], message: 'hello\n' };

const levels = ['may', 'encrypt'] as const;

test.each(levels)('at level %s: the group without a share, from now on', async (securityLevel) => {
  const { port } = await startSmtpd(classical);
  const filter = await helloFilter(port, limit);
  const smtp = client({ tls: { securityLevel } });
  const first = await smtp.deliver({ ...mail, nexthop: filter.nexthop });
  expect(first.recipients).toMatchObject([{ status: 'sent', tlsFeature: securityLevel }]);
  expect(first.tls).toMatchObject({ group: expect.stringMatching(/^x25519$/i) });
  expect(filter.connections).toBe(2);
  await smtp.deliver({ ...mail, nexthop: filter.nexthop });
  expect(filter.connections).toBe(3);
  expect(filter.hellos.map((size) => size > limit)).toEqual([true, false, false]);
});

test('a server that then asks for the share gets a ClientHello without the group', async () => {
  const { port } = await startSmtpd(hybrid);
  const filter = await helloFilter(port, limit);
  const smtp = client();
  const { tls } = await smtp.deliver({ ...mail, nexthop: filter.nexthop });
  expect(tls).toMatchObject({ group: expect.stringMatching(/^x25519$/i) });
  await smtp.deliver({ ...mail, nexthop: filter.nexthop });
  // The second connection had two: the server asked for the share.
  expect(filter.hellos.map((size) => size > limit)).toEqual([true, false, true, false, false]);
});

test('post-quantum stays on for everybody else', async () => {
  const filter = await helloFilter((await startSmtpd(classical)).port, limit);
  const other = await startSmtpd(hybrid);
  const smtp = client();
  await smtp.deliver({ ...mail, nexthop: filter.nexthop });
  const { tls } = await smtp.deliver({ ...mail, nexthop: other.nexthop });
  expect(tls).toMatchObject({ group: 'X25519MLKEM768' });
});

test.each<[Reaction, SmtpOptions]>([
  ['reset', {}],
  ['hang', { starttlsTimeout: 1000 }],
])('a server that answers with a %s', async (reaction, options) => {
  const { port } = await startSmtpd(classical);
  const filter = await helloFilter(port, limit, reaction);
  const { recipients } = await client(options).deliver({ ...mail, nexthop: filter.nexthop });
  expect(recipients).toMatchObject([{ status: 'sent', tlsFeature: 'may' }]);
});

describe('a server that has begun to answer did not choke on the ClientHello', () => {
  /** A part of the first record; the ServerHello and a part of what follows. */
  const answers = [10, 400] as const;
  const reactions = ['close', 'reset', 'hang'] as const;

  test.each(
    answers.flatMap((answered) => reactions.map((reaction) => [answered, reaction] as const)),
  )('%i bytes, then a %s', async (answered, reaction) => {
    const { port } = await startSmtpd(classical);
    const filter = await helloFilter(port, limit, reaction, answered);
    const smtp = client({ starttlsTimeout: 1000 });
    const { recipients } = await smtp.deliver({ ...mail, nexthop: filter.nexthop });
    expect(recipients).toMatchObject([
      { status: 'deferred', dsn: '4.7.5', reply: 'Cannot start TLS: handshake failure' },
    ]);
    expect(filter.hellos.map((size) => size > limit)).toEqual([true]);
  });
});

test('without the files that a smaller one is made with the usual one is kept', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mxtls-hello-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const CAfile = join(folder, 'ca.pem');
  copyFileSync(authority().certFile, CAfile);
  const lines = new Lines();
  const smtp = client({ logger: lines, tls: { CAfile } });
  await smtp.deliver({ ...mail, nexthop: (await startSmtpd(classical)).nexthop });
  rmSync(CAfile);
  const filter = await helloFilter((await startSmtpd(classical)).port, limit);
  const { recipients } = await smtp.deliver({ ...mail, nexthop: filter.nexthop });
  expect(recipients).toMatchObject([{ status: 'deferred', dsn: '4.7.5' }]);
  expect(lines.matching(/ca\.pem.*: keeping the usual ClientHello$/)).toHaveLength(2);
});

describe('a server that breaks every handshake', () => {
  test('is tried with each, nothing is remembered, and the rules of level may hold', async () => {
    const { port } = await startSmtpd(classical);
    const filter = await helloFilter(port, 10);
    const smtp = client();
    const young = await smtp.deliver({ ...mail, nexthop: filter.nexthop });
    expect(young.recipients).toMatchObject([
      { status: 'deferred', dsn: '4.7.5', reply: 'Cannot start TLS: handshake failure' },
    ]);
    expect(filter.connections).toBe(3);
    const arrivalTime = Date.now() - 301_000;
    const old = await smtp.deliver({ ...mail, nexthop: filter.nexthop, arrivalTime });
    expect(old.recipients).toMatchObject([{ status: 'sent', tlsFeature: 'may:none' }]);
    expect(filter.connections).toBe(7);
  });

  test('once, where the usual ClientHello is small', async () => {
    const filter = await helloFilter((await startSmtpd(classical)).port, 10);
    await client(classical).deliver({ ...mail, nexthop: filter.nexthop });
    expect(filter.connections).toBe(1);
  });
});

test('an alert is an answer', async () => {
  const { port } = await startSmtpd({ tls: { ...hybrid.tls, protocols: '<=TLSv1.2' } });
  const filter = await helloFilter(port, 100_000);
  const tls = { securityLevel: 'encrypt', mandatoryProtocols: 'TLSv1.3' } as const;
  await client({ tls }).deliver({ ...mail, nexthop: filter.nexthop });
  expect(filter.connections).toBe(1);
});

describe('the memory', () => {
  const peer = (port: number) => ({ host: 'mx', address: '127.0.0.1', port });

  test('is bounded', () => {
    const memory = new HelloMemory();
    for (let port = 1; port <= 1500; port++) {
      memory.learn(peer(port), 'no-share');
    }
    expect(memory.size).toBe(1000);
    expect(memory.kindsFor(peer(1))[0]).toBe('usual');
    expect(memory.kindsFor(peer(1500))).toEqual(['no-share', 'classical']);
  });

  test('lasts a day', () => {
    let now = 0;
    const memory = new HelloMemory(undefined, () => now);
    memory.learn(peer(1), 'classical');
    now = 86_399_999;
    expect(memory.kindsFor(peer(1))).toEqual(['classical']);
    now = 86_400_000;
    expect(memory.kindsFor(peer(1))).toEqual(['usual', 'no-share', 'classical']);
  });

  test('forgets a server that gets on with the usual one, or with none', () => {
    const memory = new HelloMemory();
    for (const learned of ['usual', null] as const) {
      memory.learn(peer(1), 'no-share');
      memory.learn(peer(1), learned);
      expect(memory.size).toBe(0);
    }
  });
});

test.each<[readonly string[], readonly string[] | null, readonly string[] | null]>([
  [
    ['X25519MLKEM768', 'X25519', 'P-256'],
    ['?X25519MLKEM768', '*X25519', 'P-256'],
    ['*X25519', 'P-256'],
  ],
  [
    ['*X25519MLKEM768:*X25519:P-256'],
    ['?X25519MLKEM768', '*X25519', 'P-256'],
    ['*X25519', 'P-256'],
  ],
  [['X25519', 'P-256'], null, null],
  [['X25519MLKEM768'], null, null],
])('groups %j', (eecdhAutoCurves, noShare, without) => {
  const settings = { eecdhAutoCurves, ffdheAutoGroups: [] };
  expect(helloGroups(settings, 'no-share')).toEqual(noShare);
  expect(helloGroups(settings, 'classical')).toEqual(without);
});

test('nobody knows the groups of a private configuration file', () => {
  const settings = { eecdhAutoCurves: [], ffdheAutoGroups: [], configFile: '/etc/x.cnf' };
  expect(helloGroups(settings, 'no-share')).toBeNull();
  expect(helloGroups({ ...settings, configFile: 'default' }, 'no-share')).not.toBeNull();
});
