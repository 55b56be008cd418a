/*
 * testlib.h - what the C tests share: a table of named cases, keys and certificates, connected
 * pairs of glue_conn, and an allocator that fails on demand.
 *
 * A test program is `TESTLIB_MAIN(cases)` over a table of { sentence, function }. The harness is
 * one thread per process. All that testlib hands out (identities, texts, paths) lives until the
 * program ends; files lie in a directory of the program's own, removed at its end.
 */
#ifndef MXTLS_TESTLIB_H
#define MXTLS_TESTLIB_H

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "../openssl_glue.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ cases */

typedef struct test_case {
    const char *name; /* a sentence about behaviour */
    void (*run)(void);
} test_case;

/* Runs all; the last line is `N passed, N failed`. Returns the exit status. */
int testlib_main(const test_case *cases, size_t count);

/* The usual main(): the failing allocator is in place, the library initialised with "none". */
#define TESTLIB_MAIN(cases)                                                                        \
    int main(void)                                                                                 \
    {                                                                                              \
        testlib_faults_install();                                                                  \
        testlib_library();                                                                         \
        return testlib_main(cases, sizeof(cases) / sizeof((cases)[0]));                            \
    }

/* Failed expectations are reported with their place; the case goes on. Each returns the outcome. */
bool testlib_expect(bool ok, const char *file, int line, const char *what);
bool testlib_expect_int(long long got, long long want, const char *file, int line,
                        const char *what);
bool testlib_expect_str(const char *got, const char *want, const char *file, int line,
                        const char *what);
bool testlib_expect_has(const char *text, const char *part, const char *file, int line,
                        const char *what);
bool testlib_expect_error(const glue_error *err, glue_error_code code, const char *file, int line);

