/**
 * Policy tables against what Postfix 3.10 did with the same values (fixtures/policy-table.json, which
 * interop/policy-table.test.ts compares with a Postfix that runs): warnings, status code and text.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { isProblem } from '../../lib/policy/policy.js';
import { hostFacts, policyWorld } from '../helpers/policy.js';

interface Recorded {
  readonly policy: string;
  readonly warnings: readonly string[];
  readonly dsn: string;
  readonly text: string;
}

const recorded = JSON.parse(
  readFileSync(new URL('../fixtures/policy-table.json', import.meta.url), 'utf8'),
) as readonly Recorded[];

/** Postfix finds out at the handshake; a host that cannot be greeted as the table says is not connected to at all. */
const refusedEarlier: Readonly<Record<string, string>> = {
  'encrypt protocols=TLSv9': 'Invalid TLS protocol list "TLSv9"',
  'encrypt protocols=TLSv1.2;TLSv1.3': 'Invalid TLS protocol list "TLSv1.2;TLSv1.3"',
  'encrypt ciphers=bogus': 'invalid cipher grade: "bogus"',
  'encrypt exclude=!AES': "invalid unary '!+-@' in cipher exclusion: !AES",
};

const host = '127.200.0.1';
const nexthop = `[${host}]:2525`;
const namaddr = `${host}[${host}]:2525`;

/** What Postfix does not say. */
const saidBesides: Readonly<Record<string, string>> = {
  'secure tafile=/dev/null': 'no trust anchors in file: /dev/null',
};

/** What a session makes of digests of the wrong length is the TLS library's to say. */
const bySession = /: (?:unusable TLSA RR|all fingerprints unusable)/;

async function outcome(
  policy: string,
): Promise<{ warnings: readonly string[]; dsn: string | null; text: string | null }> {
  const { resolver, warnings } = policyWorld({
    policyMaps: [{ spec: 'function', table: { lookup: () => policy.replaceAll('HOST', host) } }],
    settings: { dnssec: false },
  });
  const facts = hostFacts({ host, nexthop, port: 2525, hadMxLookup: false });
  const result = await resolver.resolvePolicy(facts);
  const inSession = isProblem(result) ? [] : result.sessionWarnings;
  const all = [
    ...warnings,
    ...(isProblem(result) && result.warning !== null ? [result.warning] : []),
    ...inSession.map((text) => `${namaddr}: ${text}`),
  ];
  return {
    warnings: all.map((text) =>
      text.replaceAll(namaddr, 'NAMADDR').replaceAll(nexthop, 'HOP').replaceAll(host, 'HOST'),
    ),
    dsn: isProblem(result) ? result.dsn : null,
    text: isProblem(result) ? result.text : null,
  };
}

const skips = ['client TLS configuration problem', 'server unavailable or unable to receive mail'];

describe('a policy is taken or refused as by Postfix', () => {
  test.each(recorded)('$policy', async ({ policy, warnings, dsn, text }) => {
    const ours = await outcome(policy);
    const earlier = refusedEarlier[policy];
    if (earlier !== undefined) {
      expect(text).toBe('Cannot start TLS: handshake failure');
      expect(ours).toEqual({
        dsn: '4.7.5',
        text: 'client TLS configuration problem',
        warnings: [
          `smtp_tls_policy_maps, next-hop destination "HOP": ${earlier}`,
          'TLS policy lookup for HOP/HOST: client TLS configuration problem',
        ],
      });
      return;
    }
    const besides = saidBesides[policy];
    const skipped = skips.includes(text);
    expect(ours).toEqual({
      warnings: [
        ...(besides === undefined ? [] : [besides]),
        ...warnings.filter((warning) => !bySession.test(warning)),
      ],
      dsn: skipped ? dsn : null,
      text: skipped ? text : null,
    });
  });
});

test('a digit alone, which ends the smtp(8) of Postfix 3.10, is a malformed fingerprint', async () => {
  expect((await outcome('fingerprint match=A')).warnings[0]).toBe('malformed fingerprint value: A');
});
