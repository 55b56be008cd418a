/** Where the private OpenSSL build gets its source: apt's two file formats, the suites asked for, the signed hashes. */
import { describe, expect, test } from 'vitest';
import { forSuite, parseDeb822, parseOneLine, toDeb822 } from '../../scripts/apt-sources.mjs';
import { parseShowsrc } from '../../scripts/openssl-private.mjs';

describe('apt sources', () => {
  test('reads one-line entries with and without options', () => {
    const text = `
# deb http://commented.example/debian bookworm main
deb [arch=amd64 signed-by=/k/a.gpg,/k/b.gpg] http://m.example/debian bookworm main contrib # why
deb http://m.example/security bookworm-security main
deb-src http://m.example/debian bookworm main
deb https://vendor.example/apt vendor-bookworm main
`;
    expect(parseOneLine(text)).toEqual([
      {
        uri: 'http://m.example/debian',
        suite: 'bookworm',
        components: ['main', 'contrib'],
        signedBy: '/k/a.gpg /k/b.gpg',
      },
      {
        uri: 'http://m.example/security',
        suite: 'bookworm-security',
        components: ['main'],
        signedBy: '',
      },
    ]);
  });

  test('reads deb822 stanzas: many suites, disabled ones, an embedded key', () => {
    const text = `Types: deb deb-src
# a comment inside
URIs: http://m.example/debian
Suites: trixie trixie-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
URIs: http://off.example/debian
Suites: trixie
Components: main
Enabled: no

Types: deb-src
URIs: http://only-sources.example/debian
Suites: trixie
Components: main
`;
    const sources = parseDeb822(text);
    expect(sources.map((source) => source.suite)).toEqual(['trixie', 'trixie-updates']);
    expect(sources[0]?.signedBy).toContain('BEGIN PGP');
    expect(parseDeb822(toDeb822(sources, 'deb'))).toEqual(sources);
  });

  test('asks each archive for its counterpart of another release, once', () => {
    const source = (uri: string, suite: string, components = ['main']) => ({
      uri,
      suite,
      components,
      signedBy: '',
    });
    const asked = forSuite(
      [
        source('http://m.example/debian', 'bookworm'),
        source('http://m.example/debian', 'stable'),
        source('http://m.example/debian', 'bookworm-updates'),
        source('http://m.example/security', 'bookworm-security'),
        source('http://m.example/debian', 'bookworm', ['contrib']),
      ],
      'trixie',
    );
    expect(asked.map(({ uri, suite }) => `${uri} ${suite}`)).toEqual([
      'http://m.example/debian trixie',
      'http://m.example/debian trixie-updates',
      'http://m.example/security trixie-security',
    ]);
  });
});

test('finds versions and SHA-256 of a source package, and ignores stanzas without', () => {
  const hash = 'ab'.repeat(32);
  const text = `Package: openssl
Version: 3.5.7-1~deb13u2
Checksums-Sha256:
 ${hash} 2707 openssl_3.5.7-1~deb13u2.dsc
 ${hash} 53153930 openssl_3.5.7.orig.tar.gz
Homepage: none

Package: openssl
Version: 3.5.6-1
Files:
 81887cbcbcfffb723ad8f7dcfdcaef70 2707 openssl_3.5.6-1.dsc
`;
  expect(parseShowsrc(text)).toEqual([
    {
      version: '3.5.7-1~deb13u2',
      files: [
        { sha256: hash, name: 'openssl_3.5.7-1~deb13u2.dsc' },
        { sha256: hash, name: 'openssl_3.5.7.orig.tar.gz' },
      ],
    },
  ]);
});
