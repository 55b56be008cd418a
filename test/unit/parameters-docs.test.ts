/** docs/parameters.md is what scripts/parameter-docs.mjs makes of the table. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parameters } from '../../lib/config/parameters.js';

const script = new URL('../../scripts/parameter-docs.mjs', import.meta.url);
const { renderParameters } = (await import(script.href)) as {
  readonly renderParameters: (rows: typeof parameters) => string;
};
const page = renderParameters(parameters);

test('the page is current; if not: npm run build && node scripts/parameter-docs.mjs', () => {
  const file = new URL('../../docs/parameters.md', import.meta.url);
  expect(readFileSync(file, 'utf8')).toBe(page);
});

test('every parameter is on the page, once', () => {
  const lines = page.split('\n');
  for (const { name } of parameters) {
    expect(
      lines.filter((line) => line.startsWith(`| \`${name}\` |`)),
      name,
    ).toHaveLength(1);
  }
});

test('what has no effect says so', () => {
  const line = (name: string): string =>
    page.split('\n').find((row) => row.includes(`| \`${name}\` |`)) ?? '';
  expect(line('tlsproxy_client_policy_maps')).toContain('*ignored*: the policy comes with');
  expect(line('tls_random_source')).toContain('*ignored*: OpenSSL seeds itself');
  expect(line('smtpd_use_tls')).toContain('*legacy*: `smtpd_tls_security_level`');
  expect(line('tls_config_file')).toContain('Postfix: `default`');
});
