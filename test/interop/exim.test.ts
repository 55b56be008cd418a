/** Debian's Exim, which is built on GnuTLS, as the server of our smtp. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { whyNoRoot } from '../../scripts/trixie-root.mjs';
import { Smtp } from '../../lib/client.js';
import { authority, hostCertificate, issuedCertificate } from '../helpers/certificates.js';
import { Exim } from '../helpers/exim.js';
import { Lines } from '../helpers/lines.js';

const reason = whyNoRoot();
const name = 'mx.exim.example';
const own = hostCertificate(name, `DNS:${name}`);

test.runIf(process.env['CI'] !== undefined)('Exim can be run', () => {
  expect(reason).toBeNull();
});

describe.skipIf(reason !== null)('Exim', () => {
  let exim: Exim;

  beforeAll(async () => {
    exim = await Exim.start({ certificate: own, clientCa: authority().certFile });
  }, 600_000);

  afterAll(() => exim?.stop());

  test('takes a message', async () => {
    const lines = new Lines();
    const smtp = new Smtp({
      logger: lines,
      tls: {
        securityLevel: 'encrypt',
        loglevel: 1,
        chainFiles: [issuedCertificate().chainFile],
        CAfile: authority().certFile,
        enableRpk: true,
      },
    });
    const report = await smtp.deliver({
      sender: 'a@client.example',
      recipients: ['b@exim.example'],
      message: 'Subject: x\n\nx\n',
      nexthop: `[${exim.address}]:${exim.port}`,
    });
    console.log(report.recipients, lines.all, exim.lines.all);
    expect(report.recipients).toMatchObject([{ status: 'sent' }]);
  });
});
