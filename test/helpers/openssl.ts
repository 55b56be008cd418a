/** The `openssl` program that belongs to the library the addon is built with. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

interface Found {
  readonly bin: string | null;
  readonly include: string;
  readonly version: string;
}

const finder = fileURLToPath(new URL('../../scripts/openssl.mjs', import.meta.url));

let found: Found | null = null;

function find(): Found {
  found ??= JSON.parse(
    execFileSync(process.execPath, [finder, '--print', 'json'], { encoding: 'utf8' }),
  ) as Found;
  return found;
}

/** Path of the program; the one on PATH where the library brought none. */
export function opensslProgram(): string {
  return find().bin ?? 'openssl';
}

/** Folder of its headers. */
export function opensslInclude(): string {
  return find().include;
}

/** Version of the library. */
export function opensslVersion(): string {
  return find().version;
}

/** Environment without a configuration file, so that the machine's says nothing. */
export const opensslEnvironment: NodeJS.ProcessEnv = { ...process.env, OPENSSL_CONF: '/dev/null' };

/** Runs the program and returns its output. */
export function openssl(...args: readonly string[]): string {
  return execFileSync(opensslProgram(), args, {
    encoding: 'utf8',
    env: opensslEnvironment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}
