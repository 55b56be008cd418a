/**
 * Loglevels (`smtpd_tls_loglevel`, `smtp_tls_loglevel`): a list of numbers and words, any case, whose flags add up.
 *
 * An unknown word makes the whole value count as no logging, with a warning: a typing error must not stop mail.
 */

/** What is logged about TLS. */
export interface LogFlags {
  /** One line per handshake. */
  readonly summary: boolean;
  /** Why a credential is not trusted; in no numeric level. */
  readonly untrusted: boolean;
  /** Subject, issuer and fingerprints. */
  readonly peercert: boolean;
  /** What the credential was matched by. */
  readonly certmatch: boolean;
  readonly verbose: boolean;
  /** Look-ups and changes of the session cache, tickets. */
  readonly cache: boolean;
  /** TLSA records. */
  readonly dane: boolean;
  /** State changes and alerts of the library. */
  readonly sslDebug: boolean;
  readonly handshakeDump: boolean;
  readonly sessionDump: boolean;
  /** What both sides say in a handshake, message by message, without secrets; in no numeric level. */
  readonly trace: boolean;
}

type Flag = keyof LogFlags;

const routine: readonly Flag[] = ['summary'];
const debug: readonly Flag[] = [...routine, 'verbose', 'cache', 'sslDebug'];
const expert: readonly Flag[] = [...debug, 'handshakeDump'];
const developer: readonly Flag[] = [...expert, 'sessionDump'];

const words: ReadonlyMap<string, readonly Flag[]> = new Map([
  ['0', []],
  ['none', []],
  ['1', routine],
  ['routine', routine],
  ['summary', routine],
  ['2', debug],
  ['debug', debug],
  ['3', expert],
  ['ssl-expert', expert],
  ...['4', '5', '6', '7', '8', '9', 'ssl-developer'].map((word): [string, readonly Flag[]] => [
    word,
    developer,
  ]),
  ['untrusted', ['untrusted']],
  ['peercert', ['peercert']],
  ['certmatch', ['certmatch']],
  ['verbose', ['verbose']],
  ['cache', ['cache']],
  ['dane', ['dane']],
  ['ssl-debug', ['sslDebug']],
  ['ssl-handshake-packet-dump', ['handshakeDump']],
  ['ssl-session-packet-dump', ['handshakeDump', 'sessionDump']],
  ['trace', ['trace']],
]);

/** Nothing is logged. */
export const noLogging: LogFlags = Object.freeze({
  summary: false,
  untrusted: false,
  peercert: false,
  certmatch: false,
  verbose: false,
  cache: false,
  dane: false,
  sslDebug: false,
  handshakeDump: false,
  sessionDump: false,
  trace: false,
});

export interface ParsedLoglevel {
  readonly flags: LogFlags;
  /** For the log: an unknown word. */
  readonly warning: string | null;
}

/**
 * Reads a loglevel.
 *
 * @param parameter named in the warning
 */
export function parseLoglevel(value: number | string, parameter = 'tls_loglevel'): ParsedLoglevel {
  const text = String(value);
  const on = new Set<Flag>();
  for (const word of text.split(/[\s,]+/)) {
    const flags = word === '' ? [] : words.get(word.toLowerCase());
    if (flags === undefined) {
      return { flags: noLogging, warning: `unknown ${parameter} value "${word}" in "${text}"` };
    }
    for (const flag of flags) {
      on.add(flag);
    }
  }
  const entries = Object.keys(noLogging).map((flag) => [flag, on.has(flag as Flag)]);
  return { flags: Object.freeze(Object.fromEntries(entries) as LogFlags), warning: null };
}

/** `untrusted` is forced on where a credential has to be trusted. */
export function withUntrusted(flags: LogFlags): LogFlags {
  return Object.freeze({ ...flags, untrusted: true });
}
