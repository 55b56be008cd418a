/**
 * A session is brought back only where everything is as it was: for each component of the key the same server is visited
 * with it and without it, with real handshakes. Both visits can resume their own sessions, and neither gets the other's.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createHash, X509Certificate } from 'node:crypto';
import { type AddressInfo, connect, createServer } from 'node:net';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { addon } from '../../lib/addon.js';
import { Smtp, type SmtpOptions } from '../../lib/client.js';
import type { SmtpTlsOptions } from '../../lib/config/options.js';
import type { DnsLookup, DnsResult, TlsaRecord } from '../../lib/dns/answer.js';
import type { ClientSessionKeyProps } from '../../lib/session-cache/client-key.js';
import { MemorySessionStore } from '../../lib/session-cache/store.js';
import {
  authority,
  certificate,
  serverCertificate,
  serverIssuer,
} from '../helpers/certificates.js';
import { pkeyFingerprint } from '../helpers/fingerprints.js';
import { Lines } from '../helpers/lines.js';
import { startSmtpd, type TestServer } from '../helpers/servers.js';

/** Two components are ours and the same in all of a process: what stands in their places. */
let service = 'smtp';

vi.mock(import('../../lib/session-cache/client-key.js'), async (original) => {
  const { clientSessionKey } = await original();
  return {
    clientSessionKey: (props: ClientSessionKeyProps) => clientSessionKey({ ...props, service }),
  };
});

const library = addon.libraryInfo();
const libraryInfo = vi.spyOn(addon, 'libraryInfo');

const chain = serverCertificate('mx', ['mx.example.com']);
const root = authority();
const own = certificate('ecdsa');
const fingerprint = pkeyFingerprint(chain.certFile);

type Version = '1.2' | '1.3';

function start(version: Version): Promise<TestServer> {
  const protocols = `>=TLSv${version}, <=TLSv${version}`;
  const tls = { securityLevel: 'may', chainFiles: [chain.chainFile], askCcert: true } as const;
  return startSmtpd({ tls: { ...tls, protocols, mandatoryProtocols: protocols } });
}

/** What the DNS says in a visit; all of it is signed. */
interface World {
  readonly mx?: string;
  readonly address?: string;
  readonly tlsa?: readonly TlsaRecord[];
}

function dns({ mx = 'mx.example.com', address = '127.0.0.1', tlsa = [] }: World): DnsLookup {
  const answer = <Data>(name: string, records: readonly Data[]): Promise<DnsResult<Data>> => {
    const rest = { secure: true, name, ttl: 60 } as const;
    return Promise.resolve(
      records.length > 0
        ? { ...rest, kind: 'found', records }
        : { ...rest, kind: 'none', reason: 'nodata' },
    );
  };
  return {
    mx: (name) => answer(name, [{ preference: 10, exchange: mx }]),
    a: (name) => answer(name, [address]),
    aaaa: (name) => answer(name, []),
    cname: (name) => answer(name, []),
    tlsa: (name) => answer(name, tlsa),
    txt: (name) => answer(name, []),
  };
}

interface Visit extends World {
  readonly port?: number;
  readonly nexthop?: string;
  readonly tls?: SmtpTlsOptions;
  readonly more?: Partial<SmtpOptions>;
  /** Name of the service. */
  readonly service?: string;
  /** What OpenSSL says of its version. */
  readonly runtimeNumber?: number;
}

interface Seen {
  readonly resumed: boolean | undefined;
  /** A session was found under the key. */
  readonly reloaded: boolean;
}

/** Visits of Smtps that share a store. */
function visitor(server: TestServer) {
  const store = new MemorySessionStore({ timeout: 3600 });
  return async (visit: Visit): Promise<Seen> => {
    const lines = new Lines();
    service = visit.service ?? 'smtp';
    libraryInfo.mockReturnValue({
      ...library,
      runtimeNumber: visit.runtimeNumber ?? library.runtimeNumber,
    });
    const smtp = new Smtp({
      logger: lines,
      resolver: dns(visit),
      dnsSupportLevel: 'dnssec',
      validationNames: {},
      inetProtocols: 'ipv4',
      refusedNetworks: [],
      tcpPort: String(visit.port ?? server.port),
      sessionStore: store,
      // Else TLS 1.2 has no certificate at may and encrypt.
      tls: { securityLevel: 'may', loglevel: 'cache', excludeCiphers: ['aNULL'], ...visit.tls },
      ...visit.more,
    });
    const report = await smtp.deliver({
      ...{ sender: 'a@example.org', recipients: ['b@example.com'], message: 'x\r\n' },
      nexthop: visit.nexthop ?? 'example.com',
    });
    expect(report.tls).not.toBe(null);
    return { resumed: report.tls?.resumed, reloaded: lines.matching(/^reloaded/).length > 0 };
  };
}

function tlsa(usage: number, selector: number, file: string): TlsaRecord {
  const cert = new X509Certificate(readFileSync(file));
  const data = selector === 0 ? cert.raw : cert.publicKey.export({ type: 'spki', format: 'der' });
  return {
    ...{ usage, selector, matchingType: 1 },
    data: createHash('sha256').update(data).digest(),
  };
}

const leaf = tlsa(3, 1, chain.certFile);
const issuer = tlsa(2, 0, serverIssuer().certFile);

const full: Seen = { resumed: false, reloaded: false };
const brought: Seen = { resumed: true, reloaded: true };

