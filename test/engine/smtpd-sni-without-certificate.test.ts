/**
 * `smtpd_tls_cert_file = none` beside `tls_server_sni_maps`: names have certificates, the host has none.
 *
 * TLS 1.3 is on, as names may want it, and there are no anonymous ciphers in it: who asks for no name that is known has to come
 * with TLS 1.2.
 */
import { describe, expect, test } from 'vitest';
import { certificate } from '../helpers/certificates.js';
import { startSmtpd, type TestServer } from '../helpers/servers.js';
import { askFor, fingerprintOf, type Greeted } from '../helpers/sni-client.js';

const hit = certificate('ecdsa');
const found = fingerprintOf(hit.certFile);

interface Visit {
  readonly got: Greeted;
  /** The lines about TLS. */
  readonly log: readonly string[];
}

const anonymous = ['-tls1_2', '-cipher', 'ALL:aNULL:@SECLEVEL=0'];

async function start(wrappermode = false): Promise<TestServer> {
  return startSmtpd(
    {
      tls: {
        securityLevel: 'may',
        certFile: 'none',
        loglevel: 1,
        serverSniMaps: [`inline:{ {hit.example = ${hit.chainFile}} }`],
      },
    },
    { wrappermode },
  );
}

async function visit(
  { port, lines }: TestServer,
  name: string | null,
  args: readonly string[],
  wrappermode = false,
): Promise<Visit> {
  const before = lines.all.length;
  const got = await askFor({ port, name, args, wrappermode });
  await lines.line(/^disconnect/, before);
  const log = lines.all
    .slice(before)
    .filter((line) => /TLS|SSL_/.test(line) && !line.startsWith('NOQUEUE: '));
  return { got, log };
}

describe.each([false, true])('wrappermode: %s', (wrappermode) => {
  test.each([['-tls1_3'], ['-tls1_2']])(
    'a name that is found gets its chain: %s',
    async (version) => {
      const server = await start(wrappermode);
      const { got, log } = await visit(server, 'hit.example', [version], wrappermode);
      expect(got).toMatchObject({ certificate: found, acknowledged: true });
      const protocol = version === '-tls1_3' ? 'TLSv1.3' : 'TLSv1.2';
      expect(log).toEqual([
        expect.stringContaining(`from unknown[127.0.0.1] to hit.example: ${protocol} `),
      ]);
    },
  );

  test.each(['miss.example', null])('%s and TLS 1.2: an anonymous cipher', async (name) => {
    const server = await start(wrappermode);
    const { log } = await visit(server, name, anonymous, wrappermode);
    expect(log.at(-1)).toMatch(
      /^Anonymous TLS connection established from \S+(?: to miss\.example)?: TLSv1\.2 with cipher A(?:EC)?DH-/,
    );
    expect(log.slice(0, -1)).toEqual(
      name === null
        ? []
        : ['TLS SNI miss.example from unknown[127.0.0.1] not matched, using default chain'],
    );
  });

  test.each(['miss.example', null])(
    '%s and TLS 1.3, or TLS 1.2 with certificates only: no handshake',
    async (name) => {
      const server = await start(wrappermode);
      const notice =
        name === null
          ? []
          : ['TLS SNI miss.example from unknown[127.0.0.1] not matched, using default chain'];
      const failures: [string, string][] = [
        ['-tls1_3', 'no suitable signature algorithm'],
        ['-tls1_2', 'no shared cipher'],
      ];
      for (const [version, reason] of failures) {
        const { got, log } = await visit(server, name, [version], wrappermode);
        expect(got.certificate).toBeNull();
        expect(log).toEqual([
          ...notice,
          'SSL_accept error from unknown[127.0.0.1]: -1',
          expect.stringContaining(`:${reason}:`),
        ]);
      }
    },
  );
});

test('who knows anonymous ciphers and TLS 1.3 gets the chain of a name, and nothing without one', async () => {
  const server = await start();
  const args = ['-cipher', 'ALL:aNULL:@SECLEVEL=0'];
  expect((await visit(server, 'hit.example', args)).got.certificate).toBe(found);
  const { log } = await visit(server, null, args);
  expect(log[0]).toBe('SSL_accept error from unknown[127.0.0.1]: -1');
});
