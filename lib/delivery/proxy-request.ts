/** What a tlsproxy is asked for, for a connection to a server. Pure. */
import type { ResolvedSmtp } from '../config/options.js';
import { contextSettings } from '../tls/context-settings.js';
import { isPkix, isDaneBased } from '../tls/levels.js';
import type { ClientRequest } from '../tlsproxy/message.js';
import type { SessionProps } from './session.js';

/** Seconds that a requester may ask for. */
const longest = 86_400;

export function clientRequest(
  { host, address, port, policy }: Pick<SessionProps, 'host' | 'address' | 'port' | 'policy'>,
  { tls, starttlsTimeout, dataDoneTimeout }: ResolvedSmtp,
): ClientRequest {
  const { level, protocols, ciphers, exclude, sni, match } = policy;
  return {
    ...{
      role: 'client',
      peer: `[${address}]:${port}`,
      host,
      level,
      protocols,
      ciphers,
      exclude,
      servername: sni ?? '',
    },
    ...(level === 'fingerprint' ? { fingerprints: match } : {}),
    ...(isPkix(level) || isDaneBased(level) ? { names: match } : {}),
    tlsa: policy.tlsa.map(({ usage, selector, matchingType, data }) => [
      ...([usage, selector, matchingType, data.toString('hex')] as const),
    ]),
    trustAnchorFiles: policy.trustAnchorFiles,
    enableRpk: policy.enableRpk,
    forcedFailure: policy.forcedFailure,
    handshakeTimeout: seconds(starttlsTimeout),
    sessionTimeout: seconds(dataDoneTimeout),
    settings: contextSettings(tls),
  };
}

/** 0: no limit. */
function seconds(ms: number): number {
  return ms <= 0 ? longest : Math.min(ms / 1000, longest);
}
