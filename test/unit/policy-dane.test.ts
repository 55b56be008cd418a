/** The levels dane and dane-only: preconditions, the destination table, TLSA queries, records. */
import { describe, expect, test } from 'vitest';
import { readDaneDigests } from '../../lib/policy/dane-digests.js';
import { isProblem, type PolicyFacts, type PolicySettings } from '../../lib/policy/policy.js';
import {
  failure,
  hostFacts,
  policyWorld,
  tlsaFound,
  tlsaRecord,
  type Zone,
} from '../helpers/policy.js';

const question = '_25._tcp.mx.example.org';
const sha256 = 'ab'.repeat(32);
const good = `3 1 1 ${sha256}`;
const signed: Zone = { [`tlsa ${question}`]: tlsaFound(question, [good]) };
const rejected: Zone = { [`tlsa ${question}`]: tlsaFound(question, [`1 1 1 ${sha256}`]) };

interface Decision {
  readonly result: string;
  readonly warnings: readonly string[];
}

/** `level` or `dsn text`. */
async function decide(
  level: 'dane' | 'dane-only',
  zone: Zone,
  facts: Partial<PolicyFacts> = {},
  settings: Partial<PolicySettings> = {},
): Promise<Decision> {
  const { resolver, warnings } = policyWorld({
    settings: { securityLevel: level, ...settings },
    zone,
  });
  const policy = await resolver.resolvePolicy(hostFacts(facts));
  const result = isProblem(policy) ? `${policy.dsn} ${policy.text}` : policy.level;
  return { result, warnings };
}

const problem = '4.7.5 client TLS configuration problem';

describe('preconditions, in their order', () => {
  const rows: readonly (readonly [string, Partial<PolicySettings>, string])[] = [
    ['DNSSEC is off', { dnssec: false, ignoreMxLookupError: true }, 'dnssec lookups disabled'],
    ['hosts are not looked up in DNS', { hostLookup: ['native'] }, 'dnssec lookups disabled'],
    [
      'MX lookup errors are ignored',
      { ignoreMxLookupError: true, resolverAppendsDomains: true },
      'MX lookup errors ignored',
    ],
  ];
  test.each(rows)('%s: dane becomes may, dane-only is refused', async (_, settings, text) => {
    expect(await decide('dane', signed, {}, settings)).toEqual({
      result: 'may',
      warnings: [`example.org: dane configured with ${text}`],
    });
    expect(await decide('dane-only', signed, {}, settings)).toEqual({
      result: problem,
      warnings: [`example.org: dane-only configured with ${text}`],
    });
  });

  test('the resolver appends domains: dane becomes may, dane-only is refused', async () => {
    const settings = { resolverAppendsDomains: true };
    expect(await decide('dane', signed, {}, settings)).toEqual({
      result: 'may',
      warnings: ['example.org: dns resolver options incompatible with dane TLS'],
    });
    expect((await decide('dane-only', signed, {}, settings)).result).toBe(problem);
  });

  test.each(['dane', 'dane-only'] as const)('%s to a UNIX-domain socket', async (level) => {
    expect(await decide(level, {}, { destination: 'unix', nexthop: '/run/lmtp' })).toEqual({
      result: problem,
      warnings: [
        '/run/lmtp: the "dane" security level is invalid for delivery via unix-domain sockets',
      ],
    });
  });
});

