/**
 * Which servers choke on a large ClientHello: found out when a handshake breaks before the server has said anything in it,
 * and one with a smaller ClientHello does not. Everybody else gets the usual one.
 */
import { type HelloKind, helloKinds } from '../tls/hello-groups.js';
import type { Peer } from './conversation.js';

interface Kept {
  readonly kind: HelloKind;
  readonly until: number;
}

/** Servers; those that were added first go first. */
const sizeLimit = 1000;

/** Milliseconds after which a server gets the usual ClientHello again: somebody may have repaired it. */
const life = 86_400_000;

export class HelloMemory {
  readonly #kept = new Map<string, Kept>();
  readonly #kinds: readonly HelloKind[];
  readonly #now: () => number;

  /** @param kinds those that there are, in the order in which they are tried */
  constructor(
    kinds: readonly HelloKind[] = helloKinds,
    now: () => number = () => performance.now(),
  ) {
    this.#kinds = kinds;
    this.#now = now;
  }

  /** What to try with a server, one after the other while its handshakes break. */
  kindsFor(peer: Peer): readonly HelloKind[] {
    if (this.#kept.size === 0) {
      return this.#kinds;
    }
    const kept = this.#kept.get(keyOf(peer));
    return kept === undefined || kept.until <= this.#now()
      ? this.#kinds
      : this.#kinds.slice(this.#kinds.indexOf(kept.kind));
  }

  /** A handshake of this kind went well, or all have failed (null), which says nothing about the ClientHello. */
  learn(peer: Peer, kind: HelloKind | null): void {
    const none = kind === null || kind === 'usual';
    if (none && this.#kept.size === 0) {
      return;
    }
    const key = keyOf(peer);
    const known = this.#kept.get(key);
    if (none) {
      this.#kept.delete(key);
    } else if (known?.kind !== kind || known.until <= this.#now()) {
      this.#kept.delete(key);
      this.#kept.set(key, { kind, until: this.#now() + life });
      this.#shrink();
    }
  }

  get size(): number {
    return this.#kept.size;
  }

  #shrink(): void {
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > sizeLimit && oldest !== undefined) {
      this.#kept.delete(oldest);
    }
  }
}

function keyOf({ address, port }: Peer): string {
  return `${address}:${port}`;
}
