/** docs/from-main-cf.md: its example works as it stands, and it has every parameter with the truth about it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { resolveSmtpd, resolveStressedSmtpd } from '../../lib/config/check.js';
import { optionsFromParameters, readMainCf } from '../../lib/config/from-parameters.js';
import { parameters } from '../../lib/config/parameters.js';
import { silentLogger } from '../../lib/log/logger.js';
import { Smtpd, type SmtpdOptions } from '../../lib/server.js';
import { permitTlsClientcerts } from '../../lib/smtpd/ccert-access.js';
import { handlerNames } from '../../lib/smtpd/handlers.js';
import type { SmtpdListener, SmtpdListenOptions } from '../../lib/smtpd/listener.js';
import { restrictions } from '../../lib/smtpd/restrictions.js';
import {
  authority,
  certificate,
  issuedCertificate,
  namedCertificate,
} from '../helpers/certificates.js';
import { enter, pem } from '../helpers/ccert-clients.js';
import { mxtls, Run } from '../helpers/command.js';
import { pkeyFingerprint } from '../helpers/fingerprints.js';
import { askFor, fingerprintOf } from '../helpers/sni-client.js';

const page = readFileSync(new URL('../../docs/from-main-cf.md', import.meta.url), 'utf8');
/** Of the example, in this order: main.cf, commands, log, program. */
const [mainCf = '', commands = '', log = '', program = ''] = [
  ...page.matchAll(/^```\w*\n(.*?)^```$/gms),
].map(([, text]) => text ?? '');

/** /etc/mxtls of the example. */
async function etcMxtls(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'mxtls-main-cf-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const copy = (name: string, file: string): void =>
    writeFileSync(join(folder, name), readFileSync(file), { mode: 0o600 });
  writeFileSync(join(folder, 'main.cf'), mainCf);
  copy('ecdsa.pem', certificate('ecdsa').chainFile);
  copy('rsa.pem', certificate('rsa').chainFile);
  copy('clients.pem', authority().certFile);
  writeFileSync(join(folder, 'sni'), `mail.example.org ${namedCertificate('sni').chainFile}\n`);
  const branch = pkeyFingerprint(issuedCertificate().certFile);
  writeFileSync(join(folder, 'relay_clientcerts'), `${branch} branch office\n`);
  const [build = ''] = commands.split('\n');
  const { code } = await mxtls(placed(build, folder).split(' ').slice(1));
  expect(code).toBe(0);
  return folder;
}

function placed(text: string, folder: string): string {
  return text.replaceAll('/etc/mxtls', folder);
}

class Recorder extends Smtpd {
  readonly given: SmtpdOptions;
  listener: SmtpdListener | null = null;

  constructor(options: SmtpdOptions) {
    super({ ...options, logger: silentLogger });
    this.given = options;
    onTestFinished(() => this.close(true));
  }

  override async listen(where: SmtpdListenOptions): Promise<SmtpdListener> {
    expect(where).toEqual({ port: 25 });
    this.listener = await super.listen({ host: '127.0.0.1', port: 0 });
    return this.listener;
  }
}

/** Runs the program of the page; its server. */
async function runProgram(folder: string, stored: string[]): Promise<Recorder> {
  const text = placed(program, folder).replace(/^import .*$/m, '');
  const AsyncFunction = (async () => undefined).constructor as new (
    ...parts: string[]
  ) => (...values: unknown[]) => Promise<Recorder>;
  const body = new AsyncFunction(
    ...['Smtpd', 'permitTlsClientcerts', 'restrictions', 'store'],
    `${text}; return smtpd;`,
  );
  return body(Recorder, permitTlsClientcerts, restrictions, (chunk: Buffer) => {
    stored.push(chunk.toString());
  });
}

