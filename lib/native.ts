/**
 * The whole native surface on one page: what `native/binding` exports and what it calls.
 *
 * Only `addon.ts` loads the binary. Native code calls JavaScript through the fixed list of functions in
 * {@link NativeCallbacks}, handed over once; JavaScript calls the methods below. A method that fails throws a
 * `TlsError` and has done nothing; what happens later arrives by callback.
 */

/** What `makeError` gets; `TlsError` is made from it. */
export interface NativeErrorInfo {
  readonly class: string;
  readonly code: string;
  readonly message: string;
  /** OpenSSL's own reason, or the description of an alert. */
  readonly reason: string | null;
  /** OpenSSL's error queue, one entry per line, in Postfix's form `error:0A000102:SSL routines::…:file:line:`. */
  readonly library: string | null;
  readonly errno: number;
}

/** The calls native code makes. None of them may be replaced later. An exception thrown inside becomes an uncaught exception and nothing else. */
export interface NativeCallbacks {
  /** Makes the error object that is thrown or handed to a callback. */
  makeError(info: NativeErrorInfo): Error;
  /**
   * A listener with `admit` has a new client; true: it gets a handshake, `without-tickets`: one that neither gives nor
   * takes a session ticket; else it is dropped without a byte.
   */
  onAdmit(listener: NativeListener, address: string): Admission;
  /** Clients found a listener full: how many since the last call, which comes at most once a second. */
  onTurnedAway(listener: NativeListener, count: number): void;
  /** A listener has a new connection: after the handshake for a wrappermode listener. */
  onAccept(listener: NativeListener, connection: NativeConnection): void;
  /** A wrappermode handshake failed before a connection object existed; the peer's address as text, the trace where there is one. */
  onHandshakeFailure(
    listener: NativeListener,
    error: Error,
    address: string,
    port: number,
    notices: readonly NativeNotice[] | null,
    trace: string | null,
  ): void;
  /** Accepting failed (EMFILE and the like); the listener goes on by itself. */
  onAcceptError(listener: NativeListener, error: Error): void;
  /** An outgoing connection stands (`null`) or failed; after an error the connection is closed. */
  onConnect(connection: NativeConnection, error: Error | null): void;
  /** `length` bytes were read into the slab, valid until the callback returns. */
  onRead(connection: NativeConnection, length: number): void;
  /** The peer ended its side; writing is still possible. */
  onEnd(connection: NativeConnection): void;
  /** All that was pending is written; the next `write` may follow. */
  onDrain(connection: NativeConnection): void;
  /** `startTls` is done. After an error the connection is closed (no farewell is possible). */
  onHandshake(connection: NativeConnection, error: Error | null): void;
  /** The time limit or the deadline passed; the connection stands, the limit is disarmed. */
  onTimeout(connection: NativeConnection): void;
  /** The connection failed (error) or `end()` is complete in both directions (null): the fd is closed; last callback. */
  onClose(connection: NativeConnection, error: Error | null): void;
  /** A suspended handshake asks; exactly one `answer(token, …)` is expected. */
  onQuestion(context: NativeContext, token: number, kind: QuestionKind, data: Buffer): void;
}

export type Admission = boolean | 'without-tickets';

export type QuestionKind = 'ticket-key' | 'session' | 'chain';

/** To `chain`: chains; to `session`: the session; null: nothing of the kind; false: the handshake is to fail. */
export type QuestionAnswer = NativeChains | Uint8Array | null | false;

export interface LibraryInfo {
  readonly headers: string;
  readonly headersNumber: number;
  readonly runtime: string;
  readonly runtimeNumber: number;
  /** File that `SSL_CTX_new` comes from. */
  readonly path: string;
  readonly mode: 'static' | 'dynamic';
  /** Postfix's version mismatch warning, or null. */
  readonly warning: string | null;
}

/** Wire versions; 0: the library's bound, -1: leave what the configuration file or the context says. */
export interface NativeProtocols {
  readonly floor: number;
  readonly ceiling: number;
  /** Bits: 1 SSLv3, 2 TLSv1, 4 TLSv1.1, 8 TLSv1.2, 16 TLSv1.3. */
  readonly exclude: number;
}

