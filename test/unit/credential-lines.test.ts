import { describe, expect, test } from 'vitest';
import { type CredentialLogProps, credentialLines } from '../../lib/log/credential.js';
import { type LogFlags, noLogging } from '../../lib/log/loglevel.js';
import type { MatchInfo, TlsSnapshot } from '../../lib/snapshot.js';
import { makeSnapshot } from '../helpers/snapshot.js';

const x509 = { certificateType: 'x509', status: 'Untrusted' } as const;
const rpk = { certificateType: 'rpk', status: 'Untrusted' } as const;
const fingerprints = { peerCertFingerprint: 'AA:BB', peerPkeyFingerprint: 'CC:DD' };
const claims = {
  subject: 'client.example.net',
  issuer: 'Example Root',
  untrustedIssuer: '/C=XX/O=Example/CN=Example Root',
};

function lines(some: Partial<TlsSnapshot>, props: Partial<CredentialLogProps> = {}): object {
  return credentialLines({
    snapshot: makeSnapshot({ ...fingerprints, ...some }),
    claims,
    direction: 'from',
    namaddr: 'client.example.net[192.0.2.9]',
    flags: { ...noLogging, untrusted: true },
    ...props,
  });
}

/** The line about this fault of a client's certificate. */
function fault(code: number, depth = 0, text = ''): object {
  return lines({ ...x509, verifyError: { code, depth, text } });
}

const peer = 'client.example.net[192.0.2.9]';

describe('why a certificate is not trusted', () => {
  test.each([
    [18, 0, `certificate verification failed for ${peer}: self-signed certificate`],
    [
      19,
      2,
      `certificate verification failed for ${peer}: untrusted issuer /C=XX/O=Example/CN=Example Root`,
    ],
    [
      20,
      0,
      `certificate verification failed for ${peer}: untrusted issuer /C=XX/O=Example/CN=Example Root`,
    ],
    [
      2,
      1,
      `certificate verification failed for ${peer}: untrusted issuer /C=XX/O=Example/CN=Example Root`,
    ],
    [27, 0, `certificate verification failed for ${peer}: not trusted by local or TLSA policy`],
    [
      26,
      0,
      `certificate verification failed for ${peer}: not designated for use as a client certificate`,
    ],
    [
      26,
      1,
      `certificate verification failed for ${peer}: not designated for use as a CA certificate`,
    ],
    [22, 2, `certificate verification failed for ${peer}: certificate chain longer than limit(1)`],
    [9, 0, `client certificate verification failed for ${peer}: certificate not yet valid`],
    [13, 1, `CA certificate verification failed for ${peer}: certificate not yet valid`],
    [10, 0, `client certificate verification failed for ${peer}: certificate has expired`],
    [14, 1, `CA certificate verification failed for ${peer}: certificate has expired`],
    [7, 0, `client certificate verification failed for ${peer}: num=7:some text`],
  ])('fault %d at depth %d', (code, depth, line) => {
    expect(fault(code, depth, 'some text')).toEqual([line]);
  });

  test('on the client it is about the server', () => {
    const error = { code: 62, depth: 0, text: 'hostname mismatch' };
    const namaddr = 'mx.example.com[198.51.100.1]:25';
    expect(lines({ ...x509, verifyError: error }, { direction: 'to', namaddr })).toEqual([
      `server certificate verification failed for ${namaddr}: num=62:hostname mismatch`,
    ]);
  });

  test('what cannot be printed is masked, what is not there is said to be unknown', () => {
    const error = { code: 20, depth: 0, text: '' };
    const masked = { ...claims, untrustedIssuer: '/CN=a\nb' };
    expect(lines({ ...x509, verifyError: error }, { claims: masked })).toEqual([
      `certificate verification failed for ${peer}: untrusted issuer /CN=a?b`,
    ]);
    expect(lines({ ...x509, verifyError: error }, { claims: null })).toEqual([
      `certificate verification failed for ${peer}: untrusted issuer <unknown>`,
    ]);
  });

  test('a resumed session refers to the full handshake', () => {
    const some = { ...x509, resumed: true, verifyError: { code: 18, depth: 0, text: '' } };
    expect(lines(some)).toEqual([
      `${peer}: re-using session with untrusted certificate, look for details earlier in the log`,
    ]);
    expect(lines(some, { direction: 'to' })).toEqual([
      `${peer}: re-using session with untrusted peer credential, look for details earlier in the log`,
    ]);
  });

  test("a client's raw public key is no news, a server's is", () => {
    const some = { ...rpk, verifyError: { code: 95, depth: 0, text: 'Raw public key untrusted' } };
    expect(lines(some)).toEqual([]);
    expect(lines(some, { direction: 'to' })).toEqual([
      `server certificate verification failed for ${peer}: num=95:Raw public key untrusted`,
    ]);
  });

  test('nothing without the flag, a credential, or a fault', () => {
    const error = { code: 18, depth: 0, text: '' };
    expect(lines({ ...x509, verifyError: error }, { flags: noLogging })).toEqual([]);
    expect(lines({ certificateType: null, verifyError: error })).toEqual([]);
    expect(lines({ ...x509, status: 'Trusted', verifyError: null })).toEqual([]);
  });
});

