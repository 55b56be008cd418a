import { describe, expect, test } from 'vitest';
import { impossibleNetworks, localNetworks, refuseNetworks } from '../../lib/dns/address-filter.js';
import type { DnsFailure, DnsLookup, DnsResult, MxRecord } from '../../lib/dns/answer.js';
import { type FindHostsOptions, findHost, findHosts } from '../../lib/dns/destination.js';

type Answers = Readonly<Record<string, DnsResult<unknown>>>;

function found<Data>(records: readonly Data[], more: object = {}): DnsResult<Data> {
  return { kind: 'found', records, secure: true, name: 'd.example', ttl: 60, ...more };
}

const none: DnsResult<never> = { kind: 'none', reason: 'nodata', secure: true, name: '', ttl: 0 };
const nxdomain: DnsResult<never> = { ...none, reason: 'nxdomain' };

function failed(reason: DnsFailure['reason']): DnsFailure {
  return { kind: 'failure', reason, text: 'for the log' };
}

function mx(...records: readonly [number, string][]): DnsResult<MxRecord> {
  return found(records.map(([preference, exchange]) => ({ preference, exchange })));
}

/** Answers by `TYPE name`; everything else does not exist. */
class Table implements DnsLookup {
  readonly #answers: Answers;

  constructor(answers: Answers) {
    this.#answers = answers;
  }

  mx = (name: string) => this.#get<MxRecord>('MX', name);
  a = (name: string) => this.#get<string>('A', name);
  aaaa = (name: string) => this.#get<string>('AAAA', name);
  cname = (name: string) => this.#get<string>('CNAME', name);
  tlsa = (name: string) => this.#get<never>('TLSA', name);
  txt = (name: string) => this.#get<string>('TXT', name);

  async #get<Data>(type: string, name: string): Promise<DnsResult<Data>> {
    return (this.#answers[`${type} ${name}`] ?? none) as DnsResult<Data>;
  }
}

function find(answers: Answers, options: FindHostsOptions = {}, domain = 'd.example') {
  return findHosts(new Table(answers), domain, { random: null, ...options });
}

async function tried(answers: Answers, options: FindHostsOptions = {}): Promise<string[]> {
  const result = await find(answers, options);
  return result.kind === 'found' ? result.hosts.map(({ address }) => address) : [result.text];
}

const dual = {
  'MX d.example': mx([10, 'mx.d.example']),
  'A mx.d.example': found(['192.0.2.1']),
  'AAAA mx.d.example': found(['2001:db8::1']),
};

describe('MX', () => {
  test('hosts come by preference, with names, aliases and security of each', async () => {
    const answers = {
      'MX d.example': found(
        [
          { preference: 20, exchange: 'two.example' },
          { preference: 10, exchange: 'one.example' },
        ],
        { name: 'e.example', secure: false },
      ),
      'A one.example': found(['192.0.2.1'], { name: 'alias.example', secure: false }),
      'A two.example': found(['192.0.2.2'], { name: 'two.example' }),
    };
    expect(await find(answers)).toEqual({
      kind: 'found',
      mx: 'insecure',
      domain: 'd.example',
      expandedDomain: 'e.example',
      hosts: [
        {
          name: 'one.example',
          expandedName: 'alias.example',
          address: '192.0.2.1',
          family: 4,
          preference: 10,
          secure: false,
        },
        {
          name: 'two.example',
          expandedName: 'two.example',
          address: '192.0.2.2',
          family: 4,
          preference: 20,
          secure: true,
        },
      ],
    });
  });

  test('equal preferences are shuffled, over hosts, and only they', async () => {
    const answers = {
      'MX d.example': mx([20, 'c.example'], [10, 'a.example'], [10, 'b.example']),
      'A a.example': found(['192.0.2.1', '192.0.2.2']),
      'A b.example': found(['192.0.2.3']),
      'A c.example': found(['192.0.2.4']),
    };
    const last = (below: number) => below - 1;
    expect(await tried(answers, { random: last })).toEqual(
      ['3', '2', '1', '4'].map((n) => `192.0.2.${n}`),
    );
    const firsts = new Set<string>();
    for (let i = 0; i < 100; i++) {
      const result = await findHosts(new Table(answers), 'd.example');
      firsts.add(result.kind === 'found' ? (result.hosts[0]?.address ?? '') : '');
    }
    expect([...firsts].toSorted()).toEqual(['192.0.2.1', '192.0.2.2', '192.0.2.3']);
  });

  test('hosts without an address are passed over', async () => {
    const answers = {
      'MX d.example': mx([1, 'gone.example'], [2, 'lost.example'], [3, 'mx.example']),
      'A lost.example': failed('bogus'),
      'A mx.example': found(['192.0.2.1']),
    };
    expect(await tried(answers)).toEqual(['192.0.2.1']);
  });

  test('an address in place of a host name is taken at its word, and insecure', async () => {
    const result = await find({ 'MX d.example': mx([1, '192.0.2.7']) });
    expect(result).toMatchObject({ hosts: [{ address: '192.0.2.7', secure: false }] });
  });

  test('a null MX', async () => {
    expect(
      await find({ 'MX d.example': mx([0, '']), 'A d.example': found(['192.0.2.1']) }),
    ).toEqual({
      kind: 'problem',
      dsn: '5.1.0',
      text: 'Domain d.example does not accept mail (nullMX)',
      failure: null,
      warning: null,
    });
  });

  test('a null MX among others is none', async () => {
    const answers = { ...dual, 'MX d.example': mx([0, ''], [10, 'mx.d.example']) };
    expect(await tried(answers)).toEqual(['192.0.2.1', '2001:db8::1']);
  });

  test.each([none, nxdomain])('without MX the domain itself is the host (%#)', async (absent) => {
    const answers = {
      'MX d.example': absent,
      'A d.example': found(['192.0.2.1'], { name: 'e.example' }),
    };
    expect(await find(answers)).toMatchObject({
      mx: 'none',
      expandedDomain: 'd.example',
      hosts: [{ name: 'd.example', expandedName: 'e.example', preference: 0, secure: true }],
    });
  });

  test('U-labels are looked up as A-labels', async () => {
    const answers = {
      'MX xn--mller-kva.example': mx([1, 'mx.d.example']),
      'A mx.d.example': found(['192.0.2.1']),
    };
    expect(await find(answers, {}, 'Müller.example')).toMatchObject({
      domain: 'xn--mller-kva.example',
    });
  });
});

