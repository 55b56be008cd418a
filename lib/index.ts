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
export type { Engine } from './config/check.js';
export {
  mergeSettings,
  optionsFromParameters,
  type ParameterOptions,
  readAssignments,
  readMainCf,
  type Setting,
  type Settings,
} from './config/from-parameters.js';
export type {
  LegacyChainOptions,
  Loglevel,
  SmtpdParameters,
  SmtpdTlsOptions,
  SmtpParameters,
  SmtpTlsOptions,
  TlsLibraryOptions,
} from './config/options.js';
export { type ConnectOptions, Connection } from './connection.js';
export type { HostLookup } from './delivery/host-lookup.js';
export type { CredentialsLookup, LoginCredentials } from './delivery/login.js';
export type {
  BounceAdvice,
  DeliveryReport,
  DeliveryRequest,
  MessageContent,
  MessageStream,
  RecipientResult,
  RequestedRecipient,
} from './delivery/report.js';
export type {
  DnsFailure,
  DnsFound,
  DnsLookup,
  DnsNone,
  DnsResult,
  MxRecord,
  TlsaRecord,
} from './dns/answer.js';
export { impossibleNetworks, localNetworks } from './dns/address-filter.js';
export type { AddressPreference } from './dns/address-order.js';
export type { ValidationCheck, ValidationNames } from './dns/check.js';
export {
  type Destination,
  type DestinationHost,
  type DestinationProblem,
  type FindHostsOptions,
  findHost,
  findHosts,
} from './dns/destination.js';
export type { HostAddress, InetProtocol } from './dns/host-addresses.js';
export type { LookupProblem } from './dns/lookup-problem.js';
export type { Random } from './dns/random.js';
export { Resolver, type ResolverOptions } from './dns/resolver.js';
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
  type CertificateExpiringEvent,
  type CertificatesReloadEvent,
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
  OwnCertificate,
  NativePeerAuth,
  PeerCertificate,
  StartTlsProps,
} from './native.js';
export {
  MemorySessionStore,
  type MemorySessionStoreProps,
  type SessionStore,
} from './session-cache/store.js';
export * from './server.js';
export type { Notify, Recipient, Sender } from './smtp/envelope.js';
export {
  type ClientDemand,
  clientTls,
  serverTls,
  type TlsSetup,
  type TlsSetupProps,
} from './setup.js';
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
export type { PolicySource } from './policy/policy.js';
export type { ConnectTo, ProbeOptions } from './probe/options.js';
export { probe } from './probe/probe.js';
export {
  isSatisfied,
  type ProbedLookup,
  type ProbedSts,
  type ProbedTlsa,
  type ProbeOutcome,
  type ProbeRecord,
  type ProbeResult,
  probeRecord,
  type Resumption,
  type Security,
} from './probe/result.js';
export type { Role } from './start-tls.js';
export type { CertificateOptions } from './tls/chains.js';
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
export {
  DirectoryStsStore,
  type FetchProps,
  type HostVerdict,
  isPublicAddress,
  judgeHost,
  MemoryStsStore,
  maxAgeLimit,
  MtaSts,
  type MtaStsProps,
  policyAttributes,
  type StoredPolicy,
  type StsFailure,
  type StsFailureType,
  type StsMode,
  type StsPolicy,
  type StsPolicyFile,
  type StsStore,
} from './sts/index.js';
export {
  lookUpTlsrptRecord,
  type CertificateFailure,
  TlsrptAttempt,
  type TlsrptAttemptProps,
  TlsrptCollector,
  type TlsrptCollectorProps,
  type TlsrptConnection,
  type TlsrptCount,
  type TlsrptEvent,
  type TlsrptFailure,
  type TlsrptFailureType,
  TlsrptJournal,
  type TlsrptJournalProps,
  type TlsrptMail,
  type TlsrptPolicy,
  type TlsrptFailureDetails,
  type TlsrptPolicyReport,
  type TlsrptPolicyType,
  type TlsrptRecord,
  type TlsrptReport,
  TlsrptReporter,
  type TlsrptReporterProps,
  type TlsrptResult,
  type TlsrptSink,
  type TlsrptSubmitter,
} from './tlsrpt/index.js';
export {
  closeListeningSockets,
  type ListeningPlace,
  type ListeningSocket,
  openListeningSockets,
} from './workers/listening-socket.js';
export { Membership } from './workers/membership.js';
export { Supervisor, type SupervisorProps } from './workers/supervisor.js';
export type { Worker } from './workers/worker.js';
export type {
  ClientRequest,
  KeepRequest,
  ServerRequest,
} from './tlsproxy/message.js';
export { Tlsproxy, type TlsproxyOptions } from './tlsproxy/proxy.js';
export { keepProxied, type ProxiedSession, takeProxied, tlsByProxy } from './tlsproxy/requester.js';
export { LmdbSessionStore, type LmdbSessionStoreProps } from './session-cache/lmdb-store.js';
export { RedisTlsmgr, type RedisTlsmgrProps } from './tlsmgr/redis-tlsmgr.js';
export type { CacheProps } from './tlsmgr/caches.js';
export { LocalTlsmgr, type LocalTlsmgrProps } from './tlsmgr/local-tlsmgr.js';
export { TlsmgrService, type TlsmgrServiceProps } from './tlsmgr/service.js';
export { SocketTlsmgr, type SocketTlsmgrProps } from './tlsmgr/socket-tlsmgr.js';
export { cacheTimeout } from './tls/cache-timeout.js';
export type { Clock } from './tls/chain-keeper.js';
export type { TicketClock } from './tlsmgr/ticket-keys.js';
export type { TicketOptions } from './smtpd/tickets.js';
export { type MintedKeys, TicketKeyMint, type TicketKeyMintProps } from './tlsmgr/mint.js';
export { type SealedKey, type SealedKeyInfo, sealedKeyInfo } from './tlsmgr/sealed-key.js';
export type {
  CachePolicy,
  CacheType,
  TicketKeySource,
  Tlsmgr,
  TlsmgrRequests,
  WrappingKey,
} from './tlsmgr/tlsmgr.js';
