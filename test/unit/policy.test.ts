/** The policy of a host: where it comes from, what is filled in, what is refused. */
import { describe, expect, test } from 'vitest';
import { nexthopDomain } from '../../lib/policy/host-name.js';
import { policyKeys } from '../../lib/policy/find.js';
import { readFingerprints } from '../../lib/policy/fingerprints.js';
import { matchesMxPattern } from '../../lib/policy/complete.js';
import { referenceNames } from '../../lib/policy/names.js';
import {
  type HostPolicy,
  isProblem,
  type PolicyFacts,
  type PolicyProblem,
  type PolicySettings,
} from '../../lib/policy/policy.js';
import { heedsTlsRequiredNo, readTlsRequired } from '../../lib/policy/tls-required.js';
import { certificate } from '../helpers/certificates.js';
import { hostFacts, policyWorld } from '../helpers/policy.js';
import type { LookupTable } from '../../lib/maps/table.js';
import { toTable } from '../../lib/maps/table-like.js';

const named = (table: LookupTable): { spec: string; table: LookupTable } => ({
  spec: 'test:table',
  table,
});

/** The policy of a next hop with this value in the table; fails on a problem. */
async function policyOf(
  value: string | null,
  settings: Partial<PolicySettings> = {},
  facts: Partial<PolicyFacts> = {},
): Promise<HostPolicy> {
  const { resolver } = policyWorld({
    settings,
    policyMaps: value === null ? null : [named({ lookup: () => value })],
  });
  const policy = await resolver.resolvePolicy(hostFacts(facts));
  if (isProblem(policy)) {
    throw new Error(policy.text);
  }
  return policy;
}

describe('where it is looked for', () => {
  test.each([
    ['a.b.example', ['a.b.example', '.b.example', '.example']],
    ['example', ['example']],
    ['[mx.example]', ['[mx.example]']],
    ['mx.example:587', ['mx.example:587']],
    ['[192.0.2.1]:25', ['[192.0.2.1]:25']],
    ['/run/lmtp', ['/run/lmtp']],
  ])('%s', (nexthop, keys) => {
    expect(policyKeys(nexthop)).toEqual(keys);
  });

  test('the next hop goes before its parents, an earlier table before a later one, and main.cf comes last', async () => {
    const { resolver } = policyWorld({
      policyMaps: [
        named(toTable({ 'a.example.org': 'encrypt', '.example.net': 'secure' })),
        named(toTable({ '.example.org': 'verify', 'a.example.net': 'none' })),
      ],
    });
    const level = async (nexthop: string): Promise<string> => {
      const policy = await resolver.resolvePolicy(hostFacts({ nexthop }));
      return isProblem(policy) ? policy.text : `${policy.source} ${policy.level}`;
    };
    expect(await level('A.Example.org')).toBe('table encrypt');
    expect(await level('b.example.org')).toBe('table verify');
    expect(await level('a.example.net')).toBe('table none');
    expect(await level('b.example.net')).toBe('table secure');
    expect(await level('example.com')).toBe('global may');
  });

  test('a table that fails makes the policy invalid, and says why', async () => {
    const { resolver, warnings } = policyWorld({
      policyMaps: [named({ lookup: () => Promise.reject(new Error('no such host')) })],
    });
    expect(await resolver.resolvePolicy(hostFacts())).toEqual({
      kind: 'problem',
      dsn: '4.7.5',
      text: 'client TLS configuration problem',
      warning: 'TLS policy lookup for example.org/mx.example.org: client TLS configuration problem',
      levelKnown: null,
      sts: null,
    });
    expect(warnings).toEqual([
      'test:table lookup error for "example.org": no such host',
      'smtp_tls_policy_maps, next-hop destination "example.org": policy table lookup error',
    ]);
  });
});

