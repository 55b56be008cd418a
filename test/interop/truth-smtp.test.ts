/**
 * The recorded truth of Postfix 3.11: each case at each level comes with our deliver() to what smtp(8) made of it, once
 * with our own smtpd as the servers and once with Debian 13's.
 */
import { expect, test } from 'vitest';
import { smtpRows } from '../helpers/truth-world/cases.js';
import { OurClient, summaryOf } from '../helpers/truth-world/our-client.js';
import { describeRecording, type Side } from '../helpers/truth-world/recorded-cases.js';

describeRecording(smtpRows(), (world) => new OurClient(world), bothSides);

function bothSides(side: () => Side): void {
  const hybrid =
    'TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519MLKEM768';
  const clientKey = 'client-signature ECDSA (prime256v1 raw public key) client-digest SHA256';
  const clientCert = 'client-signature ECDSA (prime256v1) client-digest SHA256';

  test.each([
    [
      'ML-DSA and raw public keys of both sides',
      { case: 'good-all-multi', level: 'dane' },
      `Verified ${hybrid} server-signature ML-DSA-65 (raw public key) ${clientKey}`,
    ],
    [
      'an ML-DSA certificate, and our raw public key',
      { case: 'good-all-multi', level: 'secure' },
      `Verified ${hybrid} server-signature ML-DSA-65 ${clientKey}`,
    ],
    [
      'a server that requires our certificate',
      { case: 'notlsa-reqccert', level: 'secure' },
      `Verified ${hybrid} server-signature ECDSA (prime256v1) server-digest SHA256 ${clientCert}`,
    ],
    [
      'TLS 1.2',
      { case: 'good-tls12', level: 'dane' },
      'Verified TLSv1.2 with cipher ECDHE-ECDSA-AES256-GCM-SHA384 (256/256 bits)',
    ],
  ])('both sides tell the same of the session: %s', async (_, row, expected) => {
    const { world, client } = side();
    const from = world.serverLines.all.length;
    const ours = summaryOf(await client.deliver(row)) ?? '';
    const theirs = await world.serverLines.line(/TLS connection established from/, from);
    const session = (line: string): string => line.replace(/^.*? established \S+ .*?: (?=TLS)/, '');
    expect(`${ours.split(' ')[0]} ${session(ours)}`).toBe(expected);
    expect(session(theirs)).toBe(session(ours));
  });
}
