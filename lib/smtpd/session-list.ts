/**
 * The sessions of an engine: a list in which each knows its place.
 *
 * In the place of a Set, of which V8 (11.3) makes a new table whenever the slots are used up, with a reference from the
 * former table to the next: once a former table is old, it keeps all sessions that have been in one since, until the
 * next full collection.
 */

export interface Listed {
  /** In the list; the list's own. */
  place: number;
}

export class SessionList<T extends Listed> implements Iterable<T> {
  readonly #sessions: T[] = [];

  get size(): number {
    return this.#sessions.length;
  }

  add(session: T): void {
    session.place = this.#sessions.length;
    this.#sessions.push(session);
  }

  /** The last one takes the place that becomes free. */
  delete(session: T): void {
    if (this.#sessions[session.place] !== session) {
      return;
    }
    const last = this.#sessions.pop();
    if (last !== undefined && last !== session) {
      last.place = session.place;
      this.#sessions[last.place] = last;
    }
    session.place = -1;
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#sessions.values();
  }
}
