/** The ticket keys of a process: its own, and those that it is told of. */
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished, describe, expect, test } from 'vitest';
import { addon } from '../../lib/addon.js';
import { TicketKeyMint } from '../../lib/tlsmgr/mint.js';
import { keysAlive, roles } from '../../lib/tlsmgr/rotation.js';
import { sealedKeyInfo } from '../../lib/tlsmgr/sealed-key.js';
import {
  answerWait,
  resolveWrappingKey,
  TicketKeys,
  ticketKeyPeriod,
} from '../../lib/tlsmgr/ticket-keys.js';
import { FilledSource, TurnedClock } from '../helpers/ticket-keys.js';
import { ensureLibrary } from '../../lib/tls/library.js';

ensureLibrary();

const minute = 60_000;
let periods = 2 * minute;

/** A period that no other test's ring has. */
function ownPeriod(): number {
  periods += 1000;
  return periods;
}

function open(props: { period?: number; source?: FilledSource; clock?: TurnedClock }) {
  const warnings: string[] = [];
  const clock = props.clock ?? new TurnedClock();
  const source = props.source ?? null;
  const period = props.period ?? ownPeriod();
  const keys = new TicketKeys(
    { period, source, clock, warn: (text) => warnings.push(text) },
    source === null ? null : source.wrappingKey,
  );
  onTestFinished(() => keys.close());
  const inUse = () => {
    const { next, active, previous } = roles(
      keysAlive(keys.ring.keys().sealed, clock.now()),
      clock.now(),
    );
    return { next: next?.name, active: active?.name, previous: previous?.name };
  };
  return { keys, clock, warnings, inUse, period };
}

describe('keys of our own', () => {
  test('each is next, then active, then previous, then gone', () => {
    const { clock, inUse, period } = open({});
    const { active: first } = inUse();
    expect(inUse()).toEqual({ next: undefined, active: first, previous: undefined });
    clock.pass(period / 2);
    const { next: second } = inUse();
    expect(inUse()).toEqual({ next: second, active: first, previous: undefined });
    clock.pass(period / 2);
    expect(inUse()).toEqual({ next: undefined, active: second, previous: first });
    clock.pass(period);
    expect(inUse().previous).toBe(second);
    expect(Object.values(inUse())).not.toContain(first);
  });

  test('two engines of a process have the same ones, from whichever makes them', () => {
    const period = ownPeriod();
    const clock = new TurnedClock();
    const a = open({ period, clock });
    const b = open({ period, clock });
    for (let i = 0; i < 20; i++) {
      expect(a.inUse()).toEqual(b.inUse());
      expect(a.inUse().active).toBeDefined();
      clock.pass(period / 4);
    }
  });

  test('they go with the last engine', () => {
    const { keys, inUse, period } = open({});
    const other = open({ period });
    const { active } = inUse();
    keys.close();
    keys.close();
    expect(other.inUse().active).toBe(active);
    other.keys.close();
    expect(open({ period }).inUse().active).not.toBe(active);
  });

  test('a clock that is set anew is noticed within a minute', () => {
    const clock = new TurnedClock();
    const { inUse, period } = open({ clock });
    const { active } = inUse();
    const shifted = clock.now() + 100 * period;
    clock.now = () => shifted;
    clock.pass(minute);
    expect(inUse().active).toBeDefined();
    expect(inUse().active).not.toBe(active);
  });

  test('nothing is waited for after the end', () => {
    const clock = new TurnedClock();
    const { keys } = open({ clock });
    expect(clock.waiting).toBe(1);
    keys.close();
    expect(clock.waiting).toBe(0);
  });
});