describe('both families', () => {
  test.each([
    [{}, ['192.0.2.1', '2001:db8::1']],
    [{ addressPreference: 'ipv6' }, ['2001:db8::1', '192.0.2.1']],
    [{ addressPreference: 'ipv4' }, ['192.0.2.1', '2001:db8::1']],
    [{ inetProtocols: ['ipv6'] }, ['2001:db8::1']],
    [{ inetProtocols: ['ipv4'] }, ['192.0.2.1']],
  ] as const)('%j', async (options, expected) => {
    expect(await tried(dual, options)).toEqual(expected);
  });

  test('the family counts less than the preference', async () => {
    const answers = {
      ...dual,
      'MX d.example': mx([10, 'four.example'], [20, 'mx.d.example']),
      'A four.example': found(['192.0.2.9']),
    };
    expect(await tried(answers, { addressPreference: 'ipv6' })).toEqual([
      '192.0.2.9',
      '2001:db8::1',
      '192.0.2.1',
    ]);
  });

  // v6, v4, limit; v6 and v4 that are left. The regions of Postfix 3.6's smtp_balance_inet_protocols.
  test.each([
    [9, 1, 5, 4, 1],
    [1, 9, 5, 1, 4],
    [9, 9, 5, 3, 2],
    [9, 9, 4, 2, 2],
    [3, 2, 5, 3, 2],
    [9, 0, 5, 5, 0],
    [9, 9, 0, 9, 9],
  ])(
    '%i IPv6 and %i IPv4 addresses, limit %i: %i and %i',
    async (six, four, limit, left6, left4) => {
      const answers = {
        'MX d.example': mx([10, 'mx.d.example']),
        'AAAA mx.d.example': six === 0 ? none : found(many(six, '2001:db8::')),
        'A mx.d.example': four === 0 ? none : found(many(four, '192.0.2.')),
      };
      const result = await tried(answers, { addressPreference: 'ipv6', addressLimit: limit });
      expect(result.filter((address) => address.includes(':'))).toHaveLength(left6);
      expect(result.filter((address) => !address.includes(':'))).toHaveLength(left4);
    },
  );

  test('without balance the first ones are left', async () => {
    const answers = {
      ...dual,
      'AAAA mx.d.example': found(many(9, '2001:db8::')),
    };
    const result = await tried(answers, {
      addressPreference: 'ipv6',
      balanceInetProtocols: false,
      addressLimit: 3,
    });
    expect(result).toEqual(many(3, '2001:db8::'));
  });
});

