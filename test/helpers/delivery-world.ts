/** A delivery to example.com, whose DNS is written by hand and whose hosts are our servers. */
import { Smtp, type SmtpOptions } from '../../lib/client.js';
import type { DeliveryReport, DeliveryRequest } from '../../lib/delivery/report.js';
import type { SmtpdOptions } from '../../lib/server.js';
import { authority, type Certificate, serverCertificate } from './certificates.js';
import { Lines } from './lines.js';
import { MemoryDns, type MemoryZone } from './memory-dns.js';
import { startSmtpd, type TestServer } from './servers.js';

/** Of the server, by a test CA: for mx.example.com and example.net. */
export const issued = serverCertificate('policy', ['mx.example.com', 'example.net']);

/** The CA. */
export const CAfile = authority().certFile;

export interface Delivered {
  readonly report: DeliveryReport;
  readonly server: TestServer;
  readonly lines: Lines;
  readonly dns: MemoryDns;
}

/** Its own zone, or one for the port of the server. */
export type ZoneOf = (port: number) => MemoryZone;

export interface DeliveryWorld {
  /** Beside `example.com MX` and `mx.example.com A`. */
  readonly zone?: MemoryZone | ZoneOf;
  readonly request?: Partial<DeliveryRequest>;
  readonly chain?: Certificate;
  readonly smtpd?: Partial<SmtpdOptions>;
}

export async function deliver(
  options: SmtpOptions = {},
  { zone = {}, request = {}, chain = issued, smtpd = {} }: DeliveryWorld = {},
): Promise<Delivered> {
  const server = await startSmtpd({
    tls: { securityLevel: 'may', chainFiles: [chain.chainFile] },
    ...smtpd,
  });
  const lines = new Lines();
  const dns = new MemoryDns({
    'example.com MX': ['10 mx.example.com'],
    'mx.example.com A': ['127.0.0.1'],
    ...(typeof zone === 'function' ? zone(server.port) : zone),
  });
  const smtp = new Smtp({
    myhostname: 'client.example',
    logger: lines,
    tcpPort: String(server.port),
    dnsSupportLevel: 'dnssec',
    resolver: dns,
    ...options,
  });
  const report = await smtp.deliver({
    sender: 'a@example.org',
    recipients: ['b@example.com'],
    message: 'Subject: x\n\nhello\n',
    ...request,
  });
  return { report, server, lines, dns };
}

/** `sent 2.0.0 Verified tls=dane Ok`, a line for each recipient; ports are PORT. */
export function outcome({ report }: Pick<Delivered, 'report'>): string {
  return report.recipients
    .map(({ status, dsn, tlsFeature, tls, reply }) => {
      const said = status === 'sent' ? 'Ok' : reply.replace(/:\d{4,5}(?=$|:)/, ':PORT');
      return `${status} ${dsn} ${tls?.status ?? '-'} tls=${tlsFeature} ${said}`;
    })
    .join('\n');
}
