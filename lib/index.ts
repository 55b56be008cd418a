/**
 * mxtls: the TLS subsystem of Postfix for mail servers in Node.js.
 *
 * {@link Smtpd} receives, {@link Smtp} delivers. Both bring an OpenSSL >= 3.5 of their own, do handshakes on native
 * threads, and log like Postfix.
 *
 * @packageDocumentation
 */
export { adoptSocket } from './adopt.js';
export * from './client.js';
export type {
  Loglevel,
  SmtpdParameters,
  SmtpdTlsOptions,
  SmtpParameters,
  SmtpTlsOptions,
  TlsLibraryOptions,
} from './config/options.js';
export { type ConnectOptions, Connection } from './connection.js';
export type { CredentialsLookup } from './delivery/delivery.js';
export type { HostLookup } from './delivery/host-lookup.js';
export type { LoginCredentials } from './delivery/login.js';
export type {
  DeliveryReport,
  DeliveryRequest,
  MessageContent,
  RecipientResult,
  RequestedRecipient,
} from './delivery/report.js';
export { errorCatalogue } from './error-catalogue.js';
export { type ErrorClass, type ErrorCode, TlsError, type TlsErrorProps } from './errors.js';
export {
  type Delays,
  type DeliveryRecord,
  type DeliveryStatus,
  deliveryLine,
  formatDelay,
} from './log/delivery.js';
export {
  type DeliveryEvent,
  type Direction,
  type EventName,
  eventNames,
  type LogEvent,
  type MxtlsEvents,
  type RejectEvent,
  type TlsEstablishedEvent,
  type TlsFailedEvent,
} from './log/events.js';
export {
  type Logger,
  type LogService,
  type LogSeverity,
  type StreamLoggerProps,
  silentLogger,
  streamLogger,
} from './log/logger.js';
export { type RejectRecord, rejectLine } from './log/reject.js';
export { type TlsSummaryProps, tlsSummary } from './log/summary.js';
export type { LookupTable } from './maps/table.js';
export type { TableLike } from './maps/table-like.js';
export type {
  NativeClaims,
  NativeConnection,
  NativeContext,
  NativeErrorInfo,
  NativeNotice,
  NativeProtocols,
  NativePeerAuth,
  StartTlsProps,
} from './native.js';
export * from './server.js';
export type { Notify, Recipient, Sender } from './smtp/envelope.js';
export { type ClientDemand, clientTls, serverTls, type TlsSetup } from './setup.js';
export type { Reply } from './smtp/reply.js';
export type {
  Credentials,
  ExternalCredentials,
  PasswordMechanism,
  SaslMechanism,
} from './smtp/sasl.js';
export type { Authenticated } from './smtpd/authentication.js';
export {
  type CcertAccessOptions,
  type CcertSearch,
  checkCcertAccess,
  permitTlsAllClientcerts,
  permitTlsClientcerts,
} from './smtpd/ccert-access.js';
export type {
  Answer,
  AuthAnswer,
  AuthDecision,
  SmtpdHandlers,
  SmtpdMessage,
  SmtpdSession,
} from './smtpd/handlers.js';
export type { SmtpdListener, SmtpdListenOptions } from './smtpd/listener.js';
export { type NativeChains, parseChains } from './sni/chains.js';
export type { SniAnswer, SniFunction, SniOptions } from './sni/options.js';
export {
  type Deferral,
  type Restriction,
  restrictions,
  type Subject,
  type Verdict,
} from './smtpd/restrictions.js';
export type { Role } from './start-tls.js';
export type { CipherGrade } from './tls/ciphers.js';
export type { ClientSecurityLevel, ServerSecurityLevel, TlsLevel } from './tls/levels.js';
export type { PeerMatch, TlsaData } from './tls/peer-auth.js';
export {
  initLibrary,
  type LibraryProps,
  type LibraryVersion,
  libraryVersion,
} from './tls/library.js';
export type {
  MatchInfo,
  SignatureInfo,
  TlsSnapshot,
  TlsStatus,
  VerifyError,
} from './snapshot.js';
