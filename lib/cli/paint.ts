/** Colours for a terminal, and none for everybody else. */
import type { Security } from '../probe/result.js';

export interface Paint {
  bold(text: string): string;
  good(text: string): string;
  doubtful(text: string): string;
  bad(text: string): string;
  security(word: Security): string;
  /** The first word of a TLS summary line. */
  status(line: string): string;
}

const code = { bold: 1, red: 31, green: 32, yellow: 33 } as const;

export function painter(colors: boolean): Paint {
  const in_ =
    (color: number) =>
    (text: string): string =>
      colors && text !== '' ? `\u001b[${color}m${text}\u001b[0m` : text;
  const good = in_(code.green);
  const doubtful = in_(code.yellow);
  const bad = in_(code.red);
  const of = (word: string): string => {
    const color =
      word === 'secure' || word === 'Verified' ? good : word === 'bogus' ? bad : doubtful;
    return color(word);
  };
  return {
    ...{ bold: in_(code.bold), good, doubtful, bad, security: of },
    status: (line) => line.replace(/^\w+/, (word) => (word === 'Trusted' ? word : of(word))),
  };
}

/** https://no-color.org, and terminals that cannot. */
export function wantsColors(stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  return stream.isTTY === true && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb';
}