function many(count: number, prefix: string): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i + 1}`);
}

describe('problems, in the words of Postfix', () => {
  const notFound = 'Host or domain name not found. Name service error for name=';
  const gone = { 'MX d.example': mx([1, 'gone.example']) };
  const rows: [string, Answers, string, string, string | null][] = [
    [
      'no such domain',
      { 'MX d.example': nxdomain, 'AAAA d.example': nxdomain },
      '5.4.4',
      `${notFound}d.example type=AAAA: Host not found`,
      null,
    ],
    [
      'no records',
      {},
      '5.4.4',
      `${notFound}d.example type=AAAA: Host found but no data record of requested type`,
      null,
    ],
    ...(['bogus', 'servfail', 'refused', 'unreachable'] as const).map(
      (reason): [string, Answers, string, string, null] => [
        `MX ${reason}`,
        { ...dual, 'MX d.example': failed(reason) },
        '4.4.3',
        `${notFound}d.example type=MX: Host not found, try again`,
        null,
      ],
    ),
    [
      'MX malformed',
      { 'MX d.example': failed('malformed') },
      '4.4.3',
      'Name service error for name=d.example type=MX: Malformed or unexpected name server reply',
      null,
    ],
    [
      'the host does not exist',
      { ...gone, 'AAAA gone.example': nxdomain },
      '5.4.4',
      `${notFound}gone.example type=AAAA: Host not found`,
      'no MX host for d.example has a valid address record',
    ],
    [
      'both look-ups fail',
      { ...gone, 'A gone.example': failed('bogus'), 'AAAA gone.example': failed('bogus') },
      '4.4.3',
      `${notFound}gone.example type=AAAA: Host not found, try again`,
      'no MX host for d.example has a valid address record',
    ],
    [
      'one look-up fails',
      { ...gone, 'A gone.example': failed('bogus') },
      '4.4.3',
      `${notFound}gone.example type=A: Host not found, try again`,
      'no MX host for d.example has a valid address record',
    ],
    [
      'one host failed, the last does not exist',
      {
        'MX d.example': mx([1, 'lost.example'], [2, 'gone.example']),
        'A lost.example': failed('servfail'),
      },
      '4.4.4',
      `${notFound}gone.example type=AAAA: Host found but no data record of requested type`,
      'no MX host for d.example has a valid address record',
    ],
    [
      'an MX record without a host name',
      { 'MX d.example': mx([1, 'a b.example']) },
      '5.4.4',
      'Name service error for a b.example: invalid host or domain name',
      'no MX host for d.example has a valid address record',
    ],
    [
      'only refused addresses',
      { ...gone, 'A gone.example': found(['0.0.0.0']) },
      '4.7.0',
      'Error looking up name=gone.example type=A: DNS reply filter drops all results',
      'no MX host for d.example has a valid address record',
    ],
  ];

  test.each(rows)('%s', async (_, answers, dsn, text, warning) => {
    expect(await find(answers)).toMatchObject({ kind: 'problem', dsn, text, warning });
  });

  test('what DNS said goes with it', async () => {
    const bogus = failed('bogus');
    expect(await find({ 'MX d.example': bogus })).toMatchObject({ failure: bogus });
    expect(await find({ ...gone, 'A gone.example': bogus })).toMatchObject({ failure: bogus });
  });

  test('what is not a domain name', async () => {
    expect(await find({}, {}, 'a..b')).toMatchObject({
      dsn: '5.4.4',
      text: 'Name service error for a..b: invalid host or domain name',
    });
  });

  test('MX look-up errors can be ignored', async () => {
    const answers = { 'MX d.example': failed('servfail'), 'A d.example': found(['192.0.2.1']) };
    expect(await find(answers, { ignoreMxLookupError: true })).toMatchObject({ mx: 'none' });
  });
});

describe('one host without MX', () => {
  test('by name', async () => {
    const result = await findHost(new Table(dual), 'MX.d.example', { random: null });
    expect(result).toMatchObject({ mx: 'none', hosts: [{ address: '192.0.2.1' }, { family: 6 }] });
  });

  test.each([
    ['192.0.2.9', 4],
    ['2001:db8::9', 6],
  ])('the address %s', async (address, family) => {
    expect(await findHost(new Table({}), address)).toMatchObject({ hosts: [{ address, family }] });
  });
});

describe('address filter', () => {
  const local = refuseNetworks([...impossibleNetworks, ...localNetworks]);

  test.each([
    ...['10.1.2.3', '127.0.0.1', '172.31.0.1', '192.168.0.1', '169.254.169.254', '100.64.0.1'],
    ...['0.0.0.0', '224.0.0.1', '255.255.255.255', '::', '::1', 'fd00::1', 'fe80::1', 'ff02::1'],
    ...['::ffff:127.0.0.1', '::ffff:7f00:1', '64:ff9b::7f00:1', '64:ff9b::10.0.0.1', '64:ff9b::1'],
  ])('%s is refused', (address) => {
    expect(local(address)).toBe(false);
  });

  test.each(['192.0.2.1', '172.32.0.1', '2001:db8::1', '64:ff9b::192.0.2.1', '64:ff9b:1::7f00:1'])(
    '%s is not',
    (address) => {
      expect(local(address)).toBe(true);
    },
  );

  test('by default this machine and private networks are allowed', async () => {
    expect(await tried({ ...dual, 'A mx.d.example': found(['127.0.0.1', '10.0.0.1']) })).toEqual([
      '127.0.0.1',
      '10.0.0.1',
      '2001:db8::1',
    ]);
  });

  test('refused ones do not count', async () => {
    expect(await tried(dual, { refusedNetworks: ['192.0.2.0/24'] })).toEqual(['2001:db8::1']);
  });

  test.each(['10.0.0.0/33', 'fc00::/129', '10.0.0.0/8/8', 'localhost', '10.0.0.0/', ''])(
    'what is not a network: "%s"',
    (text) => {
      expect(() => refuseNetworks([text])).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT', class: 'usage' }),
      );
    },
  );
});
