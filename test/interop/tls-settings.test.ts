/**
 * The same TLS settings in our smtpd and in the distribution's Postfix (Debian 13, 3.10), and openssl clients of every
 * kind to both: the protocol, the cipher and the key exchange they get, or the reason why not, are the same.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { optionsFromParameters, readAssignments } from '../../lib/config/from-parameters.js';
import { Smtpd } from '../../lib/server.js';
import { certificate } from '../helpers/certificates.js';
import { parameters, smtpdCommand } from '../helpers/command.js';
import {
  forgetDirectory,
  prepareDebian13,
  runInDebian13,
  whyNoDebian13,
} from '../helpers/debian13.js';
import { Lines } from '../helpers/lines.js';
import { openssl, opensslEnvironment, opensslProgram } from '../helpers/openssl.js';
import type { Place } from '../helpers/free-place.js';
import { Postfix } from '../helpers/postfix.js';

const minutes = 60_000;
const reason = whyNoDebian13();
const weak = '@SECLEVEL=0';

/** Options of `openssl s_client`. */
const clients = {
  default: [],
  'TLSv1.3': ['-tls1_3'],
  'TLSv1.2': ['-tls1_2'],
  'TLSv1.1': ['-tls1_1', '-cipher', `DEFAULT:${weak}`],
  TLSv1: ['-tls1', '-cipher', `DEFAULT:${weak}`],
  kRSA: ['-tls1_2', '-cipher', 'AES256-SHA'],
  AES128: ['-tls1_2', '-cipher', 'ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256'],
  aNULL: ['-tls1_2', '-cipher', `aNULL:${weak}`],
  eNULL: ['-tls1_2', '-cipher', `eNULL:!aNULL:${weak}`],
  DHE: ['-tls1_2', '-cipher', 'DHE-RSA-AES256-GCM-SHA384'],
  // Weakest first: the server's order shows.
  order: [
    ...['-tls1_2', '-cipher'],
    'ECDHE-RSA-AES128-SHA:ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES256-GCM-SHA384',
  ],
} as const;

type Client = keyof typeof clients;

const all = Object.keys(clients) as readonly Client[];
const but = (...gone: readonly Client[]): readonly Client[] =>
  all.filter((client) => !gone.includes(client));
const plain = but('eNULL');

interface Row {
  readonly settings: Readonly<Record<string, string>>;
  /** Who gets a session. */
  readonly works: readonly Client[];
  /** What some of them get. */
  readonly gets?: Partial<Record<Client, RegExp>>;
}

