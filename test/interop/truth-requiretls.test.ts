/**
 * The recorded truth of Postfix 3.11 with REQUIRETLS asked for and `smtp_requiretls_policy = enforce`, against servers that do not have it: each
 * case at each level comes with our deliver() to what smtp(8) made of it.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { prepareDebian13, whyNoDebian13 } from '../helpers/debian13.js';
import { requiretlsRows } from '../helpers/truth-world/cases.js';
import { asRecorded, OurClient } from '../helpers/truth-world/our-client.js';
import { TruthWorld } from '../helpers/truth-world/truth-world.js';

const reason = whyNoDebian13();
const rows = requiretlsRows();
const cases = [...new Set(rows.map((row) => row.case))];

test.runIf(process.env['CI'] !== undefined)('Postfix, NSD and Unbound can be run', () => {
  expect(reason).toBeNull();
});

test('the recording has six levels of each of its 55 cases', () => {
  expect(cases).toHaveLength(55);
  expect(rows).toHaveLength(6 * cases.length);
});

describe.skipIf(reason !== null).each(['mxtls', 'postfix'] as const)('servers: %s', (servers) => {
  let world: TruthWorld;
  let client: OurClient;

  beforeAll(async () => {
    prepareDebian13();
    world = await TruthWorld.start({ servers });
    // Those of the recording did not have it: ours do.
    const requiretls = { requiretlsPolicy: 'enforce', discardEhloKeywords: ['REQUIRETLS'] };
    client = new OurClient(world, requiretls, { requiretls: true });
  }, 600_000);

  afterAll(async () => {
    client?.close();
    await world?.close();
  });

  test.each(cases)('%s', async (name) => {
    for (const row of rows.filter((one) => one.case === name)) {
      const { case: _, level, ...recorded } = row;
      const ours = asRecorded(await client.deliver(row));
      expect({ level, ...ours }).toEqual({
        level,
        ...recorded,
        relay: world.here(recorded.relay),
        reason: world.here(recorded.reason),
      });
    }
  });
});
