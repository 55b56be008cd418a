/** Connections that wait for the next message: for whom, how long, and what becomes of the broken ones. */
import { expect, onTestFinished, test } from 'vitest';
import { Smtp, type SmtpOptions } from '../../lib/client.js';
import type { SmtpTlsOptions } from '../../lib/config/options.js';
import type { DeliveryReport, DeliveryRequest } from '../../lib/delivery/report.js';
import type { SmtpdOptions } from '../../lib/server.js';
import { authority, certificate, serverCertificate } from '../helpers/certificates.js';
import { pkeyFingerprint } from '../helpers/fingerprints.js';
import { Lines } from '../helpers/lines.js';
import { type ScriptedPeer, scriptedServers } from '../helpers/scripted-server.js';
import { startCounted } from '../helpers/servers.js';

const chain = serverCertificate('mx', ['mx.example.com']);
const root = authority();

const start = (options: Partial<SmtpdOptions> = {}) =>
  startCounted({ tls: { securityLevel: 'may', chainFiles: [chain.chainFile] }, ...options });

function client(options: Partial<SmtpOptions> = {}) {
  const lines = new Lines();
  const { tls, ...rest } = options;
  const smtp = new Smtp({
    logger: lines,
    lookup: async () => ['127.0.0.1'],
    tls: { securityLevel: 'may', loglevel: 1, connectionReuse: true, ...tls },
    ...rest,
  });
  onTestFinished(() => smtp.close());
  const deliver = (nexthop: string, more: Partial<DeliveryRequest> = {}): Promise<DeliveryReport> =>
    smtp.deliver({
      ...{ sender: 'a@example.org', recipients: ['b@example.com'], message: 'x\r\n', nexthop },
      ...more,
    });
  const sent = async (nexthop: string): Promise<void> => {
    const { recipients } = await deliver(nexthop);
    expect(recipients).toMatchObject([{ status: 'sent' }]);
  };
  return { smtp, lines, deliver, sent };
}

test('the next delivery takes the connection of the one before', async () => {
  const { nexthop, connections, received } = await start();
  const { sent, lines } = client();
  await sent(nexthop);
  await sent(nexthop);
  await sent(nexthop);
  expect(connections()).toBe(1);
  expect(received).toHaveLength(3);
  expect(
    lines.matching(/TLS connection (established|reused) to/).map((line) => line.split(' ')[3]),
  ).toEqual(['established', 'reused', 'reused']);
  const uses = lines.matching(/status=sent/).map((line) => /conn_use=\d/.exec(line)?.[0] ?? '');
  expect(uses).toEqual(['', 'conn_use=2', 'conn_use=3']);
  expect(lines.matching(/status=sent/)[2]).toContain(' tls=may, dsn=2.0.0');
});

test('each delivery has a connection of its own where smtp_tls_connection_reuse is no', async () => {
  const { nexthop, connections } = await start();
  const { sent } = client({ tls: { connectionReuse: false } });
  await sent(nexthop);
  await sent(nexthop);
  expect(connections()).toBe(2);
});

test.each([
  ['connection_reuse=yes', false, 1],
  ['connection_reuse=no', true, 2],
])('the policy of the destination decides: %s', async (attribute, connectionReuse, count) => {
  const { nexthop, connections } = await start();
  const { sent } = client({ tls: { connectionReuse }, policyTable: () => `may ${attribute}` });
  await sent(nexthop);
  await sent(nexthop);
  expect(connections()).toBe(count);
});

test('a batch keeps its connection to itself, and the last message leaves it to others', async () => {
  const { nexthop, connections } = await start();
  const { smtp, sent } = client();
  const one = { sender: 'a@example.org', recipients: ['b@example.com'], message: 'x\r\n', nexthop };
  await smtp.deliverAll([one, one, one]);
  await sent(nexthop);
  expect(connections()).toBe(1);
});

// ---- never mixed

interface Difference {
  readonly first: Partial<SmtpOptions> & { readonly tls?: SmtpTlsOptions };
  /** Of the second delivery: another next hop for the same server, or another policy for the same next hop. */
  readonly nexthop?: string;
  readonly policy?: readonly [string, string];
}

const names = `secure match=mx.example.com tafile=${root.certFile}`;
const pin = pkeyFingerprint(chain.certFile);

