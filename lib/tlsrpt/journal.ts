/**
 * Counts of a day's sessions, on disk within a second: what reports are made of.
 *
 * `DIRECTORY/2030-01-31.jsonl` gets a line for each kind of result and how often it came since the last line of its kind;
 * the sum over all lines is the day's count. Lines are appended in one write, so processes may share a directory, and a
 * crash costs what was not written yet (`flushInterval`) and at most the line that was being written.
 */
import { appendFile, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../log/logger.js';
import type {
  TlsrptEvent,
  TlsrptFailure,
  TlsrptPolicy,
  TlsrptResult,
  TlsrptSink,
} from './event.js';

/** A kind of result, and how often it came. */
export interface TlsrptCount extends TlsrptResult {
  readonly domain: string;
  readonly record: string;
  readonly count: number;
}

export interface TlsrptJournalProps {
  /** Made, with those above it, if it does not exist. */
  readonly directory: string;
  readonly logger?: Pick<Logger, 'warn'>;
  /** Milliseconds since 1970; default `Date.now`. */
  readonly now?: () => number;
  /** Milliseconds that a count may be in memory only; default 1000. */
  readonly flushInterval?: number;
}

const kindsLimit = 100_000;
const form = /^(\d{4}-\d\d-\d\d)\.jsonl$/;

export class TlsrptJournal implements TlsrptSink {
  readonly #props: TlsrptJournalProps;
  /** By day, and by kind of result in JSON. */
  #pending = new Map<string, Map<string, number>>();
  #kinds = 0;
  #timer: NodeJS.Timeout | null = null;
  #flushing: Promise<void> = Promise.resolve();

  constructor(props: TlsrptJournalProps) {
    this.#props = props;
  }

  submit(event: TlsrptEvent): void {
    const day = utcDay((this.#props.now ?? Date.now)());
    const { domain, record } = event;
    for (const { policy, failures, final } of event.results) {
      const kind = {
        domain,
        record,
        policy: bounded(policy),
        final,
        failures: failures.map(shorten),
      };
      this.#add(day, JSON.stringify(kind), 1);
    }
    this.#timer ??= setTimeout(() => void this.flush(), this.#props.flushInterval ?? 1000).unref();
  }

  /** Writes what is pending; call it before the process ends. Never rejects: what cannot be written stays pending. */
  flush(): Promise<void> {
    if (this.#timer !== null) {
      clearTimeout(this.#timer);
      this.#timer = null;
    }
    this.#flushing = this.#flushing.then(() => this.#write());
    return this.#flushing;
  }

  /** The days that have counts, oldest first. */
  async days(): Promise<readonly string[]> {
    const names = await readdir(this.#props.directory).catch(none);
    return names.flatMap((name) => form.exec(name)?.[1] ?? []).sort();
  }

  /** What was counted on a day; what a crash has cut off is left out. */
  async read(day: string): Promise<readonly TlsrptCount[]> {
    const text = await readFile(this.#path(day), 'utf8');
    return text.split('\n').flatMap((line) => parse(line) ?? []);
  }

  async remove(day: string): Promise<void> {
    await rm(this.#path(day), { force: true });
  }

  #add(day: string, kind: string, count: number): void {
    const kinds = this.#pending.get(day) ?? new Map<string, number>();
    this.#pending.set(day, kinds);
    const before = kinds.get(kind);
    if (before === undefined && ++this.#kinds > kindsLimit) {
      return; // the disk has failed for long, which `#write` has said
    }
    kinds.set(kind, (before ?? 0) + count);
  }

  async #write(): Promise<void> {
    const pending = this.#pending;
    this.#pending = new Map();
    this.#kinds = 0;
    for (const [day, kinds] of pending) {
      const lines = [...kinds].map(([kind, count]) => `${kind.slice(0, -1)},"count":${count}}\n`);
      try {
        await mkdir(this.#props.directory, { recursive: true, mode: 0o700 });
        // The first line end is for a line that a crash has cut off.
        await appendFile(this.#path(day), `\n${lines.join('')}`, { mode: 0o600 });
      } catch (error) {
        this.#props.logger?.warn(`TLSRPT: cannot write counts: ${(error as Error).message}`);
        for (const [kind, count] of kinds) {
          this.#add(day, kind, count);
        }
      }
    }
  }

  #path(day: string): string {
    return join(this.#props.directory, `${day}.jsonl`);
  }
}

/** `2030-01-31`: reports are for days in UTC (RFC 8460 section 4.1). */
export function utcDay(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** A policy is written with every line, and its owner decides how long it is. */
const policyLimit = 4096;

function bounded(policy: TlsrptPolicy): TlsrptPolicy {
  const { strings, mxHostPatterns } = policy;
  return { ...policy, strings: firstOf(strings), mxHostPatterns: firstOf(mxHostPatterns) };
}

function firstOf(lines: readonly string[]): readonly string[] {
  let left = policyLimit;
  return lines.filter((line) => {
    left -= line.length;
    return left >= 0;
  });
}

/** Of the reply to EHLO the name: the rest says nothing of TLS, and differs from host to host. */
function shorten(failure: TlsrptFailure): TlsrptFailure {
  const name = /^250[- ]([^\s]{1,255})/.exec(failure.receivingMxHelo ?? '')?.[1] ?? null;
  return { ...failure, receivingMxHelo: name };
}

/** Only this class writes such lines, so a line that is whole is right. */
function parse(line: string): TlsrptCount | null {
  try {
    return line === '' ? null : (JSON.parse(line) as TlsrptCount);
  } catch {
    return null;
  }
}

function none(error: NodeJS.ErrnoException): string[] {
  if (error.code === 'ENOENT') {
    return [];
  }
  throw error;
}
