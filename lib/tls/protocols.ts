/**
 * Protocol specifications (`smtpd_tls_protocols` and its relatives): `>=TLSv1.2`, `!SSLv3, !TLSv1`, `TLSv1.2 TLSv1.3`.
 *
 * Both of Postfix's syntaxes: bounds (`>=X`, `<=X`, the last of each wins) and names with `!` to exclude. Once a name
 * stands without `!`, every protocol that is not named is excluded. One wrong word makes the whole list wrong. `SSLv2`
 * is a name that says nothing, with `!` and without: the library has it no more.
 */
import { TlsError } from '../errors.js';
import type { NativeProtocols } from '../native.js';

interface Protocol {
  readonly name: string;
  /** Version on the wire. */
  readonly version: number;
  /** Bit of {@link NativeProtocols.exclude}. */
  readonly bit: number;
}

const protocols: readonly Protocol[] = [
  { name: 'SSLv3', version: 0x0300, bit: 1 },
  { name: 'TLSv1', version: 0x0301, bit: 2 },
  { name: 'TLSv1.1', version: 0x0302, bit: 4 },
  { name: 'TLSv1.2', version: 0x0303, bit: 8 },
  { name: 'TLSv1.3', version: 0x0304, bit: 16 },
];

/** Named in old configurations, gone from every supported library. */
const sslv2 = 'sslv2';

const largestInt = 0x7fffffff;

/** Leaves both bounds to the OpenSSL configuration file. */
export const anyProtocols: NativeProtocols = Object.freeze({ floor: -1, ceiling: -1, exclude: 0 });

/**
 * Reads a protocol specification.
 *
 * An empty one leaves the bounds of the OpenSSL configuration file in force (-1); any other sets both bounds, a missing
 * one to the library's (0).
 *
 * @param parameter named in the error
 * @throws TlsError `INVALID_PARAMETER`
 */
export function parseProtocols(spec: string, parameter = 'protocols'): NativeProtocols {
  const tokens = spec.split(/[\s,:]+/).filter((token) => token !== '');
  if (tokens.length === 0) {
    return anyProtocols;
  }
  let floor = 0;
  let ceiling = 0;
  let include = 0;
  let exclude = 0;
  for (const token of tokens) {
    if (token.startsWith('>=')) {
      floor = parseVersion(token.slice(2)) ?? refuse(parameter, spec, token);
    } else if (token.startsWith('<=')) {
      ceiling = parseVersion(token.slice(2)) ?? refuse(parameter, spec, token);
    } else if (token.startsWith('!')) {
      exclude |= protocolBit(token.slice(1)) ?? refuse(parameter, spec, token);
    } else {
      include |= protocolBit(token) ?? refuse(parameter, spec, token);
    }
  }
  return { floor, ceiling, exclude: include === 0 ? exclude : exclude | (allBits & ~include) };
}

const allBits = protocols.reduce((bits, protocol) => bits | protocol.bit, 0);

function protocolBit(name: string): number | null {
  const folded = name.toLowerCase();
  if (folded === sslv2) {
    return 0;
  }
  return protocols.find((protocol) => protocol.name.toLowerCase() === folded)?.bit ?? null;
}

function parseVersion(text: string): number | null {
  const folded = text.toLowerCase();
  if (folded === 'none') {
    return 0;
  }
  const known = protocols.find((protocol) => protocol.name.toLowerCase() === folded);
  if (known !== undefined) {
    return known.version;
  }
  if (!/^(0x)?[0-9a-f]+$/.test(folded)) {
    return null;
  }
  const version = Number.parseInt(folded, 16);
  return version <= largestInt ? version : null;
}

function refuse(parameter: string, spec: string, token: string): never {
  throw new TlsError({
    code: 'INVALID_PARAMETER',
    message: `${parameter}: Invalid TLS protocol list "${spec}"`,
    suggestion: `"${token}" is no protocol: write a range such as ">=TLSv1.2" or names such as "!TLSv1.1" (${protocols.map((p) => p.name).join(', ')})`,
  });
}
