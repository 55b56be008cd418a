// @ts-check
/**
 * Separate processes, started by whoever starts services on this host, with the service `mxtls tlsmgr`:
 *
 *     (umask 077; openssl rand 32 > /etc/mxtls/wrapping.key)
 *     mxtls tlsmgr --listen /run/mxtls/tlsmgr --wrapping-key /etc/mxtls/wrapping.key \
 *         -o smtpd_tls_session_cache_database=memory: &
 *     node examples/process.mjs /etc/mxtls/mx.pem 2525 /run/mxtls/tlsmgr /etc/mxtls/wrapping.key &
 *     node examples/process.mjs /etc/mxtls/mx.pem 2525 /run/mxtls/tlsmgr /etc/mxtls/wrapping.key &
 *
 * They may be programs of different kinds, at different ports, and start and end when they like. One that comes back, or is
 * new, resumes the sessions of the others. Without the service they serve all the same, with full handshakes.
 */
import { Smtpd, SocketTlsmgr } from 'mxtls';
import { serverOptions } from './server.mjs';

const [chainFile = '', port = '2525', path = '', file = ''] = process.argv.slice(2);

// The file is read in native code alone; this process' JavaScript never sees the key. Who may ask the service is decided by
// the socket's mode and by the user that we run as.
const tlsmgr = new SocketTlsmgr({ path, wrappingKey: { file } });
const smtpd = new Smtpd({ ...serverOptions(chainFile), tlsmgr });

// Several processes at one port: the kernel shares the clients among them. All have to run as the same user.
const listener = await smtpd.listen({ host: '127.0.0.1', port: Number(port), reusePort: true });
process.stdout.write(`listening 127.0.0.1:${listener.port}\n`);

async function stop() {
  await smtpd.close(); // after the messages that are being received
  await tlsmgr.close();
}
process.once('SIGTERM', stop).once('SIGINT', stop);
