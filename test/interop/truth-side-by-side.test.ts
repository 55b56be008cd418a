/**
 * The same message to the same destinations, by Debian 13's smtp(8) and by our smtp: what was recorded of a Postfix that
 * is younger, what Debian's does, and what we do are the same.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { prepareDebian13, whyNoDebian13 } from '../helpers/debian13.js';
import { smtpRows } from '../helpers/truth-world/cases.js';
import { OurClient, summaryOf, withoutQueueId } from '../helpers/truth-world/our-client.js';
import { PostfixClient, type PostfixDelivery } from '../helpers/truth-world/postfix-client.js';
import { TruthWorld } from '../helpers/truth-world/truth-world.js';

const reason = whyNoDebian13();
const minute = 60_000;
const levels = ['may', 'encrypt', 'dane', 'dane-only', 'verify', 'secure'];
const message = 'Subject: side by side\n\nhello\n';

test.runIf(process.env['CI'] !== undefined)('Postfix, NSD and Unbound can be run', () => {
  expect(reason).toBeNull();
});

describe.skipIf(reason !== null)('side by side with smtp(8) of Debian 13', () => {
  const rows = smtpRows();
  let world: TruthWorld;
  let postfix: PostfixClient;
  let client: OurClient;
  let theirs: ReadonlyMap<unknown, PostfixDelivery>;

  beforeAll(async () => {
    prepareDebian13();
    world = await TruthWorld.start({ resolvConf: true });
    client = new OurClient(world);
    postfix = await PostfixClient.start(world, rows);
    theirs = await postfix.deliver(rows, message);
  }, 10 * minute);

  afterAll(async () => {
    client?.close();
    await postfix?.stop();
    await world?.close();
  });

  test('Postfix does here what was recorded', () => {
    for (const row of rows) {
      const { case: name, level, status, dsn, security, protocol, rpk } = row;
      expect({ name, level, ...summed(theirs.get(row)) }).toEqual({
        ...{ name, level, status, dsn, security, protocol, rpk },
        relay: world.here(row.relay),
        reason: world.here(row.reason),
      });
    }
  });

  test.each(levels)(
    'our records and those of Postfix agree, down to the summary line of the session: %s',
    async (level) => {
      for (const row of rows.filter((one) => one.level === level)) {
        const { case: name } = row;
        const result = await client.deliver(row, message);
        const { status, dsn, relay, reply } = result;
        const summary = summaryOf(result);
        const ours = { name, status, dsn, relay: relay ?? 'none', text: withoutQueueId(reply) };
        const { text = '', ...postfixRecord } = theirs.get(row) ?? {};
        expect({ ...ours, summary }).toEqual({
          name,
          ...postfixRecord,
          text: withoutQueueId(text),
        });
      }
    },
    minute,
  );
});

/** In the columns of the recording. */
function summed(delivery: PostfixDelivery | undefined) {
  const { status, dsn, relay, text = '', summary = null } = delivery ?? {};
  const [, security = '', protocol = ''] = /^(\w+) .*: (TLS\S+) /.exec(summary ?? '') ?? [];
  const rawKey = /raw public key/.test(summary ?? ''); // of either side
  return {
    ...{ status, dsn, relay, security, protocol },
    rpk: summary === null ? '' : `${rawKey}`,
    reason: withoutQueueId(text),
  };
}
