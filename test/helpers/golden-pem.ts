/** The cases of test/golden/pem. */
import { readdirSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ChainSource } from '../../lib/tls/chains.js';

/** As the files are named in messages, which cut long paths; with a slash at its end. */
export const pemFolder = `${relative('.', fileURLToPath(new URL('../golden/pem', import.meta.url)))}/`;

export interface PemCase {
  readonly name: string;
  /** In the folder. */
  readonly files: readonly string[];
  readonly source: ChainSource;
}

/** All of them, by name. */
export function pemCases(): readonly PemCase[] {
  const byName = new Map<string, string[]>();
  for (const file of readdirSync(pemFolder).sort()) {
    const name = /^(.*?)(?:\.(?:\d|key))?\.pem$/.exec(file)?.[1];
    if (name !== undefined) {
      byName.set(name, [...(byName.get(name) ?? []), file]);
    }
  }
  return [...byName].map(([name, files]) => ({ name, files, source: sourceOf(name, files) }));
}

function sourceOf(name: string, files: readonly string[]): ChainSource {
  const paths = files.map((file) => `${pemFolder}${file}`);
  if (!name.startsWith('legacy-')) {
    return { kind: 'files', files: paths };
  }
  const certFile = `${pemFolder}${name}.pem`;
  const keyFile = paths.find((path) => path.endsWith('.key.pem')) ?? certFile;
  return { kind: 'pairs', pairs: [{ label: 'RSA', certFile, keyFile }] };
}