#define EXPECT(ok) testlib_expect((ok), __FILE__, __LINE__, #ok)
#define EXPECT_INT(got, want)                                                                      \
    testlib_expect_int((long long)(got), (long long)(want), __FILE__, __LINE__, #got)
#define EXPECT_STR(got, want) testlib_expect_str((got), (want), __FILE__, __LINE__, #got)
/* `text` contains `part`. */
#define EXPECT_HAS(text, part) testlib_expect_has((text), (part), __FILE__, __LINE__, #text)
/* *err is this one, its class agrees, it has a sentence, and OpenSSL's queue is empty. */
#define EXPECT_ERROR(err, code) testlib_expect_error((err), (code), __FILE__, __LINE__)
/* For what the rest of the case cannot do without. */
#define NEED(ok)                                                                                   \
    do {                                                                                           \
        if (!testlib_expect((ok), __FILE__, __LINE__, #ok)) {                                      \
            return;                                                                                \
        }                                                                                          \
    } while (0)

/* Runs `body` in a child process; its failed expectations are the case's. */
void testlib_child(void (*body)(const void *arg), const void *arg);

/* glue_library_init() with "none"; ends the program when that fails. */
void testlib_library(void);

/* ------------------------------------------------------------------ texts and files */

/* printf into a text that testlib owns. */
const char *testlib_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The path of `name` in the program's directory. */
const char *testlib_path(const char *name);

/* Writes a file there and returns its path. */
const char *testlib_file(const char *name, const char *content);

/* ------------------------------------------------------------------ keys and certificates */

typedef struct test_identity {
    EVP_PKEY *key;
    X509 *cert;
    const struct test_identity *issuer; /* NULL: self-signed */
} test_identity;

/* A new key: "RSA" (2048 bits), "EC" (P-256), "P-384", "ED25519", "ED448", "ML-DSA-65" ... */
EVP_PKEY *testlib_key(const char *type);

typedef struct test_cert_spec {
    const char *key;             /* as for testlib_key() */
    const char *cn;              /* NULL: no CN */
    const char *org;             /* NULL: no O */
    const char *dns;             /* NULL: no subjectAltName */
    const char *usage;           /* extendedKeyUsage, "serverAuth"; NULL: none */
    bool ca;                     /* basicConstraints CA:TRUE */
    bool expired;                /* ended long ago; else good for a hundred years */
    int cn_type;                 /* MBSTRING_* or V_ASN1_*; 0 = MBSTRING_UTF8 */
    int cn_len;                  /* 0: strlen(cn) */
    const test_identity *issuer; /* NULL: self-signed */
} test_cert_spec;

const test_identity *testlib_identity(const test_cert_spec *spec);

/* The usual one: a self-signed `cn` with a key of `type`. */
const test_identity *testlib_self_signed(const char *type, const char *cn);

/* PEM: the key as PKCS#8, as RSA or EC traditional; the certificate; all below it but the root. */
const char *testlib_pem_key(const test_identity *id);
const char *testlib_pem_traditional_key(const test_identity *id);
const char *testlib_pem_cert(const test_identity *id);
const char *testlib_pem_issuers(const test_identity *id);
/* Key, certificate, issuers: what a chain file is made of. */
const char *testlib_pem_chain(const test_identity *id);

/* A chain file of up to three identities, loaded; NULL and a failed expectation otherwise. */
glue_chains *testlib_chains(const test_identity *a, const test_identity *b, const test_identity *c);

/* ------------------------------------------------------------------ contexts and pairs */

/* Plain properties of a role: no bounds of its own, level 0, tickets for a server. */
glue_context_props testlib_props(glue_role role);

typedef struct test_side {
    glue_conn *conn;
    glue_status status;
    glue_error err;
} test_side;

typedef struct test_pair {
    test_side server;
    test_side client;
    /* Answers a question of the server; NULL: the context's own chains, nothing refused. */
    void (*answer)(glue_conn *conn, const glue_question *question);
    unsigned questions; /* GLUE_ASK_* bits that came up */
} test_pair;

/* Two plaintext connections over a socketpair. */
bool testlib_pair_open(test_pair *pair);

/* Both start TLS; the client with `props` (NULL: defaults). The contexts stay the caller's. */
bool testlib_pair_start(test_pair *pair, glue_context *server, glue_context *client,
                        const glue_tls_props *props);

/* Steps both in turn until each is done or failed; true when both completed. */
bool testlib_pair_drive(test_pair *pair);

/* The three above in one. */
bool testlib_pair(test_pair *pair, glue_context *server, glue_context *client,
                  const glue_tls_props *props);

/* The server sends `text`, the client reads it: also brings session tickets across. */
bool testlib_pair_talk(test_pair *pair, const char *text);

void testlib_pair_close(test_pair *pair);

/* ------------------------------------------------------------------ sessions and ticket keys */

/* A client context whose new sessions are counted and kept, the last one of them. */
glue_context *testlib_collector(const glue_context_props *props);

/* What collectors have: how many came since the last drop, and the last one (lent; or NULL). */
unsigned testlib_sessions(void);
SSL_SESSION *testlib_session(void);
void testlib_session_drop(void);

/* A handshake that offers `session` (NULL: none) and a line: what the server made of it. */
glue_snapshot testlib_visit(glue_context *server, glue_context *client, SSL_SESSION *session);

/* A ring with a wrapping key that `secret` begins. */
glue_ticket_ring *testlib_ring(const char *name, const char *secret);

/* A new key of a ring, sealed. Testlib owns it. */
const unsigned char *testlib_ticket_key(glue_ticket_ring *ring);

/* These are in use from now on. */
void testlib_ring_install(glue_ticket_ring *ring, const glue_ticket_keys *keys);

/* The same without a former one; NULL: none. */
void testlib_ring_use(glue_ticket_ring *ring, const unsigned char *next,
                      const unsigned char *active, const unsigned char *previous);

/* ------------------------------------------------------------------ allocation faults */

/* Puts the failing allocator under OpenSSL; first thing in main(), before any use of OpenSSL. */
void testlib_faults_install(void);

/*
 * From now on memory that OpenSSL's allocator takes back is searched for these bytes, which stay
 * the caller's; testlib_secret_seen() ends it and tells how often they were in there.
 */
void testlib_secret_watch(const void *bytes, size_t len);
unsigned testlib_secret_seen(void);

/* How many blocks OpenSSL's allocator has out. */
long testlib_blocks(void);

/* The nth allocation from now on fails, once; 0 = none. */
void testlib_faults_arm(unsigned long nth);

/* True when the fault has happened; disarms. */
bool testlib_faults_disarm(void);

/*
 * Runs `attempt` with the 1st, 2nd ... allocation failing, until one is not reached. The attempt
 * frees all it made and returns false when it got an error, which it leaves in *err. `stride` > 1
 * leaves out allocations, for attempts with thousands of them.
 */
void testlib_faults_each(bool (*attempt)(glue_error *err), unsigned long stride);

#ifdef __cplusplus
}
#endif

#endif