test.each<[string, Difference]>([
  ['the level', { first: {}, policy: ['may', 'encrypt'] }],
  ['the protocols', { first: {}, policy: ['may', 'may protocols=>=TLSv1.2'] }],
  ['the ciphers', { first: {}, policy: ['may', 'may exclude=3DES'] }],
  ['the server name', { first: {}, policy: ['may', 'may servername=mx.example.com'] }],
  ['the names', { first: {}, policy: [names, `${names} match=.example.com`] }],
  ['raw public keys', { first: {}, policy: ['may', 'may enable_rpk=yes'] }],
  [
    'the fingerprints',
    {
      first: {},
      policy: [`fingerprint match=${pin}`, `fingerprint match=${pin} match=${'AA:'.repeat(31)}AA`],
    },
  ],
  [
    'the trust anchors',
    { first: { tls: { CAfile: root.certFile } }, policy: ['secure match=mx.example.com', names] },
  ],
  [
    'the next hop of an authenticated server',
    { first: {}, nexthop: '[MX.example.com]', policy: [names, names] },
  ],
])('not where %s differ(s)', async (_what, { first, nexthop, policy = ['may', 'may'] }) => {
  const { port, connections, received } = await start();
  let turn = 0;
  const { sent } = client({ ...first, policyTable: () => policy[turn] });
  await sent(`[mx.example.com]:${port}`);
  await sent(`[mx.example.com]:${port}`);
  expect(connections()).toBe(1);
  turn = 1;
  await sent(`${nexthop ?? '[mx.example.com]'}:${port}`);
  expect(connections()).toBe(2);
  turn = 0;
  await sent(`[mx.example.com]:${port}`);
  expect(connections()).toBe(2);
  expect(received).toHaveLength(4);
});

test('the same host serves several next hops where it need not prove itself', async () => {
  const { port, connections } = await start();
  const { sent } = client();
  await sent(`[mx.example.com]:${port}`);
  await sent(`[mx.EXAMPLE.com]:${port}`);
  expect(connections()).toBe(1);
});

test('not where user or password differ', async () => {
  const users: string[] = [];
  const { nexthop, connections } = await start({
    saslAuthEnable: true,
    onAuth: (_session, { username }) => {
      users.push(username);
      return true;
    },
  });
  let password = 'one';
  const { sent } = client({
    saslAuthEnable: true,
    saslTlsSecurityOptions: ['noanonymous'],
    credentials: () => ({ username: 'user', password }),
  });
  await sent(nexthop);
  await sent(nexthop);
  expect(connections()).toBe(1);
  password = 'two';
  await sent(nexthop);
  expect(connections()).toBe(2);
  expect(users).toEqual(['user', 'user']);
});

test('new certificates end what was kept', async () => {
  const { nexthop, connections } = await start();
  const { smtp, sent } = client({ tls: { chainFiles: [certificate('ecdsa').chainFile] } });
  await sent(nexthop);
  await smtp.reload();
  await sent(nexthop);
  expect(connections()).toBe(2);
});

// ---- servers that do as they are told

async function hello(peer: ScriptedPeer): Promise<void> {
  peer.say('220 mx.example.com ESMTP\r\n');
  await peer.answer('250-mx.example.com\r\n250 STARTTLS\r\n');
  await peer.answer('220 2.0.0 go\r\n');
  await peer.secure();
  await peer.answer('250 mx.example.com\r\n');
}

async function take(peer: ScriptedPeer): Promise<void> {
  await peer.answer('250 2.1.0 Ok\r\n');
  await peer.answer('250 2.1.5 Ok\r\n');
  await peer.answer('354 go ahead\r\n');
  await peer.hearMessage();
  peer.say('250 2.0.0 Ok\r\n');
}

async function listen(...scripts: ((peer: ScriptedPeer) => Promise<void>)[]) {
  const servers = scriptedServers();
  onTestFinished(() => servers.close());
  return servers.listen(...scripts);
}

/** A server that takes a message, and then does something else. */
function after(then: (peer: ScriptedPeer) => Promise<void> | void) {
  return async (peer: ScriptedPeer): Promise<void> => {
    await hello(peer);
    await take(peer);
    await then(peer);
  };
}

test('it is asked by RSET whether it is still there', async () => {
  const heard: (string | null)[] = [];
  const server = await listen(
    after(async (peer) => {
      heard.push(await peer.answer('250 2.0.0 Ok\r\n'));
      await take(peer);
      heard.push(await peer.answer('221 2.0.0 Bye\r\n'));
    }),
  );
  const { smtp, sent } = client();
  await sent(server.nexthop);
  await sent(server.nexthop);
  await smtp.close();
  await server.done;
  expect(heard).toEqual(['RSET', 'QUIT']);
});

