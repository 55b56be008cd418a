/*
 * openssl_glue.h - the only header the binding and the C tests see.
 *
 * A plain C layer over OpenSSL >= 3.5: opaque types, one non-blocking attempt per call, one status
 * per attempt. It waits for nothing, knows no event loop and no JavaScript, and includes nothing of
 * OpenSSL here. Each file native/glue_SUBJECT.c implements the functions glue_SUBJECT_*.
 *
 * Ownership is noted at each function: "owns" means the object frees it, "lent" means the caller
 * keeps it alive for the call, "shared" means reference-counted. An object belongs to one thread
 * at a time; contexts and chains may be used by many threads at once.
 *
 * A failing call fills *err completely (class, code, sentence, OpenSSL reason, errno) on the thread
 * that failed, and leaves OpenSSL's per-thread error queue empty.
 */
#ifndef MXTLS_OPENSSL_GLUE_H
#define MXTLS_OPENSSL_GLUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error_catalogue.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ statuses and errors */

typedef enum glue_status {
    GLUE_OK = 0,
    GLUE_WANT_READ,  /* call again when the fd is readable */
    GLUE_WANT_WRITE, /* call again when the fd is writable */
    GLUE_WANT_APP,   /* a question is open: glue_conn_question(), glue_conn_answer(), call again */
    GLUE_CLOSED,     /* the peer ended its side in the proper way */
    GLUE_ERROR       /* *err is filled */
} glue_status;

typedef enum glue_error_class {
    GLUE_CLASS_USAGE,
    GLUE_CLASS_CONFIG,
    GLUE_CLASS_IO,
    GLUE_CLASS_TIMEOUT,
    GLUE_CLASS_CLOSED,
    GLUE_CLASS_ALERT,
    GLUE_CLASS_PROTOCOL,
    GLUE_CLASS_INTERNAL
} glue_error_class;

typedef enum glue_error_code {
#define X(cls, name, text) GLUE_E_##name,
    GLUE_ERRORS(X)
#undef X
        GLUE_E_COUNT
} glue_error_code;

typedef struct glue_error {
    glue_error_class cls;
    glue_error_code code;
    int sys_errno;     /* 0 when the system was not the cause */
    char reason[160];  /* OpenSSL's own reason or the alert's description, or "" */
    char message[640]; /* one sentence for people, never empty after a failure */
    char library[640]; /* OpenSSL's error queue as Postfix logs it, one entry a line, or "" */
} glue_error;

/* Names of the catalogue: "usage" ..., "TLS_ALERT" .... Static strings. */
const char *glue_error_class_name(glue_error_class cls);
const char *glue_error_code_name(glue_error_code code);

/*
 * Fills *err from the catalogue; `format` (may be NULL: the catalogue's sentence) is printf-like.
 * Returns GLUE_ERROR, so that a failure is one line at the call site.
 */