describe('keys of a source', () => {
  function told() {
    const source = new FilledSource();
    const opened = open({ source });
    const now = opened.clock.now();
    const active = source.mint(now - minute, now + minute);
    const next = source.mint(now + minute, now + 3 * minute);
    return { source, ...opened, active, next };
  }

  test('are in use by their times', () => {
    const { source, active, next, inUse, clock } = told();
    expect(inUse().active).toBeUndefined();
    source.tell(active, next);
    const names = [next, active].map((sealed) => sealedKeyInfo(sealed)?.name);
    expect(inUse()).toEqual({ next: names[0], active: names[1], previous: undefined });
    clock.pass(minute);
    expect(inUse()).toEqual({ next: undefined, active: names[0], previous: names[1] });
    clock.pass(2 * minute);
    expect(inUse()).toEqual({ next: undefined, active: undefined, previous: names[0] });
    clock.pass(2 * minute);
    expect(inUse()).toEqual({});
  });

  test('that are none of ours are passed over, with one warning until all are good', () => {
    const { source, active, next, warnings, inUse } = told();
    const foreign = new FilledSource('another').mint(1, 2e12);
    const altered = Buffer.from(next);
    altered[40] = (altered[40] ?? 0) ^ 1;
    source.tell(active, foreign);
    source.tell(active, altered, Buffer.alloc(3));
    const text =
      'ticket keys: a key was altered, or sealed by another wrapping key; clients without a known ticket get full handshakes';
    expect(warnings).toEqual([text]);
    expect(inUse().active).toBe(sealedKeyInfo(active)?.name);
    source.tell(active);
    source.tell(altered);
    expect(warnings).toEqual([text, text]);
  });

  test('are asked for by name, and found', async () => {
    const { keys, source, active, inUse } = told();
    const name = active.subarray(4, 20);
    source.answer = async () => active;
    await answered(keys, name);
    expect(source.asked).toEqual([name.toString('hex')]);
    expect(inUse().active).toBe(name.toString('hex'));
  });

  test('are asked for once by however many clients', async () => {
    const { keys, source, active } = told();
    source.answer = async () => active;
    await Promise.all(Array.from({ length: 50 }, () => answered(keys, active.subarray(4, 20))));
    expect(source.asked).toHaveLength(1);
  });

  test('another key than the one that was asked for is not taken', async () => {
    const { keys, source, active, next, inUse } = told();
    source.answer = async () => next;
    await answered(keys, active.subarray(4, 20));
    expect(inUse()).toEqual({});
  });

  test('a failure lets the client go on, and is one warning', async () => {
    const { keys, source, active, warnings } = told();
    source.answer = async () => {
      throw new Error('connect ECONNREFUSED');
    };
    for (let i = 0; i < 5; i++) {
      await answered(keys, active.subarray(4, 20));
    }
    expect(warnings).toEqual([
      'ticket keys: connect ECONNREFUSED; clients without a known ticket get full handshakes',
    ]);
  });

  test('no answer lets the client go on after a second', async () => {
    const { keys, source, active, warnings, clock } = told();
    source.answer = () => new Promise(() => undefined);
    const waiting = answered(keys, active.subarray(4, 20));
    clock.pass(answerWait);
    await waiting;
    expect(warnings[0]).toMatch('no answer within 1000 ms');
  });

  test('nobody is subscribed after the end', () => {
    const { keys, source } = told();
    expect(source.subscribers).toBe(1);
    keys.close();
    expect(source.subscribers).toBe(0);
  });
});

async function answered(keys: TicketKeys, name: Buffer): Promise<void> {
  expect(await new Promise((resolve) => keys.ask?.('ticket-key', name, resolve))).toBeNull();
}

describe('the mint', () => {
  test('makes what is missing, keeps what is good, and says when it is due again', async () => {
    const wrappingKey = Buffer.alloc(32, 'mint');
    const mint = await TicketKeyMint.open({ wrappingKey, period: minute });
    onTestFinished(() => mint.close());
    const first = mint.keys([], 1_000_000);
    expect(first).toMatchObject({ changed: true, again: 1_000_000 + minute / 2 });
    expect(first.keys.map(sealedKeyInfo)).toMatchObject([
      { activeFrom: 1_000_000, expires: 1_000_000 + minute },
    ]);
    expect(mint.keys(first.keys, 1_000_001)).toMatchObject({ changed: false, keys: first.keys });
    const second = mint.keys([...first.keys, Buffer.alloc(128)], first.again);
    expect(second.keys).toHaveLength(2);
    expect(second.keys[0]).toEqual(first.keys[0]);
    const third = mint.keys(second.keys, 1_000_000 + 2 * minute);
    expect(third.changed).toBe(true);
    expect(third.keys.map((one) => sealedKeyInfo(one)?.activeFrom)).toEqual([
      1_000_000 + minute,
      1_000_000 + 2 * minute,
    ]);
  });

  test('is another for each process, and their keys are opened by who has the wrapping key', async () => {
    const wrappingKey = async () => Buffer.alloc(32, 'two mints');
    const [a, b] = await Promise.all([
      TicketKeyMint.open({ wrappingKey, period: minute }),
      TicketKeyMint.open({ wrappingKey, period: minute }),
    ]);
    const { keys } = a.keys([], 5000);
    expect(b.keys(keys, 5001)).toMatchObject({ changed: false, keys });
    a.close();
    b.close();
  });
});