describe('smtp_tls_per_site', () => {
  const perSite = async (
    table: Readonly<Record<string, string>>,
    securityLevel: PolicySettings['securityLevel'] = 'may',
  ): Promise<string> => {
    const { resolver } = policyWorld({
      settings: { securityLevel },
      perSite: [named(toTable(table))],
    });
    const policy = await resolver.resolvePolicy(hostFacts());
    return isProblem(policy) ? `${policy.dsn} ${policy.text}` : `${policy.source} ${policy.level}`;
  };

  test.each([
    ['NONE', 'per-site none'],
    ['MAY', 'per-site may'],
    ['MUST', 'per-site verify'],
    ['must', 'per-site verify'],
    ['MUST_NOPEERMATCH', 'per-site encrypt'],
    ['bogus', '4.7.5 client TLS configuration problem'],
  ])('%s', async (word, expected) => {
    expect(await perSite({ 'example.org': word })).toBe(expected);
    expect(await perSite({ 'mx.example.org': word })).toBe(expected);
  });

  test.each([
    ['MAY', 'NONE', 'none'],
    ['NONE', 'MUST_NOPEERMATCH', 'encrypt'],
    ['MUST_NOPEERMATCH', 'MUST', 'verify'],
    ['MAY', 'MUST', 'verify'],
    ['NONE', 'MUST', 'verify'],
  ])('of %s and %s the stronger one counts', async (a, b, level) => {
    expect(await perSite({ 'example.org': a, 'mx.example.org': b })).toBe(`per-site ${level}`);
    expect(await perSite({ 'example.org': b, 'mx.example.org': a })).toBe(`per-site ${level}`);
  });

  test('a stronger level of main.cf counts instead of MAY, and only instead of that', async () => {
    expect(await perSite({ 'example.org': 'MAY' }, 'encrypt')).toBe('per-site encrypt');
    expect(await perSite({ 'example.org': 'NONE' }, 'encrypt')).toBe('per-site none');
    expect(await perSite({ 'example.org': 'MAY' }, 'none')).toBe('per-site may');
    expect(await perSite({}, 'secure')).toBe('global secure');
  });

  test('a table that fails delays the mail', async () => {
    const { resolver, warnings } = policyWorld({
      perSite: [
        named({
          lookup: () => {
            throw new Error('gone');
          },
        }),
      ],
    });
    expect(await resolver.resolvePolicy(hostFacts())).toMatchObject({
      dsn: '4.3.0',
      text: 'Temporary lookup error',
      warning: 'TLS policy lookup for example.org/mx.example.org: Temporary lookup error',
    });
    expect(warnings.at(-1)).toBe(
      'smtp_tls_per_site: next-hop destination "example.org": per-site table lookup error',
    );
  });

  test('is ignored beside policy tables, with a warning', async () => {
    const { resolver, warnings } = policyWorld({
      policyMaps: [named({ lookup: () => undefined })],
      perSite: [named({ lookup: () => 'MUST' })],
    });
    expect(await resolver.resolvePolicy(hostFacts())).toMatchObject({ source: 'global' });
    expect(warnings).toEqual(['smtp_tls_per_site ignored when smtp_tls_policy_maps is not empty.']);
  });
});

describe('what main.cf fills in', () => {
  test('the opportunistic set at level may, the mandatory one above', async () => {
    expect(await policyOf('may')).toMatchObject({
      protocols: '>=TLSv1',
      ciphers: 'medium',
      exclude: ['RC4'],
    });
    expect(await policyOf('encrypt')).toMatchObject({
      protocols: '>=TLSv1.2',
      ciphers: 'high',
      exclude: ['RC4', '3DES'],
    });
  });

  test('attributes take its place', async () => {
    const value =
      'encrypt { protocols = >=TLSv1.3 } ciphers=null exclude=MD5:AES128 servername=a.example connection_reuse=yes enable_rpk=yes';
    expect(await policyOf(value)).toEqual({
      level: 'encrypt',
      source: 'table',
      protocols: '>=TLSv1.3',
      ciphers: 'null',
      exclude: ['MD5', 'AES128'],
      sni: 'a.example',
      match: [],
      tlsa: [],
      tlsaBase: null,
      trustAnchorFiles: [],
      enableRpk: true,
      connectionReuse: true,
      failure: null,
      forcedFailure: false,
      sessionWarnings: [],
      policyType: null,
      policyDomain: null,
      policyStrings: [],
      mxHostPatterns: [],
    });
  });

  test('an empty list of exclusions excludes nothing', async () => {
    expect((await policyOf('encrypt exclude=')).exclude).toEqual([]);
    expect((await policyOf('encrypt protocols=')).protocols).toBe('');
  });

  test.each([
    ['', null],
    ['hostname', 'mx.example.org'],
    ['NextHop', 'example.org'],
    ['other.example', 'other.example'],
  ])('smtp_tls_servername = %s', async (servername, sni) => {
    expect((await policyOf(null, { servername })).sni).toBe(sni);
  });

  test('smtp_tls_servername that is no host name is an invalid policy', async () => {
    const { resolver, warnings } = policyWorld({ settings: { servername: 'a..b' } });
    expect(isProblem(await resolver.resolvePolicy(hostFacts()))).toBe(true);
    expect(warnings).toEqual(['"smtp_tls_servername = a..b" specifies an invalid hostname']);
  });

  test.each([
    ['may', true],
    ['encrypt', true],
    ['fingerprint match=AABB', true],
    ['verify', false],
    ['secure', false],
    ['none', false],
  ])('smtp_tls_enable_rpk at level %s', async (value, enableRpk) => {
    expect((await policyOf(value, { enableRpk: true })).enableRpk).toBe(enableRpk);
  });

  test('trust anchors of the table go instead of those of main.cf; a file without any is an error', async () => {
    const { certFile } = certificate('ecdsa');
    const settings = { trustAnchorFile: ['/nonexistent'] };
    const policy = await policyOf(`secure tafile=${certFile} tafile=${certFile}`, settings);
    expect(policy.trustAnchorFiles).toEqual([certFile, certFile]);
    expect((await policyOf('encrypt', settings)).trustAnchorFiles).toEqual([]);
    await expect(policyOf('secure', settings)).rejects.toThrow('client TLS configuration problem');
  });
});

