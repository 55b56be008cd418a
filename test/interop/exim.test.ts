/** Debian's Exim, which is built on GnuTLS, as the server of our smtp. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { whyNoRoot } from '../../scripts/trixie-root.mjs';
import { Smtp, type SmtpOptions } from '../../lib/client.js';
import { summaryOf } from '../helpers/truth-world/our-client.js';
import { authority, issuedCertificate, serverCertificate } from '../helpers/certificates.js';
import { Exim } from '../helpers/exim.js';
import { Lines } from '../helpers/lines.js';
import { MemoryDns, tlsaOf } from '../helpers/memory-dns.js';

const reason = whyNoRoot();
const host = 'mx.exim.example';
const own = serverCertificate('exim', [host]);
const CAfile = authority().certFile;
const unrelated = `3 1 1 ${'ab'.repeat(32)}`;
const notVerified = 'Server certificate not verified';

test.runIf(process.env['CI'] !== undefined)('Exim can be run', () => {
  expect(reason).toBeNull();
});

describe.skipIf(reason !== null)('Exim', () => {
  let exim: Exim;

  beforeAll(async () => {
    exim = await Exim.start({ certificate: own, clientCa: CAfile });
  }, 600_000);

  afterAll(() => exim?.stop());

  async function deliver(tls: NonNullable<SmtpOptions['tls']>, tlsa: readonly string[]) {
    const resolver = new MemoryDns({
      'exim.example MX': [`10 ${host}`],
      [`${host} A`]: [exim.address],
      ...(tlsa.length === 0 ? {} : { [`_${exim.port}._tcp.${host} TLSA`]: tlsa }),
    });
    const smtp = new Smtp({ logger: new Lines(), dnsSupportLevel: 'dnssec', resolver, tls });
    const { recipients } = await smtp.deliver({
      sender: 'a@client.example',
      recipients: ['b@exim.example'],
      message: 'Subject: x\n\nhello\n',
      nexthop: `exim.example:${exim.port}`,
    });
    const [result] = recipients;
    if (result === undefined) {
      throw new Error('a recipient without a result');
    }
    return result;
  }

  test.each([
    ['may', [], 'sent Untrusted may'],
    ['encrypt', [], 'sent Untrusted encrypt'],
    ['dane', [], 'sent Untrusted may'],
    ['dane', [tlsaOf(own.certFile, 3, 1, 1)], 'sent Verified dane'],
    ['dane', [tlsaOf(own.certFile, 3, 0, 2)], 'sent Verified dane'],
    ['dane', [tlsaOf(CAfile, 2, 0, 1)], `deferred Untrusted !dane ${notVerified}`],
    ['dane', [tlsaOf(CAfile, 2, 0, 0)], 'sent Verified dane'],
    ['dane-only', [unrelated], `deferred Untrusted !dane-only ${notVerified}`],
  ] as const)('level %s, TLSA %j', async (securityLevel, tlsa, expected) => {
    const { status, tls, tlsFeature, reply } = await deliver(
      { securityLevel, enableRpk: true },
      tlsa,
    );
    const text = `${status} ${tls?.status} ${tlsFeature}`;
    expect(status === 'sent' ? text : `${text} ${reply}`).toBe(expected);
    // It has no raw public keys, and sends its certificate to whoever asks for one.
    expect(tls?.certificateType).toBe('x509');
  });

  test.each([
    ['verify', {}, 'sent Verified verify'],
    ['secure', {}, 'sent Verified secure'],
    ['secure', { secureCertMatch: ['other.example'] }, 'deferred Trusted !secure'],
    ['verify', { CAfile: '' }, 'deferred Untrusted !verify'],
  ] as const)('level %s, %j', async (securityLevel, tls, expected) => {
    const result = await deliver({ securityLevel, CAfile, ...tls }, []);
    expect(`${result.status} ${result.tls?.status} ${result.tlsFeature}`).toBe(expected);
  });

  test('it sees our client certificate, and the same session', async () => {
    const from = exim.lines.all.length;
    const result = await deliver(
      { securityLevel: 'encrypt', CAfile, chainFiles: [issuedCertificate().chainFile] },
      [],
    );
    expect(summaryOf(result)).toMatch(
      /^Trusted TLS connection established to mx\.exim\.example\[.*TLSv1\.3 with cipher TLS_AES_256_GCM_SHA384 \(256\/256 bits\) key-exchange x25519 server-signature ECDSA \(prime256v1\) server-digest SHA256 client-signature ECDSA \(prime256v1\) client-digest SHA256$/,
    );
    expect(await exim.lines.line(/<= a@client\.example/, from)).toMatch(
      /P=esmtps X=TLS1\.3:ECDHE_X25519__ECDSA_SECP256R1_SHA256__AES_256_GCM:256 CV=yes DN="CN=client\.example\.com"/,
    );
  });
});
