/** Client certificates of the smtp engine: older parameters, reload on request and by itself, bad files. */
import { copyFileSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Smtp, type SmtpOptions } from '../../lib/client.js';
import type { SmtpTlsOptions } from '../../lib/config/options.js';
import { certificate, freshCertificate } from '../helpers/certificates.js';
import { Lines } from '../helpers/lines.js';
import { startSmtpd, type TestServer } from '../helpers/servers.js';

const [rsa, ecdsa] = [certificate('rsa'), certificate('ecdsa')];

async function start(): Promise<TestServer> {
  return startSmtpd({
    tls: { securityLevel: 'may', chainFiles: [ecdsa.chainFile], askCcert: true },
  });
}

class Client {
  readonly lines = new Lines();
  readonly smtp: Smtp;
  readonly #server: TestServer;

  constructor(server: TestServer, tls: SmtpTlsOptions, more: Partial<SmtpOptions> = {}) {
    this.#server = server;
    this.smtp = new Smtp({
      logger: this.lines,
      tls: { securityLevel: 'encrypt', ...tls },
      ...more,
    });
  }

  /** The fingerprint of what the server saw, or the status of the delivery. */
  async presents(): Promise<string | null> {
    const report = await this.smtp.deliver({
      ...{ sender: 'a@example.org', recipients: ['b@example.com'], message: 'x\r\n' },
      nexthop: this.#server.nexthop,
    });
    const status = report.recipients[0]?.status;
    const tls = this.#server.received.at(-1)?.session.tls;
    return status === 'sent' ? (tls?.peerCertFingerprint ?? null) : `${status}`;
  }
}

function file(source: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'mxtls-client-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  replace(join(folder, 'chain.pem'), source);
  return join(folder, 'chain.pem');
}

function replace(target: string, source: string): void {
  copyFileSync(source, `${target}.new`);
  renameSync(`${target}.new`, target);
}

test('older parameters name what is presented', async () => {
  const server = await start();
  const pair = new Client(server, { certFile: ecdsa.certFile, keyFile: ecdsa.keyFile });
  const chain = new Client(server, { chainFiles: [ecdsa.chainFile] });
  const other = new Client(server, { certFile: rsa.chainFile });
  const presented = await pair.presents();
  expect(presented).toMatch(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
  expect(await chain.presents()).toBe(presented);
  expect(await other.presents()).toMatch(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
  expect(other.smtp.certificates.map(({ keyType }) => keyType)).toEqual(['RSA']);
});

test('reload() is for the deliveries to come; a bad file leaves what there is', async () => {
  const server = await start();
  const chain = file(freshCertificate('one.example.com').chainFile);
  const client = new Client(server, { chainFiles: [chain] });
  const first = await client.presents();
  replace(chain, freshCertificate('two.example.com').chainFile);
  expect(await client.presents()).toBe(first);
  expect(await client.smtp.reload()).toMatchObject([{ subject: 'two.example.com' }]);
  const second = await client.presents();
  expect(second).toMatch(/^[0-9A-F:]{95}$/);
  expect(second).not.toBe(first);
  replace(chain, rsa.keyFile);
  await expect(client.smtp.reload()).rejects.toMatchObject({ code: 'CHAIN_KEY_WITHOUT_CERT' });
  expect(client.lines.matching(/certificates/)).toEqual([
    'certificates reloaded: EC two.example.com',
    `warning: error loading private keys and certificates from: ${chain}: keeping the former certificates`,
  ]);
  expect(await client.presents()).toBe(second);
});

test('changed files are loaded with a delivery', async () => {
  const server = await start();
  const chain = file(freshCertificate('one.example.com').chainFile);
  const client = new Client(server, { chainFiles: [chain] }, { chainFilesCheckInterval: 0.001 });
  const first = await client.presents();
  replace(chain, freshCertificate('two.example.com').chainFile);
  await client.presents(); // sees the change, and perhaps that it is still
  expect(await client.presents()).not.toBe(first);
  expect(client.smtp.certificates).toMatchObject([{ subject: 'two.example.com' }]);
});

test('files that cannot be used are told of once and leave no TLS, until a reload', async () => {
  const server = await start();
  const chain = file(rsa.keyFile);
  const client = new Client(server, { chainFiles: [chain] });
  expect(await client.presents()).toBe('deferred');
  expect(await client.presents()).toBe('deferred');
  expect(client.lines.matching(/^warning: .*(?:key|chain)/)).toEqual([
    `warning: No certs for key at index 1 in ${chain}`,
    `warning: error loading private keys and certificates from: ${chain}: disabling TLS support`,
  ]);
  replace(chain, ecdsa.chainFile);
  await client.smtp.reload();
  expect(await client.presents()).toMatch(/^[0-9A-F:]{95}$/);
});

test('a client certificate that ends soon is a warning with the first delivery', async () => {
  const server = await start();
  const notAfter = new Date(Date.now() + 3.5 * 86_400_000);
  const chainFiles = [freshCertificate('client.example.com', { notAfter }).chainFile];
  const client = new Client(server, { chainFiles });
  await client.presents();
  await client.presents();
  expect(client.lines.matching(/expires/)).toEqual([
    expect.stringMatching(
      /^warning: certificate EC client\.example\.com in .* expires in 3 days, on /,
    ),
  ]);
});
