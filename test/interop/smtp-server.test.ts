/** Our smtp to the npm package smtp-server. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Smtp } from '../../lib/client.js';
import { certificate } from '../helpers/certificates.js';
import { Lines } from '../helpers/lines.js';
import { collect } from '../helpers/servers.js';

const { keyFile, certFile } = certificate('ecdsa');
const credentials = { key: readFileSync(keyFile), cert: readFileSync(certFile) };

interface Arrived {
  readonly content: Buffer;
  readonly recipients: readonly string[];
  readonly secure: boolean;
}

async function start(
  options: SMTPServerOptions = {},
): Promise<{ nexthop: string; arrived: Arrived[] }> {
  const arrived: Arrived[] = [];
  const server = new SMTPServer({
    ...credentials,
    authOptional: true,
    disableReverseLookup: true,
    onData(stream, session, done) {
      collect(stream).then((content) => {
        const recipients = session.envelope.rcptTo.map(({ address }) => address);
        arrived.push({ content, recipients, secure: session.secure });
        done();
      }, done);
    },
    ...options,
  });
  server.on('error', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())));
  return { nexthop: `[127.0.0.1]:${(server.server.address() as AddressInfo).port}`, arrived };
}

const message = `Subject: x\r\n\r\n.dot\r\n${'line of text\r\n'.repeat(50_000)}`;
const mail = { sender: 'a@example.org', recipients: ['b@example.com', 'c@example.com'], message };

describe.each([
  ['plaintext', { hideSTARTTLS: true }, { securityLevel: 'may' }, 'may:none'],
  ['STARTTLS', {}, { securityLevel: 'encrypt' }, 'encrypt'],
  [
    'TLS from the first byte',
    { secure: true },
    { securityLevel: 'encrypt', wrappermode: true },
    'encrypt',
  ],
] as const)('%s', (_, server, tls, tlsFeature) => {
  test('a message arrives byte for byte', async () => {
    const { nexthop, arrived } = await start(server);
    const smtp = new Smtp({ logger: new Lines(), tls });
    const report = await smtp.deliver({ ...mail, nexthop });
    expect(report.recipients).toMatchObject([
      { status: 'sent', dsn: '2.0.0', tlsFeature },
      { status: 'sent', dsn: '2.0.0', tlsFeature },
    ]);
    expect(arrived).toEqual([
      {
        content: Buffer.from(message),
        recipients: mail.recipients,
        secure: tlsFeature === 'encrypt',
      },
    ]);
  });

  test('refusals come back as they were said', async () => {
    const { nexthop } = await start({
      ...server,
      onRcptTo({ address }, _session, done) {
        const refusal = Object.assign(new Error('unknown here'), { responseCode: 550 });
        done(address.startsWith('c@') ? refusal : null);
      },
    });
    const report = await new Smtp({ logger: new Lines(), tls }).deliver({ ...mail, nexthop });
    expect(report.recipients).toMatchObject([
      { status: 'sent' },
      { status: 'bounced', dsn: '5.0.0', reply: expect.stringContaining('550 unknown here') },
    ]);
  });
});
