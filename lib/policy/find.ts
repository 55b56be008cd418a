/** Finding the policy of a next hop: `smtp_tls_policy_maps`, and `smtp_tls_per_site` of old. */
import type { LookupTable } from '../maps/table.js';
import { foldKey } from '../maps/table.js';
import type { TlsLevel } from '../tls/levels.js';
import { levelNumber } from '../tls/levels.js';
import { isHostName } from './host-name.js';
import { bareTablePolicy, readTablePolicy, type TablePolicy, type Warn } from './table-policy.js';

/** A table and its name, `texthash:/etc/mxtls/tls_policy`. */
export interface NamedTable {
  readonly spec: string;
  readonly table: LookupTable;
}

/** `invalid`: the policy cannot be used; `unavailable`: try again later. */
export type Found = TablePolicy | 'invalid' | 'unavailable' | null;

/**
 * The policy that tables have for a next hop.
 *
 * @returns null: they have none
 */
export async function findPolicy(
  tables: readonly NamedTable[],
  nexthop: string,
  warn: Warn,
): Promise<Found> {
  const where = `smtp_tls_policy_maps, next-hop destination "${nexthop}"`;
  for (const key of policyKeys(nexthop)) {
    const value = await lookUp(tables, key, warn);
    if (value === failed) {
      warn(`${where}: policy table lookup error`);
      return 'invalid';
    }
    if (value !== undefined) {
      return readTablePolicy(value, where, warn) ?? 'invalid';
    }
  }
  return null;
}

/** The next hop as it is, and, if it is a host name, `.parent` forms of it. */
export function policyKeys(nexthop: string): readonly string[] {
  if (!isHostName(nexthop)) {
    return [nexthop];
  }
  const labels = nexthop.split('.');
  return [nexthop, ...labels.slice(1).map((_, i) => `.${labels.slice(i + 1).join('.')}`)];
}

/** Precedence among the two look-ups: a stronger word wins, and NONE over MAY. */
const siteRank: readonly TlsLevel[] = ['may', 'none', 'encrypt', 'verify'];

const siteWords: ReadonlyMap<string, TlsLevel> = new Map<string, TlsLevel>([
  ['none', 'none'],
  ['may', 'may'],
  ['must', 'verify'],
  ['must_nopeermatch', 'encrypt'],
]);

/** What `smtp_tls_per_site` says of next hop and host; a MAY leaves a stronger level of main.cf as it is. */
export async function findPerSite(
  tables: readonly NamedTable[],
  { nexthop, host }: { readonly nexthop: string; readonly host: string },
  globalLevel: TlsLevel,
  warn: Warn,
): Promise<Found> {
  const levels: TlsLevel[] = [];
  const keys = [
    ['next-hop destination', nexthop],
    ['server hostname', host],
  ] as const;
  for (const [kind, key] of keys) {
    const value = await lookUp(tables, key, warn);
    if (value === failed) {
      warn(`smtp_tls_per_site: ${kind} "${key}": per-site table lookup error`);
      return 'unavailable';
    }
    const level = siteLevel(value);
    if (level === undefined) {
      warn(`smtp_tls_per_site: unknown TLS policy '${value}' for ${kind} ${key}`);
      return 'invalid';
    }
    if (level !== null) {
      levels.push(level);
    }
  }
  return combined(levels, globalLevel);
}

/** @returns null: the table says nothing; undefined: something unknown */
function siteLevel(value: string | undefined): TlsLevel | null | undefined {
  const word = value?.toLowerCase();
  return word === undefined ? null : siteWords.get(word);
}

function combined(levels: readonly TlsLevel[], globalLevel: TlsLevel): TablePolicy | null {
  const strongest = siteRank.filter((level) => levels.includes(level)).at(-1);
  if (strongest === undefined) {
    return null;
  }
  const yields = strongest === 'may' && levelNumber(globalLevel) > levelNumber('may');
  return bareTablePolicy(yields ? globalLevel : strongest);
}

const failed = Symbol('table lookup error');

/** In the first table that has the key, as it is or folded. */
async function lookUp(
  tables: readonly NamedTable[],
  key: string,
  warn: Warn,
): Promise<string | undefined | typeof failed> {
  for (const { spec, table } of tables) {
    try {
      const value = await table.lookup(foldKey(key));
      if (value !== undefined) {
        return value;
      }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      warn(reason.startsWith(spec) ? reason : `${spec} lookup error for "${key}": ${reason}`);
      return failed;
    }
  }
  return undefined;
}
