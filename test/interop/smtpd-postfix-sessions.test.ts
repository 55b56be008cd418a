/**
 * Debian 13's smtp(8) and posttls-finger at our smtpd: sessions out of Postfix's cache, raw public keys, post-quantum groups
 * and chains, and the security levels that match our certificate. What both sides log of a session is the same.
 */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SmtpdTlsOptions } from '../../lib/config/options.js';
import {
  authority,
  type Certificate,
  certificate,
  issuedCertificate,
} from '../helpers/certificates.js';
import {
  forgetDirectory,
  peerInDebian13,
  prepareDebian13,
  whyNoDebian13,
} from '../helpers/debian13.js';
import { certFingerprint, pkeyFingerprint } from '../helpers/fingerprints.js';
import { Postfix } from '../helpers/postfix.js';
import { startSmtpd, type TestServer } from '../helpers/servers.js';

const minute = 60_000;
const reason = whyNoDebian13();
const issued = issuedCertificate(); // for client.example.com, by our own authority
const mldsa = certificate('ml-dsa-65');

test.runIf(process.env['CI'] !== undefined)('Postfix can be run', () => {
  expect(reason).toBeNull();
});

interface Meeting {
  readonly server: TestServer;
  readonly postfix: Postfix;
  /** One message; Postfix's record of it, and the line of each side about TLS. */
  send(): Promise<{ readonly record: string; readonly theirs: string; readonly ours: string }>;
}

/** What a summary line says behind the peer's name. */
function session(line: string): string {
  return line.replace(/^.*TLS connection (?:established|reused) (?:to|from) .*?: TLSv/, 'TLSv');
}

