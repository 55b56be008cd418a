import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeDemoKeys } from '../../lib/cli/demo-keys.js';
import { resolveSmtp, resolveSmtpd } from '../../lib/config/check.js';
import type { SmtpdTlsOptions, SmtpTlsOptions } from '../../lib/config/options.js';
import {
  type ClientSessionProps,
  clientTlsProps,
  createClientContext,
} from '../../lib/tls/client-context.js';
import { createServerContext, serverTlsProps } from '../../lib/tls/server-context.js';
import { ensureLibrary, initLibrary, libraryVersion } from '../../lib/tls/library.js';

const directory = mkdtempSync(join(tmpdir(), 'mxtls-contexts-'));
let chainFile = '';

beforeAll(async () => {
  chainFile = (await makeDemoKeys(directory, 'mx.example')).chainFile;
  initLibrary();
});

afterAll(() => rmSync(directory, { recursive: true }));

const warnings: string[] = [];

function server(tls: SmtpdTlsOptions): unknown {
  warnings.length = 0;
  return createServerContext(resolveSmtpd({ tls }).tls, {
    service: 'smtpd',
    warn: (text) => warnings.push(text),
  });
}

function client(tls: SmtpTlsOptions): unknown {
  return createClientContext(resolveSmtp({ tls }).tls);
}

test('a server with a chain, and one that needs none', () => {
  expect(server({ securityLevel: 'may', chainFiles: [chainFile] })).toBeDefined();
  expect(server({ securityLevel: 'none' })).toBeDefined();
});

test.each([{ securityLevel: 'may' }, { securityLevel: 'encrypt' }, { wrappermode: true }] as const)(
  'a server with %o and no chain does not come to be',
  (tls) => {
    expect(() => server(tls)).toThrow(
      expect.objectContaining({ class: 'config', code: 'NO_SERVER_CERTS' }),
    );
  },
);

test('wrappermode of a listener wants a chain, too', () => {
  const options = resolveSmtpd({}).tls;
  expect(() => createServerContext(options, { service: 'smtpd', wrappermode: true })).toThrow(
    expect.objectContaining({ code: 'NO_SERVER_CERTS' }),
  );
});

test.each([
  [{ fingerprintDigest: 'md17' }, 'BAD_DIGEST'],
  [{ CAfile: '/nonexistent/ca.pem' }, 'CA_LOAD'],
  [{ mediumCipherlist: 'NOSUCHCIPHER' }, 'BAD_CIPHERS'],
  [{ chainFiles: ['/nonexistent/chain.pem'] }, 'CHAIN_FILE'],
  [{ protocols: 'TLSv9' }, 'INVALID_PARAMETER'],
  [{ excludeCiphers: ['-RC4'] }, 'INVALID_PARAMETER'],
] as const)('server options %o fail with %s', (tls, code) => {
  expect(() => server(tls)).toThrow(expect.objectContaining({ code }));
});

test.each([
  [{ fingerprintDigest: 'md17' }, 'BAD_DIGEST'],
  [{ CAfile: '/nonexistent/ca.pem' }, 'CA_LOAD'],
  [{ chainFiles: ['/nonexistent/chain.pem'] }, 'CHAIN_FILE'],
] as const)('client options %o fail with %s', (tls, code) => {
  expect(() => client(tls)).toThrow(expect.objectContaining({ code }));
});

test('a chain file without a chain is told apart', () => {
  const file = join(directory, 'empty.pem');
  writeFileSync(file, 'no PEM here\n');
  expect(() => server({ chainFiles: [file] })).toThrow(
    expect.objectContaining({ code: 'CHAIN_NO_PEM_DATA', message: expect.stringContaining(file) }),
  );
});

test('groups that the library knows are used, and none left is a warning', () => {
  server({ eecdhAutoCurves: ['nosuchgroup', 'X25519', '?X25519MLKEM768:DEFAULT'] });
  expect(warnings).toEqual([]);
  server({ eecdhAutoCurves: ['nosuchgroup'] });
  expect(warnings).toEqual([
    'none of the configured key exchange groups are supported',
    'using OpenSSL default key exchange groups instead',
  ]);
});

