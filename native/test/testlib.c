/*
 * testlib.c - see testlib.h.
 *
 * Everything handed out is remembered in one list and freed at the end of the process, so that
 * tests need no clean-up of their own and LeakSanitizer still sees what the code under test leaks.
 * A failure to prepare a test (no key, no file) ends the program: nothing after it means anything.
 */
#include "testlib.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

typedef struct kept {
    struct kept *next;
    void (*release)(void *thing);
    void *thing;
} kept;

static kept *everything;
static unsigned failures; /* expectations of the running case */
static char directory[PATH_MAX];
static pid_t directory_owner;

/* ------------------------------------------------------------------ what is kept */

static void give_up(const char *what)
{
    fprintf(stderr, "testlib: cannot %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(2);
}

static void *keep(void *thing, void (*release)(void *thing), const char *what)
{
    kept *entry = malloc(sizeof(*entry));
    if (thing == NULL || entry == NULL) {
        give_up(what);
        return NULL;
    }
    *entry = (kept){everything, release, thing};
    everything = entry;
    return thing;
}

static void release_pkey(void *thing)
{
    EVP_PKEY_free(thing);
}

static void release_x509(void *thing)
{
    X509_free(thing);
}

static void remove_directory(void)
{
    if (directory[0] == '\0' || directory_owner != getpid()) {
        return;
    }
    DIR *dir = opendir(directory);
    if (dir == NULL) {
        return;
    }
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        unlinkat(dirfd(dir), entry->d_name, 0);
    }
    closedir(dir);
    rmdir(directory);
}

static void release_everything(void)
{
    while (everything != NULL) {
        kept *entry = everything;
        everything = entry->next;
        entry->release(entry->thing);
        free(entry);
    }
    remove_directory();
}

/* ------------------------------------------------------------------ cases */

int testlib_main(const test_case *cases, size_t count)
{
    unsigned passed = 0;
    unsigned failed = 0;
    atexit(release_everything);
    for (size_t i = 0; i < count; i++) {
        failures = 0;
        cases[i].run();
        printf("%s %s\n", failures == 0 ? "ok  " : "FAIL", cases[i].name);
        fflush(stdout);
        passed += failures == 0;
        failed += failures != 0;
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}

static bool report(bool ok, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static bool report(bool ok, const char *file, int line, const char *format, ...)
{
    if (ok) {
        return true;
    }
    const char *base = strrchr(file, '/');
    va_list args;
    va_start(args, format);
    fprintf(stderr, "     %s:%d: ", base == NULL ? file : base + 1, line);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    failures++;
    return false;
}

bool testlib_expect(bool ok, const char *file, int line, const char *what)
{
    return report(ok, file, line, "not so: %s", what);
}

bool testlib_expect_int(long long got, long long want, const char *file, int line, const char *what)
{
    return report(got == want, file, line, "%s is %lld, not %lld", what, got, want);
}

bool testlib_expect_str(const char *got, const char *want, const char *file, int line,
                        const char *what)
{
    return report(got != NULL && strcmp(got, want) == 0, file, line, "%s is \"%s\", not \"%s\"",
                  what, got == NULL ? "(null)" : got, want);
}

bool testlib_expect_has(const char *text, const char *part, const char *file, int line,
                        const char *what)
{
    return report(text != NULL && strstr(text, part) != NULL, file, line,
                  "%s is \"%s\", without \"%s\"", what, text == NULL ? "(null)" : text, part);
}

static glue_error_class class_of(glue_error_code code)
{
    static const glue_error_class classes[] = {
#define X(cls, name, text) GLUE_CLASS_##cls,
        GLUE_ERRORS(X)
#undef X
    };
    return classes[code];
}

bool testlib_expect_error(const glue_error *err, glue_error_code code, const char *file, int line)
{
    bool ok = report(err->code == code, file, line, "error is %s (\"%s\"), not %s",
                     glue_error_code_name(err->code), err->message, glue_error_code_name(code));
    ok &= report(err->cls == class_of(err->code), file, line, "class of %s is %s",
                 glue_error_code_name(err->code), glue_error_class_name(err->cls));
    ok &= report(err->message[0] != '\0', file, line, "the error has no sentence");
    ok &= report(ERR_peek_error() == 0, file, line, "OpenSSL's error queue is not empty");
    ERR_clear_error();
    return ok;
}

void testlib_child(void (*body)(const void *arg), const void *arg)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        failures = 0;
        body(arg);
        exit(failures == 0 ? 0 : 1);
    }
    int status = -1;
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        give_up("run a child process");
    }
    report(WIFEXITED(status) && WEXITSTATUS(status) == 0, __FILE__, __LINE__,
           "the child ended with wait status 0x%x", (unsigned)status);
}

