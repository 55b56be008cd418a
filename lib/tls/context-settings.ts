/**
 * What a client's context is made of, of all the settings: two processes that agree on these may share sessions. All the
 * rest is decided for each session.
 */
import type { ResolvedSmtpTls } from './options.js';

const names = [
  ...(['CAfile', 'CApath', 'appendDefaultCA', 'scertVerifydepth', 'fingerprintDigest'] as const),
  ...(['chainFiles', 'certFile', 'keyFile', 'dcertFile', 'dkeyFile'] as const),
  ...(['eccertFile', 'eckeyFile', 'enableRpk', 'eecdhAutoCurves', 'ffdheAutoGroups'] as const),
  ...(['disableWorkarounds', 'sslOptions', 'daneDigests'] as const),
  ...(['highCipherlist', 'mediumCipherlist', 'nullCipherlist'] as const),
] as const satisfies readonly (keyof ResolvedSmtpTls)[];

/** By the names of the options. */
export type ContextSettings = Readonly<Record<string, unknown>>;

export function contextSettings(options: ResolvedSmtpTls): ContextSettings {
  return Object.fromEntries(names.map((name) => [name, options[name]]));
}

/** The options that are not the same in both; those that one does not know are others, too. */
export function settingsThatDiffer(
  ours: ContextSettings,
  theirs: ContextSettings,
): readonly string[] {
  const all = new Set([...Object.keys(ours), ...Object.keys(theirs)]);
  return [...all].filter((name) => JSON.stringify(ours[name]) !== JSON.stringify(theirs[name]));
}
