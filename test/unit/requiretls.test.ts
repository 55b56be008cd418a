/** `smtp_requiretls_policy`, and what each step of a session makes of it. */
import { readFileSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { findParameter } from '../../lib/config/parameters.js';
import { openTable } from '../../lib/maps/open.js';
import type { NamedTable } from '../../lib/policy/find.js';
import {
  forbidsPlaintext,
  type RequiretlsPolicy,
  type RequiretlsStep,
  readRequiretlsPolicy,
  requiretlsPolicy,
  requiretlsStep,
} from '../../lib/policy/requiretls.js';

/** Policy and warnings for a name. */
async function evaluate(text: string, domain: string): Promise<[RequiretlsPolicy, string[]]> {
  const elements = readRequiretlsPolicy(text);
  const tables = new Map<string, NamedTable>();
  for (const element of elements) {
    if (element.kind === 'table' && !element.spec.startsWith('function:')) {
      const table = await openTable(element.spec);
      onTestFinished(() => table.close());
      tables.set(element.spec, { spec: element.spec, table });
    }
  }
  const failing = { lookup: () => Promise.reject(new Error('no such host')) };
  tables.set('function:failing', { spec: 'function:failing', table: failing });
  const warnings: string[] = [];
  const policy = await requiretlsPolicy(elements, domain, tables, (line) => warnings.push(line));
  return [policy, warnings];
}

describe('the policy list', () => {
  const lists: readonly (readonly [string, string, RequiretlsPolicy])[] = [
    ['', 'example.org', 'enforce'],
    ['opportunistic', 'example.org', 'opportunistic'],
    ['Opportunistic+STARTTLS, enforce', 'example.org', 'opportunistic+starttls'],
    ['disable', 'example.org', 'disable'],
    ['error', 'example.org', 'error'],
    ['inline:{ example.org=disable }, opportunistic', 'Example.org', 'disable'],
    ['inline:{ example.org=disable }, opportunistic', 'a.example.org', 'opportunistic'],
    ['inline:{ .example.org=disable }', 'a.b.example.org', 'disable'],
    ['inline:{ .example.org=disable }', 'example.org', 'enforce'],
    ['inline:{ {a = disable} }, inline:{ {b = error} }', 'b', 'error'],
  ];
  test.each(lists)('%j for %s', async (text, domain, policy) => {
    expect(await evaluate(text, domain)).toEqual([policy, []]);
  });

  test.each([
    ['bogus', 'smtp_requiretls_policy: invalid policy "bogus"'],
    [
      'inline:{ example.org=bogus }',
      'smtp_requiretls_policy: inline:{ example.org=bogus }: invalid policy "bogus" for example.org',
    ],
    [
      'inline:{ {example.org = inline:{ x = disable }} }, enforce',
      'smtp_requiretls_policy: inline:{ {example.org = inline:{ x = disable }} }: invalid policy "inline:{ x = disable }" for example.org',
    ],
    ['function:failing, enforce', 'smtp_requiretls_policy: no such host'],
    ['function:unknown', 'smtp_requiretls_policy: table function:unknown is not open'],
  ])('%s is an error', async (text, warning) => {
    expect(await evaluate(text, 'example.org')).toEqual(['error', [warning]]);
  });

  test('an element behind the one that decides does not matter', async () => {
    expect(await evaluate('enforce, bogus', 'example.org')).toEqual(['enforce', []]);
  });

  const preset = findParameter('smtp_requiretls_policy').default.replaceAll(
    '$mydomain',
    'example.net',
  );
  test.each([
    ['example.net', 'opportunistic'],
    ['mail.example.net', 'opportunistic'],
    ['localhost', 'opportunistic'],
    ['192.0.2.1', 'opportunistic'],
    ['2001:db8::1', 'opportunistic'],
    ['example.org', 'enforce'],
  ])('the default for %s is %s', async (domain, policy) => {
    expect(await evaluate(preset, domain)).toEqual([policy, []]);
  });
});

describe('the steps', () => {
  const host = 'mx.example.org';
  const namaddr = `${host}[192.0.2.1]`;
  const requested = 'Sender requested REQUIRETLS, but';
  const last = (name: string): string => `The last attempted server was ${name}`;
  const steps = {
    may: { at: 'level', level: 'may', host },
    none: { at: 'level', level: 'none', host },
    dane: { at: 'level', level: 'dane', host },
    notOffered: { at: 'starttls-not-offered', namaddr },
    rejected: { at: 'starttls-rejected', namaddr, reply: '454 no' },
    untrusted: { at: 'not-matched', because: 'untrusted', namaddr },
    mismatch: { at: 'not-matched', because: 'mismatch', namaddr },
    unsupported: { at: 'requiretls-not-offered', namaddr },
    offered: { at: 'requiretls-offered' },
  } as const satisfies Readonly<Record<string, RequiretlsStep>>;
  const disables = (level: string, what: string): string =>
    `fail 5.7.10 ${requested} my configured TLS security level '${level}' disables ${what}. ${last(host)}`;

  const notOffered = `fail 5.7.30 ${requested} TLS service was not offered by host ${namaddr}`;
  const rejected = `fail 5.7.10 ${requested} host ${namaddr} refused to start TLS: 454 no`;
  const table: Readonly<Record<string, Readonly<Record<keyof typeof steps, string>>>> = {
    enforce: {
      may: disables('may', 'certificate matching'),
      none: disables('none', 'certificate matching'),
      dane: 'continue',
      notOffered,
      rejected,
      untrusted: `fail 5.7.10 ${requested} no trusted server certificate was found. ${last(namaddr)}`,
      mismatch: `fail 5.7.10 ${requested} no matching server certificate was found. ${last(namaddr)}`,
      unsupported: `fail 5.7.30 ${requested} no server was found that supports REQUIRETLS. ${last(namaddr)}`,
      offered: 'send',
    },
    'opportunistic+starttls': {
      may: `log ${requested} the TLS security level 'may' disables certificate matching`,
      none: disables('none', 'encryption'),
      dane: 'continue',
      notOffered,
      rejected,
      untrusted: 'continue',
      mismatch: 'continue',
      unsupported: `log ${requested} ${namaddr} does not support it`,
      offered: 'send',
    },
    opportunistic: {
      may: 'continue',
      none: 'continue',
      dane: 'continue',
      notOffered: 'continue',
      rejected: 'continue',
      untrusted: 'continue',
      mismatch: 'continue',
      unsupported: 'continue',
      offered: 'send',
    },
  };
  const rows = Object.entries(table).flatMap(([policy, row]) =>
    Object.entries(row).map(([step, decision]) => ({ policy, step, decision })),
  );
  test.each(rows)('$policy, $step', ({ policy, step, decision }) => {
    const made = requiretlsStep(policy as RequiretlsPolicy, steps[step as keyof typeof steps]);
    expect(Object.values(made).join(' ')).toBe(decision);
  });

  test.each(Object.keys(steps) as (keyof typeof steps)[])('%s, disabled or in error', (step) => {
    expect(requiretlsStep('disable', steps[step])).toEqual({ kind: 'continue' });
    expect(requiretlsStep('error', steps[step])).toEqual({
      kind: 'fail',
      dsn: '4.7.10',
      text: 'REQUIRETLS policy configuration error',
    });
  });

  test('no plaintext under enforce and opportunistic+starttls', () => {
    const policies = ['enforce', 'opportunistic+starttls', 'opportunistic', 'disable'] as const;
    expect(policies.map(forbidsPlaintext)).toEqual([true, true, false, false]);
  });
});

const golden = new URL('../fixtures/requiretls-texts.txt', import.meta.url);

test('the texts of enforce are those that Postfix 3.11 was recorded with', () => {
  const recorded = readFileSync(golden, 'utf8').trim().split('\n');
  const namaddr = 'mx.good-311.lab.test[127.0.10.3]';
  const host = 'mx.good-311.lab.test';
  const steps: readonly RequiretlsStep[] = [
    { at: 'level', level: 'may', host },
    { at: 'level', level: 'encrypt', host },
    { at: 'requiretls-not-offered', namaddr },
    { at: 'not-matched', because: 'untrusted', namaddr },
    { at: 'starttls-not-offered', namaddr: 'mx.unusable-notls.lab.test[127.0.10.6]' },
    {
      at: 'not-matched',
      because: 'mismatch',
      namaddr: 'mx.name-mismatch-211.lab.test[127.0.10.9]',
    },
  ];
  const made = steps.map((step) => {
    const decision = requiretlsStep('enforce', step);
    return decision.kind === 'fail' ? `${decision.dsn} ${decision.text}` : decision.kind;
  });
  expect(made).toEqual(recorded);
});
