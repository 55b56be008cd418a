// A socketmap server as a process of its own: `node socketmap-server.mjs WHERE`, where WHERE is a
// port of 127.0.0.1 or a path. It says `ready PORT` and answers by the key: see `answers`.
import { createServer } from 'node:net';

const netstring = (text) => `${Buffer.byteLength(text)}:${text},`;

/** By key: what is written, piece by piece; null closes the connection. */
const answers = {
  found: [netstring('OK secure match=hostname')],
  empty: [netstring('OK ')],
  bare: [netstring('OK')],
  none: [netstring('NOTFOUND ')],
  'none-bare': [netstring('NOTFOUND')],
  temp: [netstring('TEMP try later')],
  timeout: [netstring('TIMEOUT ')],
  perm: [netstring('PERM no such map')],
  other: [netstring('MAYBE x')],
  nothing: [netstring('')],
  largest: [netstring(`OK ${'x'.repeat(99_997)}`)],
  oversize: ['100001:', 'x'.repeat(10)],
  endless: ['1'.repeat(50)],
  garbage: ['HTTP/1.1 400 Bad Request\r\n\r\n'],
  'leading-zero': ['05:OK ab,'],
  negative: ['-5:OK ab,'],
  'no-comma': ['5:OK abX'],
  more: [`${netstring('OK ab')}1:x,`],
  cut: ['10:OK a', null],
  'close-first': [null],
  'then-close': [netstring('OK once'), null],
  utf8: [netstring('OK bücher')],
  stall: [],
};

let connections = 0;
const server = createServer((socket) => {
  connections++;
  let input = Buffer.alloc(0);
  socket.on('error', () => undefined);
  socket.on('data', async (chunk) => {
    input = Buffer.concat([input, chunk]);
    const head = /^(\d+):/.exec(input.toString('latin1'));
    const end = head === null ? Infinity : head[0].length + Number(head[1]) + 1;
    if (input.length < end) {
      return;
    }
    const [map, ...rest] = input
      .subarray(head[0].length, end - 1)
      .toString()
      .split(' ');
    input = input.subarray(end);
    await reply(socket, map, rest.join(' '));
  });
});

async function reply(socket, map, key) {
  if (key === 'connections') {
    socket.write(netstring(`OK ${connections}`));
    return;
  }
  const split = key.startsWith('split-');
  const pieces = answers[split ? key.slice('split-'.length) : key] ?? [
    netstring(`OK ${map}/${key}`),
  ];
  for (const piece of pieces) {
    if (piece === null) {
      socket.end();
      continue;
    }
    for (const part of split ? [...piece] : [piece]) {
      await new Promise((resolve) => socket.write(part, resolve));
      await new Promise(setImmediate);
    }
  }
}

const where = process.argv[2] ?? '';
server.listen(/^\d+$/.test(where) ? { port: Number(where), host: '127.0.0.1' } : where, () => {
  const address = server.address();
  process.stdout.write(`ready ${typeof address === 'string' ? 0 : address.port}\n`);
});
process.stdin.on('end', () => process.exit(0)).resume();
