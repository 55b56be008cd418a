/** TLS sessions that the smtp engine keeps and brings back, with real handshakes at our smtpd. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { Smtp, type SmtpOptions } from '../../lib/client.js';
import type { SmtpdTlsOptions } from '../../lib/config/options.js';
import type { DeliveryReport } from '../../lib/delivery/report.js';
import { MemorySessionStore, type SessionStore } from '../../lib/session-cache/store.js';
import type { SmtpdListenOptions } from '../../lib/smtpd/listener.js';
import { certificate } from '../helpers/certificates.js';
import { Lines } from '../helpers/lines.js';
import { type ScriptedPeer, scriptedServers } from '../helpers/scripted-server.js';
import { startSmtpd, type TestServer } from '../helpers/servers.js';

const { chainFile } = certificate('ecdsa');
const message = { sender: 'a@example.org', recipients: ['b@example.com'], message: 'x\r\n' };

type Version = '1.2' | '1.3';

function start(
  version: Version,
  tls: SmtpdTlsOptions = {},
  where: SmtpdListenOptions = {},
): Promise<TestServer> {
  const protocols = `>=TLSv${version}, <=TLSv${version}`;
  const chain = { securityLevel: 'may', chainFiles: [chainFile] } as const;
  const range = { protocols, mandatoryProtocols: protocols };
  return startSmtpd({ tls: { ...chain, ...range, ...tls } }, where);
}

/** Deliveries of one client. */
function client(nexthop: string, options: Partial<SmtpOptions> = {}) {
  const lines = new Lines();
  const { tls, ...rest } = options;
  const smtp = new Smtp({
    logger: lines,
    // Else TLS 1.2 has no certificate at these levels.
    tls: { loglevel: 'cache', excludeCiphers: ['aNULL'], sessionCacheDatabase: 'memory:', ...tls },
    ...rest,
  });
  onTestFinished(() => smtp.close());
  const deliver = (): Promise<DeliveryReport> => smtp.deliver({ ...message, nexthop });
  /** Whether the session was resumed; null: in plaintext. */
  const resumes = async (): Promise<boolean | null> => {
    const report = await deliver();
    expect(report.recipients.map(({ status }) => status)).toEqual(['sent']);
    return report.tls?.resumed ?? null;
  };
  return { smtp, lines, deliver, resumes };
}

/** A store in memory, some methods of which are other ones. */
function storeWith(methods: (memory: SessionStore) => Partial<SessionStore>): SessionStore {
  const memory = new MemorySessionStore({ timeout: 3600 });
  return {
    lookup: (id) => memory.lookup(id),
    update: (id, session) => memory.update(id, session),
    delete: (id) => memory.delete(id),
    close: () => memory.close(),
    ...methods(memory),
  };
}

test('without a session cache every handshake is a full one', async () => {
  const { nexthop } = await start('1.3');
  const { resumes, lines } = client(nexthop, { tls: { sessionCacheDatabase: '' } });
  expect([await resumes(), await resumes()]).toEqual([false, false]);
  expect(lines.matching(/session/)).toEqual([]);
});

test.each(['1.2', '1.3'] as const)(
  'TLS %s: all connections but the first resume',
  async (version) => {
    const { nexthop } = await start(version);
    const { resumes } = client(nexthop);
    expect([await resumes(), await resumes(), await resumes()]).toEqual([false, true, true]);
  },
);

test.each(['1.2', '1.3'] as const)('TLS %s: in wrappermode, too', async (version) => {
  const { nexthop } = await start(version, {}, { wrappermode: true });
  const { resumes } = client(nexthop, { tls: { wrappermode: true, securityLevel: 'encrypt' } });
  expect([await resumes(), await resumes(), await resumes()]).toEqual([false, true, true]);
});

test.each(['1.2', '1.3'] as const)('TLS %s: connections at the same time do', async (version) => {
  const { nexthop } = await start(version);
  const { resumes } = client(nexthop);
  await resumes();
  expect(await Promise.all([resumes(), resumes(), resumes()])).toEqual([true, true, true]);
});

