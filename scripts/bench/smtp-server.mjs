// The peer: npm's smtp-server as a program would use it. No look-ups, no log, no AUTH; the number of
// session tickets comes from the OpenSSL configuration file, as for node:tls.
import { readFileSync } from 'node:fs';
import { SMTPServer } from 'smtp-server';
import { control, serverOptions } from './control.mjs';

const options = serverOptions();
const chain = readFileSync(options.chain);
const server = new SMTPServer({
  name: 'server.test',
  key: chain,
  cert: chain,
  ecdhCurve: options.groups,
  minVersion: 'TLSv1.3',
  disabledCommands: ['AUTH'],
  authOptional: true,
  disableReverseLookup: true,
  logger: false,
  onData(stream, _session, callback) {
    stream.on('end', () => callback(null));
    stream.resume();
  },
});
server.on('error', () => {});
server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => {
  control(server.server.address().port, options);
});
