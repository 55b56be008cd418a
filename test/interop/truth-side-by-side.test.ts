/**
 * The same message to the same destinations, by Debian 13's smtp(8) and by our smtp: status, code, reason, relay, the
 * summary line of the session, and whatever else the log says agree, with raw public keys asked for and without.
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
  let settings: Record<RpkSetting, Both>;

  beforeAll(async () => {
    prepareDebian13();
    world = await TruthWorld.start({ resolvConf: true });
    settings = { yes: await both(true), no: await both(false) };
  }, 10 * minute);

  afterAll(() => world?.close());

  async function both(enableRpk: boolean): Promise<Both> {
    const postfix = await PostfixClient.start(world, rows, enableRpk);
    try {
      const { deliveries, log } = await postfix.deliver(rows, message);
      return {
        theirs: deliveries,
        theirLog: log,
        ours: new OurClient(world, { tls: { enableRpk } }),
      };
    } finally {
      await postfix.stop();
    }
  }

  test('Postfix does here what was recorded', () => {
    for (const row of rows) {
      const { case: name, level, status, dsn, security, protocol, rpk } = row;
      expect({ name, level, ...summed(settings.yes.theirs.get(row)) }).toEqual({
        ...{ name, level, status, dsn, security, protocol, rpk },
        relay: world.here(row.relay),
        reason: world.here(row.reason),
      });
    }
  });

  describe.each(['yes', 'no'] as const)('smtp_tls_enable_rpk = %s', (setting) => {
    test.each(levels)(
      'level %s: our records and theirs agree, and so do the logs: verification, warnings, sessions',
      async (level) => {
        const { ours, theirs, theirLog } = settings[setting];
        const from = ours.lines.all.length;
        for (const row of rows.filter((one) => one.level === level)) {
          const { case: name } = row;
          const result = await ours.deliver(row, message);
          const { status, dsn, relay, reply } = result;
          const summary = summaryOf(result);
          const { text = '', ...record } = theirs.get(row) ?? {};
          expect({
            name,
            status,
            dsn,
            relay: relay ?? 'none',
            text: withoutQueueId(reply),
            summary,
          }).toEqual({ name, ...record, text: withoutQueueId(text) });
        }
        expect(aboutTls(ours.lines.all.slice(from))).toEqual(aboutTls(theirLog.get(level) ?? []));
      },
      minute,
    );
  });
});

type RpkSetting = 'yes' | 'no';

interface Both {
  readonly ours: OurClient;
  readonly theirs: ReadonlyMap<unknown, PostfixDelivery>;
  /** By level. */
  readonly theirLog: ReadonlyMap<string, readonly string[]>;
}

/**
 * What a log says beside the delivery records; in no order, since Postfix has several processes. It looks a second time
 * for TLSA records that could not be looked up, and says so again; the path of a source file is that of a build.
 */
function aboutTls(lines: readonly string[]): readonly string[] {
  const told = lines
    .filter((line) => !/^[0-9A-F]+: |^connect to /.test(line))
    .map((line) => line.replace(':../ssl/', ':ssl/'));
  const twice = told.filter((line) => line.startsWith('warning: DANE TLSA lookup problem: '));
  const once = told.filter((line) => !twice.includes(line));
  return [...once, ...new Set(twice)].toSorted();
}

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
