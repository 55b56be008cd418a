/** New certificates in a running smtpd: on request, when files change, under load; and bad ones. */
import { writeFileSync } from 'node:fs';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setImmediate } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import type { CertificatesReloadEvent } from '../../lib/log/events.js';
import { certificate, freshCertificate } from '../helpers/certificates.js';
import { chainFile, presented, replace, withStarttls } from '../helpers/chain-file.js';
import { RawClient } from '../helpers/raw-client.js';
import { startSmtpd, type TestServer } from '../helpers/servers.js';
import { secure, secureFromStart, type TlsClient } from '../helpers/tls-client.js';

async function quit(client: TlsClient): Promise<void> {
  await client.command('QUIT');
  client.end();
  await client.rest();
}

/** An smtpd with STARTTLS on its first port, wrappermode on the other. */
async function start(
  file: string,
  more: object = {},
): Promise<TestServer & { readonly wrapped: number }> {
  const server = await startSmtpd({
    tls: { securityLevel: 'may', chainFiles: [file], loglevel: 0 },
    ...more,
  });
  const { port } = await server.smtpd.listen({ host: '127.0.0.1', port: 0, wrappermode: true });
  return { ...server, wrapped: port };
}

test('new connections get the new certificate, those there are go on with the old one', async () => {
  const file = chainFile(freshCertificate('old.example.com').chainFile);
  const { smtpd, port, wrapped, lines } = await start(file);
  const plain = await RawClient.greeted(port); // STARTTLS comes after the reload
  const running = [await withStarttls(port), await secureFromStart(wrapped)];
  await running[1]?.reply();
  expect(running.map(presented)).toEqual(['old.example.com', 'old.example.com']);
  replace(file, freshCertificate('new.example.com').chainFile);
  const now = await smtpd.reload();
  expect(now.map(({ subject }) => subject)).toEqual(['new.example.com']);
  expect(smtpd.certificates).toEqual(now);
  expect(lines.matching(/reload/)).toEqual(['certificates reloaded: EC new.example.com']);
  for (const client of running) {
    expect(await client.command('EHLO x')).toContain('250-mx.example.com');
    await quit(client);
  }
  await plain.command('STARTTLS');
  const clients = [await secure(plain), await withStarttls(port), await secureFromStart(wrapped)];
  expect(clients.map(presented)).toEqual(Array(3).fill('new.example.com'));
});

test('a bad file leaves the old certificate in service, and says so', async () => {
  const file = chainFile(freshCertificate('old.example.com').chainFile);
  const { smtpd, port, wrapped, lines } = await start(file);
  const events: CertificatesReloadEvent[] = [];
  const listen = (event: unknown): void => {
    events.push(event as CertificatesReloadEvent);
  };
  subscribe('mxtls:tls:reload', listen);
  onTestFinished(() => {
    unsubscribe('mxtls:tls:reload', listen);
  });
  replace(file, certificate('rsa').certFile);
  await expect(smtpd.reload()).rejects.toMatchObject({ code: 'CHAIN_KEY_NOT_FIRST' });
  expect(lines.matching(/chain|certificates/)).toEqual([
    `warning: error loading chain from ${file}: key not first`,
    `warning: error loading private keys and certificates from: ${file}: keeping the former certificates`,
  ]);
  expect(presented(await withStarttls(port))).toBe('old.example.com');
  expect(presented(await secureFromStart(wrapped))).toBe('old.example.com');
  replace(file, freshCertificate('new.example.com').chainFile);
  await smtpd.reload();
  expect(presented(await withStarttls(port))).toBe('new.example.com');
  expect(events).toMatchObject([
    { service: 'smtpd', error: { code: 'CHAIN_KEY_NOT_FIRST' }, certificates: null },
    {
      service: 'smtpd',
      error: null,
      certificates: [{ subject: 'new.example.com', keyType: 'EC' }],
    },
  ]);
});

