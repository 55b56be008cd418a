/** TLS settings against openssl of both kinds: renegotiation, anonymous ciphers, and our client at an s_server. */
import { describe, expect, test } from 'vitest';
import type { SmtpTlsOptions } from '../../lib/config/options.js';
import { Connection } from '../../lib/connection.js';
import { clientTls } from '../../lib/setup.js';
import { certificate } from '../helpers/certificates.js';
import { OpensslPeer, opensslServer } from '../helpers/openssl-peer.js';
import { startSmtpd } from '../helpers/servers.js';

const { chainFile, keyFile, certFile } = certificate('rsa');

test('TLS 1.2: a client that renegotiates is refused, and that is the end of its session', async () => {
  const { port, lines } = await startSmtpd({
    tls: { securityLevel: 'may', chainFiles: [chainFile], loglevel: '1 trace', traceRateLimit: 0 },
  });
  const peer = new OpensslPeer([
    ...['s_client', '-connect', `127.0.0.1:${port}`, '-starttls', 'smtp', '-tls1_2'],
  ]);
  await peer.hear(/Secure Renegotiation IS supported/);
  await peer.hear(/Extended master secret: yes\n---\n/);
  peer.say('R\n');
  await lines.line(/^disconnect/);
  const trace = lines.matching(
    /: trace: (?:received Client|received alert|sent alert|sent Server)/,
  );
  expect(trace.map((line) => line.replace(/^.*: trace: /, '').replace(/, \d+ bytes$/, ''))).toEqual(
    [
      'received ClientHello (1)',
      'sent ServerHello (2)',
      'sent ServerKeyExchange (12)',
      'sent ServerHelloDone (14)',
      'received ClientKeyExchange (16)',
      'received ClientHello (1)',
      'sent alert warning: no renegotiation (100)',
      'received alert fatal: handshake failure (40)', // s_client's way to give up
    ],
  );
});

/** Our client's hello as a session with an s_server, or the error's code and reason. */
async function session(tls: SmtpTlsOptions, args: readonly string[]): Promise<string> {
  const keys = ['-key', keyFile, '-cert', certFile];
  const { port } = await opensslServer([...keys, ...args]);
  const connection = await Connection.connect({ host: '127.0.0.1', port });
  const { context, props } = clientTls(tls, 'mx.example.com');
  try {
    const { protocol, cipher } = await connection.startTls(context, props);
    return `${protocol} ${cipher}`;
  } catch (error) {
    const { code, reason } = error as { readonly code: string; readonly reason: string };
    return `${code}: ${reason}`;
  } finally {
    connection.destroy();
  }
}

const weak = ['-cipher', 'ALL:eNULL:@SECLEVEL=0'];
const encrypt = { securityLevel: 'encrypt' } as const;
const version = 'TLS_ALERT: tlsv1 alert protocol version';
const noCipher = /TLS_ALERT: .*handshake failure/;

describe('our client at an s_server', () => {
  test.each<[SmtpTlsOptions, readonly string[], string | RegExp]>([
    [{}, [], /^TLSv1\.3 TLS_/],
    [{}, ['-tls1', ...weak], /^TLSv1 /],
    [{}, ['-tls1_1', ...weak], /^TLSv1\.1 /],
    [{ protocols: '>=TLSv1.2' }, ['-tls1_1', ...weak], version],
    [{ protocols: '!TLSv1.3' }, [], /^TLSv1\.2 /],
    [{ protocols: '<=0302' }, weak, /^TLSv1\.1 /],
    [{ protocols: 'TLSv1, TLSv1.1' }, weak, /^TLSv1\.1 /],
    [{ protocols: '>=TLSv1.3' }, ['-tls1_2'], version],
    [{ ...encrypt, protocols: '>=TLSv1.3' }, ['-tls1_2'], /^TLSv1\.2 /],
    [{ ...encrypt, mandatoryProtocols: '>=TLSv1.3' }, ['-tls1_2'], version],
    [{}, ['-tls1_2', '-cipher', 'eNULL:@SECLEVEL=0'], noCipher],
    [{ ciphers: 'null' }, ['-tls1_2', '-cipher', 'eNULL:@SECLEVEL=0'], /^TLSv1\.2 .*NULL/],
    [
      { ...encrypt, mandatoryCiphers: 'null' },
      ['-tls1_2', '-cipher', 'eNULL:@SECLEVEL=0'],
      /BAD_CIPHERS/, // eNULL is excluded above `may`, which leaves nothing
    ],
    [{}, ['-tls1_2', '-nocert', '-cipher', 'aNULL:@SECLEVEL=0'], /^TLSv1\.2 A(EC)?DH-/],
    [
      { excludeCiphers: ['aNULL'] },
      ['-tls1_2', '-nocert', '-cipher', 'aNULL:@SECLEVEL=0'],
      noCipher,
    ],
    [
      { excludeCiphers: ['AES256, CHACHA20'] },
      ['-tls1_2', '-serverpref'],
      /^TLSv1\.2 ECDHE-RSA-AES128-GCM/,
    ],
    [{ mandatoryExcludeCiphers: ['kRSA'] }, ['-tls1_2', '-cipher', 'AES128-SHA'], /AES128-SHA$/],
    [
      { ...encrypt, mandatoryExcludeCiphers: ['kRSA'] },
      ['-tls1_2', '-cipher', 'AES128-SHA'],
      noCipher,
    ],
    [{ sslOptions: '0x08000000' }, ['-tls1_2'], /^TLSv1\.2 /], // NO_TLSv1_2 is not for it
  ])('%j at %j: %s', async (tls, args, result) => {
    expect(await session(tls, args)).toMatch(result);
  });
});

test('a version that the library does not know is left out by a client, with a warning', async () => {
  const warnings: string[] = [];
  const warn = (text: string): number => warnings.push(text);
  const { props } = clientTls({ protocols: '>=0305 <=0399' }, 'mx.example.com', { warn });
  expect(props.protocols).toEqual({ floor: 0, ceiling: 0, exclude: 0 });
  expect(warnings).toEqual([
    'error setting minimum TLS version to: 0x0305',
    'error setting maximum TLS version to: 0x0399',
  ]);
});

test.each(['>=0305', '<=0200'])('a server with %s does not start', async (protocols) => {
  const tls = { securityLevel: 'may', chainFiles: [chainFile], protocols } as const;
  await expect(startSmtpd({ tls })).rejects.toMatchObject({
    class: 'config',
    code: 'BAD_PROTOCOLS',
  });
});