/** Every field is required: defaults belong to the classes above. */
export interface NativeContextProps {
  readonly role: 'server' | 'client';
  readonly service: string;
  readonly protocols: NativeProtocols;
  readonly securityLevel: number;
  readonly cipherList: string | null;
  readonly groups: string | null;
  /** Server: PEM file of Diffie-Hellman parameters; null: the library's choice. */
  readonly dhFile: string | null;
  /** NSS key log: whoever reads the file can decrypt the sessions. */
  readonly keyLogFile: string | null;
  readonly optionsOn: bigint;
  readonly optionsOff: bigint;
  readonly chains: NativeChains | null;
  readonly askClientCert: boolean;
  readonly requireClientCert: boolean;
  readonly enableRpk: boolean;
  readonly trustServerCcerts: boolean;
  readonly caFile: string | null;
  readonly caPath: string | null;
  readonly appendDefaultCa: boolean;
  readonly verifyDepth: number;
  readonly digest: string;
  /** Questions that suspend a handshake. With `session`, new sessions are there to be kept: `newSessionId()`. */
  readonly ask: readonly QuestionKind[];
  readonly tickets: boolean;
  /** Keys of the tickets, and what `ask` for `ticket-key` needs; null: the context's own, which end with it. */
  readonly ticketRing: NativeTicketRing | null;
  /** Name of a CBC cipher, with a ring; null: AES-256-CBC. */
  readonly ticketCipher: string | null;
  /** Server: seconds that a session may be resumed; 0: OpenSSL's default. */
  readonly sessionTimeout: number;
  /** Server: in TLS 1.2 session ids are given out, though nothing is cached. */
  readonly sessionIds: boolean;
  readonly acknowledgeSni: boolean;
  /** Asked before a question `chain` is. */
  readonly sniCache: NativeSniCache | null;
  /** Client: digests of TLSA records, name and matching type (1..254), strongest first. */
  readonly daneDigests: readonly (readonly [string, number])[];
}

/**
 * What the peer's certificate says, trusted or not: for what is marked as unverified. Empty where there is nothing that
 * can be shown.
 */
export interface NativeClaims {
  /** Common name. */
  readonly subject: string;
  /** Common name, else organisation. */
  readonly issuer: string;
  /** `/O=…/CN=…` of the issuer that the fault of the chain is about; full handshakes only. */
  readonly untrustedIssuer: string;
}

/** A certificate that the peer sent, trusted or not; names are fit for a terminal. */
export interface PeerCertificate {
  /** `/O=…/CN=…`, ASCII; other bytes as `\xHH`. */
  readonly subject: string;
  readonly issuer: string;
  /** DNS names, as far as a host can have them. */
  readonly names: readonly string[];
  /** How many more there are than 2 KiB hold. */
  readonly moreNames: number;
  /** `RSA`, `EC`, `ED25519`, `ML-DSA-65` …; the algorithm's name or number where the library cannot read the key. */
  readonly keyType: string;
  readonly curve: string | null;
  readonly bits: number | null;
  /** Milliseconds since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** Upper-case hex with colons, by the fingerprint digest of the context. */
  readonly certFingerprint: string;
  readonly pkeyFingerprint: string;
}

/** A certificate that an engine presents: the one of a private key, or an issuer sent with it. */
export interface OwnCertificate {
  /** Common name, else the first DNS name; empty when there is neither. */
  readonly subject: string;
  /** Of the private key: `RSA`, `EC`, `ED25519`, `ML-DSA-65` … */
  readonly keyType: string;
  /** 0: the private key's own; from 1 on: its issuers in the order they are sent. */
  readonly depth: number;
  /** Milliseconds since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** File with the private key's certificate, and which of its PEM objects that is, from 1. */
  readonly file: string;
  readonly index: number;
}

/** A file of certificates and one of their key, which may be the same; `label` is a word for messages. */
export interface ChainPair {
  readonly label: 'RSA' | 'DSA' | 'ECDSA';
  readonly certFile: string;
  readonly keyFile: string;
}

/** Private keys with certificate chains; immutable, shared. */
export interface NativeChains {
  /** `RSA`, `EC`, `ED25519`, `ML-DSA-65` …, in order. */
  readonly keyTypes: readonly string[];
  readonly certificates: readonly OwnCertificate[];
}