describe('who the peer says it is', () => {
  const flags = { ...noLogging, peercert: true };

  test('a certificate', () => {
    expect(lines(x509, { flags })).toEqual([
      `${peer}: subject_CN=client.example.net, issuer=Example Root, cert fingerprint=AA:BB, pkey fingerprint=CC:DD`,
    ]);
  });

  test('a raw public key', () => {
    expect(lines({ ...rpk, peerCertFingerprint: null }, { flags, claims: null })).toEqual([
      `${peer}: raw public key fingerprint=CC:DD`,
    ]);
  });

  test('with verbose too, and ahead of the fault', () => {
    const error = { code: 18, depth: 0, text: '' };
    const both = { ...noLogging, verbose: true, untrusted: true };
    expect(lines({ ...x509, verifyError: error }, { flags: both })).toEqual([
      expect.stringContaining('subject_CN='),
      expect.stringContaining('self-signed certificate'),
    ]);
  });
});

describe('what a server was matched by', () => {
  const namaddr = 'mx.example.com[198.51.100.1]:25';
  const identity = `${namaddr}: subject_CN=client.example.net, issuer=Example Root, cert fingerprint=AA:BB, pkey fingerprint=CC:DD`;
  const record = '3 1 1 00FF';
  const nothing = { value: '', depth: 0, peername: null, publicKey: false, rawPublicKey: false };

  function matched(some: Partial<MatchInfo>, flag: keyof LogFlags = 'certmatch'): object {
    return lines(
      {
        certificateType: 'x509',
        status: 'Verified',
        matched: { kind: 'tlsa', ...nothing, ...some },
      },
      { direction: 'to', namaddr, flags: { ...noLogging, [flag]: true } },
    );
  }

  test.each<[string, Partial<MatchInfo>, readonly string[]]>([
    ['a name', { kind: 'name', peername: '*.example.com' }, ['matched peername: *.example.com']],
    ['a fingerprint', { kind: 'fingerprint', value: '00FF' }, ['Matched fingerprint: 00FF']],
    [
      'a trust anchor',
      { kind: 'anchor', value: '2 0 0 FF', depth: 2, peername: 'mx.example.com' },
      ['matched peername: mx.example.com', 'Matched trust anchor at depth 2'],
    ],
    ['DANE-EE', { value: record }, [`Matched DANE EE certificate at depth 0: ${record}`]],
    [
      'DANE-TA',
      { value: '2 1 1 FF', depth: 1, peername: 'mx.example.com' },
      ['matched peername: mx.example.com', 'Matched DANE TA certificate at depth 1: 2 1 1 FF'],
    ],
    [
      'a bare public key',
      { value: '2 1 0 FF', depth: 1, publicKey: true },
      ['Matched DANE TA public key verified certificate at depth 1: 2 1 0 FF'],
    ],
    [
      'a raw public key',
      { value: record, rawPublicKey: true },
      [`Matched DANE raw public key: ${record}`],
    ],
  ])('%s', (_what, some, texts) => {
    expect(matched(some)).toEqual([...texts.map((text) => `${namaddr}: ${text}`), identity]);
  });

  test('with peercert and verbose, too, and not otherwise', () => {
    expect(matched({ value: record }, 'peercert')).toHaveLength(2);
    expect(matched({ value: record }, 'verbose')).toHaveLength(2);
    expect(matched({ value: record }, 'untrusted')).toEqual([]);
  });
});
