/** From recipients to servers: domains, MX, several hosts and next hops, and what comes of them together. */
import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { Smtp, type SmtpOptions } from '../../lib/client.js';
import type { DeliveryReport, DeliveryRequest } from '../../lib/delivery/report.js';
import { localNetworks } from '../../lib/dns/address-filter.js';
import type { SmtpdOptions } from '../../lib/server.js';
import { CAfile, deliver, issued, outcome } from '../helpers/delivery-world.js';
import { Lines } from '../helpers/lines.js';
import { MemoryDns, type MemoryZone } from '../helpers/memory-dns.js';
import { startSmtpd, type TestServer } from '../helpers/servers.js';

interface Several {
  readonly report: DeliveryReport;
  readonly lines: Lines;
  readonly dns: MemoryDns;
  /** Recipients that each server took, in order of the servers. */
  readonly taken: readonly (readonly string[])[];
}

/** One server after the other on 127.0.0.1, .2 …, with one port for all. */
async function servers(all: readonly Partial<SmtpdOptions>[]): Promise<readonly TestServer[]> {
  const started: TestServer[] = [];
  for (const [i, options] of all.entries()) {
    const port = started[0]?.port ?? 0;
    started.push(await startSmtpd(options, { host: `127.0.0.${i + 1}`, port }));
  }
  return started;
}

async function several(
  smtpds: readonly Partial<SmtpdOptions>[],
  zone: MemoryZone,
  options: SmtpOptions = {},
  request: Partial<DeliveryRequest> = {},
): Promise<Several> {
  const started = await servers(smtpds);
  const lines = new Lines();
  const dns = new MemoryDns(zone);
  const port = started[0]?.port ?? 0;
  const smtp = new Smtp({
    myhostname: 'client.example',
    logger: lines,
    tcpPort: String(port),
    resolver: dns,
    ...options,
  });
  const report = await smtp.deliver({
    sender: 'a@example.org',
    recipients: ['b@example.com'],
    message: 'hello\n',
    queueId: 'Q',
    ...request,
  });
  const taken = started.map(({ received }) => received.flatMap(({ recipients }) => recipients));
  return { report, lines, dns, taken };
}

const threeHosts: MemoryZone = {
  'example.com MX': ['10 mx1.example.com', '20 mx2.example.com', '30 mx3.example.com'],
  'mx1.example.com A': ['127.0.0.1'],
  'mx2.example.com A': ['127.0.0.2'],
  'mx3.example.com A': ['127.0.0.3'],
};

const deferring: Partial<SmtpdOptions> = {
  onRcpt: () => ({ code: 450, enhanced: '4.2.0', text: 'later' }),
};

describe('domains', () => {
  const zone: MemoryZone = {
    'one.example MX': ['10 mx.one.example'],
    'mx.one.example A': ['127.0.0.1'],
    'two.example MX': ['10 mx.two.example'],
    'mx.two.example A': ['127.0.0.2'],
  };

  test('each recipient goes to the hosts of its domain, and the results are in order', async () => {
    const recipients = ['a@two.example', 'b@one.example', 'c@Two.Example', 'd@none.example'];
    const { report, taken } = await several([{}, {}], zone, {}, { recipients });
    expect(taken).toEqual([['b@one.example'], ['a@two.example', 'c@Two.Example']]);
    expect(report.recipients.map(({ recipient, status }) => `${recipient} ${status}`)).toEqual([
      'a@two.example sent',
      'b@one.example sent',
      'c@Two.Example sent',
      'd@none.example bounced',
    ]);
  });

  test('an address literal is a host', async () => {
    const recipients = ['a@[127.0.0.1]', 'b@[127.0.0.2]'];
    const { taken, dns } = await several([{}, {}], {}, {}, { recipients });
    expect(taken).toEqual([['a@[127.0.0.1]'], ['b@[127.0.0.2]']]);
    expect(dns.asked).toEqual([]);
  });

  test('a domain beyond ASCII is looked up by its A-labels', async () => {
    const { dns } = await several(
      [{}],
      { 'xn--bcher-kva.example MX': ['10 mx.one.example'], 'mx.one.example A': ['127.0.0.1'] },
      {},
      { recipients: ['b@bücher.example'] },
    );
    expect(dns.asked[0]).toBe('xn--bcher-kva.example MX');
  });

  test.each<[string, Partial<DeliveryRequest>, RegExp]>([
    ['a recipient without a domain', { recipients: ['postmaster'] }, /has no domain/],
    [
      'a stream for several domains',
      { recipients: ['a@b.example', 'a@c.example'], message: Readable.from(['x']) },
      /a stream can be read once/,
    ],
  ])('%s is a mistake of the caller', async (_, request, message) => {
    await expect(several([{}], {}, {}, request)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(message),
    });
  });

  test('a stream for one domain is fine', async () => {
    const message = Readable.from(['Subject: x\n', '\n', 'y\n']);
    const { taken } = await several([{}], threeHosts, {}, { message });
    expect(taken).toEqual([['b@example.com']]);
  });
});

