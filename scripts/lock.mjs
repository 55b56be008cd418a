// A kernel lock around a long job that is done once per user: flock(1) of util-linux runs the same
// script again as its child and holds the lock for as long as that lives, however it ends.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { say } from './say.mjs';

const BUSY = 75;

/** Runs `node script --locked ...args` under the lock; a second caller says so, waits, then runs. */
export function runLocked(lock, what, script, args) {
  mkdirSync(dirname(lock), { recursive: true });
  const command = [lock, process.execPath, script, '--locked', ...args];
  const options = { stdio: ['ignore', 'ignore', 'inherit'] };
  const first = spawnSync('flock', ['-n', '-E', String(BUSY), ...command], options);
  if (first.status !== BUSY) {
    return;
  }
  say(`${what} is being made by another process of this user; waiting for it`);
  spawnSync('flock', command, options);
}
