/** Lookup tables: their formats, what is wrong with them, and what to do about it. */
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readValue } from '../../lib/config/values.js';
import { knownParameter } from '../../lib/config/parameters.js';
import { TlsError } from '../../lib/errors.js';
import { decodeFileValue } from '../../lib/maps/file-values.js';
import { writeLmdb } from '../../lib/maps/lmdb-table.js';
import { openTable } from '../../lib/maps/open.js';
import { parseSource } from '../../lib/maps/source.js';

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'mxtls-maps-'));
  onTestFinished(() => rmSync(made, { recursive: true }));
  return made;
}

function file(content: string, name = 'table'): string {
  const path = join(folder(), name);
  writeFileSync(path, content);
  return path;
}

/** What a table says of some keys. */
async function look(spec: string, ...keys: readonly string[]): Promise<unknown[]> {
  const table = await openTable(spec);
  onTestFinished(() => table.close());
  return Promise.all(keys.map((key) => table.lookup(key)));
}

describe('the source format', () => {
  test('comments, blank lines, continued lines, quoted keys', () => {
    const source = [
      '# a comment',
      'One  value of one',
      '',
      'two value',
      '# a comment inside',
      '   that goes on  ',
      '"a b"@Example.org quoted',
      ' ',
    ].join('\n');
    expect(parseSource(source, 'F')).toEqual({
      entries: [
        { key: 'one', value: 'value of one', origin: 'F, line 2' },
        { key: 'two', value: 'value that goes on', origin: 'F, line 4' },
        { key: '"a b"@example.org', value: 'quoted', origin: 'F, line 7' },
      ],
      warnings: [],
    });
  });

  test('what is wrong is a warning with its line, and the first of equal keys counts', () => {
    expect(parseSource('one\nkey: value\nTwo a\ntwo b\n', 'F')).toEqual({
      entries: [
        { key: 'key:', value: 'value', origin: 'F, line 2' },
        { key: 'two', value: 'a', origin: 'F, line 3' },
      ],
      warnings: [
        'F, line 1: expected format: key whitespace value',
        'F, line 2: record is in "key: value" format; is this an alias file?',
        'F, line 4: duplicate entry: "two"',
      ],
    });
  });
});

test('texthash: keys are folded, when they are read and when they are asked for', async () => {
  const spec = `texthash:${file('Mx.Example.org one\n')}`;
  expect(await look(spec, 'mx.example.org', 'MX.EXAMPLE.ORG', 'mx')).toEqual([
    'one',
    'one',
    undefined,
  ]);
});

test.each([
  ['inline:{a=1,b=2}', ['1', '2', undefined]],
  ['inline:{ a=1 b=2 }', ['1', '2', undefined]],
  [
    'inline:{ {A = one and one}, { c = with, comma and = sign } }',
    ['one and one', undefined, 'with, comma and = sign'],
  ],
])('%s', async (spec, expected) => {
  expect(await look(spec, 'a', 'b', 'c')).toEqual(expected);
});

test('lmdb: what was written is found, and the store is its owner’s alone', async () => {
  const name = join(folder(), 'store');
  await writeLmdb(name, [
    ['Mx.Example.org', 'one'],
    ['two', ''],
    ['mx.example.org', 'a later one'],
  ]);
  expect(await look(`lmdb:${name}`, 'MX.example.org', 'two', 'three')).toEqual([
    'one',
    '',
    undefined,
  ]);
  expect(statSync(`${name}.mxlmdb`).mode & 0o777).toBe(0o600);
});

test('lmdb: a new store takes the place of the old one at once; who has the old one open keeps it', async () => {
  const name = join(folder(), 'store');
  await writeLmdb(name, [['key', 'old']]);
  const old = await openTable(`lmdb:${name}`);
  await writeLmdb(name, [['key', 'new']]);
  expect(await old.lookup('key')).toBe('old');
  expect(await look(`lmdb:${name}`, 'key')).toEqual(['new']);
  old.close();
  expect(
    readdirSync(join(name, '..')).filter((found) => !/^store\.mxlmdb(-lock)?$/.test(found)),
  ).toEqual([]);
});

test('lmdb: where a store cannot be written, the old one stands', async () => {
  await expect(writeLmdb('/nonexistent/store', [['key', 'value']])).rejects.toMatchObject({
    code: 'LOOKUP_TABLE',
    message: expect.stringContaining('cannot write /nonexistent/store.mxlmdb: '),
  });
});

