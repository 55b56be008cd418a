/** Rows of the table of delivery errors, one test each: what the delivery record says. */
import { describe, expect, test } from 'vitest';
import { serverCertificate } from '../helpers/certificates.js';
import {
  notOffered,
  notVerified,
  plain,
  rejected,
  skipped,
  testRows,
  tlsa,
  unsignedMx,
  wrong,
} from '../helpers/client-rows.js';
import { type DeliveryWorld, deliver, issued, outcome } from '../helpers/delivery-world.js';
import { type MemoryZone, tlsaOf } from '../helpers/memory-dns.js';
import { hello, scriptedServer, type ScriptedPeer } from '../helpers/scripted-server.js';

describe('11. delivery errors', () => {
  testRows([
    [
      '4.7.4 TLS is required, but was not offered',
      { securityLevel: 'encrypt' },
      plain,
      `deferred 4.7.4 - tls=!encrypt ${notOffered}`,
    ],
    [
      '4.7.5 Cannot start TLS: handshake failure',
      { securityLevel: 'encrypt', mandatoryProtocols: '>=TLSv1.3' },
      {
        smtpd: {
          tls: { securityLevel: 'may', chainFiles: [issued.chainFile], protocols: '<=TLSv1.2' },
        },
      },
      'deferred 4.7.5 - tls=encrypt? Cannot start TLS: handshake failure',
    ],
    [
      '4.7.5 Cannot start TLS, at may on the first attempt',
      { securityLevel: 'may', protocols: '>=TLSv1.3' },
      {
        smtpd: {
          tls: { securityLevel: 'may', chainFiles: [issued.chainFile], protocols: '<=TLSv1.2' },
        },
      },
      'deferred 4.7.5 - tls=may? Cannot start TLS: handshake failure',
    ],
    [
      '4.7.5 Server certificate not verified',
      { securityLevel: 'verify' },
      {},
      `deferred 4.7.5 Untrusted tls=!verify ${notVerified}`,
    ],
    [
      '4.7.5 TLS is required, but our TLS engine is unavailable',
      { securityLevel: 'encrypt', chainFiles: ['/nonexistent/client.pem'] },
      {},
      'deferred 4.7.5 - tls=!encrypt TLS is required, but our TLS engine is unavailable',
    ],
    [
      'TLS is optional, and our TLS engine is unavailable',
      { securityLevel: 'may', chainFiles: ['/nonexistent/client.pem'] },
      {},
      'sent 2.0.0 - tls=may:none Ok',
    ],
    [
      '4.7.5 client TLS configuration problem',
      { securityLevel: 'secure', trustAnchorFile: ['/nonexistent/anchors.pem'] },
      {},
      skipped('client TLS configuration problem'),
    ],
    [
      '4.7.5 TLSA lookup error',
      { securityLevel: 'dane' },
      tlsa('failure'),
      skipped('TLSA lookup error for mx.example.com:PORT'),
    ],
    [
      '4.7.5 non DNSSEC destination',
      { securityLevel: 'dane-only' },
      { zone: unsignedMx },
      skipped('non DNSSEC destination'),
    ],
    [
      '4.7.5 no TLSA records found',
      { securityLevel: 'dane-only' },
      {},
      skipped('no TLSA records found'),
    ],
    [
      '4.7.5 TLSA records unusable',
      { securityLevel: 'dane-only' },
      tlsa(rejected),
      skipped('TLSA records unusable'),
    ],
  ]);

  type Script = (peer: ScriptedPeer) => Promise<void>;
  const starttls = async (peer: ScriptedPeer, reply: string): Promise<void> => {
    await hello(peer, 'STARTTLS');
    await peer.answer(reply);
  };

  test.each<[string, Script, string]>([
    [
      'the server’s code: refused to start TLS, for now',
      async (peer) => {
        await starttls(peer, '454 4.7.1 not today\r\n');
        await peer.answer('221 2.0.0 Bye\r\n');
      },
      'deferred 4.7.1 - tls=!encrypt TLS is required, but host mx.example.com[127.0.0.1] refused to start TLS: 454 4.7.1 not today',
    ],
    [
      'the server’s code: refused to start TLS, for good',
      async (peer) => {
        await starttls(peer, '554 5.7.3 never\r\n');
        await peer.answer('221 2.0.0 Bye\r\n');
      },
      'bounced 5.7.3 - tls=!encrypt TLS is required, but host mx.example.com[127.0.0.1] refused to start TLS: 554 5.7.3 never',
    ],
    [
      '4.4.2 lost connection',
      async (peer) => {
        peer.say('220 peer.example ESMTP\r\n');
        await peer.hear();
        peer.end();
      },
      'deferred 4.4.2 - tls=encrypt? lost connection with mx.example.com[127.0.0.1] while performing the EHLO handshake',
    ],
    [
      '4.4.2 conversation timed out',
      async (peer) => {
        await hello(peer, 'STARTTLS');
        await peer.gone();
      },
      'deferred 4.4.2 - tls=encrypt? conversation with mx.example.com[127.0.0.1] timed out while receiving the STARTTLS response',
    ],
  ])('%s', async (_, script, expected) => {
    const server = await scriptedServer(script);
    const done = await deliver({
      tcpPort: String(server.port),
      starttlsTimeout: 1000,
      tls: { securityLevel: 'encrypt' },
    });
    expect(outcome(done)).toBe(expected);
  });

  test('TLS errors are per site: the other MX hosts are tried first', async () => {
    const first = serverCertificate('rows-other', ['mx.example.net']);
    const other: MemoryZone = {
      'example.com MX': ['10 bad.example.com', '20 mx.example.com'],
      'bad.example.com A': ['127.0.0.1'],
    };
    const world: DeliveryWorld = {
      chain: first,
      zone: (port) => ({
        ...other,
        [`_${port}._tcp.bad.example.com TLSA`]: wrong,
        [`_${port}._tcp.mx.example.com TLSA`]: [tlsaOf(first.certFile, 3, 1, 1)],
      }),
    };
    const done = await deliver({ tls: { securityLevel: 'dane' } }, world);
    expect(outcome(done)).toBe('sent 2.0.0 Verified tls=dane Ok');
    expect(done.report.recipients[0]?.relay).toMatch(/^mx\.example\.com\[/);
  });
});
