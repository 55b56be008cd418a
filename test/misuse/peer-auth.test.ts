/** What a client must see at the native border: wrong fields are refused, and nothing has happened then. */
import { expect, test } from 'vitest';
import { addon } from '../../lib/addon.js';
import { Connection, clientTls } from '../../lib/index.js';
import type { NativeContextProps, StartTlsProps } from '../../lib/native.js';
import { certificate } from '../helpers/certificates.js';
import { plainContext, plainTls } from '../helpers/native-props.mjs';
import { startServer } from '../helpers/tls-visit.js';

const auth = {
  names: ['mx.example.com'],
  tlsa: [[3, 1, 1, new Uint8Array(32)]],
  anchorFiles: [],
  forcedFailure: false,
  mustMatch: true,
  halfDane: false,
  encryptIfUnusable: false,
  requestRpk: false,
};

const { context } = clientTls({}, 'mx.example.com');

/** A plaintext client, and what `startTls` throws with these fields. */
async function refusal(fields: object): Promise<unknown> {
  const server = await startServer('our server', certificate('ecdsa'));
  const client = await Connection.connect({ host: '127.0.0.1', port: server.port });
  const props = { ...plainTls, ...fields } as StartTlsProps;
  const error = await client.startTls(context, props).catch((thrown: unknown) => thrown);
  // It is still plaintext: the handshake can begin.
  expect((await client.startTls(context, plainTls)).status).toBe('Untrusted');
  client.destroy();
  return error;
}

const long = new Array(254).fill(['sha384', 7]);

test.each([
  ['auth', 'yes', 'auth must be an object'],
  ['auth', undefined, 'auth must be an object'],
  ['auth', { ...auth, names: 'x' }, 'names must be an array'],
  ['auth', { ...auth, names: [1] }, 'names must be a list of strings without NUL'],
  ['auth', { ...auth, names: ['a\0b'] }, 'names must be a list of strings without NUL'],
  ['auth', { ...auth, anchorFiles: [null] }, 'anchorFiles must be a list of strings without NUL'],
  ['auth', { ...auth, tlsa: {} }, 'tlsa must be an array'],
  ...[
    [],
    [3, 1, 1],
    [3, 1, 256, new Uint8Array(1)],
    [-1, 1, 1, new Uint8Array(1)],
    [3, 1, 1, 'x'],
  ].map((record): [string, object, string] => [
    'auth',
    { ...auth, tlsa: [record] },
    'tlsa must be a list of [usage, selector, matching type, Uint8Array]',
  ]),
  ['auth', { ...auth, mustMatch: 1 }, 'mustMatch must be a boolean'],
  ['session', 'x', 'session must be a Uint8Array or null'],
  ['session', new Uint16Array(4), 'session must be a Uint8Array or null'],
])('%s %o is refused', async (name, value, message) => {
  expect(await refusal({ [name]: value })).toMatchObject({
    class: 'usage',
    code: 'INVALID_ARGUMENT',
    message,
  });
});

test.each([
  ['x', 'daneDigests must be an array of at most 254 pairs'],
  [[...long, ['sha1', 8]], 'daneDigests must be an array of at most 254 pairs'],
  [['sha256'], 'daneDigests must be a list of [name, 1..254]'],
  [[['sha256', 0]], 'daneDigests must be a list of [name, 1..254]'],
  [[[1, 1]], 'daneDigests must be a list of [name, 1..254]'],
])('daneDigests %o is refused', (daneDigests, message) => {
  const props = { ...plainContext, role: 'client', daneDigests } as unknown as NativeContextProps;
  expect(() => addon.createContext(props)).toThrow(
    expect.objectContaining({ class: 'usage', code: 'INVALID_ARGUMENT', message }),
  );
});

test('there is no session in plaintext, and none when closed', async () => {
  const server = await startServer('our server', certificate('ecdsa'));
  const client = await Connection.connect({ host: '127.0.0.1', port: server.port });
  expect(client.takeSession()).toBeNull();
  client.destroy();
  expect(client.takeSession()).toBeNull();
});
