/** What an engine says of its own certificates: reloaded, refused, about to expire. */
import type { OwnCertificate } from '../native.js';
import { type ChainReport, day } from '../tls/chain-keeper.js';
import { publish } from './events.js';
import { libraryProblems } from './handshake.js';
import type { Logger, LogService } from './logger.js';

/** Says it in the log and on the channels. */
export function chainReport(service: LogService, logger: Logger): ChainReport {
  return {
    warn: (text) => logger.warn(text),
    reloaded: (certificates) => {
      logger.info(`certificates reloaded: ${certificateNames(certificates)}`);
      publish('mxtls:tls:reload', { service, error: null, certificates });
    },
    refused: (error) => {
      if (!error.code.startsWith('CHAIN_')) {
        // Of the files all has been said; this is about what was to be made of them.
        logger.warn(`${error.message}: keeping the former certificates`);
        for (const line of libraryProblems(error)) {
          logger.warn(line.text);
        }
      }
      publish('mxtls:tls:reload', { service, error, certificates: null });
    },
    expiring: (certificate, now) => {
      const line = expiryLine(certificate, now);
      logger.warn(line);
      const daysLeft = (certificate.notAfter - now) / day;
      publish('mxtls:tls:certificate-expiring', { service, certificate, daysLeft, line });
    },
  };
}

/** The private keys' own: `RSA mx.example.com, ML-DSA-65 mx.example.com`. */
function certificateNames(certificates: readonly OwnCertificate[]): string {
  return certificates
    .filter(({ depth }) => depth === 0)
    .map(({ keyType, subject }) => `${keyType} ${subject}`.trimEnd())
    .join(', ');
}

/** `certificate RSA mx.example.com in /etc/mxtls/mx.pem (PEM object number 2) expires in 13 days, on 2026-12-08 …` */
export function expiryLine(certificate: OwnCertificate, now: number): string {
  const { keyType, subject, depth, file, index, notAfter } = certificate;
  const what =
    depth === 0
      ? `certificate ${keyType} ${subject}`.trimEnd()
      : `issuer certificate ${subject}`.trimEnd();
  const where = `${depth === 0 ? 'in' : 'of the chain in'} ${file} (PEM object number ${index})`;
  const date = new Date(notAfter).toISOString().replace('T', ' ').replace('.000Z', ' UTC');
  const when =
    notAfter <= now
      ? `expired ${daysText(now - notAfter)} ago`
      : `expires in ${daysText(notAfter - now)}`;
  return `${what} ${where} ${when}, on ${date}`;
}

function daysText(ms: number): string {
  const days = Math.floor(ms / day);
  return days === 0 ? 'less than a day' : days === 1 ? '1 day' : `${days} days`;
}
