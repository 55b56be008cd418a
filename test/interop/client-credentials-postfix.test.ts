/**
 * Client credentials and Debian 13's Postfix: its smtpd(8) is the judge, and what it logs, replies and writes about a
 * client is what we have to say about the same one, byte for byte; its smtp(8) is a client of ours.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Recipient } from '../../lib/smtp/envelope.js';
import {
  checkCcertAccess,
  permitTlsAllClientcerts,
  permitTlsClientcerts,
} from '../../lib/smtpd/ccert-access.js';
import { type Restriction, restrictions } from '../../lib/smtpd/restrictions.js';
import type { SmtpdTlsOptions } from '../../lib/tls/options.js';
import {
  authority,
  certificate,
  deepCertificate,
  issuedCertificate,
  namedCertificate,
  serversOnlyCertificate,
} from '../helpers/certificates.js';
import { prepareDebian13, whyNoDebian13 } from '../helpers/debian13.js';
import { certFingerprint, pkeyFingerprint } from '../helpers/fingerprints.js';
import type { Lines } from '../helpers/lines.js';
import { Postfix } from '../helpers/postfix.js';
import { mail, sClient, shows } from '../helpers/s-client.js';
import { startSmtpd } from '../helpers/servers.js';

const minute = 60_000;
const reason = whyNoDebian13();
const self = certificate('ecdsa');
const issued = issuedCertificate();
const asking: SmtpdTlsOptions = {
  securityLevel: 'may',
  chainFiles: [self.chainFile],
  askCcert: true,
  CAfile: authority().certFile,
  enableRpk: true,
  receivedHeader: true,
  loglevel: '1, peercert, untrusted',
};

test.runIf(process.env['CI'] !== undefined)('Postfix can be run', () => {
  expect(reason).toBeNull();
});

interface Server {
  readonly lines: Lines;
  readonly address: string;
}

/** Our smtpd; `headers` are the Received: fields of what came. */
async function ourServer(tls: SmtpdTlsOptions, ...list: readonly Restriction[]) {
  const headers: string[] = [];
  const server = await startSmtpd({
    tls,
    onRcpt: restrictions<Recipient>(...list),
    onData: (session) => {
      headers.push(server.smtpd.receivedHeader(session));
    },
  });
  return { ...server, headers, address: `127.0.0.1:${server.port}` };
}

/** What a log says about TLS and warns of, without what names the process. */
function said(lines: readonly string[]): string[] {
  return lines
    .map((line) => line.replace(/^postfix\/smtpd\[\d+\]: /, ''))
    .filter((line) => /TLS connection|fingerprint|verification|abort:|requested/.test(line));
}