/** Answers about server names, kept for handshakes; shared by contexts. Names are folded to lower case. */
export interface NativeSniCache {
  /** Keeps an answer; null: no chains of its own. `ttl`: milliseconds, 0 for no end. The least recently used makes room. */
  put(name: string, chains: NativeChains | null, ttl: number): void;
  /** Forgets a name, or all. */
  drop(name: string | null): void;
}

/**
 * What a handshake has to say: a server's of the server name, a client's (`startTls` with `auth`) of what cannot be
 * matched.
 */
export interface NativeNotice {
  readonly kind:
    | 'sni-invalid'
    | 'sni-changed'
    | 'sni-unmatched'
    /** A session was asked for, or found, under this id. */
    | 'session-lookup'
    | 'session-reloaded'
    /** A session ticket was made with a key of a ring. */
    | 'ticket-issued'
    /** A client's was opened. */
    | 'ticket-taken'
    /** This record cannot be used. */
    | 'tlsa-unusable'
    /** None can: verification fails. */
    | 'tlsa-none'
    /** None can: the session is encrypted only. */
    | 'tlsa-fallback'
    /** No reference name could be set: verification fails. */
    | 'no-names';
  /**
   * The server name as the client sent it; `session-*`: upper-case hex; `tlsa-unusable`: `3 1 1 HEX`; `ticket-*`: when the
   * key expires, seconds since 1970; else empty.
   */
  readonly name: string;
  /** `sni-changed`: the name after the HelloRetryRequest; else empty. */
  readonly later: string;
}

/**
 * The ticket keys in use, shared by all contexts, threads and workers of the process that use its name. Sealed keys are
 * `SealedKey` of `lib/tlsmgr/sealed-key.ts`.
 */
export interface NativeTicketRing {
  /** 8 bytes that key names begin with; the same wherever the wrapping key is. */
  readonly prefix: Buffer;
  /** A new key, which the ring does not know; times in milliseconds since 1970. */
  mint(activeFrom: number, expires: number): Buffer;
  /** These bytes are a key sealed by the ring's wrapping key. */
  opens(sealed: Uint8Array): boolean;
  /**
   * Puts these in the place of the keys in use, unless somebody has changed them since: then false. Without an active one
   * no tickets are made. A key that is no longer in use is wiped when the last handshake with it ends.
   *
   * @throws TlsError `TICKET_KEY`: one cannot be opened
   */
  install(
    next: Uint8Array | null,
    active: Uint8Array | null,
    previous: Uint8Array | null,
    generation: number,
  ): boolean;
  /** The keys in use, and what {@link install} wants of them. */
  keys(): { readonly generation: number; readonly sealed: readonly Buffer[] };
  /** Idempotent. The last one to close a ring takes its keys out of use; collected, it leaves them to the contexts. */
  close(): void;
}

export interface NativeContext {
  readonly nativeContext: true;
  /** How `startTls(context, null)` starts TLS: for a server, which does it the same way each time. */
  prepare(props: StartTlsProps): void;
}

/** How a client authenticates a server; `lib/tls/peer-auth.ts` makes it from a level. */
export interface NativePeerAuth {
  /** Reference names; a leading dot is any sub-domain. Needed where a CA or a trust anchor matches. */
  readonly names: readonly string[];
  /** DANE or synthetic records: usage, selector, matching type, data. Type 255: the configured fingerprint digest. */
  readonly tlsa: readonly (readonly [number, number, number, Uint8Array])[];
  /** PEM files of trust anchors, read at once; they replace the CAs. */
  readonly anchorFiles: readonly string[];
  /** Verification fails whatever the server presents. */
  readonly forcedFailure: boolean;
  /** Ask for a raw public key, whatever the context says; not beside anchor files. */
  readonly requestRpk: boolean;
  /** Above level `encrypt`: what is given here has to match, and `Verified` is possible. */
  readonly mustMatch: boolean;
  /** A match is called Trusted. */
  readonly halfDane: boolean;
  /** Without one usable record: as level `encrypt`, in the place of a failure (`dane`, `halfdane`). */
  readonly encryptIfUnusable: boolean;
}

