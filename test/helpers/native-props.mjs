/** Plain properties for calls into the native surface (lib/native.ts), to be spread and overridden. */

const any = { floor: -1, ceiling: -1, exclude: 0 };

export const plainContext = {
  role: 'server',
  service: 'storm',
  protocols: any,
  securityLevel: 0,
  cipherList: null,
  groups: null,
  dhFile: null,
  keyLogFile: null,
  optionsOn: 0n,
  optionsOff: 0n,
  chains: null,
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
  keyPrefix: null,
  tickets: true,
  ticketCipher: null,
  sessionTimeout: 0,
  sessionIds: false,
  acknowledgeSni: false,
  sniCache: null,
  daneDigests: [],
};

export const plainTls = {
  sni: null,
  cipherList: null,
  securityLevel: -1,
  protocols: any,
  timeout: 20000,
  deadline: 20000,
  traceLimit: 0,
  traceRate: 0,
  fastShutdown: true,
  auth: null,
  session: null,
};

export const anyPort = {
  host: '127.0.0.1',
  port: 0,
  path: null,
  fd: -1,
  backlog: 128,
  reusePort: false,
  limit: 0,
  busyReply: null,
  admit: false,
  ipv6Only: false,
  context: null,
  tls: null,
};
