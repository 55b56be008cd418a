// What the figure of server names measures: a wrappermode listener whose context looks names up in a
// table, by the parts that the smtpd engine is made of. It reads the notices of each handshake, as
// the engine does, and ends when the client ends.
import { addon } from '../../dist/addon.js';
import { resolveSmtpd } from '../../dist/config/check.js';
import { silentLogger } from '../../dist/log/logger.js';
import { resolveSni } from '../../dist/sni/options.js';
import { SniSource } from '../../dist/sni/source.js';
import { createServerContext, serverTlsProps } from '../../dist/tls/server-context.js';
import { control, serverOptions } from './control.mjs';

const IDLE_LIMIT_MS = 300_000;
const options = serverOptions();

const { tls } = resolveSmtpd({
  tls: {
    securityLevel: 'encrypt',
    chainFiles: [options.chain],
    eecdhAutoCurves: options.groups.split(':'),
    serverSniMaps: [options.sni],
  },
});
const sni = await SniSource.open({
  ...resolveSni(),
  maps: tls.serverSniMaps,
  logger: silentLogger,
});
const context = createServerContext(tls, { service: 'bench', wrappermode: true, sni });

const owner = (connection) => ({
  onRead: () => {},
  onEnd: () => connection.end(),
  onDrain: () => {},
  onHandshake: () => {},
  onTimeout: () => connection.destroy(),
  onClose: () => {},
});

const listener = addon.listen({
  ...{ host: '127.0.0.1', port: 0, path: null, fd: -1, backlog: 4096 },
  ...{ reusePort: false, ipv6Only: false, context },
  tls: serverTlsProps({ timeout: IDLE_LIMIT_MS }),
});
listener.owner = {
  onAccept: (connection) => {
    connection.owner = owner(connection);
    connection.takeNotices();
    connection.setTimeout(IDLE_LIMIT_MS);
    connection.readStart();
  },
  onHandshakeFailure: (error) => {
    process.stderr.write(`${error.message}\n`);
  },
  onAcceptError: (error) => {
    process.stderr.write(`${error.message}\n`);
  },
};
control(listener.port, options);
