/** What docs/from-main-cf-client.md says of each parameter is so, and its example is one. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Smtp } from '../../lib/client.js';
import { optionsFromParameters, readAssignments } from '../../lib/config/from-parameters.js';
import { parameters } from '../../lib/config/parameters.js';
import { Lines } from '../helpers/lines.js';

const page = readFileSync(new URL('../../docs/from-main-cf-client.md', import.meta.url), 'utf8');

const told = new Map(
  page
    .slice(page.indexOf('## Parameter by parameter'))
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .flatMap((line) => {
      const [names = '', sentence = ''] = line.split(' | ');
      return [...names.matchAll(/`(\w+)`/g)].map(([, name]) => [name ?? '', sentence] as const);
    }),
);

const ofClient = parameters.filter(({ group }) => group === 'smtp');

test('every parameter of the client is told about, and no other', () => {
  expect([...told.keys()].sort()).toEqual(ofClient.map(({ name }) => name));
});

test.each(ofClient)('$name: what the page says is so', ({ name, pending, ignored }) => {
  const status = /^(?:same|differs|not yet|ignored)\b/.exec(told.get(name) ?? '')?.[0];
  expect(status).toMatch(
    pending ? /^not yet$/ : ignored !== undefined ? /^ignored$/ : /^(?:same|differs)$/,
  );
});

test('the main.cf of the page makes an Smtp, without a warning', () => {
  const [, example = ''] = /```\n(smtp_[^`]*)```/.exec(page) ?? [];
  const lines = example.split('\n').filter((line) => line !== '');
  const { smtp, warnings } = optionsFromParameters(readAssignments(lines), 'smtp');
  expect(warnings).toEqual([]);
  expect(smtp).toMatchObject({
    dnsSupportLevel: 'dnssec',
    tls: { securityLevel: 'dane', policyMaps: [expect.stringMatching(/^inline:\{/)] },
  });
  const logged = new Lines();
  expect(new Smtp({ ...smtp, logger: logged })).toBeInstanceOf(Smtp);
  expect(logged.all).toEqual([]);
});
