/**
 * Slow peers, in a process of their own: `node slow-peers.mjs PORT COUNT`.
 *
 * A third each talks plaintext, is in the middle of a handshake, talks inside TLS; each sends one
 * byte a second and never finishes. Says `ready` when all of them stand, and, when its standard
 * input ends, how many still do.
 */
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';

const [port, count] = process.argv.slice(2).map(Number);
/** Milliseconds between the bytes of one peer. */
const period = 1000;
/** Peers that connect at a time. */
const batch = 50;

/** The beginning of a ClientHello that announces 512 bytes. */
const helloStart = Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);

let open = 0;

function plain() {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.once('error', reject);
    socket.once('data', () => resolve(socket)); // the greeting
  });
}

async function startTls() {
  const socket = await plain();
  const reply = new Promise((resolve) => socket.once('data', resolve));
  socket.write('STARTTLS\r\n');
  await reply;
  return socket;
}

const kinds = [
  plain,
  async () => {
    const socket = await startTls();
    socket.write(helloStart);
    return socket;
  },
  async () => {
    const socket = connectTls({ socket: await startTls(), rejectUnauthorized: false });
    await new Promise((resolve, reject) => {
      socket.once('secureConnect', resolve);
      socket.once('error', reject);
    });
    return socket;
  },
];

async function peer(i) {
  const socket = await kinds[i % kinds.length]();
  open++;
  socket.on('error', () => undefined);
  socket.once('close', () => open--);
  socket.resume();
  return socket;
}

const peers = [];
while (peers.length < count) {
  const next = Math.min(batch, count - peers.length);
  const first = peers.length;
  peers.push(...(await Promise.all(Array.from({ length: next }, (_, i) => peer(first + i)))));
}

// Spread over the second, so that the load is even.
let turn = 0;
const slices = 50;
setInterval(() => {
  for (let i = turn; i < peers.length; i += slices) {
    peers[i].write('x');
  }
  turn = (turn + 1) % slices;
}, period / slices);

process.stdout.write('ready\n');
process.stdin.resume();
process.stdin.once('end', () => {
  process.stdout.write(`open ${open}\n`);
  process.exit();
});
