// The peer: node:tls as a program would use it, on whichever node runs this file. The number of
// session tickets comes from the OpenSSL configuration file that the bench starts it with
// (NumTickets), because node:tls has no option for it.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:tls';
import { control, serverOptions } from './control.mjs';

const options = serverOptions();
const chain = readFileSync(options.chain);
const server = createServer({
  key: chain,
  cert: chain,
  ecdhCurve: options.groups,
  minVersion: 'TLSv1.3',
  noDelay: true,
});
server.on('secureConnection', (socket) => {
  socket.on('error', () => {});
  socket.resume();
});
server.on('tlsClientError', () => {});
server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => {
  control(server.address().port, options);
});