/** `DIRECTORY` stands for the folder with the Diffie-Hellman parameters. */
const rows: readonly Row[] = [
  { settings: {}, works: plain },
  {
    settings: { smtpd_tls_protocols: '!SSLv2, !SSLv3, !TLSv1, !TLSv1.1' },
    works: but('eNULL', 'TLSv1', 'TLSv1.1'),
  },
  {
    settings: { smtpd_tls_protocols: '>=TLSv1.2, <=TLSv1.2' },
    works: but('eNULL', 'TLSv1', 'TLSv1.1', 'TLSv1.3'),
  },
  {
    settings: { smtpd_tls_protocols: '>=0302:<=0x0303' },
    works: but('eNULL', 'TLSv1', 'TLSv1.3'),
  },
  {
    settings: { smtpd_tls_protocols: 'tlsv1, TLSv1.3' },
    works: ['default', 'TLSv1.3', 'TLSv1'],
  },
  { settings: { smtpd_tls_protocols: '!TLSv1.3 !TLSv1.2' }, works: ['TLSv1.1', 'TLSv1'] },
  { settings: { smtpd_tls_protocols: 'SSLv2' }, works: plain },
  { settings: { smtpd_tls_protocols: '>=TLSv1 >=TLSv1.3' }, works: ['default', 'TLSv1.3'] },
  { settings: { smtpd_tls_protocols: '>=none <=TLSv1.1' }, works: ['TLSv1.1', 'TLSv1'] },
  {
    settings: { smtpd_tls_ciphers: 'high' },
    works: plain,
    gets: { order: /^TLSv1\.2 ECDHE-RSA-AES128-SHA, / },
  },
  { settings: { smtpd_tls_ciphers: 'export' }, works: plain },
  { settings: { smtpd_tls_ciphers: 'null' }, works: ['default', 'TLSv1.3', 'eNULL'] },
  {
    settings: { smtpd_tls_exclude_ciphers: 'kRSA, aNULL:DHE' },
    works: but('eNULL', 'kRSA', 'aNULL', 'DHE'),
  },
  {
    settings: {
      smtpd_tls_security_level: 'encrypt',
      smtpd_tls_exclude_ciphers: 'aNULL',
      smtpd_tls_mandatory_exclude_ciphers: 'AES128',
      smtpd_tls_mandatory_protocols: '>=TLSv1.2',
      smtpd_tls_protocols: '>=TLSv1.3',
    },
    works: but('eNULL', 'aNULL', 'AES128', 'TLSv1', 'TLSv1.1'),
  },
  { settings: { smtpd_tls_ask_ccert: 'yes' }, works: but('eNULL', 'aNULL') },
  {
    settings: { tls_preempt_cipherlist: 'yes' },
    works: plain,
    gets: { order: /^TLSv1\.2 ECDHE-RSA-AES256-GCM-SHA384, / },
  },
  {
    settings: { tls_preempt_cipherlist: 'yes', tls_ssl_options: 'prioritize_chacha, NO_TICKET' },
    works: plain,
  },
  { settings: { tls_ssl_options: '0x36000000' }, works: plain }, // protocols are not for it
  { settings: { tls_disable_workarounds: '0xffffffff' }, works: plain },
  {
    settings: { tls_medium_cipherlist: 'ECDHE+AESGCM' },
    works: ['default', 'TLSv1.3', 'TLSv1.2', 'AES128', 'order'],
  },
  {
    settings: { smtpd_tls_dh1024_param_file: 'DIRECTORY/dh3072.pem' },
    works: plain,
    gets: { DHE: /DH, 3072 bits$/ },
  },
  {
    settings: { smtpd_tls_dh1024_param_file: 'auto' },
    works: plain,
    gets: { DHE: /DH, 2048 bits$/ },
  },
  {
    settings: {
      tls_eecdh_auto_curves: 'nosuchgroup, secp384r1',
      tls_ffdhe_auto_groups: 'ffdhe2048',
    },
    works: plain,
    gets: { 'TLSv1.3': /, secp384r1, 384 bits$/ },
  },
];

/** What a client gets: `TLSv1.2 CIPHER, key` or the reason why not. */
async function probe({ address, port }: Place, client: Client): Promise<string> {
  const child = spawn(
    opensslProgram(),
    [
      ...['s_client', '-starttls', 'smtp', '-connect', `${address}:${port}`, '-brief'],
      ...clients[client],
    ],
    { env: opensslEnvironment },
  );
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data: Buffer) => {
      said += data.toString();
    });
  }
  child.stdin.on('error', () => undefined);
  child.stdin.end('QUIT\r\n');
  await once(child, 'close');
  const field = (name: RegExp): string | undefined => name.exec(said)?.[1];
  const protocol = field(/^Protocol version: (.*)$/m);
  if (protocol !== undefined) {
    const key = field(/^(?:Peer Temp Key|Negotiated TLS1\.3 group): (.*)$/m);
    return `${protocol} ${field(/^Ciphersuite: (.*)$/m)}, ${key ?? 'no key exchange'}`;
  }
  return `failed: ${field(/error:[0-9A-F]+:SSL routines:[^:]*:([^:]*):/) ?? said}`;
}

test.runIf(process.env['CI'] !== undefined)('Postfix can be run', () => {
  expect(reason).toBeNull();
});

