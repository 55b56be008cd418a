import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Answer } from 'dns-packet';
import { afterEach, describe, expect, test } from 'vitest';
import { Resolver, type ResolverOptions } from '../../lib/dns/resolver.js';
import { TlsError } from '../../lib/errors.js';
import { answer, type DnsQuery, type DnsScript, ScriptedDns } from '../helpers/scripted-dns.js';

const servers: ScriptedDns[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.close();
  }
});

async function serve(script: DnsScript): Promise<ScriptedDns> {
  const server = await ScriptedDns.start(script);
  servers.push(server);
  return server;
}

function resolver(server: ScriptedDns, options: ResolverOptions = {}): Resolver {
  return new Resolver({ servers: [server.address], timeout: 2, attempts: 1, ...options });
}

function a(name: string, data = '192.0.2.1', ttl = 60): Answer {
  return { type: 'A', name, data, ttl, class: 'IN' };
}

function cname(name: string, data: string): Answer {
  return { type: 'CNAME', name, data, ttl: 30, class: 'IN' };
}

function soa(minimum: number, ttl = 600): Answer {
  const data = { mname: 'ns.example', rname: 'h.example', minimum };
  return { type: 'SOA', name: 'example', ttl, class: 'IN', data };
}

const found = (query: DnsQuery) => [answer(query, { answers: [a(query.name)], ad: true })];

describe('records', () => {
  test('MX, TLSA, TXT, AAAA and CNAME come as mail needs them', async () => {
    const data = Buffer.from('00ff', 'hex');
    const answers: Record<string, Answer['data' & keyof Answer] | Answer> = {
      MX: {
        type: 'MX',
        name: 'x.example',
        ttl: 9,
        data: { preference: 10, exchange: 'MX.Example' },
      },
      TLSA: {
        type: 'TLSA',
        name: 'x.example',
        ttl: 9,
        data: { usage: 3, selector: 1, matchingType: 1, certificate: data },
      },
      TXT: { type: 'TXT', name: 'x.example', ttl: 9, data: ['v=STSv1; ', 'id=1;'] },
      AAAA: { type: 'AAAA', name: 'x.example', ttl: 9, data: '2001:db8::1' },
      CNAME: cname('x.example', 'Y.Example'),
    };
    const server = await serve((query) => [
      answer(query, { answers: [answers[query.type] as Answer] }),
    ]);
    const dns = resolver(server);
    const common = { kind: 'found', secure: false, name: 'x.example', ttl: 9 };
    expect(await dns.mx('x.example')).toEqual({
      ...common,
      records: [{ preference: 10, exchange: 'mx.example' }],
    });
    expect(await dns.tlsa('x.example')).toEqual({
      ...common,
      records: [{ usage: 3, selector: 1, matchingType: 1, data }],
    });
    expect(await dns.txt('x.example')).toEqual({ ...common, records: ['v=STSv1; id=1;'] });
    expect(await dns.aaaa('x.example')).toEqual({ ...common, records: ['2001:db8::1'] });
    expect(await dns.cname('x.example')).toEqual({ ...common, records: ['y.example'], ttl: 30 });
  });

  test('names are asked in canonical form', async () => {
    const server = await serve(found);
    expect(await resolver(server).a('MX.Example.')).toMatchObject({ name: 'mx.example' });
  });

  test.each(['', '.', 'a..b', `${'a'.repeat(64)}.example`, `${'a.'.repeat(127)}b`, 'ä.example'])(
    'what is not a name is not asked for: "%s"',
    async (name) => {
      const server = await serve(found);
      const result = await resolver(server).a(name);
      expect(result).toMatchObject({ kind: 'failure', reason: 'malformed' });
      expect(server.queries).toHaveLength(0);
    },
  );
});

