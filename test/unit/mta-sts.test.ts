/** MTA-STS: when a policy is looked up, fetched, kept, refreshed and given up, by a clock of the test. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { DnsResult } from '../../lib/dns/answer.js';
import { DomainStates } from '../../lib/sts/domain-states.js';
import { MtaSts, type MtaStsProps } from '../../lib/sts/mta-sts.js';
import { DirectoryStsStore, MemoryStsStore, type StsStore } from '../../lib/sts/store.js';
import { hostCertificate } from '../helpers/certificates.js';
import { found, none, PolicyServer, textPlain, unreachable } from '../helpers/policy-server.js';

const certificate = hostCertificate(
  'sts-many',
  ['example.test', ...Array.from({ length: 10 }, (_, n) => `d${n}.test`)]
    .map((domain) => `DNS:mta-sts.${domain}`)
    .join(','),
);
const minute = 60_000;
const day = 24 * 60 * minute;
const start = Date.UTC(2030, 0, 1);

const text = (mode: string, maxAge = 604_800): string =>
  `version: STSv1\nmode: ${mode}\nmx: mx.example.test\nmax_age: ${maxAge}\n`;

/** A world with one web server, one TXT record for all domains, and a clock. */
class World {
  now = start;
  txt: DnsResult<string> = found('', ['v=STSv1; id=1'], 60);
  lookups = 0;
  body = text('enforce');
  status = 200;
  readonly warnings: string[] = [];
  readonly server: PolicyServer;

  private constructor(server: PolicyServer) {
    this.server = server;
  }

  static async make(): Promise<World> {
    const server = await PolicyServer.start(certificate, (response) => {
      response.statusCode = world.status;
      textPlain(world.body)(response);
    });
    const world: World = new World(server);
    return world;
  }

  get fetches(): number {
    return this.server.requests.length;
  }

  sts(props: Partial<MtaStsProps> = {}): MtaSts {
    const { dns, ...rest } = this.server.props;
    const txt = async (): Promise<DnsResult<string>> => {
      this.lookups++;
      return this.txt;
    };
    return new MtaSts({
      ...{ ...rest, dns: { ...dns, txt }, now: () => this.now },
      logger: { warn: (line) => void this.warnings.push(line) },
      ...props,
    });
  }
}

