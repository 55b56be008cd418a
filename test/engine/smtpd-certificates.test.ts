/** Where an smtpd's certificates come from, older parameters among them; having none; and those that expire. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { SmtpdTlsOptions } from '../../lib/config/options.js';
import type { CertificateExpiringEvent } from '../../lib/log/events.js';
import { Smtpd } from '../../lib/server.js';
import { certificate, freshCertificate } from '../helpers/certificates.js';
import { Lines } from '../helpers/lines.js';
import { RawClient } from '../helpers/raw-client.js';
import { startSmtpd } from '../helpers/servers.js';
import { secure } from '../helpers/tls-client.js';

const [rsa, ecdsa, ed25519] = [certificate('rsa'), certificate('ecdsa'), certificate('ed25519')];

/** What the server presents to a client that knows these signature algorithms. */
async function presented(port: number, sigalgs: string): Promise<string | undefined> {
  const plain = await RawClient.greeted(port);
  await plain.command('STARTTLS');
  const client = await secure(plain, { sigalgs, minVersion: 'TLSv1.3' });
  return client.secured.getPeerX509Certificate()?.publicKey.asymmetricKeyType;
}

async function refusal(tls: SmtpdTlsOptions): Promise<{ code: string; lines: readonly string[] }> {
  const lines = new Lines();
  const smtpd = new Smtpd({ tls, logger: lines, onData: async () => undefined });
  const error: unknown = await smtpd.listen({ host: '127.0.0.1', port: 0 }).catch((e) => e);
  await smtpd.close();
  return { code: String((error as { code?: unknown }).code), lines: lines.all };
}

describe('older parameters', () => {
  test('three pairs of any algorithm, in two files or in one', async () => {
    const { port, smtpd, lines } = await startSmtpd({
      tls: {
        securityLevel: 'may',
        ...{ certFile: rsa.certFile, keyFile: rsa.keyFile },
        dcertFile: ed25519.chainFile,
        ...{ eccertFile: ecdsa.certFile, eckeyFile: ecdsa.keyFile },
      },
    });
    expect(await presented(port, 'rsa_pss_rsae_sha256')).toBe('rsa');
    expect(await presented(port, 'ed25519')).toBe('ed25519');
    expect(await presented(port, 'ecdsa_secp256r1_sha256')).toBe('ec');
    expect(smtpd.certificates.map(({ keyType, file }) => [keyType, file])).toEqual([
      ['RSA', rsa.certFile],
      ['ED25519', ed25519.chainFile],
      ['EC', ecdsa.certFile],
    ]);
    expect(lines.matching(/^warning/)).toEqual([]);
  });

  test('chain files overrule them, with a warning', async () => {
    const { port, lines } = await startSmtpd({
      tls: {
        securityLevel: 'may',
        chainFiles: [ecdsa.chainFile],
        ...{ certFile: '/no/such/file', eccertFile: '/nor/this' },
      },
    });
    expect(await presented(port, 'ecdsa_secp256r1_sha256')).toBe('ec');
    expect(lines.matching(/^warning/)).toEqual([
      'warning: Both smtpd_tls_chain_files and one or more of the legacy  smtpd_tls_cert_file, smtpd_tls_eccert_file or smtpd_tls_dcert_file are non-empty; the legacy  parameters will be ignored',
    ]);
  });

  test('one that cannot be used is refused with all of them', async () => {
    const tls: SmtpdTlsOptions = {
      securityLevel: 'may',
      ...{ certFile: rsa.certFile, keyFile: rsa.keyFile },
      ...{ eccertFile: ecdsa.certFile, eckeyFile: rsa.keyFile },
    };
    expect(await refusal(tls)).toEqual({
      code: 'CHAIN_KEY_MISMATCH',
      lines: [
        `warning: ECDSA private key in ${rsa.keyFile} does not match public key in ${ecdsa.certFile}: disabling TLS support`,
        expect.stringMatching(/^warning: TLS library problem: error:.*different key types/),
        expect.stringMatching(/^warning: TLS library problem: error:.*key type mismatch/),
      ],
    });
  });
});

