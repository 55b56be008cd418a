/** How a client knows a server: each kind of match and mismatch, against our server and `openssl s_server`. */
import { createHash, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { ClientDemand, TlsLevel } from '../../lib/index.js';
import type { TlsaData } from '../../lib/tls/peer-auth.js';
import {
  authority,
  type Certificate,
  certificate,
  serverCertificate,
  serverIssuer,
} from '../helpers/certificates.js';
import { noticesOf, type ServerKind, startServer, visit } from '../helpers/tls-visit.js';

const directory = mkdtempSync(join(tmpdir(), 'mxtls-peer-auth-'));
afterAll(() => rmSync(directory, { recursive: true }));

const name = 'mx.example.com';
const issued = serverCertificate('mx', [name]);
const wildcard = serverCertificate('wildcard', ['*.example.com']);
const nameless = serverCertificate('nameless', []);
const expired = serverCertificate(
  'expired',
  [name],
  ...['-not_before', '20200101000000Z', '-not_after', '20200201000000Z'],
);
const forClients = serverCertificate('clients', [name], '-addext', 'extendedKeyUsage=clientAuth');
const lone = certificate('ecdsa');
const root = authority();
const trusting = { CAfile: root.certFile };

function der({ certFile }: Certificate, selector: number): Buffer {
  const cert = new X509Certificate(readFileSync(certFile));
  return selector === 0 ? cert.raw : cert.publicKey.export({ type: 'spki', format: 'der' });
}

const digests: Readonly<Record<number, string>> = { 1: 'sha256', 2: 'sha512' };

function record(of: Certificate, usage: number, selector: number, matchingType: number): TlsaData {
  const content = der(of, selector);
  const digest = digests[matchingType];
  const data = digest === undefined ? content : createHash(digest).update(content).digest();
  return { usage, selector, matchingType, data };
}

function fingerprint(of: Certificate, selector: number, algorithm: string): string {
  return createHash(algorithm).update(der(of, selector)).digest('hex');
}

const kinds = ['our server', 's_server'] as const;
const versions = ['1.2', '1.3'] as const;
const everywhere = kinds.flatMap((kind) => versions.map((version) => [kind, version] as const));

async function ask(
  chain: Certificate,
  demand: ClientDemand,
  tls: object = {},
  [kind, version]: readonly [ServerKind, '1.2' | '1.3'] = ['our server', '1.3'],
) {
  const server = await startServer(kind, chain, version);
  return (await visit(server, tls, demand)).tls;
}

describe.each(everywhere)('%s, TLS %s', (kind, version) => {
  const where = [kind, version] as const;

  test.each<[string, Certificate, ClientDemand, object, object]>([
    ['a name', issued, { level: 'secure', names: [name] }, trusting, { kind: 'name', depth: 0 }],
    [
      'a suffix',
      issued,
      { level: 'verify', names: ['.example.com'] },
      trusting,
      { peername: name },
    ],
    [
      'a wildcard',
      wildcard,
      { level: 'secure', names: ['x.example.com'] },
      trusting,
      { peername: '*.example.com' },
    ],
    [
      'a common name where there is no DNS name',
      nameless,
      { level: 'secure', names: ['mail.example.com'] },
      trusting,
      { peername: 'mail.example.com' },
    ],
    [
      'a fingerprint of the certificate',
      lone,
      { level: 'fingerprint', fingerprints: [fingerprint(lone, 0, 'sha256')] },
      {},
      { kind: 'fingerprint', value: fingerprint(lone, 0, 'sha256').toUpperCase() },
    ],
    [
      'a fingerprint of the key, by SHA-1',
      lone,
      { level: 'fingerprint', fingerprints: ['00'.repeat(20), fingerprint(lone, 1, 'sha1')] },
      { fingerprintDigest: 'sha1' },
      { kind: 'fingerprint', rawPublicKey: false },
    ],
    [
      'a fingerprint of a raw public key, by MD5',
      lone,
      { level: 'fingerprint', fingerprints: [fingerprint(lone, 1, 'md5')], enableRpk: true },
      { fingerprintDigest: 'md5' },
      { kind: 'fingerprint', rawPublicKey: true },
    ],
    [
      '3 0 1 of an expired certificate',
      expired,
      { level: 'dane', tlsa: [record(expired, 3, 0, 1)] },
      {},
      { kind: 'tlsa', depth: 0, peername: null, rawPublicKey: false },
    ],
    [
      '3 1 1, as a raw public key',
      lone,
      { level: 'dane-only', tlsa: [record(lone, 3, 1, 1)], names: ['other.example.org'] },
      {},
      { kind: 'tlsa', rawPublicKey: true, value: expect.stringMatching(/^3 1 1 [\dA-F]{64}$/) },
    ],
    [
      '3 1 2 beside 3 0 1, as a certificate',
      lone,
      { level: 'dane', tlsa: [record(lone, 3, 1, 2), record(issued, 3, 0, 1)] },
      {},
      { kind: 'tlsa', rawPublicKey: false, value: expect.stringMatching(/^3 1 2 [\dA-F]{128}$/) },
    ],
    [
      '2 0 1',
      issued,
      { level: 'dane', tlsa: [record(serverIssuer(), 2, 0, 1)], names: [name] },
      {},
      { kind: 'tlsa', depth: 1, peername: name },
    ],
    [
      '2 1 0 of a root that is not sent',
      issued,
      { level: 'dane', tlsa: [record(root, 2, 1, 0)], names: [name] },
      {},
      { kind: 'tlsa', depth: 1, publicKey: true },
    ],
    [
      'a trust anchor',
      issued,
      { level: 'secure', names: [name], trustAnchorFiles: [root.certFile] },
      {},
      { kind: 'anchor', depth: 2, peername: name },
    ],
    [
      'a trust anchor that is the leaf',
      issued,
      { level: 'secure', names: [name], trustAnchorFiles: [issued.certFile] },
      {},
      { kind: 'anchor', depth: 0, peername: name },
    ],
    [
      'PKIX-TA on top of the CAs',
      issued,
      { level: 'secure', names: [name], tlsa: [record(serverIssuer(), 0, 0, 1)] },
      trusting,
      { kind: 'tlsa', depth: 1 },
    ],
    [
      'PKIX-EE on top of the CAs',
      issued,
      { level: 'secure', names: [name], tlsa: [record(issued, 1, 1, 1)] },
      trusting,
      { kind: 'tlsa', depth: 0 },
    ],
  ])('Verified by %s', async (_what, chain, demand, tls, matched) => {
    expect(await ask(chain, demand, tls, where)).toMatchObject({
      status: 'Verified',
      verifyError: null,
      matched,
      tlsaFallback: false,
    });
  });

  test.each<[string, Certificate, ClientDemand, object, string, object]>([
    [
      'another name',
      issued,
      { level: 'secure', names: ['other.example.com'] },
      trusting,
      'Trusted',
      { code: 62, depth: 0, text: 'hostname mismatch' },
    ],
    [
      'the common name beside DNS names',
      issued,
      { level: 'secure', names: ['mail.example.com'] },
      trusting,
      'Trusted',
      { code: 62 },
    ],
    [
      'an expired certificate',
      expired,
      { level: 'secure', names: [name] },
      trusting,
      'Untrusted',
      { code: 10, depth: 0 },
    ],
    [
      'a certificate for clients',
      forClients,
      { level: 'secure', names: [name] },
      trusting,
      'Untrusted',
      { code: 26, depth: 0 },
    ],
    [
      'a CA that nobody trusts',
      issued,
      { level: 'verify', names: [name] },
      { CAfile: lone.certFile },
      'Untrusted',
      { code: 20, depth: 1 },
    ],
    [
      'a self-signed certificate',
      lone,
      { level: 'secure', names: [name] },
      trusting,
      'Untrusted',
      { code: 18, depth: 0 },
    ],
    [
      'another fingerprint',
      lone,
      { level: 'fingerprint', fingerprints: [fingerprint(issued, 0, 'sha256')] },
      trusting,
      'Untrusted',
      { code: 65, depth: 0 },
    ],
    [
      'a fingerprint of another length',
      lone,
      { level: 'fingerprint', fingerprints: ['AB:CD'] },
      {},
      'Untrusted',
      { code: 1, depth: 0 },
    ],
    [
      'another key',
      lone,
      { level: 'dane', tlsa: [record(issued, 3, 1, 1)] },
      trusting,
      'Untrusted',
      { code: 65, depth: 0 },
    ],
    [
      'DANE-TA with another name',
      issued,
      { level: 'dane', tlsa: [record(root, 2, 0, 0)], names: ['other.example.com'] },
      {},
      'Trusted',
      { code: 62, depth: 0 },
    ],
    [
      'DANE-TA under an expired certificate',
      expired,
      { level: 'dane', tlsa: [record(root, 2, 0, 0)], names: [name] },
      {},
      'Untrusted',
      { code: 10, depth: 0 },
    ],
    [
      'records that are unusable, at dane-only',
      issued,
      { level: 'dane-only', tlsa: [record(issued, 3, 5, 9)] },
      trusting,
      'Untrusted',
      { code: 1, depth: 0, text: 'unspecified certificate verification error' },
    ],
    [
      'a trust anchor in the place of the CAs',
      issued,
      { level: 'secure', names: [name], trustAnchorFiles: [lone.certFile] },
      trusting,
      'Untrusted',
      {},
    ],
    [
      'a forced failure',
      issued,
      { level: 'secure', names: [name], forcedFailure: true },
      trusting,
      'Untrusted',
      { code: 1, depth: 0 },
    ],
  ])('not by %s', async (_what, chain, demand, tls, status, verifyError) => {
    expect(await ask(chain, demand, tls, where)).toMatchObject({
      status,
      verifyError,
      matched: null,
    });
  });
});

test('halfdane is Trusted at most, and tells what matched', async () => {
  const demand = { level: 'halfdane', tlsa: [record(lone, 3, 1, 1)] } as const;
  const tls = await ask(lone, demand);
  expect(tls).toMatchObject({ status: 'Trusted', verifyError: null, matched: { kind: 'tlsa' } });
  expect(await ask(issued, demand)).toMatchObject({ status: 'Untrusted', matched: null });
});

describe.each(['dane', 'halfdane'] as const)('%s without a usable record', (level) => {
  const demand = { level, tlsa: [record(issued, 3, 5, 1), record(issued, 3, 1, 9)] };

  test('is encrypted, whatever the names', async () => {
    const tls = await ask(issued, { ...demand, names: ['other.example.com'] }, trusting);
    expect(tls).toMatchObject({ tlsaFallback: true, matched: null });
  });

  test('says so', async () => {
    const server = await startServer('our server', issued);
    const notices = await noticesOf(server, {}, demand);
    expect(notices.map(({ kind }) => kind)).toEqual([
      'tlsa-unusable',
      'tlsa-unusable',
      'tlsa-fallback',
    ]);
    expect(notices[0]?.name).toMatch(/^3 5 1 [\dA-F]{64}$/);
  });
});

test('digests of TLSA records are those of tls_dane_digests, the first one strongest', async () => {
  const tlsa = [record(issued, 3, 0, 2), record(lone, 3, 0, 1)];
  const demand = { level: 'dane', tlsa } as const;
  expect((await ask(lone, demand)).status).toBe('Untrusted');
  expect((await ask(lone, demand, { daneDigests: ['sha256', 'sha512'] })).status).toBe('Verified');
  expect((await ask(lone, demand, { daneDigests: ['sha256'] })).status).toBe('Verified');
  const sha384 = createHash('sha384').update(der(lone, 1)).digest();
  const own = { usage: 3, selector: 1, matchingType: 7, data: sha384 };
  const seven = { level: 'dane-only', tlsa: [own] } as const;
  expect((await ask(lone, seven, { daneDigests: ['sha384=7'] })).status).toBe('Verified');
  expect((await ask(lone, seven)).verifyError).toMatchObject({ code: 1 });
});

test('what is wrong in tls_dane_digests is a warning', async () => {
  const warnings: string[] = [];
  const demand = {
    level: 'dane',
    tlsa: [record(lone, 3, 1, 1)],
    warn: (text: string) => warnings.push(text),
  } as const;
  const tls = await ask(lone, demand, { daneDigests: ['nosuch=9', 'sha256'] });
  expect(tls.status).toBe('Verified');
  expect(warnings).toEqual([
    'tls_dane_digests: "nosuch=9" is not known to the library, it is ignored',
  ]);
});

test('a trust-anchor file that cannot be used is an error before the handshake', async () => {
  const file = join(directory, 'empty.pem');
  writeFileSync(file, '');
  const demand = { level: 'secure', names: [name], trustAnchorFiles: [file] } as const;
  await expect(ask(issued, demand)).rejects.toMatchObject({
    class: 'config',
    code: 'CA_LOAD',
    message: `the trust anchor file ${file} has neither a certificate nor a public key`,
  });
});

describe('resumption', () => {
  const levels: readonly [TlsLevel, ClientDemand][] = [
    ['secure', { names: [name] }],
    ['dane', { tlsa: [record(issued, 3, 1, 1)] }],
    ['dane-only', { tlsa: [record(root, 2, 0, 0)], names: [name] }],
    ['fingerprint', { fingerprints: [fingerprint(issued, 0, 'sha256')] }],
  ];
  const cases = everywhere.flatMap(([kind, version]) =>
    levels.map(([level, match]) => [kind, version, level, match] as const),
  );

  test.each(cases)('%s, TLS %s, %s: keeps the result', async (kind, version, level, match) => {
    const server = await startServer(kind, issued, version);
    const demand = { ...match, level };
    const first = await visit(server, trusting, demand);
    expect(first.tls).toMatchObject({ status: 'Verified', resumed: false });
    expect(first.session).not.toBeNull();
    const session = first.session ?? Buffer.alloc(0);
    const second = await visit(server, trusting, { ...demand, session });
    expect(second.tls).toMatchObject({ status: 'Verified', resumed: true, matched: null });
  });

  test.each(versions)('TLS %s: not where something else must match', async (version) => {
    const server = await startServer('our server', issued, version);
    // Else TLS 1.2 has no certificate at this level.
    const certified = { excludeCiphers: ['aNULL'] };
    const both = { ...trusting, ...certified };
    const { session } = await visit(server, both, { level: 'encrypt' });
    const old = { session: session ?? Buffer.alloc(0) };
    expect((await visit(server, both, { level: 'encrypt', ...old })).tls.resumed).toBe(true);
    const others: readonly [object, ClientDemand, string][] = [
      [trusting, { level: 'secure', names: ['other.example.com'] }, 'Trusted'],
      [trusting, { level: 'secure', names: [name] }, 'Verified'],
      [trusting, { level: 'dane', tlsa: [record(lone, 3, 1, 1)] }, 'Untrusted'],
      [certified, { level: 'encrypt' }, 'Untrusted'],
    ];
    for (const [tls, demand, status] of others) {
      const seen = (await visit(server, tls, { ...demand, ...old })).tls;
      expect(seen).toMatchObject({ resumed: false, status });
    }
  });

  test('a server that did not match leaves none', async () => {
    const server = await startServer('our server', issued);
    const demand = { level: 'secure', names: ['other.example.com'] } as const;
    expect((await visit(server, trusting, demand)).session).toBeNull();
  });

  test('bytes that are no session are none', async () => {
    const server = await startServer('our server', issued);
    for (const session of [new Uint8Array(0), Buffer.from('junk')]) {
      const seen = await visit(server, trusting, { level: 'secure', names: [name], session });
      expect(seen.tls).toMatchObject({ resumed: false, status: 'Verified' });
    }
  });
});
