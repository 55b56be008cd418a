/** `mxtls probe` in a world of real DNS with signatures, against our own smtpd: what it prints, and how it ends. */
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ProbeRecord } from '../../lib/probe/result.js';
import { Smtpd } from '../../lib/server.js';
import {
  authority,
  type Certificate,
  certificate,
  serverCertificate,
  serverIssuer,
} from '../helpers/certificates.js';
import { mxtls } from '../helpers/command.js';
import { prepareDebian13, whyNoDebian13 } from '../helpers/debian13.js';
import { SignedWorld } from '../helpers/signed-world/signed-world.js';

const reason = whyNoDebian13();

test.runIf(process.env['CI'] !== undefined)('NSD and Unbound can be run', () => {
  expect(reason).toBeNull();
});

const lone = certificate('ecdsa');
const issued = serverCertificate('probe', ['mx.issued.test', 'mx.plain.test']);

/** SHA-256 of certificate (selector 0) or key (1). */
function digest({ certFile }: Certificate, selector: 0 | 1): string {
  const cert = new X509Certificate(readFileSync(certFile));
  const der = selector === 0 ? cert.raw : cert.publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(der).digest('hex');
}

const unrelated = 'ab'.repeat(32);

describe.skipIf(reason !== null)('a probe', () => {
  const servers: Smtpd[] = [];
  let port = 0;
  let world: SignedWorld;

  /** All servers have one port, each an address of its own. */
  async function serve(host: string, chain: Certificate | null, at = 0): Promise<number> {
    const smtpd = new Smtpd({
      myhostname: 'mx.example.test',
      logger: { info: () => undefined, warn: () => undefined },
      onData: async () => undefined,
      tls:
        chain === null
          ? { securityLevel: 'none' }
          : { securityLevel: 'may', chainFiles: [chain.chainFile] },
    });
    servers.push(smtpd);
    return (await smtpd.listen({ host, port: at })).port;
  }

  beforeAll(async () => {
    prepareDebian13();
    port = await serve('127.0.9.1', lone);
    await serve('127.0.9.2', issued, port);
    await serve('127.0.9.3', null, port);
    const tlsa = (host: string, record: string): string => `_${port}._tcp.${host} TLSA ${record}`;
    const zone = (address: string, ...records: readonly string[]): readonly string[] => [
      ...['@ MX 10 mx', `mx A ${address}`, ...records],
    ];
    const good = tlsa('mx', `3 1 1 ${digest(lone, 1)}`);
    world = await SignedWorld.start({
      'good.test': { state: 'signed', records: zone('127.0.9.1', good) },
      'issued.test': {
        state: 'signed',
        records: zone(
          '127.0.9.2',
          tlsa('mx', `3 1 1 ${unrelated}`),
          tlsa('mx', `2 0 1 ${digest(serverIssuer(), 0)}`),
          tlsa('mx', `1 1 1 ${unrelated}`),
        ),
      },
      'wrong.test': {
        state: 'signed',
        records: zone('127.0.9.1', tlsa('mx', `3 1 1 ${unrelated}`)),
      },
      'useless.test': {
        state: 'signed',
        records: zone('127.0.9.1', tlsa('mx', `3 5 9 00112233`), tlsa('mx', `0 0 1 ${unrelated}`)),
      },
      'none.test': { state: 'signed', records: zone('127.0.9.1') },
      'broken.test': {
        state: 'signed',
        records: zone('127.0.9.1', good),
        corrupt: [[`_${port}._tcp.mx`, 'TLSA']],
      },
      'half.test': { state: 'unsigned', records: ['@ MX 10 mx.good.test.'] },
      'plain.test': { state: 'unsigned', records: zone('127.0.9.2') },
      'notls.test': { state: 'unsigned', records: zone('127.0.9.3') },
      'bogus.test': { state: 'bogus', records: zone('127.0.9.1', good) },
      'null.test': { state: 'signed', records: ['@ MX 0 .'] },
      'nomx.test': {
        state: 'signed',
        records: ['@ A 127.0.9.1', tlsa('@', `3 1 1 ${digest(lone, 1)}`).replace('.@', '')],
      },
      'many.test': {
        state: 'signed',
        records: [
          ...['@ MX 10 alias', 'alias CNAME mx.good.test.', '@ MX 20 mx.wrong.test.'],
          ...['@ MX 20 mx.bogus.test.', '@ MX 30 nobody', '@ MX 30 dead', 'dead A 127.0.9.9'],
          tlsa('alias', `3 1 1 ${digest(lone, 1)}`),
        ],
      },
    });
  }, 600_000);

  afterAll(async () => {
    await Promise.all(servers.map((smtpd) => smtpd.close(true)));
    await world.close();
  });

  const run = (...args: readonly string[]): ReturnType<typeof mxtls> =>
    mxtls(['probe', '--no-sts', '--nameserver', world.nameserver, '--port', `${port}`, ...args]);

  async function json(...args: readonly string[]): Promise<[number, readonly ProbeRecord[]]> {
    const { code, stdout } = await run('--json', ...args);
    return [code, JSON.parse(stdout) as readonly ProbeRecord[]];
  }

  const dane = { requestedLevel: 'dane' } as const;
  const secure = { mxSecurity: 'secure', addressSecurity: 'secure' } as const;
  const insecure = { mxSecurity: 'insecure', addressSecurity: 'insecure' } as const;
  const ok = { outcome: 'ok', dsn: '2.0.0' } as const;

  test.each<[string, string[], number, Partial<ProbeRecord>]>([
    [
      'a record of the key',
      ['good.test'],
      0,
      { ...dane, ...secure, ...ok, tlsaBase: 'mx.good.test', status: 'Verified', reason: null },
    ],
    [
      'a record of an issuer beside others',
      ['issued.test'],
      0,
      { ...dane, ...secure, ...ok, status: 'Verified', effectiveLevel: 'dane' },
    ],
    [
      'a record that does not match',
      ['wrong.test'],
      75,
      { ...dane, ...secure, outcome: 'defer', dsn: '4.7.5', status: 'Untrusted', matched: null },
    ],
    [
      'records that cannot be used',
      ['useless.test'],
      69,
      { ...dane, ...ok, effectiveLevel: 'encrypt', reason: 'no TLSA record is usable' },
    ],
    [
      'no records',
      ['none.test'],
      69,
      { ...dane, ...secure, ...ok, effectiveLevel: 'may', tlsa: [], tlsaBase: null },
    ],
    [
      'no records, and DANE is required',
      ['-l', 'dane-only', 'none.test'],
      75,
      { ...secure, outcome: 'skip', dsn: '4.7.5', reason: 'no TLSA records found', tls: null },
    ],
    [
      'records that are bogus',
      ['broken.test'],
      75,
      { ...dane, ...secure, outcome: 'skip', dsn: '4.7.5', tls: null, effectiveLevel: null },
    ],
    [
      'MX records that are not signed',
      ['half.test'],
      69,
      {
        ...{ ...dane, ...ok, mxSecurity: 'insecure', addressSecurity: 'secure' },
        ...{ mx: 'mx.good.test', effectiveLevel: 'halfdane', status: 'Trusted' },
      },
    ],
    ['nothing signed', ['plain.test'], 69, { ...dane, ...insecure, ...ok, effectiveLevel: 'may' }],
    [
      'nothing signed, a CA and a name',
      ['-l', 'verify', '--ca', authority().certFile, 'plain.test'],
      0,
      { ...insecure, ...ok, requestedLevel: 'verify', status: 'Verified' },
    ],
    [
      'nothing signed, and no CA',
      ['-l', 'secure', 'plain.test'],
      75,
      { ...insecure, outcome: 'defer', dsn: '4.7.5', status: 'Untrusted' },
    ],
    [
      'no STARTTLS',
      ['-l', 'may', 'notls.test'],
      69,
      {
        ...{ outcome: 'plaintext', effectiveLevel: 'none', tls: null, status: null },
        reason: 'the server does not offer STARTTLS',
      },
    ],
    [
      'no STARTTLS, and it is required',
      ['-l', 'encrypt', 'notls.test'],
      75,
      { outcome: 'defer', dsn: '4.7.4', effectiveLevel: 'encrypt' },
    ],
    [
      'a zone that is bogus',
      ['bogus.test'],
      75,
      { ...dane, mx: null, mxSecurity: 'bogus', addressSecurity: null, outcome: 'defer' },
    ],
    [
      'a domain that takes no mail',
      ['null.test'],
      69,
      { mx: null, mxSecurity: 'secure', address: null, outcome: 'skip', dsn: '5.1.0' },
    ],
    [
      'a domain that is its own host',
      ['nomx.test'],
      0,
      { ...dane, ...secure, ...ok, mx: 'nomx.test', tlsaBase: 'nomx.test', status: 'Verified' },
    ],
    [
      'a host in brackets',
      ['[mx.good.test]'],
      0,
      { mxSecurity: null, addressSecurity: 'secure', status: 'Verified' },
    ],
  ])('%s', async (_, args, code, want) => {
    const [got, results] = await json(...args);
    expect(results).toMatchObject([{ destination: args.at(-1), ...want }]);
    expect(got).toBe(code);
  });

  test('all hosts are told of in the order of preference', async () => {
    const [code, results] = await json('--all-mx', 'many.test');
    expect(
      results.map(({ mx, addressSecurity, tlsaBase, status, outcome, dsn }) => [
        ...[mx, addressSecurity, tlsaBase, status, outcome, dsn],
      ]),
    ).toEqual([
      ['alias.many.test', 'secure', 'mx.good.test', 'Verified', 'ok', '2.0.0'],
      ['mx.bogus.test', 'bogus', null, null, 'defer', '4.4.3'],
      ['mx.wrong.test', 'secure', 'mx.wrong.test', 'Untrusted', 'defer', '4.7.5'],
      ['dead.many.test', 'secure', null, null, 'defer', '4.4.1'],
      ['nobody.many.test', null, null, null, 'skip', '5.4.4'],
    ]);
    expect(code).toBe(75);
    const [first, one] = await json('many.test');
    expect([first, one.map(({ mx }) => mx)]).toEqual([0, ['alias.many.test']]);
  });

  test('the text is the same each time, without colours, and says what matters', async () => {
    const { code, stdout, stderr } = await run('-r', 'good.test');
    expect(code).toBe(0);
    expect(stderr).toBe('');
    const { key } = { key: digest(lone, 1) };
    expect(stdout.split('\n').filter((line) => !line.startsWith('  key '))).toEqual([
      `mx.good.test[127.0.9.1]:${port} for good.test`,
      '  MX        10 mx.good.test, secure',
      '  address   127.0.9.1, secure',
      `  TLSA      _${port}._tcp.mx.good.test: secure`,
      `              3 1 1 ${key} matched`,
      '  policy    dane (DANE)',
      '  SNI       mx.good.test',
      expect.stringMatching(
        /^ {2}TLS {7}Verified TLS connection established to mx\.good\.test\[127\.0\.9\.1\]:\d+: TLSv1\.3 with /,
      ),
      `  match     Matched DANE raw public key: 3 1 1 ${key.toUpperCase()}`,
      '  resumed   yes',
      '  result    ok, level dane is satisfied',
      '',
    ]);
    expect((await run('-r', 'good.test')).stdout).toBe(stdout);
    expect((await run('--all-mx', 'many.test')).stdout).toBe(
      (await run('--all-mx', 'many.test')).stdout,
    );
  });

  test('a resolver that may not validate, as it has none of the public names, is told of', async () => {
    const blind = ['--no-sts', '--port', `${port}`, '--nameserver'];
    const { code, stdout, stderr } = await mxtls([
      ...['probe', ...blind, world.nameserverWithoutValidation, 'good.test'],
    ]);
    expect(code).toBe(69);
    expect(stdout).toContain('10 mx.good.test, insecure');
    expect(stderr).toMatch(
      /^mxtls: warning: cannot tell whether DNS server \S+ validates DNSSEC: it does not have the signed name /,
    );
  });

  test('one that cannot be reached defers', async () => {
    const { code, stdout } = await mxtls(['probe', '--nameserver', '127.0.0.1:1', 'good.test']);
    expect(code).toBe(75);
    expect(stdout).toMatch(/^good\.test\n {2}result {4}defer: 4\.4\.3 /);
  });
});
