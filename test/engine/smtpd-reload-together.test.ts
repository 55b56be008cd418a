/** A reload and what else goes on: tables that change with certificates, certificates that were withdrawn, stress. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { certificate, freshCertificate } from '../helpers/certificates.js';
import { chainFile, presented, replace, withStarttls } from '../helpers/chain-file.js';
import { RawClient } from '../helpers/raw-client.js';
import { startSmtpd, type TestServer } from '../helpers/servers.js';
import { askFor, fingerprintOf } from '../helpers/sni-client.js';
import { secureFromStart } from '../helpers/tls-client.js';

const hit = certificate('ed25519');
const wild = certificate('rsa');
const refusal = '454 4.7.0 TLS not available due to local problem';
const shows = (file: string): string => fingerprintOf(file);

function tableFile(content: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'mxtls-together-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'sni');
  writeFileSync(file, content);
  return file;
}

async function starttls({ port }: { readonly port: number }): Promise<string> {
  const client = await RawClient.greeted(port);
  return client.command('STARTTLS');
}

describe('certificates and tables of server names', () => {
  interface Both extends TestServer {
    readonly chain: string;
    readonly table: string;
    /** What is presented to who asks for a.example, and to who asks for nothing. */
    readonly presented: () => Promise<readonly (string | null)[]>;
  }

  const old = (): string => freshCertificate('old.example.com').certFile;

  async function start(): Promise<Both> {
    const chain = chainFile(certificate('ecdsa').chainFile);
    const table = tableFile(`a.example ${hit.chainFile}\n`);
    const server = await startSmtpd({
      tls: { securityLevel: 'may', chainFiles: [chain], serverSniMaps: [`texthash:${table}`] },
    });
    const { port } = server;
    return {
      ...server,
      ...{ chain, table },
      presented: async () => [
        (await askFor({ port, name: 'a.example' })).certificate,
        (await askFor({ port, name: null })).certificate,
      ],
    };
  }

  test('one reload takes up both', async () => {
    const server = await start();
    const now = [shows(hit.certFile), shows(certificate('ecdsa').certFile)];
    expect(await server.presented()).toEqual(now);
    const fresh = freshCertificate('new.example.com');
    replace(server.chain, fresh.chainFile);
    writeFileSync(server.table, `a.example ${wild.chainFile}\n`);
    expect(await server.presented()).toEqual(now);
    await server.smtpd.reload();
    expect(await server.presented()).toEqual([shows(wild.certFile), shows(fresh.certFile)]);
  });

  test('certificates that cannot be used do not keep the tables from being read anew', async () => {
    const server = await start();
    replace(server.chain, old());
    writeFileSync(server.table, `a.example ${wild.chainFile}\n`);
    await expect(server.smtpd.reload()).rejects.toMatchObject({ code: 'CHAIN_KEY_NOT_FIRST' });
    expect(await server.presented()).toEqual([
      shows(wild.certFile),
      shows(certificate('ecdsa').certFile),
    ]);
  });

  test('nor the other way round', async () => {
    const server = await start();
    const fresh = freshCertificate('new.example.com');
    replace(server.chain, fresh.chainFile);
    writeFileSync(server.table, 'a.example /nonexistent\n');
    await expect(server.smtpd.reload()).rejects.toMatchObject({ code: 'LOOKUP_TABLE' });
    expect(await server.presented()).toEqual([shows(hit.certFile), shows(fresh.certFile)]);
    expect(server.lines.matching(/reloaded|stay in use/)).toEqual([
      'certificates reloaded: EC new.example.com',
      `warning: tls_server_sni_maps: ${server.table}, line 1: cannot read /nonexistent: No such file or directory; the former tables stay in use`,
    ]);
  });

  test('a client that waits for a name while they are read gets its chain', async () => {
    const chain = chainFile(certificate('ecdsa').chainFile);
    let release: (pem: undefined) => void = () => undefined;
    let asked: () => void = () => undefined;
    const waits = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const server = await startSmtpd({
      tls: {
        securityLevel: 'may',
        chainFiles: [chain],
        sni: () => {
          asked();
          return new Promise((resolve) => {
            release = resolve;
          });
        },
      },
    });
    const visit = askFor({ port: server.port, name: 'a.example' });
    await waits;
    replace(chain, freshCertificate('new.example.com').chainFile);
    await server.smtpd.reload();
    release(undefined);
    // Its handshake began on the old ones.
    expect((await visit).certificate).toBe(shows(certificate('ecdsa').certFile));
  });
});

