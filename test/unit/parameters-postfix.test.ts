/** The table against the facts about Postfix: names, defaults, releases, what is legacy or ignored. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { knownParameter, parameters } from '../../lib/config/parameters.js';
import { foreignFamily, isPostfixName, postfixNames } from '../../lib/config/postfix-names.js';

const facts = readFileSync(new URL('../fixtures/parameters.tsv', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => {
    const [name = '', text = '', since = '', notes = ''] = line.split('\t');
    return { name, text, since, notes };
  });

test.each([
  ['smtp_tls_', 39],
  ['smtpd_tls_', 33],
  ['tls_', 29],
  ['tlsproxy_', 48],
])('%s* are %i', (prefix, count) => {
  const names = parameters.map((row) => row.name).filter((name) => name.startsWith(prefix));
  expect(names).toHaveLength(count);
  expect(facts.map((fact) => fact.name).filter((name) => name.startsWith(prefix))).toEqual(names);
});

test.each(facts)('$name is as in Postfix', ({ name, text, since, notes }) => {
  const row = knownParameter(name);
  expect(row).not.toBeNull();
  expect(row?.postfixDefault ?? row?.default).toBe(text);
  expect(row?.since).toBe(since);
  expect(row?.legacy !== undefined).toBe(notes.includes('legacy'));
  if (notes.includes('ignored')) {
    expect(row?.ignored).toBeDefined();
  }
});

test('of the TLS parameters two defaults are not those of Postfix', () => {
  const ours = parameters.filter((row) => row.postfixDefault !== undefined && /tls/.test(row.name));
  expect(ours.map((row) => row.name)).toEqual(['tls_config_file', 'tls_eecdh_auto_curves']);
});

test('ignored beyond Postfix are seeds, the program openssl, and what a request to tlsproxy brings along', () => {
  const postfix = new Set(facts.filter(({ notes }) => notes !== '').map(({ name }) => name));
  const more = parameters.filter((row) => row.ignored !== undefined && !postfix.has(row.name));
  expect(more.map((row) => row.name)).toEqual([
    'openssl_path',
    'tls_daemon_random_bytes',
    'tls_random_bytes',
    'tls_random_exchange_name',
    'tls_random_prng_update_period',
    'tls_random_reseed_period',
    'tls_random_source',
    'tlsproxy_client_loglevel_parameter', // the policy, and the loglevel's name, come with each request, or not at all
    'tlsproxy_client_policy_maps',
  ]);
});

test('names that mxtls does not have are not in the table', () => {
  expect([...postfixNames()].filter((name) => knownParameter(name) !== null)).toEqual([]);
  expect(parameters.filter((row) => foreignFamily(row.name) !== null)).toEqual([]);
  expect(isPostfixName('relayhost')).toBe(true);
  expect(isPostfixName('dovecot_destination_recipient_limit')).toBe(true);
  expect(isPostfixName('relay_host')).toBe(false);
  expect(foreignFamily('lmtp_tls_loglevel')).toBe('lmtp');
  expect(foreignFamily('lmtp')).toBeNull();
});