describe('names', () => {
  const facts = {
    host: 'mx.example.org',
    nexthop: '[Example.org]:587',
    destination: 'inet',
  } as const;
  const names = (strategies: readonly string[], more: Partial<PolicyFacts> = {}): unknown =>
    Object.values(referenceNames(strategies, { ...facts, ...more }, 'client.example'));

  test.each([
    [['hostname'], ['mx.example.org']],
    [
      ['NextHop', 'DOT-nexthop'],
      ['example.org', '.example.org'],
    ],
    [
      ['a.example', '.b.example'],
      ['a.example', '.b.example'],
    ],
    [['bücher.example'], ['xn--bcher-kva.example']],
    [['。bücher．example'], ['.xn--bcher-kva.example']],
    [['｡example'], ['.example']],
    [['a.example', 'A.example'], ['a.example']],
  ])('%s', (strategies, expected) => {
    expect(names(strategies)).toEqual([expected, []]);
  });

  test('a dot alone is ignored with a warning; without any name verification is to fail', async () => {
    expect(names(['.'])).toEqual([
      [],
      ['ignoring invalid match name: "."', 'could not configure peer name checks'],
    ]);
    expect(await policyOf('verify match=.')).toMatchObject({ match: [], forcedFailure: true });
    expect(await policyOf('verify match=a.example')).toMatchObject({ forcedFailure: false });
  });

  test('a second address cannot be loaded', () => {
    expect(names(['192.0.2.1', '2001:db8::1'])).toEqual([
      ['192.0.2.1'],
      ['error loading match name: "2001:db8::1"'],
    ]);
  });

  test('the next hop of a UNIX-domain destination is $myhostname', () => {
    expect(names(['nexthop'], { destination: 'unix', nexthop: '/run/x' })).toEqual([
      ['client.example'],
      [],
    ]);
  });

  test.each([
    ['example.org', 'example.org'],
    ['example.org:587', 'example.org'],
    ['[mx.example.org]', 'mx.example.org'],
    ['[mx.example.org]:587', 'mx.example.org'],
    ['[ipv6:2001:db8::1]:25', '2001:db8::1'],
  ])('the domain of %s', (nexthop, domain) => {
    expect(nexthopDomain(nexthop)).toBe(domain);
  });
});

describe('fingerprints', () => {
  test.each([
    ['AA:bb', 'AA:BB'],
    ['aabbcc', 'AA:BB:CC'],
  ])('%s', (text, digest) => {
    expect(readFingerprints([text])).toEqual({ digests: [digest], warnings: [] });
  });

  test.each(['', 'A', 'AAB', 'AA::BB', 'AA:', ':AA', 'zz', '0xAA'])('%j is malformed', (text) => {
    const warnings = [`malformed fingerprint value: ${text}`];
    expect(readFingerprints([text])).toEqual({ digests: [], warnings });
  });

  test('what is too long is cut in the warning', () => {
    const warnings = [`malformed fingerprint value: ${'a'.repeat(100)}...`];
    expect(readFingerprints(['a'.repeat(193)])).toEqual({ digests: [], warnings });
  });

  test('those of a table go instead of those of main.cf', async () => {
    const settings = { fingerprintCertMatch: ['11:22'] };
    expect((await policyOf('fingerprint match=AA|BB match=CC', settings)).match).toEqual([
      'AA',
      'BB',
      'CC',
    ]);
    expect((await policyOf('fingerprint', settings)).match).toEqual(['11:22']);
  });
});

