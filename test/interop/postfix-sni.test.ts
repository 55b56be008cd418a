/**
 * Server names at the distribution's Postfix (Debian 13, 3.10) and at our smtpd, with the same source: `postmap -F`
 * makes the table of the one, `mxtls sni build` that of the other. Certificates and log lines are compared.
 *
 * One difference is meant: Postfix 3.10 neither acknowledges nor records a valid name that is in no table; later
 * ones, and we, do both.
 */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildStore } from '../../lib/cli/sni-build.js';
import { writeLmdb } from '../../lib/maps/lmdb-table.js';
import { Smtpd } from '../../lib/server.js';
import type { SmtpdListener } from '../../lib/smtpd/listener.js';
import { certificate } from '../helpers/certificates.js';
import {
  forgetDirectory,
  prepareDebian13,
  runInDebian13,
  whyNoDebian13,
} from '../helpers/debian13.js';
import { Lines } from '../helpers/lines.js';
import { Postfix } from '../helpers/postfix.js';
import { collect } from '../helpers/servers.js';
import { askFor, fingerprintOf } from '../helpers/sni-client.js';

const reason = whyNoDebian13();
const fallback = certificate('ecdsa');
const hit = certificate('ed25519');
const wild = certificate('rsa');

test.runIf(process.env['CI'] !== undefined)('Postfix can be run', () => {
  expect(reason).toBeNull();
});

describe.skipIf(reason !== null)('Postfix and we', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mxtls-postfix-sni-'));
  const source = join(folder, 'sni');
  const raw = join(folder, 'raw');
  const lines = new Lines();
  let smtpd: Smtpd;
  let listener: SmtpdListener;
  let postfix: Postfix;

  /** One source for both; `raw` has a value that `postmap -F` would not write. */
  async function makeTables(): Promise<void> {
    const copies = { hit: hit.chainFile, key: wild.keyFile, cert: wild.certFile };
    for (const [name, file] of Object.entries(copies)) {
      copyFileSync(file, join(folder, `${name}.pem`));
    }
    const names = [`Hit.example ${folder}/hit.pem`, `.Wild.example ${folder}/key.pem`];
    writeFileSync(source, `${names.join('\n')}, ${folder}/cert.pem\n`);
    writeFileSync(raw, 'raw.example not-base64-!!\n');
    expect(await buildStore(source)).toBe(0);
    await writeLmdb(raw, [['raw.example', 'not-base64-!!']]);
    writeFileSync(join(folder, 'garbage.pem'), 'garbage\n');
    writeFileSync(join(folder, 'empty.pem'), '');
    runInDebian13(['postmap', '-F', `hash:${source}`], folder);
    runInDebian13(['postmap', `hash:${raw}`], folder);
  }

  beforeAll(async () => {
    prepareDebian13();
    await makeTables();
    const odd = (where: string): string =>
      `inline:{ {garbage.example = ${where}/garbage.pem}, {empty.example = ${where}/empty.pem} }`;
    smtpd = new Smtpd({
      logger: lines,
      tls: {
        securityLevel: 'may',
        loglevel: 1,
        chainFiles: [fallback.chainFile],
        serverSniMaps: [`lmdb:${source}`, `lmdb:${raw}`, odd(folder)],
      },
      onData: async (_session, message) => {
        await collect(message);
      },
    });
    listener = await smtpd.listen({ host: '127.0.0.1', port: 0 });
    const etc = '$config_directory';
    postfix = await Postfix.start({
      keys: ['ecdsa'],
      mailboxes: [],
      transport: { 'mxtls.example': `[127.0.0.1]:${listener.port}` },
      files: {
        'sni.db': `${source}.db`,
        'raw.db': `${raw}.db`,
        'garbage.pem': join(folder, 'garbage.pem'),
        'empty.pem': join(folder, 'empty.pem'),
      },
      main: {
        tls_server_sni_maps: `hash:${etc}/sni, hash:${etc}/raw, ${odd(etc)}`,
        smtp_tls_servername: 'Hit.example',
      },
    });
  }, 600_000);

  afterAll(async () => {
    await postfix?.stop();
    await smtpd?.close(true);
    forgetDirectory(folder);
    rmSync(folder, { recursive: true });
  });

  async function ours(name: string, version: string) {
    const before = lines.all.length;
    const got = await askFor({ port: listener.port, name, args: [version] });
    await lines.line(/^disconnect/, before);
    return { certificate: got.certificate, log: relevant(lines.all.slice(before)) };
  }

  async function theirs(name: string, version: string) {
    const before = postfix.lines.all.length;
    const args = [version];
    const got = await askFor({ host: postfix.address, port: postfix.port, name, args });
    await postfix.lines.line(/disconnect/, before);
    const log = postfix.lines.all
      .slice(before)
      .map((line) => line.replace(/^postfix\/smtpd\[\d+\]: /, ''));
    return { certificate: got.certificate, log: relevant(log) };
  }

  describe.each(['-tls1_3', '-tls1_2'])('s_client %s', (version) => {
    test.each([
      ['hit.example', hit],
      ['HIT.Example', hit],
      ['a.wild.example', wild],
      ['b.a.Wild.example', wild],
      ['a b.example', fallback],
      ['192.0.2.1', fallback],
      ['garbage.example', null],
      ['empty.example', null],
      ['raw.example', null],
    ] as const)('%s: the same certificate, the same lines', async (name, chosen) => {
      const mine = await ours(name, version);
      expect(mine).toEqual(await theirs(name, version));
      expect(mine.certificate).toBe(chosen === null ? null : fingerprintOf(chosen.certFile));
    });

    test.each(['wild.example', 'miss.example'])(
      '%s is in no table: the default chain, and the same line about it',
      async (name) => {
        const mine = await ours(name, version);
        const his = await theirs(name, version);
        expect(mine.certificate).toBe(fingerprintOf(fallback.certFile));
        expect(his.certificate).toBe(mine.certificate);
        const notice = `TLS SNI ${name} from unknown[127.0.0.1] not matched, using default chain`;
        expect(his.log[0]).toBe(notice);
        expect(mine.log).toEqual([
          notice,
          his.log[1]?.replace('[127.0.0.1]:', `[127.0.0.1] to ${name}:`),
        ]);
      },
    );
  });

  test('its smtp(8) asks for a name, and gets its chain', async () => {
    const before = lines.all.length;
    postfix.submit('a@example.org', ['b@mxtls.example'], 'Subject: hello\n\nhello\n');
    expect(await postfix.lines.line(/to=<b@mxtls\.example>/)).toContain('status=sent');
    expect(await lines.line(/TLS connection established/, before)).toMatch(
      / to Hit\.example: .* server-signature ED25519$/,
    );
  });
});

/** What is about the name and the outcome; names of tables and OpenSSL's group names are left out. */
function relevant(log: readonly string[]): readonly string[] {
  return log
    .filter((line) => /SNI|sni_maps|BASE64|SSL_accept|TLS connection/.test(line))
    .map((line) => line.replace(/ table \S+: /, ' table ').replace(/ key-exchange \S+/, ''));
}