/** The lines of a Received: field about TLS. */
function tlsClause(message: string): string {
  const text = message.replace(/\r\n/g, '\n');
  return /\n(\t\(using [\s\S]*?\n)\tby /.exec(text)?.[1] ?? `no clause in ${text}`;
}

describe.skipIf(reason !== null)('Postfix', () => {
  const running: Postfix[] = [];
  const directory = mkdtempSync(join(tmpdir(), 'mxtls-tables-'));

  beforeAll(() => prepareDebian13(), 10 * minute);

  afterAll(async () => {
    await Promise.all(running.map((postfix) => postfix.stop()));
    rmSync(directory, { recursive: true });
  });

  async function start(
    main: Readonly<Record<string, string>>,
    files: Readonly<Record<string, string>> = {},
    transport: Readonly<Record<string, string>> = { 'other.example': '[127.0.0.1]:9' },
  ) {
    const postfix = await Postfix.start({
      keys: ['ecdsa'],
      mailboxes: ['b@postfix.example'],
      transport,
      main: { tls_eecdh_auto_curves: '', tls_ffdhe_auto_groups: '', ...main },
      files: {
        'ca.pem': authority().certFile,
        'issued.pem': issued.chainFile,
        'mldsa.pem': certificate('ml-dsa-65').chainFile,
        ...files,
      },
    });
    running.push(postfix);
    return { postfix, lines: postfix.lines, address: `${postfix.address}:${postfix.port}` };
  }

  /** Counterparts of {@link asking}. */
  const judge = {
    myhostname: 'mx.example.com',
    smtpd_tls_CAfile: '$config_directory/ca.pem',
    smtpd_tls_ask_ccert: 'yes',
    smtpd_tls_enable_rpk: 'yes',
    smtpd_tls_received_header: 'yes',
    smtpd_tls_loglevel: '1, peercert, untrusted',
  };

  function tableFile(lines: readonly string[]): string {
    const file = join(directory, `table-${running.length}`);
    writeFileSync(file, lines.map((line) => `${line}\n`).join(''));
    return file;
  }

  const sessions = new Map<Lines, number>();

  /** One session with a server: what it replied, and what it logged until the client was gone. */
  async function meet(server: Server, args: readonly string[], to = 'b@postfix.example') {
    const before = server.lines.all.length;
    const reply = await mail(sClient(server.address, args), to);
    const count = (sessions.get(server.lines) ?? 0) + 1;
    sessions.set(server.lines, count);
    await server.lines.nth(/disconnect from/, count);
    return {
      reply: reply.replace(/queued as .*/, 'queued'),
      log: said(server.lines.all.slice(before)),
    };
  }

  /** The message that came last, out of the mailbox. */
  async function lastMail(postfix: Postfix): Promise<string> {
    const id = /([0-9A-F]{6,}): client=/.exec(
      postfix.lines.matching(/: client=/).at(-1) ?? '',
    )?.[1];
    await postfix.lines.line(new RegExp(`${id}: to=.*delivered to maildir`));
    return postfix.mails('b@postfix.example').find((text) => text.includes(`id ${id}\n`)) ?? '';
  }

  const clients: readonly (readonly [string, readonly string[]])[] = [
    ['no certificate', []],
    ['a trusted certificate', shows(issued)],
    ['a self-signed certificate', shows(self)],
    ['an RSA certificate', shows(certificate('rsa'))],
    ['an ML-DSA certificate', shows(certificate('ml-dsa-65'))],
    ['two intermediate CAs', shows(deepCertificate(2))],
    ['a certificate for servers', shows(serversOnlyCertificate())],
    ['a raw public key', [...shows(issued), '-enable_client_rpk']],
    ['raw public keys both ways', [...shows(issued), '-enable_client_rpk', '-enable_server_rpk']],
    ['a raw Ed25519 key', [...shows(certificate('ed25519')), '-enable_client_rpk']],
    ['TLS 1.2', ['-tls1_2', ...shows(issued)]],
  ];

  test.each<[string, Record<string, string>, SmtpdTlsOptions]>([
    ['asked for', {}, asking],
    ['asked for, without trusted CAs', { smtpd_tls_CAfile: '' }, { ...asking, CAfile: '' }],
    [
      'asked for, in short chains',
      { smtpd_tls_ccert_verifydepth: '0' },
      { ...asking, ccertVerifydepth: 0 },
    ],
    [
      'required',
      { smtpd_tls_req_ccert: 'yes', smtpd_tls_security_level: 'encrypt', smtpd_tls_loglevel: '1' },
      { ...asking, reqCcert: true, securityLevel: 'encrypt', loglevel: 1 },
    ],
  ])(
    'where a credential is %s, we reply, log and write the same',
    async (_, main, tls) => {
      const theirs = await start({ ...judge, ...main });
      const ours = await ourServer(tls);
      for (const [client, args] of clients) {
        const expected = await meet(theirs, args);
        expect({ client, ...(await meet(ours, args)) }).toEqual({ client, ...expected });
        if (expected.reply.startsWith('250')) {
          const clause = tlsClause(await lastMail(theirs.postfix));
          expect({ client, clause: tlsClause(ours.headers.at(-1) ?? '') }).toEqual({
            client,
            clause,
          });
        }
      }
    },
    minute,
  );

  const actions = [
    ...['OK', 'permit', 'DUNNO', '12345', 'REJECT', 'REJECT go away', 'REJECT 5.7.99 code'],
    ...['REJECT 4.7.1 odd', 'REJECT 5.1.1', '450 4.1.1 later', '550 5.1.8 x', '554 never'],
    ...['550 5.7.27', '450', '99 x', 'DEFER', 'DEFER 4.7.99 code', 'DEFER_IF_PERMIT'],
    ...['DEFER_IF_REJECT text', 'nonsense', '250 2.1.5 hm'],
  ];
  const actor = (i: number) => namedCertificate(`client-${i}`);
  const rejectUnauthDestination: Restriction = (_session, { address }) =>
    address.endsWith('@postfix.example')
      ? 'dunno'
      : { code: 554, enhanced: '5.7.1', text: `<${address}>: Relay access denied` };

  test(
    'check_ccert_access: each action comes to the same',
    async () => {
      const entries = actions.map(
        (action, i) => [certFingerprint(actor(i).certFile), action] as const,
      );
      const table = tableFile(entries.map(([key, action]) => `${key} ${action}`));
      const theirs = await start(
        {
          ...judge,
          smtpd_tls_enable_rpk: 'no',
          smtpd_tls_loglevel: '0',
          smtpd_relay_restrictions: '',
          smtpd_recipient_restrictions:
            'check_ccert_access texthash:$config_directory/table, reject_unauth_destination',
        },
        { table },
      );
      const ours = await ourServer(
        { ...asking, enableRpk: false, loglevel: 0 },
        checkCcertAccess(Object.fromEntries(entries)),
        rejectUnauthDestination,
      );
      for (const [i, action] of actions.entries()) {
        for (const to of ['b@postfix.example', 'b@other.example']) {
          const expected = await meet(theirs, shows(actor(i)), to);
          const got = await meet(ours, shows(actor(i)), to);
          expect({ action, to, ...got }).toEqual({ action, to, ...expected });
        }
      }
    },
    2 * minute,
  );

  test(
    'relay_clientcerts: certificates and raw public keys are permitted alike, and policies that are fragile are called so',
    async () => {
      const cert = (i: number): string => certFingerprint(actor(i).certFile);
      const pkey = (i: number): string => pkeyFingerprint(actor(i).certFile);
      const keys = [cert(0), pkey(1), cert(2), pkey(2)];
      const table = tableFile(keys.map((key) => `${key} relay`));
      for (const all of [false, true]) {
        const name = all ? 'permit_tls_all_clientcerts' : 'permit_tls_clientcerts';
        const theirs = await start(
          {
            ...judge,
            smtpd_tls_loglevel: '0',
            relay_clientcerts: 'texthash:$config_directory/table',
            smtpd_relay_restrictions: '',
            smtpd_recipient_restrictions: `${name}, reject_unauth_destination`,
          },
          { table },
        );
        const permit = all ? permitTlsAllClientcerts : permitTlsClientcerts;
        const ours = await ourServer(
          { ...asking, loglevel: 0 },
          permit(new Map(keys.map((key) => [key, 'relay']))),
          rejectUnauthDestination,
        );
        for (const args of [
          [],
          shows(issued),
          ...[0, 1, 2, 3].map((i) => shows(actor(i))),
          ...[0, 1, 2].map((i) => [...shows(actor(i)), '-enable_client_rpk']),
        ]) {
          const expected = await meet(theirs, args, 'b@other.example');
          const got = await meet(ours, args, 'b@other.example');
          expect({ args, reply: got.reply }).toEqual({ args, reply: expected.reply });
          expect(got.log.map(unlabelled)).toEqual(expected.log.map(unlabelled));
        }
      }
    },
    2 * minute,
  );

  /** Postfix 3.10 takes one fingerprint for the other in this line, and always calls it permit_tls_clientcerts. */
  function unlabelled(line: string): string {
    return line.replace(/"[0-9A-F:]{95}"/g, '"FINGERPRINT"').replace('tls_all_', 'tls_');
  }

  test(
    'where no certificate is asked for, the same warnings',
    async () => {
      const theirs = await start({
        ...judge,
        smtpd_tls_ask_ccert: 'no',
        smtpd_tls_loglevel: '0',
        relay_clientcerts: 'inline:{ x = y }',
        smtpd_relay_restrictions: '',
        smtpd_recipient_restrictions:
          'permit_tls_clientcerts, permit_tls_all_clientcerts, check_ccert_access inline:{x=y}, reject_unauth_destination',
      });
      const ours = await ourServer(
        { ...asking, askCcert: false, loglevel: 0 },
        ...[permitTlsClientcerts({}), permitTlsAllClientcerts(), checkCcertAccess({})],
        rejectUnauthDestination,
      );
      const expected = await meet(theirs, []);
      expect(expected.log).toHaveLength(3);
      expect(await meet(ours, [])).toEqual(expected);
    },
    minute,
  );

  test.each([
    ['a trusted certificate', 'issued.pem', false, 'Trusted', 'x509'],
    ['a raw public key', 'issued.pem', true, 'Untrusted', 'rpk'],
    ['an untrusted ML-DSA certificate', 'mldsa.pem', false, 'Untrusted', 'x509'],
  ])(
    'its smtp(8) with %s',
    async (_, chain, enableRpk, status, certificateType) => {
      const seen: unknown[] = [];
      const server = await startSmtpd({
        tls: { ...asking, enableRpk, loglevel: 1 },
        onRcpt: ({ tls }) => {
          seen.push(tls);
        },
      });
      const { postfix } = await start(
        { smtp_tls_chain_files: `$config_directory/${chain}`, smtp_tls_security_level: 'encrypt' },
        {},
        { 'our.example': server.nexthop },
      );
      postfix.submit('a@example.org', ['b@our.example'], 'Subject: x\n\nx\n');
      expect(await postfix.lines.line(/to=<b@our\.example>/)).toContain('status=sent');
      expect(seen).toMatchObject([{ status, certificateType }]);
      const line = await server.lines.line(/TLS connection/);
      const theirs = await postfix.lines.line(/TLS connection established to/);
      const session = (text: string): string =>
        text.replace(/^.*established (?:to|from) \S+: /, '');
      expect(session(line)).toBe(session(theirs));
      expect(line).toContain(`${status} TLS connection established from`);
      expect(line.includes('client-signature')).toBe(true);
    },
    minute,
  );
});
