/**
 * "No effect in this version" is true, and what does not say so has an effect: the sources of each engine are searched
 * for its options.
 *
 * A name that is read counts, wherever: this finds options that were forgotten, not those that are used wrongly.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type Engine, engineParameters } from '../../lib/config/check.js';

const lib = new URL('../../lib/', import.meta.url);

/** Of servers alone. */
const serverFile = 'tls/tickets.ts';

function source(...names: readonly string[]): string {
  return names
    .flatMap((name) =>
      name.endsWith('.ts')
        ? [name]
        : readdirSync(new URL(`${name}/`, lib)).map((file) => `${name}/${file}`),
    )
    .filter((name) => name !== 'tls/options.ts' && (names.includes(name) || name !== serverFile))
    .map((name) => readFileSync(new URL(name, lib), 'utf8'))
    .join('\n')
    .replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, '');
}

const shared = source('tls', 'log', 'smtp');
const sources: Readonly<Record<Engine, string>> = {
  smtpd: `${source('smtpd', 'sni', 'server.ts', serverFile)}${shared}`,
  smtp: `${source('delivery', 'client.ts')}${shared}`,
};

/** Its default is what smtp_helo_name is made of; and what is a server's among the parameters of both engines. */
const usedByReference = ['smtp myhostname', 'smtp serverSniMaps', 'smtp sessionTicketCipher'];

test.each(['smtpd', 'smtp'] as const)('the %s engine reads its options', (engine) => {
  const rows = engineParameters(engine).map((row) => {
    const name = row.option.split('.').at(-1) ?? '';
    const read =
      new RegExp(`\\b${name}\\b`).test(sources[engine]) ||
      usedByReference.includes(`${engine} ${name}`);
    return { name: row.name, pending: row.pending === true, read };
  });
  const names = (list: readonly { readonly name: string }[]) => list.map(({ name }) => name);
  expect(names(rows.filter(({ pending, read }) => !pending && !read))).toEqual([]);
  // Take `pending` out of the table, and give the option a field, when it begins to act.
  expect(names(rows.filter(({ pending, read }) => pending && read))).toEqual([]);
});
