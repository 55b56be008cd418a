/** Probes of one server on loopback, with DNS from a table. */
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import type { ProbeOptions } from '../../lib/probe/options.js';
import { probe } from '../../lib/probe/probe.js';
import type { ProbeResult } from '../../lib/probe/result.js';
import { authority, type Certificate, serverCertificate } from './certificates.js';
import { type ProbeZone, zoneDns } from './probe-dns.js';
import type { ProbeDigests } from './probe-levels.js';
import { startSmtpd } from './servers.js';

export const issued = serverCertificate('mx', ['mx.example.com']);
export const trusting = { tls: { CAfile: authority().certFile } };
export const unrelated = 'ab'.repeat(32);

export function digest({ certFile }: Certificate, selector: 0 | 1): string {
  const cert = new X509Certificate(readFileSync(certFile));
  const der = selector === 0 ? cert.raw : cert.publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(der).digest('hex');
}

export const digests: ProbeDigests = { cert: digest(issued, 0), key: digest(issued, 1) };

/** example.com with one host on loopback; `tlsa` lies at its name. */
function zone(port: number, tlsa: readonly string[] = [], more: ProbeZone = {}): ProbeZone {
  return {
    mx: { 'example.com': ['10 mx.example.com'] },
    a: { 'mx.example.com': ['127.0.0.1'] },
    ...(tlsa.length === 0 ? {} : { tlsa: { [`_${port}._tcp.mx.example.com`]: tlsa } }),
    ...more,
  };
}

export async function serverOf(chain: Certificate = issued): Promise<number> {
  const { port } = await startSmtpd({
    tls: { securityLevel: 'may', chainFiles: [chain.chainFile], askCcert: true },
  });
  return port;
}

export interface Probed {
  readonly port: number;
  readonly tlsa?: readonly string[];
  readonly zone?: ProbeZone;
}

export async function probeAll(
  { port, tlsa = [], zone: more = {} }: Probed,
  options: Partial<ProbeOptions> = {},
): Promise<readonly ProbeResult[]> {
  const dns = zoneDns(zone(port, tlsa, more));
  return probe({ destination: 'example.com', port, dns, ...options });
}

export async function probeOne(
  where: Probed,
  options: Partial<ProbeOptions> = {},
): Promise<ProbeResult> {
  const [result, ...others] = await probeAll(where, options);
  expect(others).toEqual([]);
  if (result === undefined) {
    throw new Error('nothing was probed');
  }
  return result;
}
