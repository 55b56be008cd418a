/** Maildir delivery: on a real file system, and with disks that fail at each step. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import * as nodeFiles from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import fc from 'fast-check';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { Maildir, type MaildirFiles } from '../../lib/maildir/maildir.js';
import { SharedSync } from '../../lib/maildir/shared-sync.js';
import { UniqueNames } from '../../lib/maildir/unique-name.js';
import { UnixLines } from '../../lib/maildir/unix-lines.js';
import { cut } from '../helpers/pieces.js';

describe('unique names', () => {
  test('carry seconds, microseconds, process, count, a random part and the host', () => {
    const names = new UniqueNames({ hostname: 'mx.example', now: () => 1_700_000_000_012.5 });
    expect(names.next()).toMatch(
      new RegExp(`^1700000000\\.M12500P${process.pid}Q1R[0-9a-f]{16}\\.mx\\.example$`),
    );
  });

  test('differ within one instant, and between two writers with the same process number', () => {
    const props = { hostname: 'mx.example', now: () => 0 };
    const [one, other] = [new UniqueNames(props), new UniqueNames(props)];
    const made = [one.next(), one.next(), other.next(), other.next()];
    expect(new Set(made).size).toBe(4);
  });

  test('slash and colon of a host name are written as the convention says', () => {
    expect(new UniqueNames({ hostname: 'a/b:c' }).next()).toMatch(/\.a\\057b\\072c$/);
  });
});

test('line ends become LF, however the text is cut', () => {
  const text = fc.array(fc.constantFrom('\r', '\n', '\r\n', 'a', 'bc'));
  const sizes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1 });
  fc.assert(
    fc.property(text, sizes, (parts, cuts) => {
      const whole = parts.join('');
      const lines = new UnixLines();
      const pieces = cut(Buffer.from(whole), cuts).map((piece) => lines.push(piece));
      const out = Buffer.concat([...pieces, lines.finish()]).toString();
      expect(out).toBe(whole.replaceAll('\r\n', '\n'));
    }),
  );
});

describe('a shared sync', () => {
  /** Syncs that end when told to. */
  function manual(): { readonly shared: SharedSync; readonly ends: ((error?: Error) => void)[] } {
    const ends: ((error?: Error) => void)[] = [];
    const sync = (): Promise<void> =>
      new Promise((resolve, reject) => ends.push((e) => (e === undefined ? resolve() : reject(e))));
    return { shared: new SharedSync(sync), ends };
  }
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  test('serves all who came before it began, and makes the others wait for the next', async () => {
    const { shared, ends } = manual();
    const done: string[] = [];
    const early = [shared.done(), shared.done()].map((wait) => wait.then(() => done.push('early')));
    await turn();
    const late = [shared.done(), shared.done()].map((wait) => wait.then(() => done.push('late')));
    await turn();
    expect(ends).toHaveLength(1);
    ends[0]?.();
    await Promise.all(early);
    await turn();
    expect(done).toEqual(['early', 'early']);
    expect(ends).toHaveLength(2);
    ends[1]?.();
    await Promise.all(late);
    expect(ends).toHaveLength(2);
  });

  test('tells a failure to those it served, not to the next', async () => {
    const { shared, ends } = manual();
    const early = shared.done();
    const failed = expect(early).rejects.toThrow('I/O');
    await turn();
    const late = shared.done();
    ends[0]?.(new Error('I/O'));
    await failed;
    await turn();
    ends[1]?.();
    await expect(late).resolves.toBeUndefined();
  });
});

