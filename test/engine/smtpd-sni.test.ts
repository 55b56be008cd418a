/** Server names at our smtpd, asked for by `openssl s_client`: every outcome, with what is logged. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { SmtpdOptions } from '../../lib/server.js';
import { type Certificate, certificate } from '../helpers/certificates.js';
import type { Lines } from '../helpers/lines.js';
import { startSmtpd, type TestServer } from '../helpers/servers.js';
import { askFor, fingerprintOf, type Greeted, type SniClientProps } from '../helpers/sni-client.js';

const fallback = certificate('ecdsa');
const hit = certificate('ed25519');
const wild = certificate('rsa');

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'mxtls-sni-'));
  onTestFinished(() => rmSync(made, { recursive: true }));
  return made;
}

/** The tables of most tests. */
function inlineMap(): string {
  const garbage = join(folder(), 'garbage.pem');
  writeFileSync(garbage, 'garbage\n');
  return `inline:{ {hit.example = ${hit.chainFile}}, {.wild.example = ${wild.chainFile}},
    {bad.example = ${garbage}} }`;
}

function start(
  tls: SmtpdOptions['tls'] = {},
  where: Parameters<typeof startSmtpd>[1] = {},
): Promise<TestServer> {
  return startSmtpd(
    { tls: { securityLevel: 'may', chainFiles: [fallback.chainFile], loglevel: 1, ...tls } },
    where,
  );
}

/** One client; what it got, and the lines about its TLS. */
async function visit(
  { port, lines }: { readonly port: number; readonly lines: Lines },
  name: string | null,
  props: Omit<SniClientProps, 'port' | 'name'> = {},
): Promise<Greeted & { readonly log: readonly string[] }> {
  const before = lines.all.length;
  const greeted = await askFor({ port, name, ...props });
  await lines.line(/^disconnect/, before);
  const log = lines.all
    .slice(before)
    .filter((line) => !/^(?:connect|disconnect|NOQUEUE: lost connection) /.test(line));
  return { ...greeted, log };
}

function shows(chain: Certificate): string {
  return fingerprintOf(chain.certFile);
}

const versions = [['-tls1_3'], ['-tls1_2']] as const;

describe.each(versions)('s_client %s', (version) => {
  const args = [version];

  test('a name in the table gets its chain, and is acknowledged', async () => {
    const server = await start({ serverSniMaps: [inlineMap()] });
    const got = await visit(server, 'hit.example', { args });
    expect(got).toMatchObject({ certificate: shows(hit), acknowledged: true });
    expect(got.log).toEqual([expect.stringContaining('from unknown[127.0.0.1] to hit.example: ')]);
  });

  test('case does not matter to the table, and is kept in the log', async () => {
    const server = await start({ serverSniMaps: [inlineMap()] });
    const got = await visit(server, 'HIT.Example', { args });
    expect(got.certificate).toBe(shows(hit));
    expect(got.log[0]).toContain(' to HIT.Example: ');
  });

  test('a leading dot stands for all below, and not for the domain itself', async () => {
    const server = await start({ serverSniMaps: [inlineMap()] });
    expect((await visit(server, 'a.wild.example', { args })).certificate).toBe(shows(wild));
    expect((await visit(server, 'b.a.wild.example', { args })).certificate).toBe(shows(wild));
    expect((await visit(server, 'wild.example', { args })).certificate).toBe(shows(fallback));
  });

  test('a name in no table gets the default chain, is acknowledged and logged', async () => {
    const server = await start({ serverSniMaps: [inlineMap()] });
    for (let i = 0; i < 2; i++) {
      const got = await visit(server, 'miss.example', { args }); // the second time from the cache
      expect(got).toMatchObject({ certificate: shows(fallback), acknowledged: true });
      expect(got.log).toEqual([
        'TLS SNI miss.example from unknown[127.0.0.1] not matched, using default chain',
        expect.stringContaining('from unknown[127.0.0.1] to miss.example: '),
      ]);
    }
  });

  test.each(['a b.example', '192.0.2.1', '-a.example'])(
    'the invalid name "%s" is a warning, and not acknowledged',
    async (name) => {
      const server = await start({ serverSniMaps: [inlineMap()] });
      const got = await visit(server, name, { args });
      expect(got).toMatchObject({ certificate: shows(fallback), acknowledged: false });
      expect(got.log).toEqual([
        `warning: TLS SNI from unknown[127.0.0.1] is invalid: ${name}`,
        expect.stringContaining('from unknown[127.0.0.1]: '),
      ]);
    },
  );

  test('no name: the default chain', async () => {
    const server = await start({ serverSniMaps: [inlineMap()] });
    const got = await visit(server, null, { args });
    expect(got).toMatchObject({ certificate: shows(fallback), acknowledged: false });
    expect(got.log).toEqual([expect.stringContaining('from unknown[127.0.0.1]: ')]);
  });

  test('without maps a name is not acknowledged, not logged, not looked at', async () => {
    const server = await start();
    const got = await visit(server, 'a b.example', { args });
    expect(got).toMatchObject({ certificate: shows(fallback), acknowledged: false });
    expect(got.log).toEqual([expect.stringContaining('from unknown[127.0.0.1]: ')]);
  });

  test('what is no chain aborts the handshake', async () => {
    const server = await start({ serverSniMaps: [inlineMap()] });
    const got = await visit(server, 'Bad.example', { args });
    expect(got.certificate).toBeNull();
    expect(got.errors).toMatch(/alert internal error/);
    expect(got.log).toEqual([
      'warning: No PEM data in SNI data for Bad.example',
      'warning: error loading private keys and certificates from: SNI data for Bad.example: aborting TLS handshake',
      'SSL_accept error from unknown[127.0.0.1]: -1',
      expect.stringMatching(/^warning: TLS library problem: error:.*:cert cb error:/),
    ]);
  });

  test('the name is known on a resumption, and its chain is not asked for', async () => {
    const session = join(folder(), 'session');
    let asked = 0;
    const server = await start({
      sni: () => {
        asked++;
        return undefined;
      },
      sniCacheLimit: 0,
    });
    const first = await visit(server, 'mx.example', { args: [...args, '-sess_out', session] });
    expect(first.resumed).toBe(false);
    const second = await visit(server, 'mx.example', { args: [...args, '-sess_in', session] });
    expect(second.resumed).toBe(true);
    expect(second.log.at(-1)).toContain(' to mx.example: ');
    expect(asked).toBe(1);
  });
});

