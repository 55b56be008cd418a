// Writes docs/parameters.md from the parameter table. `--check` compares instead and exits 1 when the page is stale.
//
// The table is TypeScript: build first, or name another build with --dist DIR. A unit test does the same comparison
// from the sources.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { run, Sentence, say } from './say.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PAGE = join(ROOT, 'docs', 'parameters.md');

/** Sections of the page, in order: title, what it holds, which rows. */
const SECTIONS = [
  ['General', 'Of both engines, or there for other parameters to refer to.', isGeneral],
  ['smtpd', 'Options of `Smtpd`.', (row) => row.group === 'smtpd' && !isTls(row)],
  [
    'smtpd: TLS',
    'Options of `Smtpd`, in the field `tls`.',
    (row) => row.group === 'smtpd' && isTls(row),
  ],
  ['smtp', 'Options of `Smtp`.', (row) => row.group === 'smtp' && !isTls(row)],
  [
    'smtp: TLS',
    'Options of `Smtp`, in the field `tls`.',
    (row) => row.group === 'smtp' && isTls(row),
  ],
  ['TLS library', 'Options of both classes, in the field `tls`.', (row) => row.group === 'tls'],
  ['tlsproxy', 'For the service tlsproxy.', (row) => row.group === 'tlsproxy'],
];

const INTRO = `<!-- Written by scripts/parameter-docs.mjs from lib/config/table-*.ts; do not edit. -->

# Parameters

The parameters of Postfix that mxtls knows, by their names there. Set them in \`main.cf\` (\`-c DIR\` of the commands) or by
\`-o name=value\`, which overrides it; or give them to the classes as the option that is named beside them. Times are
milliseconds as options, lists are arrays.

- **Default**: \`$name\` is the value of another parameter; \`\${stress?{a}:{b}}\` is a where \`stress\` is not empty, else b;
  \`\${{$compatibility_level} <level {3.6} ? {a} : {b}}\` is a where the release is older than 3.6, else b.
- **Since**: the release of Postfix that brought it.
- *not yet*: known, but nothing acts upon it in this version. Setting it is a warning, giving it as an option an error.
- *ignored*: it never has an effect, and setting it is a warning.
- *legacy*: works; what is named is better.

Where a default differs from that of Postfix 3.12, the notes say so. Names of Postfix that are not on this page are passed
over with one warning; \`lmtp_*\` and \`postscreen_*\` are out of scope. \`mxtls postconf\` shows what a configuration comes to.
`;

function isGeneral(row) {
  return ['both', 'general', 'tlsmgr'].includes(row.group);
}

function isTls(row) {
  return /^smtpd?_tls_/.test(row.name);
}

/** The page. */
export function renderParameters(parameters) {
  return `${INTRO}${SECTIONS.map((section) => renderSection(section, parameters)).join('')}`;
}

function renderSection([title, about, belongs], parameters) {
  const rows = parameters.filter(belongs);
  return `
## ${title}

${about}

| parameter | default | what it is | option | since | notes |
|---|---|---|---|---|---|
${rows.map((row) => `${renderRow(row)}\n`).join('')}`;
}

function renderRow(row) {
  const cells = [
    code(row.name),
    row.default === '' ? '' : code(row.default),
    `${row.doc} (${TYPES[row.type] ?? row.type})`,
    row.option === null ? '' : code(row.option),
    row.since ?? '',
    notes(row).join('; '),
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

/** Types in words. */
const TYPES = {
  string: 'text',
  bool: 'yes or no',
  enum: 'a word',
  int: 'number',
  'colon-list': 'list',
  grade: 'cipher grade',
  exclusions: 'list',
  protocols: 'protocol range',
  'server-level': 'level',
  'client-level': 'level',
};

function notes(row) {
  return [
    ...(row.pending ? ['*not yet*'] : []),
    ...(row.ignored === undefined ? [] : [`*ignored*: ${row.ignored}`]),
    ...(row.legacy === undefined ? [] : [`*legacy*: ${successor(row.legacy)}`]),
    ...(row.postfixDefault === undefined ? [] : [`Postfix: ${postfixDefault(row)}`]),
    ...(row.note === undefined ? [] : [row.note]),
  ];
}

function successor(legacy) {
  return /_/.test(legacy) ? code(legacy) : `leave it at ${legacy}`;
}

function postfixDefault(row) {
  return row.postfixDefault === '' ? 'found out' : code(row.postfixDefault);
}

function code(text) {
  return `\`${text}\``;
}

async function main() {
  const { values } = parseArgs({
    options: { check: { type: 'boolean' }, dist: { type: 'string', default: join(ROOT, 'dist') } },
  });
  const table = join(resolve(values.dist), 'config', 'parameters.js');
  if (!existsSync(table)) {
    throw new Sentence('there is no build of the parameter table; run `npm run build` first.');
  }
  const { parameters } = await import(pathToFileURL(table).href);
  const page = renderParameters(parameters);
  if (!values.check) {
    writeFileSync(PAGE, page);
    say(`${parameters.length} parameters written to docs/parameters.md`);
  } else if (readFileSync(PAGE, 'utf8') !== page) {
    throw new Sentence('docs/parameters.md is stale; run `node scripts/parameter-docs.mjs`.');
  }
}

if (process.argv[1] !== undefined && fileURLToPath(import.meta.url) === resolve(process.argv[1])) {
  await run(main);
}