test.each(['1.2', '1.3'] as const)('TLS %s: what is logged at verbosity cache', async (version) => {
  const { nexthop, port } = await start(version);
  const { resumes, lines } = client(nexthop);
  await resumes();
  await resumes();
  const key = /session (\S+) (?:in|from|to) smtp cache/.exec(lines.all[0] ?? '')?.[1] ?? '';
  expect(key).toMatch(
    new RegExp(`^smtp&\\[127.0.0.1\\]:${port}&127.0.0.1&127.0.0.1&1&&&[\\dA-F]{64}$`),
  );
  expect(lines.matching(/session/).slice(0, 5)).toEqual([
    `looking for session ${key} in smtp cache`,
    `save session ${key} to smtp cache`,
    `looking for session ${key} in smtp cache`,
    `reloaded session ${key} from smtp cache`,
    `127.0.0.1[127.0.0.1]:${port}: Reusing old session`,
  ]);
});

test('nothing of it is logged without that verbosity', async () => {
  const { nexthop } = await start('1.3');
  const { resumes, lines } = client(nexthop, { tls: { loglevel: 1 } });
  expect([await resumes(), await resumes()]).toEqual([false, true]);
  expect(lines.matching(/session|cache/)).toEqual([]);
});

test('the result of verification stays with the session', async () => {
  const { nexthop } = await start('1.3');
  const { deliver } = client(nexthop, { tls: { CAfile: certificate('ecdsa').certFile } });
  const [first, second] = [await deliver(), await deliver()];
  expect(first.tls).toMatchObject({ resumed: false, status: 'Trusted' });
  expect(second.tls).toMatchObject({ resumed: true, status: 'Trusted' });
  const stranger = client(nexthop, { tls: { CAfile: certificate('rsa').certFile } });
  await stranger.deliver();
  expect((await stranger.deliver()).tls).toMatchObject({ resumed: true, status: 'Untrusted' });
});

test('a server without tickets is visited anew each time', async () => {
  const { nexthop } = await start('1.3', { sessionCacheTimeout: 0 });
  const { resumes, lines } = client(nexthop);
  expect([await resumes(), await resumes()]).toEqual([false, false]);
  expect(lines.matching(/^save/)).toEqual([]);
});

// ---- servers that do as they are told

async function hello(peer: ScriptedPeer): Promise<void> {
  peer.say('220 mx.example.com ESMTP\r\n');
  await peer.answer('250-mx.example.com\r\n250 STARTTLS\r\n');
}

async function takeMessage(peer: ScriptedPeer): Promise<void> {
  await peer.answer('250 mx.example.com\r\n');
  await peer.answer('250 2.1.0 Ok\r\n');
  await peer.answer('250 2.1.5 Ok\r\n');
  await peer.answer('354 go ahead\r\n');
  await peer.hearMessage();
  peer.say('250 2.0.0 Ok\r\n');
  await peer.answer('221 2.0.0 Bye\r\n');
  peer.end();
}

async function fine(peer: ScriptedPeer): Promise<void> {
  await hello(peer);
  await peer.answer('220 2.0.0 go\r\n');
  await peer.secure();
  await takeMessage(peer);
}

async function listen(...scripts: ((peer: ScriptedPeer) => Promise<void>)[]) {
  const servers = scriptedServers();
  onTestFinished(() => servers.close());
  return servers.listen(...scripts);
}

test('of the two tickets of a server the first is kept', async () => {
  const { nexthop } = await listen(fine);
  const { resumes, lines } = client(nexthop);
  expect([await resumes(), await resumes()]).toEqual([false, false]); // each script has keys of its own
  expect(lines.matching(/^save session/)).toHaveLength(2);
});

test('a failed handshake removes the session', async () => {
  const cut = async (peer: ScriptedPeer): Promise<void> => {
    await hello(peer);
    await peer.answer('220 2.0.0 go\r\n');
    await peer.hearBytes(100);
    peer.reset();
  };
  const { nexthop } = await listen(fine, cut, fine);
  const deleted: string[] = [];
  const sessionStore = storeWith((memory) => ({
    delete: (id) => {
      deleted.push(id);
      return memory.delete(id);
    },
  }));
  // With these groups there is no second try with a smaller ClientHello.
  const tls = { eecdhAutoCurves: ['X25519'] };
  const { deliver, resumes, lines } = client(nexthop, { sessionStore, tls });
  await resumes();
  const { recipients } = await deliver();
  expect(recipients).toMatchObject([{ status: 'deferred', dsn: '4.7.5' }]);
  expect(lines.matching(/^remove session/)).toEqual([
    expect.stringMatching(/^remove session smtp&\S+ from client cache$/),
  ]);
  expect(deleted).toHaveLength(1);
  await resumes();
  expect(lines.matching(/^reloaded/)).toHaveLength(1);
});