test('the answer is the same after a HelloRetryRequest', async () => {
  const server = await start({ serverSniMaps: [inlineMap()], eecdhAutoCurves: ['secp384r1'] });
  const args = ['-groups', 'X25519:secp384r1'];
  const got = await visit(server, 'hit.example', { args });
  expect(got).toMatchObject({ certificate: shows(hit), acknowledged: true });
  expect(got.log).toEqual([expect.stringMatching(/ to hit\.example: .* key-exchange secp384r1 /)]);
  const invalid = await visit(server, 'a b.example', { args });
  expect(invalid.log).toHaveLength(2);
});

test('wrappermode: notices come before the outcome, good or bad', async () => {
  const server = await start({ serverSniMaps: [inlineMap()] }, { wrappermode: true });
  const missed = await visit(server, 'miss.example', { wrappermode: true });
  expect(missed.log).toEqual([
    'TLS SNI miss.example from unknown[127.0.0.1] not matched, using default chain',
    expect.stringContaining('from unknown[127.0.0.1] to miss.example: '),
  ]);
  const args = ['-tls1_2', '-cipher', 'AES128-SHA']; // which takes an RSA key
  const failed = await visit(server, 'a b.example', { wrappermode: true, args });
  expect(failed.log.slice(0, 2)).toEqual([
    'warning: TLS SNI from unknown[127.0.0.1] is invalid: a b.example',
    'SSL_accept error from unknown[127.0.0.1]: -1',
  ]);
});

describe('values that are no chain at all', () => {
  /** A table like `lmdb:` whose values are not what `sni build` writes. */
  async function withStore(value: string): Promise<TestServer & { readonly spec: string }> {
    const { writeLmdb } = await import('../../lib/maps/lmdb-table.js');
    const name = join(folder(), 'sni');
    await writeLmdb(name, [['raw.example', value]]);
    const spec = `lmdb:${name}`;
    return { ...(await start({ serverSniMaps: [spec] })), spec };
  }

  test('no base64: a lookup problem', async () => {
    const server = await withStore('not-base64-!!');
    const got = await visit(server, 'Raw.example');
    expect(got.certificate).toBeNull();
    expect(got.log.slice(0, 3)).toEqual([
      `warning: table ${server.spec}: key raw.example: malformed BASE64 value: not-base64-!!`,
      'warning: tls_server_sni_maps: Raw.example map lookup problem',
      'SSL_accept error from unknown[127.0.0.1]: -1',
    ]);
  });

  test('empty: a lookup problem', async () => {
    const got = await visit(await withStore(''), 'raw.example');
    expect(got.certificate).toBeNull();
    expect(got.log.slice(0, 3)).toEqual([
      'warning: tls_server_sni_maps lookup of raw.example returns an empty string result',
      'warning: tls_server_sni_maps should return NO RESULT in case of NOT FOUND',
      'warning: tls_server_sni_maps: raw.example map lookup problem',
    ]);
  });
});

