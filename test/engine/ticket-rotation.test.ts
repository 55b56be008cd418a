/** Session tickets while their keys change: our own client and node's come back, period after period. */
import { onTestFinished, describe, expect, test } from 'vitest';
import { addon } from '../../lib/addon.js';
import { resolveSmtpd } from '../../lib/config/check.js';
import type { NativeConnection } from '../../lib/native.js';
import { createServerContext, serverTlsProps } from '../../lib/tls/server-context.js';
import { TicketKeys } from '../../lib/tlsmgr/ticket-keys.js';
import { ensureLibrary } from '../../lib/tls/library.js';
import { certificate } from '../helpers/certificates.js';
import { anyPort } from '../helpers/native-props.mjs';
import { TurnedClock } from '../helpers/ticket-keys.js';
import { type Visit, versions, visit } from '../helpers/ticket-visit.js';
import { visit as visitOurs } from '../helpers/tls-visit.js';

ensureLibrary();

const options = resolveSmtpd({ tls: { chainFiles: [certificate('ecdsa').chainFile] } }).tls;
let period = 300_000;

/** A server that says a line, with ticket keys by a clock of its own. */
function rotating() {
  const clock = new TurnedClock();
  period += 1000; // keys that no other test has
  const keys = new TicketKeys({
    period,
    source: null,
    clock,
    warn: (text) => expect(text).toBe(''),
  });
  const context = createServerContext(options, { service: 'smtpd', tickets: keys });
  const tls = serverTlsProps({ timeout: 20_000 });
  const listener = addon.listen({ ...anyPort, context, tls });
  const open: NativeConnection[] = [];
  listener.owner = {
    onAccept: (connection: NativeConnection) => {
      open.push(connection);
      connection.write('220 hello\r\n');
    },
    onHandshakeFailure: () => undefined,
  };
  onTestFinished(() => {
    listener.close();
    keys.close();
    for (const connection of open) {
      connection.destroy();
    }
  });
  return { port: listener.port, clock, period };
}

describe.each(versions)('%s', (version) => {
  test('a client that comes back in every period resumes over 20 rollovers', async () => {
    const server = rotating();
    let last: Visit = await visit(server.port, version);
    let renewals = 0;
    for (let i = 0; i < 80; i++) {
      server.clock.pass(server.period / 4);
      const next = await visit(server.port, version, last.session);
      expect(next.resumed).toBe(true);
      if (next.renewed) {
        renewals += 1;
        last = next;
      }
    }
    expect(renewals).toBe(20);
  });

  test('a ticket is good for its period and the next, and renewed in that', async () => {
    const server = rotating();
    const { session } = await visit(server.port, version);
    server.clock.pass(server.period - 1);
    expect(await visit(server.port, version, session)).toMatchObject({
      resumed: true,
      renewed: false,
    });
    server.clock.pass(1);
    expect(await visit(server.port, version, session)).toMatchObject({
      resumed: true,
      renewed: true,
    });
    server.clock.pass(server.period - 1);
    expect(await visit(server.port, version, session)).toMatchObject({
      resumed: true,
      renewed: true,
    });
    server.clock.pass(1);
    expect(await visit(server.port, version, session)).toMatchObject({
      resumed: false,
      renewed: true,
    });
  });
});

test('our own client resumes over rollovers', async () => {
  const server = rotating();
  let { session } = await visitOurs(server, {}, {});
  for (let i = 0; i < 12; i++) {
    expect(session).not.toBeNull();
    server.clock.pass(server.period / 2);
    const next = await visitOurs(server, {}, session === null ? {} : { session });
    expect(next.tls).toMatchObject({ resumed: true, ticket: true });
    session = next.session ?? session;
  }
});