describe('the query', () => {
  test('asks with recursion, AD, EDNS of 1232 bytes and DO', async () => {
    const server = await serve(found);
    await resolver(server).a('mx.example');
    const { message } = server.queries[0] ?? expect.fail('no query');
    expect(message).toMatchObject({ flag_rd: true, flag_ad: true, flag_cd: false });
    expect(message.additionals).toMatchObject([
      { type: 'OPT', udpPayloadSize: 1232, flag_do: true, ednsVersion: 0 },
    ]);
  });

  test('differs in id, port and case each time', async () => {
    const server = await serve(found);
    const dns = resolver(server);
    const names = Array.from({ length: 8 }, (_, i) => `averylonghostname${i}.example`);
    await Promise.all(names.map((name) => dns.a(name)));
    const cases = server.queries.map(({ message }) =>
      message.questions?.[0]?.name.replace(/\d/, ''),
    );
    const ids = server.queries.map(({ message }) => message.id);
    const ports = server.queries.map(({ port }) => port);
    // Two of eight may be the same by chance.
    expect(new Set(ids).size).toBeGreaterThan(6);
    expect(new Set(ports).size).toBeGreaterThan(6);
    expect(new Set(cases).size).toBeGreaterThan(6);
  });

  test('goes without EDNS to a server that does not know it', async () => {
    const server = await serve((query) =>
      query.message.additionals?.length === 1 ? [answer(query, { code: 1 })] : found(query),
    );
    expect(await resolver(server).a('mx.example')).toMatchObject({ kind: 'found' });
    expect(server.queries).toHaveLength(2);
  });
});

describe('answers that are not ours', () => {
  const wrong: [string, (query: DnsQuery) => Buffer][] = [
    ['another id', (query) => answer(query, { change: { id: (query.message.id ?? 0) ^ 1 } })],
    ['another name', (query) => answer(query, { change: questions('other.example', 'A') })],
    ['another type', (query) => answer(query, { change: questions(sentName(query), 'TXT') })],
    ['no question', (query) => answer(query, { change: { questions: [] } })],
    ['two questions', (query) => answer(query, { change: twoQuestions(query) })],
    ['a query', (query) => answer(query, { change: { type: 'query' } })],
    ['broken off', (query) => answer(query, { answers: [a(query.name)] }).subarray(0, -3)],
    ['something after it', (query) => Buffer.concat([answer(query), Buffer.from('x')])],
    ['a short message', () => Buffer.from('abc')],
    ['nothing', () => Buffer.alloc(0)],
  ];

  test.each(wrong)('are passed over: %s', async (_, make) => {
    const server = await serve((query) => [make(query), ...found(query)]);
    expect(await resolver(server).a('mx.example')).toMatchObject({
      kind: 'found',
      records: ['192.0.2.1'],
    });
  });

  test('another case of the name makes it ask over TCP', async () => {
    const forged = 'A.EXAMPLE';
    const server = await serve((query) =>
      query.transport === 'tcp'
        ? found(query)
        : [
            answer(query, {
              change: questions(forged === sentName(query) ? 'a.example' : forged, 'A'),
              answers: [a('a.example', '203.0.113.9')],
            }),
          ],
    );
    expect(await resolver(server).a('a.example')).toMatchObject({ records: ['192.0.2.1'] });
    expect(server.queries.map(({ transport }) => transport)).toEqual(['udp', 'tcp']);
  });

  test('only unreadable ones until time is out: malformed', async () => {
    const server = await serve((query) => [answer(query).subarray(0, 14)]);
    const result = await resolver(server, { timeout: 0.3 }).a('mx.example');
    expect(result).toEqual({
      kind: 'failure',
      reason: 'malformed',
      text: `mx.example A: ${server.address}: the answer cannot be read`,
    });
  });
});

function questions(name: string, type: 'A' | 'TXT') {
  return { questions: [{ name, type }] };
}

function sentName(query: DnsQuery): string {
  return query.message.questions?.[0]?.name ?? '';
}

function twoQuestions(query: DnsQuery) {
  return {
    questions: [...(query.message.questions ?? []), { name: 'b.example', type: 'A' as const }],
  };
}

describe('TCP', () => {
  test('is used when the answer is truncated, wherever it breaks off', async () => {
    const server = await serve((query) =>
      query.transport === 'tcp'
        ? [answer(query, { answers: manyAddresses(query.name) })]
        : [answer(query, { truncated: true, answers: manyAddresses(query.name) }).subarray(0, 100)],
    );
    const result = await resolver(server).a('mx.example');
    expect(result.kind === 'found' && result.records.length).toBe(200);
  });

  test('an answer that is truncated even there says nothing', async () => {
    const server = await serve((query) => [answer(query, { truncated: true, ad: true })]);
    expect(await resolver(server).tlsa('a.example')).toMatchObject({
      kind: 'failure',
      reason: 'malformed',
    });
  });

  test('a server that ends the connection is unreachable, at once', async () => {
    const server = await serve((query) =>
      query.transport === 'tcp' ? [] : [answer(query, { truncated: true })],
    );
    const result = await resolver(server, { timeout: 30 }).a('a.example');
    expect(result).toEqual({
      kind: 'failure',
      reason: 'unreachable',
      text: `a.example A: ${server.address}: the server closed the connection`,
    });
  });

  test('rubbish over TCP is malformed', async () => {
    const server = await serve((query) =>
      query.transport === 'tcp' ? [Buffer.from('rubbish')] : [answer(query, { truncated: true })],
    );
    expect(await resolver(server).a('mx.example')).toMatchObject({ reason: 'malformed' });
  });
});