describe('the wrapping key', () => {
  test('from a file is not read by JavaScript', async () => {
    expect(await resolveWrappingKey({ file: '/no/such/file' })).toBe('/no/such/file');
    expect(() => addon.openTicketRing('missing', '/no/such/file')).toThrow(
      expect.objectContaining({ code: 'WRAPPING_KEY', class: 'config' }),
    );
  });

  test('of another length is refused', async () => {
    await expect(resolveWrappingKey(Buffer.alloc(31))).rejects.toMatchObject({
      code: 'WRAPPING_KEY',
      message: expect.stringContaining('31 bytes'),
    });
    const file = join(tmpdir(), `mxtls-wrapping-${process.pid}`);
    writeFileSync(file, 'short');
    expect(() => addon.openTicketRing('short', file)).toThrow(/is not 32 bytes long/);
  });

  test('that a function does not get is an error with its reason', async () => {
    const failing = async () => {
      throw new Error('sealed vault');
    };
    await expect(resolveWrappingKey(failing)).rejects.toMatchObject({
      code: 'WRAPPING_KEY',
      message: 'no wrapping key: sealed vault',
    });
  });
});

test.each([
  [3_600_000, 1_800_000],
  [120_000, 60_000],
  [1000, 60_000],
  [8_640_000_000, 4_320_000_000],
])('a session timeout of %i ms makes keys of %i ms', (timeout, period) => {
  expect(ticketKeyPeriod(timeout)).toBe(period);
});

test.each([
  ['too short', Buffer.alloc(127, 'mxt1')],
  [
    'of another version',
    Buffer.from(`mxt2${'\0'.repeat(23)}\x01${'\0'.repeat(7)}\x02${'\0'.repeat(92)}`),
  ],
  ['not bytes', 'mxt1'],
])('what is %s is no sealed key', (_, bytes) => {
  expect(sealedKeyInfo(bytes)).toBeNull();
});

test('sealed keys tell name and times', () => {
  const sealed = new FilledSource().mint(1_700_000_000_123, 1_700_001_800_123);
  expect(sealedKeyInfo(sealed)).toEqual({
    name: sealed.toString('hex', 4, 20),
    activeFrom: 1_700_000_000_123,
    expires: 1_700_001_800_123,
    retires: 1_700_003_600_123,
  });
});

describe('misuse of a native ring', () => {
  test('once closed it does nothing', () => {
    const ring = addon.openTicketRing('closed', null);
    ring.close();
    ring.close();
    for (const call of [() => ring.keys(), () => ring.mint(1, 2), () => ring.opens(Buffer.of(1))]) {
      expect(call).toThrow(expect.objectContaining({ code: 'INVALID_STATE' }));
    }
  });

  test('wrong arguments are errors', () => {
    const ring = addon.openTicketRing('arguments', null);
    onTestFinished(() => ring.close());
    const calls = [
      () => ring.mint(2, 1),
      () => ring.mint(-1, 1),
      () => ring.install(Buffer.alloc(5), null, null, null, 0),
      () => ring.install(null, null, null, null, -1),
      () => ring.opens('text' as never),
      () => addon.openTicketRing('arguments', Buffer.alloc(31)),
      () => addon.openTicketRing(5 as never, null),
    ];
    for (const call of calls) {
      expect(call).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    }
    expect(() => ring.install(Buffer.alloc(128), null, null, null, 0)).toThrow(
      expect.objectContaining({ code: 'TICKET_KEY' }),
    );
    expect(() => ring.install.call({} as never, null, null, null, null, 0)).toThrow(TypeError);
  });
});