describe('next hops', () => {
  test.each([
    ['example.com', 'example.com MX'],
    ['example.com:PORT', 'example.com MX'],
    ['[mx1.example.com]', 'mx1.example.com A'],
    ['[mx1.example.com]:PORT', 'mx1.example.com A'],
  ])('%s: the first question is %s', async (text, question) => {
    const [server] = await servers([{}]);
    const nexthop = text.replace('PORT', String(server?.port));
    const dns = new MemoryDns(threeHosts);
    const smtp = new Smtp({ logger: new Lines(), resolver: dns, tcpPort: String(server?.port) });
    const { recipients } = await smtp.deliver({
      sender: '',
      recipients: ['b@other.example'],
      message: 'x\n',
      nexthop,
    });
    expect(recipients).toMatchObject([
      { status: 'sent', relay: `mx1.example.com[127.0.0.1]:${server?.port}` },
    ]);
    expect(dns.asked[0]).toBe(question);
  });

  test('a policy is looked up by the next hop with its port', async () => {
    const asked: string[] = [];
    const policyTable = (key: string): undefined => void asked.push(key);
    await several([{}], threeHosts, { policyTable }, { nexthop: '[mx1.example.com]:1' });
    await several([{}], threeHosts, { policyTable });
    expect(asked).toEqual(['[mx1.example.com]:1', 'example.com', '.com']);
  });

  test('the next one is tried where the first is not there', async () => {
    const { report, lines } = await several(
      [{}],
      threeHosts,
      {},
      {
        nexthop: ['nobody.example', 'example.com'],
      },
    );
    expect(report.recipients).toMatchObject([{ status: 'sent' }]);
    expect(lines.all[0]).toBe(
      'Q: Host or domain name not found. Name service error for name=nobody.example type=AAAA: Host not found',
    );
  });

  test('that the last one is not there is no reason to bounce', async () => {
    const { report } = await several(
      [deferring],
      threeHosts,
      {},
      {
        nexthop: ['[mx1.example.com]', 'nobody.example'],
      },
    );
    expect(report.recipients).toMatchObject([{ status: 'deferred', dsn: '4.4.4' }]);
  });
});

