/**
 * Certificates for tests, made once per machine and library by the openssl program; valid for a
 * hundred years. Never part of the repository: keys do not belong there.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { openssl, opensslVersion } from './openssl.js';

export interface Certificate {
  readonly keyFile: string;
  readonly certFile: string;
  /** Key and certificate chain in one file, as `tls.chainFiles` wants it. */
  readonly chainFile: string;
}

const algorithms = {
  ecdsa: ['ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'],
  rsa: ['rsa:2048'],
  ed25519: ['ed25519'],
  'ml-dsa-65': ['ML-DSA-65'],
} as const;

export type KeyAlgorithm = keyof typeof algorithms;

const cache = fileURLToPath(
  new URL(`../../build/test-certificates/${opensslVersion()}/`, import.meta.url),
);

/** A self-signed certificate for mx.example.com and localhost. */
export function certificate(algorithm: KeyAlgorithm): Certificate {
  return makeCertificate(algorithm, algorithm, '/CN=mx.example.com', [
    '-addext',
    'subjectAltName=DNS:mx.example.com,DNS:localhost,IP:127.0.0.1',
  ]);
}

/** One of many self-signed certificates: each name has its own. */
export function namedCertificate(name: string): Certificate {
  return makeCertificate(`named-${name}`, 'ecdsa', `/CN=${name}`, []);
}

/** An authority for {@link issuedCertificate}. */
export function authority(): Certificate {
  return makeCertificate('authority', 'ecdsa', '/O=mxtls test/CN=Test Authority', [
    ...['-addext', 'basicConstraints=critical,CA:TRUE'],
    ...['-addext', 'keyUsage=critical,keyCertSign,cRLSign'],
  ]);
}

/** A client's certificate under {@link authority} with this many intermediate CAs; its chain file has them all. */
export function deepCertificate(intermediates: number): Certificate {
  if (intermediates === 0) {
    return issuedCertificate();
  }
  const issuer = intermediate(intermediates);
  const issuers = Array.from({ length: intermediates }, (_, i) => intermediate(intermediates - i));
  const extra = [
    ...['-CA', issuer.certFile, '-CAkey', issuer.keyFile],
    ...['-addext', 'basicConstraints=critical,CA:FALSE'],
  ];
  const subject = '/CN=deep.example.com';
  return makeCertificate(`deep-${intermediates}`, 'ecdsa', subject, extra, issuers);
}

function intermediate(depth: number): Certificate {
  const issuer = depth === 1 ? authority() : intermediate(depth - 1);
  return makeCertificate(`intermediate-${depth}`, 'ecdsa', `/CN=Intermediate ${depth}`, [
    ...['-CA', issuer.certFile, '-CAkey', issuer.keyFile],
    ...['-addext', 'basicConstraints=critical,CA:TRUE'],
  ]);
}

/** A server's certificate for these names under {@link authority}, with an intermediate CA; its chain file has it. */
export function serverCertificate(
  name: string,
  dns: readonly string[],
  ...extra: readonly string[]
): Certificate {
  const issuer = intermediate(1);
  const san =
    dns.length === 0 ? [] : ['-addext', `subjectAltName=${dns.map((n) => `DNS:${n}`).join(',')}`];
  const all = [
    ...['-CA', issuer.certFile, '-CAkey', issuer.keyFile],
    ...['-addext', 'basicConstraints=critical,CA:FALSE', ...san, ...extra],
  ];
  return makeCertificate(`server-${name}`, 'ecdsa', '/CN=mail.example.com', all, [issuer]);
}

/** The one between {@link authority} and {@link serverCertificate}. */
export function serverIssuer(): Certificate {
  return intermediate(1);
}

/** A client's certificate, issued by {@link authority}. */
export function issuedCertificate(): Certificate {
  return issue('issued', '/CN=client.example.com');
}

