/** The policy tables of the parameters, for the length of a probe, and what they ask for before DNS has its say. */
import type { ResolvedSmtp } from '../config/options.js';
import { openTable } from '../maps/open.js';
import type { OpenTable } from '../maps/table.js';
import { findPerSite, findPolicy, type NamedTable } from '../policy/find.js';
import type { TlsLevel } from '../tls/levels.js';

export class ProbeTables {
  /** Null where there is none. */
  readonly policyMaps: readonly NamedTable[] | null;
  readonly perSite: readonly NamedTable[];
  readonly #open: readonly OpenTable[];

  private constructor(policyMaps: readonly OpenTable[], perSite: readonly OpenTable[]) {
    this.policyMaps = policyMaps.length === 0 ? null : policyMaps.map(named);
    this.perSite = perSite.map(named);
    this.#open = [...policyMaps, ...perSite];
  }

  /** @throws TlsError (rejects) `LOOKUP_TABLE` */
  static async open({ tls }: ResolvedSmtp, warn: (text: string) => void): Promise<ProbeTables> {
    const opened: OpenTable[] = [];
    const openAll = async (specs: readonly string[]): Promise<readonly OpenTable[]> => {
      const first = opened.length;
      for (const spec of specs) {
        opened.push(await openTable(spec, { warn }));
      }
      return opened.slice(first);
    };
    try {
      return new ProbeTables(await openAll(tls.policyMaps), await openAll(tls.perSite));
    } catch (error) {
      closeAll(opened);
      throw error;
    }
  }

  /** What is asked for a host; null where a table is wrong. */
  async requested(nexthop: string, host: string, level: TlsLevel): Promise<TlsLevel | null> {
    const quiet = (): void => undefined;
    const found =
      this.policyMaps === null
        ? await findPerSite(this.perSite, { nexthop, host }, level, quiet)
        : await findPolicy(this.policyMaps, nexthop, quiet);
    return typeof found === 'string' ? null : (found?.level ?? level);
  }

  close(): void {
    closeAll(this.#open);
  }
}

function named(table: OpenTable): NamedTable {
  return { spec: table.spec, table };
}

function closeAll(tables: readonly OpenTable[]): void {
  for (const table of tables) {
    table.close();
  }
}