test('a CA file that has gone bad leaves the old certificate in service on all listeners', async () => {
  const file = chainFile(freshCertificate('old.example.com').chainFile);
  const caFile = chainFile(certificate('ecdsa').certFile);
  const { smtpd, port, wrapped, lines } = await start(file, {
    tls: { securityLevel: 'may', chainFiles: [file], CAfile: caFile },
  });
  replace(file, freshCertificate('new.example.com').chainFile);
  writeFileSync(caFile, 'nothing\n');
  await expect(smtpd.reload()).rejects.toMatchObject({ code: 'CA_LOAD' });
  expect(await lines.line(/keeping the former certificates$/)).toMatch(/^warning: .*CA/);
  expect(presented(await withStarttls(port))).toBe('old.example.com');
  expect(presented(await secureFromStart(wrapped))).toBe('old.example.com');
});

test('a changed file is loaded by itself', async () => {
  const file = chainFile(freshCertificate('old.example.com').chainFile);
  const { port, lines } = await start(file, { chainFilesCheckInterval: 5 });
  replace(file, freshCertificate('new.example.com').chainFile);
  await lines.line(/^certificates reloaded: EC new\.example\.com$/);
  expect(presented(await withStarttls(port))).toBe('new.example.com');
});

test('a reload without TLS, or without a listener, harms nothing', async () => {
  const plain = await startSmtpd();
  expect(await plain.smtpd.reload()).toEqual([]);
  const file = chainFile(certificate('ecdsa').chainFile);
  const { smtpd } = await start(file);
  await smtpd.close();
  expect(await smtpd.reload()).toMatchObject([{ subject: 'mx.example.com' }]);
});

/** Says hello and goodbye, again and again, until told to stop; how often, and as what the server came. */
async function talk(
  connect: () => Promise<TlsClient>,
  going: () => boolean,
  seen: Map<string, number>,
): Promise<void> {
  while (going()) {
    const client = await connect();
    const name = presented(client);
    seen.set(name, (seen.get(name) ?? 0) + 1);
    await quit(client);
  }
}

test('a hundred reloads under load fail no handshake', { timeout: 120_000 }, async () => {
  const sources = ['odd.example.com', 'even.example.com'].map(
    (name) => freshCertificate(name).chainFile,
  );
  const file = chainFile(sources[1] ?? '');
  const { smtpd, port, wrapped, lines } = await start(file);
  let reloads = 0;
  let handshakes = 0;
  const seen = new Map<string, number>();
  const connects = [
    () => withStarttls(port),
    async () => {
      const client = await secureFromStart(wrapped);
      await client.reply();
      return client;
    },
  ];
  const counted = (connect: () => Promise<TlsClient>) => async (): Promise<TlsClient> => {
    const client = await connect();
    handshakes++;
    return client;
  };
  const clients = Promise.all(
    connects.flatMap((connect) =>
      Array.from({ length: 4 }, () => talk(counted(connect), () => reloads < 100, seen)),
    ),
  );
  const reloading = async (): Promise<void> => {
    while (reloads < 100) {
      replace(file, sources[reloads % 2] ?? '');
      await smtpd.reload();
      reloads++;
      const before = handshakes;
      while (handshakes < before + 2 && reloads < 100) {
        await setImmediate(); // handshakes go on between reloads
      }
    }
  };
  await Promise.all([reloading(), clients]);
  expect(lines.matching(/SSL_accept|lost connection|problem/)).toEqual([]);
  expect(lines.matching(/^certificates reloaded/)).toHaveLength(100);
  expect(handshakes).toBeGreaterThanOrEqual(200);
  expect([...seen.keys()].sort()).toEqual(['even.example.com', 'odd.example.com']);
});

test('contexts that were replaced are freed', { timeout: 60_000 }, async () => {
  const file = chainFile(certificate('ecdsa').chainFile);
  const { smtpd } = await start(file, { logger: { info: () => undefined, warn: () => undefined } });
  const rssAfter = async (reloads: number): Promise<number> => {
    for (let i = 0; i < reloads; i++) {
      await smtpd.reload();
      await setImmediate();
    }
    globalThis.gc?.();
    await setImmediate();
    return process.memoryUsage().rss / 2 ** 20;
  };
  const warm = await rssAfter(200);
  // Two contexts each: those of 400 reloads would be more than 40 MiB.
  expect((await rssAfter(400)) - warm).toBeLessThan(10);
});