describe('a Maildir', () => {
  let path = '';

  beforeEach(() => {
    const directory = mkdtempSync(join(tmpdir(), 'mxtls-maildir-'));
    path = join(directory, 'some', 'where');
    onTestFinished(() => rmSync(directory, { recursive: true }));
  });

  const list = (folder: string): string[] => readdirSync(join(path, folder));
  const message = [Buffer.from('Subject: x\r\n'), Buffer.from('\r\nhello\r'), Buffer.from('\n')];

  test('is made where there is none, for its owner only', async () => {
    const maildir = await Maildir.open({ path });
    expect(maildir.path).toBe(path);
    expect(readdirSync(path).sort()).toEqual(['cur', 'new', 'tmp']);
    for (const folder of ['.', 'cur', 'new', 'tmp']) {
      expect(statSync(join(path, folder)).mode & 0o777).toBe(0o700);
    }
  });

  test('is used as it is where there is one', async () => {
    const first = await (await Maildir.open({ path })).deliver(message);
    const second = await (await Maildir.open({ path })).deliver(message);
    expect(list('new').sort()).toEqual([first, second].sort());
  });

  test('gets a message as a file in new/, for its owner only', async () => {
    const name = await (await Maildir.open({ path })).deliver(message);
    expect(list('tmp')).toEqual([]);
    expect(list('new')).toEqual([name]);
    const file = join(path, 'new', name);
    expect(readFileSync(file, 'utf8')).toBe('Subject: x\n\nhello\n');
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test('gets many messages at a time', async () => {
    const maildir = await Maildir.open({ path });
    const numbers = Array.from({ length: 300 }, (_, i) => String(i));
    const names = await Promise.all(numbers.map((text) => maildir.deliver([Buffer.from(text)])));
    const contents = names.map((name) => readFileSync(join(path, 'new', name), 'utf8'));
    expect(contents).toEqual(numbers);
    expect(list('new')).toHaveLength(300);
  });

  test('is made again when somebody has removed it', async () => {
    const maildir = await Maildir.open({ path });
    rmSync(path, { recursive: true });
    const name = await maildir.deliver(message);
    rmSync(join(path, 'new'), { recursive: true });
    const other = await maildir.deliver(message);
    expect(name).not.toBe(other);
    expect(list('new')).toEqual([other]);
  });

  test('that cannot be one is refused with the reason of the system', async () => {
    writeFileSync(dirname(path), '');
    await expect(Maildir.open({ path })).rejects.toMatchObject({ code: 'ENOTDIR' });
  });

  test('where nobody may write is refused', async () => {
    const access = (): Promise<void> => Promise.reject(systemError('EACCES'));
    const opened = Maildir.open({ path, files: { ...nodeFiles, access } });
    await expect(opened).rejects.toMatchObject({ code: 'EACCES' });
  });

  test('a message whose content ends in an error is not delivered', async () => {
    async function* interrupted(): AsyncGenerator<Buffer> {
      yield* message;
      throw new Error('the client has gone');
    }
    const maildir = await Maildir.open({ path });
    await expect(maildir.deliver(interrupted())).rejects.toThrow('the client has gone');
    expect({ tmp: list('tmp'), new: list('new') }).toEqual({ tmp: [], new: [] });
  });

  test('is told of a delivery only when file and directory are on disk', async () => {
    const steps: string[] = [];
    const maildir = await Maildir.open({ path, files: disk((step) => steps.push(step)) });
    steps.length = 0;
    await maildir.deliver([Buffer.from('x')]);
    expect(steps).toEqual([
      ...['open tmp/message', 'writeFile tmp/message', 'sync tmp/message', 'close tmp/message'],
      'rename tmp/message new/message',
      ...['open new', 'sync new', 'close new'],
    ]);
  });

  test('a directory that is made is on disk, too, and so are those above it', async () => {
    const steps: string[] = [];
    await Maildir.open({ path, files: disk((step) => steps.push(step)) });
    const above = basename(dirname(dirname(path)));
    const synced = steps.filter((step) => step.startsWith('sync ')).map((step) => step.slice(5));
    expect(synced).toEqual(['some', above, 'where', 'where', 'where']);
  });

  describe.each([
    ['open tmp/message', 'EDQUOT'],
    ['writeFile tmp/message', 'ENOSPC'],
    ['sync tmp/message', 'EIO'],
    ['close tmp/message', 'EIO'],
    ['rename tmp/message new/message', 'EIO'],
    ['open new', 'EMFILE'],
    ['sync new', 'EIO'],
    ['close new', 'EIO'],
  ])('when "%s" fails with %s', (failing, code) => {
    test('the delivery fails, nothing is left, and the next one succeeds', async () => {
      let broken = false;
      const files = disk((step) => {
        if (broken && step === failing) {
          throw systemError(code);
        }
      });
      const maildir = await Maildir.open({ path, files });
      broken = true;
      await expect(maildir.deliver(message)).rejects.toMatchObject({ code });
      expect({ tmp: list('tmp'), new: list('new') }).toEqual({ tmp: [], new: [] });
      broken = false;
      await maildir.deliver(message);
      expect(list('new')).toHaveLength(1);
    });
  });
});

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

/**
 * A disk that tells each step after it was done, so that a step that "fails" has had its effect:
 * the worst case.
 */
function disk(done: (step: string) => void): MaildirFiles {
  const open = async (
    ...args: Parameters<typeof nodeFiles.open>
  ): Promise<nodeFiles.FileHandle> => {
    const label = short(String(args[0]));
    const handle = await nodeFiles.open(...args);
    try {
      done(`open ${label}`);
    } catch (error) {
      await handle.close();
      throw error;
    }
    return watched(handle, label, done);
  };
  const rename = async (from: string, to: string): Promise<void> => {
    await nodeFiles.rename(from, to);
    done(`rename ${short(from)} ${short(to)}`);
  };
  return { ...nodeFiles, open, rename: rename as typeof nodeFiles.rename };
}

function watched(
  handle: nodeFiles.FileHandle,
  label: string,
  done: (step: string) => void,
): nodeFiles.FileHandle {
  return new Proxy(handle, {
    get: (target, key) => {
      const method: unknown = Reflect.get(target, key);
      return typeof method !== 'function'
        ? method
        : async (...args: unknown[]) => {
            const result: unknown = await method.apply(target, args);
            done(`${String(key)} ${label}`);
            return result;
          };
    },
  });
}

/** `tmp/message` for files, the last part for directories. */
function short(path: string): string {
  return /^\d+\.M\d+P/.test(basename(path)) ? `${basename(dirname(path))}/message` : basename(path);
}
