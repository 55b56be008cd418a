/**
 * Loading keys and certificates: PEM files and what an engine says of them, one case per row of Postfix's rules and errors.
 *
 * A case is NAME.pem, or several files NAME.1.pem, NAME.2.pem as one list, or (legacy-) a certificate file NAME.pem with the key in
 * NAME.key.pem or in the same file. NAME.txt has the lines that are logged, then the chains that were loaded, or the error. OpenSSL's
 * own lines are left out: they name lines of its source. `scripts/golden-pem.mjs` makes the PEM files; test/interop shows what Postfix
 * says to them.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { TlsError } from '../../lib/errors.js';
import { type ChainSource, loadChains } from '../../lib/tls/chains.js';
import { initLibrary } from '../../lib/tls/library.js';
import { pemCases, pemFolder } from '../helpers/golden-pem.js';

beforeAll(() => initLibrary());

/** What becomes of a source, with file names for paths. */
function outcome(source: ChainSource): string {
  const lines: string[] = [];
  try {
    const { certificates } = loadChains(source, (text) => lines.push(`warning: ${text}`));
    for (const { depth, keyType, subject, file, index } of certificates) {
      const place = `(PEM object number ${index} in ${file})`;
      lines.push(depth === 0 ? `${keyType} ${subject} ${place}` : `  issuer ${subject}`);
    }
  } catch (error) {
    if (!(error instanceof TlsError)) {
      throw error;
    }
    lines.push(`${error.class} ${error.code}: ${error.message}`);
  }
  return `${lines.filter((line) => !line.includes('TLS library problem')).join('\n')}\n`;
}

const cases = pemCases();

test('there are golden files, and nothing beside them', () => {
  expect(cases.length).toBeGreaterThanOrEqual(73);
  const known = new Set(cases.flatMap(({ name, files }) => [`${name}.txt`, ...files]));
  expect(readdirSync(pemFolder).filter((file) => !known.has(file))).toEqual([]);
});

test.each(cases)('$name', ({ name, source }) => {
  const text = readFileSync(join(pemFolder, `${name}.txt`), 'utf8');
  expect(outcome(source).replaceAll(pemFolder, '')).toBe(text);
});

test.each(cases)('$name ends as its name says', ({ name }) => {
  const text = readFileSync(join(pemFolder, `${name}.txt`), 'utf8');
  const kind = /^(?:legacy-)?(good|warn|bad)-/.exec(name)?.[1];
  expect({
    warns: /^warning: /m.test(text),
    fails: /^config CHAIN_/m.test(text),
  }).toEqual({ warns: kind !== 'good', fails: kind === 'bad' });
});
