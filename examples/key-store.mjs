// @ts-check
/**
 * A store of your own for ticket keys: here a directory that hosts share; in its place anything that keeps a few hundred
 * bytes for all of them. What it sees is sealed, so it has to be available, and need not be trusted.
 *
 *     node examples/key-store.mjs /etc/mxtls/mx.pem 2525 /mnt/shared /etc/mxtls/wrapping.key mint &    # one of them
 *     node examples/key-store.mjs /etc/mxtls/mx.pem 2526 /mnt/shared /etc/mxtls/wrapping.key &         # the others
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sealedKeyInfo, Smtpd, TicketKeyMint } from 'mxtls';
import { serverOptions } from './server.mjs';

const [chainFile = '', port = '2525', directory = '', file = '', role = ''] = process.argv.slice(2);
const store = join(directory, 'ticket.keys');
const sealedLength = 128;

// Called once, at the start. A vault or KMS is asked here; for a file that lies there `{ file }` would do.
const wrappingKey = () => readFile(file);

/** @returns {Promise<readonly Uint8Array[]>} the sealed keys; rejects while the store is away */
async function stored() {
  const all = await readFile(store);
  return Array.from({ length: all.length / sealedLength }, (_, i) =>
    all.subarray(i * sealedLength, (i + 1) * sealedLength),
  );
}

/** @type {import('mxtls').TicketKeySource} */
const ticketKeys = {
  name: `directory ${directory}`,
  wrappingKey,
  subscribe(onChange) {
    let told = Buffer.alloc(0);
    const look = async () => {
      const keys = await stored().catch(() => []); // nothing is told then: the keys that are known serve for their time
      const now = Buffer.concat(keys);
      if (keys.length > 0 && !now.equals(told)) {
        told = now;
        onChange(keys);
      }
    };
    void look();
    const timer = setInterval(look, 1000).unref(); // a quarter of a period is time enough, that is 7 minutes
    return () => clearInterval(timer);
  },
  async find(name) {
    const wanted = Buffer.from(name).toString('hex');
    return (await stored()).find((sealed) => sealedKeyInfo(sealed)?.name === wanted) ?? null;
  },
};

/** Makes the keys; only one process at a time may be at it. */
async function mint() {
  const period = 1_800_000; // half of `sessionCacheTimeout`
  const mint = await TicketKeyMint.open({ wrappingKey, period });
  const turn = async () => {
    const { keys, changed, again } = mint.keys(await stored().catch(() => []), Date.now());
    if (changed) {
      await writeFile(`${store}.new`, Buffer.concat(keys), { mode: 0o600 });
      await rename(`${store}.new`, store); // nobody reads a half of it
    }
    setTimeout(turn, Math.min(again - Date.now(), 60_000)).unref();
  };
  await turn();
}

if (role === 'mint') {
  await mint();
}
const tlsmgr = { ticketKeys, sessions: () => null, close: async () => undefined };
const smtpd = new Smtpd({ ...serverOptions(chainFile), tlsmgr });
const listener = await smtpd.listen({ host: '127.0.0.1', port: Number(port) });
process.stdout.write(`listening 127.0.0.1:${listener.port}\n`);

const stop = () => void smtpd.close(); // after the messages that are being received
process.once('SIGTERM', stop).once('SIGINT', stop);