void testlib_library(void)
{
    glue_library_props props = {.config_file = "none", .config_name = ""};
    glue_error err;
    if (glue_library_init(&props, &err) != GLUE_OK) {
        give_up(err.message);
    }
}

/* ------------------------------------------------------------------ texts and files */

const char *testlib_text(const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    return keep(len < 0 ? NULL : text, free, "make a text");
}

const char *testlib_path(const char *name)
{
    if (directory[0] == '\0') {
        const char *parent = getenv("MXTLS_TEST_TMPDIR");
        snprintf(directory, sizeof(directory), "%s/mxtls-test-XXXXXX",
                 parent == NULL ? "/tmp" : parent);
        if (mkdtemp(directory) == NULL) {
            give_up("make a directory");
        }
        directory_owner = getpid();
    }
    return testlib_text("%s/%s", directory, name);
}

const char *testlib_file(const char *name, const char *content)
{
    const char *path = testlib_path(name);
    FILE *file = fopen(path, "w");
    if (file == NULL || fputs(content, file) < 0 || fclose(file) != 0) {
        give_up("write a file");
    }
    return path;
}

/* ------------------------------------------------------------------ keys and certificates */

EVP_PKEY *testlib_key(const char *type)
{
    EVP_PKEY *key;
    if (strcmp(type, "RSA") == 0) {
        key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    } else if (strcmp(type, "EC") == 0) {
        key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    } else if (strncmp(type, "P-", 2) == 0) {
        key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", type);
    } else {
        key = EVP_PKEY_Q_keygen(NULL, NULL, type);
    }
    return keep(key, release_pkey, "generate a key");
}

static bool add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    bool added = ext != NULL && X509_add_ext(cert, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return added;
}

static bool set_names(X509 *cert, const test_cert_spec *spec)
{
    X509_NAME *name = X509_get_subject_name(cert);
    int type = spec->cn_type == 0 ? MBSTRING_UTF8 : spec->cn_type;
    int len = spec->cn_len == 0 ? -1 : spec->cn_len;
    bool ok = spec->org == NULL ||
              X509_NAME_add_entry_by_NID(name, NID_organizationName, MBSTRING_UTF8,
                                         (const unsigned char *)spec->org, -1, -1, 0) == 1;
    ok = ok && (spec->cn == NULL ||
                X509_NAME_add_entry_by_NID(name, NID_commonName, type,
                                           (const unsigned char *)spec->cn, len, -1, 0) == 1);
    return ok && (spec->dns == NULL ||
                  add_extension(cert, NID_subject_alt_name, testlib_text("DNS:%s", spec->dns)));
}

static bool set_times(X509 *cert, bool expired)
{
    return ASN1_TIME_set_string_X509(X509_getm_notBefore(cert), "20000101000000Z") == 1 &&
           ASN1_TIME_set_string_X509(X509_getm_notAfter(cert),
                                     expired ? "20010101000000Z" : "21250101000000Z") == 1;
}

/* Ed25519, Ed448 and ML-DSA sign without a digest of their own. */
static const EVP_MD *signing_digest(EVP_PKEY *key)
{
    return EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "EC") ? EVP_sha256() : NULL;
}

static bool fill(X509 *cert, EVP_PKEY *key, const test_cert_spec *spec)
{
    static long serial = 1;
    EVP_PKEY *signer = spec->issuer == NULL ? key : spec->issuer->key;
    return X509_set_version(cert, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++) == 1 &&
           set_times(cert, spec->expired) && X509_set_pubkey(cert, key) == 1 &&
           set_names(cert, spec) &&
           X509_set_issuer_name(cert, X509_get_subject_name(
                                          spec->issuer == NULL ? cert : spec->issuer->cert)) == 1 &&
           add_extension(cert, NID_basic_constraints, spec->ca ? "critical,CA:TRUE" : "CA:FALSE") &&
           (spec->usage == NULL || add_extension(cert, NID_ext_key_usage, spec->usage)) &&
           X509_sign(cert, signer, signing_digest(signer)) > 0;
}

const test_identity *testlib_identity(const test_cert_spec *spec)
{
    EVP_PKEY *key = testlib_key(spec->key);
    X509 *cert = keep(X509_new(), release_x509, "make a certificate");
    if (!fill(cert, key, spec)) {
        give_up("make a certificate");
    }
    test_identity *id = keep(malloc(sizeof(*id)), free, "make an identity");
    *id = (test_identity){key, cert, spec->issuer};
    return id;
}

