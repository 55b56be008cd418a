/** docs/server-to-server.md as it stands: two hosts, each with the other's key, and what becomes of a third. */
import { readFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { permitTlsClientcerts } from '../../lib/smtpd/ccert-access.js';
import { restrictions } from '../../lib/smtpd/restrictions.js';
import { Smtp, type SmtpOptions } from '../../lib/client.js';
import type { DeliveryReport } from '../../lib/delivery/report.js';
import { Smtpd, type SmtpdOptions } from '../../lib/server.js';
import type { SmtpdMessage, SmtpdSession } from '../../lib/smtpd/handlers.js';
import type { SmtpdListener } from '../../lib/smtpd/listener.js';
import { type Certificate, namedCertificate } from '../helpers/certificates.js';
import { pkeyFingerprint } from '../helpers/fingerprints.js';
import { Lines } from '../helpers/lines.js';
import { collect } from '../helpers/servers.js';

const page = readFileSync(new URL('../../docs/server-to-server.md', import.meta.url), 'utf8');
const [serverCode = '', clientCode = ''] = [...page.matchAll(/^```ts\n(.*?)^```$/gms)].map(
  ([, text]) => text ?? '',
);

const AsyncFunction = (async () => undefined).constructor as new (
  ...args: string[]
) => (...args: unknown[]) => Promise<unknown>;

interface Example {
  readonly smtpd: Smtpd;
  readonly listener: SmtpdListener;
  deliver(port: number): Promise<DeliveryReport>;
}

class Host {
  readonly lines = new Lines();
  readonly received: { readonly text: string; readonly session: SmtpdSession }[] = [];
  readonly fingerprint: string;
  readonly #chain: Certificate;

  constructor(name: string) {
    this.#chain = namedCertificate(name);
    this.fingerprint = pkeyFingerprint(this.#chain.certFile);
  }

  /** Runs the program of the page with this key and the other host's fingerprint. */
  async start(peer: Host): Promise<Example> {
    const { lines, received } = this;
    let session: SmtpdSession | null = null;
    class OwnSmtpd extends Smtpd {
      constructor(options: SmtpdOptions) {
        const { onData, ...rest } = options;
        super({
          ...{ ...rest, logger: lines, tls: { ...rest.tls, loglevel: 1 } },
          onData: (from, message) => {
            session = from;
            return onData?.(from, message);
          },
        });
      }
    }
    class OwnSmtp extends Smtp {
      constructor(options: SmtpOptions) {
        super({ ...options, logger: lines, tls: { ...options.tls, loglevel: 1 } });
      }
    }
    const store = async (message: SmtpdMessage): Promise<void> => {
      const text = (await collect(message)).toString();
      received.push({ text, session: session as SmtpdSession });
    };
    const code = [
      serverCode.replace(/^import .*$/m, ''),
      `const deliver = async (other) => { ${clientCode}; return report; };`,
      'return { smtpd, listener, deliver };',
    ].join('\n');
    const placed = code
      .replace(/'(?:[\dA-F]{2}:)+[\dA-F]{2}'/, `'${peer.fingerprint}'`)
      .replace('/etc/mxtls/alpha.pem', this.#chain.chainFile)
      .replace("host: '192.0.2.1', port: 25", "host: '127.0.0.1', port: 0")
      .replace("'[192.0.2.2]:25'", "'[127.0.0.1]:' + other");
    const program = new AsyncFunction(
      ...['Smtpd', 'Smtp', 'permitTlsClientcerts', 'restrictions', 'store'],
      placed,
    );
    const example = await program(OwnSmtpd, OwnSmtp, permitTlsClientcerts, restrictions, store);
    const { smtpd } = example as Example;
    onTestFinished(() => smtpd.close(true));
    return example as Example;
  }
}

test('each takes and gives mail, and knows the other by its raw public key', async () => {
  const [alpha, beta] = [new Host('alpha'), new Host('beta')];
  const [one, other] = [await alpha.start(beta), await beta.start(alpha)];
  const forth = await one.deliver(other.listener.port);
  const back = await other.deliver(one.listener.port);
  for (const [report, server, client] of [
    [forth, beta, alpha],
    [back, alpha, beta],
  ] as const) {
    expect(report.recipients).toMatchObject([{ status: 'sent', tlsFeature: 'fingerprint' }]);
    expect(report.tls).toMatchObject({
      ...{ status: 'Verified', certificateType: 'rpk', sni: null },
      ...{ peerPkeyFingerprint: server.fingerprint, peerCertFingerprint: null },
    });
    expect(server.received).toHaveLength(1);
    expect(server.received[0]?.text).toContain('hello\r\n');
    expect(server.received[0]?.session.tls).toMatchObject({
      ...{ certificateType: 'rpk', peerPkeyFingerprint: client.fingerprint },
    });
    expect(client.lines.matching(/^Verified TLS connection established to /)).toEqual([
      expect.stringMatching(
        /server-signature ECDSA \(prime256v1 raw public key\) .*client-signature ECDSA \(prime256v1 raw public key\)/,
      ),
    ]);
    expect(server.lines.matching(/^Untrusted TLS connection established from /)).toHaveLength(1);
  }
});

test('a client with another key is refused', async () => {
  const [alpha, beta, gamma] = [new Host('alpha'), new Host('beta'), new Host('gamma')];
  const server = await beta.start(alpha);
  const intruder = await gamma.start(beta);
  const report = await intruder.deliver(server.listener.port);
  expect(report.recipients).toMatchObject([{ status: 'bounced', dsn: '5.7.1' }]);
  expect(report.recipients[0]?.reply).toContain('Access denied: unknown key');
  expect(beta.received).toEqual([]);
});

test('a server with another key gets nothing', async () => {
  const [alpha, beta, gamma] = [new Host('alpha'), new Host('beta'), new Host('gamma')];
  const impostor = await gamma.start(alpha);
  const client = await alpha.start(beta);
  const report = await client.deliver(impostor.listener.port);
  expect(report.recipients).toMatchObject([
    { status: 'deferred', dsn: '4.7.5', reply: 'Server certificate not verified' },
  ]);
  expect(gamma.received).toEqual([]);
});
