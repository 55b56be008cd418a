/** Sessions in a file, by a clock of the test. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { LmdbSessionStore } from '../../lib/session-cache/lmdb-store.js';
import { HeldClock } from '../helpers/held-clock.js';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'mxtls-scache-'));
  onTestFinished(() => rmSync(made, { recursive: true }));
  return made;
}

async function open(file = join(folder(), 'smtpd_scache'), clock = new HeldClock()) {
  const store = await LmdbSessionStore.open({ file, timeout: 3600, clock });
  onTestFinished(() => store.close());
  return { store, file, clock };
}

async function found(store: LmdbSessionStore, id: string): Promise<string | null> {
  const session = await store.lookup(id);
  return session === null ? null : Buffer.from(session).toString();
}

test('there is one session per id: the last one', async () => {
  const { store } = await open();
  await store.update('a', bytes('one'));
  await store.update('a', bytes('two'));
  await store.update('b', bytes('three'));
  expect(await found(store, 'a')).toBe('two');
  expect(await found(store, 'b')).toBe('three');
  expect(await found(store, 'c')).toBe(null);
});

test('what was found stays what it was, whatever is looked up next', async () => {
  const { store } = await open();
  await store.update('a', bytes('one'));
  await store.update('b', bytes('two'));
  const first = await store.lookup('a');
  await store.lookup('b');
  await store.update('a', bytes('new'));
  expect(Buffer.from(first ?? []).toString()).toBe('one');
});

test('a deleted session is gone', async () => {
  const { store } = await open();
  await store.update('a', bytes('one'));
  await store.delete('a');
  await store.delete('a');
  expect(await found(store, 'a')).toBe(null);
});

test('a session lives as long as the time-out says, however often it is looked up', async () => {
  const { store, clock } = await open();
  await store.update('a', bytes('one'));
  clock.advance(3_599_000);
  expect(await found(store, 'a')).toBe('one');
  clock.advance(1000);
  expect(await found(store, 'a')).toBe('one');
  clock.advance(1);
  expect(await found(store, 'a')).toBe(null);
});

test('sessions outlive the process that stored them, and another one sees them at once', async () => {
  const { store, file, clock } = await open();
  await store.update('a', bytes('one'));
  await store.close();
  const again = await open(file, clock);
  expect(await found(again.store, 'a')).toBe('one');
});

test('a scan takes out what has expired, and leaves the rest', async () => {
  const { store, clock } = await open();
  for (let i = 0; i < 350; i++) {
    await store.update(`old ${i}`, bytes('x'));
  }
  clock.advance(3_000_000);
  await store.update('young', bytes('y'));
  clock.advance(600_001);
  await store.scan();
  clock.advance(-600_001); // a look-up does not find what a scan has left
  expect(await found(store, 'old 0')).toBe(null);
  expect(await found(store, 'old 349')).toBe(null);
  expect(await found(store, 'young')).toBe('y');
});

test('a session of the future, by more than its life, is none', async () => {
  const { store, clock } = await open();
  await store.update('a', bytes('one'));
  clock.advance(-3_600_001);
  expect(await found(store, 'a')).toBe(null);
});

test('ids of any length are told apart', async () => {
  const { store } = await open();
  const long = 'n'.repeat(5000);
  await store.update(`${long}1`, bytes('one'));
  await store.update(`${long}2`, bytes('two'));
  expect(await found(store, `${long}1`)).toBe('one');
  expect(await found(store, `${long}2`)).toBe('two');
});

test('a session beyond 16 KiB is not kept', async () => {
  const { store } = await open();
  await store.update('a', new Uint8Array(16 * 1024 + 1));
  expect(await found(store, 'a')).toBe(null);
});

test('nobody else can read the file', async () => {
  const { file } = await open();
  expect(statSync(`${file}.mxlmdb`).mode & 0o777).toBe(0o600);
  expect(statSync(`${file}.mxlmdb-lock`).mode & 0o777).toBe(0o600);
});

test('a closed store says so', async () => {
  const { store } = await open();
  await store.close();
  await store.close();
  await expect(store.lookup('a')).rejects.toMatchObject({ code: 'INVALID_STATE' });
});

test.each([
  ['something else', 'x'.repeat(5000)],
  ['nothing', ''],
])('a file that holds %s is refused, and left alone', async (_, content) => {
  const file = join(folder(), 'other');
  writeFileSync(`${file}.mxlmdb`, content);
  await expect(open(file)).rejects.toMatchObject({
    class: 'config',
    code: 'SESSION_CACHE',
    message: `cannot open ${file}.mxlmdb: it is no store of mxtls`,
  });
  expect(statSync(`${file}.mxlmdb`).size).toBe(content.length);
});

test('a folder that is not there is not made', async () => {
  const file = join(folder(), 'missing', 'scache');
  await expect(open(file)).rejects.toMatchObject({ code: 'SESSION_CACHE' });
});