/** Passes everything on to a server, and tells when the reply to STARTTLS has gone by. */
async function relay(to: number, ready: () => void): Promise<string> {
  const listener = createServer((peer) => {
    const upstream = connect({ port: to, host: '127.0.0.1' });
    peer.pipe(upstream).on('end', () => peer.end());
    peer.on('error', () => upstream.destroy());
    upstream.on('error', () => peer.destroy());
    upstream.on('data', (data: Buffer) => {
      peer.write(data);
      if (data.toString('latin1').startsWith('220 2.0.0')) {
        setImmediate(ready);
      }
    });
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  onTestFinished(() => void listener.close());
  return `[127.0.0.1]:${(listener.address() as AddressInfo).port}`;
}

test('a handshake waits for a slow store, and no longer than a second for a silent one', async () => {
  const server = await start('1.3');
  let answer: () => void = () => undefined;
  let silent = false;
  const nexthop = await relay(server.port, () => silent || answer());
  const sessionStore = storeWith((memory) => ({
    lookup: async (id) => {
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      return memory.lookup(id);
    },
  }));
  const { resumes, lines } = client(nexthop, { sessionStore });
  expect([await resumes(), await resumes()]).toEqual([false, true]);
  silent = true;
  expect(await resumes()).toBe(false);
  expect(lines.matching(/warning/)).toEqual(['warning: smtp session cache: no answer']);
  answer();
});

test('a store that fails costs a full handshake and a warning', async () => {
  const { nexthop } = await start('1.3');
  const fail = (): Promise<never> => Promise.reject(new Error('connection refused'));
  const sessionStore = storeWith(() => ({ lookup: fail, update: fail, delete: fail }));
  const { resumes, lines } = client(nexthop, { sessionStore });
  expect([await resumes(), await resumes()]).toEqual([false, false]);
  expect(lines.matching(/warning/)).toEqual(['warning: smtp session cache: connection refused']);
});

test.each([
  ['junk', Buffer.from('\0junk', 'latin1')],
  ['nothing', new Uint8Array(0)],
  ['a session of somebody else', Buffer.from('\x01\x30\x82\x01\x00', 'latin1')],
])('%s in the store is a full handshake', async (_what, bytes) => {
  const { nexthop } = await start('1.3');
  const { resumes } = client(nexthop, {
    sessionStore: storeWith(() => ({ lookup: async () => bytes })),
  });
  expect([await resumes(), await resumes()]).toEqual([false, false]);
});

/** A store that answers when it is told to. */
function heldStore() {
  let release: () => void = () => undefined;
  const held = new Promise<null>((resolve) => {
    release = () => resolve(null);
  });
  return { sessionStore: storeWith(() => ({ lookup: () => held })), release: () => release() };
}

test('replies injected behind the one to STARTTLS are refused while the store is being asked', async () => {
  const { sessionStore, release } = heldStore();
  const { nexthop } = await listen(async (peer) => {
    await hello(peer);
    await peer.answer('220 2.0.0 go\r\n250 injected\r\n');
    setImmediate(release);
    await peer.gone();
  });
  const { deliver } = client(nexthop, { sessionStore });
  const { recipients } = await deliver();
  expect(recipients).toMatchObject([{ status: 'deferred', dsn: '4.7.5' }]);
  expect(recipients[0]?.reply).toMatch(/^Cannot start TLS: the server sent \d+ bytes of plaintext/);
});

test('a server that goes while the store is being asked is one that goes', async () => {
  const { sessionStore, release } = heldStore();
  const { nexthop } = await listen(async (peer) => {
    await hello(peer);
    await peer.hear();
    peer.say('220 2.0.0 go\r\n');
    peer.reset();
    setImmediate(release);
  });
  const { deliver } = client(nexthop, { sessionStore });
  expect((await deliver()).recipients).toMatchObject([{ status: 'deferred' }]);
});

test('close() closes the store', async () => {
  let closed = 0;
  const { nexthop } = await start('1.3');
  const sessionStore = storeWith(() => ({
    close: async () => {
      closed++;
    },
  }));
  const { smtp, resumes } = client(nexthop, { sessionStore });
  await resumes();
  await smtp.close();
  expect(closed).toBe(1);
});
