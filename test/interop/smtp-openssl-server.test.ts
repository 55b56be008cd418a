/** Our smtp to `openssl s_server` of OpenSSL 3.5, TLS first, and behind a STARTTLS dialogue. */
import { describe, expect, test } from 'vitest';
import { Smtp } from '../../lib/client.js';
import { certificate, type KeyAlgorithm } from '../helpers/certificates.js';
import { Lines } from '../helpers/lines.js';
import { type OpensslPeer, opensslServer } from '../helpers/openssl-peer.js';
import { hello, scriptedServer } from '../helpers/scripted-server.js';

const cases: readonly (readonly [KeyAlgorithm, readonly string[], RegExp])[] = [
  [
    'ml-dsa-65',
    ['-tls1_3', '-groups', 'X25519MLKEM768'],
    /TLSv1\.3 with cipher \S+ \(256\/256 bits\) key-exchange X25519MLKEM768 server-signature ML-DSA-65$/,
  ],
  [
    'ecdsa',
    ['-tls1_3', '-groups', 'x25519'],
    /TLSv1\.3 with cipher \S+ \(256\/256 bits\) key-exchange x25519 server-signature ECDSA \(prime256v1\) server-digest SHA256$/i,
  ],
  [
    'rsa',
    ['-tls1_3', '-groups', 'secp384r1'],
    /key-exchange secp384r1 server-signature RSA-PSS \(2048 bits\)/,
  ],
  ['ecdsa', ['-tls1_2'], /TLSv1\.2 with cipher ECDHE-ECDSA-AES256-GCM-SHA384 \(256\/256 bits\)$/],
  [
    'rsa',
    ['-tls1_2', '-cipher', 'AES256-SHA'],
    /TLSv1\.2 with cipher AES256-SHA \(256\/256 bits\)$/,
  ],
];

/** The server's part of the dialogue, typed into s_server. */
async function typeReplies(peer: OpensslPeer): Promise<void> {
  await peer.hear(/EHLO client\.example\r\n/);
  peer.say('250-peer.example\r\n250 PIPELINING\r\n');
  await peer.hear(/MAIL FROM:<a@example\.org>\r\nRCPT TO:<b@example\.com>\r\nDATA\r\n/);
  peer.say('250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 go\r\n');
  await peer.hear(/\r\n\.\r\nQUIT\r\n/);
  peer.say('250 2.0.0 Ok: queued as TYPED\r\n');
}

const mail = {
  sender: 'a@example.org',
  recipients: ['b@example.com'],
  message: 'Subject: interop\n\n.dot\n',
} as const;

function serverArgs(algorithm: KeyAlgorithm, args: readonly string[]): string[] {
  const { keyFile, certFile } = certificate(algorithm);
  return ['-key', keyFile, '-cert', certFile, '-naccept', '1', ...args];
}

describe('wrappermode', () => {
  test.each(cases)('%s %j', async (algorithm, args, summary) => {
    const { peer, port } = await opensslServer(serverArgs(algorithm, args));
    const lines = new Lines();
    const smtp = new Smtp({
      myhostname: 'client.example',
      logger: lines,
      tls: { securityLevel: 'encrypt', wrappermode: true, loglevel: 1 },
    });
    const delivery = smtp.deliver({ ...mail, nexthop: `[127.0.0.1]:${port}` });
    await lines.line(/TLS connection/);
    peer.say('220 peer.example ESMTP\r\n');
    await typeReplies(peer);
    const report = await delivery;
    expect(report.recipients).toMatchObject([
      { status: 'sent', reply: '250 2.0.0 Ok: queued as TYPED', tlsFeature: 'encrypt' },
    ]);
    expect(lines.all[0]).toMatch(summary);
  });
});

describe('STARTTLS', () => {
  test.each(cases)('%s %j', async (algorithm, args, summary) => {
    const { peer, port } = await opensslServer(serverArgs(algorithm, args));
    const front = await scriptedServer(async (client) => {
      await hello(client, 'STARTTLS');
      await client.answer('220 go\r\n');
      client.bridge(port);
    });
    const lines = new Lines();
    const smtp = new Smtp({
      myhostname: 'client.example',
      logger: lines,
      tls: { securityLevel: 'may', loglevel: 1 },
    });
    const delivery = smtp.deliver({ ...mail, nexthop: front.nexthop });
    await typeReplies(peer);
    const report = await delivery;
    expect(report.recipients).toMatchObject([
      { status: 'sent', reply: '250 2.0.0 Ok: queued as TYPED', tlsFeature: 'may' },
    ]);
    expect(lines.all[0]).toMatch(summary);
  });
});

test('a server with nothing in common: a handshake failure, and no plaintext', async () => {
  const { port } = await opensslServer(serverArgs('ecdsa', ['-tls1_3', '-groups', 'secp521r1']));
  const lines = new Lines();
  const smtp = new Smtp({
    logger: lines,
    tls: { securityLevel: 'encrypt', wrappermode: true, eecdhAutoCurves: ['X25519'] },
  });
  const report = await smtp.deliver({ ...mail, nexthop: `[127.0.0.1]:${port}` });
  expect(report.recipients).toMatchObject([{ status: 'deferred', dsn: '4.7.5' }]);
  expect(lines.all.slice(0, 2)).toEqual([
    expect.stringMatching(/^SSL_connect error to 127\.0\.0\.1\[127\.0\.0\.1\]:\d+: -1$/),
    expect.stringMatching(
      /^warning: TLS library problem: error:0A000410:SSL routines::ssl\/tls alert handshake failure:.*:SSL alert number 40:$/,
    ),
  ]);
});
