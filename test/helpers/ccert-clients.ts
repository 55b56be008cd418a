/** Clients with credentials for tests of our smtpd: node's TLS with a certificate, our own smtp with a raw public key. */
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { Smtp } from '../../lib/client.js';
import type { DeliveryReport } from '../../lib/delivery/report.js';
import { silentLogger } from '../../lib/log/logger.js';
import type { Certificate } from './certificates.js';
import { RawClient } from './raw-client.js';
import { secure, type TlsClient } from './tls-client.js';

/** As node's TLS wants it. */
export function pem({ keyFile, certFile }: Certificate): ConnectionOptions {
  return { key: readFileSync(keyFile), cert: readFileSync(certFile) };
}

/** A client that has gone through STARTTLS, with or without a credential. */
export async function enter(port: number, credential: ConnectionOptions = {}): Promise<TlsClient> {
  const client = await RawClient.greeted(port);
  await client.command('STARTTLS');
  return secure(client, credential);
}

/** One message by our own client, which has a raw public key for those who want it. */
export async function sendRaw(
  nexthop: string,
  { chainFile }: Certificate,
): Promise<DeliveryReport> {
  const smtp = new Smtp({
    myhostname: 'client.example',
    logger: silentLogger,
    tls: { securityLevel: 'encrypt', chainFiles: [chainFile] },
  });
  const request = { sender: 'a@example.org', recipients: ['b@example.com'], message: 'x\r\n' };
  return smtp.deliver({ ...request, nexthop });
}