function directory(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mxtls-sts-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

const failed = (type: string, why: string) => ({ kind: 'failure', type, text: why });

describe('a policy', () => {
  test('is fetched once and then comes from the cache', async () => {
    const world = await World.make();
    const sts = world.sts();
    const policy = await sts.policyFor('Example.TEST.');
    expect(policy).toMatchObject({
      ...{ kind: 'policy', domain: 'example.test', id: '1', fetchedAt: start },
      ...{ expiresAt: start + 604_800_000, file: { mode: 'enforce', mx: ['mx.example.test'] } },
    });
    world.now += day / 2;
    expect(await sts.policyFor('example.test')).toEqual(policy);
    expect(world.fetches).toBe(1);
  });

  test('is fetched once for those who ask at the same time', async () => {
    const world = await World.make();
    const sts = world.sts();
    const answers = await Promise.all([1, 2, 3].map(() => sts.policyFor('example.test')));
    expect(answers.map((answer) => answer?.kind)).toEqual(['policy', 'policy', 'policy']);
    expect([world.lookups, world.fetches]).toEqual([1, 1]);
  });

  test.each([
    '[192.0.2.1]',
    '192.0.2.1',
    '[mx.example.test]',
    '',
    'a..b',
    '../x',
    'a/b',
    'x'.repeat(250),
  ])('is not looked for at "%s"', async (name) => {
    const world = await World.make();
    expect(await world.sts().policyFor(name)).toBe(null);
    expect(world.lookups).toBe(0);
  });

  test('is not fetched without a record', async () => {
    const world = await World.make();
    world.txt = none('');
    expect(await world.sts().policyFor('example.test')).toBe(null);
    expect(world.fetches).toBe(0);
  });

  test('with max_age 0 holds for a minute, for the message that had it fetched', async () => {
    const world = await World.make();
    world.body = text('enforce', 0);
    const sts = world.sts();
    expect((await sts.policyFor('example.test'))?.kind).toBe('policy');
    world.now += minute;
    world.txt = none('');
    expect(await sts.policyFor('example.test')).toBe(null);
  });
});

describe('a cached policy holds', () => {
  test('when the record is gone, until it expires', async () => {
    const world = await World.make();
    const sts = world.sts();
    const policy = await sts.policyFor('example.test');
    world.txt = none('');
    world.now += 7 * day - 1;
    expect(await sts.policyFor('example.test')).toEqual(policy);
    world.now += 1;
    expect(await sts.policyFor('example.test')).toBe(null);
    expect(world.fetches).toBe(1);
  });

  test('when the record cannot be looked up, which is tried again after a minute', async () => {
    const world = await World.make();
    const sts = world.sts();
    world.txt = unreachable;
    expect(await sts.policyFor('example.test')).toBe(null);
    expect(world.warnings).toEqual([
      'cannot look up the MTA-STS record _mta-sts.example.test: no server answered',
    ]);
    world.txt = found('', ['v=STSv1; id=1']);
    world.now += minute - 1;
    expect(await sts.policyFor('example.test')).toBe(null);
    world.now += 1;
    const policy = await sts.policyFor('example.test');
    expect(policy?.kind).toBe('policy');
    world.txt = unreachable;
    world.now += 10 * minute;
    expect(await sts.policyFor('example.test')).toEqual(policy);
  });

  test('when the id has changed and the new one cannot be fetched', async () => {
    const world = await World.make();
    const sts = world.sts();
    const policy = await sts.policyFor('example.test');
    world.txt = found('', ['v=STSv1; id=2']);
    world.status = 500;
    world.now += 10 * minute;
    expect(await sts.policyFor('example.test')).toEqual(policy);
    expect(world.fetches).toBe(2);
    expect(world.warnings).toEqual([
      'MTA-STS policy of example.test: sts-policy-fetch-error: mta-sts.example.test: HTTP status ' +
        '500; using the one that expires 2030-01-08T00:00:00.000Z',
    ]);
  });

  test('when the resolver throws', async () => {
    const world = await World.make();
    const dns = {
      ...world.server.props.dns,
      txt: () => {
        throw new Error('broken');
      },
    };
    expect(await world.sts({ dns }).policyFor('example.test')).toBe(null);
    expect(world.warnings[0]).toMatch(/: broken$/);
  });
});

test('a new id brings the new policy at once', async () => {
  const world = await World.make();
  const sts = world.sts();
  await sts.policyFor('example.test');
  world.txt = found('', ['v=STSv1; id=2']);
  world.body = text('none');
  world.now += minute;
  expect(await sts.policyFor('example.test')).toMatchObject({ id: '2', file: { mode: 'none' } });
});

test.each([0, 604_800])(
  'an id that changes all the time, max_age %i, costs a fetch a minute',
  async (maxAge) => {
    const world = await World.make();
    world.body = text('enforce', maxAge);
    const sts = world.sts();
    for (let id = 0; id < 20; id++) {
      world.txt = found('', [`v=STSv1; id=${id}`], 0);
      expect((await sts.policyFor('example.test'))?.kind).toBe('policy');
      world.now += 6_000;
    }
    await sts.idle();
    expect(world.fetches).toBe(2);
  },
);

describe('a failed fetch', () => {
  test('is remembered for five minutes', async () => {
    const world = await World.make();
    const sts = world.sts();
    world.status = 404;
    const failure = failed('sts-policy-fetch-error', 'mta-sts.example.test: HTTP status 404');
    expect(await sts.policyFor('example.test')).toEqual(failure);
    world.status = 200;
    world.now += 5 * minute - 1;
    world.txt = found('', ['v=STSv1; id=2']);
    expect(await sts.policyFor('example.test')).toEqual(failure);
    expect(world.fetches).toBe(1);
    world.now += 1;
    expect(await sts.policyFor('example.test')).toMatchObject({ kind: 'policy', id: '2' });
    expect(world.warnings).toEqual([
      `MTA-STS policy of example.test: sts-policy-fetch-error: ${failure.text}; delivering without`,
    ]);
  });

  test('says so when the policy is none', async () => {
    const world = await World.make();
    world.body = 'nonsense';
    const why = 'mta-sts.example.test: line 1 is not "key: value"';
    expect(await world.sts().policyFor('example.test')).toEqual(failed('sts-policy-invalid', why));
  });

  test('of a policy of mode none is nobody\u2019s concern', async () => {
    const world = await World.make();
    const sts = world.sts();
    world.body = text('none');
    await sts.policyFor('example.test');
    world.status = 404;
    world.now += day;
    await sts.policyFor('example.test');
    await sts.idle();
    expect([world.fetches, world.warnings]).toEqual([2, []]);
  });
});

describe('a policy is refreshed', () => {
  test('in the background when it is asked for and a day old', async () => {
    const world = await World.make();
    const sts = world.sts();
    const old = await sts.policyFor('example.test');
    world.now += day;
    expect(await sts.policyFor('example.test')).toEqual(old);
    await sts.idle();
    expect(await sts.policyFor('example.test')).toMatchObject({ id: '1', fetchedAt: start + day });
    expect(world.fetches).toBe(2);
  });

  test('when half its life has passed, if that is sooner', async () => {
    const world = await World.make();
    world.body = text('enforce', 3600);
    const sts = world.sts();
    await sts.policyFor('example.test');
    world.now += 30 * minute;
    await sts.policyFor('example.test');
    await sts.idle();
    expect(world.fetches).toBe(2);
  });

  test('by refresh(), if somebody has asked for it since the last time', async () => {
    const world = await World.make();
    const sts = world.sts();
    await sts.policyFor('example.test');
    world.now += minute;
    await sts.policyFor('example.test');
    await sts.refresh();
    expect(world.fetches).toBe(1);
    world.now += day;
    await sts.refresh();
    expect(world.fetches).toBe(2);
    world.now += day;
    await sts.refresh();
    expect(world.fetches).toBe(2);
  });
});

test('no more policies are fetched at a time than allowed', async () => {
  let most = 0;
  let now = 0;
  const world = await World.make();
  const dns = {
    txt: async () => found('', ['v=STSv1; id=1']),
    a: async (name: string) => {
      most = Math.max(most, ++now);
      await new Promise(setImmediate);
      now--;
      return found(name, ['127.0.0.1']);
    },
    aaaa: world.server.props.dns.aaaa,
  };
  const sts = world.sts({ dns, concurrency: 3 });
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, n) => sts.policyFor(`d${n}.test`)),
  );
  expect(answers.filter((answer) => answer?.kind === 'policy')).toHaveLength(10);
  expect(most).toBe(3);
});

