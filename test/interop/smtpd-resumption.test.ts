/**
 * Sessions that `openssl s_client` stores and brings back (`-sess_out`, `-sess_in`) to our smtpd: tickets of TLS 1.0 to 1.2, PSKs of TLS 1.3,
 * with each group and kind of credential. What the log and callbacks know of the session, they know again.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { SmtpdTlsOptions } from '../../lib/config/options.js';
import type { TlsSnapshot } from '../../lib/snapshot.js';
import { authority, certificate, issuedCertificate } from '../helpers/certificates.js';
import { pkeyFingerprint } from '../helpers/fingerprints.js';
import { opensslClient } from '../helpers/openssl-client.js';
import { mail, sClient, shows } from '../helpers/s-client.js';
import { startSmtpd } from '../helpers/servers.js';

const hit = certificate('rsa');
const issued = issuedCertificate();
const weak = ['-cipher', 'DEFAULT:@SECLEVEL=0'];

interface Seen {
  readonly tls: TlsSnapshot;
  /** The line about it. */
  readonly line: string;
}

/** Two sessions of one client, the second with what the first left. */
async function twice(
  tls: SmtpdTlsOptions,
  args: readonly string[],
  second: readonly string[] = args,
): Promise<readonly [Seen, Seen]> {
  const seen: TlsSnapshot[] = [];
  const { port, lines } = await startSmtpd({
    tls: {
      securityLevel: 'may',
      chainFiles: [certificate('ecdsa').chainFile],
      loglevel: 1,
      ...tls,
    },
    onRcpt: (session) => {
      if (session.tls !== null) {
        seen.push(session.tls);
      }
    },
  });
  const file = sessionFile();
  await mail(sClient(`127.0.0.1:${port}`, [...args, '-sess_out', file]), 'b@example.com');
  await mail(sClient(`127.0.0.1:${port}`, [...second, '-sess_in', file]), 'b@example.com');
  const summaries = lines.matching(/TLS connection/);
  const [one, two] = seen.map((snapshot, i) => ({ tls: snapshot, line: summaries[i] ?? '' }));
  if (one === undefined || two === undefined) {
    throw new Error(`no TLS: ${lines.all.join('\n')}`);
  }
  return [one, two];
}

function sessionFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mxtls-session-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, 'session');
}

async function listen(): Promise<{ readonly port: number; readonly file: string }> {
  const chainFiles = [certificate('ecdsa').chainFile];
  const { port } = await startSmtpd({ tls: { securityLevel: 'may', chainFiles } });
  return { port, file: sessionFile() };
}

/** Options of s_client, and the protocol. */
const versions: readonly (readonly [string, readonly string[]])[] = [
  ['TLSv1.3', ['-tls1_3']],
  ['TLSv1.2', ['-tls1_2']],
  ['TLSv1.1', ['-tls1_1', ...weak]],
  ['TLSv1', ['-tls1', ...weak]],
];

describe.each(versions)('%s', (protocol, version) => {
  test('resumes; the server name is in log and snapshot still', async () => {
    const [full, again] = await twice(
      { serverSniMaps: [`inline:{ {hit.example = ${hit.chainFile}} }`] },
      [...version, '-servername', 'hit.example'],
    );
    const known = { protocol, sni: 'hit.example' };
    expect(full.tls).toMatchObject({ ...known, resumed: false });
    expect(again.tls).toMatchObject({ ...known, resumed: true });
    for (const { line } of [full, again]) {
      expect(line).toContain(`from unknown[127.0.0.1] to hit.example: ${protocol} with cipher `);
    }
  });

  test('without a name, where names have no chains', async () => {
    const [full, again] = await twice({}, [...version, '-noservername']);
    expect([full, again].map(({ tls }) => [tls.resumed, tls.sni])).toEqual([
      [false, null],
      [true, null],
    ]);
    expect(again.line).toContain(`from unknown[127.0.0.1]: ${protocol} with cipher `);
  });
});

test.each(['X25519', 'X25519MLKEM768', 'secp256r1', '*X25519:secp384r1'])(
  'a PSK with %s: keys are exchanged anew, and nobody signs',
  async (groups) => {
    const tls = groups.includes('secp384r1') ? { eecdhAutoCurves: ['secp384r1'] } : {};
    const [full, again] = await twice(tls, ['-tls1_3', '-groups', groups]);
    const group = groups.replace('*X25519:', '');
    expect(full.line).toMatch(new RegExp(` key-exchange ${group} server-signature ECDSA`, 'i'));
    expect(again.tls.resumed).toBe(true);
    expect(again.line).toMatch(new RegExp(` key-exchange ${group}$`, 'i'));
  },
);