describe('the destination table', () => {
  const unsignedMx = { mxSecure: false };
  const failing: Zone = { [`tlsa ${question}`]: failure };
  const rows: readonly {
    readonly situation: string;
    readonly zone: Zone;
    readonly facts?: Partial<PolicyFacts>;
    readonly settings?: Partial<PolicySettings>;
    readonly dane: string;
    readonly daneOnly: string;
  }[] = [
    {
      situation: 'unsigned MX, insecure_mx_policy = may',
      zone: signed,
      facts: unsignedMx,
      settings: { daneInsecureMxPolicy: 'may' },
      dane: 'may',
      daneOnly: '4.7.5 non DNSSEC destination',
    },
    {
      situation: 'TLSA lookup failed',
      zone: failing,
      dane: '4.7.5 TLSA lookup error for mx.example.org:25',
      daneOnly: '4.7.5 TLSA lookup error for mx.example.org:25',
    },
    {
      situation: 'no TLSA records',
      zone: {},
      dane: 'may',
      daneOnly: '4.7.5 no TLSA records found',
    },
    {
      situation: 'unsigned TLSA records',
      zone: { [`tlsa ${question}`]: tlsaFound(question, [good], { secure: false }) },
      dane: 'may',
      daneOnly: '4.7.5 no TLSA records found',
    },
    {
      situation: 'all records rejected',
      zone: rejected,
      dane: 'encrypt',
      daneOnly: '4.7.5 TLSA records unusable',
    },
    {
      situation: 'usable TLSA, unsigned MX, insecure_mx_policy = encrypt',
      zone: signed,
      facts: unsignedMx,
      settings: { daneInsecureMxPolicy: 'encrypt' },
      dane: 'encrypt',
      daneOnly: '4.7.5 non DNSSEC destination',
    },
    {
      situation: 'usable TLSA, unsigned MX, insecure_mx_policy = dane',
      zone: signed,
      facts: unsignedMx,
      dane: 'halfdane',
      daneOnly: '4.7.5 non DNSSEC destination',
    },
    { situation: 'usable TLSA, signed MX', zone: signed, dane: 'dane', daneOnly: 'dane-only' },
    {
      situation: 'usable TLSA, no MX lookup',
      zone: signed,
      facts: { hadMxLookup: false, mxSecure: false, mxName: null, mxExpandedName: null },
      settings: { daneInsecureMxPolicy: 'may' },
      dane: 'dane',
      daneOnly: 'dane-only',
    },
  ];
  test.each(rows)('$situation', async ({ zone, facts, settings, dane, daneOnly }) => {
    expect((await decide('dane', zone, facts, settings)).result).toBe(dane);
    expect((await decide('dane-only', zone, facts, settings)).result).toBe(daneOnly);
  });

  test('an unsigned MX is not asked about at level dane-only', async () => {
    const { resolver, asked } = policyWorld({ settings: { securityLevel: 'dane-only' } });
    await resolver.resolvePolicy(hostFacts(unsignedMx));
    expect(asked).toEqual([]);
  });

  test('the warning names next hop and host; a failed lookup is a warning of its own', async () => {
    const { resolver, warnings } = policyWorld({
      settings: { securityLevel: 'dane' },
      zone: failing,
    });
    expect(await resolver.resolvePolicy(hostFacts())).toMatchObject({
      kind: 'problem',
      warning:
        'TLS policy lookup for example.org/mx.example.org: TLSA lookup error for mx.example.org:25',
    });
    expect(warnings).toEqual([
      `DANE TLSA lookup problem: Host or domain name not found. Name service error for name=${question} type=TLSA: Host not found, try again`,
    ]);
  });
});

