/** What the contexts of both roles have in common, and what every session has of the options. */
import type { NativeChains, NativeContextProps, StartTlsProps } from '../native.js';
import type { CipherBaseLists } from './ciphers.js';
import { groupList } from './groups.js';
import { libraryOptions } from './library-options.js';
import type { ResolvedSmtpdTls, ResolvedSmtpTls } from './options.js';
import { groupSupported } from './probes.js';

/** What is no option. */
export interface ContextProps {
  /** Absent: the ones that the options name are loaded. */
  readonly chains?: NativeChains | null;
  /** Gets warnings that do not stop TLS. */
  readonly warn?: (text: string) => void;
  /** Where the sessions' secrets are written, in the NSS format; absent: nowhere. */
  readonly keyLogFile?: string | undefined;
}

/** What a session has of the options, beside the context. */
export type SessionSettings = Pick<
  StartTlsProps,
  'traceLimit' | 'traceRate' | 'fastShutdown' | 'tickets' | 'noteTickets' | 'delayTickets'
>;

/** Of a session that nobody has set anything for. */
export const plainSession: SessionSettings = {
  ...{ traceLimit: 0, traceRate: 0, fastShutdown: true },
  ...{ tickets: true, noteTickets: false, delayTickets: false },
};

/** @param trace the loglevel wants one */
export function sessionSettings(options: CommonOptions, trace: boolean): SessionSettings {
  return {
    traceLimit: trace ? options.traceSizeLimit : 0,
    traceRate: options.traceRateLimit,
    fastShutdown: options.fastShutdownEnable,
    tickets: true,
    noteTickets: false,
    delayTickets: false,
  };
}

type CommonOptions = ResolvedSmtpdTls | ResolvedSmtpTls;

type CommonProps = Omit<
  NativeContextProps,
  | 'service'
  | 'protocols'
  | 'securityLevel'
  | 'cipherList'
  | 'dhFile'
  | 'askClientCert'
  | 'requireClientCert'
  | 'trustServerCcerts'
  | 'verifyDepth'
  | 'tickets'
  | 'ticketRing'
  | 'ticketCipher'
  | 'sessionTimeout'
  | 'sessionIds'
>;

/** Gives warnings to `warn`. */
export function commonProps(
  role: NativeContextProps['role'],
  options: CommonOptions,
  chains: NativeChains | null,
  { warn, keyLogFile }: ContextProps,
): CommonProps {
  const { eecdhAutoCurves, ffdheAutoGroups } = options;
  const { groups, warnings } = groupList(eecdhAutoCurves, ffdheAutoGroups, groupSupported);
  const bits = libraryOptions(options, role);
  for (const text of [...warnings, ...bits.warnings]) {
    warn?.(text);
  }
  if (keyLogFile !== undefined) {
    warn?.(`TLS session keys are written to ${keyLogFile}: who reads it can decrypt the sessions`);
  }
  return {
    role,
    groups,
    keyLogFile: keyLogFile ?? null,
    optionsOn: bits.on,
    optionsOff: bits.off,
    chains,
    enableRpk: options.enableRpk,
    caFile: emptyIsNull(options.CAfile),
    caPath: emptyIsNull(options.CApath),
    appendDefaultCa: options.appendDefaultCA,
    digest: options.fingerprintDigest,
    ask: [],
    acknowledgeSni: false,
    sniCache: null,
    daneDigests: [],
  };
}

export function baseLists(options: CommonOptions): CipherBaseLists {
  return {
    high: options.highCipherlist,
    medium: options.mediumCipherlist,
    null: options.nullCipherlist,
  };
}

function emptyIsNull(text: string): string | null {
  return text === '' ? null : text;
}
