/** REQUIRETLS as sender where DNS has its say: DANE, the policy of a recipient's domain, TLSRPT. */
import { describe, expect, test } from 'vitest';
import type { SmtpOptions } from '../../lib/client.js';
import type { TlsrptEvent, TlsrptSink } from '../../lib/tlsrpt/index.js';
import { deliver, type DeliveryWorld, issued, outcome } from '../helpers/delivery-world.js';
import { tlsaOf } from '../helpers/memory-dns.js';

const at = (port: number): string => `_${port}._tcp.mx.example.com TLSA`;
const enforced = 'Sender requested REQUIRETLS, but';

async function required(options: SmtpOptions, world: DeliveryWorld = {}): Promise<string> {
  return outcome(await deliver(options, { ...world, request: { requiretls: true } }));
}

describe('enforce at level dane', () => {
  const dane: SmtpOptions = { requiretlsPolicy: 'enforce', tls: { securityLevel: 'dane' } };
  const zone = (tlsa: string) => (port: number) => ({ [at(port)]: [tlsa] });

  test('records that match', async () => {
    const world = { zone: zone(tlsaOf(issued.certFile, 3, 1, 1)) };
    expect(await required(dane, world)).toBe('sent 2.0.0 Verified tls=dane/requiretls Ok');
  });

  test('records that do not', async () => {
    expect(await required(dane, { zone: zone(`3 1 1 ${'ab'.repeat(32)}`) })).toBe(
      `bounced 5.7.10 Untrusted tls=!dane/!requiretls:nocertmatch ${enforced} no trusted server certificate was found. The last attempted server was mx.example.com[127.0.0.1]`,
    );
  });

  test('no records: the level is may, and nobody connects', async () => {
    expect(await required(dane)).toBe(
      `bounced 5.7.10 - tls=may?/!requiretls:nocertmatch ${enforced} my configured TLS security level 'may' disables certificate matching. The last attempted server was mx.example.com`,
    );
  });

  // As Postfix 3.11 does, which the recorded case unusable-359 shows: the level of the policy counts, not that of the session.
  test('records of which none can be used: a server that offers REQUIRETLS gets the message', async () => {
    expect(await required(dane, { zone: zone('3 5 9 00112233') })).toBe(
      'sent 2.0.0 Untrusted tls=dane:encrypt/requiretls Ok',
    );
  });

  test('TLSA records that cannot be looked up', async () => {
    const broken = (port: number) => ({ [at(port)]: 'failure' }) as const;
    expect(await required(dane, { zone: broken })).toBe(
      'deferred 4.7.5 - tls=unknown?/requiretls? TLSA lookup error for mx.example.com:PORT',
    );
  });
});

test("the default policy is opportunistic for one's own domain and its hosts, enforce for others", async () => {
  const own = { myhostname: 'mail.example.com' };
  expect(await required(own)).toBe('sent 2.0.0 Untrusted tls=may/requiretls Ok');
  const parent = { myhostname: 'mail.com', tls: {} }; // $mydomain is com
  expect(await required(parent)).toBe('sent 2.0.0 Untrusted tls=may/requiretls Ok');
  expect(await required({ myhostname: 'mail.example.net' })).toMatch(/^bounced 5\.7\.10 /);
});

describe('TLSRPT', () => {
  class Sink implements TlsrptSink {
    readonly failures: string[] = [];

    submit({ results }: TlsrptEvent): void {
      this.failures.push(...results.flatMap(({ failures }) => failures.map(({ type }) => type)));
    }
  }

  async function failures(
    requiretlsPolicy: string,
    requiretls: boolean,
  ): Promise<readonly string[]> {
    const sink = new Sink();
    const zone = { '_smtp._tls.example.com TXT': ['v=TLSRPTv1; rua=mailto:tls@example.com'] };
    const world = { zone, smtpd: { tls: {} }, request: { requiretls } };
    await deliver({ tlsrpt: [sink], requiretlsPolicy }, world);
    return sink.failures;
  }

  test('that STARTTLS is not offered is reported where REQUIRETLS wants it', async () => {
    expect(await failures('opportunistic+starttls', true)).toEqual(['starttls-not-supported']);
  });

  test('and is not where it does not, at level may', async () => {
    expect(await failures('opportunistic', true)).toEqual([]);
    expect(await failures('opportunistic+starttls', false)).toEqual([]);
  });
});
