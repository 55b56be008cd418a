/**
 * Makes the reports of days that are over, and sends them until they are taken.
 *
 * `run()` is for a timer, say every ten minutes, in one process for a directory. A finished day becomes one file per domain in
 * `DIRECTORY/outbox`; only then its counts are removed, so a crash makes a report again, with the same id, and never
 * loses one. Each goes out at its own time in the first four hours after the day, and is tried for a day (RFC 8460
 * sections 4.1 and 5.5).
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../log/logger.js';
import type { TlsrptCount, TlsrptJournal } from './journal.js';
import { type PostProps, postReport } from './post.js';
import { findTlsrptRecord } from './record.js';
import {
  gzipReport,
  makeReport,
  reportMessage,
  type TlsrptReport,
  type TlsrptSubmitter,
} from './report.js';

export interface TlsrptMail {
  readonly from: string;
  readonly to: string;
  /** The whole message, to be signed with DKIM. */
  readonly message: Buffer;
}

export interface TlsrptReporterProps extends PostProps {
  readonly journal: TlsrptJournal;
  /** Where reports wait: a directory of its own, or `outbox` below the journal's. */
  readonly outbox: string;
  readonly submitter: TlsrptSubmitter;
  /**
   * Signs a report, and queues it. Its delivery must not be reported in turn, or two hosts report to each other for
   * ever. Rejects: it is tried again.
   */
  readonly sendMail: (mail: TlsrptMail) => Promise<void>;
  readonly logger?: Pick<Logger, 'info' | 'warn'>;
  /** Milliseconds since 1970; default `Date.now`. */
  readonly now?: () => number;
}

/** A file of the outbox. */
interface Waiting {
  readonly day: string;
  readonly domain: string;
  /** Where it still has to go. */
  readonly rua: readonly string[];
  readonly report: TlsrptReport;
}

const hour = 3_600_000;
const day = 24 * hour;
/** Other processes may have counts in memory for a while yet. */
const grace = 60_000;
const spread = 4 * hour;

export class TlsrptReporter {
  readonly #props: TlsrptReporterProps;
  #running: Promise<void> | null = null;

  constructor(props: TlsrptReporterProps) {
    this.#props = props;
  }

  /** Rejects with the system's error when the directory cannot be used; a report that is not taken is a warning. */
  run(): Promise<void> {
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #run(): Promise<void> {
    const { journal, outbox } = this.#props;
    await mkdir(outbox, { recursive: true, mode: 0o700 });
    await journal.flush();
    for (const name of await journal.days()) {
      if (this.#now() >= endOf(name) + grace) {
        await this.#makeReports(name, await journal.read(name));
        await journal.remove(name);
      }
    }
    for (const file of await readdir(outbox)) {
      if (file.endsWith('.json')) {
        await this.#sendFile(join(outbox, file));
      }
    }
  }

  async #makeReports(name: string, counts: readonly TlsrptCount[]): Promise<void> {
    const byDomain = new Map<string, TlsrptCount[]>();
    for (const count of counts) {
      const of = byDomain.get(count.domain) ?? [];
      byDomain.set(count.domain, of);
      of.push(count);
    }
    for (const [domain, of] of byDomain) {
      // The record may have changed during the day: the last one counts.
      const record = findTlsrptRecord(domain, [of.at(-1)?.record ?? '']);
      const report = makeReport(name, domain, of, this.#props.submitter);
      await this.#keep({ day: name, domain, rua: record?.rua ?? [], report });
    }
  }

  #path({ day: name, domain }: Waiting): string {
    const hash = createHash('sha256').update(domain).digest('hex').slice(0, 16);
    return join(this.#props.outbox, `${name}-${hash}.json`);
  }

  async #keep(waiting: Waiting): Promise<void> {
    const path = this.#path(waiting);
    if (waiting.rua.length === 0) {
      await rm(path, { force: true });
      return;
    }
    await writeFile(`${path}.tmp`, JSON.stringify(waiting), { mode: 0o600, flush: true });
    await rename(`${path}.tmp`, path);
  }

  async #sendFile(path: string): Promise<void> {
    const waiting = JSON.parse(await readFile(path, 'utf8')) as Waiting;
    const due = dueOf(waiting);
    if (this.#now() < due) {
      return;
    }
    const left: string[] = [];
    for (const uri of waiting.rua) {
      if (!(await this.#send(uri, waiting))) {
        left.push(uri);
      }
    }
    const over = left.length > 0 && this.#now() >= due + day;
    if (over) {
      this.#warn(waiting, `given up for ${left.join(', ')}`);
    }
    await this.#keep({ ...waiting, rua: over ? [] : left });
  }

  async #send(uri: string, waiting: Waiting): Promise<boolean> {
    try {
      await (uri.toLowerCase().startsWith('mailto:')
        ? this.#mail(uri.slice('mailto:'.length), waiting)
        : postReport(uri, gzipReport(waiting.report), this.#props));
    } catch (error) {
      this.#warn(waiting, `${uri}: ${error instanceof Error ? error.message : String(error)}`);
      return false;
    }
    this.#props.logger?.info(
      `TLSRPT: report of ${waiting.day} for ${waiting.domain}: sent to ${uri}`,
    );
    return true;
  }

  #mail(to: string, { report, domain }: Waiting): Promise<void> {
    const { submitter, sendMail } = this.#props;
    const message = reportMessage(report, domain, to, submitter, new Date(this.#now()));
    return sendMail({ from: submitter.from, to, message });
  }

  #warn(waiting: Waiting, text: string): void {
    this.#props.logger?.warn(`TLSRPT: report of ${waiting.day} for ${waiting.domain}: ${text}`);
  }

  #now(): number {
    return (this.#props.now ?? Date.now)();
  }
}

function endOf(name: string): number {
  return Date.parse(`${name}T00:00:00Z`) + day;
}

/** The same for a report whenever it is asked, and different from domain to domain. */
function dueOf({ day: name, domain }: Waiting): number {
  const hash = createHash('sha256').update(`${domain} ${name}`).digest().readUInt32BE();
  return endOf(name) + Math.floor((hash / 0x1_0000_0000) * spread);
}