function manyAddresses(name: string): Answer[] {
  return Array.from({ length: 200 }, (_, i) => a(name, `192.0.2.${i}`));
}

describe('aliases', () => {
  test('are followed within the answer; the shortest time to live counts', async () => {
    const server = await serve((query) => [
      answer(query, {
        answers: [cname('a.example', 'B.example'), cname('b.example', 'c.example'), a('c.example')],
      }),
    ]);
    expect(await resolver(server).a('a.example')).toMatchObject({ name: 'c.example', ttl: 30 });
  });

  test('records of other names do not count', async () => {
    const server = await serve((query) => [
      answer(query, { answers: [a('b.example'), cname('b.example', 'c.example')] }),
    ]);
    const result = await resolver(server).a('a.example');
    expect(result).toMatchObject({ kind: 'none', reason: 'nodata', name: 'a.example' });
  });

  test('that end nowhere name the last one', async () => {
    const server = await serve((query) => [
      answer(query, { code: 3, answers: [cname('a.example', 'b.example')] }),
    ]);
    const result = await resolver(server).a('a.example');
    expect(result).toMatchObject({ kind: 'none', reason: 'nxdomain', name: 'b.example' });
  });

  test.each([
    ['in a circle', [cname('a.example', 'b.example'), cname('b.example', 'a.example')]],
    ['too many', Array.from({ length: 18 }, (_, i) => cname(`${chain(i)}`, chain(i + 1)))],
    ['to no name', [cname('a.example', '.')]],
  ])('%s are malformed', async (_, answers) => {
    const server = await serve((query) => [answer(query, { answers })]);
    expect(await resolver(server).a('a.example')).toMatchObject({
      kind: 'failure',
      reason: 'malformed',
    });
  });
});

function chain(i: number): string {
  return i === 0 ? 'a.example' : `a${i}.example`;
}

describe('security', () => {
  test('AD of a loopback server is believed', async () => {
    const server = await serve(found);
    expect(await resolver(server).a('a.example')).toMatchObject({ secure: true });
  });

  test('without AD an answer is insecure', async () => {
    const server = await serve((query) => [answer(query, { answers: [a(query.name)] })]);
    expect(await resolver(server).a('a.example')).toMatchObject({ secure: false });
  });

  test('a negative answer is secure by AD, too', async () => {
    const server = await serve((query) => [answer(query, { code: 3, ad: true })]);
    expect(await resolver(server).a('a.example')).toMatchObject({ kind: 'none', secure: true });
  });

  test.each([6, 7, 8, 9, 10, 11, 12])('SERVFAIL with extended error %i is bogus', async (error) => {
    const server = await serve((query) => [answer(query, { code: 2, error })]);
    expect(await resolver(server).tlsa('a.example')).toEqual({
      kind: 'failure',
      reason: 'bogus',
      text: `a.example TLSA: DNSSEC validation failed (extended error ${error})`,
    });
  });

  test('SERVFAIL that CD makes go away is bogus', async () => {
    const server = await serve((query) =>
      query.checkingDisabled ? found(query) : [answer(query, { code: 2 })],
    );
    expect(await resolver(server).a('a.example')).toEqual({
      kind: 'failure',
      reason: 'bogus',
      text: 'a.example A: DNSSEC validation failed',
    });
  });

  test.each([undefined, 22])(
    'SERVFAIL with and without CD is SERVFAIL (error %s)',
    async (error) => {
      const server = await serve((query) => [
        answer(query, error === undefined ? { code: 2 } : { code: 2, error }),
      ]);
      expect(await resolver(server).a('a.example')).toMatchObject({
        reason: 'servfail',
        text: 'a.example A: the server answers SERVFAIL',
      });
    },
  );

  test('bogus is final: no other server is asked', async () => {
    const one = await serve((query) => [answer(query, { code: 2, error: 6 })]);
    const other = await serve(found);
    const dns = resolver(one, { servers: [one.address, other.address], attempts: 3 });
    expect(await dns.a('a.example')).toMatchObject({ reason: 'bogus' });
    expect([one.queries.length, other.queries.length]).toEqual([1, 0]);
  });
});

