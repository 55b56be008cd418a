/** What parameters come to: what was set, else the default, with and without what `$name` stands for. */
import { TlsError } from '../errors.js';
import { expand, type Lookup } from './expand.js';
import { defaultText, knownParameter, lookupWith } from './parameters.js';
import type { Settings } from './settings.js';

export class Effective {
  /** For texts that refer to parameters. */
  readonly lookup: Lookup;
  readonly #settings: Settings;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.lookup = lookupWith((name) => settings.get(name)?.text);
  }

  isSet(name: string): boolean {
    return this.#settings.has(name);
  }

  /** The text as it was set, or the default; empty for a name that is neither. */
  unexpanded(name: string): string {
    const row = knownParameter(name);
    return this.#settings.get(name)?.text ?? (row === null ? '' : defaultText(row, this.lookup));
  }

  /** The text with what its references stand for. @throws TlsError `INVALID_PARAMETER`, `MAIN_CF` */
  expanded(name: string): string {
    return this.located(name, () => expand(name, this.unexpanded(name), this.lookup));
  }

  /** Does something with a value; an error about one of main.cf is the operator's, and names the line. */
  located<Result>(name: string, body: () => Result): Result {
    const origin = this.#settings.get(name)?.origin;
    try {
      return body();
    } catch (error) {
      if (!(error instanceof TlsError) || error.code === 'MAIN_CF' || typeof origin !== 'string') {
        throw error;
      }
      throw new TlsError({ code: 'MAIN_CF', message: `${origin}: ${error.message}`, cause: error });
    }
  }
}