const secure = (names: string, tls: SmtpTlsOptions = {}): Visit => ({
  tls: { securityLevel: 'secure', CAfile: root.certFile, secureCertMatch: [names], ...tls },
});
const dane = (records: readonly TlsaRecord[], level: 'dane' | 'dane-only' = 'dane'): Visit => ({
  tls: { securityLevel: level },
  tlsa: records,
});
const pinned = (...fingerprintCertMatch: string[]): Visit => ({
  tls: { securityLevel: 'fingerprint', fingerprintCertMatch },
});

type Case = readonly [component: string, base: Visit, other: Visit];

const cases: readonly Case[] = [
  ['the service', {}, { service: 'relay' }],
  ['the version of OpenSSL', {}, { runtimeNumber: library.runtimeNumber + 1 }],
  ['the next hop', {}, { nexthop: 'EXAMPLE.com' }],
  ['the host', {}, { mx: 'mx2.example.com' }],
  ['the level: encrypt', {}, { tls: { securityLevel: 'encrypt' } }],
  [
    'the level: verify',
    secure('hostname'),
    {
      tls: { securityLevel: 'verify', CAfile: root.certFile, verifyCertMatch: ['hostname'] },
    },
  ],
  ['the level: dane-only', dane([leaf]), dane([leaf], 'dane-only')],
  ['the protocols', {}, { tls: { protocols: '>=TLSv1.1' } }],
  ['the ciphers', {}, { tls: { excludeCiphers: ['aNULL', '3DES', 'CAMELLIA'] } }],
  ['raw public keys', {}, { tls: { enableRpk: true } }],
  ['the server name', {}, { tls: { servername: 'hostname' } }],
  ['one TLSA record more', dane([issuer]), dane([issuer, leaf])],
  ['another TLSA record', dane([leaf]), dane([issuer])],
  ['the fingerprints', pinned(fingerprint), pinned(fingerprint, 'AA:'.repeat(31).concat('AA'))],
  ['the names', secure('hostname'), secure('.example.com')],
  [
    'the trust anchors',
    secure('hostname'),
    secure('hostname', { trustAnchorFile: [root.certFile] }),
  ],
  ['the CAs', {}, { tls: { CAfile: root.certFile } }],
  ['the depth of chains', secure('hostname'), secure('hostname', { scertVerifydepth: 5 })],
  ['the client certificate', {}, { tls: { chainFiles: [own.chainFile] } }],
];

describe.each(['1.2', '1.3'] as const)('TLS %s', (version) => {
  test.each(cases)('another session where it differs: %s', async (_component, base, other) => {
    const visit = visitor(await start(version));
    expect(await visit(base)).toEqual(full);
    expect(await visit(base)).toEqual(brought);
    expect(await visit(other)).toEqual(full);
    expect(await visit(other)).toEqual(brought);
    expect(await visit(base)).toEqual(brought);
  });

  test('the order of TLSA records makes no difference', async () => {
    const visit = visitor(await start(version));
    expect(await visit(dane([leaf, issuer]))).toEqual(full);
    expect(await visit(dane([issuer, leaf]))).toEqual(brought);
  });

  test('a session of a policy that is to fail is neither found nor kept', async () => {
    const visit = visitor(await start(version));
    const good = { policyTable: () => 'secure match=hostname' };
    const bad = {
      policyTable: () =>
        'secure match=hostname policy_type=sts policy_domain=example.com policy_failure=sts-policy-invalid',
    };
    const tls = { CAfile: root.certFile };
    expect(await visit({ tls, more: good })).toEqual(full);
    expect(await visit({ tls, more: bad })).toEqual(full);
    expect(await visit({ tls, more: bad })).toEqual(full);
    expect(await visit({ tls, more: good })).toEqual(brought);
  });

  test('the address of the server counts', async () => {
    const server = await start(version);
    const elsewhere = await relay(server.port, '127.0.0.2', server.port);
    const visit = visitor(server);
    expect(await visit({})).toEqual(full);
    expect(await visit({ address: elsewhere.address })).toEqual(full);
    expect(await visit({ address: elsewhere.address })).toEqual(brought);
    expect(await visit({})).toEqual(brought);
  });

  test('the name in the reply to EHLO counts', async () => {
    const server = await start(version);
    const { port, rename } = await relay(server.port, '127.0.0.1', 0);
    const visit = visitor(server);
    expect(await visit({ port })).toEqual(full);
    rename('mx.example.com', 'mail.example.com');
    expect(await visit({ port })).toEqual(full);
    expect(await visit({ port })).toEqual(brought);
    rename('', '');
    expect(await visit({ port })).toEqual(brought);
  });
});

/** The server at another address, and under another name in its replies to EHLO. */
async function relay(to: number, host: string, at: number) {
  let names = ['', ''];
  const listener = createServer((client) => {
    const upstream = connect({ port: to, host: '127.0.0.1' });
    client.pipe(upstream);
    upstream.on('data', (data: Buffer) => {
      const [from = '', name = ''] = names;
      const text = data.toString('latin1');
      client.write(text.startsWith('250-') ? text.replace(from, name) : text, 'latin1');
    });
    upstream.on('end', () => client.end());
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
  }).listen(at, host);
  await once(listener, 'listening');
  onTestFinished(() => void listener.close());
  return {
    port: (listener.address() as AddressInfo).port,
    address: host,
    rename: (from: string, name: string): void => {
      names = [from, name];
    },
  };
}
