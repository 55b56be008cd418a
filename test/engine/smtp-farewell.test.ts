/**
 * How the smtp engine takes its leave. That what it marks so is one segment is `native/test/glue_segments_test.c`: here the
 * calls of a real connection are listened to.
 */
import { afterEach, expect, test, vi } from 'vitest';
import { addon } from '../../lib/addon.js';
import { Smtp, type SmtpOptions } from '../../lib/client.js';
import { certificate } from '../helpers/certificates.js';
import { Lines } from '../helpers/lines.js';
import { startSmtpd } from '../helpers/servers.js';

const serverTls = { securityLevel: 'may', chainFiles: [certificate('ecdsa').chainFile] } as const;

afterEach(() => {
  vi.restoreAllMocks();
});

/** A delivery to a server of ours; the last write of each connection, and how often the end was asked for. */
async function farewells(options: SmtpOptions) {
  const { nexthop, lines } = await startSmtpd({ tls: serverTls });
  const { connect } = addon;
  const spies: { write: ReturnType<typeof vi.spyOn>; end: ReturnType<typeof vi.spyOn> }[] = [];
  vi.spyOn(addon, 'connect').mockImplementation((props) => {
    const connection = connect(props);
    spies.push({ write: vi.spyOn(connection, 'write'), end: vi.spyOn(connection, 'end') });
    return connection;
  });
  const smtp = new Smtp({
    ...{ myhostname: 'client.example', logger: new Lines() },
    discardEhloKeywords: ['PIPELINING'], // else QUIT leaves with the end of the message
    ...options,
  });
  const report = await smtp.deliver({
    ...{ sender: 'a@example.org', recipients: ['b@example.com'], message: 'hello\n', nexthop },
  });
  expect(report.recipients).toMatchObject([{ status: 'sent' }]);
  const seen = spies.map(({ write, end }) => [write.mock.lastCall, end.mock.calls.length]);
  expect(await lines.line(/^disconnect/)).toContain('quit=1');
  return seen;
}

test('QUIT leaves with the close-notify behind it', async () => {
  expect(await farewells({})).toEqual([[['QUIT\r\n', true], 1]]);
});

test('smtp_skip_quit_response = no: QUIT leaves alone, for its reply comes first', async () => {
  expect(await farewells({ skipQuitResponse: false })).toEqual([[['QUIT\r\n', false], 0]]);
});

test('in plaintext QUIT leaves alone: there is no close-notify', async () => {
  const tls = { securityLevel: 'none' } as const;
  expect(await farewells({ tls })).toEqual([[['QUIT\r\n', false], 1]]);
});