describe.skipIf(reason !== null)('Debian 13', () => {
  const running: Postfix[] = [];

  beforeAll(() => prepareDebian13(), 10 * minute);

  afterAll(async () => {
    await Promise.all(running.map((postfix) => postfix.stop()));
  });

  async function meet(
    tls: SmtpdTlsOptions,
    main: Readonly<Record<string, string>>,
    { chainFile }: Certificate = certificate('ecdsa'),
  ): Promise<Meeting> {
    const server = await startSmtpd({
      tls: { securityLevel: 'may', chainFiles: [chainFile], loglevel: 1, ...tls },
    });
    const postfix = await Postfix.start({
      keys: [],
      mailboxes: ['b@postfix.example'],
      transport: { 'our.example': server.nexthop },
      main: { tls_eecdh_auto_curves: '', tls_ffdhe_auto_groups: '', ...main },
      files: { 'ca.pem': authority().certFile, 'issued.pem': issued.chainFile },
    });
    running.push(postfix);
    let count = 0;
    const send: Meeting['send'] = async () => {
      count++;
      postfix.submit('a@example.org', [`b${count}@our.example`], 'Subject: x\n\nx\n');
      const record = await postfix.lines.line(new RegExp(`to=<b${count}@our\\.example>`));
      const last = (lines: readonly string[]): string => lines.at(-1) ?? '';
      const theirs = last(postfix.lines.matching(/TLS connection \w+ to/));
      return { record, theirs, ours: last(server.lines.matching(/TLS connection \w+ from/)) };
    };
    return { server, postfix, send };
  }

  const cache = { smtp_tls_session_cache_database: 'btree:$data_directory/smtp_scache' };

  test.each(['TLSv1.3', 'TLSv1.2'])(
    '%s: a session of its cache resumes, with the server name that it asked for',
    async (protocol) => {
      const hit = certificate('rsa');
      const names = `inline:{ {mx.our.example = ${hit.chainFile}} }`;
      const { server, send } = await meet(
        { serverSniMaps: [names], excludeCiphers: ['aNULL'] },
        {
          ...cache,
          smtp_tls_protocols: `>=${protocol}, <=${protocol}`,
          smtp_tls_mandatory_protocols: `>=${protocol}, <=${protocol}`,
          smtp_tls_servername: 'mx.our.example',
          smtp_tls_loglevel: '2',
          smtp_destination_concurrency_limit: '1',
        },
      );
      for (const resumed of [false, true, true]) {
        const { record, ours, theirs } = await send();
        expect(record).toContain('status=sent');
        expect(ours).toContain(`from unknown[127.0.0.1] to mx.our.example: ${protocol} `);
        expect(session(ours)).toBe(session(theirs));
        expect(server.received.at(-1)?.session.tls).toMatchObject({
          ...{ resumed: resumed, sni: 'mx.our.example', protocol },
        });
      }
    },
    minute,
  );

  test(
    'a client certificate: its session resumes with the trust it had',
    async () => {
      const { server, send } = await meet(
        { askCcert: true, CAfile: authority().certFile },
        { ...cache, smtp_tls_chain_files: '$config_directory/issued.pem' },
      );
      for (const resumed of [false, true]) {
        const { record, ours } = await send();
        expect(record).toContain('status=sent');
        expect(ours).toMatch(/^Trusted TLS connection (?:established|reused) from /);
        expect(server.received.at(-1)?.session.tls).toMatchObject({
          ...{ resumed: resumed, status: 'Trusted', peerSubject: 'client.example.com' },
        });
      }
    },
    minute,
  );

  test(
    'a post-quantum group and chain',
    async () => {
      const { send } = await meet({}, { tls_eecdh_auto_curves: 'X25519MLKEM768' }, mldsa);
      const { record, ours, theirs } = await send();
      expect(record).toContain('status=sent');
      expect(session(ours)).toBe(session(theirs));
      expect(ours).toMatch(/ key-exchange X25519MLKEM768 server-signature ML-DSA-65$/);
    },
    minute,
  );

  test(
    'smtp_tls_enable_rpk and a fingerprint of the key: it takes our raw public key, verified',
    async () => {
      const { certFile } = certificate('ecdsa');
      const level = {
        smtp_tls_enable_rpk: 'yes',
        smtp_tls_fingerprint_digest: 'sha256',
        smtp_tls_security_level: 'fingerprint',
      };
      const right = await meet(
        {},
        { ...level, smtp_tls_fingerprint_cert_match: pkeyFingerprint(certFile) },
      );
      const { record, ours, theirs } = await right.send();
      expect(record).toContain('status=sent');
      expect(theirs).toContain('Verified TLS connection established to ');
      expect(session(ours)).toBe(session(theirs));
      expect(ours).toMatch(/ server-signature ECDSA \(prime256v1 raw public key\) /);
      const wrong = await meet(
        {},
        {
          ...level,
          smtp_tls_fingerprint_cert_match: pkeyFingerprint(certificate('rsa').certFile),
        },
      );
      expect((await wrong.send()).record).toMatch(/status=deferred .*not verified/i);
      expect(wrong.server.received).toEqual([]);
    },
    minute,
  );

  test.each<[string, Readonly<Record<string, string>>, Certificate, RegExp, string | null]>([
    ['encrypt', {}, certificate('ecdsa'), /status=sent/, 'Untrusted'],
    [
      'fingerprint',
      {
        smtp_tls_fingerprint_digest: 'sha256',
        smtp_tls_fingerprint_cert_match: certFingerprint(certificate('ecdsa').certFile),
      },
      certificate('ecdsa'),
      /status=sent/,
      'Verified',
    ],
    [
      'secure',
      { smtp_tls_secure_cert_match: 'client.example.com' },
      issued,
      /status=sent/,
      'Verified',
    ],
    [
      'secure',
      { smtp_tls_secure_cert_match: 'other.example.com' },
      issued,
      /status=deferred \(Server certificate not verified\)/,
      null,
    ],
    [
      'secure',
      { smtp_tls_secure_cert_match: 'mx.example.com' },
      certificate('ecdsa'),
      /status=deferred \(Server certificate not verified\)/,
      null,
    ],
  ])(
    'level %s %j',
    async (level, main, chain, outcome, status) => {
      const { send, server } = await meet(
        {},
        {
          smtp_tls_security_level: level,
          smtp_tls_CAfile: '$config_directory/ca.pem',
          ...main,
        },
        chain,
      );
      const { record, theirs } = await send();
      expect(record).toMatch(outcome);
      expect(server.received).toHaveLength(status === null ? 0 : 1);
      if (status !== null) {
        expect(theirs).toContain(`${status} TLS connection established to`);
      }
    },
    minute,
  );

  describe('posttls-finger', () => {
    const directory = mkdtempSync(join(tmpdir(), 'mxtls-finger-'));
    const ca = join(directory, 'ca.pem');

    beforeAll(() => {
      copyFileSync(authority().certFile, ca);
      copyFileSync(issued.chainFile, join(directory, 'issued.pem'));
    });

    afterAll(() => {
      forgetDirectory(directory);
      rmSync(directory, { recursive: true });
    });

    const rsa = certificate('rsa').certFile;

    test.each<[string, Certificate, readonly string[], readonly string[], RegExp, RegExp]>([
      ['encrypt', certificate('rsa'), [], [], /Untrusted TLS connection established/, /./],
      [
        'a raw public key',
        certificate('rsa'),
        [],
        ['-x', '-l', 'fingerprint', '-d', 'sha256', pkeyFingerprint(rsa)],
        /Verified TLS connection established/,
        /server-signature RSA-PSS \([^)]*raw public key\)/,
      ],
      [
        'fingerprint',
        certificate('rsa'),
        [],
        ['-l', 'fingerprint', '-d', 'sha256', certFingerprint(rsa)],
        /Verified TLS connection established/,
        /server-signature RSA-PSS/,
      ],
      [
        'secure',
        issued,
        [],
        ['-l', 'secure', '-F', ca, 'client.example.com'],
        /Verified TLS connection established/,
        /./,
      ],
      [
        'ML-DSA',
        mldsa,
        ['tls_eecdh_auto_curves = X25519MLKEM768', 'tls_ffdhe_auto_groups ='],
        ['-l', 'encrypt'],
        /Untrusted TLS connection established/,
        /key-exchange X25519MLKEM768 server-signature ML-DSA-65/,
      ],
      [
        'a client certificate',
        certificate('rsa'),
        [],
        ['-l', 'encrypt', '-k', join(directory, 'issued.pem'), '-K', join(directory, 'issued.pem')],
        /Untrusted TLS connection established/,
        /^Trusted .* client-signature ECDSA/,
      ],
    ])('%s', async (_, chain, main, options, said, ours) => {
      const { port, lines } = await startSmtpd({
        tls: {
          ...{ securityLevel: 'may', chainFiles: [chain.chainFile], loglevel: 1 },
          ...{ askCcert: true, CAfile: authority().certFile },
        },
      });
      writeFileSync(
        join(directory, 'main.cf'),
        ['compatibility_level = 3.9', ...main, ''].join('\n'),
      );
      const [flags, match] = split(options);
      const { transcript } = await peerInDebian13(
        [
          ...['env', `MAIL_CONFIG=${directory}`, 'posttls-finger', '-c', '-L', 'summary'],
          ...[...flags, `[127.0.0.1]:${port}`, ...match],
        ],
        directory,
        '',
      );
      expect(transcript).toMatch(said);
      const line = await lines.line(/TLS connection/);
      expect(line).toMatch(ours);
      expect(transcript).toContain(session(line));
    });

    test('-r: it comes back and resumes', async () => {
      const { port, lines } = await startSmtpd({
        tls: { securityLevel: 'may', chainFiles: [certificate('rsa').chainFile], loglevel: 1 },
      });
      writeFileSync(join(directory, 'main.cf'), 'compatibility_level = 3.9\n');
      const { transcript } = await peerInDebian13(
        [
          ...['env', `MAIL_CONFIG=${directory}`, 'posttls-finger', '-c', '-l', 'encrypt'],
          ...['-r', '1', '-m', '1', '-L', 'summary,cache', `[127.0.0.1]:${port}`],
        ],
        directory,
        '',
      );
      expect(transcript).toMatch(/Reusing old session|re-using session/i);
      expect(lines.matching(/TLS connection/)).toHaveLength(2);
    });
  });
});

/** posttls-finger wants the destination between its options and what is to match. */
function split(options: readonly string[]): readonly [readonly string[], readonly string[]] {
  const last = options.at(-1);
  const matches = options.includes('fingerprint') || options.includes('secure');
  return matches && last !== undefined ? [options.slice(0, -1), [last]] : [options, []];
}