describe.skipIf(reason !== null)('the same settings in Postfix and here', () => {
  const directory = mkdtempSync(join(tmpdir(), 'mxtls-settings-'));
  const dhFile = join(directory, 'dh3072.pem');
  const smtpds: Smtpd[] = [];
  const ours: Place[] = [];
  const warnings = new Lines();
  let postfix: Postfix;

  const expand = (settings: Row['settings'], folder: string): Record<string, string> =>
    Object.fromEntries(
      Object.entries(settings).map(([name, value]) => [name, value.replace('DIRECTORY', folder)]),
    );

  beforeAll(async () => {
    prepareDebian13();
    openssl(
      'genpkey',
      '-genparam',
      '-algorithm',
      'DH',
      '-pkeyopt',
      'group:ffdhe3072',
      '-out',
      dhFile,
    );
    postfix = await Postfix.start({
      keys: ['rsa', 'ecdsa'],
      mailboxes: ['b@postfix.example'],
      transport: { 'x.example': '[127.0.0.1]:1' },
      // Those of Postfix 3.10 are older than OpenSSL 3.5.
      main: { tls_eecdh_auto_curves: '', tls_ffdhe_auto_groups: '' },
      files: { [basename(dhFile)]: dhFile },
      smtpds: Object.fromEntries(
        rows.map(({ settings }, i) => [`row ${i}`, expand(settings, '$config_directory')]),
      ),
    });
    for (const { settings } of rows) {
      const assignments = Object.entries({
        smtpd_tls_security_level: 'may',
        smtpd_tls_chain_files: `${certificate('rsa').chainFile}, ${certificate('ecdsa').chainFile}`,
        ...expand(settings, directory),
      }).map(([name, value]) => `${name}=${value}`);
      const { smtpd } = optionsFromParameters(readAssignments(assignments), 'smtpd');
      const server = new Smtpd({ ...smtpd, logger: warnings, onData: () => undefined });
      smtpds.push(server);
      const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
      ours.push({ address: '127.0.0.1', port });
    }
  }, 10 * minutes);

  afterAll(async () => {
    await postfix?.stop();
    for (const server of smtpds) {
      await server.close(true);
    }
    rmSync(directory, { recursive: true });
  });

  test.each(rows.map((row, i) => ({ ...row, i })))(
    '$i: $settings',
    async ({ i, works, gets = {} }) => {
      const results = await Promise.all(
        all.map(async (client) => {
          const [here, there] = await Promise.all([
            probe(ours[i] as Place, client),
            probe(postfix.placeOf(`row ${i}`), client),
          ]);
          return { client, here, there };
        }),
      );
      const table = (which: 'here' | 'there'): Record<string, string> =>
        Object.fromEntries(results.map((result) => [result.client, result[which]]));
      expect(table('here')).toEqual(table('there'));
      const good = results.filter(({ here }) => !here.startsWith('failed'));
      expect(good.map(({ client }) => client)).toEqual(all.filter((name) => works.includes(name)));
      expect(table('here')).toMatchObject(
        Object.fromEntries(
          Object.entries(gets).map(([client, what]) => [client, expect.stringMatching(what)]),
        ),
      );
    },
    2 * minutes,
  );
});

/** Options of posttls-finger, settings of ours, and what it says. */
const fingers: readonly (readonly [readonly string[], readonly string[], RegExp])[] = [
  [[], [], /Untrusted TLS connection established .*: TLSv1\.3 with cipher /],
  [['-p', '!TLSv1.3'], [], /: TLSv1\.2 with cipher ADH-AES256-GCM-SHA384 /],
  [['-p', '!TLSv1.3'], ['smtpd_tls_exclude_ciphers=aNULL'], /: TLSv1\.2 with cipher ECDHE-/],
  [['-p', '<=TLSv1.1'], [], /: TLSv1\.1 with cipher /],
  [['-p', '<=TLSv1.1'], ['smtpd_tls_protocols=>=TLSv1.2'], /alert protocol version/],
];

describe.skipIf(reason !== null)('posttls-finger to our smtpd', () => {
  test.each(fingers)('%j %j', async (options, settings, said) => {
    prepareDebian13();
    const chain = `smtpd_tls_chain_files=${certificate('rsa').chainFile}`;
    const ours = parameters('smtpd_tls_security_level=may', chain, ...settings);
    const port = await smtpdCommand(...ours).port();
    const directory = mkdtempSync(join(tmpdir(), 'mxtls-finger-'));
    try {
      writeFileSync(join(directory, 'main.cf'), 'compatibility_level = 3.9\n');
      const command = ['posttls-finger', '-c', '-l', 'may', ...options, `[127.0.0.1]:${port}`];
      const finger = ['env', `MAIL_CONFIG=${directory}`, ...command];
      const output = runInDebian13(['sh', '-c', '"$@" 2>&1', 'sh', ...finger], directory);
      expect(output).toMatch(said);
    } finally {
      forgetDirectory(directory);
      rmSync(directory, { recursive: true });
    }
  });
});