describe('MTA-STS', () => {
  const attributes =
    'secure policy_type=sts policy_domain=example.org mx_host_pattern=*.example.org match=example.org { policy_string = mode:   enforce }';

  test('a host that the patterns name has to prove its own name', async () => {
    expect(await policyOf(attributes)).toMatchObject({
      match: ['mx.example.org'],
      policyType: 'sts',
      policyDomain: 'example.org',
      policyStrings: ['mode: enforce'],
      mxHostPatterns: ['*.example.org'],
    });
  });

  test('smtp_tls_enforce_sts_mx_patterns = no leaves it to the names', async () => {
    const settings = { enforceStsMxPatterns: false };
    expect((await policyOf(attributes, settings, { host: 'mx.example.net' })).match).toEqual([
      'example.org',
    ]);
  });

  test('policy_failure fails the verification', async () => {
    expect(
      await policyOf('secure policy_type=sts policy_failure=sts-webpki-invalid'),
    ).toMatchObject({
      failure: 'sts-webpki-invalid',
      forcedFailure: true,
    });
  });

  test.each([
    ['mx.example.org', 'MX.example.org', true],
    ['mx.example.org', '*.Example.org', true],
    ['a.mx.example.org', '*.example.org', false],
    ['example.org', '*.example.org', false],
    ['.example.org', '*.example.org', false],
    ['mx.example.org', '*', false],
    ['mx.example.org', 'mx.*.org', false],
  ])('%s and the pattern %s', (host, pattern, expected) => {
    expect(matchesMxPattern(host, pattern)).toBe(expected);
  });

  const withSts = (securityLevel: PolicySettings['securityLevel'], table?: string) => {
    const asked: string[] = [];
    const world = policyWorld({
      settings: { securityLevel },
      policyMaps: table === undefined ? null : [named({ lookup: () => table })],
      sts: (domain) => {
        asked.push(domain);
        return Promise.resolve(attributes);
      },
    });
    return { ...world, domains: asked };
  };

  test.each(['may', 'dane'] as const)(
    'our own is asked for where main.cf says %s and DNS has no DANE',
    async (level) => {
      const { resolver, domains } = withSts(level);
      expect(await resolver.resolvePolicy(hostFacts())).toMatchObject({
        level: 'secure',
        source: 'sts',
      });
      expect(domains).toEqual(['example.org']);
    },
  );

  test('neither a table nor another level leaves room for it', async () => {
    for (const world of [withSts('encrypt'), withSts('none'), withSts('may', 'may')]) {
      await world.resolver.resolvePolicy(hostFacts());
      expect(world.domains).toEqual([]);
    }
  });
});

describe('wrappermode and UNIX-domain destinations', () => {
  test.each(['none', 'may'])('level %s skips the host in wrappermode', async (value) => {
    const { resolver } = policyWorld({
      settings: { wrappermode: true },
      policyMaps: [named({ lookup: () => value })],
    });
    expect(await resolver.resolvePolicy(hostFacts())).toMatchObject({
      dsn: '4.3.0',
      text: 'server unavailable or unable to receive mail',
      warning: 'smtp_tls_wrappermode requires "smtp_tls_security_level = encrypt" (or stronger)',
    });
  });

  test('level encrypt does not', async () => {
    expect((await policyOf('encrypt', { wrappermode: true })).level).toBe('encrypt');
  });

  test('port 465 without wrappermode is worth a hint', async () => {
    const { resolver, warnings } = policyWorld();
    await resolver.resolvePolicy(hostFacts({ port: 465 }));
    expect(warnings).toEqual([
      'SMTPS wrappermode (TCP port 465) requires setting "smtp_tls_wrappermode = yes", and "smtp_tls_security_level = encrypt" (or stronger)',
    ]);
  });

  test('level may becomes none for a socket of this machine', async () => {
    const { resolver, warnings } = policyWorld();
    const facts = hostFacts({ destination: 'unix', nexthop: '/run/lmtp' });
    expect(await resolver.resolvePolicy(facts)).toMatchObject({ level: 'none' });
    expect(warnings).toEqual([
      '/run/lmtp: opportunistic TLS encryption is not appropriate for unix-domain destinations.',
    ]);
  });
});

