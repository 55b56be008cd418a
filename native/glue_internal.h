/*
 * glue_internal.h - private structs and helpers of the glue; the only header that includes OpenSSL.
 *
 * Included by native/glue_*.c and openssl_glue.c alone. A struct's fields are touched by the files
 * named above it and read by glue_reflect.c.
 */
#ifndef MXTLS_GLUE_INTERNAL_H
#define MXTLS_GLUE_INTERNAL_H

#include <stdatomic.h>
#include <time.h>

#include <openssl/opensslv.h>

#if OPENSSL_VERSION_NUMBER < 0x30500000L
#error "mxtls needs OpenSSL 3.5 or newer: set MXTLS_OPENSSL_DIR, or let scripts/install.mjs find it"
#endif

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "openssl_glue.h"

/* Frees at the end of the scope; `free_fn` is NULL-safe. */
#define GLUE_AUTO(type, free_fn) __attribute__((cleanup(free_fn##_cleanup))) type

/* ------------------------------------------------------------------ glue_error.c */

/*
 * Drains this thread's OpenSSL queue into *err: `library` gets each entry as Postfix logs it,
 * `reason` the text of the first one that names a reason. Called after glue_error_set().
 */
glue_status glue_error_drain(glue_error *err);

/* glue_error_set() followed by glue_error_drain(); the first reason is appended to the sentence. */
glue_status glue_error_openssl(glue_error *err, glue_error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ------------------------------------------------------------------ openssl_glue.c */

/* SSL ex_data index of the glue_conn; -1 before the library is initialised or where that failed. */
int glue_library_conn_index(void);

/* The connection of an SSL inside a callback; NULL only for handles that are not ours. */
struct glue_conn *glue_conn_of(const SSL *ssl);

/* ------------------------------------------------------------------ glue_config.c */

/*
 * Checks `file` before OpenSSL takes it: readable, well-formed, the application's section and what
 * it refers to there. CONFIG_FILE with file and line on failure.
 */
glue_status glue_config_check(const char *file, const char *name, glue_error *err);

/* After OpenSSL refused the file: turns its queue into CONFIG_FILE with the line. GLUE_ERROR. */
glue_status glue_config_explain(const char *file, const char *name, glue_error *err);

/* After OpenSSL took it: each SSL command of the file is accepted; SSL_CTX_new() drops others. */
glue_status glue_config_check_ssl(const char *file, const char *name, glue_error *err);

/* ------------------------------------------------------------------ glue_pem.c */

typedef enum glue_pem_kind {
    GLUE_PEM_OTHER,
    GLUE_PEM_KEY,
    GLUE_PEM_CERT,
    GLUE_PEM_LOCKED /* an encrypted key */
} glue_pem_kind;

typedef struct glue_pem_object {
    const char *origin; /* the file, or what stands for one */
    int index;          /* in it, from 1 */
    glue_pem_kind kind;
    char *type;
    char *header;
    unsigned char *data;
    long len;
} glue_pem_object;

/* Reading: who gets the objects, the notes and the error. */
typedef struct glue_pem_run {
    /* The object is lent; false ends the run, *err is filled. */
    bool (*take)(void *arg, const glue_pem_object *object);
    void *arg;
    const glue_notes *notes;
    glue_error *err;
} glue_pem_run;

/* Hands out all objects in order. */
bool glue_pem_read_file(const glue_pem_run *run, const char *path);
bool glue_pem_read_memory(const glue_pem_run *run, const void *pem, size_t len, const char *origin);

/* Begins the last note of a load that failed; what becomes of it is the caller's to add. */
#define GLUE_PEM_FAILED "error loading private keys and certificates from: "

/* Decodes; the caller owns the result. NULL: *err is filled. */
EVP_PKEY *glue_pem_key(const glue_pem_run *run, const glue_pem_object *object);
X509 *glue_pem_cert(const glue_pem_run *run, const glue_pem_object *object);

void glue_pem_note(const glue_notes *notes, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Fills *err with the sentence and what is wrong (`why`, NULL: OpenSSL's reason), and notes the
 * sentence alone. False, so that a failure is one line.
 */
bool glue_pem_fail(const glue_pem_run *run, glue_error_code code, const char *why,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));

/* ------------------------------------------------------------------ glue_chain.c */

typedef struct glue_chain {
    EVP_PKEY *key;
    X509 *leaf;
    STACK_OF(X509) * issuers;
    char *file; /* owned; where the leaf was */
    int index;  /* of the leaf in there */
} glue_chain;

/* An empty one, which a loader fills before anybody else sees it. */
glue_chains *glue_chains_new(glue_error *err);

/* Moves *chain to the end; it is empty afterwards. */
bool glue_chains_append(glue_chains *chains, glue_chain *chain, glue_error *err);

/* Takes over `cert`, also on failure. */
bool glue_chain_set_leaf(glue_chain *chain, X509 *cert, const char *file, int index,
                         glue_error *err);
bool glue_chain_add_issuer(glue_chain *chain, X509 *cert, glue_error *err);

/* Key and leaf belong together, and there is none of the algorithm; else the queue or *why tells.
 */
bool glue_chain_usable(const glue_chains *chains, const glue_chain *chain, const char **why);

void glue_chain_clear(glue_chain *chain);

/* Installs all chains as the only ones of a context, or of one handle. False: the queue tells. */
bool glue_chains_install_context(const glue_chains *chains, SSL_CTX *ctx);
bool glue_chains_install_handle(const glue_chains *chains, SSL *ssl);

/* ------------------------------------------------------------------ glue_context.c */

typedef struct glue_ticket_key glue_ticket_key;
typedef struct glue_ticket_set glue_ticket_set;

struct glue_context {
    SSL_CTX *ctx;
    glue_role role;
    unsigned ask;
    bool acknowledge_sni;
    glue_sni_cache *sni_cache; /* owned reference, or NULL */
    bool require_client_cert;
    bool enable_rpk;
    EVP_MD *digest;                       /* owned */
    unsigned char session_id_context[32]; /* digest of what decides on trust */
    char *cipher_list;                    /* owned; NULL: the library's */
    int keylog_fd;                        /* owned; -1 = none */
    glue_ticket_ring *ticket_ring;        /* owned reference; NULL: OpenSSL makes the tickets */
    EVP_CIPHER *ticket_cipher;            /* owned; with a ring */
    unsigned session_timeout;             /* seconds, 0: OpenSSL's; with a ring */
    atomic_int references;
};

/* Applies bounds and exclusions to a context (ssl NULL) or one handle (ctx NULL). */
bool glue_protocols_apply(const glue_protocols *protocols, SSL_CTX *ctx, SSL *ssl);

/* ------------------------------------------------------------------ glue_dh.c */

/* Parameters from a PEM file; NULL or "": the library's choice. DH_FILE, DH_PARAMETERS. */
glue_status glue_dh_set(SSL_CTX *ctx, const char *file, glue_error *err);

/* ------------------------------------------------------------------ glue_keylog.c */

/* Writes the secrets of all sessions to `file`; NULL or "": nowhere. KEYLOG_FILE on failure. */
glue_status glue_keylog_set(glue_context *context, const char *file, glue_error *err);
void glue_keylog_close(glue_context *context);

/* ------------------------------------------------------------------ glue_trace.c */

/*
 * Collects a trace of at most `limit` bytes (0: none) from now on, unless `rate` sessions of this
 * process have begun one in the last minute (0: any number).
 */
void glue_trace_begin(struct glue_conn *conn, size_t limit, unsigned rate);
void glue_trace_drop(struct glue_conn *conn);
/* ------------------------------------------------------------------ glue_auth.c */

struct glue_auth {
    atomic_int references;
    char **names; /* owned, as all below */
    size_t name_count;
    glue_tlsa *tlsa; /* those of anchor files included */
    size_t tlsa_count;
    bool anchors; /* the records are those of anchor files */
    bool forced_failure;
    bool must_match;
    bool half_dane;
    bool encrypt_if_unusable;
    bool request_rpk;
    unsigned char id[32]; /* digest of all of it: a session counts under the same only */
};

/* ------------------------------------------------------------------ glue_dane.c */

/* Makes a client context good for TLSA records, with these digests. */
glue_status glue_dane_enable(glue_context *context, const glue_context_props *props,
                             glue_error *err);

/* Sets up what a server must show; after the server name is set. False and *err on failure. */
bool glue_dane_apply(struct glue_conn *conn, glue_auth *auth, glue_error *err);

/* What a full handshake's server was matched by. */
void glue_dane_reflect(const struct glue_conn *conn, glue_match *match);

/* ------------------------------------------------------------------ glue_session.c */

/* A client context hands new sessions to their connections. */
void glue_session_register(SSL_CTX *ctx);

/*
 * Ties sessions of a client connection to its context and `auth` (or NULL), and offers an old one
 * that is. False and *err for lack of memory; a session that cannot be used is none.
 */
bool glue_session_apply(struct glue_conn *conn, const glue_tls_props *props, glue_error *err);

/* ------------------------------------------------------------------ glue_session_store.c */

/* A server context that asks for sessions looks them up and hands new ones to its connections. */
glue_status glue_session_store_register(glue_context *context, glue_error *err);

/* ------------------------------------------------------------------ glue_hello.c */

/* Appends a notice; false for lack of memory. */
bool glue_notice_add(struct glue_conn *conn, glue_notice_kind kind, const char *name,
                     const char *later);

/* Registers the client-hello, server-name and certificate callbacks that a server context needs. */
void glue_hello_register(glue_context *context);

/* Frees what the gate remembers of a connection, but for the server name. */
void glue_hello_forget(struct glue_conn *conn);

/* ------------------------------------------------------------------ glue_verify.c */

/* SSL_CTX_set_verify callback: notes the most useful failure in the connection, always goes on. */
int glue_verify_callback(int ok, X509_STORE_CTX *store);

/*
 * SSL_CTX_set_cert_verify_callback callback: a client's certificate that is for servers only counts
 * as one for clients (tls_trust_server_ccerts).
 */
int glue_verify_server_certs_too(X509_STORE_CTX *store, void *arg);
/* ------------------------------------------------------------------ glue_reflect.c */

/* UTF-8 into `out`, whole and fit for a log, or nothing; a name's first entry of this kind. */
void glue_reflect_text(const ASN1_STRING *string, char *out, size_t size);
void glue_reflect_name(const X509_NAME *name, int nid, char *out, size_t size);

/* Since 1970; 0 where it cannot be read. */
int64_t glue_reflect_seconds(const ASN1_TIME *time);

/* Digests of a certificate and of its key; both buffers have `size` bytes, 200 or more. */
void glue_reflect_fingerprints(const struct glue_conn *conn, const X509 *cert, char *cert_out,
                               char *pkey_out, size_t size);

/* ------------------------------------------------------------------ glue_ticket.c */

glue_status glue_ticket_configure(glue_context *context, const glue_context_props *props,
                                  glue_error *err);

/* What a server's connection has of its own: no tickets, notices. Before its first step. */
void glue_ticket_apply(struct glue_conn *conn, const glue_tls_props *props);

/* The keys that the handshake used are no longer needed for it. */
void glue_ticket_forget(struct glue_conn *conn);

/*
 * The same for clients: verifies a server's credential unless that is to fail anyhow, and leaves
 * the fault that was kept as the result, which sessions remember.
 */
int glue_verify_server(X509_STORE_CTX *store, void *arg);

/* Fails for good, now or when the server's credential comes. */
void glue_verify_force_failure(struct glue_conn *conn);

/* The result of verification: of this handshake, or of the session's. */
long glue_verify_result(const struct glue_conn *conn);

/* ------------------------------------------------------------------ glue_digest.c */

/* Upper-case hex with colons of digest(data) into out (size >= 200). False: the queue tells. */
bool glue_digest_hex(const EVP_MD *md, const void *data, size_t len, char *out, size_t size);

/* ------------------------------------------------------------------ glue_bio.c */

/* A BIO on the connection's fd: non-blocking, no SIGPIPE, honours the connection's faults. */
BIO *glue_bio_new(struct glue_conn *conn);

/* Gives the read-ahead buffer up once it is empty; `all`: with what is in it. */
void glue_bio_drop_ahead(struct glue_conn *conn, bool all);

/* The same I/O for plaintext; like recv(2) and send(2), errno set. */
long glue_bio_recv(struct glue_conn *conn, void *buf, size_t len);
long glue_bio_send(struct glue_conn *conn, const void *buf, size_t len);

/* The errno of a socket that is not ready. */
bool glue_bio_would_block(int sys_errno);

/* ------------------------------------------------------------------ glue_conn.c */

typedef enum glue_mode {
    GLUE_MODE_PLAIN,
    GLUE_MODE_HANDSHAKE,
    GLUE_MODE_TLS,
    GLUE_MODE_FAILED /* no further TLS I/O, not even a farewell */
} glue_mode;

/* What the ClientHello gate remembers: the callback runs again after retries. */
typedef struct glue_hello {
    unsigned asked; /* GLUE_ASK_* bits that have been answered */
    bool has_key_name;
    unsigned char key_name[16];   /* of the offered ticket */
    unsigned char session_id[32]; /* of the offered stateful session */
    size_t session_id_len;
    SSL_SESSION *session; /* answer to GLUE_ASK_SESSION; owned reference */
    glue_chains *chains;  /* answer to GLUE_ASK_CHAIN; owned reference */
    bool refuse;
} glue_hello;

struct glue_conn {
    int fd;
    glue_mode mode;
    SSL *ssl;
    glue_context *context; /* owned reference */
    glue_hello *hello;     /* owned; only while a gate is in use */
    char *server_name;     /* owned; the valid SNI of a server connection, as sent */
    bool sni_stands;       /* the present hello names it: to be acknowledged */
    glue_notice *notices;  /* owned */
    unsigned question;     /* the open question's GLUE_ASK_* bit */
    bool peer_closed;      /* the peer's close-notify or FIN was seen */
    bool session_stored;   /* resumed from a stored session, not from a ticket */
    time_t session_born;   /* of that one's full handshake */
    int verify_code;       /* most useful X509_V_* failure, X509_V_OK if none */
    int verify_depth;
    bool slow_shutdown;       /* our FIN waits for the peer's close-notify */
    struct glue_trace *trace; /* owned; only while this session is traced */
    glue_ticket_set *tickets; /* a pin, from the first use of a ticket key to the handshake's end */
    bool note_tickets;        /* what is done with ticket keys becomes notices */
    bool delay_tickets;       /* of TLS 1.3, they may wait for what is written next */
    glue_auth *auth;          /* owned reference; a client's, or NULL */
    bool must_match;          /* as it says, unless no record was usable */
    bool forced_failure;      /* verification is to fail */
    bool tlsa_fallback;       /* no record was usable, and none has to be */
    bool more_follows;        /* as glue_conn_more_follows() was told */
    SSL_SESSION *session;     /* owned; the first new one, until it is taken */
    bool session_seen;        /* a client's: later ones do not count */
    unsigned char *ahead;     /* owned; glue_bio.c: what was read during the handshake */
    size_t ahead_pos;
    size_t ahead_len;
    size_t fault_max_io;
    unsigned fault_nth;
    unsigned fault_count;
};

#endif
