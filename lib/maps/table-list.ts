/** The tables of one parameter, over an engine's life: opened with the first listener, read anew, closed. */
import type { Logger } from '../log/logger.js';
import { type OpenTableOptions, openTable } from './open.js';
import type { LookupTable, OpenTable } from './table.js';

export interface TableListProps {
  /** Postfix's name of it, for the log. */
  readonly parameter: string;
  /** `type:name` each. */
  readonly specs: readonly string[];
  readonly valuesAreFiles?: boolean;
  readonly logger: Logger;
}

export class TableList implements LookupTable {
  readonly #props: TableListProps;
  #tables: readonly OpenTable[] = [];
  #opening: Promise<void> | null = null;
  /** Changes with {@link close}: what is opened too late is closed at once. */
  #life = 0;

  constructor(props: TableListProps) {
    this.#props = props;
  }

  /** In the order in which they are asked; none before {@link open}. */
  get tables(): readonly OpenTable[] {
    return this.#tables;
  }

  /**
   * Opens all of them, once however often it is called.
   *
   * @throws TlsError (rejects) `LOOKUP_TABLE`: the next call tries again
   */
  async open(): Promise<void> {
    this.#opening ??= this.#read();
    try {
      await this.#opening;
    } catch (error) {
      this.#opening = null;
      throw error;
    }
  }

  /**
   * Opens them anew; does nothing before {@link open}.
   *
   * @throws TlsError (rejects) `LOOKUP_TABLE`: the former ones stay in use, and the log says so
   */
  async reload(): Promise<void> {
    if (this.#opening === null) {
      return;
    }
    try {
      await this.#read();
    } catch (error) {
      const { parameter, logger } = this.#props;
      const reason = error instanceof Error ? error.message : String(error);
      logger.warn(`${parameter}: ${reason}; the former tables stay in use`);
      throw error;
    }
  }

  /** The first value that one of them has. */
  async lookup(key: string): Promise<string | undefined> {
    for (const table of this.#tables) {
      const value = await table.lookup(key);
      if (value !== undefined) {
        return value;
      }
    }
    return undefined;
  }

  close(): void {
    this.#life++;
    this.#opening = null;
    closeAll(this.#tables);
    this.#tables = [];
  }

  async #read(): Promise<void> {
    const life = this.#life;
    const tables = await openAll(this.#props);
    if (life !== this.#life) {
      closeAll(tables);
      return;
    }
    closeAll(this.#tables);
    this.#tables = tables;
  }
}

/** All or none. */
async function openAll(props: TableListProps): Promise<readonly OpenTable[]> {
  const options: OpenTableOptions = {
    valuesAreFiles: props.valuesAreFiles ?? false,
    warn: (text) => props.logger.warn(text),
  };
  const tables: OpenTable[] = [];
  try {
    for (const spec of props.specs) {
      tables.push(await openTable(spec, options));
    }
  } catch (error) {
    closeAll(tables);
    throw error;
  }
  return tables;
}

function closeAll(tables: readonly OpenTable[]): void {
  for (const table of tables) {
    table.close();
  }
}