describe('smtpd_tls_cert_file = none', () => {
  test('clients get TLS without a certificate, TLS 1.2 and anonymous ciphers only', async () => {
    const { port, lines } = await startSmtpd({
      tls: { securityLevel: 'may', certFile: 'none', loglevel: 1 },
    });
    const plain = await RawClient.greeted(port);
    expect(await plain.command('EHLO x')).toContain('STARTTLS');
    await plain.command('STARTTLS');
    const client = await secure(plain, { ciphers: 'aNULL:@SECLEVEL=0' });
    expect(client.secured.getPeerX509Certificate()).toBeUndefined();
    expect(await lines.line(/TLS connection/)).toMatch(
      /^Anonymous TLS connection established from unknown\[127\.0\.0\.1\]: TLSv1\.2 with cipher (?:AECDH|ADH)-/,
    );
    expect(lines.matching(/^warning/)).toEqual([]);
  });

  test('a client that wants a certificate gets no TLS', async () => {
    const { port, lines } = await startSmtpd({ tls: { securityLevel: 'may', certFile: 'none' } });
    const plain = await RawClient.greeted(port);
    await plain.command('STARTTLS');
    await expect(secure(plain)).rejects.toThrow();
    expect(await lines.line(/problem/)).toContain('no shared cipher');
  });

  test('the word is taken in any case, and other pairs are loaded beside it', async () => {
    const { port } = await startSmtpd({
      tls: { securityLevel: 'may', certFile: 'None', eccertFile: ecdsa.chainFile },
    });
    expect(await presented(port, 'ecdsa_secp256r1_sha256')).toBe('ec');
  });

  test('asking clients for a certificate needs one', async () => {
    expect(await refusal({ securityLevel: 'encrypt', certFile: 'none', askCcert: true })).toEqual({
      code: 'NO_SERVER_CERTS',
      lines: ['warning: Need a server cert to request client certs'],
    });
  });
});

test('requiring client certificates without requiring TLS is a warning', async () => {
  const { lines } = await startSmtpd({
    tls: { securityLevel: 'may', chainFiles: [ecdsa.chainFile], reqCcert: true },
  });
  expect(lines.matching(/^warning/)).toEqual([
    "warning: Can't require client certs unless TLS is required",
  ]);
});

test('ignored objects of a file are warned of at the start', async () => {
  const { lines } = await startSmtpd({
    tls: { securityLevel: 'may', chainFiles: ['test/golden/pem/warn-key-parameters.pem'] },
  });
  expect(lines.matching(/^warning/)).toEqual([
    'warning: loading test/golden/pem/warn-key-parameters.pem: ignoring PEM type: EC PARAMETERS',
  ]);
});

describe('expiry', () => {
  const day = 86_400_000;

  function observe(): CertificateExpiringEvent[] {
    const events: CertificateExpiringEvent[] = [];
    const listen = (event: unknown): void => {
      events.push(event as CertificateExpiringEvent);
    };
    subscribe('mxtls:tls:certificate-expiring', listen);
    onTestFinished(() => {
      unsubscribe('mxtls:tls:certificate-expiring', listen);
    });
    return events;
  }

  test('a certificate that ends soon is a warning and an event at the start, once for all listeners', async () => {
    const events = observe();
    const notAfter = new Date(Math.ceil(Date.now() / 1000) * 1000 + 5.5 * day);
    const { chainFile } = freshCertificate('mx.example.com', { notAfter });
    const { smtpd, lines } = await startSmtpd({
      tls: { securityLevel: 'may', chainFiles: [chainFile] },
    });
    await smtpd.listen({ host: '127.0.0.1', port: 0, wrappermode: true });
    const date = notAfter.toISOString().replace('T', ' ').replace('.000Z', ' UTC');
    const line = `certificate EC mx.example.com in ${chainFile} (PEM object number 2) expires in 5 days, on ${date}`;
    expect(lines.matching(/^warning/)).toEqual([`warning: ${line}`]);
    expect(events).toEqual([
      { service: 'smtpd', certificate: smtpd.certificates[0], daysLeft: expect.any(Number), line },
    ]);
    expect(events[0]?.daysLeft).toBeCloseTo(5.5, 2);
    expect(events[0]?.certificate.notAfter).toBe(notAfter.getTime());
    await smtpd.reload();
    expect(events).toHaveLength(2);
  });

  test('an expired one goes into service, with a warning', async () => {
    const events = observe();
    const notAfter = new Date('2020-01-01T00:00:00Z');
    const { chainFile } = freshCertificate('mx.example.com', { notAfter });
    const { port, lines } = await startSmtpd({
      tls: { securityLevel: 'may', chainFiles: [chainFile] },
    });
    expect(lines.matching(/^warning/)).toEqual([
      expect.stringMatching(
        /^warning: certificate EC mx\.example\.com in \S+ \(PEM object number 2\) expired \d+ days ago, on 2020-01-01 00:00:00 UTC$/,
      ),
    ]);
    expect(events[0]?.daysLeft).toBeLessThan(0);
    expect(await presented(port, 'ecdsa_secp256r1_sha256')).toBe('ec');
  });

  test('days are an option', async () => {
    const { chainFile } = freshCertificate('mx.example.com', {
      notAfter: new Date(Date.now() + 5.5 * day),
    });
    const { lines } = await startSmtpd({
      tls: { securityLevel: 'may', chainFiles: [chainFile] },
      expiryWarningDays: 5,
    });
    expect(lines.matching(/^warning/)).toEqual([]);
    expect(() => new Smtpd({ expiryWarningDays: -1, onData: async () => undefined })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });
});
