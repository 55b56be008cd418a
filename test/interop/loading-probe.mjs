// Runs in a node of its own (loading-modes.test.ts), with the package's directory as first argument and an OpenSSL
// configuration file for our library ('none': none) as second: which key-exchange group does a handshake of
// node's own tls take, and which one of ours, when node's and our configuration differ? Prints JSON.
import { readFileSync } from 'node:fs';
import tls from 'node:tls';

const [root, configFile, chainFile] = process.argv.slice(2);
const { addon, loadedBinary } = await import(`${root}/dist/addon.js`);
const { slab } = await import(`${root}/dist/dispatch.js`);

function nodeGroup() {
  const pem = readFileSync(chainFile);
  return new Promise((resolve, reject) => {
    const server = tls.createServer({ key: pem, cert: pem }, (socket) => socket.end());
    server.on('tlsClientError', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      const client = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
        resolve(client.getEphemeralKeyInfo().name ?? 'hybrid'); // node knows no name for ML-KEM
        client.destroy();
        server.close();
      });
      client.on('error', reject);
    });
  });
}

const anyProtocols = { floor: 0, ceiling: 0, exclude: 0 };
const session = {
  ...{ sni: null, cipherList: null, securityLevel: -1, timeout: 5000, deadline: 10_000 },
  ...{ traceLimit: 0, traceRate: 0, fastShutdown: true, auth: null, session: null },
  ...{ tickets: true, noteTickets: false, delayTickets: false },
  protocols: { floor: -1, ceiling: -1, exclude: 0 },
};

function context(role, chains) {
  return addon.createContext({
    ...{ role, chains, service: 'probe', protocols: anyProtocols, securityLevel: 0 },
    ...{
      cipherList: null,
      groups: null,
      dhFile: null,
      keyLogFile: null,
      optionsOn: 0n,
      optionsOff: 0n,
    },
    ...{ askClientCert: false, requireClientCert: false, enableRpk: false, caFile: null },
    trustServerCcerts: false,
    ...{ caPath: null, appendDefaultCa: false, verifyDepth: 9, digest: 'sha256', ask: [] },
    ...{
      ticketRing: null,
      tickets: false,
      ticketCipher: null,
      sessionTimeout: 0,
      sessionIds: false,
      acknowledgeSni: false,
      sniCache: null,
      daneDigests: [],
    },
  });
}

function ourGroup() {
  const quiet = { onRead() {}, onEnd() {}, onDrain() {}, onTimeout() {}, onClose() {} };
  const listener = addon.listen({
    ...{ host: '127.0.0.1', port: 0, path: null, fd: -1, backlog: 5, reusePort: false },
    ...{ limit: 0, busyReply: null, admit: false },
    ...{ ipv6Only: false, context: context('server', addon.loadChains([chainFile])), tls: session },
  });
  return new Promise((resolve, reject) => {
    listener.owner = {
      onAccept: (connection) => connection.destroy(),
      onHandshakeFailure: reject,
      onAcceptError: reject,
    };
    const { port } = listener;
    const client = addon.connect({
      ...{ host: '127.0.0.1', port, path: null, localAddress: null, timeout: 5000 },
    });
    client.owner = {
      ...quiet,
      onConnect: (error) =>
        error ? reject(error) : client.startTls(context('client', null), session),
      onHandshake: (error) => {
        if (error) {
          reject(error);
          return;
        }
        resolve(client.snapshot().group);
        client.destroy();
        listener.close();
      },
    };
  });
}

addon.libraryInit(configFile, '');
const before = await nodeGroup();
const ours = await ourGroup();
const after = await nodeGroup();
const { mode, nodeSharesSystem } = loadedBinary;
const { path, runtime } = addon.libraryInfo();
const answer = {
  mode,
  nodeSharesSystem,
  path,
  runtime,
  ours,
  node: [before, after],
  slab: slab.length,
};
process.stdout.write(`${JSON.stringify(answer)}\n`);
