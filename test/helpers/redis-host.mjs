/**
 * A server of one of several hosts that share ticket keys in a Valkey: HOST, ADDRESS, CHAINFILE, PERIOD of a key and by how much the
 * host's clock is AHEAD, in milliseconds. Runs on the built package.
 */
import { Smtpd } from '../../dist/server.js';
import { RedisTlsmgr } from '../../dist/tlsmgr/redis-tlsmgr.js';
import { ticketClock } from '../../dist/tlsmgr/ticket-keys.js';

const [host, address, chainFile, period, ahead] = process.argv.slice(2);
const clock = { ...ticketClock, now: () => Date.now() + Number(ahead) };
const tlsmgr = await RedisTlsmgr.open({ address, period: Number(period), clock });
const smtpd = new Smtpd({
  ...{ myhostname: 'mx.example.com', tls: { chainFiles: [chainFile] }, tlsmgr },
  onData: async (_session, message) => message.resume(),
});
const { port } = await smtpd.listen({ host, port: 0, wrappermode: true });
process.stdout.write(`listening ${host}:${port}\n`);
