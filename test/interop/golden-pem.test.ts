/**
 * The distribution's Postfix reads the golden PEM files (test/golden/pem): it says of them what the texts there say, but where a
 * difference is meant. posttls-finger loads a client's chains with the code of smtpd.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  forgetDirectory,
  prepareDebian13,
  runInDebian13,
  whyNoDebian13,
} from '../helpers/debian13.js';
import { type PemCase, pemCases, pemFolder } from '../helpers/golden-pem.js';

/** Names of cases in which Postfix says something else, and why that is so. */
const differences: Readonly<Record<string, RegExp>> = {
  // A file that is missing is a failure here; Postfix goes on without the chains.
  'bad-file-is-missing': /^warning: error opening chain file: \S+: No such file or directory$/,
  'legacy-bad-mixed-file-is-missing':
    /^warning: error opening chain file: \S+: No such file or directory$/,
  // An encrypted key is called one.
  'bad-encrypted-pkcs8-key': /^warning: loading \S+: ignoring PEM type: ENCRYPTED PRIVATE KEY$/m,
  'legacy-bad-mixed-encrypted-key': /^warning: No private key found in \S+$/m,
  // What the PEM decoder refuses has a file and a number here.
  ...Object.fromEntries(
    ['base64', 'cut-in-cert', 'cut-in-key', 'end-line-of-another', 'no-end-line'].map((name) => [
      `bad-${name}`,
      /^warning: error loading private keys and certificates from: \S+: disabling TLS support$/,
    ]),
  ),
};

const reason = whyNoDebian13();
if (reason !== null && process.env['CI']) {
  throw new Error(reason);
}

describe.skipIf(reason !== null)(`Postfix's loader${reason === null ? '' : `: ${reason}`}`, () => {
  const cases = pemCases();
  const said = new Map<string, string>();
  const directory = mkdtempSync(join(tmpdir(), 'mxtls-pem-'));

  beforeAll(() => {
    prepareDebian13();
    cpSync(pemFolder, directory, { recursive: true, verbatimSymlinks: true });
    mkdirSync(join(directory, 'config'));
    writeFileSync(join(directory, 'config', 'main.cf'), 'maillog_file = /dev/stdout\n');
    writeFileSync(join(directory, 'all.sh'), cases.map(script).join('\n'));
    const output = runInDebian13(['sh', join(directory, 'all.sh')], directory);
    for (const part of output.split('== ').slice(1)) {
      const [name = '', ...lines] = part.split('\n');
      said.set(name, lines.filter(isAboutFiles).map(withoutProgram).join('\n'));
    }
  }, 600_000);

  afterAll(() => {
    forgetDirectory(directory);
    rmSync(directory, { recursive: true });
  });

  test.each(cases)('$name', ({ name }) => {
    const ours = readFileSync(`${pemFolder}${name}.txt`, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('warning: '))
      .join('\n');
    const difference = differences[name];
    if (difference === undefined) {
      expect(said.get(name)).toBe(ours);
    } else {
      expect(said.get(name)).toMatch(difference);
      expect(said.get(name)).not.toBe(ours);
    }
  });
});

/** Nobody listens on port 1: the files are read before the connection is tried. */
function script({ name, files }: PemCase): string {
  const key = files.find((file) => file.endsWith('.key.pem')) ?? `${name}.pem`;
  const from = name.startsWith('legacy-')
    ? `-k ${name}.pem -K ${key}`
    : files.map((file) => `-H ${file}`).join(' ');
  return `echo "== ${name}"
MAIL_CONFIG=$PWD/config posttls-finger -c -l may ${from} '[127.0.0.1]:1' 2>&1 </dev/null`;
}

function isAboutFiles(line: string): boolean {
  return line.includes('warning: ') && !line.includes('TLS library problem');
}

function withoutProgram(line: string): string {
  return line.replace(/^.*?posttls-finger: /, '');
}