describe('a function', () => {
  const pem = readFileSync(hit.chainFile, 'utf8');

  test('gives a chain, later, and is asked once for a name in any case', async () => {
    const asked: string[] = [];
    const server = await start({
      sni: async (name) => {
        asked.push(name);
        return name === 'hit.example' ? pem : undefined;
      },
    });
    for (const name of ['hit.example', 'HIT.example', 'miss.example', 'miss.example']) {
      await visit(server, name);
    }
    expect(asked).toEqual(['hit.example', 'miss.example']);
    expect((await visit(server, 'Hit.example')).certificate).toBe(shows(hit));
    server.smtpd.invalidateSni('hit.example');
    await visit(server, 'hit.example');
    await visit(server, 'miss.example');
    expect(asked).toEqual(['hit.example', 'miss.example', 'hit.example']);
    server.smtpd.invalidateSni();
    await visit(server, 'miss.example');
    expect(asked).toHaveLength(4);
  });

  test('is asked for what is in no table', async () => {
    const asked: string[] = [];
    const server = await start({
      serverSniMaps: [inlineMap()],
      sni: (name) => {
        asked.push(name);
        return Buffer.from(pem);
      },
    });
    expect((await visit(server, 'x.wild.example')).certificate).toBe(shows(wild));
    expect((await visit(server, 'other.example')).certificate).toBe(shows(hit));
    expect(asked).toEqual(['other.example']);
  });

  test('that fails aborts the handshake, and is asked again', async () => {
    let times = 0;
    const server = await start({
      sni: () => {
        times++;
        throw new Error('the database has gone');
      },
    });
    for (let i = 1; i <= 2; i++) {
      const got = await visit(server, 'hit.example');
      expect(got.certificate).toBeNull();
      expect(got.log.slice(0, 3)).toEqual([
        'warning: tls.sni failed for "hit.example": the database has gone',
        'warning: tls_server_sni_maps: hit.example map lookup problem',
        'SSL_accept error from unknown[127.0.0.1]: -1',
      ]);
      expect(times).toBe(i);
    }
  });

  test.each([
    [42, 'tls.sni gave number for "hit.example", which is no chain'],
    [{ keyTypes: ['RSA'] }, 'must be chains that parseChains() made'],
  ])('that gives %j aborts the handshake, too', async (value, complaint) => {
    const server = await start({ sni: () => value as unknown as string });
    const got = await visit(server, 'hit.example');
    expect(got.certificate).toBeNull();
    expect(got.log[0]).toContain(complaint);
  });
});

describe('reloading', () => {
  test('new handshakes get what is in the new tables', async () => {
    const table = join(folder(), 'sni');
    writeFileSync(table, `a.example ${hit.chainFile}\n`);
    const server = await start({ serverSniMaps: [`texthash:${table}`] });
    expect((await visit(server, 'a.example')).certificate).toBe(shows(hit));
    expect((await visit(server, 'b.example')).certificate).toBe(shows(fallback));
    writeFileSync(table, `b.example ${wild.chainFile}\n`);
    expect((await visit(server, 'b.example')).certificate).toBe(shows(fallback));
    await server.smtpd.reloadSni();
    expect((await visit(server, 'a.example')).certificate).toBe(shows(fallback));
    expect((await visit(server, 'b.example')).certificate).toBe(shows(wild));
  });

  test('tables that cannot be read leave the former ones in use, which is said', async () => {
    const table = join(folder(), 'sni');
    writeFileSync(table, `a.example ${hit.chainFile}\n`);
    const server = await start({ serverSniMaps: [`texthash:${table}`] });
    writeFileSync(table, 'a.example /nonexistent\n');
    const reason = `${table}, line 1: cannot read /nonexistent: No such file or directory`;
    await expect(server.smtpd.reloadSni()).rejects.toMatchObject({
      code: 'LOOKUP_TABLE',
      message: reason,
    });
    expect(server.lines.all).toContain(
      `warning: tls_server_sni_maps: ${reason}; the former tables stay in use`,
    );
    expect((await visit(server, 'a.example')).certificate).toBe(shows(hit));
  });

  test('tables are opened with the first listener: one that cannot be is why there is none', async () => {
    await expect(start({ serverSniMaps: ['texthash:/nonexistent'] })).rejects.toMatchObject({
      code: 'LOOKUP_TABLE',
    });
    // Where TLS is not in use, nobody needs them.
    await startSmtpd({ tls: { serverSniMaps: ['texthash:/nonexistent'] } });
  });
});
