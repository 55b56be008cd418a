/** Who answers for a server name: lookup order, waiting clients, invalidation, bounds. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { TlsError } from '../../lib/errors.js';
import type { QuestionAnswer } from '../../lib/native.js';
import { parseChains } from '../../lib/sni/chains.js';
import { findInTables, lookupKeys } from '../../lib/sni/find.js';
import { resolveSni, type SniFunction } from '../../lib/sni/options.js';
import { SniSource } from '../../lib/sni/source.js';
import { initLibrary } from '../../lib/tls/library.js';
import { certificate } from '../helpers/certificates.js';
import { Lines } from '../helpers/lines.js';

initLibrary();

const pem = readFileSync(certificate('ed25519').chainFile, 'utf8');

async function sourceOf(sni: SniFunction): Promise<{ source: SniSource; lines: Lines }> {
  const lines = new Lines();
  const source = await SniSource.open({ ...resolveSni({ sni }), maps: [], logger: lines });
  if (source === null) {
    throw new Error('there is no source');
  }
  return { source, lines };
}

function ask(source: SniSource, name: string): Promise<QuestionAnswer> {
  return new Promise((resolve) => source.ask('chain', Buffer.from(name), resolve));
}

test('keys are the name and then its parents with a leading dot', () => {
  expect(lookupKeys('mail.a.example')).toEqual(['mail.a.example', '.a.example', '.example']);
  expect(lookupKeys('example')).toEqual(['example']);
});

test('a key is looked up in all tables before the next one', async () => {
  const asked: string[] = [];
  const table = (spec: string, known: string | null) => ({
    spec,
    close: () => undefined,
    lookup: (key: string) => {
      asked.push(`${spec} ${key}`);
      return key === known ? Buffer.from('PEM').toString('base64') : undefined;
    },
  });
  const tables = [table('t:1', '.example'), table('t:2', '.a.example')];
  const found = await findInTables(tables, 'mx.a.example');
  expect(found).toEqual({ key: '.a.example', table: 't:2', pem: Buffer.from('PEM') });
  expect(asked).toEqual([
    't:1 mx.a.example',
    't:2 mx.a.example',
    't:1 .a.example',
    't:2 .a.example',
  ]);
});

test('all clients that wait for a name, in any case, make one question', async () => {
  let times = 0;
  let resolve: (value: string) => void = () => undefined;
  const { source } = await sourceOf(() => {
    times++;
    return new Promise<string>((done) => {
      resolve = done;
    });
  });
  const answers = ['mx.example', 'MX.example', 'mx.EXAMPLE'].map((name) => ask(source, name));
  await new Promise((done) => setImmediate(done));
  resolve(pem);
  const [first, ...others] = await Promise.all(answers);
  expect(first).toMatchObject({ keyTypes: ['ED25519'] });
  expect(others).toEqual([first, first]);
  expect(times).toBe(1);
});

test('each client that waits in vain is told so, by the name that it sent', async () => {
  const { source, lines } = await sourceOf(async () => {
    throw new Error('gone');
  });
  expect(await Promise.all([ask(source, 'mx.example'), ask(source, 'MX.example')])).toEqual([
    false,
    false,
  ]);
  expect(lines.all).toEqual([
    'warning: tls.sni failed for "mx.example": gone',
    'warning: tls_server_sni_maps: mx.example map lookup problem',
    'warning: tls.sni failed for "mx.example": gone',
    'warning: tls_server_sni_maps: MX.example map lookup problem',
  ]);
});

test('a thousand names at once are enough', async () => {
  const { source, lines } = await sourceOf(() => new Promise(() => undefined));
  for (let i = 0; i < 1000; i++) {
    ask(source, `n${i}.example`);
  }
  expect(await ask(source, 'one-more.example')).toBe(false);
  expect(lines.all).toEqual([
    'warning: too many server names are looked up at once',
    'warning: tls_server_sni_maps: one-more.example map lookup problem',
  ]);
});

test('a function may give chains that are parsed already', async () => {
  const chains = parseChains(pem, 'test');
  const { source } = await sourceOf(() => chains);
  expect(await ask(source, 'mx.example')).toBe(chains);
});

test.each([
  [{ sni: 'texthash:/x' as unknown as SniFunction }, 'tls.sni is not a function'],
  [{ sniCacheLimit: -1 }, 'tls.sniCacheLimit is not a whole number from 0 to 16777216'],
  [{ sniCacheTime: 0.5 }, 'tls.sniCacheTime is not a whole number from 0 to 8640000000'],
])('%j is refused', (options, message) => {
  const refused = (): unknown => resolveSni(options);
  expect(refused).toThrow(TlsError);
  expect(refused).toThrow(message);
});
