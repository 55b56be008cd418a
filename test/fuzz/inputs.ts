/**
 * Runs a fuzz target of the TypeScript side: over its corpus, and, when MXTLS_FUZZ_SECONDS is set
 * (`npm run fuzz` does that), over changed inputs for as long.
 *
 * A target throws when something does not hold. The input that made it do so is left in build/fuzz/.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, test } from 'vitest';

export type Target = (input: Buffer) => void | Promise<void>;

const seconds = Number(process.env['MXTLS_FUZZ_SECONDS'] ?? 0);
const maxSize = 65_536;

export function fuzz(name: string, target: Target): void {
  const folder = fileURLToPath(new URL(`./corpus/${name}/`, import.meta.url));
  const inputs = readdirSync(folder).map((file) => ({ file, data: readFileSync(folder + file) }));
  const run = async (input: Buffer): Promise<void> => {
    try {
      await target(input);
    } catch (error) {
      keep(name, input);
      throw error;
    }
  };
  describe(name, () => {
    test.each(inputs)('$file', ({ data }) => run(data));
    if (seconds > 0) {
      test('changed inputs', { timeout: (seconds + 60) * 1000 }, async () => {
        const change = new Changes(inputs.map(({ data }) => data));
        let runs = 0;
        for (const end = Date.now() + seconds * 1000; Date.now() < end; runs++) {
          await run(change.next());
        }
        process.stderr.write(`${name}: ${runs} changed inputs\n`);
      });
    }
  });
}

function keep(name: string, input: Buffer): void {
  const folder = fileURLToPath(new URL('../../build/fuzz/', import.meta.url));
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}crash-${name}`, input);
  process.stderr.write(`the input is in build/fuzz/crash-${name}\n`);
}

/** Small changes at random; what lines are made of more often than other bytes. */
class Changes {
  readonly #seeds: readonly Buffer[];
  readonly #tokens = [
    '\r\n',
    '\n',
    '\r',
    '.',
    '\r\n.\r\n',
    ' ',
    '<',
    '>',
    ':',
    '\0',
    '\u00e9',
    '=',
  ];

  constructor(seeds: readonly Buffer[]) {
    this.#seeds = seeds;
  }

  next(): Buffer {
    let input = this.#seed();
    for (let left = 1 + random(6); left > 0; left--) {
      input = this.#change(input);
    }
    return input.subarray(0, maxSize);
  }

  #seed(): Buffer {
    return this.#seeds[random(this.#seeds.length)] ?? Buffer.alloc(0);
  }

  #change(input: Buffer): Buffer {
    const at = random(input.length + 1);
    const before = input.subarray(0, at);
    switch (random(5)) {
      case 0:
        return Buffer.concat([before, Buffer.of(random(256)), input.subarray(at + 1)]);
      case 1:
        return Buffer.concat([before, input.subarray(at + random(input.length - at + 1))]);
      case 2:
        return Buffer.concat([before, this.#lineOf(this.#seed()), input.subarray(at)]);
      case 3:
        return Buffer.concat([before, this.#seed()]);
      default: {
        const token = this.#tokens[random(this.#tokens.length)] ?? '';
        return Buffer.concat([before, Buffer.from(token), input.subarray(at)]);
      }
    }
  }

  #lineOf(input: Buffer): Buffer {
    const lines = input.toString('latin1').split(/(?<=\n)/);
    return Buffer.from(lines[random(lines.length)] ?? '', 'latin1');
  }
}

/** 0 to `below` - 1. */
export function random(below: number): number {
  return Math.floor(Math.random() * below);
}