describe('after withdrawCertificates()', () => {
  const setUp = async (): Promise<
    TestServer & { readonly file: string; readonly wrapped: number }
  > => {
    const file = chainFile(freshCertificate('old.example.com').chainFile);
    const server = await startSmtpd({ tls: { securityLevel: 'may', chainFiles: [file] } });
    const { port } = await server.smtpd.listen({ host: '127.0.0.1', port: 0, wrappermode: true });
    server.smtpd.withdrawCertificates();
    return { ...server, file, wrapped: port };
  };

  test('a good reload ends the 454, on all listeners', async () => {
    const server = await setUp();
    const early = await RawClient.greeted(server.port);
    expect(await early.command('STARTTLS')).toBe(refusal);
    replace(server.file, freshCertificate('new.example.com').chainFile);
    await server.smtpd.reload();
    expect(await early.command('STARTTLS')).toBe('220 2.0.0 Ready to start TLS');
    expect(presented(await withStarttls(server.port))).toBe('new.example.com');
    expect(presented(await secureFromStart(server.wrapped))).toBe('new.example.com');
  });

  test('a bad one does not', async () => {
    const server = await setUp();
    replace(server.file, certificate('rsa').certFile);
    await expect(server.smtpd.reload()).rejects.toMatchObject({ code: 'CHAIN_KEY_NOT_FIRST' });
    expect(await starttls(server)).toBe(refusal);
    const wrapped = await RawClient.connect(server.wrapped);
    expect(await wrapped.rest()).toBe('');
    wrapped.end();
  });

  test('tables alone do not end it', async () => {
    const { smtpd, port } = await setUp();
    await smtpd.reloadSni();
    expect(await starttls({ port })).toBe(refusal);
  });

  test('a listener that comes later has no TLS either, until there are new ones', async () => {
    const server = await setUp();
    const late = await server.smtpd.listen({ host: '127.0.0.1', port: 0 });
    const wrapped = await server.smtpd.listen({ host: '127.0.0.1', port: 0, wrappermode: true });
    expect(await starttls(late)).toBe(refusal);
    const client = await RawClient.connect(wrapped.port);
    expect(await client.rest()).toBe('');
    client.end();
    await server.smtpd.reload();
    expect(presented(await withStarttls(late.port))).toBe('old.example.com');
    expect(presented(await secureFromStart(wrapped.port))).toBe('old.example.com');
  });

  test('files that change end it by themselves', async () => {
    const file = chainFile(freshCertificate('old.example.com').chainFile);
    const { smtpd, port, lines } = await startSmtpd({
      tls: { securityLevel: 'may', chainFiles: [file] },
      chainFilesCheckInterval: 5,
    });
    smtpd.withdrawCertificates();
    expect(await starttls({ port })).toBe(refusal);
    replace(file, freshCertificate('new.example.com').chainFile);
    await lines.line(/^certificates reloaded/);
    expect(presented(await withStarttls(port))).toBe('new.example.com');
  });

  test('smtpd_tls_cert_file = none: a reload ends it, too', async () => {
    const server = await startSmtpd({ tls: { securityLevel: 'may', certFile: 'none' } });
    server.smtpd.withdrawCertificates();
    expect(await starttls(server)).toBe(refusal);
    expect(await server.smtpd.reload()).toEqual([]);
    expect(await starttls(server)).toBe('220 2.0.0 Ready to start TLS');
  });
});

describe('stress in wrappermode', () => {
  test('that begins and ends after a reload goes on with the new certificate', async () => {
    const file = chainFile(freshCertificate('old.example.com').chainFile);
    const { smtpd, port, lines } = await startSmtpd(
      {
        tls: { securityLevel: 'may', chainFiles: [file] },
        ...{ banner: 'calm', underStress: { banner: 'busy' } },
      },
      { wrappermode: true, connectionLimit: 4 },
    );
    const before = await secureFromStart(port);
    expect(presented(before)).toBe('old.example.com');
    expect(await before.reply()).toBe('220 calm');
    replace(file, freshCertificate('new.example.com').chainFile);
    await smtpd.reload();
    const more = [await secureFromStart(port), await secureFromStart(port)];
    const busy = await secureFromStart(port); // the fourth of four
    expect(await busy.reply()).toBe('220 busy');
    for (const client of [...more, busy]) {
      expect(presented(client)).toBe('new.example.com');
    }
    more[0]?.secured.destroy();
    await lines.nth(/^disconnect/, 1);
    expect(lines.matching(/no more stress/)).toEqual([]);
    const stressed = await secureFromStart(port);
    expect(presented(stressed)).toBe('new.example.com');
    stressed.secured.destroy();
    more[1]?.secured.destroy();
    await lines.line(/no more stress/);
    const calm = await secureFromStart(port);
    expect(presented(calm)).toBe('new.example.com');
  });

  test('that begins without certificates brings no old ones back', async () => {
    const file = chainFile(freshCertificate('old.example.com').chainFile);
    const { smtpd, port, lines } = await startSmtpd(
      { tls: { securityLevel: 'may', chainFiles: [file] } },
      { wrappermode: true, connectionLimit: 2 },
    );
    const running = await secureFromStart(port);
    await running.reply();
    smtpd.withdrawCertificates();
    const refused = await RawClient.connect(port);
    expect(await refused.rest()).toBe('');
    refused.end();
    replace(file, freshCertificate('new.example.com').chainFile);
    await smtpd.reload();
    const busy = await secureFromStart(port);
    await busy.reply();
    expect(presented(busy)).toBe('new.example.com');
    expect(lines.matching(/under stress/)).not.toEqual([]);
  });
});
