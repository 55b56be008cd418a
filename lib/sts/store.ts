/**
 * Where policies survive a restart: a directory with a JSON file per domain.
 *
 * Files and not a database: a policy is a few hundred bytes, read once per process and written once a day, an operator
 * can look at it with cat and drop it with rm, and rename(2) makes a change whole for every process that shares the
 * directory. A file that cannot be understood is as good as none: the policy is fetched again.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parsePolicyFile, type StsPolicyFile } from './policy-file.js';
import type { StsId } from './record.js';

/** A policy as it was fetched. */
export interface StoredPolicy {
  readonly domain: string;
  readonly id: StsId;
  readonly file: StsPolicyFile;
  /** Milliseconds since 1970. */
  readonly fetchedAt: number;
}

/** May reject: the policy is used all the same, and the failure goes to the log. */
export interface StsStore {
  load(domain: string): Promise<StoredPolicy | null>;
  save(policy: StoredPolicy): Promise<void>;
  remove(domain: string): Promise<void>;
  /** The domains that have a policy here. */
  domains(): Promise<readonly string[]>;
}

/** Lasts as long as the process; the policy that was stored first goes when there are too many. */
export class MemoryStsStore implements StsStore {
  readonly #policies = new Map<string, StoredPolicy>();
  readonly #limit: number;

  constructor(limit = 5000) {
    this.#limit = limit;
  }

  async load(domain: string): Promise<StoredPolicy | null> {
    return this.#policies.get(domain) ?? null;
  }

  async save(policy: StoredPolicy): Promise<void> {
    this.#policies.delete(policy.domain);
    this.#policies.set(policy.domain, policy);
    const [oldest] = this.#policies.keys();
    if (oldest !== undefined && this.#policies.size > this.#limit) {
      this.#policies.delete(oldest);
    }
  }

  async remove(domain: string): Promise<void> {
    this.#policies.delete(domain);
  }

  async domains(): Promise<readonly string[]> {
    return [...this.#policies.keys()];
  }
}

const suffix = '.json';

export class DirectoryStsStore implements StsStore {
  readonly #folder: string;

  /** Made, with those above it, if it does not exist. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  async load(domain: string): Promise<StoredPolicy | null> {
    try {
      return parse(domain, await readFile(this.#path(domain), 'utf8'));
    } catch (error) {
      return ignoreMissing(error);
    }
  }

  async save(policy: StoredPolicy): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const { domain, id, fetchedAt } = policy;
    const draft = join(this.#folder, `${randomUUID()}.tmp`);
    try {
      await write(
        draft,
        `${JSON.stringify({ domain, id, fetchedAt, policy: policy.file.strings })}\n`,
      );
      await rename(draft, this.#path(domain));
    } catch (error) {
      await rm(draft, { force: true });
      throw error;
    }
  }

  async remove(domain: string): Promise<void> {
    await rm(this.#path(domain), { force: true });
  }

  async domains(): Promise<readonly string[]> {
    const names = await readdir(this.#folder).catch(ignoreMissing);
    const files = (names ?? []).filter((name) => name.endsWith(suffix));
    return files.map((name) => name.slice(0, -suffix.length));
  }

  /** Domains are host names in A-label form here, so they are file names as well. */
  #path(domain: string): string {
    return join(this.#folder, `${domain}${suffix}`);
  }
}

/** What was fetched last is not worth more than the rename: a crash may lose it, but not mix it. */
async function write(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

function ignoreMissing(error: unknown): null {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
    return null;
  }
  throw error;
}

function parse(domain: string, text: string): StoredPolicy | null {
  let stored: unknown;
  try {
    stored = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof stored !== 'object' || stored === null) {
    return null;
  }
  const { id, fetchedAt, policy, domain: name } = stored as Record<string, unknown>;
  if (typeof id !== 'string' || typeof fetchedAt !== 'number' || !Array.isArray(policy)) {
    return null;
  }
  const file = parsePolicyFile(policy.join('\n'));
  return name !== domain || 'problem' in file ? null : { domain, id, file, fetchedAt };
}

const shortestLife = 60;

/** When a policy ends: a `max_age` of 0 still holds for the message that had it fetched. */
export function expiryOf(policy: StoredPolicy): number {
  return policy.fetchedAt + Math.max(policy.file.maxAge, shortestLife) * 1000;
}
