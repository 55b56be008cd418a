/** Every summary line and delivery record that was recorded from Postfix, taken apart and written again. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { TlsError } from '../../lib/errors.js';
import { type DeliveryRecord, deliveryLine } from '../../lib/log/delivery.js';
import { handshakeFailureLines } from '../../lib/log/handshake.js';
import { type TlsSummaryProps, tlsSummary } from '../../lib/log/summary.js';
import type { SignatureInfo, TlsStatus } from '../../lib/snapshot.js';
import { makeSnapshot } from '../helpers/snapshot.js';

const samples = readFileSync(
  new URL('../fixtures/postfix-log-samples.txt', import.meta.url),
  'utf8',
).split('\n');

/** What follows `service[pid]: `. */
const texts = samples.flatMap((line) => /^.{15} \S+ \S+\[\d+\]: (.*)$/.exec(line)?.[1] ?? []);
const summaries = [...new Set(texts.filter((text) => / TLS connection \S+ (from|to) /.test(text)))];
const deliveries = [...new Set(texts.filter((text) => / delays=\S+, .*dsn=/.test(text)))];

const summaryForm = new RegExp(
  '^(?<status>\\w+) TLS connection (?<use>established|reused) (?<direction>from|to) ' +
    '(?<namaddr>\\S+?\\[[^\\]]+\\](?::\\d+)?)(?: to (?<sni>[^:]+))?: ' +
    '(?<protocol>\\S+) with cipher (?<cipher>\\S+) \\((?<used>\\d+)/(?<alg>\\d+) bits\\)' +
    '(?: key-exchange (?<group>\\S+))?(?: server-signature (?<server>.*?))?(?: client-signature (?<client>.*))?$',
);

/** `ECDSA (prime256v1 raw public key) server-digest SHA256` and its relatives. */
function parseSignature(text: string | undefined): SignatureInfo | null {
  if (text === undefined) {
    return null;
  }
  const match = /^(\S+)(?: \((.*?)\))?(?: \w+-digest (\S+))?$/.exec(text);
  const details = match?.[2] ?? '';
  const rawPublicKey = details.endsWith('raw public key');
  const bits = /^(\d+) bit/.exec(details)?.[1];
  const curve = details.replace(/ ?raw public key$/, '');
  return {
    algorithm: match?.[1] ?? '',
    curve: bits === undefined && curve !== '' ? curve : null,
    bits: bits === undefined ? null : Number(bits),
    digest: match?.[3] ?? null,
    rawPublicKey,
  };
}

function parseSummary(text: string): TlsSummaryProps {
  const groups = summaryForm.exec(text)?.groups ?? {};
  return {
    direction: groups['direction'] as 'from' | 'to',
    use: groups['use'] as 'established' | 'reused',
    namaddr: groups['namaddr'] ?? '',
    snapshot: makeSnapshot({
      status: groups['status'] as TlsStatus,
      protocol: groups['protocol'] ?? '',
      cipher: groups['cipher'] ?? '',
      cipherUsedBits: Number(groups['used']),
      cipherAlgorithmBits: Number(groups['alg']),
      // Below TLS 1.3 the line says nothing of it, although the snapshot knows.
      group: groups['group'] ?? (groups['protocol'] === 'TLSv1.3' ? null : 'secp256r1'),
      server: parseSignature(groups['server']),
      client: parseSignature(groups['client']),
      sni: groups['sni'] ?? null,
    }),
  };
}

test('the recordings hold summary lines of both sides', () => {
  expect(summaries.filter((text) => text.includes(' from ')).length).toBeGreaterThan(25);
  expect(summaries.filter((text) => text.includes(' to ')).length).toBeGreaterThan(30);
  expect(summaries.some((text) => text.includes(' reused '))).toBe(true);
});

test.each(summaries)('%s', (text) => {
  expect(tlsSummary(parseSummary(text))).toBe(text);
});

function parseDelivery(text: string): DeliveryRecord {
  const form =
    /^(\S+): to=<(.*?)>,(?: orig_to=<(.*?)>,)? relay=(\S+),(?: conn_use=(\d+),)? delay=(\S+), delays=(\S+),(?: tls=(\S+),)? dsn=(\S+), status=(\w+) \((.*)\)$/;
  const [, queueId, recipient, origTo, relay, connUse, delay, delays, tls, dsn, status, reason] =
    form.exec(text) ?? [];
  const [a = 0, b = 0, c = 0, d = 0] = (delays ?? '').split('/').map(Number);
  return {
    queueId: queueId ?? '',
    recipient: recipient ?? '',
    origRecipient: origTo ?? null,
    relay: relay === 'none' ? null : (relay ?? null),
    connUse: Number(connUse ?? 1),
    delay: Number(delay),
    delays: [a, b, c, d],
    tls: tls ?? null,
    dsn: dsn ?? '',
    status: status as DeliveryRecord['status'],
    text: reason ?? '',
  };
}

test('the recordings hold delivery records', () => {
  expect(deliveries.length).toBeGreaterThan(50);
});

test.each(deliveries)('%s', (text) => {
  expect(deliveryLine(parseDelivery(text))).toBe(text);
});

const failures = [
  ...new Set(texts.filter((text) => /^SSL_(accept|connect) error .*: -1$/.test(text))),
];
const problems = [
  ...new Set(texts.filter((text) => text.startsWith('warning: TLS library problem: '))),
];

test('the recordings hold failed handshakes of both sides', () => {
  expect(failures.some((text) => text.startsWith('SSL_accept'))).toBe(true);
  expect(failures.some((text) => text.startsWith('SSL_connect'))).toBe(true);
  expect(problems.length).toBeGreaterThan(5);
});

test.each(failures)('%s', (text) => {
  const [, direction, namaddr] = /^SSL_\w+ error (from|to) (\S+): -1$/.exec(text) ?? [];
  for (const problem of problems) {
    const library = problem.replace('warning: TLS library problem: ', '');
    const lines = handshakeFailureLines({
      direction: direction as 'from' | 'to',
      namaddr: namaddr ?? '',
      error: new TlsError({ code: 'TLS_HANDSHAKE', library }),
    });
    expect(lines).toEqual([
      { severity: 'info', text },
      { severity: 'warning', text: problem.replace('warning: ', '') },
    ]);
  }
});
