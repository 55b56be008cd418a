/**
 * TLSRPT (RFC 8460): what the engine and callers use.
 *
 * The engine: `lookUpTlsrptRecord()` for a next-hop; a `TlsrptAttempt` for each delivery attempt, with sinks: a
 * `TlsrptCollector` (the datagrams of libtlsrpt), a `TlsrptJournal` (own counts), or both. The caller: a
 * `TlsrptReporter` on the journal, run by a timer.
 */
export {
  type CertificateFailure,
  certificateFailure,
  TlsrptAttempt,
  type TlsrptAttemptProps,
  type TlsrptConnection,
} from './attempt.js';
export { encodeDatagram, TlsrptCollector, type TlsrptCollectorProps } from './datagram.js';
export type {
  TlsrptEvent,
  TlsrptFailure,
  TlsrptFailureType,
  TlsrptPolicy,
  TlsrptPolicyType,
  TlsrptResult,
  TlsrptSink,
} from './event.js';
export { type TlsrptCount, TlsrptJournal, type TlsrptJournalProps } from './journal.js';
export { findTlsrptRecord, lookUpTlsrptRecord, type TlsrptRecord } from './record.js';
export {
  gzipReport,
  makeReport,
  reportFileName,
  reportMessage,
  type TlsrptFailureDetails,
  type TlsrptPolicyReport,
  type TlsrptReport,
  type TlsrptSubmitter,
} from './report.js';
export { type TlsrptMail, TlsrptReporter, type TlsrptReporterProps } from './reporter.js';
