/**
 * When a ticket key is made, used, and gone: pure, by the times that each key carries.
 *
 * With T = `smtpd_tls_session_cache_timeout`, a key makes tickets for H = T/2 (active), and for another H those tickets
 * are taken and renewed (previous). The next one is made half a period before its first use, twice the quarter that it
 * takes to reach everybody: a store may be away for a quarter of a period without anybody noticing.
 */
import { type SealedKey, type SealedKeyInfo, sealedKeyInfo } from './sealed-key.js';

/** What each key in use is for; the active one makes the tickets, all are taken. */
export interface Roles<K> {
  readonly next: K | null;
  readonly active: K | null;
  readonly previous: K | null;
  /** One before that: two have made keys at the same time, without knowing of each other. */
  readonly former: K | null;
}

type Times = Pick<SealedKeyInfo, 'name' | 'activeFrom' | 'expires' | 'retires'>;

/** Who is what at this time; keys beyond one of each kind are of no use. @param now milliseconds */
export function roles<K extends Times>(keys: readonly K[], now: number): Roles<K> {
  const alive = keys.filter((key) => key.retires > now);
  const begun = alive.filter((key) => key.activeFrom <= now).sort(latestFirst);
  const active = begun.find((key) => key.expires > now) ?? null;
  const [previous = null, former = null] = begun.filter((key) => key !== active);
  return {
    next:
      alive
        .filter((key) => key.activeFrom > now)
        .sort(latestFirst)
        .at(-1) ?? null,
    ...{ active, previous, former },
  };
}

/** Two of one time are told apart by name, by all processes in the same way. */
function latestFirst(a: Times, b: Times): number {
  return b.activeFrom - a.activeFrom || (a.name < b.name ? 1 : -1);
}

/** The next time at which {@link roles} or {@link keysToMake} change; infinite for no keys. */
export function nextChange(keys: readonly Times[], now: number): number {
  const times = keys.flatMap(({ activeFrom, expires, retires }) => [
    ...[activeFrom, expires, retires],
    expires - lead(expires - activeFrom),
  ]);
  return Math.min(Number.POSITIVE_INFINITY, ...times.filter((time) => time > now));
}

/** How long before its first use a key is made. */
export function lead(period: number): number {
  return Math.floor(period / 2);
}

/** The times of a key. */
export interface KeyTimes {
  readonly activeFrom: number;
  readonly expires: number;
}

/**
 * What is missing: an active key, from now on, and within {@link lead} of its end the next one, which follows it
 * without a gap.
 *
 * @param period milliseconds that a key is active
 */
export function keysToMake(
  keys: readonly Times[],
  now: number,
  period: number,
): readonly KeyTimes[] {
  const { active, next } = roles(keys, now);
  if (active === null) {
    return [{ activeFrom: now, expires: now + period }];
  }
  const due = next === null && active.expires - now <= lead(period);
  return due ? [{ activeFrom: active.expires, expires: active.expires + period }] : [];
}

/** The keys that are not retired, what is readable of each, the oldest first; each name once. */
export function keysAlive(keys: readonly SealedKey[], now: number): readonly KnownKey[] {
  const known = new Map<string, KnownKey>();
  for (const sealed of keys) {
    const info = sealedKeyInfo(sealed);
    if (info !== null && info.retires > now && !known.has(info.name)) {
      known.set(info.name, { ...info, sealed });
    }
  }
  return [...known.values()].sort((a, b) => latestFirst(b, a));
}

/** A sealed key and what is readable of it. */
export interface KnownKey extends SealedKeyInfo {
  readonly sealed: SealedKey;
}
