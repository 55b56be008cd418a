/**
 * Answers the question of a suspended handshake: which chains has this server name?
 *
 * Tables first (`tls_server_sni_maps`), then the function. What is found is parsed and kept in the native cache, where
 * handshake threads find it without asking again; what is not found is kept there, too. A failure is not kept: the next
 * client asks again. However many clients wait for one name, it is looked up once.
 */
import { addon } from '../addon.js';
import type { QuestionHandler } from '../dispatch.js';
import type { Logger } from '../log/logger.js';
import { TableList } from '../maps/table-list.js';
import type { NativeChains, NativeSniCache } from '../native.js';
import { findInTables, LookupProblem } from './find.js';
import type { ResolvedSni, SniAnswer, SniFunction } from './options.js';

export interface SniSourceProps extends ResolvedSni {
  /** `tls_server_sni_maps`: `type:name` each. */
  readonly maps: readonly string[];
  readonly logger: Logger;
}

type Answer = (value: NativeChains | null | false) => void;

/** A client that waits: the name as it sent it, and what tells its handshake. */
interface Waiting {
  readonly name: string;
  readonly answer: Answer;
}

/** How many names may be looked up at once; a function that hangs must not hold ever more of them. */
const maxLookups = 1000;

/** Milliseconds that the function may take. */
const patience = 60_000;

export class SniSource {
  readonly cache: NativeSniCache;
  readonly #props: SniSourceProps;
  readonly #tables: TableList;
  /** Chains of parents, by key: many names may have them. */
  readonly #parents = new Map<string, NativeChains>();
  readonly #lookups = new Map<string, Waiting[]>();
  /** Changes when answers of lookups that are under way are out of date. */
  #generation = 0;

  private constructor(props: SniSourceProps, tables: TableList) {
    this.#props = props;
    this.#tables = tables;
    this.cache = addon.createSniCache(props.cacheLimit);
  }

  /**
   * Opens the tables.
   *
   * @returns null where there is neither a table nor a function: server names are not acknowledged then
   * @throws TlsError (rejects) `LOOKUP_TABLE`
   */
  static async open(props: SniSourceProps): Promise<SniSource | null> {
    if (props.maps.length === 0 && props.lookup === null) {
      return null;
    }
    const tables = new TableList({
      parameter: 'tls_server_sni_maps',
      specs: props.maps,
      valuesAreFiles: true,
      logger: props.logger,
    });
    await tables.open();
    return new SniSource(props, tables);
  }

  /** For `setQuestionHandler`. */
  readonly ask: QuestionHandler = (kind, data, answer) => {
    if (kind !== 'chain') {
      answer(null);
      return;
    }
    const name = data.toString('latin1');
    const key = name.toLowerCase();
    const others = this.#lookups.get(key);
    if (others !== undefined) {
      others.push({ name, answer });
    } else if (this.#lookups.size >= maxLookups) {
      this.#refuseFor(
        { name, answer },
        new LookupProblem('too many server names are looked up at once'),
      );
    } else {
      const waiting = [{ name, answer }];
      this.#lookups.set(key, waiting);
      this.#lookUp(key, name, waiting);
    }
  };

  /** Forgets what is known of a name, or everything. New handshakes look again. */
  invalidate(name: string | null = null): void {
    this.#generation++;
    this.#parents.clear();
    this.cache.drop(name);
  }

  /**
   * Opens the tables again, and forgets what is known. Tables that cannot be opened stay as they are.
   *
   * @throws TlsError (rejects) `LOOKUP_TABLE`: the old tables stand, and the log says so
   */
  async reload(): Promise<void> {
    await this.#tables.reload();
    this.invalidate();
  }

  close(): void {
    this.#tables.close();
    this.invalidate();
  }

  async #lookUp(key: string, name: string, waiting: readonly Waiting[]): Promise<void> {
    try {
      const chains = await this.#findAndKeep(key, name);
      this.#lookups.delete(key);
      for (const { answer } of waiting) {
        answer(chains);
      }
    } catch (error) {
      this.#lookups.delete(key);
      for (const one of waiting) {
        this.#refuseFor(one, error);
      }
    }
  }

  async #findAndKeep(key: string, name: string): Promise<NativeChains | null> {
    const generation = this.#generation;
    const { chains, time } = await this.#find(key, name);
    if (generation === this.#generation) {
      this.cache.put(key, chains, time);
    }
    return chains;
  }

  /** @param name as the client sent it, for messages */
  async #find(key: string, name: string): Promise<{ chains: NativeChains | null; time: number }> {
    const { lookup, cacheTime } = this.#props;
    const found = await findInTables(this.#tables.tables, key);
    if (found !== undefined) {
      const known = this.#parents.get(found.key);
      const chains = known ?? parse(found.pem, name, this.#props.logger);
      if (found.key !== key) {
        this.#keepParent(found.key, chains);
      }
      return { chains, time: 0 };
    }
    if (lookup === null) {
      return { chains: null, time: 0 };
    }
    const answer = await inTime(askFunction(lookup, key));
    return { chains: chainsOf(answer, name, this.#props.logger), time: cacheTime };
  }

  #keepParent(key: string, chains: NativeChains): void {
    if (this.#parents.size >= this.#props.cacheLimit) {
      this.#parents.clear();
    }
    this.#parents.set(key, chains);
  }

  /** In the words of Postfix. */
  #refuseFor({ name, answer }: Waiting, error: unknown): void {
    for (const line of failureLines(name, error)) {
      this.#props.logger.warn(line);
    }
    answer(false);
  }
}

function failureLines(name: string, error: unknown): readonly string[] {
  if (error instanceof ChainProblem) {
    return error.lines;
  }
  const lines = error instanceof LookupProblem ? error.lines : [reasonOf(error)];
  return [...lines, `tls_server_sni_maps: ${name} map lookup problem`];
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Chains that cannot be used; what there is to say, in Postfix's words. */
class ChainProblem extends Error {
  readonly lines: readonly string[];

  constructor(lines: readonly string[]) {
    super(lines.join('; '));
    this.lines = lines;
  }
}

function parse(pem: Uint8Array, name: string, logger: Logger): NativeChains {
  const notes: string[] = [];
  try {
    const chains = addon.parseChains(pem, origin(name), notes);
    for (const note of notes) {
      logger.warn(note);
    }
    return chains;
  } catch (error) {
    const last = notes.pop() ?? reasonOf(error);
    throw new ChainProblem([...notes, `${last}: aborting TLS handshake`]);
  }
}

/** Postfix's name for a value, in messages. */
function origin(name: string): string {
  return `SNI data for ${name}`;
}

async function askFunction(lookup: SniFunction, name: string): Promise<SniAnswer> {
  try {
    return await lookup(name);
  } catch (error) {
    throw new LookupProblem(`tls.sni failed for "${name}": ${reasonOf(error)}`);
  }
}

function inTime<T>(work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new LookupProblem(`tls.sni took more than ${patience / 1000} seconds`)),
      patience,
    );
    timer.unref();
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** The answer of a function, which may be anything. */
function chainsOf(answer: SniAnswer, name: string, logger: Logger): NativeChains | null {
  if (answer === undefined || answer === null) {
    return null;
  }
  if (typeof answer === 'string') {
    return parse(Buffer.from(answer), name, logger);
  }
  if (answer instanceof Uint8Array) {
    return parse(answer, name, logger);
  }
  if (Array.isArray(answer.keyTypes)) {
    return answer;
  }
  throw new LookupProblem(`tls.sni gave ${typeof answer} for "${name}", which is no chain`);
}
