/** Probes under policies, sessions that are resumed, servers that do not keep up, options that are wrong. */
import { describe, expect, test } from 'vitest';
import type { ProbeOptions } from '../../lib/probe/options.js';
import { probe } from '../../lib/probe/probe.js';
import { isSatisfied, type ProbeResult } from '../../lib/probe/result.js';
import { MtaSts, type StsFailure, type StsPolicy } from '../../lib/sts/index.js';
import { certificate, hostCertificate, issuedCertificate } from '../helpers/certificates.js';
import { helloFilter } from '../helpers/hello-filter.js';
import { opensslServer } from '../helpers/openssl-peer.js';
import { found, PolicyServer, textPlain } from '../helpers/policy-server.js';
import { zoneDns } from '../helpers/probe-dns.js';
import { digest, digests, issued, probeOne, serverOf, trusting } from '../helpers/probe-server.js';
import { ehlo, hello, scriptedServer } from '../helpers/scripted-server.js';
import { startSmtpd } from '../helpers/servers.js';

const lone = certificate('ecdsa');

describe('policies', () => {
  const table = (value: string): readonly string[] => [`inline:{ { example.com = ${value} } }`];

  test('a table decides, unless the level is the caller\u2019s', async () => {
    const port = await serverOf();
    const policyMaps = table('secure match=mx.example.com servername=sni.example.com');
    const options = { smtp: { tls: { ...trusting.tls, policyMaps } } };
    expect(await probeOne({ port }, options)).toMatchObject({
      ...{ source: 'table', requestedLevel: 'secure', status: 'Verified' },
      ...{ match: ['mx.example.com'], sni: 'sni.example.com' },
      tls: { sni: 'sni.example.com' },
    });
    expect(await probeOne({ port }, { ...options, level: 'may' })).toMatchObject({
      ...{ source: 'global', requestedLevel: 'may', match: [], sni: null },
      tls: { sni: null },
    });
  });

  test('names and digests that the level has no use for are noted', async () => {
    const port = await serverOf();
    const match = ['mx.example.com'];
    for (const level of ['may', 'encrypt', 'dane'] as const) {
      const { notes } = await probeOne({ port }, { level, match });
      expect(notes).toEqual([
        `level ${level} does not compare with names or digests: mx.example.com`,
      ]);
    }
    expect((await probeOne({ port }, { level: 'verify', match, smtp: trusting })).notes).toEqual(
      [],
    );
  });

  test('a table that is wrong skips the host', async () => {
    const result = await probeOne({ port: 25 }, { smtp: { tls: { policyMaps: table('sekure') } } });
    expect(result).toMatchObject({
      ...{ outcome: 'skip', dsn: '4.7.5', reason: 'client TLS configuration problem' },
      ...{ requestedLevel: null, effectiveLevel: null, source: null },
    });
    expect(result.notes.join()).toMatch(/sekure/);
  });

  const sts = (mode: 'enforce' | 'testing' | 'none', mx: string): StsPolicy => ({
    kind: 'policy',
    domain: 'example.com',
    id: '1' as StsPolicy['id'],
    file: { mode, mx: [mx], maxAge: 86_400, strings: ['version: STSv1', `mode: ${mode}`] },
    fetchedAt: 0,
    expiresAt: 86_400_000,
  });
  const failure: StsFailure = { kind: 'failure', type: 'sts-webpki-invalid', text: 'no CA' };

  test.each<[string, StsPolicy | StsFailure | null, Partial<ProbeResult>, boolean]>([
    [
      'enforce',
      sts('enforce', '*.example.com'),
      { source: 'sts', effectiveLevel: 'secure', status: 'Verified', outcome: 'ok' },
      true,
    ],
    [
      'enforce for others',
      sts('enforce', 'mx.example.net'),
      { outcome: 'skip', effectiveLevel: 'secure', tls: null, dsn: '4.3.0' },
      false,
    ],
    ['testing', sts('testing', '*.example.com'), { source: 'sts', effectiveLevel: 'may' }, false],
    ['none', sts('none', '*.example.com'), { source: 'global', effectiveLevel: 'may' }, false],
    ['that cannot be had', failure, { source: 'global', effectiveLevel: 'may' }, false],
    ['that is not there', null, { source: 'global', effectiveLevel: 'may' }, false],
  ])('a policy of MTA-STS %s', async (_, policy, want, satisfied) => {
    const asked: string[] = [];
    const policyFor = async (domain: string) => {
      asked.push(domain);
      return policy;
    };
    const port = await serverOf();
    const result = await probeOne({ port }, { sts: { policyFor }, smtp: trusting });
    expect(asked).toEqual(['example.com']);
    expect(result).toMatchObject({ requestedLevel: 'dane', ...want });
    expect(result.sts?.kind).toBe(policy?.kind ?? 'none');
    expect(isSatisfied(result)).toBe(satisfied);
  });

  test('a policy that is fetched over HTTPS is held to', async () => {
    const certificateOfHost = hostCertificate('probe-sts', 'DNS:mta-sts.example.com');
    const body = 'version: STSv1\nmode: enforce\nmx: mx.example.com\nmax_age: 86400\n';
    const web = await PolicyServer.start(certificateOfHost, textPlain(body));
    const { dns, ...props } = web.props;
    const txt = async (name: string) => found(name, ['v=STSv1; id=1']);
    const sts = new MtaSts({ ...props, dns: { ...dns, txt } });
    const result = await probeOne({ port: await serverOf() }, { sts, smtp: trusting });
    expect(web.requests).toEqual(['mta-sts.example.com: /.well-known/mta-sts.txt']);
    expect(result).toMatchObject({
      ...{ source: 'sts', effectiveLevel: 'secure', status: 'Verified', match: ['mx.example.com'] },
      sts: { kind: 'policy', text: 'enforce', mx: ['mx.example.com'], maxAge: 86_400 },
    });
  });

  test('MTA-STS is not asked where DANE or the level decides', async () => {
    const policyFor = async () => {
      throw new Error('it was asked');
    };
    const port = await serverOf();
    const tlsa = [`3 1 1 ${digests.key}`];
    const result = await probeOne({ port, tlsa }, { sts: { policyFor } });
    expect(result).toMatchObject({ status: 'Verified', sts: null });
    expect(await probeOne({ port }, { sts: { policyFor }, level: 'encrypt' })).toMatchObject({
      outcome: 'ok',
      sts: null,
    });
  });
});

