/** What `mxtls send` tells about a delivery: the objects of `--json`, and the exit code. */
import type { DeliveryReport } from '../delivery/report.js';
import type { Delays, DeliveryStatus } from '../log/delivery.js';
import type { TlsSnapshot } from '../snapshot.js';
import { exitCode } from './command.js';

/** One recipient, as `--json` prints it. */
export interface RecipientRow {
  readonly recipient: string;
  readonly status: DeliveryStatus;
  /** Enhanced status code. */
  readonly dsn: string;
  readonly reply: string;
  /** `host[address]:port`; null when no server was reached. */
  readonly relay: string | null;
  /** Seconds since the message arrived. */
  readonly delay: number;
  readonly delays: Delays;
  /** The `tls=` field of the delivery record. */
  readonly tls: string | null;
  readonly tlsStatus: TlsSnapshot['status'] | null;
  readonly snapshot: TlsSnapshot | null;
}

/** @param tlsField the delivery record has a `tls=` field */
export function reportRows(report: DeliveryReport, tlsField: boolean): readonly RecipientRow[] {
  return report.recipients.map((result) => ({
    recipient: result.recipient,
    status: result.status,
    dsn: result.dsn,
    reply: result.reply,
    relay: result.relay,
    delay: result.delay,
    delays: result.delays,
    tls: tlsField ? result.tlsFeature : null,
    tlsStatus: result.tls?.status ?? null,
    snapshot: result.tls,
  }));
}

/** One deferred recipient makes the message worth another try. */
export function worstCode(statuses: readonly DeliveryStatus[]): number {
  if (statuses.includes('deferred')) {
    return exitCode.tempFail;
  }
  return statuses.every((status) => status === 'sent') ? exitCode.ok : exitCode.unavailable;
}
