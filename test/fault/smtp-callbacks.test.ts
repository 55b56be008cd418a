/** Callbacks of the caller that fail in the middle of a delivery: a result for each recipient all the same. */
import { expect, test } from 'vitest';
import { Smtp, type SmtpOptions } from '../../lib/client.js';
import type { DeliveryRequest, RecipientResult } from '../../lib/delivery/report.js';
import { Lines } from '../helpers/lines.js';
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