const test_identity *testlib_self_signed(const char *type, const char *cn)
{
    test_cert_spec spec = {.key = type, .cn = cn};
    return testlib_identity(&spec);
}

static const char *take_pem(BIO *bio, int written)
{
    char *data = NULL;
    long len = BIO_get_mem_data(bio, &data);
    const char *text = written == 1 ? testlib_text("%.*s", (int)len, data) : NULL;
    BIO_free(bio);
    if (text == NULL) {
        give_up("write PEM");
    }
    return text;
}

const char *testlib_pem_key(const test_identity *id)
{
    BIO *bio = BIO_new(BIO_s_mem());
    return take_pem(bio, PEM_write_bio_PKCS8PrivateKey(bio, id->key, NULL, NULL, 0, NULL, NULL));
}

const char *testlib_pem_traditional_key(const test_identity *id)
{
    BIO *bio = BIO_new(BIO_s_mem());
    return take_pem(bio,
                    PEM_write_bio_PrivateKey_traditional(bio, id->key, NULL, NULL, 0, NULL, NULL));
}

const char *testlib_pem_cert(const test_identity *id)
{
    BIO *bio = BIO_new(BIO_s_mem());
    return take_pem(bio, PEM_write_bio_X509(bio, id->cert));
}

const char *testlib_pem_issuers(const test_identity *id)
{
    const char *text = "";
    for (const test_identity *at = id->issuer; at != NULL && at->issuer != NULL; at = at->issuer) {
        text = testlib_text("%s%s", text, testlib_pem_cert(at));
    }
    return text;
}

const char *testlib_pem_chain(const test_identity *id)
{
    return testlib_text("%s%s%s", testlib_pem_key(id), testlib_pem_cert(id),
                        testlib_pem_issuers(id));
}

glue_chains *testlib_chains(const test_identity *a, const test_identity *b, const test_identity *c)
{
    const char *pem =
        testlib_text("%s%s%s", testlib_pem_chain(a), b == NULL ? "" : testlib_pem_chain(b),
                     c == NULL ? "" : testlib_pem_chain(c));
    glue_error err;
    glue_chains *chains = glue_chains_parse(pem, strlen(pem), "testlib", NULL, &err);
    if (chains == NULL) {
        report(false, __FILE__, __LINE__, "no chains: %s", err.message);
    }
    return chains;
}

/* ------------------------------------------------------------------ contexts and pairs */

glue_context_props testlib_props(glue_role role)
{
    return (glue_context_props){
        .role = role,
        .service = "test",
        .protocols = {.floor = -1, .ceiling = -1},
        .verify_depth = 9,
        .tickets = role == GLUE_SERVER,
    };
}

static bool open_side(test_side *side, int fd)
{
    side->status = GLUE_OK;
    side->conn = glue_conn_new(fd, &side->err);
    if (side->conn == NULL) {
        close(fd);
    }
    return side->conn != NULL;
}

bool testlib_pair_open(test_pair *pair)
{
    int fds[2];
    memset(pair, 0, sizeof(*pair));
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) {
        give_up("make a socket pair");
    }
    bool server = open_side(&pair->server, fds[0]);
    bool client = open_side(&pair->client, fds[1]);
    return server && client;
}

static bool start_side(test_side *side, glue_context *context, const glue_tls_props *props)
{
    static const glue_tls_props defaults = GLUE_TLS_PROPS_DEFAULT;
    side->status =
        glue_conn_start_tls(side->conn, context, props == NULL ? &defaults : props, &side->err);
    return side->status == GLUE_OK;
}

bool testlib_pair_start(test_pair *pair, glue_context *server, glue_context *client,
                        const glue_tls_props *props)
{
    bool started = start_side(&pair->server, server, NULL);
    return start_side(&pair->client, client, props) && started;
}

static bool finished(const test_side *side)
{
    return side->status == GLUE_ERROR || glue_conn_is_tls(side->conn);
}

static void step(test_pair *pair, test_side *side)
{
    glue_question question;
    if (finished(side)) {
        return;
    }
    side->status = glue_conn_handshake(side->conn, &side->err);
    if (side->status != GLUE_WANT_APP || !glue_conn_question(side->conn, &question)) {
        return;
    }
    pair->questions |= question.kind;
    if (pair->answer == NULL) {
        glue_conn_answer(side->conn, NULL, false);
        return;
    }
    pair->answer(side->conn, &question);
}

