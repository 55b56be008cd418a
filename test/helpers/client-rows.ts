/** What rows of the tables about Postfix's smtp(8) are made of: parameters, a world, and what becomes of a message. */
import { expect, test } from 'vitest';
import type { SmtpOptions } from '../../lib/client.js';
import { type DeliveryWorld, deliver, issued, outcome } from './delivery-world.js';
import { type MemoryZone, tlsaOf } from './memory-dns.js';

export type Tls = NonNullable<SmtpOptions['tls']>;

/** What becomes of it, in the words of {@link outcome}. */
export type Row = readonly [name: string, tls: Tls, world: DeliveryWorld, expected: string];

/** A test for each row, named after it. */
export function testRows(table: readonly Row[]): void {
  test.each(table)('%s', async (_, tls, world, expected) => {
    const done = await deliver({ tls }, world);
    expect(outcome(done)).toBe(expected);
    expect(done.server.received).toHaveLength(expected.startsWith('sent') ? 1 : 0);
  });
}

export const notVerified = 'Server certificate not verified';
export const notOffered = 'TLS is required, but was not offered by host mx.example.com[127.0.0.1]';

/** The host is passed over by the policy. */
export function skipped(text: string): string {
  return `deferred 4.7.5 - tls=unknown? ${text}`;
}

/** A server without TLS. */
export const plain: DeliveryWorld = { smtpd: { tls: { securityLevel: 'none' } } };

export const unsignedMx: MemoryZone = {
  'example.com MX': undefined,
  'example.com (MX)': ['10 mx.example.com'],
};

/** The host's TLSA records, beside other data. */
export function tlsa(
  records: readonly string[] | 'failure',
  others: MemoryZone = {},
): DeliveryWorld {
  return { zone: (port) => ({ ...others, [`_${port}._tcp.mx.example.com TLSA`]: records }) };
}

/** That match. */
export const ee = [tlsaOf(issued.certFile, 3, 1, 1)];
/** Of another key. */
export const wrong = [`3 1 1 ${'ab'.repeat(32)}`];
/** Of a usage that does not count. */
export const rejected = [tlsaOf(issued.certFile, 1, 1, 1)];
/** That the library does not take. */
export const unloadable = ['3 5 9 00112233'];