glue_status glue_error_set(glue_error *err, glue_error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with errno and its text appended to the sentence. */
glue_status glue_error_set_errno(glue_error *err, glue_error_code code, int sys_errno,
                                 const char *format, ...) __attribute__((format(printf, 4, 5)));

/* ------------------------------------------------------------------ library (once per process) */

typedef struct glue_library_props {
    const char *config_file; /* lent; "none", "default" or an absolute path (tls_config_file) */
    const char *config_name; /* lent; OpenSSL application name, "" for none (tls_config_name) */
} glue_library_props;

/*
 * Initialises the library; remembered for the life of the process, from whichever thread. The same
 * request again is GLUE_OK, another one LIBRARY_INIT_CONFLICT. A failure is remembered, too. The
 * rules are Postfix's (tls_config_file x tls_config_name); a configuration file that cannot be used
 * is CONFIG_FILE with file, line and reason in the sentence.
 */
glue_status glue_library_init(const glue_library_props *props, glue_error *err);

typedef struct glue_library_info {
    const char *headers;          /* "3.5.7": what this code was compiled against */
    char runtime[32];             /* what runs */
    unsigned long headers_number; /* OPENSSL_VERSION_NUMBER */
    unsigned long runtime_number;
    char path[512];    /* the file that SSL_CTX_new comes from (dladdr), or "" */
    const char *mode;  /* "static" or "dynamic" */
    char warning[160]; /* Postfix's version mismatch warning, or "" */
} glue_library_info;

void glue_library_describe(glue_library_info *info);

/*
 * Postfix's rule for header against run-time versions: fills `warning` ("" when they suit).
 * Pure; returns false when the run-time library is too old to be used at all.
 */
bool glue_library_check_version(unsigned long headers, unsigned long runtime, char *warning,
                                size_t size);

/* Releases what OpenSSL keeps for the calling thread; each of our threads calls it at its end. */
void glue_library_thread_stop(void);

/* ------------------------------------------------------------------ private keys with chains */

typedef struct glue_chains glue_chains; /* shared, immutable */

/*
 * Gets what there is to say while chains load, failing or not, as Postfix logs it: `add` is called
 * with one line at a time, lent. The last one of a load that failed wants what becomes of it behind
 * it, such as ": disabling TLS support". NULL: nobody listens.
 */
typedef struct glue_notes {
    void (*add)(void *arg, const char *text);
    void *arg;
} glue_notes;

/*
 * Loads (key, certificate, issuers...)* from PEM files, each read once: all chains or none.
 * NULL: *err says which file and object.
 */
glue_chains *glue_chains_load(const char *const *files, size_t count, const glue_notes *notes,
                              glue_error *err);

/* The same from memory; `origin` names the source in messages. */
glue_chains *glue_chains_parse(const void *pem, size_t len, const char *origin,
                               const glue_notes *notes, glue_error *err);

/* A certificate file with its key file, which may be the same; `label` is a word for messages. */
typedef struct glue_chain_pair {
    const char *label;
    const char *cert_file;
    const char *key_file;
} glue_chain_pair;

/* Loads one chain from each pair (lent): all or none. */
glue_chains *glue_chains_load_pairs(const glue_chain_pair *pairs, size_t count,
                                    const glue_notes *notes, glue_error *err);

glue_chains *glue_chains_up_ref(glue_chains *chains);
void glue_chains_free(glue_chains *chains); /* drops one reference; NULL is fine */

size_t glue_chains_count(const glue_chains *chains);
/* Key type of chain i: "RSA", "EC", "ED25519", "ML-DSA-65" ...; static for the chains' life. */
const char *glue_chains_key_type(const glue_chains *chains, size_t i);

/* One certificate of a chain. */
typedef struct glue_chain_cert {
    char subject[256];  /* CN, else the first DNS name, UTF-8; "" when there is neither */
    int64_t not_before; /* seconds since 1970 */
    int64_t not_after;
    const char *file; /* lent: where the chain's leaf was, its origin */
    int index;        /* of the leaf in there */
} glue_chain_cert;

/* Fills *cert of chain `i`: depth 0 is the leaf, from 1 on its issuers. False: there is none. */
bool glue_chains_cert(const glue_chains *chains, size_t i, size_t depth, glue_chain_cert *cert);

/* ------------------------------------------------------------------ chains of server names */

typedef struct glue_sni_cache glue_sni_cache; /* shared; any thread */

typedef enum glue_sni_answer {
    GLUE_SNI_ASK,     /* nothing is known */
    GLUE_SNI_DEFAULT, /* the name is in no table: the context's own chains */
    GLUE_SNI_CHAINS
} glue_sni_answer;

/*
 * Room for `limit` names with chains and as many without, in sixteens; 0: keeps nothing. NULL and
 * *err for lack of memory.
 */
glue_sni_cache *glue_sni_cache_new(size_t limit, glue_error *err);
glue_sni_cache *glue_sni_cache_up_ref(glue_sni_cache *cache);
void glue_sni_cache_free(glue_sni_cache *cache); /* drops one reference; NULL is fine */

/* What is known of a name, in any case; *chains is the caller's reference, or NULL. */
glue_sni_answer glue_sni_cache_find(glue_sni_cache *cache, const char *name, glue_chains **chains);

/* Keeps an answer: chains (a reference is taken) or NULL for none. `ttl_ms` 0: no end. */
void glue_sni_cache_put(glue_sni_cache *cache, const char *name, glue_chains *chains,
                        uint64_t ttl_ms);

/* Forgets a name; NULL: all. */
void glue_sni_cache_drop(glue_sni_cache *cache, const char *name);

/* ------------------------------------------------------------------ what a server must show */

typedef struct glue_auth glue_auth; /* shared, immutable */

/* Matching type of synthetic records: the context's fingerprint digest (spec client.md 5). */
#define GLUE_TLSA_FINGERPRINT 255

typedef struct glue_tlsa {
    unsigned char usage;
    unsigned char selector;
    unsigned char matching_type; /* or GLUE_TLSA_FINGERPRINT */
    const unsigned char *data;   /* lent */
    size_t len;
} glue_tlsa;

/* How a client authenticates a server; all pointers are lent. */
typedef struct glue_auth_props {
    const char *const *names; /* reference names; ".name" is any sub-domain of it; without
                                 must_match a wrong one is noted only */
    size_t name_count;
    const glue_tlsa *tlsa; /* of DNS, or synthetic */
    size_t tlsa_count;
    const char *const *anchor_files; /* PEM certificates and public keys; replace the CAs */
    size_t anchor_file_count;
    bool forced_failure;      /* verification fails, whatever the server shows */
    bool must_match;          /* above level encrypt */
    bool half_dane;           /* a match is called Trusted */
    bool encrypt_if_unusable; /* without one usable record: as level encrypt, no failure */
    bool request_rpk;         /* ask for a raw public key (RFC 7250) */
} glue_auth_props;

/* Copies the properties and reads the anchor files. NULL and *err: CA_LOAD, OUT_OF_MEMORY. */
glue_auth *glue_auth_new(const glue_auth_props *props, glue_error *err);
glue_auth *glue_auth_up_ref(glue_auth *auth);
void glue_auth_free(glue_auth *auth); /* drops one reference; NULL is fine */

/* ------------------------------------------------------------------ keys of session tickets */

#include "glue_ticket.h"

/* ------------------------------------------------------------------ contexts */

/* A digest of TLSA records (RFC 6698 2.1.3). */
typedef struct glue_dane_digest {
    const char *name;     /* lent; as OpenSSL knows it */
    unsigned char number; /* matching type, 1..254 */
} glue_dane_digest;

typedef struct glue_context glue_context; /* shared; immutable after its first connection */

typedef enum glue_role { GLUE_SERVER, GLUE_CLIENT } glue_role;

/* Protocol bits for `protocol_exclude`. */
#define GLUE_NO_SSL3 0x01u
#define GLUE_NO_TLS1 0x02u
#define GLUE_NO_TLS1_1 0x04u
#define GLUE_NO_TLS1_2 0x08u
#define GLUE_NO_TLS1_3 0x10u

typedef struct glue_protocols {
    int floor;        /* wire version, 0 = the library's lowest, -1 = leave the file's or default */
    int ceiling;      /* likewise */
    unsigned exclude; /* GLUE_NO_* bits */
} glue_protocols;

/* What a server asks JavaScript while a handshake is suspended; bits for `ask`. */
#define GLUE_ASK_TICKET_KEY 0x01u /* is there a ticket key with this name? (16 bytes) */
#define GLUE_ASK_SESSION 0x02u    /* is there a session with this id? New ones are handed out */
#define GLUE_ASK_CHAIN 0x04u      /* which chains for this server name? */

typedef struct glue_context_props {
    glue_role role;
    const char *service;      /* lent; enters the session-id context; "" is fine */
    glue_protocols protocols; /* server; a client sets them per connection */
    int security_level;       /* 0; 1 where peers must be authenticated */
    const char *cipher_list;  /* lent; TLS <= 1.2; NULL = the library's */
    const char *groups;       /* lent; NULL = the library's or the configuration file's */
    const char *dh_file;      /* lent; server: PEM file of DH parameters; NULL = the library's */
    const char *keylog_file;  /* lent; NSS key log, created with mode 0600; NULL = none */
    uint64_t options_on;      /* further SSL_OP_* bits */
    uint64_t options_off;
    glue_chains *chains;      /* lent (the context takes a reference); NULL = none */
    bool ask_client_cert;     /* server: request a certificate, never abort without */
    bool require_client_cert; /* enters the session-id context; enforced after the handshake */
    bool enable_rpk;          /* accept the peer's raw public key (RFC 7250) */
    bool trust_server_ccerts; /* server: client certificates may be for servers only */
    const char *ca_file;      /* lent; NULL or "" = none */
    const char *ca_path;      /* lent; NULL or "" = none */
    bool append_default_ca;   /* only together with one of the two */
    int verify_depth;         /* number of CA certificates allowed */
    const char *digest;       /* lent; fingerprints; NULL = "sha256" */
    unsigned ask;             /* server: GLUE_ASK_* bits; TICKET_KEY only with a ring */
    bool tickets;             /* server: one session ticket per full handshake */
    glue_ticket_ring
        *ticket_ring;          /* lent (a reference is taken); NULL = keys of the context's own */
    const char *ticket_cipher; /* lent; a CBC cipher, for a ring's keys; NULL = AES-256-CBC */
    unsigned session_timeout;  /* server: seconds that a session may be resumed; 0 = OpenSSL's */
    bool session_ids;          /* server: in TLS 1.2 give out session ids without a cache */
    bool acknowledge_sni; /* server: valid server names are acknowledged and noted (SNI maps) */
    glue_sni_cache *sni_cache; /* lent (a reference is taken); before GLUE_ASK_CHAIN; or NULL */
    const glue_dane_digest *dane_digests; /* lent; client: usable ones, strongest first */
    size_t dane_digest_count;
} glue_context_props;

glue_context *glue_context_new(const glue_context_props *props, glue_error *err);
glue_context *glue_context_up_ref(glue_context *context);
void glue_context_free(glue_context *context); /* drops one reference; NULL is fine */

/* ------------------------------------------------------------------ connections */

typedef struct glue_conn glue_conn;

typedef struct glue_tls_props {
    const char *sni;          /* lent; client: server name to send, NULL or "" = none */
    const char *cipher_list;  /* lent; NULL = the context's */
    int security_level;       /* -1 = the context's */
    glue_protocols protocols; /* floor and ceiling -1 = the context's */
    size_t trace_limit;       /* largest trace in bytes; 0 = none */
    unsigned trace_rate;      /* traces a minute in this process; 0 = any number */
    bool slow_shutdown;       /* tls_fast_shutdown_enable = no: our FIN waits for the peer */
    bool no_tickets;          /* server: neither gives nor takes one */
    bool note_tickets;        /* server: what is done with ticket keys becomes notices */
    bool delay_tickets;       /* server: of TLS 1.3, they may wait for what is written next */
    glue_auth *auth;          /* lent (a reference is taken); client; NULL: nothing is matched */
    const unsigned char *session; /* lent; client: what glue_conn_take_session() gave, or NULL */
    size_t session_len;
} glue_tls_props;

#define GLUE_TLS_PROPS_DEFAULT                                                                     \
    {                                                                                              \
        NULL, NULL, -1, {-1, -1, 0}, 0, 0, false, false, false, false, NULL, NULL, 0               \
    }

/* A plaintext connection on a non-blocking socket; owns `fd` (closes it) unless NULL is returned.
 */
glue_conn *glue_conn_new(int fd, glue_error *err);

/*
 * Frees and closes at once, in any state, without a farewell: glue_conn_shutdown() comes first
 * where one is due. A session of a completed handshake stays resumable. NULL is fine.
 */
void glue_conn_free(glue_conn *conn);

/*
 * The first half of it: closes, so that the peer knows. The rest may follow on another thread; till
 * then nothing else may be called.
 */
void glue_conn_close(glue_conn *conn);

int glue_conn_fd(const glue_conn *conn);

/* One read: GLUE_OK with *n > 0, WANT_*, CLOSED at the end of the peer's data, or ERROR. */
glue_status glue_conn_read(glue_conn *conn, void *buf, size_t len, size_t *n, glue_error *err);

/* One write of as much as goes: GLUE_OK with *n > 0 (may be short), WANT_*, or ERROR. */
glue_status glue_conn_write(glue_conn *conn, const void *buf, size_t len, size_t *n,
                            glue_error *err);

/* Another write, or a close-notify, follows at once: the kernel may keep what is written until
 * then, 200 ms at most, and send both as one segment. Holds until it is taken back. */
void glue_conn_more_follows(glue_conn *conn, bool more);

/* Data that was taken from the fd and not yet read: poll(2) does not tell of it. */
bool glue_conn_pending(const glue_conn *conn);

/*
 * Changes the mode to TLS; the handshake then runs through glue_conn_handshake(). The context is
 * shared. On failure the connection stays plaintext.
 */
glue_status glue_conn_start_tls(glue_conn *conn, glue_context *context, const glue_tls_props *props,
                                glue_error *err);

/* One step of the handshake: OK once done, WANT_READ, WANT_WRITE, WANT_APP or ERROR. */
glue_status glue_conn_handshake(glue_conn *conn, glue_error *err);

/* The close-notify alone, for whoever closes at once; nothing in plaintext. What does not fit into
 * the socket is lost. */
void glue_conn_close_notify(glue_conn *conn);

/*
 * Ends our side: TLS close-notify, else the end of the stream (FIN). OK when sent; with `wait`
 * (tls_fast_shutdown_enable = no) OK only when the peer's close-notify has come, too.
 */
glue_status glue_conn_shutdown(glue_conn *conn, bool wait, glue_error *err);

bool glue_conn_is_tls(const glue_conn *conn); /* the handshake is complete */

/*
 * What has been traced since the last call, whole lines, until the next use of the connection; NULL
 * when there is nothing, or no trace. In any state, after a failure too.
 */
const char *glue_conn_trace(glue_conn *conn, size_t *len);

/*
 * The first session that the server gave this client for resumption (in TLS 1.3 that comes some
 * time after the handshake), once: the caller frees it. 0: there is none, or not yet, or the server
 * did not match. A session is offered again only under the same context settings and glue_auth, and
 * keeps the outcome of verification. It holds secrets.
 */
size_t glue_conn_take_session(glue_conn *conn, unsigned char **session);

/*
 * A server's, where its context asks for sessions: the id of the new one to be kept, which
 * glue_conn_take_session() then gives. 0: the handshake made none, or it was taken.
 */
size_t glue_conn_session_id(const glue_conn *conn, unsigned char id[32]);
void glue_session_free(unsigned char *session, size_t len); /* NULL is fine */

/* ---- suspension: what the handshake waits for after GLUE_WANT_APP */

typedef struct glue_question {
    unsigned kind;             /* one GLUE_ASK_* bit */
    const unsigned char *data; /* key name, session id, or server name; lives until the answer */
    size_t len;
} glue_question;

/* The open question; false when there is none. */
bool glue_conn_question(const glue_conn *conn, glue_question *question);

/*
 * Answers it, after which glue_conn_handshake() is called again. `chains` (shared; the connection
 * takes a reference) answers GLUE_ASK_CHAIN: NULL means the context's own chains. `refuse` ends
 * the handshake with an alert. An answer without a question is ignored.
 */
void glue_conn_answer(glue_conn *conn, glue_chains *chains, bool refuse);

/*
 * The same for GLUE_ASK_SESSION: `session` (lent) is what glue_conn_take_session() gave under this
 * id; NULL, or bytes that are no session, is a full handshake.
 */
void glue_conn_answer_session(glue_conn *conn, const unsigned char *session, size_t len);

/* ---- what a handshake has to say, for the log: of the server name; of what is to be matched */

typedef enum glue_notice_kind {
    GLUE_NOTICE_SNI_INVALID,      /* not a host name; not acknowledged */
    GLUE_NOTICE_SNI_CHANGED,      /* another name after a HelloRetryRequest; not acknowledged */
    GLUE_NOTICE_SNI_UNMATCHED,    /* in no table; the context's own chains are used */
    GLUE_NOTICE_SESSION_LOOKUP,   /* was asked for; `name`: its id in upper-case hex */
    GLUE_NOTICE_SESSION_RELOADED, /* was found; likewise */
    GLUE_NOTICE_TICKET_ISSUED,    /* `name`: when its key expires, seconds since 1970 */
    GLUE_NOTICE_TICKET_TAKEN,     /* likewise */
    /* client: */
    GLUE_NOTICE_TLSA_UNUSABLE, /* `name`: the record, "3 1 1 HEX" */
    GLUE_NOTICE_TLSA_NONE,     /* none was usable: verification fails */
    GLUE_NOTICE_TLSA_FALLBACK, /* none was usable: encrypted only */
    GLUE_NOTICE_NO_NAMES       /* no reference name could be set: verification fails */
} glue_notice_kind;

typedef struct glue_notice {
    struct glue_notice *next;
    glue_notice_kind kind;
    char name[256];  /* such as the server name as sent: may hold any byte but NUL */
    char later[256]; /* SNI_CHANGED: the other name */
} glue_notice;

/* The notices so far, in order; the caller frees them. NULL: none, the usual case. */
glue_notice *glue_conn_take_notices(glue_conn *conn);
void glue_notices_free(glue_notice *first);

/* ---- faults, for tests: reads and writes of at most `max_io` bytes (0 = any), every `nth` one
 * pretends that the socket is not ready (0 = never). */
void glue_conn_set_faults(glue_conn *conn, size_t max_io, unsigned nth);

/* ------------------------------------------------------------------ reflection */

typedef enum glue_peer { GLUE_PEER_NONE, GLUE_PEER_X509, GLUE_PEER_RPK } glue_peer;

typedef struct glue_signature {
    char algorithm[48]; /* "RSA-PSS", "ECDSA", "ED25519", "ML-DSA-65"; "" = not there */
    char curve[48];     /* as the library names it, or "" */
    int bits;           /* RSA: size of the key; else 0 */
    char digest[32];    /* "SHA256" ..., or "" */
    bool raw_public_key;
} glue_signature;

typedef enum glue_match_kind {
    GLUE_MATCH_NONE,
    GLUE_MATCH_NAME,        /* `value` is the certificate's name; under a trusted CA */
    GLUE_MATCH_TLSA,        /* `value` is the record: "3 1 1 HEX" */
    GLUE_MATCH_FINGERPRINT, /* `value` is the digest in hex */
    GLUE_MATCH_ANCHOR       /* `value` as for TLSA: the anchor as a record */
} glue_match_kind;

/* What a server was matched by; data of more than 64 bytes as first 32, "...", last 32. */
typedef struct glue_match {
    glue_match_kind kind;
    char value[288];
    char peername[256]; /* the certificate's name that matched, or "" */
    int depth;          /* of the certificate that matched; 0 is the leaf */
    bool public_key;    /* a bare public key of a trust anchor, which signed what is at `depth` */
    bool raw_public_key;
} glue_match;

/* All that can be told of a completed handshake; strings are "" where a thing does not apply. */
typedef struct glue_snapshot {
    const char *status; /* "Anonymous", "Untrusted", "Trusted" or "Verified" */
    char protocol[16];
    char cipher[64];
    int cipher_used_bits;
    int cipher_algorithm_bits;
    char mac[16]; /* TLS <= 1.2 suites with a MAC of their own */
    char group[64];
    glue_signature server; /* TLS 1.3, full handshake */
    glue_signature client;
    char sni[256];
    bool resumed;
    bool ticket; /* resumed by ticket and not by a stored session */
    glue_peer peer;
    char peer_cert_fingerprint[200]; /* upper-case hex with colons */
    char peer_pkey_fingerprint[200];
    char peer_subject[256]; /* CN, UTF-8; empty unless trusted */
    char peer_issuer[256];
    long verify_code; /* X509_V_*; 0 = OK or nothing to verify */
    int verify_depth;
    char verify_text[128];
    glue_match match;   /* full handshakes in which something matched */
    bool tlsa_fallback; /* no TLSA record was usable: the session is encrypted only */
} glue_snapshot;

/* Fills *snapshot of a connection whose handshake is complete; false in any other state. */
bool glue_conn_snapshot(glue_conn *conn, glue_snapshot *snapshot);

/*
 * What the peer's certificate says, trusted or not: for log lines and Received: headers, which mark
 * it as unverified, and for nothing else. "" where there is nothing that can be shown.
 */
typedef struct glue_claims {
    char subject[256];          /* CN, UTF-8 */
    char issuer[256];           /* its CN, else its O */
    char untrusted_issuer[256]; /* DN "/O=.../CN=..." above the fault; full handshake */
} glue_claims;

/* Fills *claims; false without a certificate, or before the handshake is complete. */
bool glue_conn_claims(glue_conn *conn, glue_claims *claims);

/* One certificate that the peer sent, trusted or not, for people to look at; fit for a terminal. */
typedef struct glue_peer_cert {
    char subject[512]; /* "/O=.../CN=...", ASCII */
    char issuer[512];
    char names[2048];   /* its DNS names, a blank between */
    int more_names;     /* for which there was no room */
    char key_type[48];  /* "RSA", "EC", "ED25519", "ML-DSA-65" ... */
    char curve[48];     /* EC, or "" */
    int key_bits;       /* RSA, or 0 */
    int64_t not_before; /* seconds since 1970 */
    int64_t not_after;
    char cert_fingerprint[200]; /* upper-case hex with colons, by the context's digest */
    char pkey_fingerprint[200];
} glue_peer_cert;

/*
 * Fills *cert: 0 is the peer's own, then the others in the order they were sent. False behind the
 * last one, with a raw public key, before the handshake is complete.
 */
bool glue_conn_peer_cert(glue_conn *conn, size_t at, glue_peer_cert *cert);

#ifdef __cplusplus
}
#endif

#endif