describe('TLSA queries', () => {
  const alias = { host: 'mx.example.org', expandedName: 'real.example.net' };
  const real = '_25._tcp.real.example.net';

  async function ask(
    facts: Partial<PolicyFacts>,
    zone: Zone,
    settings: Partial<PolicySettings> = {},
  ): Promise<{ asked: readonly string[]; base: string | null; level: string }> {
    const { resolver, asked } = policyWorld({
      settings: { securityLevel: 'dane', ...settings },
      zone,
    });
    const policy = await resolver.resolvePolicy(hostFacts(facts));
    return isProblem(policy)
      ? { asked, base: null, level: policy.text }
      : { asked, base: policy.tlsaBase, level: policy.level };
  }

  test('signed addresses of an alias: the name it stands for', async () => {
    const zone: Zone = { [`tlsa ${real}`]: tlsaFound(real, [good]), ...signed };
    expect(await ask(alias, zone)).toEqual({
      asked: [`tlsa ${real}`],
      base: 'real.example.net',
      level: 'dane',
    });
  });

  test('nothing there: the original name', async () => {
    expect(await ask(alias, signed)).toEqual({
      asked: [`tlsa ${real}`, `tlsa ${question}`],
      base: 'mx.example.org',
      level: 'dane',
    });
  });

  test('unsigned records there: the original name', async () => {
    const zone: Zone = { [`tlsa ${real}`]: tlsaFound(real, [good], { secure: false }), ...signed };
    expect((await ask(alias, zone)).base).toBe('mx.example.org');
  });

  test('a failure there is final', async () => {
    expect(await ask(alias, { [`tlsa ${real}`]: failure, ...signed })).toEqual({
      asked: [`tlsa ${real}`],
      base: null,
      level: 'TLSA lookup error for mx.example.org:25',
    });
  });

  test('unsigned addresses of no alias: no query', async () => {
    expect(await ask({ addressSecure: false }, signed)).toEqual({
      asked: [],
      base: null,
      level: 'may',
    });
  });

  const insecureAlias = { ...alias, addressSecure: false };
  const cname = (secure: boolean): Zone => ({
    'cname mx.example.org': {
      kind: 'found',
      records: ['real.example.net'],
      secure,
      name: 'mx.example.org',
      ttl: 60,
    },
  });

  test('unsigned addresses of a signed alias: the original name only', async () => {
    const zone: Zone = { ...cname(true), ...signed, [`tlsa ${real}`]: tlsaFound(real, [good]) };
    expect(await ask(insecureAlias, zone)).toEqual({
      asked: ['cname mx.example.org', `tlsa ${question}`],
      base: 'mx.example.org',
      level: 'dane',
    });
  });

  test('unsigned addresses of an unsigned alias: no TLSA', async () => {
    expect(await ask(insecureAlias, { ...cname(false), ...signed })).toEqual({
      asked: ['cname mx.example.org'],
      base: null,
      level: 'may',
    });
  });

  test('unsigned addresses of an alias whose lookup fails: an error', async () => {
    expect((await ask(insecureAlias, { 'cname mx.example.org': failure, ...signed })).level).toBe(
      'TLSA lookup error for mx.example.org:25',
    );
  });

  test('smtp_tls_force_insecure_host_tlsa_lookup: unsigned addresses do not matter', async () => {
    const force = { forceInsecureHostTlsaLookup: true };
    expect((await ask({ addressSecure: false }, signed, force)).level).toBe('dane');
    expect((await ask(insecureAlias, signed, force)).asked).toEqual([
      `tlsa ${real}`,
      `tlsa ${question}`,
    ]);
  });

  test('the port is that of the host', async () => {
    expect((await ask({ port: 587 }, signed)).asked).toEqual(['tlsa _587._tcp.mx.example.org']);
  });

  test.each([
    ['records, as long as their TTL, and a second', 5, true, 6000],
    ['records, for 100 seconds at most', 86_400, true, 101_000],
    ['records of TTL 0, for a second', 0, true, 2000],
    ['that there are none, for a second', 86_400, false, 2000],
  ] as const)('are kept: %s', async (_, ttl, exists, until) => {
    let now = 0;
    const { resolver, asked } = policyWorld({
      settings: { securityLevel: 'dane' },
      zone: exists ? { [`tlsa ${question}`]: tlsaFound(question, [good], { ttl }) } : {},
      now: () => now,
    });
    const next = async (time: number): Promise<number> => {
      resolver.requestEnded();
      now = time;
      await resolver.resolvePolicy(hostFacts());
      return asked.length;
    };
    expect(await next(0)).toBe(1);
    expect(await next(until - 1)).toBe(1);
    expect(await next(until)).toBe(2);
  });

  test('failures are not kept, and no more than 20 names are', async () => {
    const { resolver, asked } = policyWorld({
      settings: { securityLevel: 'dane' },
      zone: { [`tlsa ${question}`]: failure },
      now: () => 0,
    });
    const again = async (host: string): Promise<void> => {
      resolver.requestEnded();
      await resolver.resolvePolicy(hostFacts({ host }));
    };
    await again('mx.example.org');
    await again('mx.example.org');
    expect(asked).toHaveLength(2);
    for (let i = 0; i < 21; i++) {
      await again(`mx${i}.example.org`);
    }
    expect(asked).toHaveLength(23);
    await again('mx20.example.org');
    expect(asked).toHaveLength(23);
    await again('mx0.example.org');
    expect(asked).toHaveLength(24);
  });
});

