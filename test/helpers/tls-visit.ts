/** Visits of a client to a TLS server that says one line: our own, or `openssl s_server`. */
import { once } from 'node:events';
import { onTestFinished } from 'vitest';
import { addon } from '../../lib/addon.js';
import {
  type ClientDemand,
  Connection,
  clientTls,
  type SmtpTlsOptions,
  serverTls,
  type TlsSnapshot,
} from '../../lib/index.js';
import type { NativeConnection, NativeNotice } from '../../lib/native.js';
import type { Certificate } from './certificates.js';
import { anyPort } from './native-props.mjs';
import { opensslServer } from './openssl-peer.js';

export type ServerKind = 'our server' | 's_server';

export interface VisitedServer {
  readonly port: number;
}

/** A server with this chain. @param version `1.2` or `1.3` */
export async function startServer(
  kind: ServerKind,
  chain: Certificate,
  version: '1.2' | '1.3' = '1.3',
): Promise<VisitedServer> {
  return kind === 's_server' ? startOpenssl(chain, version) : startOurs(chain, version);
}

async function startOpenssl(chain: Certificate, version: string): Promise<VisitedServer> {
  const { peer, port } = await opensslServer([
    ...['-cert', chain.certFile, '-key', chain.keyFile, '-cert_chain', chain.chainFile],
    ...['-enable_server_rpk', version === '1.2' ? '-tls1_2' : '-tls1_3'],
  ]);
  void greetForever(peer);
  return { port };
}

/** For each client that has come in: what it reads its ticket with. */
async function greetForever(peer: {
  hear(pattern: RegExp): Promise<string>;
  say(text: string): void;
}): Promise<void> {
  try {
    for (;;) {
      await peer.hear(/CIPHER is/);
      peer.say('220 hello\n');
    }
  } catch {
    // the server has ended with the test
  }
}

function startOurs(chain: Certificate, version: string): VisitedServer {
  const { context, props } = serverTls({
    securityLevel: 'may',
    chainFiles: [chain.chainFile],
    protocols: `>=TLSv${version}, <=TLSv${version}`,
  });
  const listener = addon.listen({ ...anyPort, context, tls: props });
  const open: NativeConnection[] = [];
  listener.owner = {
    onAccept: (connection: NativeConnection) => {
      open.push(connection);
      connection.owner = {
        onRead: () => undefined,
        onEnd: () => undefined,
        onClose: () => undefined,
      };
      connection.write('220 hello\r\n');
    },
    onHandshakeFailure: () => undefined,
  };
  onTestFinished(() => {
    listener.close();
    for (const connection of open) {
      connection.destroy();
    }
  });
  return { port: listener.port };
}

export interface Visit {
  readonly tls: TlsSnapshot;
  readonly session: Buffer | null;
}

/** A handshake, and the server's line. */
export async function visit(
  server: VisitedServer,
  tls: SmtpTlsOptions,
  demand: ClientDemand,
): Promise<Visit> {
  const { context, props } = clientTls(tls, 'mx.example.com', demand);
  const client = await Connection.connect({ host: '127.0.0.1', port: server.port });
  try {
    const snapshot = await client.startTls(context, props);
    await once(client, 'data');
    return { tls: snapshot, session: client.takeSession() };
  } finally {
    client.destroy();
  }
}

/** What a handshake has to say. */
export async function noticesOf(
  server: VisitedServer,
  tls: SmtpTlsOptions,
  demand: ClientDemand,
): Promise<readonly NativeNotice[]> {
  const { context, props } = clientTls(tls, 'mx.example.com', demand);
  const native = addon.connect({
    ...{ host: '127.0.0.1', port: server.port, path: null, localAddress: null, timeout: 0 },
  });
  const connected = new Promise<void>((resolve, reject) => {
    native.owner = {
      onConnect: (error: Error | null) => (error === null ? resolve() : reject(error)),
    };
  });
  await connected;
  const done = new Promise<void>((resolve, reject) => {
    native.owner = {
      onHandshake: (error: Error | null) => (error === null ? resolve() : reject(error)),
    };
  });
  native.startTls(context, props);
  await done;
  const notices = native.takeNotices();
  native.destroy();
  return notices ?? [];
}
