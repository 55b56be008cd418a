/** The loader's decisions (lib/loading.ts) on made-up processes; that the right library answers is tested with the real binary. */
import { describe, expect, test } from 'vitest';
import {
  type Binary,
  candidates,
  chooseBinary,
  explainDlopenFailure,
  type Host,
  parseMaps,
  refuseLibrary,
  refuseLoad,
} from '../../lib/loading.js';

const host: Host = {
  mapped: ['/opt/node', '/lib/libc.so.6'],
  preload: '',
  nodeSharesSystem: false,
};
const dynamic: Binary = { file: '/p/build/Release/mxtls_dynamic.node', mode: 'dynamic' };
const fixed: Binary = { file: '/p/build/Release/mxtls_static.node', mode: 'static' };
const musl: Host = { ...host, mapped: ['/lib/ld-musl-x86_64.so.1'] };

test('reads the mapped files, once each, deleted ones and names with blanks too', () => {
  const text = `00400000-00452000 r-xp 00000000 08:02 173521 /usr/bin/node
00651000-00652000 r--p 00051000 08:02 173521      /usr/bin/node
35b1a21000-35b1a22000 rw-p 00000000 00:00 0
7fff-8000 r-xp 00000000 00:00 0                   [vdso]
7f00-7f01 r-xp 00000000 08:02 12                  /a dir/libssl.so.3 (deleted)
`;
  expect(parseMaps(text)).toEqual(['/usr/bin/node', '/a dir/libssl.so.3']);
});

describe('which binary', () => {
  const files = (h: Host) => candidates('/p', 'x64', h).map(({ file }) => file.slice('/p/'.length));

  test('what was compiled here goes before what was shipped', () => {
    expect(files(host)).toEqual([
      'build/Release/mxtls_dynamic.node',
      'build/Release/mxtls_static.node',
      'prebuilds/linux-x64/mxtls_static.glibc.node',
    ]);
  });

  test('static goes first where a dynamic one cannot be isolated', () => {
    expect(files(musl)[0]).toBe('build/Release/mxtls_static.node');
    expect(files(musl)[2]).toBe('prebuilds/linux-x64/mxtls_static.musl.node');
    expect(files({ ...host, nodeSharesSystem: true })[0]).toBe('build/Release/mxtls_static.node');
  });

  test('MXTLS_BINARY overrides, and must exist', () => {
    expect(chooseBinary('/x/mxtls_dynamic.node', [fixed], () => true)).toEqual({
      file: '/x/mxtls_dynamic.node',
      mode: 'dynamic',
    });
    expect(() => chooseBinary('/x/none.node', [fixed], () => false)).toThrow(
      expect.objectContaining({ class: 'config', code: 'ADDON_NOT_FOUND' }),
    );
  });

  test('none at all is a sentence that says what to run', () => {
    expect(() => chooseBinary(undefined, [dynamic, fixed], () => false)).toThrow(
      /npm rebuild mxtls/,
    );
  });
});

describe('a dynamic binary', () => {
  const mapped = (...files: string[]): Host => ({ ...host, mapped: [...host.mapped, ...files] });

  test('is loaded into a clean process', () => {
    expect(refuseLoad(dynamic, host)).toBeNull();
  });

  test.each([
    ['under musl', musl, /musl/],
    ['in a node that shares libssl', { ...host, nodeSharesSystem: true }, /npm rebuild mxtls/],
    [
      'beside a preloaded allocator',
      { ...host, preload: '/l/libjemalloc.so.2' },
      /libjemalloc\.so\.2/,
    ],
    ['beside a mapped allocator', mapped('/l/libtcmalloc_minimal.so.4'), /libtcmalloc/],
    ['after a foreign libssl', mapped('/l/libssl.so.3'), /\/l\/libssl\.so\.3/],
    ['after a foreign libcrypto', mapped('/l/libcrypto.so.3'), /import mxtls first/],
  ])('is refused %s', (_name, where, message) => {
    const error = refuseLoad(dynamic, where);
    expect(error).toMatchObject({ class: 'config', code: 'ADDON_UNUSABLE' });
    expect(error?.message).toMatch(message);
  });

  test('is loaded again by a worker, whose process has mapped libssl for us', () => {
    expect(refuseLoad(dynamic, mapped(dynamic.file, '/l/libssl.so.3'))).toBeNull();
  });

  test('a directory named like an allocator is none', () => {
    expect(refuseLoad(dynamic, mapped('/srv/jemalloc/libother.so'))).toBeNull();
  });
});

test('a static binary is loaded anywhere', () => {
  const crowded = ['/l/libssl.so.3', '/l/libjemalloc.so.2'];
  expect(refuseLoad(fixed, { ...host, mapped: crowded, nodeSharesSystem: true })).toBeNull();
  expect(refuseLoad(fixed, musl)).toBeNull();
});

test.each([
  [
    "/l/libssl.so.3: version `OPENSSL_3.5.0' not found (required by /p/x.node)",
    /OPENSSL_3\.5\.0 is missing.*update the system's OpenSSL/,
  ],
  [
    "/l/libc.so.6: version `GLIBC_2.38' not found (required by /p/x.node)",
    /GLIBC_2\.38.*npm rebuild/,
  ],
  ['/p/x.node: undefined symbol: SSL_get0_group_name', /older than the one/],
  ['libssl.so.3: cannot open shared object file: No such file or directory', /needs libssl\.so\.3/],
  ['/p/x.node: invalid ELF header', /not an addon for this platform/],
  ['something new', /could not be loaded: something new.*npm rebuild/],
])('the dynamic linker says "%s"', (text, sentence) => {
  const error = explainDlopenFailure('/p/x.node', new Error(text));
  expect(error).toMatchObject({ class: 'config', code: 'ADDON_UNUSABLE' });
  expect(error.message).toMatch(sentence);
});

describe('after loading', () => {
  const same = (a: string, b: string) => a === b;
  const info = {
    headers: '3.5.7',
    headersNumber: 0x30500070,
    runtime: '3.5.7',
    runtimeNumber: 0x30500070,
    path: fixed.file,
    mode: 'static' as const,
    warning: null,
  };

  test('the own library is accepted', () => {
    expect(refuseLibrary(info, fixed, same)).toBeNull();
    expect(refuseLibrary({ ...info, path: '/l/libssl.so.3' }, dynamic, same)).toBeNull();
  });

  test('a library below 3.5 is refused', () => {
    const old = { ...info, runtime: '3.4.9', runtimeNumber: 0x30400090 };
    expect(refuseLibrary(old, fixed, same)).toMatchObject({ code: 'LIBRARY_TOO_OLD' });
  });

  test.each([
    ['static', fixed],
    ['dynamic', dynamic],
  ])('symbols from the node executable are refused (%s)', (_name, binary) => {
    const error = refuseLibrary({ ...info, path: '/opt/node' }, binary, same);
    expect(error).toMatchObject({ code: 'ADDON_UNUSABLE' });
  });
});
