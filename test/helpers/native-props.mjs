/** Plain properties for calls into the native surface (lib/native.ts), to be spread and overridden. */
import { bareContext } from '../../dist/tls/bare-context.js';

const any = { floor: -1, ceiling: -1, exclude: 0 };

export const plainContext = { ...bareContext, service: 'storm', tickets: true };

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
  tickets: true,
  noteTickets: false,
  delayTickets: false,
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