describe('sessions', () => {
  test('a second connection resumes, and is known as the first', async () => {
    const tlsa = [`3 1 1 ${digests.key}`];
    const result = await probeOne({ port: await serverOf(), tlsa }, { reconnect: true });
    expect(result).toMatchObject({
      tls: { resumed: false },
      resumption: { kind: 'resumed', tls: { resumed: true, status: 'Verified' }, reason: null },
    });
  });

  test('a server without tickets leaves nothing to resume', async () => {
    const { port } = await startSmtpd({
      tls: { securityLevel: 'may', chainFiles: [issued.chainFile], sessionCacheTimeout: 0 },
    });
    const result = await probeOne({ port }, { level: 'may', reconnect: true });
    expect(result.resumption).toMatchObject({ kind: 'unavailable' });
  });

  test('a client certificate is shown to a server that asks', async () => {
    const smtp = { tls: { chainFiles: [issuedCertificate().chainFile] } };
    const result = await probeOne({ port: await serverOf() }, { level: 'may', smtp });
    expect(result.tls?.client).toMatchObject({ algorithm: 'ECDSA', rawPublicKey: false });
  });

  test.each(['-tls1_2', '-tls1_3'])('openssl s_server %s behind STARTTLS', async (version) => {
    const { peer, port } = await opensslServer([
      ...['-cert', lone.certFile, '-key', lone.keyFile, version],
    ]);
    const front = await scriptedServer(async (client) => {
      await hello(client, 'STARTTLS');
      await client.answer('220 go\r\n');
      client.bridge(port);
    });
    const cert = digest(lone, 0);
    const going = probeOne({ port: front.port }, { level: 'fingerprint', match: [cert] });
    await peer.hear(/EHLO .*\r\n/);
    peer.say('250 peer.example\r\n');
    expect(await going).toMatchObject({
      ...{ status: 'Verified', matched: { kind: 'fingerprint' }, outcome: 'ok' },
      tls: { protocol: version === '-tls1_2' ? 'TLSv1.2' : 'TLSv1.3' },
      chain: [{ subject: '/CN=mx.example.com', names: ['mx.example.com', 'localhost'] }],
    });
  });

  test('wrappermode speaks TLS first, at port 465 unless told otherwise', async () => {
    const { port } = await startSmtpd(
      { tls: { securityLevel: 'may', chainFiles: [issued.chainFile] } },
      { wrappermode: true },
    );
    const smtp = { tls: { wrappermode: true, ...trusting.tls } };
    const result = await probeOne({ port }, { level: 'verify', smtp });
    expect(result).toMatchObject({ status: 'Verified', outcome: 'ok' });
    const dns = zoneDns({ a: { 'mx.example.com': ['127.9.9.9'] } });
    const [other] = await probe({ destination: '[mx.example.com]', dns, smtp, level: 'verify' });
    expect(other).toMatchObject({ port: 465, outcome: 'defer', dsn: '4.4.1' });
  });
});

