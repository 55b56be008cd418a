/** `mxtls postconf` against golden files: the whole dump of defaults, and what a main.cf comes to. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test, vi } from 'vitest';
import { postconfCommand } from '../../lib/cli/postconf.js';

const folder = fileURLToPath(new URL('./postconf', import.meta.url));

afterEach(() => vi.restoreAllMocks());

interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function postconf(...args: readonly string[]): Promise<Output> {
  const texts = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    vi.spyOn(process[stream], 'write').mockImplementation((text) => {
      texts[stream] += String(text);
      return true;
    });
  }
  try {
    return { code: await postconfCommand.run(args), ...texts };
  } finally {
    vi.restoreAllMocks();
  }
}

/** Values that depend on the machine, or on our own version, have a name instead. */
function neutral(text: string): string {
  const dot = hostname().indexOf('.');
  return text
    .replace(`myhostname = ${hostname()}\n`, 'myhostname = HOSTNAME\n')
    .replace(
      `mydomain = ${dot < 0 ? 'localdomain' : hostname().slice(dot + 1)}\n`,
      'mydomain = DOMAIN\n',
    )
    .replace(/^mail_version = \S+$/m, 'mail_version = VERSION')
    .replaceAll(folder, 'DIR');
}

function golden(name: string): string {
  return readFileSync(join(folder, name), 'utf8');
}

test('all defaults', async () => {
  const { code, stdout, stderr } = await postconf('-d');
  expect(neutral(stdout)).toBe(golden('defaults.txt'));
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});

test.each([
  ['set.txt', '-n'],
  ['set-expanded.txt', '-n -x'],
  ['overridden.txt', '-n -o smtpd_tls_security_level=encrypt -o smtp_helo_name=$myhostname'],
])('what is set in a main.cf: %s', async (file, args) => {
  const { code, stdout, stderr } = await postconf('-c', folder, ...args.split(' '));
  expect(neutral(stdout)).toBe(golden(file));
  expect(neutral(stderr)).toBe(golden('warnings.txt'));
  expect(code).toBe(0);
});

test('everything is what is set, else the default', async () => {
  const { stdout } = await postconf('-c', folder);
  const set = golden('set.txt').split('\n');
  const names = set.map((line) => line.split(' ')[0]);
  const rest = golden('defaults.txt')
    .split('\n')
    .filter((line) => !names.includes(line.split(' ')[0]) && !line.startsWith('mydomain'));
  expect(neutral(stdout).split('\n')).toEqual(expect.arrayContaining(rest));
  expect(neutral(stdout).split('\n')).toEqual(expect.arrayContaining(set));
});

test('names choose, in their order', async () => {
  expect(
    await postconf('tls_config_file', 'smtp_tls_loglevel', '-o', 'smtp_tls_loglevel=1'),
  ).toEqual({
    code: 0,
    stdout: 'tls_config_file = none\nsmtp_tls_loglevel = 1\n',
    stderr: '',
  });
  expect((await postconf('-H', 'tls_config_file', 'stress')).stdout).toBe(
    'tls_config_file\nstress\n',
  );
});

test('JSON is an object', async () => {
  const { stdout } = await postconf('--json', '-x', 'smtp_tls_security_level', 'smtpd_timeout');
  expect(JSON.parse(stdout)).toEqual({ smtp_tls_security_level: 'may', smtpd_timeout: '300s' });
});

test.each([
  ['smtp_tls_logevel', 'unknown parameter "smtp_tls_logevel"; did you mean "smtp_tls_loglevel"?'],
  ['relayhost', 'mxtls does not have this parameter of Postfix: relayhost'],
  ['lmtp_tls_loglevel', 'mxtls has no lmtp: lmtp_tls_loglevel'],
  [
    'smtp_tls_cipherlist',
    'parameter smtp_tls_cipherlist is no longer one of Postfix; use smtp_tls_ciphers',
  ],
])('%s is not known', async (name, warning) => {
  expect(await postconf(name, 'stress')).toEqual({
    code: 1,
    stdout: 'stress =\n',
    stderr: `mxtls: warning: ${warning}\n`,
  });
});

test.each([
  [['-d', '-n'], 'COMMAND_LINE'],
  [['-d', '-o', 'stress=x'], 'COMMAND_LINE'],
  [['-o', 'nonsense'], 'COMMAND_LINE'],
  [['-o', 'smtp_tls_logevel=1'], 'UNKNOWN_OPTION'],
  [['-c', '/nonexistent'], 'MAIN_CF'],
  [['-x', '-o', 'smtpd_banner=$nosuch'], 'INVALID_PARAMETER'],
])('%j is an error', async (args, code) => {
  await expect(postconf(...args)).rejects.toMatchObject({ code });
});

test('a main.cf that is none names file and line', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'mxtls-postconf-'));
  try {
    writeFileSync(join(directory, 'main.cf'), 'stress = yes\nnonsense\n');
    await expect(postconf('-c', directory)).rejects.toMatchObject({
      code: 'MAIN_CF',
      message: `${directory}/main.cf, line 2: "nonsense" is no parameter setting; write name = value`,
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('help has examples', async () => {
  expect((await postconf('--help')).stdout).toMatch(
    /^Usage: mxtls postconf [\s\S]*\nExamples:\n {2}mxtls/,
  );
});