test('the library stays as it was first initialised', () => {
  expect(() => initLibrary({ configFile: '/etc/other.cnf' })).toThrow(
    expect.objectContaining({ class: 'usage', code: 'LIBRARY_INIT_CONFLICT' }),
  );
  expect(() => client({ configName: 'other' })).toThrow(
    expect.objectContaining({ code: 'LIBRARY_INIT_CONFLICT' }),
  );
  initLibrary();
  ensureLibrary();
});

test('the library tells what it is', () => {
  expect(libraryVersion()).toEqual({
    headers: expect.stringMatching(/^3\.\d+\.\d+$/),
    runtime: expect.stringMatching(/^3\.\d+\.\d+$/),
    path: expect.stringContaining('/'),
    mode: expect.stringMatching(/^(static|dynamic)$/),
    nodeSharesSystem: expect.any(Boolean),
  });
});

const session: ClientSessionProps = {
  level: 'may',
  host: 'mx.example.com',
  nexthop: 'example.com',
  timeout: 300_000,
};

function sessionProps(tls: SmtpTlsOptions, more: Partial<ClientSessionProps> = {}) {
  return clientTlsProps(resolveSmtp({ tls }).tls, { ...session, ...more });
}

test('the level of a session decides protocols, ciphers and library level', () => {
  const tls = {
    protocols: '>=TLSv1',
    mandatoryProtocols: '>=TLSv1.2',
    mandatoryCiphers: 'high',
  } as const;
  expect(sessionProps(tls)).toMatchObject({
    securityLevel: 0,
    protocols: { floor: 0x301, ceiling: 0, exclude: 0 },
    cipherList: expect.stringMatching(/HIGH:MEDIUM:.*STRENGTH$/),
  });
  expect(sessionProps(tls, { level: 'encrypt' })).toMatchObject({
    securityLevel: 0,
    protocols: { floor: 0x303, ceiling: 0, exclude: 0 },
    cipherList: expect.stringMatching(/HIGH:!SEED.*:!eNULL$/),
  });
  expect(sessionProps(tls, { level: 'dane' })).toMatchObject({
    securityLevel: 1,
    protocols: { floor: 0x303, ceiling: 0, exclude: 1 },
    cipherList: expect.stringMatching(/:!aNULL$/),
  });
});

test("a destination's policy takes the place of the settings", () => {
  const policy = {
    protocols: 'TLSv1.3',
    ciphers: 'null',
    exclude: ['kRSA'],
    servername: 'nexthop',
  };
  expect(sessionProps({ servername: 'literal.example' }, { policy })).toMatchObject({
    sni: 'example.com',
    protocols: { floor: 0, ceiling: 0, exclude: 15 },
    cipherList: expect.stringMatching(/^eNULL:.*:!aNULL:!kRSA$/),
  });
});

test.each([
  ['', 'mx.example.com', null],
  ['hostname', 'mx.example.com', 'mx.example.com'],
  ['Hostname', '192.0.2.1', null],
  ['hostname', '2001:db8::1', null],
  ['nexthop', 'mx.example.com', 'example.com'],
  ['other.example', 'mx.example.com', 'other.example'],
])('servername "%s" for %s sends %s', (servername, host, sni) => {
  expect(sessionProps({ servername }, { host }).sni).toBe(sni);
});

test('a server session has time limits, and of the options what is not in the context', () => {
  expect(serverTlsProps({ timeout: 5000 })).toEqual({
    sni: null,
    cipherList: null,
    securityLevel: -1,
    protocols: { floor: -1, ceiling: -1, exclude: 0 },
    timeout: 5000,
    deadline: 0,
    traceLimit: 0,
    traceRate: 0,
    fastShutdown: true,
    tickets: true,
    noteTickets: false,
    delayTickets: false,
    auth: null,
    session: null,
  });
});
