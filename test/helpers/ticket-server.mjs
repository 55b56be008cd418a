/**
 * A process that gives session tickets, for who looks into its memory: `pass MS` on standard input turns the clock of
 * its keys and is answered with the names of the keys in use. Runs on the built package.
 */
import { createInterface } from 'node:readline';
import { addon } from '../../dist/addon.js';
import '../../dist/dispatch.js';
import { resolveSmtpd } from '../../dist/config/check.js';
import { createServerContext, serverTlsProps } from '../../dist/tls/server-context.js';
import { ensureLibrary } from '../../dist/tls/library.js';
import { TicketKeys } from '../../dist/tlsmgr/ticket-keys.js';
import { anyPort } from './native-props.mjs';

const [chainFile, period] = process.argv.slice(2);
ensureLibrary();
let now = Date.now();
let due = () => undefined;
const clock = {
  now: () => now,
  after: (_ms, call) => {
    due = call;
    return () => undefined;
  },
};
const keys = new TicketKeys({ period: Number(period), source: null, clock, warn: console.error });
const options = resolveSmtpd({ tls: { chainFiles: [chainFile] } }).tls;
const listener = addon.listen({
  ...anyPort,
  context: createServerContext(options, { service: 'smtpd', tickets: keys }),
  tls: serverTlsProps({ timeout: 20_000 }),
});
listener.owner = {
  onAccept: (connection) => {
    connection.owner = {
      onRead: () => undefined,
      onEnd: () => connection.destroy(),
      onClose: () => undefined,
    };
    connection.write('220 hello\r\n');
    connection.readStart();
  },
  onHandshakeFailure: () => undefined,
};

function tell() {
  const names = keys.ring.keys().sealed.map((sealed) => sealed.toString('hex', 4, 20));
  console.log(JSON.stringify({ port: listener.port, names }));
}

createInterface({ input: process.stdin }).on('line', (line) => {
  now += Number(line.split(' ')[1]);
  due();
  tell();
});
process.stdin.on('end', () => process.exit(0));
tell();
