/**
 * The transcripts of our smtpd (`test/golden/transcripts`), played to the distribution's Postfix: what
 * it replies and logs is what is written there, but for the lines that are marked and argued.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { prepareDebian13, whyNoDebian13 } from '../helpers/debian13.js';
import type { Postfix } from '../helpers/postfix.js';
import { RawClient } from '../helpers/raw-client.js';
import { sessionLines, theirSmtpds } from '../helpers/transcript-server.js';
import { expected, play, transcriptFiles } from '../helpers/transcripts.js';

const minutes = 60_000;
const reason = whyNoDebian13();
const files = transcriptFiles()
  .map((file) => ({ ...file, cases: file.cases.filter(({ side }) => side !== 'mxtls') }))
  .filter(({ cases }) => cases.length > 0);

test.runIf(process.env['CI'] !== undefined)('Postfix can be run', () => {
  expect(reason).toBeNull();
});

const wrappermodeWithoutContext = {
  name: 'wrappermode without context',
  parameters: { smtpd_tls_wrappermode: 'yes', smtpd_tls_chain_files: '' },
};

describe.skipIf(reason !== null)('Postfix', () => {
  let postfix: Postfix;

  beforeAll(async () => {
    prepareDebian13();
    postfix = await theirSmtpds([...files, wrappermodeWithoutContext]);
  }, 10 * minutes);

  afterAll(() => postfix?.stop());

  // Ours: `smtpd-tls.test.ts`.
  test('wrappermode where the TLS context is missing: not a byte, and a warning', async () => {
    const before = postfix.lines.all.length;
    const client = await RawClient.connect(
      postfix.portOf(wrappermodeWithoutContext.name),
      postfix.address,
    );
    expect(await client.rest()).toBe('');
    client.end();
    await postfix.lines.line(/smtpd\[\d+\]: disconnect/, before);
    expect(sessionLines(postfix.lines.all.slice(before))).toEqual([
      expect.stringMatching(
        /^warning: Wrapper-mode request dropped from unknown\[127\.0\.0\.1\] for service \S+\. TLS context initialization failed\. For details see earlier warnings in your logs\.$/,
      ),
      'disconnect from unknown[127.0.0.1] commands=0/0',
    ]);
  });

  describe.each(files)('$name', ({ name, parameters, cases }) => {
    test.each(cases)('$name', async (played) => {
      const before = postfix.lines.all.length;
      const wanted = expected(played, 'postfix');
      const wrappermode = parameters['smtpd_tls_wrappermode'] === 'yes';
      const place = { host: postfix.address, port: postfix.portOf(name), wrappermode };
      expect(await play(played, 'postfix', place)).toEqual(wanted.replies);
      await postfix.lines.line(/smtpd\[\d+\]: disconnect/, before);
      expect(sessionLines(postfix.lines.all.slice(before))).toEqual(wanted.log);
    });
  });
});