describe('servers that do not keep up', () => {
  const plain = {
    ...{ outcome: 'plaintext', effectiveLevel: 'none', status: null, dsn: '2.0.0' },
  } satisfies Partial<ProbeResult>;

  test.each<[string, string, Partial<ProbeResult>]>([
    ['may', 'none', { ...plain, reason: 'the server does not offer STARTTLS' } as const],
    [
      'encrypt',
      'none',
      {
        outcome: 'defer',
        dsn: '4.7.4',
        reason: expect.stringMatching(/^TLS is required, but was/),
      },
    ],
    ['none', 'none', { ...plain, requestedLevel: 'none', reason: null } as const],
    ['may', 'refused', { ...plain, reason: 'the server refuses STARTTLS' } as const],
    [
      'encrypt',
      'refused',
      {
        outcome: 'defer',
        dsn: '4.7.0',
        reason: expect.stringMatching(/refused to start TLS: 454 4\.7\.0 not now$/),
      },
    ],
  ])('level %s, STARTTLS %s', async (level, starttls, want) => {
    const { port } = await scriptedServer(async (peer) => {
      await hello(peer, ...(starttls === 'none' ? [] : ['STARTTLS']));
      await peer.answer(starttls === 'refused' ? '454 4.7.0 not now\r\n' : '221 bye\r\n');
      await peer.gone();
    });
    const options = { level: level as 'may' | 'encrypt' | 'none' };
    const result = await probeOne({ port }, options);
    expect(result).toMatchObject(want);
    expect(isSatisfied(result)).toBe(level === 'none');
  });

  test.each<[string, string, string]>([
    ['421 4.3.2 busy\r\n', '4.3.2', 'refused to talk to me: 421 4.3.2 busy'],
    ['554 5.7.1 go away\r\n', '4.7.1', 'refused to talk to me: 554 5.7.1 go away'],
    ['', '4.4.2', 'lost connection with mx.example.com[127.0.0.1] while receiving'],
  ])('a greeting %j', async (greeting, dsn, reason) => {
    const { port } = await scriptedServer((peer) => {
      peer.say(greeting);
      peer.end();
    });
    expect(await probeOne({ port }, { level: 'may' })).toMatchObject({
      ...{ outcome: 'defer', dsn, reason: expect.stringContaining(reason), tls: null },
    });
  });

  test('a handshake that fails says why', async () => {
    const { port } = await scriptedServer(async (peer) => {
      await hello(peer, 'STARTTLS');
      await peer.answer('220 go\r\n');
      await peer.hearBytes(5);
      peer.say('this is no TLS record');
      await peer.gone();
    });
    const result = await probeOne({ port }, { level: 'encrypt' });
    expect(result).toMatchObject({
      ...{ outcome: 'defer', dsn: '4.7.5', reason: 'Cannot start TLS: handshake failure' },
    });
    expect(result.notes).toEqual([
      `SSL_connect error to mx.example.com[127.0.0.1]:${port}: -1`,
      expect.stringMatching(/^TLS library problem: error:.*:wrong version number/),
    ]);
  });

  test('a reply before its time breaks it off', async () => {
    const { port } = await scriptedServer(async (peer) => {
      peer.say('220 peer.example ESMTP\r\n');
      await peer.answer('250-peer.example\r\n250 STARTTLS\r\n');
      await peer.answer('220 go\r\n250 injected\r\n');
      await peer.gone();
    });
    expect(await probeOne({ port }, { level: 'may' })).toMatchObject({
      ...{ outcome: 'defer', dsn: '4.7.5', tls: null },
      reason: expect.stringMatching(/^Cannot start TLS: /),
    });
  });

  test('a connection that ends after the handshake is a failure in TLS', async () => {
    const { port } = await scriptedServer(async (peer) => {
      await hello(peer, 'STARTTLS');
      await peer.answer('220 go\r\n');
      await peer.secure();
      await peer.hear();
      peer.end();
    });
    expect(await probeOne({ port }, { level: 'may' })).toMatchObject({
      ...{ outcome: 'defer', dsn: '4.4.2', status: 'Untrusted', tls: { protocol: 'TLSv1.3' } },
      reason: expect.stringMatching(/^lost connection with .* while performing the EHLO handshake/),
    });
  });

  test('a server that chokes on a large ClientHello gets a smaller one, as from a delivery', async () => {
    const behind = await startSmtpd({
      tls: { securityLevel: 'may', chainFiles: [issued.chainFile], eecdhAutoCurves: ['X25519'] },
    });
    const filter = await helloFilter(behind.port, 1024);
    const result = await probeOne({ port: filter.port }, { level: 'may', reconnect: true });
    expect(result).toMatchObject({ outcome: 'ok', resumption: { kind: 'resumed' } });
    expect(result.tls?.group).toMatch(/^x25519$/i);
    expect(result.notes).toContain(
      'the handshake broke off without a word; once more with a smaller ClientHello: X25519MLKEM768 without a share',
    );
    expect(filter.hellos.map((size) => size > 1024)).toEqual([true, false, false]);
  });

  test('one that breaks every handshake is tried with each', async () => {
    const filter = await helloFilter(await serverOf(), 10);
    const result = await probeOne({ port: filter.port }, { level: 'encrypt' });
    expect(result).toMatchObject({ outcome: 'defer', dsn: '4.7.5', tls: null });
    expect(filter.connections).toBe(3);
  });

  test('smtp_tls_loglevel adds what a delivery would log', async () => {
    const smtp = { tls: { ...trusting.tls, loglevel: 'summary, certmatch' } };
    const { notes } = await probeOne({ port: await serverOf() }, { level: 'verify', smtp });
    expect(notes).toEqual([
      expect.stringMatching(/: matched peername: mx\.example\.com$/),
      expect.stringMatching(/: subject_CN=mail\.example\.com, issuer=Intermediate 1, cert /),
      expect.stringMatching(/^Verified TLS connection established to mx\.example\.com/),
    ]);
  });

  test('lines that are no replies are noted', async () => {
    const { port } = await scriptedServer(async (peer) => {
      peer.say('\u0007what?\r\n220 peer.example ESMTP\r\n');
      await ehlo(peer);
      await peer.gone();
    });
    const { notes } = await probeOne({ port }, { level: 'may' });
    expect(notes).toEqual([`non-SMTP response from mx.example.com[127.0.0.1]:${port}: ?what?`]);
  });
});

