// What the figure of foreign tickets measures: a wrappermode listener that has its ticket keys from a
// tlsmgr service, by the parts that the smtpd engine is made of. It tells how often it has asked.
import { join } from 'node:path';
import { addon } from '../../dist/addon.js';
import { resolveSmtpd } from '../../dist/config/check.js';
import { createServerContext, serverTlsProps } from '../../dist/tls/server-context.js';
import { ensureLibrary } from '../../dist/tls/library.js';
import { SocketTlsmgr } from '../../dist/tlsmgr/socket-tlsmgr.js';
import { resolveWrappingKey, TicketKeys } from '../../dist/tlsmgr/ticket-keys.js';
import { control, serverOptions } from './control.mjs';

const IDLE_LIMIT_MS = 300_000;
const options = serverOptions();
const { tls } = resolveSmtpd({
  tls: {
    securityLevel: 'encrypt',
    chainFiles: [options.chain],
    eecdhAutoCurves: options.groups.split(':'),
  },
});
ensureLibrary(tls);

const wrappingKey = { file: join(options.tlsmgr, 'key') };
const { ticketKeys } = new SocketTlsmgr({ path: join(options.tlsmgr, 'socket'), wrappingKey });
let questions = 0;
let told = () => {};
const known = new Promise((resolve) => {
  told = resolve;
});
const source = {
  ...ticketKeys,
  subscribe: (onChange) =>
    ticketKeys.subscribe((keys) => {
      onChange(keys);
      told();
    }),
  find: (name) => {
    questions += 1;
    return ticketKeys.find(name);
  },
};
const keys = new TicketKeys(
  { period: 0, source, warn: (text) => process.stderr.write(`${text}\n`) },
  await resolveWrappingKey(wrappingKey),
);
const awake = setInterval(() => {}, 1000); // the client of the service keeps no process alive
await known;
clearInterval(awake);

const context = createServerContext(tls, { service: 'bench', wrappermode: true, tickets: keys });
const owner = (connection) => ({
  onRead: () => {},
  onEnd: () => connection.end(),
  onDrain: () => {},
  onHandshake: () => {},
  onTimeout: () => connection.destroy(),
  onClose: () => {},
});
const listener = addon.listen({
  ...{ host: '127.0.0.1', port: 0, path: null, fd: -1, backlog: 4096, limit: 0, busyReply: null },
  ...{ admit: false, reusePort: false, ipv6Only: false, context },
  tls: serverTlsProps({ timeout: IDLE_LIMIT_MS }),
});
const say = (error) => {
  process.stderr.write(`${error.message}\n`);
};
listener.owner = {
  context, // it answers the questions while somebody has it
  onAccept: (connection) => {
    connection.owner = owner(connection);
    connection.setTimeout(IDLE_LIMIT_MS);
    connection.readStart();
  },
  onHandshakeFailure: say,
  onAcceptError: say,
};
control(listener.port, options, { questions: () => ({ questions }) });
