/** Golden files: a case is an input (.json) and the text it must come to (.log), side by side in one folder. */
import { readdirSync, readFileSync } from 'node:fs';

/** Names of the cases in `folder`, and how to read a file of it. */
export function goldenCases(folder: URL): { names: string[]; read(file: string): string } {
  return {
    names: readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .map((name) => name.slice(0, -'.json'.length)),
    read: (file) => readFileSync(new URL(file, folder), 'utf8'),
  };
}
