/**
 * Lists of key exchange groups for servers that choke on a large ClientHello.
 *
 * The share of X25519MLKEM768 has 1216 bytes, so that the ClientHello no longer fits into one packet, and there are
 * servers, and boxes before them, that cannot put it together again. They get one in which the group is offered without a
 * share (`no-share`: a server that knows it can still ask), or not at all (`classical`). In lists of OpenSSL 3.5 a star
 * marks the groups that get a share; without any star it is the first one.
 */

/** `usual`: as configured. */
export type HelloKind = 'usual' | 'no-share' | 'classical';

/** In the order in which they are tried. */
export const helloKinds: readonly HelloKind[] = ['usual', 'no-share', 'classical'];

/** What OpenSSL 3.5 does by default, without tuples: which group is best is the server's to say. */
const libraryDefault = [
  '?*X25519MLKEM768',
  '?*X25519',
  ...['?secp256r1', '?X448', '?secp384r1', '?secp521r1', '?ffdhe2048', '?ffdhe3072'],
];

interface GroupSettings {
  /** `tls_eecdh_auto_curves`, `tls_ffdhe_auto_groups` */
  readonly eecdhAutoCurves: readonly string[];
  readonly ffdheAutoGroups: readonly string[];
  /** `tls_config_file` */
  readonly configFile?: string | undefined;
}

/** The groups for a kind of ClientHello; null: it would be no smaller, or nobody knows what the usual one has. */
export function helloGroups(
  settings: GroupSettings,
  kind: Exclude<HelloKind, 'usual'>,
): readonly string[] | null {
  const usual = usualGroups(settings);
  if (usual === null || !usual.some(isHybrid)) {
    return null;
  }
  const others = usual.filter((element) => !isHybrid(element));
  const [first, ...rest] = others;
  if (first === undefined) {
    return null;
  }
  const classical = others.some((element) => element.includes('*'))
    ? others
    : [`*${first}`, ...rest];
  return kind === 'classical' ? classical : ['?X25519MLKEM768', ...classical];
}

function usualGroups(settings: GroupSettings): readonly string[] | null {
  const { eecdhAutoCurves, ffdheAutoGroups, configFile } = settings;
  const listed = [...eecdhAutoCurves, ...ffdheAutoGroups].flatMap((text) => text.split(/[\s,:/]+/));
  const words = listed.filter((word) => word !== '');
  if (words.length === 0) {
    // A private configuration file may have groups of its own.
    return configFile?.startsWith('/') ? null : libraryDefault;
  }
  return words.flatMap((word) => (word.toUpperCase() === 'DEFAULT' ? libraryDefault : [word]));
}

function isHybrid(element: string): boolean {
  return /^[?*]*X25519MLKEM768$/i.test(element);
}
