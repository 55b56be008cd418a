/** Tests that our deliver() comes to what a recording of Postfix 3.11 says, row by row. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { prepareDebian13, whyNoDebian13 } from '../debian13.js';
import type { SmtpRow } from './cases.js';
import { asRecorded, type OurClient } from './our-client.js';
import { TruthWorld } from './truth-world.js';

/** What the tests of one world share; it is there once they run. */
export interface Side {
  readonly world: TruthWorld;
  readonly client: OurClient;
}

/**
 * A test for each case at all its levels, with our own smtpd as the servers and with Debian 13's.
 *
 * @param more further tests of the same world
 */
export function describeRecording(
  rows: readonly SmtpRow[],
  makeClient: (world: TruthWorld) => OurClient,
  more: (side: () => Side) => void = () => undefined,
): void {
  const reason = whyNoDebian13();
  const cases = [...new Set(rows.map((row) => row.case))];

  test.runIf(process.env['CI'] !== undefined)('Postfix, NSD and Unbound can be run', () => {
    expect(reason).toBeNull();
  });

  test('the recording has six levels of each of its 55 cases', () => {
    expect(cases).toHaveLength(55);
    expect(rows).toHaveLength(6 * cases.length);
  });

  describe.skipIf(reason !== null).each(['mxtls', 'postfix'] as const)('servers: %s', (servers) => {
    let side: Side | null = null;
    const present = (): Side => {
      if (side === null) {
        throw new Error('the world has not begun');
      }
      return side;
    };

    beforeAll(async () => {
      prepareDebian13();
      const world = await TruthWorld.start({ servers });
      side = { world, client: makeClient(world) };
    }, 600_000);

    afterAll(async () => {
      side?.client.close();
      await side?.world.close();
    });

    test.each(cases)('%s', async (name) => {
      const { world, client } = present();
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

    more(present);
  });
}
