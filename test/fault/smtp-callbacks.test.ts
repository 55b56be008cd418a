/** Callbacks of the caller that fail in the middle of a delivery: a result for each recipient all the same. */
import { describe, expect, test } from 'vitest';
import { Smtp, type SmtpOptions } from '../../lib/client.js';
import type { DeliveryRequest, RecipientResult } from '../../lib/delivery/report.js';
import type { DnsLookup } from '../../lib/dns/answer.js';
import { Lines } from '../helpers/lines.js';
import { MemoryDns, type MemoryZone } from '../helpers/memory-dns.js';
import { acceptMail, hello, scriptedServer } from '../helpers/scripted-server.js';

async function deliver(
  options: SmtpOptions,
  request: Partial<DeliveryRequest> & Pick<DeliveryRequest, 'nexthop'>,
): Promise<readonly RecipientResult[]> {
  const smtp = new Smtp({ logger: new Lines(), ...options });
  const { recipients } = await smtp.deliver({
    sender: 'a@example.org',
    recipients: ['b@example.com', 'c@example.com'],
    message: 'hello\n',
    ...request,
  });
  expect(recipients).toHaveLength(2);
  return recipients;
}

function throwing(): never {
  throw new Error('out of order');
}

test.each([
  ['throws', throwing],
  ['rejects', async () => throwing()],
])(
  'a look-up of credentials that %s defers, and what was sent stays sent',
  async (_, credentials) => {
    const first = await scriptedServer(async (peer) => {
      await hello(peer);
      await peer.answer('250 2.1.0 Ok\r\n');
      await peer.answer('250 2.1.5 Ok\r\n');
      await peer.answer('450 4.2.1 later\r\n');
      await acceptMail(peer);
    });
    const results = await deliver(
      {
        saslAuthEnable: true,
        credentials: (host) => (host === '127.0.0.1' ? null : credentials()),
        lookup: async () => ['127.0.0.1'],
      },
      { nexthop: [first.nexthop, '[mx.example.net]:25'] },
    );
    expect(results).toMatchObject([
      { status: 'sent' },
      {
        status: 'deferred',
        dsn: '4.3.0',
        reply: 'cannot look up the credentials for mx.example.net: out of order',
        relay: null,
      },
    ]);
  },
);

test('a stream that throws when it is no longer wanted changes nothing', async () => {
  const server = await scriptedServer(async (peer) => {
    await hello(peer);
    await peer.answer('250 2.1.0 Ok\r\n');
    await peer.answer('250 2.1.5 Ok\r\n');
    await peer.answer('250 2.1.5 Ok\r\n');
    await peer.answer('354 go\r\n');
    await peer.hear();
    peer.say('552 5.3.4 too big\r\n');
    await peer.gone();
  });
  const parts = {
    next: async () => ({ done: false, value: `${'x'.repeat(70)}\r\n`.repeat(1000) }),
  };
  const message = { [Symbol.asyncIterator]: () => ({ ...parts, return: throwing }) };
  const results = await deliver({}, { nexthop: server.nexthop, message });
  expect(results).toMatchObject([
    { status: 'bounced', dsn: '5.3.4' },
    { status: 'bounced', dsn: '5.3.4' },
  ]);
});

describe('a resolver of the caller', () => {
  const world: MemoryZone = {
    'example.com MX': ['10 mx.example.com'],
    'mx.example.com A': ['127.0.0.1'],
  };

  async function asked(broken: Partial<DnsLookup>, options: SmtpOptions = {}) {
    const dns = new MemoryDns(world);
    const lookups = ['mx', 'a', 'aaaa', 'cname', 'tlsa', 'txt'] as const;
    const good = Object.fromEntries(
      lookups.map((name) => [name, (of: string) => dns[name](of)]),
    ) as unknown as DnsLookup;
    const lines = new Lines();
    const smtp = new Smtp({ logger: lines, resolver: { ...good, ...broken }, ...options });
    const { recipients } = await smtp.deliver({
      ...{ sender: 'a@example.org', recipients: ['b@example.com'], message: 'hello\n' },
    });
    return { recipients, warnings: lines.matching(/^warning/) };
  }

  const notFound = 'Host or domain name not found. Name service error for name=';

  test.each<[string, Partial<DnsLookup>, string, string]>([
    [
      'MX look-ups reject',
      { mx: async () => throwing() },
      `${notFound}example.com type=MX: Host not found, try again`,
      'the resolver failed to look up name=example.com type=MX: out of order',
    ],
    [
      'MX look-ups throw',
      { mx: throwing },
      `${notFound}example.com type=MX: Host not found, try again`,
      'the resolver failed to look up name=example.com type=MX: out of order',
    ],
    [
      'address look-ups reject',
      { a: () => Promise.reject('no error object') },
      `${notFound}mx.example.com type=A: Host not found, try again`,
      'the resolver failed to look up name=mx.example.com type=A: no error object',
    ],
    [
      'look-ups answer nonsense',
      { mx: async () => undefined as never },
      `${notFound}example.com type=MX: Host not found, try again`,
      'the resolver failed to look up name=example.com type=MX: no DnsResult',
    ],
  ])('whose %s defers, and the log says why', async (_, broken, reply, warning) => {
    const { recipients, warnings } = await asked(broken);
    expect(recipients).toMatchObject([{ status: 'deferred', dsn: '4.4.3', reply, relay: null }]);
    expect(warnings).toContain(`warning: ${warning}`);
  });

  test('whose TLSA look-ups reject keeps the host from getting the mail at level dane', async () => {
    const { recipients } = await asked(
      { tlsa: async () => throwing() },
      { dnsSupportLevel: 'dnssec', tls: { securityLevel: 'dane' } },
    );
    expect(recipients).toMatchObject([
      { status: 'deferred', dsn: '4.7.5', reply: 'TLSA lookup error for mx.example.com:25' },
    ]);
  });

  test('that can check itself is still asked to', async () => {
    const check = async () => ({ outcome: 'no-validation' as const, text: 'it does not validate' });
    const broken = { mx: async () => throwing(), check };
    const { warnings } = await asked(broken, { dnsSupportLevel: 'dnssec' });
    expect(warnings).toContain('warning: it does not validate');
  });
});
