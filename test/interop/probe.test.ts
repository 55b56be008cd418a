/** `mxtls probe` in a world of real DNS with signatures, against our own smtpd: what it prints, and how it ends. */
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Smtpd } from '../../lib/server.js';
import {
  authority,
  type Certificate,
  certificate,
  serverCertificate,
  serverIssuer,
} from '../helpers/certificates.js';
import { mxtls } from '../helpers/command.js';
import { prepareDebian13, whyNoDebian13 } from '../helpers/debian13.js';
import { SignedWorld } from '../helpers/signed-world/signed-world.js';

const reason = whyNoDebian13();

test.runIf(process.env['CI'] !== undefined)('NSD and Unbound can be run', () => {
  expect(reason).toBeNull();
});

const lone = certificate('ecdsa');
const issued = serverCertificate('probe', ['mx.issued.test', 'mx.plain.test']);

/** SHA-256 of certificate (selector 0) or key (1). */
function digest({ certFile }: Certificate, selector: 0 | 1): string {
  const cert = new X509Certificate(readFileSync(certFile));
  const der = selector === 0 ? cert.raw : cert.publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(der).digest('hex');
}

const unrelated = 'ab'.repeat(32);

describe.skipIf(reason !== null)('a probe', () => {
  const servers: Smtpd[] = [];
  let port = 0;
  let world: SignedWorld;

  /** All servers have one port, each an address of its own. */
  async function serve(host: string, chain: Certificate | null, at = 0): Promise<number> {
    const smtpd = new Smtpd({
      myhostname: 'mx.example.test',
      logger: { info: () => undefined, warn: () => undefined },
      onData: async () => undefined,
      tls:
        chain === null
          ? { securityLevel: 'none' }
          : { securityLevel: 'may', chainFiles: [chain.chainFile] },
    });
    servers.push(smtpd);
    return (await smtpd.listen({ host, port: at })).port;
  }

  beforeAll(async () => {
    prepareDebian13();
    port = await serve('127.0.9.1', lone);
    await serve('127.0.9.2', issued, port);
    await serve('127.0.9.3', null, port);
    const tlsa = (host: string, record: string): string => `_${port}._tcp.${host} TLSA ${record}`;
    const zone = (address: string, ...records: readonly string[]): readonly string[] => [
      ...['@ MX 10 mx', `mx A ${address}`, ...records],
    ];
    const good = tlsa('mx', `3 1 1 ${digest(lone, 1)}`);
    world = await SignedWorld.start({
      'good.test': { state: 'signed', records: zone('127.0.9.1', good) },
      'issued.test': {
        state: 'signed',
        records: zone(
          '127.0.9.2',
          tlsa('mx', `3 1 1 ${unrelated}`),
          tlsa('mx', `2 0 1 ${digest(serverIssuer(), 0)}`),
          tlsa('mx', `1 1 1 ${unrelated}`),
        ),
      },
      'wrong.test': {
        state: 'signed',
        records: zone('127.0.9.1', tlsa('mx', `3 1 1 ${unrelated}`)),
      },
      'useless.test': {
        state: 'signed',
        records: zone('127.0.9.1', tlsa('mx', `3 5 9 00112233`), tlsa('mx', `0 0 1 ${unrelated}`)),
      },
      'none.test': { state: 'signed', records: zone('127.0.9.1') },
      'broken.test': {
        state: 'signed',
        records: zone('127.0.9.1', good),
        corrupt: [[`_${port}._tcp.mx`, 'TLSA']],
      },
      'half.test': { state: 'unsigned', records: ['@ MX 10 mx.good.test.'] },
      'plain.test': { state: 'unsigned', records: zone('127.0.9.2') },
      'notls.test': { state: 'unsigned', records: zone('127.0.9.3') },
      'bogus.test': { state: 'bogus', records: zone('127.0.9.1', good) },
      'null.test': { state: 'signed', records: ['@ MX 0 .'] },
      'nomx.test': {
        state: 'signed',
        records: ['@ A 127.0.9.1', tlsa('@', `3 1 1 ${digest(lone, 1)}`).replace('.@', '')],
      },
      'many.test': {
        state: 'signed',
        records: [
          ...['@ MX 10 alias', 'alias CNAME mx.good.test.', '@ MX 20 mx.wrong.test.'],
          ...['@ MX 20 mx.bogus.test.', '@ MX 30 nobody', '@ MX 30 dead', 'dead A 127.0.9.9'],
          tlsa('alias', `3 1 1 ${digest(lone, 1)}`),
        ],
      },
    });
  }, 600_000);

  afterAll(async () => {
    await Promise.all(servers.map((smtpd) => smtpd.close(true)));
    await world.close();
  });

  const run = (...args: readonly string[]): ReturnType<typeof mxtls> =>
    mxtls(['probe', '--no-sts', '--nameserver', world.nameserver, '--port', `${port}`, ...args]);

  test.each<[string[]]>([
    [['-r', 'good.test']],
    [['issued.test']],
    [['wrong.test']],
    [['useless.test']],
    [['none.test']],
    [['-l', 'dane-only', 'none.test']],
    [['broken.test']],
    [['half.test']],
    [['plain.test']],
    [['-l', 'verify', '--ca', authority().certFile, 'plain.test']],
    [['-l', 'secure', 'plain.test']],
    [['notls.test']],
    [['bogus.test']],
    [['null.test']],
    [['nomx.test']],
    [['--all-mx', 'many.test']],
    [['-l', 'none', 'none.test']],
  ])('x %s', async (args) => {
    const { code, stdout, stderr } = await run(...args);
    process.stdout.write(`$ ${args.join(' ')}\n${stdout}${stderr}exit ${code}\n\n`);
  });
});
