/**
 * Many processes, many hosts, one set of ticket keys that changes every second: clients resume at whichever process they come to
 * next, whatever dies meanwhile.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { certificate } from '../helpers/certificates.js';
import { Run } from '../helpers/command.js';
import { prepareDebian13, whyNoDebian13 } from '../helpers/debian13.js';
import { count, Crowd, lost, Member } from '../helpers/ticket-crowd.js';
import { startValkey, type Valkey } from '../helpers/valkey.js';

/** Milliseconds that a ticket key is used. */
const period = 1000;
const rollovers = 20;
const limit = 120_000;

const why = whyNoDebian13();
const valkeyTest = test.skipIf(why !== null && !process.env['CI']);

beforeAll(() => {
  if (why === null) {
    prepareDebian13();
  }
}, 600_000);

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'mxtls-cluster-'));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  writeFileSync(join(made, 'key'), randomBytes(32), { mode: 0o600 });
  return made;
}

/** A helper of this name, as a process. */
function helper(name: string, ...args: readonly string[]): Run {
  const script = fileURLToPath(new URL(`../helpers/${name}`, import.meta.url));
  return Run.of('/usr/bin/env', [process.execPath, script, ...args]);
}

/** None failed, and none that was to resume did not. */
function expectAllResumed(crowd: Crowd): void {
  expect(crowd.failures).toEqual([]);
  expect(crowd.missed).toEqual([]);
  expect(crowd.rollovers).toBeGreaterThanOrEqual(rollovers);
  expect(crowd.young).toBeGreaterThan(200);
}

/** What a server says about keys, besides what is expected. */
function expectNoOtherWarning(members: readonly Member[]): void {
  for (const { run } of members) {
    const lines = run.stderr.split('\n').filter((line) => /warning.*(ticket|tlsmgr)/.test(line));
    expect(lines.filter((line) => !lost.test(line))).toEqual([]);
  }
}

async function startAll(members: readonly Member[]): Promise<void> {
  await Promise.all(members.map((member) => member.start()));
}

describe('four processes of one host, with the service on a UNIX socket', () => {
  async function service(directory: string): Promise<Run> {
    const files = [join(directory, 'socket'), join(directory, 'key')];
    const run = helper('tlsmgr-process.mjs', ...files, `${period}`);
    await run.until(() => /^listening /m.test(run.stdout));
    return run;
  }

  function servers(directory: string): readonly Member[] {
    const launch = () =>
      new Run([
        ...['smtpd', '--listen', '127.0.0.1:0', '--tlsmgr', join(directory, 'socket')],
        ...['--wrapping-key', join(directory, 'key'), '-o', 'smtpd_tls_wrappermode=yes'],
        ...['-o', `smtpd_tls_chain_files=${certificate('ecdsa').chainFile}`],
      ]);
    return Array.from({ length: 4 }, () => new Member('127.0.0.1', launch));
  }

  test(
    'every ticket younger than a period resumes, over 20 rollovers',
    async () => {
      const directory = folder();
      await service(directory);
      const members = servers(directory);
      await startAll(members);
      const crowd = new Crowd(members, period);
      await crowd.visitDuring(async () => undefined, rollovers);
      expectAllResumed(crowd);
      expectNoOtherWarning(members);
      expect(members.map(({ run }) => count(run, lost))).toEqual([0, 0, 0, 0]);
    },
    limit,
  );

  test(
    'so it does while servers are killed and the service is, each of which is one warning',
    async () => {
      const directory = folder();
      let tlsmgr = await service(directory);
      const members = servers(directory);
      await startAll(members);
      const killService = async () => {
        tlsmgr.child.kill('SIGKILL');
        await tlsmgr.exit;
      };
      const startService = async () => {
        tlsmgr = await service(directory);
      };
      const crowd = new Crowd(members, period);
      const warnings: number[][] = [];
      const incidents = async () => {
        await crowd.rolledOver(2);
        for (const member of members) {
          await member.kill();
          await member.start();
          await crowd.rolledOver(1);
        }
        for (let i = 0; i < 3; i++) {
          await crowd.without(members, killService, startService);
          await crowd.rolledOver(2);
        }
        warnings.push(members.map(({ run }) => count(run, lost)));
        const [first, second] = members;
        const kill = async () => {
          await Promise.all([killService(), first?.kill(), second?.kill()]);
          await Promise.all([first?.start(), second?.start()]);
        };
        await crowd.without(members, kill, startService);
        await crowd.rolledOver(3);
        warnings.push(members.map(({ run }) => count(run, lost)));
      };
      await crowd.visitDuring(incidents, rollovers);
      expectAllResumed(crowd);
      expectNoOtherWarning(members);
      expect(warnings).toEqual([
        [3, 3, 3, 3],
        [1, 1, 4, 4],
      ]);
    },
    limit,
  );
});