describe('records', () => {
  const zoneOf = (texts: readonly string[], name = question): Zone => ({
    [`tlsa ${question}`]: tlsaFound(question, texts, { name }),
  });

  test.each([
    [`0 0 1 ${sha256}`, `unsupported TLSA certificate usage: 0 0 1 ${sha256.toUpperCase()}`],
    [`1 1 1 ${sha256}`, `unsupported TLSA certificate usage: 1 1 1 ${sha256.toUpperCase()}`],
    ['4 1 1 AB', 'unsupported TLSA certificate usage: 4 1 1 AB'],
    ['255 1 1 AB', 'unsupported TLSA certificate usage: 255 1 1 AB'],
    ['3 1 255 AB', 'reserved private-use matching type: 3 1 255 AB'],
  ])('%s is rejected', async (text, warning) => {
    const decision = await decide('dane', zoneOf([text]));
    expect(decision).toEqual({ result: 'encrypt', warnings: [`${question} ${warning}`] });
  });

  test('without data they are dropped', async () => {
    expect(await decide('dane', zoneOf(['3 1 1']))).toEqual({
      result: 'encrypt',
      warnings: [`${question}: truncated TLSA RR length == 3`],
    });
  });

  test('the warning says where an alias led to', async () => {
    const { warnings } = await decide('dane', zoneOf(['0 0 1 AB'], 'tlsa.example.net'));
    expect(warnings).toEqual([
      `${question} -> tlsa.example.net unsupported TLSA certificate usage: 0 0 1 AB`,
    ]);
  });

  test('rejected ones beside usable ones do not count', async () => {
    const { resolver } = policyWorld({
      settings: { securityLevel: 'dane' },
      zone: zoneOf([`1 1 1 ${sha256}`, good]),
    });
    expect(await resolver.resolvePolicy(hostFacts())).toMatchObject({
      level: 'dane',
      tlsa: [tlsaRecord(good)],
      policyType: 'tlsa',
      policyDomain: 'mx.example.org',
      policyStrings: [`3 1 1 ${sha256.toUpperCase()}`],
    });
  });

  test('a certificate under a trust anchor has the base domain or a name of the MX records; SNI is the base domain', async () => {
    const { resolver } = policyWorld({
      settings: { securityLevel: 'dane', servername: 'other.example' },
      zone: zoneOf([`2 1 1 ${sha256}`]),
    });
    const facts = hostFacts({ nexthop: 'Alias.example', mxExpandedName: 'example.org' });
    expect(await resolver.resolvePolicy(facts)).toMatchObject({
      match: ['mx.example.org', 'example.org', 'alias.example'],
      sni: 'mx.example.org',
    });
  });

  // The column `rpk` of the recorded cases of a real Postfix at levels dane and dane-only, whatever smtp_tls_enable_rpk says.
  test.each([
    ['good-311', [good], true],
    ['good-302', [`3 0 2 ${sha256}${sha256}`], false],
    ['good-211', [`2 1 1 ${sha256}`], false],
    ['mix-bad311-good211', [good, `2 1 1 ${sha256}`], false],
    ['unusable-359', ['3 5 9 00112233'], true],
    ['unusable-sel2', [`3 2 1 ${sha256}`], true],
    ['unusable-longdigest', [`3 1 1 ${sha256}ab`], true],
    ['pkix-plus-good', [`1 1 1 ${sha256}`, good], true],
    ['agility-cross-selector', [good, `3 0 2 ${sha256}${sha256}`], false],
  ])('raw public keys are asked for as recorded: %s', async (_, texts, expected) => {
    for (const securityLevel of ['dane', 'dane-only'] as const) {
      for (const enableRpk of [true, false]) {
        const { resolver } = policyWorld({
          settings: { securityLevel, enableRpk },
          zone: zoneOf(texts),
        });
        expect(await resolver.resolvePolicy(hostFacts())).toMatchObject({ enableRpk: expected });
      }
    }
  });
});

describe('tls_dane_digests', () => {
  const read = (text: string): unknown => {
    const { digests, warnings } = readDaneDigests(text.split(' '));
    return [digests.map(({ name, matchingType }) => `${name}=${matchingType}`), warnings];
  };

  test.each([
    ['sha512 sha256', ['sha512=2', 'sha256=1'], []],
    ['SHA256', ['sha256=1'], []],
    ['sha512=2 sha384=200', ['sha512=2', 'sha384=200'], []],
    ['sha384', [], ['tls_dane_digests: digest algorithm sha384 needs an explicit number']],
    ['sha384=1', [], ['tls_dane_digests: matching type 1 can only be sha256']],
    ['sha384=2', [], ['tls_dane_digests: matching type 2 can only be sha512']],
    ['sha384=0', [], ['Reserved matching type number in tls_dane_digests: sha384=0']],
    ['sha384=255', [], ['Reserved matching type number in tls_dane_digests: sha384=255']],
    ['sha384=256', [], ['Invalid matching type number in tls_dane_digests: sha384=256']],
    ['sha384=x', [], ['Invalid matching type number in tls_dane_digests: sha384=x']],
    ['sha384=', [], ['Invalid matching type number in tls_dane_digests: sha384=']],
    ['sha256 sha256', ['sha256=1'], ['tls_dane_digests: matching type 1 specified more than once']],
    ['nosuch=9', [], ['tls_dane_digests: digest algorithm "nosuch"(9) unknown']],
  ])('%s', (text, digests, warnings) => {
    expect(read(text)).toEqual([digests, warnings]);
  });
});
