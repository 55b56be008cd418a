/**
 * Every reply that the smtpd engine can give, and what it logs, as transcripts (`test/golden/transcripts`).
 * `test/interop/smtpd-transcripts.test.ts` plays the same to Postfix.
 */
import { describe, expect, onTestFinished, test } from 'vitest';
import { ourSmtpd, sessionLines } from '../helpers/transcript-server.js';
import { expected, play, transcriptFiles } from '../helpers/transcripts.js';

describe.each(transcriptFiles())('$name', ({ parameters, cases }) => {
  test.each(cases.filter(({ side }) => side !== 'postfix'))('$name', async (played) => {
    const { smtpd, port, lines } = await ourSmtpd(parameters);
    onTestFinished(() => smtpd.close(true));
    const wrappermode = parameters['smtpd_tls_wrappermode'] === 'yes';
    const wanted = expected(played, 'mxtls');
    const place = { host: '127.0.0.1', port, wrappermode };
    expect(await play(played, 'mxtls', place)).toEqual(wanted.replies);
    await lines.line(/^disconnect/);
    expect(sessionLines(lines.all)).toEqual(wanted.log);
  });
});
