/** The tables of one parameter: opened once, all or none; read anew; closed, also in the middle of it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { writeLmdb } from '../../lib/maps/lmdb-table.js';
import { TableList } from '../../lib/maps/table-list.js';
import { Lines } from '../helpers/lines.js';

function listOf(...specs: readonly string[]): { readonly list: TableList; readonly lines: Lines } {
  const lines = new Lines();
  const list = new TableList({ parameter: 'some_maps', specs, logger: lines });
  onTestFinished(() => list.close());
  return { list, lines };
}

function place(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mxtls-tables-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, 'table');
}

test('the first table that has a value gives it', async () => {
  const { list } = listOf('inline:{ {a = 1} }', 'inline:{ {a = 2}, {b = 3} }');
  await list.open();
  expect(await Promise.all(['a', 'b', 'c'].map((key) => list.lookup(key)))).toEqual([
    '1',
    '3',
    undefined,
  ]);
});

test('open() opens once, however often it is called, and again after close()', async () => {
  const { list } = listOf('inline:{ {a = 1} }');
  await Promise.all([list.open(), list.open()]);
  const [table] = list.tables;
  await list.open();
  expect(list.tables).toEqual([table]);
  expect(list.tables[0]).toBe(table);
  list.close();
  expect(list.tables).toEqual([]);
  await list.open();
  expect(list.tables).toHaveLength(1);
});

test('one that cannot be opened leaves none open, and the next call tries again', async () => {
  const file = place();
  const { list } = listOf('inline:{ {a = 1} }', `texthash:${file}`);
  await expect(list.open()).rejects.toMatchObject({ code: 'LOOKUP_TABLE' });
  expect(list.tables).toEqual([]);
  writeFileSync(file, 'b 2\n');
  await list.open();
  expect(await list.lookup('b')).toBe('2');
});

test('reload() before open() does nothing', async () => {
  const { list } = listOf('texthash:/nonexistent');
  await list.reload();
  expect(list.tables).toEqual([]);
});

test('close() while tables are opened: they are not left open', async () => {
  const file = place();
  await writeLmdb(file, [['a', '1']]);
  const { list } = listOf(`lmdb:${file}`);
  const opening = list.open();
  list.close();
  await opening;
  expect(list.tables).toEqual([]);
});