export interface StartTlsProps {
  readonly sni: string | null;
  readonly cipherList: string | null;
  /** -1: the context's. */
  readonly securityLevel: number;
  readonly protocols: NativeProtocols;
  /** Milliseconds for each wait; 0: none. */
  readonly timeout: number;
  /** Milliseconds for the whole handshake; 0: none. */
  readonly deadline: number;
  /** Largest trace of the session in bytes; 0: none. */
  readonly traceLimit: number;
  /** Traces that may begin in a minute in this process; 0: any number. */
  readonly traceRate: number;
  /** False: our end of the connection waits for the peer's close-notify. */
  readonly fastShutdown: boolean;
  /** Server; false: session tickets are neither given nor taken, whatever the context says. */
  readonly tickets: boolean;
  /** Server: notices tell which ticket keys were used. */
  readonly noteTickets: boolean;
  /** Server: in TLS 1.3 tickets may wait for what is said next and leave with it, 200 ms at most. */
  readonly delayTickets: boolean;
  /** Client; null: nothing is matched. */
  readonly auth: NativePeerAuth | null;
  /**
   * Client: a session to resume, from `takeSession()`; null: none. Offered only if context settings and `auth` are what
   * they were; bytes that are no session are none.
   */
  readonly session: Uint8Array | null;
}

