// @ts-check
/**
 * systemd's socket activation (sd_listen_fds(3)): the service manager holds the port, and this process may come and go.
 *
 *     # smtp.socket                  # smtp.service
 *     [Socket]                       [Unit]
 *     ListenStream=[::]:25           Wants=mxtls-tlsmgr.service
 *     BindIPv6Only=both              After=mxtls-tlsmgr.service
 *     [Install]                      [Service]
 *     WantedBy=sockets.target        WorkingDirectory=/srv/mx
 *                                    ExecStart=node socket-activation.mjs mx.pem /run/mxtls/tlsmgr wrapping.key
 *                                    User=mail
 *                                    Restart=always
 *
 * The service `mxtls tlsmgr` runs as the same user, or has `--allow-uid` and a `--mode` for this one.
 * Port 25 needs no root here. While the process is restarted clients wait in the socket, and what their TLS sessions need
 * waits in `mxtls tlsmgr`: they resume at the next process, as if nothing had been.
 */
import { Smtpd, SocketTlsmgr } from 'mxtls';
import { serverOptions } from './server.mjs';

const [chainFile = '', path = '', file = ''] = process.argv.slice(2);

/** The descriptors that were meant for this process: it does not leave word of them to its own children. */
function takeSockets() {
  const { LISTEN_PID: pid, LISTEN_FDS: count } = process.env;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) {
    Reflect.deleteProperty(process.env, name);
  }
  const first = 3;
  return Number(pid) === process.pid
    ? Array.from({ length: Number(count) }, (_, i) => first + i)
    : [];
}

const sockets = takeSockets();
if (sockets.length === 0) {
  throw new Error('no socket was passed: start the .socket unit, not the .service');
}
const tlsmgr = new SocketTlsmgr({ path, wrappingKey: { file } });
const smtpd = new Smtpd({ ...serverOptions(chainFile), tlsmgr });
for (const fd of sockets) {
  const { address, port } = await smtpd.listen({ fd });
  process.stdout.write(`listening ${address}:${port}\n`);
}

async function stop() {
  await smtpd.close(); // after the messages that are being received
  await tlsmgr.close();
}
process.once('SIGTERM', stop).once('SIGINT', stop);