describe('what DNS says', () => {
  test.each<[string, MemoryZone, string]>([
    [
      'no such domain',
      {},
      'bounced 5.4.4 - tls=null Host or domain name not found. Name service error for name=example.com type=AAAA: Host not found',
    ],
    [
      'MX records that cannot be had',
      { 'example.com MX': 'failure' },
      'deferred 4.4.3 - tls=null Host or domain name not found. Name service error for name=example.com type=MX: Host not found, try again',
    ],
    [
      'a host without addresses',
      { 'example.com MX': ['10 mx.example.com'] },
      'bounced 5.4.4 - tls=null Host or domain name not found. Name service error for name=mx.example.com type=AAAA: Host not found',
    ],
    [
      'null MX',
      { 'example.com MX': ['0 '] },
      'bounced 5.1.0 - tls=null Domain example.com does not accept mail (nullMX)',
    ],
  ])('%s', async (_, zone, expected) => {
    const done = await several([{}], zone);
    expect(outcome(done)).toBe(expected);
    expect(done.lines.all.at(-1)).toMatch(/relay=none, delay=\S+ delays=\S+ dsn=/);
  });

  test('no MX: the domain itself', async () => {
    const done = await several([{}], { 'example.com A': ['127.0.0.1'] });
    expect(done.report.recipients).toMatchObject([
      { status: 'sent', relay: expect.stringMatching(/^example\.com\[127\.0\.0\.1\]/) },
    ]);
  });

  test('ignore_mx_lookup_error', async () => {
    const zone: MemoryZone = { 'example.com MX': 'failure', 'example.com A': ['127.0.0.1'] };
    const done = await several([{}], zone, { ignoreMxLookupError: true });
    expect(done.report.recipients).toMatchObject([{ status: 'sent' }]);
  });

  test('addresses that it must not lead to', async () => {
    const done = await several([{}], threeHosts, { refusedNetworks: localNetworks });
    expect(outcome(done)).toBe(
      'deferred 4.7.0 - tls=null Error looking up name=mx3.example.com type=A: DNS reply filter drops all results',
    );
    expect(done.taken).toEqual([[]]);
  });

  test('smtp_dns_support_level = disabled: the system is asked, for the domain itself', async () => {
    const { report, dns } = await several(
      [{}],
      {},
      { dnsSupportLevel: 'disabled' },
      { recipients: ['b@localhost'] },
    );
    expect(report.recipients).toMatchObject([{ status: 'sent' }]);
    expect(dns.asked).toEqual([]);
  });

  test('smtp_host_lookup = dns, native: the system, for what DNS does not have', async () => {
    const { report, dns } = await several(
      [{}],
      {},
      { hostLookup: ['dns', 'native'] },
      { nexthop: '[localhost]' },
    );
    expect(report.recipients).toMatchObject([{ status: 'sent' }]);
    expect(dns.asked).toContain('localhost A');
  });

  test('a host that the system does not have, either', async () => {
    const done = await several(
      [{}],
      {},
      { hostLookup: ['native'] },
      { nexthop: '[nobody.invalid]' },
    );
    expect(outcome(done)).toMatch(
      /^(bounced 5\.4\.4|deferred 4\.4\.4) - tls=null unable to look up host nobody\.invalid: /,
    );
  });

  test.each([
    [false, /^alias\.example\.com\[/],
    [true, /^mx\.example\.com\[/],
  ])('smtp_cname_overrides_servername = %s', async (cnameOverridesServername, relay) => {
    const { report } = await deliver(
      { cnameOverridesServername },
      {
        zone: {
          'example.com MX': ['10 alias.example.com'],
          'alias.example.com CNAME': ['mx.example.com'],
        },
      },
    );
    expect(report.recipients[0]?.relay).toMatch(relay);
  });
});

describe('several hosts', () => {
  test('by preference, until one takes the message', async () => {
    const { report, taken, lines } = await several([deferring, {}, {}], threeHosts);
    expect(taken).toEqual([[], ['b@example.com'], []]);
    expect(report.recipients[0]?.relay).toMatch(/^mx2\.example\.com/);
    expect(lines.all[0]).toMatch(
      /^Q: host mx1\.example\.com\[127\.0\.0\.1\] said: 450 4\.2\.0 .*later \(in reply to RCPT TO command\)$/,
    );
  });

  test('after smtp_mx_session_limit sessions no other one is tried', async () => {
    const none = await several([deferring, deferring, {}], threeHosts);
    expect(none.report.recipients).toMatchObject([{ status: 'deferred', dsn: '4.2.0' }]);
    expect(none.taken[2]).toEqual([]);
    const more = await several([deferring, deferring, {}], threeHosts, { mxSessionLimit: 3 });
    expect(more.taken[2]).toEqual(['b@example.com']);
  });

  test('a server that does not get as far as MAIL does not count', async () => {
    const { taken } = await several([{}, {}, {}], threeHosts, {
      mxSessionLimit: 1,
      tls: { policyMaps: ['inline:{ {example.com = encrypt} }'] },
    });
    expect(taken).toEqual([[], [], []]);
    const tls = { securityLevel: 'may', chainFiles: [issued.chainFile] } as const;
    const last = await several([{}, {}, { tls }], threeHosts, {
      mxSessionLimit: 1,
      tls: { securityLevel: 'encrypt' },
    });
    expect(last.taken[2]).toEqual(['b@example.com']);
  });

  test('what is refused for good stays so, the others go on to the next host', async () => {
    const picky: Partial<SmtpdOptions> = {
      onRcpt: (_, { address }) =>
        address.startsWith('no')
          ? { code: 550, enhanced: '5.1.1', text: 'no' }
          : address.startsWith('later')
            ? { code: 450, enhanced: '4.2.0', text: 'later' }
            : undefined,
    };
    const recipients = ['no@example.com', 'yes@example.com', 'later@example.com'];
    const { report, taken } = await several([picky, {}], threeHosts, {}, { recipients });
    expect(taken).toEqual([['yes@example.com'], ['later@example.com']]);
    expect(report.recipients.map(({ status, dsn }) => `${status} ${dsn}`)).toEqual([
      'bounced 5.1.1',
      'sent 2.0.0',
      'sent 2.0.0',
    ]);
  });

  test('one that does not prove itself gets nothing, and the next is tried', async () => {
    const tls = { securityLevel: 'may', chainFiles: [issued.chainFile] } as const;
    const { taken, lines, report } = await several(
      [{ tls }, { tls }],
      {
        'example.com MX': ['10 other.example', '20 mx.example.com'],
        'other.example A': ['127.0.0.1'],
        'mx.example.com A': ['127.0.0.2'],
      },
      { tls: { securityLevel: 'verify', CAfile } },
    );
    expect(taken).toEqual([[], ['b@example.com']]);
    expect(lines.matching(/^Q: Server/)).toEqual(['Q: Server certificate not verified']);
    expect(report.recipients).toMatchObject([{ status: 'sent', tlsFeature: 'verify' }]);
  });

  test('one whose policy cannot be satisfied is not even connected to', async () => {
    const tls = { securityLevel: 'may', chainFiles: [issued.chainFile] } as const;
    const sessions: string[] = [];
    const counting: Partial<SmtpdOptions> = {
      tls,
      onConnect: ({ localAddress }: { readonly localAddress?: string }) =>
        void sessions.push(localAddress ?? '?'),
    };
    const { taken, lines } = await several(
      [counting, { tls }],
      {
        'example.com MX': ['10 other.example', '20 mx.example.com'],
        'other.example A': ['127.0.0.1'],
        'mx.example.com A': ['127.0.0.2'],
      },
      {
        tls: { CAfile },
        policyTable: () =>
          'secure match=x policy_type=sts policy_domain=example.com mx_host_pattern=*.example.com',
      },
    );
    expect(taken).toEqual([[], ['b@example.com']]);
    expect(sessions).toEqual([]);
    expect(lines.all.slice(0, 2)).toEqual([
      "warning: MX name 'other.example' does not match STS MX pattern for 'example.com'",
      'Q: server unavailable or unable to receive mail',
    ]);
  });
});

describe('a resolver that does not validate', () => {
  class Checked extends MemoryDns {
    checks = 0;
    readonly #outcome: string;

    constructor(result: string) {
      super(threeHosts);
      this.#outcome = result;
    }

    async check(): Promise<{ outcome: string; text: string }> {
      this.checks++;
      return { outcome: this.#outcome, text: 'DANE is without effect: because' };
    }
  }

  async function twice(options: SmtpOptions, outcomeOfCheck: string) {
    const [server] = await servers([{}]);
    const resolver = new Checked(outcomeOfCheck);
    const lines = new Lines();
    const smtp = new Smtp({ logger: lines, resolver, tcpPort: String(server?.port), ...options });
    const request = { sender: '', recipients: ['b@example.com'], message: 'x\n' };
    await smtp.deliver(request);
    await smtp.deliver(request);
    return { checks: resolver.checks, warnings: lines.matching(/^warning/) };
  }

  test('is reported once, where DNSSEC is asked for', async () => {
    const { checks, warnings } = await twice({ dnsSupportLevel: 'dnssec' }, 'no-validation');
    expect(warnings).toEqual(['warning: DANE is without effect: because']);
    expect(checks).toBe(1);
  });

  test('is nobody’s business otherwise', async () => {
    expect(await twice({}, 'no-validation')).toEqual({ checks: 0, warnings: [] });
    expect(await twice({ dnsSupportLevel: 'dnssec' }, 'validates')).toMatchObject({ warnings: [] });
  });
});

test.each<[SmtpOptions, RegExp]>([
  [{ resolver: new MemoryDns({}), nameservers: ['127.0.0.1'] }, /exclude each other/],
  [{ nameservers: ['localhost'] }, /localhost/],
  [{ tcpPort: 'mail' }, /smtp_tcp_port is "mail"/],
  [{ refusedNetworks: ['10.0.0.0/40'] }, /is not a network/],
])('%j is a mistake of the caller', (options, message) => {
  expect(() => new Smtp(options)).toThrow(message);
});