/** The same for servers only, by its extended key usage. */
export function serversOnlyCertificate(): Certificate {
  return issue('servers-only', '/CN=server.example.com', 'extendedKeyUsage=serverAuth');
}

function issue(name: string, subject: string, ...extensions: readonly string[]): Certificate {
  const issuer = authority();
  return makeCertificate(name, 'ecdsa', subject, [
    ...['-CA', issuer.certFile, '-CAkey', issuer.keyFile],
    ...['basicConstraints=critical,CA:FALSE', ...extensions].flatMap((ext) => ['-addext', ext]),
  ]);
}

/** A self-signed certificate of a new key for `name`, in a folder of its own that goes with the test; the dates are its own. */
export function freshCertificate(
  name: string,
  dates: { readonly notBefore?: Date; readonly notAfter?: Date } = {},
  algorithm: KeyAlgorithm = 'ecdsa',
): Certificate {
  const folder = mkdtempSync(join(tmpdir(), 'mxtls-certificate-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const notBefore = dates.notBefore ?? new Date('2000-01-01T00:00:00Z');
  const notAfter = dates.notAfter ?? new Date('2125-01-01T00:00:00Z');
  const utc = (date: Date): string => `${date.toISOString().replace(/[-:T]|\..*/g, '')}Z`;
  generate(folder, algorithm, `/CN=${name}`, [
    ...['-not_before', utc(notBefore), '-not_after', utc(notAfter)],
  ]);
  return files(folder);
}

/** A host's certificate, issued by {@link authority}; `altNames` as openssl writes them (`DNS:a.test,IP:127.0.0.1`). */
export function hostCertificate(
  name: string,
  altNames: string | null,
  extra: readonly string[] = [],
): Certificate {
  const issuer = authority();
  return makeCertificate(`host-${name}`, 'ecdsa', `/CN=${name}`, [
    ...['-CA', issuer.certFile, '-CAkey', issuer.keyFile],
    ...['-addext', 'basicConstraints=critical,CA:FALSE'],
    ...(altNames === null ? [] : ['-addext', `subjectAltName=${altNames}`]),
    ...extra,
  ]);
}

/**
 * Makes one, or finds it: `name` stands for everything that tells it from others. Its files are complete when they appear and never
 * written again, since the servers of other test files load them at any time.
 *
 * @param extra arguments of `openssl req`
 * @param issuers what the chain file has behind the certificate
 */
export function makeCertificate(
  name: string,
  algorithm: KeyAlgorithm,
  subject: string,
  extra: readonly string[],
  issuers: readonly Certificate[] = [],
): Certificate {
  const folder = join(cache, name);
  if (!existsSync(folder)) {
    mkdirSync(cache, { recursive: true });
    const draft = mkdtempSync(join(cache, 'draft-'));
    generate(draft, algorithm, subject, extra, issuers);
    publish(draft, folder);
  }
  return files(folder);
}

function files(folder: string): Certificate {
  return {
    keyFile: join(folder, 'key.pem'),
    certFile: join(folder, 'cert.pem'),
    chainFile: join(folder, 'chain.pem'),
  };
}

function generate(
  folder: string,
  algorithm: KeyAlgorithm,
  subject: string,
  extra: readonly string[],
  issuers: readonly Certificate[] = [],
): void {
  const { keyFile, certFile, chainFile } = files(folder);
  openssl(
    ...['req', '-x509', '-batch', '-noenc', '-days', '36500', '-subj', subject],
    ...['-newkey', ...algorithms[algorithm], '-keyout', keyFile, '-out', certFile],
    ...extra,
  );
  const chain = [keyFile, certFile, ...issuers.map((issuer) => issuer.certFile)];
  writeFileSync(chainFile, chain.map((file) => readFileSync(file, 'utf8')).join(''));
}

/** Several test processes may make the same one: the first wins. */
function publish(draft: string, folder: string): void {
  try {
    renameSync(draft, folder);
  } catch {
    rmSync(draft, { recursive: true });
  }
}
