/**
 * Bits of the library from `tls_disable_workarounds` and `tls_ssl_options`: names or hexadecimal numbers.
 *
 * The library's work-arounds for bugs of other implementations are all on; the first parameter takes some away, the
 * second adds options, but for those that other parameters or the engine are responsible for. An unknown name is a
 * warning in Postfix's words, and the other ones count.
 */

/** Bits of `SSL_OP_*` in OpenSSL's ssl.h, part of its ABI since 3.0. */
export const optionBits = {
  LEGACY_SERVER_CONNECT: 1n << 2n,
  TLSEXT_PADDING: 1n << 4n,
  SAFARI_ECDHE_ECDSA_BUG: 1n << 6n,
  IGNORE_UNEXPECTED_EOF: 1n << 7n,
  DONT_INSERT_EMPTY_FRAGMENTS: 1n << 11n,
  NO_TICKET: 1n << 14n,
  NO_SESSION_RESUMPTION_ON_RENEGOTIATION: 1n << 16n,
  NO_COMPRESSION: 1n << 17n,
  ENABLE_MIDDLEBOX_COMPAT: 1n << 20n,
  PRIORITIZE_CHACHA: 1n << 21n,
  CIPHER_SERVER_PREFERENCE: 1n << 22n,
  TLS_ROLLBACK_BUG: 1n << 23n,
  NO_SSLv3: 1n << 25n,
  NO_TLSv1: 1n << 26n,
  NO_TLSv1_2: 1n << 27n,
  NO_TLSv1_1: 1n << 28n,
  NO_TLSv1_3: 1n << 29n,
  NO_RENEGOTIATION: 1n << 30n,
  CRYPTOPRO_TLSEXT_BUG: 1n << 31n,
} as const;

/** SSL_OP_ALL. */
export const allWorkarounds =
  optionBits.CRYPTOPRO_TLSEXT_BUG |
  optionBits.DONT_INSERT_EMPTY_FRAGMENTS |
  optionBits.TLSEXT_PADDING |
  optionBits.SAFARI_ECDHE_ECDSA_BUG;

/** What other parameters decide: protocols, preference of ciphers; and the end of file, which SMTP can judge. */
const managed =
  optionBits.CIPHER_SERVER_PREFERENCE |
  optionBits.IGNORE_UNEXPECTED_EOF |
  optionBits.NO_SSLv3 |
  optionBits.NO_TLSv1 |
  optionBits.NO_TLSv1_1 |
  optionBits.NO_TLSv1_2 |
  optionBits.NO_TLSv1_3;

type Names = Readonly<Record<string, bigint>>;

/** Names of `tls_disable_workarounds`; most of these bugs, and their bits, have gone from the library. */
const workarounds: Names = {
  CRYPTOPRO_TLSEXT_BUG: optionBits.CRYPTOPRO_TLSEXT_BUG,
  DONT_INSERT_EMPTY_FRAGMENTS: optionBits.DONT_INSERT_EMPTY_FRAGMENTS,
  LEGACY_SERVER_CONNECT: optionBits.LEGACY_SERVER_CONNECT,
  TLSEXT_PADDING: optionBits.TLSEXT_PADDING,
  TLS_ROLLBACK_BUG: optionBits.TLS_ROLLBACK_BUG,
  'CVE-2005-2969': 0n,
  'CVE-2010-4180': 0n,
  MICROSOFT_BIG_SSLV3_BUFFER: 0n,
  MICROSOFT_SESS_ID_BUG: 0n,
  MSIE_SSLV2_RSA_PADDING: 0n,
  NETSCAPE_CHALLENGE_BUG: 0n,
  NETSCAPE_REUSE_CIPHER_CHANGE_BUG: 0n,
  SSLEAY_080_CLIENT_DH_BUG: 0n,
  SSLREF2_REUSE_CERT_TYPE_BUG: 0n,
  TLS_BLOCK_PADDING_BUG: 0n,
  TLS_D5_BUG: 0n,
};

/** Names of `tls_ssl_options`. */
const sslOptions: Names = {
  LEGACY_SERVER_CONNECT: optionBits.LEGACY_SERVER_CONNECT,
  NO_TICKET: optionBits.NO_TICKET,
  NO_COMPRESSION: optionBits.NO_COMPRESSION,
  NO_RENEGOTIATION: optionBits.NO_RENEGOTIATION,
  NO_SESSION_RESUMPTION_ON_RENEGOTIATION: optionBits.NO_SESSION_RESUMPTION_ON_RENEGOTIATION,
  PRIORITIZE_CHACHA: optionBits.PRIORITIZE_CHACHA,
  ENABLE_MIDDLEBOX_COMPAT: optionBits.ENABLE_MIDDLEBOX_COMPAT,
};

export interface LibraryOptionSettings {
  /** `tls_disable_workarounds` */
  readonly disableWorkarounds: string;
  /** `tls_ssl_options` */
  readonly sslOptions: string;
  /** `tls_preempt_cipherlist`; for servers. */
  readonly preemptCipherlist: boolean;
}

export interface LibraryOptions {
  readonly on: bigint;
  readonly off: bigint;
  readonly warnings: readonly string[];
}

/** What is switched on and off in a context of either role. Pure. */
export function libraryOptions(
  settings: LibraryOptionSettings,
  role: 'server' | 'client',
): LibraryOptions {
  const disabled = readMask('tls_disable_workarounds', settings.disableWorkarounds, workarounds);
  const enabled = readMask('tls_ssl_options', settings.sslOptions, sslOptions);
  const preempt = role === 'server' && settings.preemptCipherlist;
  // Postfix: whoever touches the work-arounds loses the one that has no name among them.
  const safari = settings.disableWorkarounds === '' ? 0n : optionBits.SAFARI_ECDHE_ECDSA_BUG;
  return {
    on:
      (enabled.bits & ~(allWorkarounds | managed)) |
      (preempt ? optionBits.CIPHER_SERVER_PREFERENCE : 0n),
    off: allWorkarounds & (disabled.bits | safari),
    warnings: [...disabled.warnings, ...enabled.warnings],
  };
}

interface Mask {
  readonly bits: bigint;
  readonly warnings: readonly string[];
}

function readMask(parameter: string, text: string, names: Names): Mask {
  const warnings: string[] = [];
  let bits = 0n;
  for (const word of text.split(/[\s,]+/).filter((item) => item !== '')) {
    const name = word.toUpperCase();
    const bit = Object.hasOwn(names, name) ? names[name] : hexadecimal(word);
    if (bit === undefined) {
      warnings.push(`unknown ${parameter} value "${word}" in "${text}"`);
    } else {
      bits |= bit;
    }
  }
  return { bits, warnings };
}

function hexadecimal(word: string): bigint | undefined {
  return /^(0x)?[0-9a-f]{1,16}$/i.test(word) ? BigInt(`0x${word.replace(/^0x/i, '')}`) : undefined;
}
