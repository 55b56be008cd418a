/** Which OpenSSL the build takes and how it is linked (scripts/openssl.mjs), on made-up prefixes. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chooseMode, findOpenssl, isNewEnough } from '../../scripts/openssl.mjs';

const glibc = { musl: false, nodeSharesOpenssl: false };
const place = {
  source: 'system' as const,
  version: '3.5.1',
  headers: [],
  libDir: '/l',
  hasStatic: true,
  hasShared: true,
  bin: null,
};

describe('the mode', () => {
  test.each([
    ['a system OpenSSL is linked dynamically', place, glibc, '', 'dynamic'],
    [
      'MXTLS_OPENSSL_DIR with archives is linked statically',
      { ...place, source: 'dir' as const },
      glibc,
      '',
      'static',
    ],
    [
      'MXTLS_OPENSSL_DIR without archives is linked dynamically',
      { ...place, source: 'dir' as const, hasStatic: false },
      glibc,
      '',
      'dynamic',
    ],
    [
      'a node that shares the system library links statically',
      place,
      { ...glibc, nodeSharesOpenssl: true },
      '',
      'static',
    ],
    ['musl links statically', place, { ...glibc, musl: true }, '', 'static'],
    ['static can be forced', place, glibc, 'static', 'static'],
  ])('%s', (_name, where, machine, forced, mode) => {
    expect(chooseMode(where, machine, forced)).toEqual({ mode });
  });

  test.each([
    ['dynamic under musl', place, { ...glibc, musl: true }, 'dynamic', /musl/],
    [
      'dynamic in a node that shares',
      place,
      { ...glibc, nodeSharesOpenssl: true },
      'dynamic',
      /shares/,
    ],
    ['static without archives', { ...place, hasStatic: false }, glibc, 'static', /libssl\.a/],
    ['dynamic without libssl.so', { ...place, hasShared: false }, glibc, 'dynamic', /libssl\.so/],
    ['an unknown mode', place, glibc, 'statisch', /static or dynamic/],
  ])('refuses %s', (_name, where, machine, forced, problem) => {
    expect(chooseMode(where, machine, forced)).toEqual({ problem: expect.stringMatching(problem) });
  });
});

test.each([
  ['3.5.0', true],
  ['3.10.1', true],
  ['4.0.0', true],
  ['3.4.9', false],
  ['1.1.1', false],
])('OpenSSL %s is new enough: %s', (version, enough) => {
  expect(isNewEnough(version)).toBe(enough);
});

describe('MXTLS_OPENSSL_DIR', () => {
  let root = '';
  const prefix = (name: string, minor: number, libs: readonly string[]): string => {
    const dir = join(root, name);
    mkdirSync(join(dir, 'include', 'openssl'), { recursive: true });
    mkdirSync(join(dir, 'lib64'), { recursive: true });
    const header = `# define OPENSSL_VERSION_MAJOR  3\n# define OPENSSL_VERSION_MINOR  ${minor}\n# define OPENSSL_VERSION_PATCH  2\n`;
    writeFileSync(join(dir, 'include', 'openssl', 'opensslv.h'), header);
    for (const lib of libs) {
      writeFileSync(join(dir, 'lib64', lib), '');
    }
    return dir;
  };
  const find = (dir: string, mode = '') =>
    findOpenssl({ env: { MXTLS_OPENSSL_DIR: dir, MXTLS_OPENSSL_MODE: mode }, machine: glibc });

  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'mxtls-prefix-'));
  });
  afterAll(() => {
    rmSync(root, { recursive: true, force: true });
  });

  test('names the archives by full path', () => {
    const dir = prefix('static', 5, ['libssl.a', 'libcrypto.a', 'libssl.so', 'libcrypto.so']);
    expect(find(dir)).toMatchObject({
      source: 'dir',
      version: '3.5.2',
      mode: 'static',
      include: join(dir, 'include'),
      libs: [join(dir, 'lib64', 'libssl.a'), join(dir, 'lib64', 'libcrypto.a')],
    });
  });

  test('adds what a static libcrypto needs besides, as an archive where there is one', () => {
    const dir = prefix('zlib', 5, ['libssl.a', 'libcrypto.a', 'libz.a', 'libz.so', 'libzstd.so.1']);
    const lib = join(dir, 'lib64');
    mkdirSync(join(lib, 'pkgconfig'));
    const pc = (libs: string) => writeFileSync(join(lib, 'pkgconfig', 'libcrypto.pc'), libs);
    pc('Libs: -lcrypto\nLibs.private: -lz -lzstd -ldl -pthread\n');
    expect(find(dir)?.libs.slice(2)).toEqual([join(lib, 'libz.a'), join(lib, 'libzstd.so.1')]);
    pc('Libs.private: -lz -lbrotli\n');
    expect(() => find(dir)).toThrow(/with what they need/);
  });

  test('takes an rpath along when linked dynamically', () => {
    const dir = prefix('shared', 6, ['libssl.so', 'libcrypto.so']);
    expect(find(dir)?.libs).toContain(`-Wl,-rpath,${join(dir, 'lib64')}`);
  });

  test('refuses an older version and an empty directory', () => {
    const old = prefix('old', 4, ['libssl.a', 'libcrypto.a']);
    expect(() => find(old)).toThrow(/is OpenSSL 3\.4\.2; set it to/);
    expect(() => find(join(root, 'nowhere'))).toThrow(/are missing; set it to/);
  });
});
