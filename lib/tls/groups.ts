/**
 * Key exchange groups from `tls_eecdh_auto_curves` and `tls_ffdhe_auto_groups`.
 *
 * Empty lists leave the choice to OpenSSL and its configuration file, which is the default and the recommendation.
 * Otherwise each name is tried alone, unknown ones are dropped without a word, and the rest is joined: a list that was
 * written for a newer library works with an older one as far as it goes.
 */

export interface GroupList {
  /** For the library; null leaves its own choice. */
  readonly groups: string | null;
  readonly warning: string | null;
}

/**
 * Pure: `supported` tells whether the library knows one list element.
 */
export function groupList(
  curves: readonly string[],
  ffdhe: readonly string[],
  supported: (element: string) => boolean,
): GroupList {
  const wanted = unique(
    [...curves, ...ffdhe].flatMap((text) => text.split(/[\s,:]+/)).filter((name) => name !== ''),
  );
  if (wanted.length === 0) {
    return { groups: null, warning: null };
  }
  const usable = wanted.filter(supported);
  if (usable.length > 0) {
    return { groups: usable.join(':'), warning: null };
  }
  return {
    groups: null,
    warning:
      'none of the configured key exchange groups are supported, using OpenSSL default key exchange groups instead',
  };
}

function unique(names: readonly string[]): readonly string[] {
  const seen = new Set<string>();
  return names.filter((name) => {
    const folded = name.toLowerCase();
    return !seen.has(folded) && seen.add(folded);
  });
}
