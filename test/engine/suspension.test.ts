/** Suspended handshakes as JavaScript sees them: a question arrives, the answer decides, nobody else waits. */
import { afterEach, expect, test } from 'vitest';
import { addon } from '../../lib/addon.js';
import { type QuestionHandler, setQuestionHandler } from '../../lib/dispatch.js';
import { Connection, clientTls, initLibrary } from '../../lib/index.js';
import type { NativeConnection, NativeContext, StartTlsProps } from '../../lib/native.js';
import { certificate } from '../helpers/certificates.js';
import { anyPort, plainContext, plainTls } from '../helpers/native-props.mjs';

const props: StartTlsProps = plainTls;
const open: Connection[] = [];

afterEach(() => {
  for (const connection of open.splice(0)) {
    connection.destroy();
  }
});

function askingContext(handler: QuestionHandler): NativeContext {
  initLibrary();
  const context = addon.createContext({
    ...plainContext,
    role: 'server',
    chains: addon.loadChains([certificate('ecdsa').chainFile]),
    ask: ['chain'],
    acknowledgeSni: true,
  });
  setQuestionHandler(context, handler);
  return context;
}

async function pair(): Promise<{ server: Connection; client: Connection }> {
  const listener = addon.listen(anyPort);
  const accepted = new Promise<NativeConnection>((resolve) => {
    listener.owner = { onAccept: resolve };
  });
  const client = await Connection.connect({ host: '127.0.0.1', port: listener.port });
  const server = new Connection(await accepted, 'server');
  listener.close();
  open.push(client, server);
  return { server, client };
}

/** The client's side of a handshake that sends a server name. */
function dial(client: Connection): Promise<unknown> {
  const { context, props } = clientTls(
    { securityLevel: 'encrypt', servername: 'hostname' },
    'mx.example.com',
  );
  return client.startTls(context, props);
}

test('the chain of a name comes from JavaScript, and the handshake goes on with it', async () => {
  const asked: string[] = [];
  const context = askingContext((kind, data, answer) => {
    asked.push(`${kind} ${data.toString()}`);
    setImmediate(() => answer(addon.loadChains([certificate('ed25519').chainFile])));
  });
  const { server, client } = await pair();
  await Promise.all([server.startTls(context, props), dial(client)]);
  expect(asked).toEqual(['chain mx.example.com']);
  expect(client.tls?.server?.algorithm).toBe('ED25519');
  expect(server.tls?.sni).toBe('mx.example.com');
});

test('a refusal ends the handshake with an alert', async () => {
  const context = askingContext((_kind, _data, answer) => answer(false));
  const { server, client } = await pair();
  const [ours, theirs] = await Promise.allSettled([server.startTls(context, props), dial(client)]);
  expect(ours).toMatchObject({ status: 'rejected', reason: { code: 'TLS_HANDSHAKE' } });
  expect(theirs).toMatchObject({ status: 'rejected', reason: { code: 'TLS_ALERT' } });
});

test('a question that nobody answers holds only its own connection, until its deadline', async () => {
  let late: (() => void) | null = null;
  const context = askingContext((_kind, _data, answer) => {
    late = () => answer(null);
  });
  const stuck = await pair();
  const stuckHandshake = stuck.server.startTls(context, { ...props, deadline: 300 });
  const stuckClient = dial(stuck.client).catch((error: unknown) => error);
  const plain = askingContext((_kind, _data, answer) => answer(null));
  for (let i = 0; i < 5; i++) {
    const { server, client } = await pair();
    await Promise.all([server.startTls(plain, props), dial(client)]);
  }
  await expect(stuckHandshake).rejects.toMatchObject({ code: 'HANDSHAKE_TIMEOUT' });
  await expect(stuckClient).resolves.toMatchObject({ code: 'LOST_CONNECTION' });
  (late as (() => void) | null)?.(); // too late: ignored
});

test('a client that hangs up while the question is open ends the handshake', async () => {
  const { server, client } = await pair();
  const context = askingContext(() => client.destroy());
  const ended = server.startTls(context, props);
  dial(client).catch(() => undefined);
  await expect(ended).rejects.toMatchObject({ code: 'LOST_CONNECTION' });
});
