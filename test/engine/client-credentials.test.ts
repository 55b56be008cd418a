/** What the smtpd engine makes of clients' certificates and raw public keys. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Smtpd, type SmtpdOptions } from '../../lib/server.js';
import type { SmtpdTlsOptions } from '../../lib/tls/options.js';
import {
  authority,
  certificate,
  deepCertificate,
  issuedCertificate,
  serversOnlyCertificate,
} from '../helpers/certificates.js';
import { enter, pem, sendRaw } from '../helpers/ccert-clients.js';
import { certFingerprint, pkeyFingerprint } from '../helpers/fingerprints.js';
import { opensslProgram } from '../helpers/openssl.js';
import { RawClient } from '../helpers/raw-client.js';
import { startSmtpd } from '../helpers/servers.js';

const self = certificate('ecdsa');
const issued = issuedCertificate();
const plain: SmtpdTlsOptions = { securityLevel: 'may', chainFiles: [self.chainFile], loglevel: 1 };
const asking: SmtpdTlsOptions = { ...plain, askCcert: true, CAfile: authority().certFile };
const requiring: SmtpdTlsOptions = { ...asking, securityLevel: 'encrypt', reqCcert: true };

/** The snapshot of a session with this credential. */
async function meet(tls: SmtpdTlsOptions, credential: ConnectionOptions = {}) {
  const server = await startSmtpd({ tls });
  await mail(await enter(server.port, credential));
  return { ...server, snapshot: server.received[0]?.session.tls };
}

async function mail(client: RawClient): Promise<void> {
  await client.commands('EHLO x', 'MAIL FROM:<a@example.org>', 'RCPT TO:<b@example.com>', 'DATA');
  expect(await client.command('x\r\n.')).toMatch(/^250 2\.0\.0 Ok: queued/);
}

