/**
 * The groups syntax of OpenSSL 3.5 in a private configuration file, seen on the wire: which key shares are sent, which
 * group the server asks for or takes, and whether that costs a round trip.
 *
 * The configuration is the process's, so the server is a process of its own: `mxtls smtpd`.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { certificate } from '../helpers/certificates.js';
import { parameters, smtpdCommand } from '../helpers/command.js';
import { OpensslPeer } from '../helpers/openssl-peer.js';
import { type Hello, hellos, wireTap } from '../helpers/wire-tap.js';

const x25519mlkem768 = 0x11ec;
const x25519 = 0x001d;
const secp256r1 = 0x0017;

const directory = mkdtempSync(join(tmpdir(), 'mxtls-groups-'));

afterAll(() => rmSync(directory, { recursive: true }));

let files = 0;

function configFile(groups: string): string {
  const file = join(directory, `openssl-${files++}.cnf`);
  writeFileSync(
    file,
    `openssl_conf = init\n[init]\nssl_conf = ssl\n[ssl]\nsystem_default = tls\n[tls]\nGroups = ${groups}\n`,
  );
  return file;
}

interface Exchange {
  readonly client: readonly Hello[];
  readonly server: readonly Hello[];
  readonly log: string;
}

/** A session of `openssl s_client -groups`, taken down between the two. */
async function exchange(serverGroups: string, clientGroups: string): Promise<Exchange> {
  const smtpd = smtpdCommand(
    ...parameters(
      'smtpd_tls_security_level=may',
      'smtpd_tls_loglevel=1',
      `smtpd_tls_chain_files=${certificate('ecdsa').chainFile}`,
      `tls_config_file=${configFile(serverGroups)}`,
    ),
  );
  const tap = await wireTap(await smtpd.port());
  const peer = new OpensslPeer([
    ...['s_client', '-connect', `127.0.0.1:${tap.port}`, '-starttls', 'smtp', '-quiet'],
    ...['-nocommands', '-groups', clientGroups],
  ]);
  peer.say('QUIT\r\n');
  await peer.hear(/221 2\.0\.0 Bye/);
  await smtpd.logged('disconnect from');
  return {
    client: hellos(tap.fromClient()),
    server: hellos(tap.fromServer()),
    log: smtpd.stderr,
  };
}

const kinds = (list: readonly Hello[]): readonly string[] => list.map(({ kind }) => kind);

describe('the client supports X25519MLKEM768 and has sent a share of X25519 alone', () => {
  const clientGroups = '*X25519:X25519MLKEM768';

  test('a tuple before that of X25519: the server asks for it, which is one extra round trip', async () => {
    const { client, server, log } = await exchange('*X25519MLKEM768 / *X25519:P-256', clientGroups);
    expect(client[0]?.groups).toEqual([x25519, x25519mlkem768]);
    expect(client[0]?.keyShares).toEqual([x25519]);
    expect(kinds(server)).toEqual(['HelloRetryRequest', 'ServerHello']);
    expect(server[0]?.keyShares).toEqual([x25519mlkem768]);
    expect(kinds(client)).toEqual(['ClientHello', 'ClientHello']);
    expect(client[1]?.keyShares).toEqual([x25519mlkem768]);
    expect(server[1]?.keyShares).toEqual([x25519mlkem768]);
    expect(log).toContain('key-exchange X25519MLKEM768');
  });

  test('in one tuple with X25519: the share that is there is taken', async () => {
    const { client, server, log } = await exchange('X25519MLKEM768:X25519:P-256', clientGroups);
    expect(kinds(client)).toEqual(['ClientHello']);
    expect(kinds(server)).toEqual(['ServerHello']);
    expect(server[0]?.keyShares).toEqual([x25519]);
    expect(log).toMatch(/key-exchange x25519 /i);
  });

  test('in a tuple behind: no round trip either', async () => {
    const { client, server } = await exchange('X25519 / X25519MLKEM768', clientGroups);
    expect(kinds(client)).toEqual(['ClientHello']);
    expect(kinds(server)).toEqual(['ServerHello']);
    expect(server[0]?.keyShares).toEqual([x25519]);
  });
});

test('a client that has no post-quantum group pays no round trip for the tuple of it', async () => {
  const { server } = await exchange('*X25519MLKEM768 / *X25519:P-256', 'X25519:P-256');
  expect(kinds(server)).toEqual(['ServerHello']);
  expect(server[0]?.keyShares).toEqual([x25519]);
});

test('a client with neither share nor support of the first tuple is asked for the second', async () => {
  const { client, server } = await exchange('X25519MLKEM768 / P-256', '*X25519:P-256');
  expect(kinds(server)).toEqual(['HelloRetryRequest', 'ServerHello']);
  expect(server.map(({ keyShares }) => keyShares)).toEqual([[secp256r1], [secp256r1]]);
  expect(client[1]?.keyShares).toEqual([secp256r1]);
});

test('without a configuration file the default of OpenSSL 3.5 prefers X25519MLKEM768, too', async () => {
  const smtpd = smtpdCommand(
    ...parameters(
      'smtpd_tls_security_level=may',
      `smtpd_tls_chain_files=${certificate('ecdsa').chainFile}`,
    ),
  );
  const tap = await wireTap(await smtpd.port());
  const peer = new OpensslPeer([
    ...['s_client', '-connect', `127.0.0.1:${tap.port}`, '-starttls', 'smtp', '-quiet'],
    ...['-nocommands', '-groups', '*X25519:X25519MLKEM768'],
  ]);
  peer.say('QUIT\r\n');
  await peer.hear(/221 2\.0\.0 Bye/);
  expect(kinds(hellos(tap.fromServer()))).toEqual(['HelloRetryRequest', 'ServerHello']);
});
