/** `openssl s_client -starttls smtp` of OpenSSL 3.5 to our smtpd. */
import { describe, expect, test } from 'vitest';
import { certificate, type KeyAlgorithm } from '../helpers/certificates.js';
import { OpensslPeer } from '../helpers/openssl-peer.js';
import { startSmtpd } from '../helpers/servers.js';

const cases: readonly (readonly [KeyAlgorithm, readonly string[], RegExp])[] = [
  [
    'ml-dsa-65',
    ['-tls1_3', '-groups', 'X25519MLKEM768'],
    /TLSv1\.3 with cipher TLS_AES_256_GCM_SHA384 \(256\/256 bits\) key-exchange X25519MLKEM768 server-signature ML-DSA-65$/,
  ],
  [
    'ecdsa',
    ['-tls1_3', '-groups', 'x25519'],
    /TLSv1\.3 with cipher \S+ \(256\/256 bits\) key-exchange x25519 server-signature ECDSA \(prime256v1\) server-digest SHA256$/i,
  ],
  [
    'rsa',
    ['-tls1_3', '-groups', 'secp256r1', '-ciphersuites', 'TLS_CHACHA20_POLY1305_SHA256'],
    /TLSv1\.3 with cipher TLS_CHACHA20_POLY1305_SHA256 \(256\/256 bits\) key-exchange secp256r1 server-signature RSA-PSS \(2048 bits\) server-digest SHA256$/,
  ],
  ['ed25519', ['-tls1_3'], /TLSv1\.3 .* key-exchange X25519MLKEM768 server-signature ED25519$/],
  [
    'ecdsa',
    ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
    /TLSv1\.2 with cipher ECDHE-ECDSA-AES256-GCM-SHA384 \(256\/256 bits\)$/,
  ],
  [
    'rsa',
    ['-tls1_2', '-cipher', 'AES128-SHA'],
    /TLSv1\.2 with cipher AES128-SHA \(128\/128 bits\)$/,
  ],
];

/** A mail inside TLS, as a person would type it. */
async function mail(peer: OpensslPeer): Promise<void> {
  peer.say('EHLO client.example\r\n');
  await peer.hear(/250 REQUIRETLS\r?\n/);
  peer.say('MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n');
  await peer.hear(/354 [^\n]*\n/);
  peer.say('Subject: interop\r\n\r\n..dot\r\n.\r\n');
  await peer.hear(/250 2\.0\.0 Ok: queued as [0-9A-F]+\r?\n/);
  peer.say('QUIT\r\n');
  await peer.hear(/221 2\.0\.0 Bye\r?\n/);
}

describe('STARTTLS', () => {
  test.each(cases)('%s %j', async (algorithm, args, summary) => {
    const { port, lines, received } = await startSmtpd({
      tls: { securityLevel: 'may', chainFiles: [certificate(algorithm).chainFile], loglevel: 1 },
    });
    const peer = new OpensslPeer([
      ...['s_client', '-connect', `127.0.0.1:${port}`, '-starttls', 'smtp', '-quiet'],
      ...['-nocommands', '-name', 'client.example', ...args],
    ]);
    await mail(peer);
    expect(await lines.line(/TLS connection/)).toMatch(summary);
    expect(received[0]?.content.toString()).toBe('Subject: interop\r\n\r\n.dot\r\n');
    expect(await lines.line(/^disconnect/)).toContain('ehlo=2 starttls=1');
  });
});

test('wrappermode', async () => {
  const { port, received } = await startSmtpd(
    { tls: { securityLevel: 'may', chainFiles: [certificate('ml-dsa-65').chainFile] } },
    { wrappermode: true },
  );
  const peer = new OpensslPeer([
    's_client',
    '-connect',
    `127.0.0.1:${port}`,
    '-quiet',
    '-nocommands',
  ]);
  await peer.hear(/220 mx\.example\.com ESMTP mxtls\r?\n/);
  await mail(peer);
  expect(received).toHaveLength(1);
});

test('four kinds of keys side by side: the client chooses', async () => {
  const kinds = ['rsa', 'ecdsa', 'ed25519', 'ml-dsa-65'] as const;
  const { port, lines } = await startSmtpd({
    tls: {
      securityLevel: 'may',
      chainFiles: kinds.map((kind) => certificate(kind).chainFile),
      loglevel: 1,
    },
  });
  const wanted = {
    rsa_pss_rsae_sha256: 'RSA-PSS (2048 bits)',
    ecdsa_secp256r1_sha256: 'ECDSA (prime256v1)',
    ed25519: 'ED25519',
    mldsa65: 'ML-DSA-65',
  } as const;
  for (const [scheme, shown] of Object.entries(wanted)) {
    const peer = new OpensslPeer([
      ...['s_client', '-connect', `127.0.0.1:${port}`, '-starttls', 'smtp', '-quiet'],
      ...['-nocommands', '-sigalgs', scheme],
    ]);
    peer.say('QUIT\r\n');
    await peer.hear(/221 2\.0\.0 Bye/);
    expect(lines.matching(/TLS connection/).at(-1)).toContain(`server-signature ${shown}`);
  }
});

test('plaintext behind STARTTLS is not carried out, by a client that pipelines it', async () => {
  const { port, lines } = await startSmtpd({
    tls: { securityLevel: 'may', chainFiles: [certificate('ecdsa').chainFile] },
  });
  const peer = new OpensslPeer([
    ...['s_client', '-connect', `127.0.0.1:${port}`, '-starttls', 'smtp', '-quiet', '-nocommands'],
    // s_client sends this with its EHLO, ahead of the handshake.
    ...['-name', 'x\r\nSTARTTLS\r\nMAIL FROM:<evil@example.org>'],
  ]);
  peer.say('RCPT TO:<b@example.com>\r\nQUIT\r\n');
  await lines.line(/^disconnect/);
  expect(lines.matching(/mail=/)).toEqual([]);
});
