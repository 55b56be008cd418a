/**
 * The transcripts of our smtpd (`test/golden/transcripts`), played to the distribution's Postfix: what
 * it replies and logs is what is written there, but for the lines that are marked and argued.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { prepareDebian13, whyNoDebian13 } from '../helpers/debian13.js';
import type { Postfix } from '../helpers/postfix.js';
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

describe.skipIf(reason !== null)('Postfix', () => {
  let postfix: Postfix;

  beforeAll(async () => {
    prepareDebian13();
    postfix = await theirSmtpds(files);
  }, 10 * minutes);

  afterAll(() => postfix?.stop());

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