/** One file descriptor from accept or connect on: plaintext, then TLS. */
export interface NativeConnection {
  /** For the class above; native code does not look at it. */
  owner: unknown;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** False once closed; native code's to change. */
  open: boolean;
  readStart(): void;
  readStop(): void;
  /**
   * A string leaves as UTF-8. True: all is with the kernel. False: the rest is pending (the array is kept), `onDrain`
   * follows; no second write before it. `more`: another write or the end follows at once, and may go with it (MSG_MORE).
   */
  write(data: Uint8Array | string, more?: boolean): boolean;
  /** Close-notify or FIN after what is pending; `onClose(null)` when the peer's end has been read, which takes `readStart`. */
  end(): void;
  /** As `end()`, but closes then: the peer's end is not waited for. `onClose(null)` follows. */
  finish(): void;
  /** Closes at once; no callback follows. Idempotent. */
  destroy(): void;
  /** Changes to TLS; nothing is read or written until `onHandshake`. Null: as the context was prepared for. */
  startTls(context: NativeContext, props: StartTlsProps | null): void;
  /** The snapshot after a handshake, frozen; one object may serve several connections. Null in plaintext and once closed. */
  snapshot(): object | null;
  /** Notices of a handshake, successful or not, once; null: none. */
  takeNotices(): readonly NativeNotice[] | null;
  /**
   * A client's first new session, once; null: none, or not yet (in TLS 1.3 it comes with the first data), or the server
   * did not match. It holds secrets and the outcome of verification; one of TLS 1.3 is to be used once. Server: see
   * `newSessionId()`.
   */
  takeSession(): Buffer | null;
  /**
   * Server that asks for sessions: the id of the new one, which `takeSession()` then gives; null: the handshake made none
   * that is to be kept.
   */
  newSessionId(): Buffer | null;
  /** Null without a certificate. */
  claims(): NativeClaims | null;
  /**
   * The certificates that the peer sent, its own first; made when asked for. Empty with a raw public key and in
   * plaintext; a resumed session has the peer's own only.
   */
  peerChain(): readonly PeerCertificate[];
  /** What was traced since the last call, whole lines; null: nothing. When the connection has gone, too. */
  takeTrace(): string | null;
  /** True: descriptors that come along with what is read in plaintext are kept (a UNIX socket, SCM_RIGHTS). */
  receiveDescriptors(wanted: boolean): void;
  /** The first that has come, once, to be closed by the caller; -1: none. One that nobody takes goes with the connection. */
  takeDescriptor(): number;
  /** Sends bytes with a duplicate of a descriptor over a UNIX socket, at once: all of them, or an error. */
  sendDescriptor(fd: number, data: Uint8Array): void;
  /** Milliseconds without any progress in reading or writing until `onTimeout`; 0 disarms. */
  setTimeout(ms: number): void;
  /** Whole budget in milliseconds until `onTimeout`; each byte moved adds 1000/minDataRate ms (0: none), never past `ms` from now; `ms` 0 disarms. */
  setDeadline(ms: number, minDataRate: number): void;
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

/** Where a listening socket is to be. */
export interface ListenSocketProps {
  /** IP literal; null with `path` or `fd`. */
  readonly host: string | null;
  readonly port: number;
  /** UNIX socket. */
  readonly path: string | null;
  /** An inherited listening descriptor (socket activation); -1: none. */
  readonly fd: number;
  readonly backlog: number;
  readonly reusePort: boolean;
  readonly ipv6Only: boolean;
}

export interface ListenProps extends ListenSocketProps {
  /** Wrappermode: handshake first. */
  readonly context: NativeContext | null;
  readonly tls: StartTlsProps | null;
  /** Connections at a time, handshakes included; 0: any number. */
  readonly limit: number;
  /** What those over the limit get before they are dropped. */
  readonly busyReply: string | null;
  /** Wrappermode: `onAdmit` decides before the handshake. */
  readonly admit: boolean;
}

export interface NativeListener {
  owner: unknown;
  readonly address: string;
  readonly port: number;
  /** Connections that count towards `limit` now. */
  readonly taken: number;
  /** New connections get this context and these limits from now on (wrappermode listeners). */
  setContext(context: NativeContext, tls: StartTlsProps): void;
  /** Stops accepting; the connections live on. Idempotent. */
  close(): void;
}

export interface ConnectProps {
  /** IP literal; null with `path`. */
  readonly host: string | null;
  readonly port: number;
  readonly path: string | null;
  /** Source address, or null. */
  readonly localAddress: string | null;
  /** Milliseconds; 0: none. */
  readonly timeout: number;
}

/**
 * The state of a message that is being decoded: dots (0 or 1; 0: BDAT), place in the line, done,
 * bare LF seen; then what the last call has consumed and written. New: the first is chosen, the rest 0.
 */
export type NativeDecoderState = Uint32Array;

export interface NativeAddon {
  /** Once per environment, before anything else. Returns the slab: reads land at its start. */
  initialize(callbacks: NativeCallbacks): Buffer;
  libraryInfo(): LibraryInfo;
  /** Once per process; see `glue_library_init`. */
  libraryInit(configFile: string, configName: string): void;
  /** Postfix's version rule as a pure function: `[usable, warning]`. */
  checkVersion(headers: number, runtime: number): [boolean, string];
  /** `notes` gets what there is to say, as Postfix logs it; of a load that fails, too. */
  loadChains(files: readonly string[], notes?: string[]): NativeChains;
  /** The legacy parameters: each pair one chain. */
  loadChainPairs(pairs: readonly ChainPair[], notes?: string[]): NativeChains;
  parseChains(pem: Uint8Array, origin: string, notes?: string[]): NativeChains;
  createContext(props: NativeContextProps): NativeContext;
  /**
   * The ring of this name, made where there is none. The wrapping key is 32 bytes, a file of 32 bytes, or null for the one
   * that it has, if need be a random one.
   *
   * @throws TlsError `WRAPPING_KEY`: it has another one, or the file cannot be used
   */
  openTicketRing(name: string, wrappingKey: Uint8Array | string | null): NativeTicketRing;
  /** Room for so many names with chains and as many without. */
  createSniCache(limit: number): NativeSniCache;
  listen(props: ListenProps): NativeListener;
  /** A listening socket for other processes: the descriptor is the caller's to close. */
  openListening(props: ListenSocketProps): {
    readonly fd: number;
    readonly address: string;
    readonly port: number;
  };
  connect(props: ConnectProps): NativeConnection;
  /** Takes a duplicate of a connected socket's descriptor. */
  adopt(fd: number): NativeConnection;
  /**
   * Answers `onQuestion`; late or repeated answers are ignored. `false` refuses: the handshake ends with an alert. To
   * `session`: what `takeSession()` gave; bytes that are no session are none.
   */
  answer(token: number, answer: QuestionAnswer): void;
  /** Threads of the process-wide pool; 0: on the main loop. An error once the pool runs with another number. */
  setHandshakeThreads(count: number): void;
  /**
   * Takes message content out of DATA or BDAT framing; `native/binding/data_decoder.h` has the rules. Works on bytes `from` to `to`
   * of `data` and writes to `out` from `at` on (null: throws away), as far as there is input, message and room.
   */
  decodeData(
    state: NativeDecoderState,
    data: Uint8Array,
    from: number,
    to: number,
    out: Uint8Array | null,
    at: number,
  ): void;
  /** To a UNIX socket, without waiting: 0, or errno when the kernel did not take it. */
  sendDatagram(path: string, data: Uint8Array): number;
  /** The user at the other end of a connected UNIX socket, as the kernel knows it; null: not to be had. */
  peerUid(fd: number): number | null;
}