describe('several servers', () => {
  test.each([
    ['REFUSED', 5],
    ['SERVFAIL', 2],
    ['NXRRSET', 8],
  ])('after %s the next one is asked', async (_, code) => {
    const one = await serve((query) => [answer(query, { code })]);
    const other = await serve(found);
    const dns = resolver(one, { servers: [one.address, other.address] });
    expect(await dns.a('a.example')).toMatchObject({ kind: 'found' });
  });

  test('a server that offers no recursion and knows nothing counts as refusing', async () => {
    const server = await serve((query) => [answer(query, { recursion: false })]);
    expect(await resolver(server).a('a.example')).toMatchObject({
      reason: 'refused',
      text: 'a.example A: the server does not offer recursion',
    });
  });

  test('one that says nothing is asked in each round, one that refuses once', async () => {
    const mute = await serve(() => []);
    const refusing = await serve((query) => [answer(query, { code: 5 })]);
    const dns = resolver(mute, {
      servers: [mute.address, refusing.address],
      attempts: 3,
      timeout: 0.3,
    });
    expect(await dns.a('a.example')).toMatchObject({ kind: 'failure', reason: 'refused' });
    expect([mute.queries.length, refusing.queries.length]).toEqual([3, 1]);
  });

  test('nobody there is unreachable, at once', async () => {
    const server = await serve(found);
    server.close();
    servers.length = 0;
    const result = await resolver(server, { timeout: 30 }).a('a.example');
    expect(result).toEqual({
      kind: 'failure',
      reason: 'unreachable',
      text: `a.example A: ${server.address}: ECONNREFUSED`,
    });
  });

  test('silence is unreachable when time is out', async () => {
    const server = await serve(() => []);
    const result = await resolver(server, { timeout: 0.03 }).a('a.example');
    expect(result).toMatchObject({
      reason: 'unreachable',
      text: `a.example A: ${server.address}: no answer in time`,
    });
  });
});

describe('cache', () => {
  test('an answer holds for its time to live and counts down', async () => {
    let now = 0;
    const server = await serve(found);
    const dns = resolver(server, { now: () => now });
    await dns.a('a.example');
    now = 59_000;
    expect(await dns.a('A.example')).toMatchObject({ kind: 'found', ttl: 1 });
    now = 60_000;
    await dns.a('a.example');
    expect(server.queries).toHaveLength(2);
  });

  test.each([
    ['by the SOA minimum', [soa(20)], 20],
    ['by the time to live of the SOA', [soa(6000)], 600],
    ['not without SOA', [], 0],
  ])('a negative answer holds %s', async (_, authorities, ttl) => {
    let now = 0;
    const server = await serve((query) => [answer(query, { code: 3, authorities })]);
    const dns = resolver(server, { now: () => now });
    expect(await dns.a('a.example')).toMatchObject({ kind: 'none', ttl });
    now = ttl * 1000 - 1;
    await dns.a('a.example');
    expect(server.queries).toHaveLength(ttl === 0 ? 2 : 1);
    now++;
    await dns.a('a.example');
    expect(server.queries).toHaveLength(ttl === 0 ? 3 : 2);
  });

  test.each([
    ['an hour of absence', { code: 3, authorities: [soa(100_000, 100_000)] }, 3600],
    ['a day of presence', { answers: [a('a.example', '192.0.2.1', 1_000_000)] }, 86_400],
    ['no time with the top bit set', { answers: [a('a.example', '192.0.2.1', 2 ** 31)] }, 0],
    ['no absence with it', { code: 3, authorities: [soa(2 ** 31, 2 ** 31)] }, 0],
  ])('at most %s', async (_, parts, ttl) => {
    const server = await serve((query) => [answer(query, parts)]);
    expect(await resolver(server).a('a.example')).toMatchObject({ ttl });
  });

  test('failures are not kept', async () => {
    const server = await serve((query) => [answer(query, { code: 5 })]);
    const dns = resolver(server);
    await dns.a('a.example');
    await dns.a('a.example');
    expect(server.queries).toHaveLength(2);
  });

  test('is bounded: the least recently used goes', async () => {
    const server = await serve(found);
    const dns = resolver(server, { cacheSize: 2 });
    for (const name of ['a', 'b', 'a', 'c', 'a', 'b']) {
      await dns.a(`${name}.example`);
    }
    expect(server.queries.map(({ name }) => name[0]).join('')).toBe('abcb');
  });

  test('look-ups at the same time share one query', async () => {
    const server = await serve(found);
    const dns = resolver(server);
    await Promise.all(Array.from({ length: 50 }, () => dns.a('a.example')));
    expect(server.queries).toHaveLength(1);
  });

  test('2,000 names at once are all answered', async () => {
    const server = await serve(found);
    const dns = resolver(server);
    const names = Array.from({ length: 2000 }, (_, i) => `h${i}.example`);
    const results = await Promise.all(names.map((name) => dns.a(name)));
    expect(results.every(({ kind }) => kind === 'found')).toBe(true);
  });
});

