/** `relay_clientcerts`: the tables of the parameter, for restrictions that name none of their own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { writeLmdb } from '../../lib/maps/lmdb-table.js';
import type { Recipient } from '../../lib/smtp/envelope.js';
import { permitTlsAllClientcerts, permitTlsClientcerts } from '../../lib/smtpd/ccert-access.js';
import { type Restriction, restrictions } from '../../lib/smtpd/restrictions.js';
import { enter, pem } from '../helpers/ccert-clients.js';
import {
  authority,
  type Certificate,
  certificate,
  issuedCertificate,
} from '../helpers/certificates.js';
import { certFingerprint, pkeyFingerprint } from '../helpers/fingerprints.js';
import { startSmtpd, type TestServer } from '../helpers/servers.js';

const listed = certificate('ecdsa');
const other = certificate('rsa');
const trusted = issuedCertificate();
const tls = {
  securityLevel: 'may',
  chainFiles: [listed.chainFile],
  askCcert: true,
  CAfile: authority().certFile,
} as const;
const denied = '554 5.7.1 <b@example.com>: Relay access denied';
const ok = '250 2.1.5 Ok';

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'mxtls-relay-'));
  onTestFinished(() => rmSync(made, { recursive: true }));
  return made;
}

/** A table's source with these fingerprints. */
function write(file: string, ...fingerprints: readonly string[]): void {
  writeFileSync(file, fingerprints.map((fingerprint) => `${fingerprint} relay\n`).join(''));
}

function start(
  relayClientcerts: readonly string[],
  permit: Restriction = permitTlsClientcerts(),
): Promise<TestServer> {
  const refuse: Restriction = (_session, { address }) => ({
    code: 554,
    enhanced: '5.7.1',
    text: `<${address}>: Relay access denied`,
  });
  return startSmtpd({ tls, relayClientcerts, onRcpt: restrictions<Recipient>(permit, refuse) });
}

async function rcpt({ port }: { readonly port: number }, shown: Certificate): Promise<string> {
  const client = await enter(port, pem(shown));
  const [, , reply = ''] = await client.commands(
    ...['EHLO x', 'MAIL FROM:<a@example.org>', 'RCPT TO:<b@example.com>'],
  );
  client.end();
  return reply;
}

test('all tables are asked, whatever the case of their keys; without an entry it is dunno', async () => {
  const directory = folder();
  const file = join(directory, 'relay');
  write(file, pkeyFingerprint(other.certFile).toLowerCase());
  await writeLmdb(join(directory, 'store'), [[certFingerprint(listed.certFile), 'x']]);
  const server = await start([`texthash:${file}`, `lmdb:${join(directory, 'store')}`]);
  expect(await rcpt(server, other)).toBe(ok);
  expect(await rcpt(server, listed)).toBe(ok);
  expect(await rcpt(server, trusted)).toBe(denied);
});

test('permit_tls_all_clientcerts takes trusted certificates besides', async () => {
  const table = `inline:{ {${pkeyFingerprint(listed.certFile)} = x} }`;
  const server = await start([table], permitTlsAllClientcerts());
  expect(await rcpt(server, trusted)).toBe(ok);
  expect(await rcpt(server, listed)).toBe(ok);
  expect(await rcpt(server, other)).toBe(denied);
});

test('a table given to the function counts in the place of the parameter', async () => {
  const table = `inline:{ {${pkeyFingerprint(listed.certFile)} = x} }`;
  const own = permitTlsClientcerts({ [pkeyFingerprint(other.certFile)]: 'x' });
  const server = await start([table], own);
  expect(await rcpt(server, listed)).toBe(denied);
  expect(await rcpt(server, other)).toBe(ok);
});

test('neither parameter nor table: nobody is listed', async () => {
  const server = await start([]);
  expect(await rcpt(server, listed)).toBe(denied);
  expect(server.lines.matching(/^warning/)).toEqual([]);
});

test('a reload reads them anew, for sessions that there are as well', async () => {
  const file = join(folder(), 'relay');
  write(file, pkeyFingerprint(listed.certFile));
  const server = await start([`texthash:${file}`]);
  const running = await enter(server.port, pem(other));
  await running.commands('EHLO x', 'MAIL FROM:<a@example.org>');
  expect(await running.command('RCPT TO:<b@example.com>')).toBe(denied);
  write(file, pkeyFingerprint(other.certFile));
  expect(await rcpt(server, listed)).toBe(ok);
  await server.smtpd.reload();
  expect(await rcpt(server, listed)).toBe(denied);
  expect(await running.command('RCPT TO:<b@example.com>')).toBe(ok);
});

test('a table that cannot be read anew leaves the former one in use, and says so', async () => {
  const file = join(folder(), 'relay');
  write(file, pkeyFingerprint(listed.certFile));
  const server = await start([`texthash:${file}`]);
  rmSync(file);
  await expect(server.smtpd.reload()).rejects.toMatchObject({ code: 'LOOKUP_TABLE' });
  expect(server.lines.matching(/former tables/)).toEqual([
    expect.stringMatching(
      /^warning: relay_clientcerts: .*relay.*No such file.*; the former tables stay in use$/,
    ),
  ]);
  expect(await rcpt(server, listed)).toBe(ok);
});

test('they are opened with the first listener with TLS: one that cannot be is why there is none', async () => {
  await expect(start(['texthash:/nonexistent'])).rejects.toMatchObject({
    class: 'config',
    code: 'LOOKUP_TABLE',
  });
  await expect(start(['nosuch:table'])).rejects.toMatchObject({ code: 'LOOKUP_TABLE' });
  // Without TLS nobody has a credential to look up.
  await startSmtpd({ relayClientcerts: ['texthash:/nonexistent'] });
});

test('a listener after close() opens them anew', async () => {
  const file = join(folder(), 'relay');
  write(file, pkeyFingerprint(listed.certFile));
  const { smtpd } = await start([`texthash:${file}`]);
  await smtpd.close();
  write(file, pkeyFingerprint(other.certFile));
  await smtpd.reload(); // nothing is open: nothing to do
  const again = await smtpd.listen({ host: '127.0.0.1', port: 0 });
  expect(await rcpt(again, other)).toBe(ok);
  expect(await rcpt(again, listed)).toBe(denied);
});