describe('TLS-Required: no', () => {
  test.each([
    ['none', false, 'none'],
    ['may', false, 'may'],
    ['secure', false, 'may'],
    ['dane-only', false, 'may'],
    ['secure', true, 'encrypt'],
  ] as const)('level %s, wrappermode %s', async (securityLevel, wrappermode, level) => {
    const { resolver, asked } = policyWorld({
      settings: { securityLevel, wrappermode },
      policyMaps: [named({ lookup: () => 'secure' })],
      sts: () => Promise.resolve('secure'),
    });
    expect(await resolver.resolvePolicy(hostFacts({ tlsRequiredNo: true }))).toMatchObject({
      level,
      source: 'tls-required-no',
      policyType: null,
    });
    expect(asked).toEqual([]);
  });

  test('its value', () => {
    expect([' No ', 'no', 'yes', '', 'no;'].map(readTlsRequired)).toEqual([
      'no',
      'no',
      'malformed',
      'malformed',
      'malformed',
    ]);
  });

  test('REQUIRETLS is stronger, where that is enabled', () => {
    const message = {
      tlsRequiredNo: true,
      requiretls: false,
      tlsRequiredEnable: true,
      requiretlsEnable: true,
    };
    expect(heedsTlsRequiredNo(message)).toBe(true);
    expect(heedsTlsRequiredNo({ ...message, tlsRequiredEnable: false })).toBe(false);
    expect(heedsTlsRequiredNo({ ...message, requiretls: true })).toBe(false);
    expect(heedsTlsRequiredNo({ ...message, requiretls: true, requiretlsEnable: false })).toBe(
      true,
    );
  });
});

describe('the policy of all hosts', () => {
  test('is known without a look once it was found, but for those that it is not for', async () => {
    const { resolver } = policyWorld({ settings: { securityLevel: 'encrypt' } });
    expect(resolver.commonPolicy(hostFacts())).toBe(null);
    const policy = await resolver.resolvePolicy(hostFacts());
    expect(resolver.commonPolicy(hostFacts({ host: 'other.example.org' }))).toBe(policy);
    expect(resolver.commonPolicy(hostFacts({ port: 465 }))).toBe(null);
    expect(resolver.commonPolicy(hostFacts({ tlsRequiredNo: true }))).toBe(null);
  });

  test.each([
    ['a table', { policyMaps: [named(toTable({ 'other.example': 'may' }))] }],
    ['names', { settings: { securityLevel: 'secure' as const } }],
    ['a server name', { settings: { servername: 'hostname' } }],
    ['MTA-STS', { sts: () => Promise.resolve(null) }],
  ])('is none with %s', async (_, props) => {
    const { resolver } = policyWorld(props);
    await resolver.resolvePolicy(hostFacts());
    expect(resolver.commonPolicy(hostFacts())).toBe(null);
  });
});

describe('the cache', () => {
  const counting = (value: () => string) => {
    const state = { lookups: 0 };
    const table = {
      lookup: (): string => {
        state.lookups++;
        return value();
      },
    };
    return { state, ...policyWorld({ policyMaps: [named(table)] }) };
  };

  test('keeps policies and problems by next hop, host and port until the request is over', async () => {
    const { state, resolver, warnings } = counting(() => 'bogus');
    const look = (facts: Partial<PolicyFacts> = {}): Promise<HostPolicy | PolicyProblem> =>
      resolver.resolvePolicy(hostFacts({ nexthop: '[mx.example.org]', ...facts }));
    const first = await look();
    expect(await look()).toBe(first);
    expect(state.lookups).toBe(1);
    expect(warnings).toHaveLength(1);
    await look({ host: 'other.example.org' });
    await look({ port: 26 });
    await look({ nexthop: '[mx.example.org]:26' });
    expect(state.lookups).toBe(4);
    resolver.requestEnded();
    await look();
    expect(state.lookups).toBe(5);
  });

  test('has 20 places', async () => {
    const { state, resolver } = counting(() => 'may');
    const look = (i: number): Promise<unknown> =>
      resolver.resolvePolicy(hostFacts({ nexthop: `[mx${i}.example.org]` }));
    for (let i = 0; i < 21; i++) {
      await look(i);
    }
    await look(20);
    expect(state.lookups).toBe(21);
    await look(0);
    expect(state.lookups).toBe(22);
  });
});