describe('options that are wrong', () => {
  const dns = zoneDns({});

  test.each<[string, Partial<ProbeOptions>, string]>([
    ['a destination', { destination: 'a b' }, 'INVALID_ARGUMENT'],
    ['an empty destination', { destination: '' }, 'INVALID_ARGUMENT'],
    ['a port', { destination: 'example.com:70000' }, 'INVALID_ARGUMENT'],
    ['an address without brackets', { destination: '127.0.0.1' }, 'INVALID_ARGUMENT'],
    ['a table', { smtp: { tls: { policyMaps: ['hash:x'] } } }, 'LOOKUP_TABLE'],
    ['two ports', { destination: 'example.com:587', port: 25 }, 'INVALID_ARGUMENT'],
    ['CAs', { smtp: { tls: { CAfile: '/nowhere/ca.pem' } } }, 'CA_LOAD'],
    ['a key', { smtp: { tls: { chainFiles: ['/nowhere/key.pem'] } } }, 'CHAIN_FILE'],
    ['an option', { smtp: { tls: { cafile: 'x' } as object } }, 'UNKNOWN_OPTION'],
  ])('%s', async (_, options, code) => {
    await expect(probe({ destination: '[127.0.0.1]', dns, ...options })).rejects.toMatchObject({
      name: 'TlsError',
      code,
    });
  });
});
