/**
 * Server processes that share ticket keys, and clients that come back with their tickets to any of them, as fast as it goes, while keys
 * change and processes die.
 */
import { randomInt } from 'node:crypto';
import type { Run } from './command.js';
import { versions, visit } from './ticket-visit.js';

/** A server process that is started again at another port, and visited only while it is `open`. */
export class Member {
  readonly host: string;
  readonly #launch: () => Run;
  #run: Run | null = null;
  #port = 0;
  #open = false;
  #visits = 0;
  #left: () => void = () => undefined;

  constructor(host: string, launch: () => Run) {
    this.host = host;
    this.#launch = launch;
  }

  get run(): Run {
    if (this.#run === null) {
      throw new Error('the server was not started');
    }
    return this.#run;
  }

  get open(): boolean {
    return this.#open;
  }

  get port(): number {
    return this.#port;
  }

  async start(): Promise<void> {
    this.#run = this.#launch();
    this.#port = await this.#run.port();
    this.#open = true;
  }

  /** kill -9, once those who are visiting have gone: what dies with a process is not what is looked at. */
  async kill(): Promise<void> {
    this.#open = false;
    while (this.#visits > 0) {
      await new Promise<void>((resolve) => {
        this.#left = resolve;
      });
    }
    this.run.child.kill('SIGKILL');
    await this.run.exit;
  }

  /** Calls with the port while nobody may kill it. */
  async visited<T>(call: (port: number) => Promise<T>): Promise<T> {
    this.#visits += 1;
    try {
      return await call(this.#port);
    } finally {
      this.#visits -= 1;
      this.#left();
    }
  }
}

export const lost = /full TLS handshakes meanwhile/;
const found = /works again/;

/** Lines of a server's log. */
export function count(run: Run, text: RegExp): number {
  return run.stderr.match(new RegExp(text, 'g'))?.length ?? 0;
}

interface Holder {
  readonly version: (typeof versions)[number];
  /** Null: none was given. */
  session: Buffer | null;
  /** When the visit began that it is from. */
  since: number;
}

/** Enough that each comes back after a period, more or less. */
const holders = 120;
const atATime = 4;

export class Crowd {
  /** Handshakes that failed. */
  readonly failures: string[] = [];
  /** Tickets younger than they have to be good for that did not resume. */
  readonly missed: string[] = [];
  /** Tickets younger than that, each time that one was used. */
  young = 0;
  /** Whether a ticket that does not resume is one of {@link missed}. */
  counts = true;
  readonly #members: readonly Member[];
  readonly #good: number;
  readonly #idle: Holder[] = Array.from({ length: holders }, (_, i) => ({
    ...{ version: versions[i % 2] ?? versions[0], session: null, since: 0 },
  }));
  readonly #keyNames = new Set<string>();
  #waiting: (() => void)[] = [];

  /** @param good milliseconds that a ticket has to be good for */
  constructor(members: readonly Member[], good: number) {
    this.#members = members;
    this.#good = good;
  }

  /** Keys that tickets were made with, but for the first. */
  get rollovers(): number {
    return Math.max(0, this.#keyNames.size - 1);
  }

  /** Waits for so many rollovers more. */
  async rolledOver(count: number): Promise<void> {
    const until = this.rollovers + count;
    while (this.rollovers < until) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /**
   * Ends who keeps the keys, and begins anew once each server has said that it is lost. Until each has said that it is found, a ticket need
   * not resume: keys run out, and new ones are known to some.
   */
  async without(
    members: readonly Member[],
    kill: () => Promise<void>,
    start: () => Promise<void>,
  ): Promise<void> {
    this.counts = false;
    const before = members.map(({ run }) => ({ run, losses: count(run, lost) }));
    await kill();
    await Promise.all(
      members.map(({ run }) => {
        const losses = before.find((one) => one.run === run)?.losses ?? 0;
        return run.until(() => count(run, lost) > losses);
      }),
    );
    await start();
    await Promise.all(
      members.map(({ run }) => run.until(() => count(run, found) === count(run, lost))),
    );
    await this.rolledOver(1);
    this.counts = true;
  }

  /** Visits while `incidents` happen, and until there were so many rollovers. */
  async visitDuring(incidents: () => Promise<void>, rollovers: number): Promise<void> {
    let over = false;
    const visits = Array.from({ length: atATime }, async () => {
      while (!over || this.rollovers < rollovers) {
        await this.#visit();
      }
    });
    await Promise.all([
      ...visits,
      incidents().finally(() => {
        over = true;
      }),
    ]);
  }

  async #visit(): Promise<void> {
    const [holder] = this.#idle.splice(randomInt(this.#idle.length), 1);
    const open = this.#members.filter((member) => member.open);
    const member = open[randomInt(open.length)];
    if (holder === undefined || member === undefined) {
      throw new Error('nobody to visit');
    }
    try {
      await member.visited((port) => this.#come(holder, member, port));
    } catch (error) {
      this.failures.push(`${holder.version} at ${member.host}: ${String(error)}`);
    }
    this.#idle.push(holder);
    for (const wake of this.#waiting.splice(0)) {
      wake();
    }
  }

  async #come(holder: Holder, member: Member, port: number): Promise<void> {
    const { version, session, since } = holder;
    const begun = Date.now();
    const { counts } = this;
    const {
      resumed,
      renewed,
      session: given,
      ticket,
    } = await visit(...([port, version, session, member.host] as const));
    const age = Date.now() - since;
    if (counts && session !== null && age < this.#good) {
      this.young += 1;
      if (!resumed) {
        this.missed.push(`${version} after ${age} ms at ${member.host}:${port}`);
      }
    }
    if (renewed) {
      this.#keyNames.add(ticket.toString('hex', 0, 16));
    }
    if (renewed || !resumed) {
      holder.session = renewed ? given : null;
      holder.since = begun;
    }
  }
}
