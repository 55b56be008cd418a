/**
 * Key exchange groups from `tls_eecdh_auto_curves` and `tls_ffdhe_auto_groups`.
 *
 * Empty lists leave the choice to OpenSSL and its configuration file, which is the default and the recommendation.
 * Otherwise each name is tried alone, unknown ones are dropped without a word, and the rest is joined: a list that was
 * written for a newer library works with an older one as far as it goes. Blanks split a list, so that OpenSSL's tuples
 * survive only where no blank stands around their `/`; the `Groups` of the configuration file has no such trap.
 */

export interface GroupList {
  /** For the library; null leaves its own choice. */
  readonly groups: string | null;
  /** For the log, in Postfix's words. */
  readonly warnings: readonly string[];
}

/**
 * Pure: `supported` tells whether the library takes an element, or a list of them.
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
    return { groups: null, warnings: [] };
  }
  const usable = wanted.filter(supported);
  const groups = usable.join(':');
  if (usable.length > 0 && supported(groups)) {
    return { groups, warnings: [] };
  }
  const none = 'none of the configured key exchange groups are supported';
  const instead = 'using OpenSSL default key exchange groups instead';
  return { groups: null, warnings: usable.length > 0 ? [instead] : [none, instead] };
}

function unique(names: readonly string[]): readonly string[] {
  const seen = new Set<string>();
  return names.filter((name) => {
    const folded = name.toLowerCase();
    return !seen.has(folded) && seen.add(folded);
  });
}
