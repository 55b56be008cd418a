/** One native connection below the engines: text on its way out, and its two ways to end. */
import { once } from 'node:events';
import net from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { addon } from '../../lib/addon.js';
import '../../lib/dispatch.js';
import type { ConnectionOwner } from '../../lib/dispatch.js';
import type { TlsError } from '../../lib/errors.js';
import type { NativeConnection } from '../../lib/native.js';
import { anyPort } from '../helpers/native-props.mjs';

interface Accepted {
  readonly connection: NativeConnection;
  readonly peer: net.Socket;
  /** Resolves with the error of `onClose`. */
  readonly closed: Promise<TlsError | null>;
  readonly drained: Promise<void>;
}

async function accept(): Promise<Accepted> {
  const listener = addon.listen(anyPort);
  const peer = net.connect({ port: listener.port, host: '127.0.0.1', allowHalfOpen: true });
  const connection = await new Promise<NativeConnection>((resolve) => {
    listener.owner = { onAccept: resolve };
  });
  listener.close();
  onTestFinished(() => {
    connection.destroy();
    peer.destroy();
  });
  const owner: Partial<ConnectionOwner> = { onRead: () => undefined, onEnd: () => undefined };
  connection.owner = owner;
  const closed = new Promise<TlsError | null>((resolve) => {
    owner.onClose = resolve;
  });
  const drained = new Promise<void>((resolve) => {
    owner.onDrain = resolve;
  });
  return { connection, peer, closed, drained };
}

/** What the peer reads up to our end. */
async function readAll(peer: net.Socket): Promise<string> {
  const chunks: Buffer[] = [];
  peer.on('data', (chunk) => chunks.push(chunk));
  peer.resume();
  await once(peer, 'end');
  return Buffer.concat(chunks).toString();
}

test.each([
  ['nothing', ''],
  ['ASCII', '250 2.0.0 Ok\r\n'],
  ['more than ASCII', '250 Grüße, 例え, 😀\r\n'],
  ['a lone surrogate, which has no UTF-8', '250 \ud800\r\n'],
  ['as much as needs no allocation', 'a'.repeat(2043)],
  ['one byte more', 'a'.repeat(2044)],
  ['characters across that border', '例'.repeat(700)],
  ['long text', '250-x\r\n'.repeat(5000)],
])('text is written as UTF-8: %s', async (_what, text) => {
  const { connection, peer } = await accept();
  expect(connection.write(text)).toBe(true);
  connection.end();
  expect(await readAll(peer)).toBe(Buffer.from(text).toString());
});

test('text that does not fit into the socket stays pending and arrives whole', async () => {
  const { connection, peer, drained } = await accept();
  const text = Array.from({ length: 1_000_000 }, (_, i) => `${i}\r\n`).join('');
  peer.pause();
  expect(connection.write(text)).toBe(false);
  expect(() => connection.write('more')).toThrow(
    expect.objectContaining({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/pending/),
    }),
  );
  const whole = readAll(peer);
  await drained;
  connection.end();
  expect((await whole) === text).toBe(true);
});

test.each([undefined, null, 5, {}, [1], new Uint16Array(2)])('%o is no data', async (data) => {
  const { connection } = await accept();
  expect(() => connection.write(data as unknown as string)).toThrow(
    expect.objectContaining({ class: 'usage', code: 'INVALID_ARGUMENT' }),
  );
});

test('end() closes when the peer has ended its side', async () => {
  const { connection, peer, closed } = await accept();
  connection.end();
  connection.readStart();
  await readAll(peer);
  expect(connection.open).toBe(true);
  peer.end();
  expect(await closed).toBe(null);
  expect(connection.open).toBe(false);
});

test('finish() closes without the peer, after what is pending', async () => {
  const { connection, peer, closed } = await accept();
  const text = '250-x\r\n'.repeat(1_000_000);
  peer.pause();
  expect(connection.write(text)).toBe(false);
  connection.finish();
  expect(connection.open).toBe(true);
  expect((await readAll(peer)) === text).toBe(true);
  expect(await closed).toBe(null);
  expect(connection.open).toBe(false);
});

test('finish() with nothing to write reports the close from the next turn, not from inside', async () => {
  const { connection, peer, closed } = await accept();
  let early = true;
  const seen = closed.then(() => early);
  connection.finish();
  early = false;
  expect(await seen).toBe(false);
  await readAll(peer);
});

test('after finish() nothing can be written, and a second one is an error of the caller', async () => {
  const { connection } = await accept();
  connection.finish();
  for (const call of [() => connection.write('x'), () => connection.finish()]) {
    expect(call).toThrow(expect.objectContaining({ class: 'usage', code: 'INVALID_STATE' }));
  }
});

test('open tells of destroy() at once', async () => {
  const { connection } = await accept();
  expect(connection.open).toBe(true);
  connection.destroy();
  expect(connection.open).toBe(false);
});