describe('two hosts with two processes each, with a Valkey', () => {
  /** @param ahead of each host's clock, in milliseconds */
  async function hosts(ahead: readonly [number, number]) {
    const valkey = await startValkey();
    const address = `redis://127.0.0.1:${valkey.port}?wrapping-key=${join(folder(), 'key')}`;
    const { chainFile } = certificate('ecdsa');
    const members = ahead.flatMap((ms, i) => {
      const host = `127.0.0.${i + 2}`;
      const args = [host, address, chainFile, `${period}`, `${ms}`];
      const launch = () => helper('redis-host.mjs', ...args);
      return [new Member(host, launch), new Member(host, launch)];
    });
    await startAll(members);
    return { valkey, members };
  }

  /** Who mints, as the store has it. */
  async function minter(valkey: Valkey): Promise<string | null> {
    const redis = new Redis(valkey.port, '127.0.0.1');
    const token = await redis.get('mxtls:ticket-lease');
    redis.disconnect();
    return token;
  }

  valkeyTest(
    'every ticket younger than a period resumes over 20 rollovers, while processes are killed, whoever mints, and the store, which forgets',
    async () => {
      const { valkey, members } = await hosts([0, 0]);
      const crowd = new Crowd(members, period);
      const minters = new Set<string | null>();
      const warnings: number[][] = [];
      const incidents = async () => {
        await crowd.rolledOver(2);
        for (const member of members) {
          minters.add(await minter(valkey));
          await member.kill();
          await member.start();
          await crowd.rolledOver(1);
        }
        minters.add(await minter(valkey));
        for (let i = 0; i < 3; i++) {
          await crowd.without(
            members,
            () => valkey.kill(),
            () => valkey.start(),
          );
          await crowd.rolledOver(2);
        }
        warnings.push(members.map(({ run }) => count(run, lost)));
        const [first, , third] = members;
        const kill = async () => {
          await Promise.all([valkey.kill(), first?.kill(), third?.kill()]);
          await Promise.all([first?.start(), third?.start()]);
        };
        await crowd.without(members, kill, () => valkey.start());
        await crowd.rolledOver(3);
        warnings.push(members.map(({ run }) => count(run, lost)));
      };
      await crowd.visitDuring(incidents, rollovers);
      expectAllResumed(crowd);
      expectNoOtherWarning(members);
      expect(minters.size).toBeGreaterThan(1);
      expect(warnings).toEqual([
        [3, 3, 3, 3],
        [1, 4, 1, 4],
      ]);
    },
    limit,
  );

  valkeyTest(
    'so it does with clocks that are 30 s apart, whatever the period',
    async () => {
      const { members } = await hosts([20_000, -10_000]);
      const answer = period / 10; // as exactly as the store tells its time on a busy machine
      const crowd = new Crowd(members, period - answer);
      await crowd.visitDuring(async () => undefined, rollovers);
      expectAllResumed(crowd);
      expectNoOtherWarning(members);
    },
    limit,
  );
});
