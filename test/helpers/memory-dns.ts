/**
 * A resolver for tests that are not about DNS: what it answers is written down as in a zone file, signed or not.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { DnsLookup, DnsResult, MxRecord, TlsaRecord } from '../../lib/dns/answer.js';
import { tlsaRecord } from './policy.js';

/**
 * `'example.org MX'` to its records: `['10 mx.example.org']`; TLSA `['3 1 1 HEX']`. A type in parentheses is not signed:
 * `'example.org (MX)'`; one that fails has `'failure'` for its records.
 */
export type MemoryZone = Readonly<Record<string, readonly string[] | 'failure' | undefined>>;

export class MemoryDns implements DnsLookup {
  /** `mx example.org` … in order. */
  readonly asked: string[] = [];
  readonly #zone: MemoryZone;

  constructor(zone: MemoryZone) {
    this.#zone = zone;
  }

  mx(name: string): Promise<DnsResult<MxRecord>> {
    return this.#answer(name, 'MX', (text) => {
      const [preference = '', exchange = ''] = text.split(' ');
      return { preference: Number(preference), exchange };
    });
  }

  a(name: string): Promise<DnsResult<string>> {
    return this.#answer(name, 'A', (text) => text);
  }

  aaaa(name: string): Promise<DnsResult<string>> {
    return this.#answer(name, 'AAAA', (text) => text);
  }

  cname(name: string): Promise<DnsResult<string>> {
    return this.#answer(name, 'CNAME', (text) => text);
  }

  tlsa(name: string): Promise<DnsResult<TlsaRecord>> {
    return this.#answer(name, 'TLSA', tlsaRecord);
  }

  txt(name: string): Promise<DnsResult<string>> {
    return this.#answer(name, 'TXT', (text) => text);
  }

  async #answer<Data>(
    name: string,
    type: string,
    read: (text: string) => Data,
  ): Promise<DnsResult<Data>> {
    this.asked.push(`${name} ${type}`);
    const alias = type === 'CNAME' ? undefined : this.#alias(name);
    if (alias !== undefined) {
      const found = await this.#answer(alias.name, type, read);
      return found.kind === 'found' ? { ...found, secure: found.secure && alias.secure } : found;
    }
    const signed = this.#zone[`${name} ${type}`];
    const records = signed ?? this.#zone[`${name} (${type})`];
    if (records === undefined) {
      return { kind: 'none', reason: 'nxdomain', secure: true, name, ttl: 60 };
    }
    if (records === 'failure') {
      return { kind: 'failure', reason: 'bogus', text: `${name} ${type} is bogus` };
    }
    const secure = signed !== undefined;
    return { kind: 'found', records: records.map(read), secure, name, ttl: 60 };
  }

  #alias(name: string): { readonly name: string; readonly secure: boolean } | undefined {
    const signed = this.#zone[`${name} CNAME`];
    const target = (signed ?? this.#zone[`${name} (CNAME)`])?.[0];
    return target === undefined ? undefined : { name: target, secure: signed !== undefined };
  }
}

/** `3 1 1 HEX` of a certificate. */
export function tlsaOf(certFile: string, usage: number, selector: number, type: number): string {
  const cert = new X509Certificate(readFileSync(certFile));
  const der = selector === 0 ? cert.raw : cert.publicKey.export({ type: 'spki', format: 'der' });
  const digest = type === 1 ? 'sha256' : 'sha512';
  const data = type === 0 ? der : createHash(digest).update(der).digest();
  return `${usage} ${selector} ${type} ${data.toString('hex')}`;
}