describe('asked for', () => {
  test('none is fine', async () => {
    const { snapshot, lines } = await meet(asking);
    expect(snapshot).toMatchObject({
      status: 'Anonymous',
      certificateType: null,
      peerCertFingerprint: null,
      peerPkeyFingerprint: null,
      peerSubject: null,
      verifyError: null,
      client: null,
    });
    expect(lines.matching(/verification failed/)).toEqual([]);
  });

  test('one of a trusted CA has names, fingerprints and a signature', async () => {
    const { snapshot } = await meet(asking, pem(issued));
    expect(snapshot).toMatchObject({
      status: 'Trusted',
      certificateType: 'x509',
      peerCertFingerprint: certFingerprint(issued.certFile),
      peerPkeyFingerprint: pkeyFingerprint(issued.certFile),
      peerSubject: 'client.example.com',
      peerIssuer: 'Test Authority',
      verifyError: null,
      client: { algorithm: 'ECDSA', curve: 'prime256v1', digest: 'SHA256', rawPublicKey: false },
    });
  });

  test('an untrusted one has fingerprints and no names', async () => {
    const { snapshot, lines } = await meet(asking, pem(self));
    expect(snapshot).toMatchObject({
      status: 'Untrusted',
      peerCertFingerprint: certFingerprint(self.certFile),
      peerPkeyFingerprint: pkeyFingerprint(self.certFile),
      peerSubject: null,
      peerIssuer: null,
      verifyError: { code: 18, depth: 0, text: 'self-signed certificate' },
    });
    expect(lines.matching(/verification failed/)).toEqual([]);
  });

  test('the loglevel can have names, fingerprints and faults, ahead of the summary', async () => {
    const { lines } = await meet({ ...asking, loglevel: '1, peercert, untrusted' }, pem(self));
    expect(lines.all.slice(1, 4)).toEqual([
      `unknown[127.0.0.1]: subject_CN=mx.example.com, issuer=mx.example.com, cert fingerprint=${certFingerprint(self.certFile)}, pkey fingerprint=${pkeyFingerprint(self.certFile)}`,
      'certificate verification failed for unknown[127.0.0.1]: self-signed certificate',
      expect.stringMatching(/^Untrusted TLS connection established from unknown\[127\.0\.0\.1\]: /),
    ]);
  });

  test('without trusted CAs nobody is trusted', async () => {
    const { CAfile: _, ...tls } = asking;
    const { lines } = await meet({ ...tls, loglevel: 'untrusted' }, pem(issued));
    expect(await lines.line(/verification failed/)).toBe(
      'certificate verification failed for unknown[127.0.0.1]: untrusted issuer /O=mxtls test/CN=Test Authority',
    );
  });

  test('not asked for, nothing is shown', async () => {
    const { snapshot } = await meet({ ...asking, askCcert: false }, pem(issued));
    expect(snapshot).toMatchObject({ status: 'Anonymous', certificateType: null });
  });

  test('CAs may be in a hashed directory', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mxtls-cas-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const { certFile } = authority();
    const args = ['x509', '-in', certFile, '-noout', '-hash'];
    const hash = execFileSync(opensslProgram(), args, { encoding: 'utf8' }).trim();
    symlinkSync(certFile, join(folder, `${hash}.0`));
    const { snapshot } = await meet({ ...asking, CAfile: '', CApath: folder }, pem(issued));
    expect(snapshot?.status).toBe('Trusted');
  });

  test('the depth limit counts intermediate CAs, and lets one more through', async () => {
    const tls = { ...asking, ccertVerifydepth: 0, loglevel: 'untrusted' };
    const chain = (intermediates: number) => {
      const { keyFile, chainFile } = deepCertificate(intermediates);
      return pem({ keyFile, certFile: chainFile, chainFile });
    };
    expect((await meet(tls, chain(1))).snapshot?.status).toBe('Trusted');
    const { lines, snapshot } = await meet(tls, chain(2));
    expect(snapshot?.status).toBe('Untrusted');
    expect(await lines.line(/verification failed/)).toBe(
      'certificate verification failed for unknown[127.0.0.1]: certificate chain longer than limit(1)',
    );
  });

  test('a certificate for servers counts only with tls_trust_server_ccerts', async () => {
    const credential = pem(serversOnlyCertificate());
    const { lines } = await meet({ ...asking, loglevel: 'untrusted' }, credential);
    expect(await lines.line(/verification failed/)).toBe(
      'certificate verification failed for unknown[127.0.0.1]: not designated for use as a client certificate',
    );
    const { snapshot } = await meet({ ...asking, trustServerCcerts: true }, credential);
    expect(snapshot).toMatchObject({ status: 'Trusted', peerSubject: 'server.example.com' });
  });

  test.each(['sha1', 'sha512', 'sha3-256'])('fingerprints by %s', async (digest) => {
    const { snapshot } = await meet({ ...asking, fingerprintDigest: digest }, pem(issued));
    expect(snapshot).toMatchObject({
      peerCertFingerprint: certFingerprint(issued.certFile, digest),
      peerPkeyFingerprint: pkeyFingerprint(issued.certFile, digest),
    });
  });

  test('a digest that nobody knows is refused', async () => {
    const smtpd = new Smtpd({
      onData: () => undefined,
      tls: { ...asking, fingerprintDigest: 'sha257' },
    });
    await expect(smtpd.listen({ host: '127.0.0.1', port: 0 })).rejects.toMatchObject({
      class: 'config',
      code: 'BAD_DIGEST',
      message: expect.stringContaining('Digest algorithm "sha257" not found'),
    });
  });

  test('anonymous ciphers go, as they leave no room for a certificate', async () => {
    const anonymous = { ciphers: 'aNULL:@SECLEVEL=0', maxVersion: 'TLSv1.2' } as const;
    const { snapshot } = await meet(plain, anonymous);
    expect(snapshot?.cipher).toMatch(/^A(EC)?DH-/);
    const { port } = await startSmtpd({ tls: asking });
    await expect(enter(port, anonymous)).rejects.toThrow();
  });
});

describe('required', () => {
  test('without mandatory TLS it means nothing, and a warning says so', async () => {
    const { lines, snapshot } = await meet({ ...requiring, securityLevel: 'may' });
    expect(snapshot?.status).toBe('Anonymous');
    expect(lines.all).toContain("warning: Can't require client certs unless TLS is required");
  });

  test.each([
    ['none', {}, 'No client certificate presented', []],
    [
      'an untrusted one',
      pem(self),
      'Client certificate not trusted',
      ['certificate verification failed for unknown[127.0.0.1]: self-signed certificate'],
    ],
  ])('%s: the log of it, whatever the loglevel', async (_, credential, problem, faults) => {
    const { port, lines } = await startSmtpd({ tls: { ...requiring, loglevel: 0 } });
    const client = await enter(port, credential);
    expect(await client.command('EHLO x')).toBe(`421 4.7.1 mx.example.com Error: ${problem}`);
    expect(await client.rest()).toBe('');
    client.end();
    await lines.line(/^disconnect/);
    // The command that was read for the reply does not count.
    expect(lines.all).toEqual([
      'connect from unknown[127.0.0.1]',
      ...faults,
      `NOQUEUE: abort: TLS from unknown[127.0.0.1]: ${problem}`,
      'disconnect from unknown[127.0.0.1] starttls=1 commands=1',
    ]);
  });

  test('a raw public key is no certificate', async () => {
    const server = await startSmtpd({ tls: { ...requiring, enableRpk: true } });
    const { recipients } = await sendRaw(server.nexthop, issued);
    expect(recipients[0]).toMatchObject({ status: 'deferred', dsn: '4.7.1' });
    expect(recipients[0]?.reply).toContain('Error: No client certificate presented');
    expect(await server.lines.line(/abort/)).toBe(
      'NOQUEUE: abort: TLS from unknown[127.0.0.1]: No client certificate presented',
    );
    expect(server.lines.matching(/verification failed/)).toEqual([]);
  });

  test('raises the security level: TLS 1.0 and 1.1 are over', async () => {
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' } as const;
    const { snapshot } = await meet(asking, { ...old, ...pem(issued) });
    expect(snapshot).toMatchObject({ protocol: 'TLSv1.1', status: 'Trusted' });
    const { port } = await startSmtpd({ tls: requiring });
    await expect(enter(port, { ...old, ...pem(issued) })).rejects.toThrow();
  });
});