bool testlib_pair_drive(test_pair *pair)
{
    /* Enough for one byte per step; who has not finished by then waits for ever. */
    for (unsigned i = 0; i < 200000; i++) {
        step(pair, &pair->client);
        step(pair, &pair->server);
        if (finished(&pair->client) && finished(&pair->server)) {
            break;
        }
    }
    return glue_conn_is_tls(pair->server.conn) && glue_conn_is_tls(pair->client.conn);
}

bool testlib_pair(test_pair *pair, glue_context *server, glue_context *client,
                  const glue_tls_props *props)
{
    return testlib_pair_open(pair) && testlib_pair_start(pair, server, client, props) &&
           testlib_pair_drive(pair);
}

bool testlib_pair_talk(test_pair *pair, const char *text)
{
    char got[256] = "";
    size_t len = strlen(text);
    size_t sent = 0;
    size_t received = 0;
    pair->server.status = glue_conn_write(pair->server.conn, text, len, &sent, &pair->server.err);
    if (pair->server.status != GLUE_OK || sent != len || len >= sizeof(got)) {
        return false;
    }
    /* The first attempts may meet nothing but tickets. */
    for (unsigned i = 0; i < 100 && received < len; i++) {
        size_t n = 0;
        pair->client.status = glue_conn_read(pair->client.conn, got + received,
                                             sizeof(got) - 1 - received, &n, &pair->client.err);
        received += n;
    }
    return strcmp(got, text) == 0;
}

void testlib_pair_close(test_pair *pair)
{
    glue_conn_free(pair->server.conn);
    glue_conn_free(pair->client.conn);
    pair->server.conn = NULL;
    pair->client.conn = NULL;
}

/* ------------------------------------------------------------------ allocation faults */

static unsigned long fault_countdown;
static bool fault_happened;

static bool fault_now(void)
{
    if (fault_countdown == 0 || --fault_countdown != 0) {
        return false;
    }
    fault_happened = true;
    return true;
}

static const void *secret;
static size_t secret_len;
static unsigned secrets_freed;

/* Is memory that is given back still telling it? */
static void look_for_secret(void *old)
{
    if (secret != NULL && old != NULL && old != secret &&
        memmem(old, malloc_usable_size(old), secret, secret_len) != NULL) {
        secrets_freed++;
    }
}

void testlib_secret_watch(const void *bytes, size_t len)
{
    secret = bytes;
    secret_len = len;
    secrets_freed = 0;
}

unsigned testlib_secret_seen(void)
{
    secret = NULL;
    return secrets_freed;
}

static atomic_long blocks;

long testlib_blocks(void)
{
    return atomic_load_explicit(&blocks, memory_order_relaxed);
}

static void *counted(void *block)
{
    atomic_fetch_add_explicit(&blocks, block == NULL ? 0 : 1, memory_order_relaxed);
    return block;
}

static void *fault_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return fault_now() ? NULL : counted(malloc(size));
}

static void *fault_realloc(void *old, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    look_for_secret(old);
    if (fault_now()) {
        return NULL;
    }
    return old == NULL ? counted(realloc(old, size)) : realloc(old, size);
}

static void fault_free(void *old, const char *file, int line)
{
    (void)file;
    (void)line;
    look_for_secret(old);
    atomic_fetch_sub_explicit(&blocks, old == NULL ? 0 : 1, memory_order_relaxed);
    free(old);
}

void testlib_faults_install(void)
{
    if (CRYPTO_set_mem_functions(fault_malloc, fault_realloc, fault_free) != 1) {
        give_up("install the failing allocator");
    }
}

void testlib_faults_arm(unsigned long nth)
{
    fault_happened = false;
    fault_countdown = nth;
}

bool testlib_faults_disarm(void)
{
    fault_countdown = 0;
    return fault_happened;
}

void testlib_faults_each(bool (*attempt)(glue_error *err), unsigned long stride)
{
    glue_error err;
    bool reached = true;
    /* What is made once per process is made before, so that no fault can break it for good. */
    report(attempt(&err), __FILE__, __LINE__, "the attempt fails without a fault");
    for (unsigned long nth = 1; reached; nth += stride) {
        memset(&err, 0, sizeof(err));
        testlib_faults_arm(nth);
        bool done = attempt(&err);
        reached = testlib_faults_disarm();
        report(done || reached, __FILE__, __LINE__, "a failure without a fault: %s", err.message);
        report(done || err.message[0] != '\0', __FILE__, __LINE__,
               "allocation %lu failed without a word", nth);
        report(ERR_peek_error() == 0, __FILE__, __LINE__,
               "allocation %lu left something in OpenSSL's error queue", nth);
        ERR_clear_error();
    }
}