describe('a directory', () => {
  test('keeps policies over a restart', async () => {
    const world = await World.make();
    const folder = join(directory(), 'a', 'b');
    const policy = await world
      .sts({ store: new DirectoryStsStore(folder) })
      .policyFor('example.test');
    const again = world.sts({ store: new DirectoryStsStore(folder) });
    expect(await again.policyFor('example.test')).toEqual(policy);
    expect(world.fetches).toBe(1);
    expect(readdirSync(folder)).toEqual(['example.test.json']);
    expect(JSON.parse(readFileSync(join(folder, 'example.test.json'), 'utf8'))).toEqual({
      ...{ domain: 'example.test', id: '1', fetchedAt: start },
      policy: world.body.trimEnd().split('\n'),
    });
  });

  test.each(['', '{', 'null', '[]', '{"id":1}', '{"id":"1","fetchedAt":0,"policy":["x"]}'])(
    'with %j in a file costs a fetch and nothing else',
    async (content) => {
      const world = await World.make();
      const folder = directory();
      writeFileSync(join(folder, 'example.test.json'), content);
      const sts = world.sts({ store: new DirectoryStsStore(folder) });
      expect((await sts.policyFor('example.test'))?.kind).toBe('policy');
      expect([world.fetches, world.warnings]).toEqual([1, []]);
    },
  );

  test('with a policy of another domain, or from the future, has none', async () => {
    const world = await World.make();
    const folder = directory();
    const stored = { id: '1', policy: world.body.split('\n') };
    const entries = { 'd1.test': ['d2.test', start], 'd3.test': ['d3.test', start + 1] } as const;
    for (const [file, [domain, fetchedAt]] of Object.entries(entries)) {
      writeFileSync(join(folder, `${file}.json`), JSON.stringify({ ...stored, domain, fetchedAt }));
    }
    const sts = world.sts({ store: new DirectoryStsStore(folder) });
    world.txt = none('');
    expect(await sts.policyFor('d1.test')).toBe(null);
    expect(await sts.policyFor('d3.test')).toBe(null);
  });

  test('loses with refresh() what has expired', async () => {
    const world = await World.make();
    const folder = directory();
    const store = new DirectoryStsStore(folder);
    await world.sts({ store }).policyFor('d1.test');
    world.now += 6 * day;
    await world.sts({ store }).policyFor('d2.test');
    world.now += day;
    await world.sts({ store }).refresh();
    expect(readdirSync(folder)).toEqual(['d2.test.json']);
  });
});

test('a store that fails costs a warning and no policy', async () => {
  const world = await World.make();
  const broken = (): never => {
    throw new Error('disk full');
  };
  const store: StsStore = { load: broken, save: broken, remove: broken, domains: broken };
  const sts = world.sts({ store });
  expect((await sts.policyFor('example.test'))?.kind).toBe('policy');
  await sts.refresh();
  expect(world.warnings).toEqual([
    'reading the MTA-STS policy of example.test failed: disk full',
    'storing the MTA-STS policy of example.test failed: disk full',
    'listing the MTA-STS policy of all domains failed: disk full',
  ]);
});

test('what is forgotten in memory is read from the store again', async () => {
  const world = await World.make();
  const store = new MemoryStsStore();
  await world.sts({ store }).policyFor('example.test');
  expect((await world.sts({ store }).policyFor('example.test'))?.kind).toBe('policy');
  expect(world.fetches).toBe(1);
});

test('memory holds so many policies and no more, the newest', async () => {
  const store = new MemoryStsStore(2);
  for (const domain of ['d1.test', 'd2.test', 'd1.test', 'd3.test']) {
    const file = { mode: 'none', mx: [], maxAge: 0, strings: [] } as const;
    await store.save({ domain, id: '1', file, fetchedAt: start });
  }
  expect(await store.domains()).toEqual(['d1.test', 'd3.test']);
});

test('of domains the one that was not asked for longest is forgotten', () => {
  const states = new DomainStates(2);
  const first = states.get('a');
  states.get('b');
  expect(states.get('a')).toBe(first);
  states.get('c');
  expect([...states].map(({ domain }) => domain)).toEqual(['a', 'c']);
});