describe('raw public keys', () => {
  test('go to clients that ask, without any setting, and come from those that have one', async () => {
    const server = await startSmtpd({
      tls: { ...asking, enableRpk: true, loglevel: '1 peercert' },
    });
    const report = await sendRaw(server.nexthop, issued);
    expect(report.recipients[0]?.status).toBe('sent');
    const { session } = server.received[0] ?? {};
    expect(session?.tls).toMatchObject({
      status: 'Untrusted',
      certificateType: 'rpk',
      peerCertFingerprint: null,
      peerPkeyFingerprint: pkeyFingerprint(issued.certFile),
      peerSubject: null,
      client: { algorithm: 'ECDSA', curve: 'prime256v1', rawPublicKey: true },
    });
    expect(server.lines.all.slice(1, 3)).toEqual([
      `unknown[127.0.0.1]: raw public key fingerprint=${pkeyFingerprint(issued.certFile)}`,
      expect.stringMatching(
        /^Untrusted TLS .* client-signature ECDSA \(prime256v1 raw public key\) client-digest SHA256$/,
      ),
    ]);
  });

  test('are not asked for unless enabled: the certificate comes', async () => {
    const server = await startSmtpd({ tls: asking });
    await sendRaw(server.nexthop, issued);
    expect(server.received[0]?.session.tls).toMatchObject({
      status: 'Trusted',
      certificateType: 'x509',
    });
  });

  test('clients that only know certificates are served', async () => {
    const { snapshot } = await meet({ ...asking, enableRpk: true }, pem(issued));
    expect(snapshot).toMatchObject({ status: 'Trusted', certificateType: 'x509' });
  });
});

describe('the Received: header', () => {
  async function received(tls: SmtpdTlsOptions, credential: ConnectionOptions): Promise<string> {
    const headers: string[] = [];
    const { smtpd, port } = await startSmtpd({
      tls: { ...tls, receivedHeader: true },
      onData: (session) => {
        headers.push(smtpd.receivedHeader(session));
      },
    });
    await mail(await enter(port, credential));
    return /\t(\((?:Client|No client).*)\r\n/.exec(headers[0] ?? '')?.[1] ?? '';
  }

  test.each<[string, SmtpdTlsOptions, ConnectionOptions, string]>([
    [
      'trusted',
      asking,
      pem(issued),
      '(Client CN "client.example.com", Issuer "Test Authority" (verified OK))',
    ],
    [
      'untrusted',
      asking,
      pem(self),
      '(Client CN "mx.example.com", Issuer "mx.example.com" (not verified))',
    ],
    ['none', asking, {}, '(Client did not present a certificate)'],
    ['not asked for', plain, {}, '(No client certificate requested)'],
    [
      'not required after all',
      { ...requiring, askCcert: false, securityLevel: 'may' },
      {},
      '(No client certificate requested)',
    ],
  ])('%s', async (_, tls, credential, clause) => {
    expect(await received(tls, credential)).toBe(clause);
  });
});

test('each listener is a service of its own, by name', async () => {
  const options: Partial<SmtpdOptions> = {
    tls: plain,
    clientConnectionCountLimit: 1,
    clientEventLimitExceptions: [],
  };
  const { lines, port } = await startSmtpd(options, { service: 'mx' });
  await RawClient.greeted(port);
  const second = await RawClient.connect(port);
  expect(await second.reply()).toMatch(/^421 4\.7\.0 /);
  expect(await lines.line(/limit exceeded/)).toMatch(/ for service mx$/);
});
