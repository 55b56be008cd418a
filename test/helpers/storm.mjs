/**
 * A storm of handshakes in one environment: clients against a wrappermode listener of its own, without end.
 * `startStorm(chainFile, onHandshake)` returns a function that stops it. Used by lifecycle tests in
 * processes and workers of their own, so it imports the built package.
 */
import { addon } from '../../dist/addon.js';
import '../../dist/dispatch.js';
import { anyPort, plainContext, plainTls } from './native-props.mjs';

export function startStorm(chainFile, onHandshake, width = 8) {
  addon.libraryInit('none', '');
  const chains = addon.loadChains([chainFile]);
  const server = addon.createContext({ ...plainContext, chains });
  const client = addon.createContext({ ...plainContext, role: 'client' });
  const listener = addon.listen({ ...anyPort, context: server, tls: plainTls });
  const target = {
    host: '127.0.0.1',
    port: listener.port,
    path: null,
    localAddress: null,
    timeout: 0,
  };
  let running = true;
  listener.owner = {
    onAccept(connection) {
      connection.owner = { onEnd: () => connection.end(), onClose() {}, onRead() {} };
      connection.readStart();
    },
    onHandshakeFailure() {},
    onAcceptError() {},
  };
  // Once it is stopped, connections that are half-way meet a closed listener.
  const fail = (error) => {
    if (error !== null && running) {
      throw error;
    }
  };
  const dial = () => {
    const connection = addon.connect(target);
    connection.owner = {
      onConnect(error) {
        fail(error);
        if (error !== null) {
          return;
        }
        connection.startTls(client, plainTls);
      },
      onHandshake(error) {
        fail(error);
        if (error !== null) {
          return;
        }
        onHandshake();
        connection.end();
        connection.readStart();
      },
      onRead() {},
      onEnd() {},
      onClose() {
        if (running) {
          dial();
        }
      },
    };
  };
  for (let i = 0; i < width; i++) {
    dial();
  }
  return () => {
    running = false;
    listener.close();
  };
}
