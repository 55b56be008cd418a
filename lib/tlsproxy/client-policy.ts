/** What a requester asks of a session with a server, in the form that native code takes. Pure. */
import type { StartTlsProps } from '../native.js';
import { clientTlsProps } from '../tls/client-context.js';
import { isDaneBased } from '../tls/levels.js';
import type { ResolvedSmtpTls } from '../tls/options.js';
import { peerAuth } from '../tls/peer-auth.js';
import type { ClientRequest } from './message.js';

/** @throws TlsError `INVALID_PARAMETER` */
export function requestedTls(
  tls: ResolvedSmtpTls,
  request: ClientRequest,
  warn: (text: string) => void,
): StartTlsProps {
  const { level = tls.securityLevel, host, servername, protocols, ciphers, exclude } = request;
  return clientTlsProps(tls, {
    ...{ level, host, nexthop: host, warn, session: null, trace: false, timeout: 0 },
    policy: {
      ...(servername === undefined ? {} : { servername }),
      ...(protocols === undefined ? {} : { protocols }),
      ...(ciphers === undefined ? {} : { ciphers }),
      ...(exclude === undefined ? {} : { exclude }),
    },
    auth: auth(request, level, tls, warn),
  });
}

function auth(
  request: ClientRequest,
  level: Required<ClientRequest>['level'],
  tls: ResolvedSmtpTls,
  warn: (text: string) => void,
): StartTlsProps['auth'] {
  const { names, fingerprints, trustAnchorFiles, enableRpk, forcedFailure } = request;
  const native = peerAuth(
    level,
    {
      ...(names === undefined ? {} : { names }),
      ...(fingerprints === undefined ? {} : { fingerprints }),
      ...(trustAnchorFiles === undefined ? {} : { trustAnchorFiles }),
      ...(forcedFailure === undefined ? {} : { forcedFailure }),
      tlsa: (request.tlsa ?? []).map(([usage, selector, matchingType, data]) => ({
        ...{ usage, selector, matchingType },
        data: Buffer.from(data, 'hex'),
      })),
      enableRpk: enableRpk ?? tls.enableRpk,
    },
    warn,
  );
  return isDaneBased(level) && enableRpk !== undefined
    ? { ...native, requestRpk: enableRpk }
    : native;
}
