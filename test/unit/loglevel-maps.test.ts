/** `*_tls_loglevel_maps`: which loglevel a peer has. */
import { rmSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { noLogging, parseLoglevel } from '../../lib/log/loglevel.js';
import { PeerLoglevels } from '../../lib/log/loglevel-maps.js';
import { Lines } from '../helpers/lines.js';

const usual = parseLoglevel('1').flags;
const parameter = 'smtpd_tls_loglevel_maps';

function make(specs: readonly string[], lazy = true): { levels: PeerLoglevels; lines: Lines } {
  const lines = new Lines();
  const levels = new PeerLoglevels({ parameter, specs, logger: lines, lazy });
  onTestFinished(() => levels.close());
  return { levels, lines };
}

const of = (levels: PeerLoglevels) => levels.of('mx.example.com', '192.0.2.1', usual);

test.each([
  ['the name', 'inline:{ {mx.example.com = 2} }', '2'],
  ['the name, whatever its case', 'inline:{ {MX.example.com = 2} }', '2'],
  ['the address', 'inline:{ {192.0.2.1 = peercert} }', 'peercert'],
  ['the name before the address', 'inline:{ {192.0.2.1 = 4}, {mx.example.com = 0} }', '0'],
  ['a network', 'cidr:{ {192.0.2.0/24 1, trace} }', '1, trace'],
  ['DUNNO, which ends the search', 'inline:{ {192.0.2.1 = 4}, {mx.example.com = dunno} }', '1'],
  ['nothing', 'inline:{ {mx.example.org = 4} }', '1'],
])('has %s', async (_, spec, loglevel) => {
  const { levels, lines } = make([spec]);
  expect(await of(levels)).toEqual(parseLoglevel(loglevel).flags);
  expect(lines.all).toEqual([]);
});

test('all tables are asked for the name before one is asked for the address', async () => {
  const { levels } = make(['inline:{ {192.0.2.1 = 4} }', 'inline:{ {mx.example.com = 0} }']);
  expect(await of(levels)).toEqual(noLogging);
});

test('an unknown word is no logging at all, with a warning', async () => {
  const { levels, lines } = make(['inline:{ {mx.example.com = 1, vebrose} }']);
  expect(await of(levels)).toEqual(noLogging);
  expect(lines.all).toEqual([
    'warning: unknown smtpd_tls_loglevel_maps value "vebrose" in "1, vebrose"',
  ]);
});

test('a table that cannot be read leaves the usual loglevel, with a warning, and is tried again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mxtls-loglevels-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'levels');
  const { levels, lines } = make([`texthash:${file}`]);
  expect(await of(levels)).toBe(usual);
  expect(lines.all).toEqual([
    expect.stringMatching(
      /^warning: smtpd_tls_loglevel_maps: lookup error for "mx\.example\.com": .*No such file/,
    ),
  ]);
  writeFileSync(file, 'mx.example.com 0\n');
  expect(await of(levels)).toEqual(noLogging);
});

test('a look-up that fails is not followed by that of the address', async () => {
  const { levels, lines } = make(['socketmap:unix:/nonexistent/socket:levels']);
  expect(await of(levels)).toBe(usual);
  expect(lines.all).toHaveLength(1);
});

test('opened beforehand, it says what is wrong at once', async () => {
  const { levels } = make(['texthash:/nonexistent'], false);
  await expect(levels.open()).rejects.toMatchObject({ class: 'config', code: 'LOOKUP_TABLE' });
});
