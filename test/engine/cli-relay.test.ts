/** `mxtls smtpd` relays nothing: every way of writing somebody else's address, over the wire. */
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { parameters, smtpdCommand } from '../helpers/command.js';

const denied = /^554 5\.7\.1 <.*>: Relay access denied$/;
const noAddress = /^501 5\.1\.3 Bad recipient address syntax$/;
const welcome = /^250 2\.1\.5 Ok$/;

/** Paths as RCPT has them. A `%` or `!` in a local part stays part of a local name. */
const paths: readonly (readonly [path: string, reply: RegExp])[] = [
  ['<b@example.com>', welcome],
  ['<B@EXAMPLE.COM>', welcome],
  ['<"b"@example.com>', welcome],
  ['<@a.example,@b.example:c@example.com>', welcome],
  ['<c%evil.example@example.com>', welcome],
  ['<evil.example!c@example.com>', welcome],
  ['<"c@evil.example"@example.com>', welcome],
  ['<b@[127.0.0.1]>', welcome],
  ['<b@xn--bcher-kva.example>', welcome],
  ['<postmaster>', welcome],
  ['<@a.example,@b.example:c@evil.example>', denied],
  ['<@example.com:c@evil.example>', denied],
  ['<c%example.com@evil.example>', denied],
  ['<"c@example.com"@evil.example>', denied],
  ['<evil.example!c>', denied],
  ['<postmaster@evil.example>', denied],
  ['<b@sub.example.com>', denied],
  ['<b@example.com.evil.example>', denied],
  ['<b@[127.0.0.2]>', denied],
  ['<b@[IPv6:::1]>', denied],
  ['<b@127.0.0.1>', denied],
  ['<b@xn--example-.com>', denied],
  ['<c@example.com@evil.example>', noAddress],
  ['<c@evil.example@example.com>', noAddress],
  ['<"c@evil.example">', noAddress],
  ['<b@example.com\\@evil.example>', noAddress],
  ['<b@example.com>@evil.example', noAddress],
  ['<b@>', noAddress],
  ['<>', noAddress],
  ['<b@exam\u0440le.com>', /^553 5\.6\.7 Must declare SMTPUTF8/],
];

test('a recipient is ours, refused, or no address', async () => {
  const smtpd = smtpdCommand(
    ...['example.com', '[127.0.0.1]', 'b\u00fccher.example'].flatMap((name) => ['--domain', name]),
    ...parameters(
      'smtpd_forbid_unauth_pipelining=no',
      'smtpd_hard_error_limit=100',
      'smtpd_error_sleep_time=0',
    ),
  );
  const client = connect(await smtpd.port(), '127.0.0.1');
  client.write(
    [
      'EHLO client.example',
      'MAIL FROM:<a@client.example>',
      ...paths.map(([path]) => `RCPT TO:${path}`),
      'QUIT\r\n',
    ].join('\r\n'),
  );
  const replies = (await text(client)).split('\r\n').filter((line) => !/^(?:220|250-)/.test(line));
  const answers = replies.slice(replies.indexOf('250 2.1.0 Ok') + 1);
  for (const [i, [path, reply]] of paths.entries()) {
    expect(answers[i], path).toMatch(reply);
  }
});