describe('values that are files', () => {
  test('are read when the table is opened, with a newline between', async () => {
    const a = file('A', 'a.pem');
    const b = file('B\n', 'b.pem');
    for (const spec of [`inline:{ {k = ${a}, ${b}} }`, `texthash:${file(`k ${a} ${b}\n`)}`]) {
      const table = await openTable(spec, { valuesAreFiles: true });
      const value = await table.lookup('K');
      expect(decodeFileValue(value ?? '')?.toString()).toBe('A\nB\n');
    }
  });

  test('a file that cannot be read is an error that tells the line', async () => {
    const table = file('ok /dev/null\nk /nonexistent/x.pem\n');
    await expect(openTable(`texthash:${table}`, { valuesAreFiles: true })).rejects.toMatchObject({
      code: 'LOOKUP_TABLE',
      class: 'config',
      message: `${table}, line 2: cannot read /nonexistent/x.pem: No such file or directory`,
    });
  });

  test.each(['A', 'AAA', 'AA==A', '!AAA', 'AAAA\n'])('%j is no base64', (text) => {
    expect(decodeFileValue(text)).toBeNull();
  });
});

test('cidr: the first network that has the address counts; other keys are never found', async () => {
  const spec =
    'cidr:{ {192.0.2.7 host}, {192.0.2.0/24 net of many}, {2001:db8::/32 six}, {::/0 any} }';
  expect(
    await look(spec, '192.0.2.7', '192.0.2.8', '192.0.3.1', '2001:DB8::1', '::1', 'a.example'),
  ).toEqual(['host', 'net of many', undefined, 'six', 'any', undefined]);
});

test.each([
  ['cidr:/etc/x', 'bad syntax: "cidr:/etc/x"'],
  ['cidr:{ {192.0.2.0/33 x} }', 'cidr:{ {192.0.2.0/33 x} }: bad network "192.0.2.0/33"'],
  ['cidr:{ {192.0.2.1/24 x} }', 'cidr:{ {192.0.2.1/24 x} }: bad network "192.0.2.1/24"'],
  ['cidr:{ {a.example x} }', 'cidr:{ {a.example x} }: bad network "a.example"'],
  ['cidr:{ {192.0.2.1} }', 'cidr:{ {192.0.2.1} }: bad network "192.0.2.1"'],
])('%s is refused', async (spec, message) => {
  await expect(openTable(spec)).rejects.toMatchObject({
    code: 'LOOKUP_TABLE',
    message: `${message}; write cidr:{ {192.0.2.0/24 value}, {2001:db8::/32 value} }`,
  });
});

test.each([
  ['/etc/x', '"/etc/x" is no lookup table; write type:name, such as texthash:/etc/x'],
  ['texthsh:/x', 'unsupported dictionary type: texthsh; did you mean "texthash:/x"?'],
  [
    'hash:/x',
    'unsupported dictionary type: hash; use texthash:/x, or lmdb:/x after "mxtls sni build /x"',
  ],
  [
    'mysql:/x',
    'unsupported dictionary type: mysql; use one of texthash, inline, lmdb, cidr, socketmap',
  ],
  ['texthash:/nonexistent', 'texthash:/nonexistent: cannot read it: No such file or directory'],
  [
    'lmdb:/nonexistent',
    'lmdb:/nonexistent: cannot open /nonexistent.mxlmdb: No such file or directory; make it with "mxtls sni build /nonexistent"',
  ],
  [
    'inline:a=b',
    'bad syntax: "inline:a=b": need "inline:{name=value...}"; write inline:{ {name = value}, {name = value} }',
  ],
  ['inline:{ }', 'empty table: "inline:{ }": need "inline:{name=value...}"'],
  [
    'inline:{ a }',
    'bad syntax: "inline:{ a }": "a" is not name = value; write inline:{ {name = value}, {name = value} }',
  ],
])('%s is refused with a sentence that helps', async (spec, message) => {
  const error: unknown = await openTable(spec).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(TlsError);
  expect(error).toMatchObject({ code: 'LOOKUP_TABLE', message });
});

test('a store that is none is refused', async () => {
  const path = file('this is no store', 'x.mxlmdb');
  await expect(openTable(`lmdb:${path.replace(/\.mxlmdb$/, '')}`)).rejects.toMatchObject({
    code: 'LOOKUP_TABLE',
    message: expect.stringContaining(`${path} is no store of mxtls; make it with`),
  });
});

test('a list of tables is split outside braces only', () => {
  const row = knownParameter('tls_server_sni_maps');
  expect(row && readValue(row, 'texthash:/a, inline:{ {b = c, d} },lmdb:/e')).toEqual([
    'texthash:/a',
    'inline:{ {b = c, d} }',
    'lmdb:/e',
  ]);
});
