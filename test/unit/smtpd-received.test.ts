import { describe, expect, test } from 'vitest';
import type { SmtpdSession } from '../../lib/smtpd/handlers.js';
import { formatDate, type ReceivedProps, receivedHeader } from '../../lib/smtpd/received.js';
import type { TlsSnapshot } from '../../lib/snapshot.js';
import { makeSignature, makeSnapshot } from '../helpers/snapshot.js';

const tls = makeSnapshot({
  server: makeSignature('RSA-PSS', { bits: 2048, digest: 'SHA256' }),
});

const session: SmtpdSession = {
  remoteAddress: '192.0.2.5',
  remotePort: 40000,
  localAddress: '192.0.2.1',
  localPort: 25,
  clientName: 'mail.example.org',
  namaddr: 'mail.example.org[192.0.2.5]',
  helo: 'helo.example.org',
  protocol: 'ESMTP',
  tls: null,
  auth: null,
  sender: {
    address: 'a@example.org',
    size: null,
    body: null,
    smtputf8: false,
    requiretls: false,
    ret: null,
    envid: null,
    auth: null,
  },
  recipients: [{ address: 'b@example.com', notify: [], orcpt: null }],
  queueId: '4A1',
};

function header(some: Partial<SmtpdSession> = {}, props: Partial<ReceivedProps> = {}): string {
  return receivedHeader({
    session: { ...session, ...some },
    myhostname: 'mx.example.com',
    mailName: 'mxtls',
    tls: true,
    askCcert: false,
    claims: null,
    fingerprintDigest: 'sha256',
    hideClientSession: false,
    date: new Date(Date.UTC(2026, 10, 4, 8, 1, 2)),
    ...props,
  });
}

const end = '\tfor <b@example.com>; Wed, 4 Nov 2026 08:01:02 +0000 (UTC)\r\n';

describe('receivedHeader', () => {
  test('plaintext', () => {
    expect(header()).toBe(
      'Received: from helo.example.org (mail.example.org [192.0.2.5])\r\n' +
        '\tby mx.example.com (mxtls) with ESMTP id 4A1\r\n' +
        end,
    );
  });

  test('TLS 1.3', () => {
    expect(header({ tls })).toBe(
      'Received: from helo.example.org (mail.example.org [192.0.2.5])\r\n' +
        '\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\r\n' +
        '\t key-exchange X25519MLKEM768 server-signature RSA-PSS (2048 bits) server-digest SHA256)\r\n' +
        '\t(No client certificate requested)\r\n' +
        '\tby mx.example.com (mxtls) with ESMTPS id 4A1\r\n' +
        end,
    );
  });

  test('TLS 1.3 with a client certificate', () => {
    const client = {
      algorithm: 'ECDSA',
      curve: 'prime256v1',
      bits: null,
      digest: 'SHA256',
      rawPublicKey: false,
    };
    const snapshot: TlsSnapshot = {
      ...tls,
      client,
      status: 'Trusted',
      certificateType: 'x509',
      peerSubject: 'client "x"',
      peerIssuer: 'CA',
    };
    expect(header({ tls: snapshot })).toContain(
      'server-digest SHA256\r\n' +
        '\t client-signature ECDSA (prime256v1) client-digest SHA256)\r\n' +
        '\t(Client CN "client ?x?", Issuer "CA" (verified OK))\r\n',
    );
  });

  test.each<[Partial<TlsSnapshot>, string]>([
    [
      { protocol: 'TLSv1.2', cipher: 'AES128-SHA' },
      '\t(using TLSv1.2 with cipher AES128-SHA (256/256 bits))\r\n',
    ],
    [{ server: null }, '(256/256 bits)\r\n\t key-exchange X25519MLKEM768)\r\n'],
    [
      { group: null },
      '(256/256 bits)\r\n\t server-signature RSA-PSS (2048 bits) server-digest SHA256)\r\n',
    ],
    [
      {
        server: {
          algorithm: 'ML-DSA-65',
          curve: null,
          bits: null,
          digest: null,
          rawPublicKey: true,
        },
      },
      'key-exchange X25519MLKEM768 server-signature ML-DSA-65)\r\n',
    ],
    [
      {
        server: {
          algorithm: 'ECDSA',
          curve: 'prime256v1',
          bits: null,
          digest: 'SHA256',
          rawPublicKey: true,
        },
      },
      'server-signature ECDSA (prime256v1 raw public key) server-digest SHA256)\r\n',
    ],
    [
      { certificateType: 'rpk', peerPkeyFingerprint: 'AA:BB' },
      '\t(Client RPK sha256 digest AA:BB)\r\n',
    ],
    [
      { certificateType: 'x509', status: 'Untrusted' },
      '\t(Client CN "", Issuer "" (not verified))\r\n',
    ],
  ])('%j', (some, text) => {
    expect(header({ tls: { ...tls, ...some } })).toContain(text);
  });

  test('a certificate that was asked for and not given', () => {
    expect(header({ tls }, { askCcert: true })).toContain(
      '\t(Client did not present a certificate)\r\n',
    );
  });

  test('smtpd_tls_received_header = no', () => {
    expect(header({ tls }, { tls: false })).not.toContain('using');
    expect(header({ tls }, { tls: false })).toContain('with ESMTPS id');
  });

  test('smtpd_hide_client_session', () => {
    expect(header({ tls }, { hideClientSession: true })).toBe(
      `Received: by mx.example.com (mxtls) with ESMTPS id 4A1\r\n${end}`,
    );
  });

  test.each<[Partial<SmtpdSession>, string]>([
    [{ protocol: 'SMTP', helo: null }, 'with SMTP id'],
    [{ auth: { mechanism: 'PLAIN', username: 'u', authzid: '' } }, 'with ESMTPA id'],
    [{ tls, auth: { mechanism: 'PLAIN', username: 'u', authzid: '' } }, 'with ESMTPSA id'],
    [{ tls, sender: session.sender && { ...session.sender, smtputf8: true } }, 'with UTF8SMTPS id'],
    [
      { auth: { mechanism: 'PLAIN', username: 'u)\r\n', authzid: '' } },
      '(Authenticated sender: u???)',
    ],
    [{ helo: null }, 'from mail.example.org (mail.example.org [192.0.2.5])'],
    [{ helo: 'a(b\r\nX: y' }, 'from a?b??X: y ('],
    [{ remoteAddress: '2001:db8::7', clientName: 'unknown' }, '(unknown [IPv6:2001:db8::7])'],
  ])('%j', (some, text) => {
    expect(header(some)).toContain(text);
  });

  test('several recipients do not learn of each other', () => {
    const recipients = [...session.recipients, ...session.recipients];
    expect(header({ recipients })).toContain('id 4A1; Wed');
  });
});

test('formatDate', () => {
  expect(formatDate(new Date(0))).toBe('Thu, 1 Jan 1970 00:00:00 +0000 (UTC)');
});