describe('the servers of resolv.conf', () => {
  test('are read again when the file has changed', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'mxtls-resolv-'));
    const resolvConf = join(directory, 'resolv.conf');
    let now = 0;
    writeFileSync(resolvConf, 'nameserver 127.0.0.1\n');
    const dns = new Resolver({ resolvConf, now: () => now });
    expect((await dns.check({})).text).toContain('127.0.0.1:53');
    writeFileSync(resolvConf, 'nameserver 192.0.2.1\nnameserver 192.0.2.2\n');
    now = 5000;
    expect((await dns.check()).text).toBe(
      'DANE is without effect: DNS server 192.0.2.1:53, 192.0.2.2:53 is neither on a loopback address nor trusted (trust-ad); run a validating resolver on this machine',
    );
    rmSync(directory, { recursive: true });
  });
});

describe('check', () => {
  const names = { signed: 'good.example', bogus: 'bad.example' };
  const bogus = (query: DnsQuery) => [answer(query, { code: 2, error: 6 })];
  const bare = (query: DnsQuery) => [answer(query, { answers: [a(query.name)] })];
  const nobody = (query: DnsQuery) => [answer(query, { code: 3 })];
  const rows: [string, DnsScript, string][] = [
    [
      'validates',
      (query) => (query.name.startsWith('good') ? found(query) : bogus(query)),
      'DNS server S validates DNSSEC',
    ],
    [
      'no-validation',
      bare,
      'DANE is without effect: DNS server S does not validate DNSSEC: the signed name good.example comes without the AD bit',
    ],
    [
      'no-validation',
      found,
      'DANE is without effect: DNS server S does not validate DNSSEC: the bogus name bad.example is not refused',
    ],
    [
      'unknown',
      (query) => [answer(query, { code: 5 })],
      'cannot tell whether DNS server S validates DNSSEC: good.example A: the server answers REFUSED',
    ],
    [
      'unknown',
      (query) => (query.name.startsWith('good') ? found(query) : [answer(query, { code: 5 })]),
      'cannot tell whether DNS server S validates DNSSEC: bad.example A: the server answers REFUSED',
    ],
    [
      'unknown',
      nobody,
      'cannot tell whether DNS server S validates DNSSEC: it does not have the signed name good.example; name one of your own (validationNames)',
    ],
    [
      'unknown',
      (query) => (query.name.startsWith('good') ? found(query) : nobody(query)),
      'cannot tell whether DNS server S validates DNSSEC: it does not have the bogus name bad.example; name one of your own (validationNames)',
    ],
  ];

  test.each(rows)('%s (%#)', async (outcome, script, text) => {
    const server = await serve(script);
    const check = await resolver(server).check(names);
    expect({ ...check, text: check.text.replace(server.address, 'S') }).toEqual({ outcome, text });
  });
});

describe('options', () => {
  test.each([[[]], [['localhost']], [['127.0.0.1:0']], [['127.0.0.1:65536']], [['[::1']]])(
    'servers that are none: %j',
    (list) => {
      expect(() => new Resolver({ servers: list })).toThrow(
        expect.objectContaining({ name: 'TlsError', code: 'INVALID_ARGUMENT', class: 'usage' }),
      );
    },
  );

  test.each([{ timeout: 0 }, { attempts: Number.NaN }, { cacheSize: -1 }])(
    'numbers that are none: %j',
    (options) => {
      expect(() => new Resolver(options)).toThrow(TlsError);
    },
  );
});