/** The chains of the default, by what the client knows, and that of a name. */
async function expectChains(port: number): Promise<void> {
  const of = async (name: string | null, ...args: string[]): Promise<string | null> =>
    (await askFor({ port, name, args })).certificate;
  expect(await of(null)).toBe(fingerprintOf(certificate('ecdsa').certFile));
  expect(await of(null, '-sigalgs', 'RSA-PSS+SHA256')).toBe(
    fingerprintOf(certificate('rsa').certFile),
  );
  expect(await of('mail.example.org')).toBe(fingerprintOf(namedCertificate('sni').certFile));
}

test('the commands serve the main.cf, and say what is left of it', async () => {
  const folder = await etcMxtls();
  const [, smtpd = ''] = commands.split('\n');
  // Only root can become another user, and port 25 is not ours; the rest is as on the page.
  const args = placed(smtpd, folder)
    .replaceAll("'", '')
    .replace('[::]:25', '127.0.0.1:0')
    .replace(' --user mail', '')
    .replace('/var/mail/example', join(folder, 'mail'))
    .split(' ');
  expect(args.slice(0, 2)).toEqual(['mxtls', 'smtpd']);
  const run = new Run(args.slice(1));
  const port = await run.port();
  expect(run.stderr.replaceAll(/^mxtls: /gm, '')).toBe(log);
  await expectChains(port);
});

test('the program has the options of the main.cf', async () => {
  const folder = await etcMxtls();
  const { given } = await runProgram(folder, []);
  const { smtpd, warnings } = optionsFromParameters(readMainCf(folder), 'smtpd');
  expect(warnings.map((text) => `warning: ${text}\n`).join('')).toBe(log);
  const resolve = (options: SmtpdOptions | typeof smtpd): unknown[] => [
    resolveSmtpd(options, [...handlerNames, 'underStress']),
    resolveStressedSmtpd({ ...options, ...options.underStress }, [...handlerNames, 'underStress']),
  ];
  expect(resolve(given)).toEqual(resolve(smtpd));
});

test('the program serves, and relays for the client in its table alone', async () => {
  const stored: string[] = [];
  const { listener } = await runProgram(await etcMxtls(), stored);
  const port = listener?.port ?? 0;
  await expectChains(port);
  const outside = 'RCPT TO:<b@elsewhere.example>';
  const stranger = await enter(port);
  await stranger.commands('EHLO x', 'MAIL FROM:<a@x.example>');
  expect(await stranger.command(outside)).toBe(
    '554 5.7.1 <b@elsewhere.example>: Relay access denied',
  );
  const branch = await enter(port, pem(issuedCertificate()));
  await branch.commands('EHLO x', 'MAIL FROM:<a@x.example>');
  expect(await branch.command(outside)).toBe('250 2.1.5 Ok');
  await branch.command('DATA');
  expect(await branch.command('Subject: x\r\n\r\nhello\r\n.')).toMatch(/^250 2\.0\.0 Ok/);
  expect(stored.join('')).toContain('hello\r\n');
});

/** What the page says about each parameter in its tables. */
const told = new Map(
  page
    .slice(page.indexOf('## Parameter by parameter'))
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .flatMap((line) => {
      const [names = '', sentence = ''] = line.split(' | ');
      return [...names.matchAll(/`(\w+)`/g)].map(([, name]) => [name ?? '', sentence] as const);
    }),
);

const ofServer = parameters.filter(({ group }) => group !== 'smtp' && group !== 'tlsproxy');

test('every parameter of the server is told about, and no other', () => {
  expect([...told.keys()].sort()).toEqual(ofServer.map(({ name }) => name));
});

test.each(ofServer)(
  '$name: what the page says is so',
  ({ name, pending, ignored, postfixDefault }) => {
    const status = /^(?:same|differs|not yet|ignored)\b/.exec(told.get(name) ?? '')?.[0];
    const ours = postfixDefault === undefined ? /^(?:same|differs)$/ : /^differs$/;
    expect(status).toMatch(pending ? /^not yet$/ : ignored !== undefined ? /^ignored$/ : ours);
  },
);
