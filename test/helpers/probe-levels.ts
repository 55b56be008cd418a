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

/** The same on the command line of `mxtls probe`; MATCH follows the destination. */
export const probeArguments: Readonly<
  Record<
    string,
    (digests: ProbeDigests) => {
      readonly options: readonly string[];
      readonly match: readonly string[];
    }
  >
> = {
  may: () => ({ options: ['-l', 'may'], match: [] }),
  'may+rpk': () => ({ options: ['-l', 'may', '--rpk'], match: [] }),
  encrypt: () => ({ options: ['-l', 'encrypt'], match: [] }),
  'fingerprint-cert': ({ cert }) => ({ options: ['-l', 'fingerprint'], match: [cert] }),
  'fingerprint-key': ({ key }) => ({ options: ['-l', 'fingerprint'], match: [key] }),
  'fingerprint-key+rpk': ({ key }) => ({ options: ['-l', 'fingerprint', '--rpk'], match: [key] }),
  'fingerprint-bad': () => ({ options: ['-l', 'fingerprint'], match: [unrelated] }),
  dane: () => ({ options: ['-l', 'dane'], match: [] }),
  'dane+rpk': () => ({ options: ['-l', 'dane', '--rpk'], match: [] }),
  'dane-only': () => ({ options: ['-l', 'dane-only'], match: [] }),
  'dane-insecure-mx-may': () => ({
    options: ['-l', 'dane', '-o', 'smtp_tls_dane_insecure_mx_policy=may'],
    match: [],
  }),
  'dane-force-tlsa': () => ({
    options: ['-l', 'dane', '-o', 'smtp_tls_force_insecure_host_tlsa_lookup=yes'],
    match: [],
  }),
  verify: () => ({ options: ['-l', 'verify'], match: [] }),
  secure: () => ({ options: ['-l', 'secure'], match: [] }),
};
