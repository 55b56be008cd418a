// What is measured: a wrappermode listener of mxtls on its native connections, as the engines use
// them: reading at once, with a time limit, ending when the client ends.
import { addon } from '../../dist/addon.js';
import { TlsError } from '../../dist/errors.js';
import { control, serverOptions } from './control.mjs';

const LEAVE = { floor: -1, ceiling: -1, exclude: 0 };
const IDLE_LIMIT_MS = 300_000;
const options = serverOptions();

addon.initialize({
  makeError: (info) => new TlsError(info),
  onAdmit: () => true,
  onTurnedAway: () => {},
  onAccept: (_listener, connection) => {
    connection.setTimeout(IDLE_LIMIT_MS);
    connection.readStart();
  },
  onHandshakeFailure: () => {},
  onAcceptError: (_listener, error) => {
    process.stderr.write(`${error.message}\n`);
  },
  onConnect: () => {},
  onRead: () => {},
  onEnd: (connection) => connection.end(),
  onDrain: () => {},
  onHandshake: () => {},
  onTimeout: (connection) => connection.destroy(),
  onClose: () => {},
  onQuestion: () => {},
});
addon.libraryInit('none', '');

/** Three keys, as a server has them that has been running for a while. */
function fill(ring) {
  const now = Date.now();
  const [previous, active, next] = [-1, 0, 1].map((n) =>
    ring.mint(now + n * 1_800_000, now + (n + 1) * 1_800_000),
  );
  ring.install(next, active, previous, ring.keys().generation);
  return ring;
}

const ring = fill(addon.openTicketRing('bench', null));

const context = addon.createContext({
  role: 'server',
  service: 'bench',
  protocols: { floor: 0x0303, ceiling: 0, exclude: 0 },
  securityLevel: 0,
  cipherList: null,
  groups: options.groups,
  dhFile: null,
  keyLogFile: null,
  optionsOn: 0n,
  optionsOff: 0n,
  chains: addon.loadChains([options.chain]),
  askClientCert: false,
  requireClientCert: false,
  enableRpk: false,
  trustServerCcerts: false,
  caFile: null,
  caPath: null,
  appendDefaultCa: false,
  verifyDepth: 9,
  digest: 'sha256',
  ask: [],
  ticketRing: options.fixedTicketKey ? null : ring,
  tickets: true,
  ticketCipher: null,
  sessionTimeout: 7200,
  sessionIds: false,
  acknowledgeSni: false,
  sniCache: null,
  daneDigests: [],
});
const listener = addon.listen({
  host: '127.0.0.1',
  port: 0,
  path: null,
  fd: -1,
  backlog: 4096,
  reusePort: false,
  limit: options.limit,
  busyReply: null,
  admit: false,
  ipv6Only: false,
  context,
  tls: {
    sni: null,
    cipherList: null,
    securityLevel: -1,
    protocols: LEAVE,
    timeout: IDLE_LIMIT_MS,
    deadline: IDLE_LIMIT_MS,
    traceLimit: 0,
    traceRate: 0,
    fastShutdown: true,
    tickets: true,
    noteTickets: false,
    delayTickets: false,
    auth: null,
    session: null,
  },
});
control(listener.port, options);
