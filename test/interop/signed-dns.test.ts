/** The resolver and the hosts of a destination against NSD and Unbound: every kind of branch of the tree. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findHosts } from '../../lib/dns/destination.js';
import { Resolver } from '../../lib/dns/resolver.js';
import { prepareDebian13, whyNoDebian13 } from '../helpers/debian13.js';
import { SignedWorld, type ZoneState } from '../helpers/signed-world/signed-world.js';

const digest = 'ab'.repeat(32);
const records = [
  '@ MX 10 mx',
  'mx A 127.0.0.1',
  'mx AAAA ::1',
  `_25._tcp.mx TLSA 3 1 1 ${digest}`,
  'alias CNAME mx',
  '@ TXT "v=x; " "y"',
];

const states: readonly ZoneState[] = ['signed', 'unsigned', 'island', 'bogus', 'expired'];

const reason = whyNoDebian13();

test.runIf(process.env['CI'] !== undefined)('NSD and Unbound can be run', () => {
  expect(reason).toBeNull();
});

describe.skipIf(reason !== null)('real DNS with signatures', () => {
  let world: SignedWorld;
  let dns: Resolver;

  beforeAll(async () => {
    prepareDebian13();
    world = await SignedWorld.start({
      ...Object.fromEntries(states.map((state) => [`${state}.test`, { state, records }])),
      'hashed.test': { state: 'signed', nsec3: true, records },
      'below.signed.test': { state: 'unsigned', records },
      'mixed.test': {
        state: 'signed',
        records: [
          ...records,
          'good A 127.0.0.2',
          'many TXT "first"',
          ...Array.from({ length: 60 }, (_, i) => `many TXT "${'x'.repeat(100)}${i}"`),
          'null MX 0 .',
          ...states.map((state) => `to-${state} CNAME mx.${state}.test.`),
          ...states.map((state) => `mx-${state} MX 10 mx.${state}.test.`),
          'lost MX 10 nobody',
          'circle CNAME elcric',
          'elcric CNAME circle',
          '*.wild A 127.0.0.9',
        ],
        corrupt: [
          ['mx', 'A'],
          ['_25._tcp.mx', 'TLSA'],
        ],
      },
    });
    dns = new Resolver({ servers: [world.nameserver] });
  }, 600_000);

  afterAll(() => world.close());

  describe.each(['signed', 'hashed'])('in a signed zone (%s)', (zone) => {
    test('every type is secure', async () => {
      const secure = { kind: 'found', secure: true };
      expect(await dns.mx(`${zone}.test`)).toMatchObject({
        ...secure,
        records: [{ preference: 10, exchange: `mx.${zone}.test` }],
      });
      expect(await dns.a(`mx.${zone}.test`)).toMatchObject({ ...secure, records: ['127.0.0.1'] });
      expect(await dns.aaaa(`mx.${zone}.test`)).toMatchObject({ ...secure, records: ['::1'] });
      expect(await dns.txt(`${zone}.test`)).toMatchObject({ ...secure, records: ['v=x; y'] });
      expect(await dns.cname(`alias.${zone}.test`)).toMatchObject({
        ...secure,
        records: [`mx.${zone}.test`],
      });
      expect(await dns.tlsa(`_25._tcp.mx.${zone}.test`)).toMatchObject({
        ...secure,
        records: [{ usage: 3, selector: 1, matchingType: 1, data: Buffer.from(digest, 'hex') }],
      });
    });

    test('absence is secure, and of two kinds', async () => {
      const none = { kind: 'none', secure: true, ttl: 60 };
      expect(await dns.tlsa(`mx.${zone}.test`)).toMatchObject({ ...none, reason: 'nodata' });
      expect(await dns.a(`no.${zone}.test`)).toMatchObject({ ...none, reason: 'nxdomain' });
    });
  });

  test.each(['unsigned.test', 'island.test', 'below.signed.test'])(
    'without a chain of trust the answer is there and insecure: %s',
    async (zone) => {
      const name = `_25._tcp.mx.${zone}`;
      expect(await dns.tlsa(name)).toMatchObject({ kind: 'found', secure: false });
      expect(await dns.a(`no.${zone}`)).toMatchObject({ kind: 'none', secure: false });
    },
  );

  describe.each(['bogus', 'expired'])('in a zone that is %s', (zone) => {
    test.each(['mx', 'a', 'aaaa', 'tlsa', 'cname', 'txt'] as const)('%s is bogus', async (type) => {
      const result = await dns[type](`mx.${zone}.test`);
      expect(result).toMatchObject({ kind: 'failure', reason: 'bogus' });
    });

    test('the resolver says why, as an extended error', async () => {
      const name = `a-name-of-its-own.${zone}.test`;
      expect(await dns.a(name)).toMatchObject({
        text: expect.stringMatching(
          /^a-name.* A: DNSSEC validation failed \(extended error \d+\)$/,
        ),
      });
    });

    test('one that does not say why is found out by waiving validation', async () => {
      const plain = new Resolver({ servers: [world.nameserverWithoutReasons] });
      expect(await plain.a(`mx.${zone}.test`)).toEqual({
        kind: 'failure',
        reason: 'bogus',
        text: `mx.${zone}.test A: DNSSEC validation failed`,
      });
    });
  });

  test('one wrong signature concerns one record set', async () => {
    expect(await dns.a('mx.mixed.test')).toMatchObject({ reason: 'bogus' });
    expect(await dns.tlsa('_25._tcp.mx.mixed.test')).toMatchObject({ reason: 'bogus' });
    expect(await dns.aaaa('mx.mixed.test')).toMatchObject({ kind: 'found', secure: true });
    expect(await dns.a('good.mixed.test')).toMatchObject({ kind: 'found', secure: true });
  });

  test('an alias is as secure as its end', async () => {
    const found = { kind: 'found', records: ['127.0.0.1'] };
    const results = {
      signed: { ...found, secure: true, name: 'mx.signed.test' },
      unsigned: { ...found, secure: false, name: 'mx.unsigned.test' },
      island: { ...found, secure: false, name: 'mx.island.test' },
      bogus: { kind: 'failure', reason: 'bogus' },
      expired: { kind: 'failure', reason: 'bogus' },
    };
    for (const [state, expected] of Object.entries(results)) {
      expect(await dns.a(`to-${state}.mixed.test`)).toMatchObject(expected);
      // The alias itself is signed whatever it leads to.
      expect(await dns.cname(`to-${state}.mixed.test`)).toMatchObject({ secure: true });
    }
  });

  test('an alias from an insecure zone is insecure', async () => {
    const result = await dns.a('alias.unsigned.test');
    expect(result).toMatchObject({ kind: 'found', secure: false, name: 'mx.unsigned.test' });
  });

  test('wildcards are secure', async () => {
    expect(await dns.a('any.wild.mixed.test')).toMatchObject({ secure: true, kind: 'found' });
  });

  test('an answer that does not fit in 1232 bytes comes over TCP', async () => {
    const result = await dns.txt('many.mixed.test');
    expect(result.kind === 'found' && result.records.length).toBe(61);
  });

  test('aliases in a circle are no answer', async () => {
    expect(await dns.a('circle.mixed.test')).toMatchObject({ kind: 'failure' });
  });

  test.each([
    ['signed', 'secure'],
    ['unsigned', 'insecure'],
    ['island', 'insecure'],
  ])('the hosts of a destination in a zone that is %s: MX %s', async (zone, mx) => {
    const result = await findHosts(dns, `${zone}.test`, { addressPreference: 'ipv4' });
    const secure = mx === 'secure';
    const host = { name: `mx.${zone}.test`, expandedName: `mx.${zone}.test`, secure };
    expect(result).toMatchObject({
      mx,
      hosts: [
        { ...host, address: '127.0.0.1' },
        { ...host, address: '::1' },
      ],
    });
  });

  test('a secure MX may name an insecure host', async () => {
    expect(await findHosts(dns, 'mx-unsigned.mixed.test')).toMatchObject({
      mx: 'secure',
      hosts: [{ secure: false }, { secure: false }],
    });
  });

  test('a host in a bogus zone, in the words of Postfix', async () => {
    expect(await findHosts(dns, 'mx-bogus.mixed.test')).toMatchObject({
      dsn: '4.4.3',
      text: 'Host or domain name not found. Name service error for name=mx.bogus.test type=AAAA: Host not found, try again',
      failure: { reason: 'bogus' },
    });
  });

  test('a bogus MX, in the words of Postfix', async () => {
    expect(await findHosts(dns, 'expired.test')).toMatchObject({
      dsn: '4.4.3',
      text: 'Host or domain name not found. Name service error for name=expired.test type=MX: Host not found, try again',
      failure: { reason: 'bogus' },
    });
  });

  test('a null MX, a host that does not exist, a domain that does not exist', async () => {
    expect(await findHosts(dns, 'null.mixed.test')).toMatchObject({ dsn: '5.1.0' });
    expect(await findHosts(dns, 'lost.mixed.test')).toMatchObject({
      dsn: '5.4.4',
      text: 'Host or domain name not found. Name service error for name=nobody.mixed.test type=AAAA: Host not found',
    });
    expect(await findHosts(dns, 'nobody.signed.test')).toMatchObject({
      dsn: '5.4.4',
      text: 'Host or domain name not found. Name service error for name=nobody.signed.test type=AAAA: Host not found',
    });
  });

  test('a resolver that does not validate never makes anything secure, and shows in the check', async () => {
    const blind = new Resolver({ servers: [world.nameserverWithoutValidation] });
    expect(await blind.a('mx.signed.test')).toMatchObject({ kind: 'found', secure: false });
    expect(await blind.a('mx.bogus.test')).toMatchObject({ kind: 'found', secure: false });
    const names = { signed: 'mx.signed.test', bogus: 'mx.bogus.test' };
    expect(await blind.check(names)).toEqual({
      outcome: 'no-validation',
      text: `DANE is without effect: DNS server ${world.nameserverWithoutValidation} does not validate DNSSEC: the signed name mx.signed.test comes without the AD bit`,
    });
    for (const server of [world.nameserver, world.nameserverWithoutReasons]) {
      const check = await new Resolver({ servers: [server] }).check(names);
      expect(check).toEqual({
        outcome: 'validates',
        text: `DNS server ${server} validates DNSSEC`,
      });
    }
  });
});
