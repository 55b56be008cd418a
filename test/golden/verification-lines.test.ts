/** Every line about a server's credential that was recorded from Postfix's client, made again from what it says. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { credentialLines } from '../../lib/log/credential.js';
import { noLogging } from '../../lib/log/loglevel.js';
import { logNotices } from '../../lib/log/notices.js';
import type { VerifyError } from '../../lib/snapshot.js';
import { Lines } from '../helpers/lines.js';
import { makeSnapshot } from '../helpers/snapshot.js';

const texts = readFileSync(new URL('../fixtures/postfix-log-samples.txt', import.meta.url), 'utf8')
  .split('\n')
  .flatMap((line) => /^.{15} \S+ \S+\/smtp\[\d+\]: (.*)$/.exec(line)?.[1] ?? []);

const failures = [
  ...new Set(texts.filter((text) => / ?certificate verification failed for /.test(text))),
];
const warnings = [...new Set(texts.filter((text) => /^warning: \S+\]:\d+: .*TLSA/.test(text)))];

/** The fault that a text tells of. */
function faultOf(purpose: string, text: string): VerifyError {
  const numbered = /^num=(\d+):(.*)$/.exec(text);
  if (numbered !== null) {
    const depth = purpose === 'CA ' ? 1 : 0;
    return { code: Number(numbered[1]), depth, text: numbered[2] ?? '' };
  }
  const codes: readonly (readonly [RegExp, number])[] = [
    [/^self-signed certificate$/, 18],
    [/^untrusted issuer /, 20],
    [/^certificate has expired$/, 10],
  ];
  const code = codes.find(([pattern]) => pattern.test(text))?.[1];
  return { code: code ?? -1, depth: 0, text: '' };
}

test('there are recorded lines of each kind', () => {
  expect(failures.length).toBe(8);
  expect(warnings.length).toBe(3);
});

test.each(failures)('%s', (line) => {
  const parts = /^(\w+ )?certificate verification failed for (\S+): (.*)$/.exec(line);
  const [purpose = '', namaddr = '', text = ''] = parts?.slice(1) ?? [];
  const issuer = /^untrusted issuer (.*)$/.exec(text)?.[1] ?? '';
  const made = credentialLines({
    snapshot: makeSnapshot({
      status: 'Untrusted',
      certificateType: /Raw public key/.test(text) ? 'rpk' : 'x509',
      verifyError: faultOf(purpose, text),
    }),
    claims: { subject: '', issuer: '', untrustedIssuer: issuer },
    direction: 'to',
    namaddr,
    flags: { ...noLogging, untrusted: true },
  });
  expect(made).toEqual([line]);
});

test.each(warnings)('%s', (line) => {
  const [namaddr = '', text = ''] = /^warning: (\S+): (.*)$/.exec(line)?.slice(1) ?? [];
  const record = /^unusable TLSA RR: (.*)$/.exec(text)?.[1];
  const kind =
    record !== undefined
      ? 'tlsa-unusable'
      : text.endsWith('unauthenticated TLS')
        ? 'tlsa-fallback'
        : 'tlsa-none';
  const lines = new Lines();
  logNotices(lines, [{ kind, name: record ?? '', later: '' }], namaddr);
  expect(lines.all).toEqual([line]);
});
