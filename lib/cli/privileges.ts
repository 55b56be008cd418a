/**
 * `--user NAME[:GROUP]`: what needs root is done first, then root is given up for good.
 *
 * Names are looked up by id(1) and getent(1), which ask whatever the system asks. All threads of the process change:
 * the C library sees to that. Afterwards root must be out of reach, or the program does not go on.
 */
import { spawnSync } from 'node:child_process';
import { exitCode, Failure, usageError } from './command.js';
import { systemReason } from './system-reason.js';

/** Whom to become. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. */
  readonly groups: readonly number[];
}

/**
 * Finds the user, before anything is opened.
 *
 * @param text `NAME`, `NAME:GROUP`, or numbers in their place; a number that is no user's needs a group
 * @throws Failure, TlsError `COMMAND_LINE`
 */
export function findIdentity(text: string): Identity {
  const [user = '', group, ...more] = text.split(':');
  if (user === '' || group === '' || more.length > 0) {
    throw usageError(`--user: "${text}" is no user`, 'write --user NAME or --user NAME:GROUP');
  }
  if (process.getuid?.() !== 0) {
    throw usageError('--user: only root can become another user', 'leave it out, or start as root');
  }
  const known = idOf(user, '-u');
  const uid = known ?? numberOf(user);
  const gid = group === undefined ? idOf(user, '-g') : groupId(group);
  if (uid === null || gid === null) {
    throw new Failure(
      uid === null
        ? `--user: there is no user "${user}"`
        : `--user: there is no group for "${text}"; write --user NAME:GROUP`,
      exitCode.config,
    );
  }
  if (uid === 0 || gid === 0) {
    throw usageError(`--user: "${text}" is root`, 'name a user without privileges');
  }
  const groups = known === null || group !== undefined ? [gid] : groupsOf(user);
  return { uid, gid, groups: groups.filter((id) => id !== 0) };
}

/**
 * Becomes that user.
 *
 * @throws Failure when the system refuses, or root could be had again
 */
export function becomeUser({ uid, gid, groups }: Identity): void {
  const { setgroups, setgid, setuid } = process;
  if (setgroups === undefined || setgid === undefined || setuid === undefined) {
    throw new Failure('--user: this system has no users', exitCode.config);
  }
  try {
    setgroups([...groups]);
    setgid(gid);
    setuid(uid);
  } catch (error) {
    throw new Failure(
      `--user: cannot become user ${uid}: ${systemReason(error)}`,
      exitCode.config,
      error,
    );
  }
  checkDropped({ uid, gid, groups });
}

/** @throws Failure when anything of root is left */
function checkDropped({ uid, gid }: Identity): void {
  const ids = [process.getuid?.(), process.geteuid?.(), process.getgid?.(), process.getegid?.()];
  const changed = ids.every((id, i) => id === (i < 2 ? uid : gid));
  const groups = process.getgroups?.() ?? [];
  if (
    !changed ||
    groups.includes(0) ||
    regains(() => process.seteuid?.(0)) ||
    regains(() => process.setuid?.(0))
  ) {
    throw new Failure('--user: root could be regained; not going on', exitCode.software);
  }
}

function regains(attempt: () => void): boolean {
  try {
    attempt();
    return true;
  } catch {
    return false;
  }
}

function idOf(user: string, option: '-u' | '-g'): number | null {
  const { status, stdout } = spawnSync('id', [option, '--', user], { encoding: 'utf8' });
  return status === 0 ? numberOf(stdout.trim()) : null;
}

function groupsOf(user: string): readonly number[] {
  const { stdout } = spawnSync('id', ['-G', '--', user], { encoding: 'utf8' });
  return stdout.trim().split(/\s+/).map(Number).filter(Number.isSafeInteger);
}

function groupId(group: string): number | null {
  const number = numberOf(group);
  if (number !== null) {
    return number;
  }
  const { status, stdout } = spawnSync('getent', ['group', group], { encoding: 'utf8' });
  return status === 0 ? numberOf(stdout.split(':')[2] ?? '') : null;
}

function numberOf(text: string): number | null {
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  return number <= 0xfffffffe ? number : null;
}
