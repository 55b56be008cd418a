/** How each level name of the recordings of posttls-finger maps to options of a probe. */
import type { ProbeOptions } from '../../lib/probe/options.js';

/** Of the server's certificate and of its public key, hex. */
export interface ProbeDigests {
  readonly cert: string;
  readonly key: string;
}

export type LevelOptions = Pick<ProbeOptions, 'level' | 'match' | 'smtp'>;

const rpk = { smtp: { tls: { enableRpk: true } } };

/** Matches nothing. */
const unrelated = 'ab'.repeat(32);

export const probeLevels: Readonly<Record<string, (digests: ProbeDigests) => LevelOptions>> = {
  may: () => ({ level: 'may' }),
  'may+rpk': () => ({ level: 'may', ...rpk }),
  encrypt: () => ({ level: 'encrypt' }),
  'fingerprint-cert': ({ cert }) => ({ level: 'fingerprint', match: [cert] }),
  'fingerprint-key': ({ key }) => ({ level: 'fingerprint', match: [key] }),
  'fingerprint-key+rpk': ({ key }) => ({ level: 'fingerprint', match: [key], ...rpk }),
  'fingerprint-bad': () => ({ level: 'fingerprint', match: [unrelated] }),
  dane: () => ({ level: 'dane' }),
  'dane+rpk': () => ({ level: 'dane', ...rpk }),
  'dane-only': () => ({ level: 'dane-only' }),
  'dane-insecure-mx-may': () => ({
    level: 'dane',
    smtp: { tls: { daneInsecureMxPolicy: 'may' } },
  }),
  'dane-force-tlsa': () => ({
    level: 'dane',
    smtp: { tls: { forceInsecureHostTlsaLookup: true } },
  }),
  verify: () => ({ level: 'verify' }),
  secure: () => ({ level: 'secure' }),
};