test.each<[string, (peer: ScriptedPeer) => Promise<void> | void]>([
  ['closes', (peer) => peer.end()],
  ['resets', (peer) => peer.reset()],
  [
    'says 421 and closes',
    (peer) => {
      peer.say('421 4.4.2 mx.example.com Error: timeout exceeded\r\n');
      peer.end();
    },
  ],
  ['refuses RSET', async (peer) => void (await peer.answer('421 4.3.2 going down\r\n'))],
  ['does not take RSET', async (peer) => void (await peer.answer('502 5.5.1 what?\r\n'))],
  ['says nothing to RSET', async (peer) => peer.gone()],
  [
    'goes at RSET',
    async (peer) => {
      await peer.hear();
      peer.reset();
    },
  ],
  [
    'goes at MAIL',
    async (peer) => {
      await peer.answer('250 2.0.0 Ok\r\n');
      await peer.hear();
      peer.reset();
    },
  ],
])('one that %s costs no recipient: the message goes over a new one', async (_what, then) => {
  const server = await listen(
    after(then),
    after(async (peer) => void (await peer.answer('221 2.0.0 Bye\r\n'))),
  );
  const { sent, smtp } = client({ rsetTimeout: 1000 });
  await sent(server.nexthop);
  await sent(server.nexthop);
  expect(server.connections).toBe(2);
  await smtp.close();
});

// ---- how long, how often

test('it waits as long as smtp_connection_cache_time_limit says, and is told QUIT', async () => {
  const heard: (string | null)[] = [];
  const server = await listen(
    after(async (peer) => {
      heard.push(await peer.answer('221 2.0.0 Bye\r\n'));
    }),
  );
  const { sent } = client({ connectionCacheTimeLimit: 1000 });
  const begin = performance.now();
  await sent(server.nexthop);
  await server.done;
  expect(heard).toEqual(['QUIT']);
  expect(performance.now() - begin).toBeGreaterThan(990);
});

test('it is used again as often as smtp_connection_reuse_count_limit says', async () => {
  const { nexthop, connections } = await start();
  const { sent } = client({ connectionReuseCountLimit: 1 });
  for (let i = 0; i < 4; i++) {
    await sent(nexthop);
  }
  expect(connections()).toBe(2);
});

test('it is not used again when smtp_connection_reuse_time_limit is over', async () => {
  const { nexthop, connections } = await start();
  const { sent } = client({ connectionReuseTimeLimit: 1000, connectionCacheTimeLimit: 3_600_000 });
  const end = performance.now() + 1500;
  let deliveries = 0;
  for (; performance.now() < end; deliveries++) {
    await sent(nexthop);
  }
  expect(connections()).toBeGreaterThan(1);
  expect(connections()).toBeLessThan(deliveries / 2);
});

// ---- the end

test('close() lets deliveries come to their end, ends what was kept, and takes no more', async () => {
  const { nexthop, received } = await start();
  const { smtp, sent, deliver } = client({ destinationConcurrencyLimit: 1 });
  await sent(nexthop);
  const pending = [deliver(nexthop), deliver(nexthop)];
  const closed = smtp.close();
  const late = deliver(nexthop);
  await expect(late).rejects.toMatchObject({
    ...{ class: 'usage', code: 'INVALID_STATE', message: 'the Smtp is closed' },
  });
  for (const { recipients } of await Promise.all(pending)) {
    expect(recipients).toMatchObject([{ status: 'sent' }]);
  }
  await closed;
  expect(received).toHaveLength(3);
  await smtp.close();
});

test('close() of one that has done nothing is done at once', async () => {
  const { smtp } = client();
  await expect(smtp.close()).resolves.toBeUndefined();
});

test('messages with and without SMTPUTF8 share a connection to a server that offers it', async () => {
  const { nexthop, connections, received } = await start();
  const { deliver } = client();
  for (const sender of ['a@example.org', 'jürgen@example.org', 'a@example.org']) {
    const { recipients } = await deliver(nexthop, { sender });
    expect(recipients).toMatchObject([{ status: 'sent' }]);
  }
  expect(connections()).toBe(1);
  expect(received.map(({ sender }) => sender)).toEqual([
    'a@example.org',
    'jürgen@example.org',
    'a@example.org',
  ]);
});

test('on a shared connection to a server without SMTPUTF8 only the message that needs it bounces', async () => {
  const { nexthop, connections, received } = await start({ smtputf8Enable: false });
  const { deliver } = client();
  const outcomes: string[] = [];
  for (const sender of ['a@example.org', 'jürgen@example.org', 'a@example.org']) {
    const { recipients } = await deliver(nexthop, { sender });
    outcomes.push(...recipients.map(({ status, dsn }) => `${status} ${dsn}`));
  }
  expect(outcomes).toEqual(['sent 2.0.0', 'bounced 5.6.7', 'sent 2.0.0']);
  expect(connections()).toBe(1);
  expect(received).toHaveLength(2);
});