test('an ML-DSA chain signs the first time alone', async () => {
  const { chainFile } = certificate('ml-dsa-65');
  const [full, again] = await twice({ chainFiles: [chainFile] }, ['-tls1_3']);
  expect(full.line).toMatch(/ server-signature ML-DSA-65$/);
  expect(again.tls.resumed).toBe(true);
  expect(again.line).not.toContain('signature');
});

const asking: SmtpdTlsOptions = {
  askCcert: true,
  CAfile: authority().certFile,
  enableRpk: true,
};

describe.each(['-tls1_3', '-tls1_2'])('credentials, %s', (version) => {
  test('a raw public key of the client is known again by its fingerprint', async () => {
    const args = [version, ...shows(issued), '-enable_client_rpk'];
    const [full, again] = await twice(asking, args);
    const known = {
      ...{ status: 'Untrusted', certificateType: 'rpk', peerCertFingerprint: null },
      peerPkeyFingerprint: pkeyFingerprint(issued.certFile),
    };
    expect(full.tls).toMatchObject({ ...known, resumed: false });
    expect(again.tls).toMatchObject({ ...known, resumed: true });
  });

  test('a certificate is known again by all that it said', async () => {
    const [full, again] = await twice(asking, [version, ...shows(issued)]);
    const { status, peerSubject, peerIssuer, peerCertFingerprint, peerPkeyFingerprint } = full.tls;
    expect([status, peerSubject]).toEqual(['Trusted', 'client.example.com']);
    expect(again.tls).toMatchObject({
      ...{ status, peerSubject, peerIssuer, peerCertFingerprint, peerPkeyFingerprint },
      resumed: true,
    });
  });
});

// OpenSSL 3.5 keeps the server's key in the client's session: who asks for a raw public key again has it again, and what came of judging it.
// A session is not bound to the kind of credential: it resumes without the key for who does not ask, and one of a certificate for who does.
describe.each(['-tls1_3', '-tls1_2'])('our own raw public key, %s', (version) => {
  const raw = '-enable_server_rpk';
  const negotiated = 'Server-to-client raw public key negotiated';
  const untrusted = 'Verify return code: 95 (Raw public key untrusted, no trusted keys configured)';

  /** What s_client says of its session. */
  async function told(port: number, ...args: readonly string[]): Promise<readonly string[]> {
    const said = await opensslClient(port, version, ...args);
    const lines =
      /^(?:New|Reused)(?=,)|^Server-to-client raw public key negotiated|^Server certificate$|^ *Verify return code: .*/gm;
    return (said.match(lines) ?? []).map((line) => line.trim());
  }

  test('resumes, and is known again to who asks', async () => {
    const { port, file } = await listen();
    expect(await told(port, raw, '-sess_out', file)).toEqual([negotiated, 'New', untrusted]);
    expect(await told(port, raw, '-sess_in', file)).toEqual([negotiated, 'Reused', untrusted]);
    expect(await told(port, '-sess_in', file)).toEqual(['Reused', untrusted]);
  });

  test('a session of our certificate resumes as one', async () => {
    const { port, file } = await listen();
    const selfSigned = 'Verify return code: 18 (self-signed certificate)';
    const certified = ['Server certificate', 'Reused', selfSigned];
    const both = ['Server certificate', negotiated, 'Reused', selfSigned]; // the type of this handshake, the credential of the first
    expect(await told(port, '-sess_out', file)).toEqual(['Server certificate', 'New', selfSigned]);
    expect(await told(port, '-sess_in', file)).toEqual(certified);
    expect(await told(port, raw, '-sess_in', file)).toEqual(both);
  });

  test('the log marks the key that has signed, in TLS 1.3, and nothing of a resumed session', async () => {
    const [full, again] = await twice({}, [version, raw]);
    const signature = ' server-signature ECDSA (prime256v1 raw public key) server-digest SHA256';
    expect(full.line.includes(signature)).toBe(version === '-tls1_3');
    expect(again.tls).toMatchObject({ resumed: true, ticket: true, server: null });
    expect(again.line).not.toMatch(/signature|raw public key/);
  });
});

// TLS 1.3: the name is the hello's, and not of the ticket (RFC 8446 section 4.2.11). TLS 1.2: RFC 6066 section 3 wants a full handshake,
// OpenSSL 3.5 resumes. Either way what is known is what was asked for this time.
test.each(['-tls1_3', '-tls1_2'])(
  '%s: a session of one name, brought back with another',
  async (version) => {
    const names = `inline:{ {hit.example = ${hit.chainFile}} }`;
    const args = [version, '-servername'];
    const [, other] = await twice(
      { serverSniMaps: [names] },
      [...args, 'hit.example'],
      [...args, 'miss.example'],
    );
    expect(other.tls).toMatchObject({ resumed: true, sni: 'miss.example' });
    expect(other.line).toContain(' to miss.example: ');
  },
);
