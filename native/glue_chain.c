/*
 * glue_chain.c - private keys with their certificate chains, in memory, for contexts and handles.
 *
 * Mirrors the loader of Postfix's tls_certkey.c: (key, certificate, issuers...)* is one stream of
 * PEM objects over any number of files, each read once; a chain may begin in one file and end in
 * the next, so that keys and certificates need not lie together. Everything loads or nothing. Keys
 * are PKCS#8 or the traditional RSA, EC and DSA forms, never encrypted. PEM objects that are
 * neither key nor certificate are passed over; they count in the index of messages, which starts at
 * 1 in each file.
 *
 * A glue_chains is immutable and shared: the last reference frees it. Contexts and handles take
 * references of keys and certificates for themselves. There is one chain per key algorithm,
 * because OpenSSL has one slot for each (all EC curves share theirs); a second one would replace
 * the first unseen. A failure means a file the operator has to change, and the sentence names it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/pemerr.h>

#include "glue_internal.h"

/* Chains are a few KiB each; beyond this somebody named the wrong file. */
#define FILE_MAX_SIZE (16u * 1024u * 1024u)

struct glue_chains {
    atomic_int references;
    size_t count;
    glue_chain *list;
};

typedef enum load_state {
    STATE_INIT, /* nothing yet */
    STATE_PKEY, /* a key waits for its certificate */
    STATE_CERT  /* a chain that may still get issuers */
} load_state;

/* One run over all files; survives from one to the next. */
typedef struct load_run {
    glue_chains *chains;
    load_state state;
    glue_chain open;      /* the chain being read */
    int key_index;        /* of its key, for messages */
    char key_origin[256]; /* the file that was in */
    const char *origin;   /* the file being read */
    int index;            /* of the object being read */
    glue_error *err;
} load_run;

/* One decoded PEM object. */
typedef struct pem_object {
    char *type;
    char *header;
    unsigned char *data;
    long len;
} pem_object;

static glue_chains *chains_new(glue_error *err);
static bool load_file(load_run *run, const char *path);
static bool load_memory(load_run *run, const void *pem, size_t len);
static glue_chains *load_finish(load_run *run, bool ok, const char *origins);
static void chain_clear(glue_chain *chain);

/* ------------------------------------------------------------------ public: loading */

static bool library_ready(glue_error *err)
{
    if (glue_library_conn_index() >= 0) {
        return true;
    }
    glue_error_set(err, GLUE_E_INVALID_STATE, "the TLS library is not initialised");
    return false;
}

static void list_files(const char *const *files, size_t count, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < count && used < size; i++) {
        int n = snprintf(out + used, size - used, "%s%s", i == 0 ? "" : ", ", files[i]);
        used += n > 0 ? (size_t)n : 0;
    }
}

glue_chains *glue_chains_load(const char *const *files, size_t count, glue_error *err)
{
    char origins[256];
    if (!library_ready(err)) {
        return NULL;
    }
    load_run run = {.chains = chains_new(err), .err = err};
    if (run.chains == NULL) {
        return NULL;
    }
    list_files(files, count, origins, sizeof(origins));
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++) {
        ok = load_file(&run, files[i]);
    }
    return load_finish(&run, ok, origins);
}

glue_chains *glue_chains_parse(const void *pem, size_t len, const char *origin, glue_error *err)
{
    if (!library_ready(err)) {
        return NULL;
    }
    load_run run = {.chains = chains_new(err), .origin = origin, .err = err};
    if (run.chains == NULL) {
        return NULL;
    }
    return load_finish(&run, load_memory(&run, pem, len), origin);
}

/* ------------------------------------------------------------------ public: sharing and use */

glue_chains *glue_chains_up_ref(glue_chains *chains)
{
    if (chains != NULL) {
        atomic_fetch_add_explicit(&chains->references, 1, memory_order_relaxed);
    }
    return chains;
}

void glue_chains_free(glue_chains *chains)
{
    /* Whoever frees must see what the others did with it before they let go. */
    if (chains == NULL ||
        atomic_fetch_sub_explicit(&chains->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < chains->count; i++) {
        chain_clear(&chains->list[i]);
    }
    OPENSSL_free(chains->list);
    OPENSSL_free(chains);
}

size_t glue_chains_count(const glue_chains *chains)
{
    return chains->count;
}

const char *glue_chains_key_type(const glue_chains *chains, size_t i)
{
    const char *name = i < chains->count ? EVP_PKEY_get0_type_name(chains->list[i].key) : NULL;
    return name == NULL ? "" : name;
}

bool glue_chains_install_context(const glue_chains *chains, SSL_CTX *ctx)
{
    for (size_t i = 0; i < chains->count; i++) {
        const glue_chain *chain = &chains->list[i];
        if (SSL_CTX_use_cert_and_key(ctx, chain->leaf, chain->key, chain->issuers, 0) != 1) {
            return false;
        }
    }
    return true;
}

bool glue_chains_install_handle(const glue_chains *chains, SSL *ssl)
{
    SSL_certs_clear(ssl);
    for (size_t i = 0; i < chains->count; i++) {
        const glue_chain *chain = &chains->list[i];
        if (SSL_use_cert_and_key(ssl, chain->leaf, chain->key, chain->issuers, 0) != 1) {
            return false;
        }
    }
    return true;
}

/* ------------------------------------------------------------------ one chain */

static void free_issuers(STACK_OF(X509) * issuers)
{
    sk_X509_pop_free(issuers, X509_free);
}

static void chain_clear(glue_chain *chain)
{
    EVP_PKEY_free(chain->key);
    X509_free(chain->leaf);
    free_issuers(chain->issuers);
    memset(chain, 0, sizeof(*chain));
}

static glue_chains *chains_new(glue_error *err)
{
    ERR_clear_error();
    glue_chains *chains = OPENSSL_zalloc(sizeof(*chains));
    if (chains == NULL) {
        glue_error_openssl(err, GLUE_E_OUT_OF_MEMORY, NULL);
        return NULL;
    }
    atomic_init(&chains->references, 1);
    return chains;
}

/* ------------------------------------------------------------------ the state machine */

static bool same_algorithm_there(const glue_chains *chains, const EVP_PKEY *key)
{
    for (size_t i = 0; i < chains->count; i++) {
        const char *type = EVP_PKEY_get0_type_name(chains->list[i].key);
        if (type != NULL && EVP_PKEY_is_a(key, type)) {
            return true;
        }
    }
    return false;
}

/* Why the open chain cannot be used, or NULL. */
static const char *chain_fault(const load_run *run)
{
    if (X509_check_private_key(run->open.leaf, run->open.key) != 1) {
        return "";
    }
    if (same_algorithm_there(run->chains, run->open.key)) {
        return ": there is a chain of the same algorithm already";
    }
    /* A key for key exchange matches its certificate, too. */
    if (EVP_PKEY_can_sign(run->open.key) != 1) {
        return ": such a key cannot sign";
    }
    return NULL;
}

/* Ends the open chain; `certificate` is Postfix's wording for which one does not match. */
static bool close_chain(load_run *run, const char *certificate)
{
    glue_chains *chains = run->chains;
    const char *fault = chain_fault(run);
    if (fault != NULL) {
        glue_error_openssl(run->err, GLUE_E_CHAIN_KEY_MISMATCH,
                           "key at index %d in %.240s does not match %s%s", run->key_index,
                           run->key_origin, certificate, fault);
        return false;
    }
    glue_chain *list = OPENSSL_realloc(chains->list, (chains->count + 1) * sizeof(chains->list[0]));
    if (list == NULL) {
        glue_error_openssl(run->err, GLUE_E_OUT_OF_MEMORY, NULL);
        return false;
    }
    chains->list = list;
    chains->list[chains->count++] = run->open;
    memset(&run->open, 0, sizeof(run->open));
    return true;
}

/* Takes over `key`. */
static bool add_key(load_run *run, EVP_PKEY *key)
{
    if (run->state == STATE_CERT && !close_chain(run, "the certificate")) {
        EVP_PKEY_free(key);
        return false;
    }
    if (run->state == STATE_PKEY) {
        EVP_PKEY_free(key);
        glue_error_set(run->err, GLUE_E_CHAIN_KEY_WITHOUT_CERT,
                       "key at index %d in %.240s not followed by a certificate", run->key_index,
                       run->key_origin);
        return false;
    }
    run->open.key = key;
    run->key_index = run->index;
    snprintf(run->key_origin, sizeof(run->key_origin), "%s", run->origin);
    run->state = STATE_PKEY;
    return true;
}

/* Takes over `cert`. */
static bool add_issuer(load_run *run, X509 *cert)
{
    if (run->open.issuers == NULL) {
        run->open.issuers = sk_X509_new_null();
    }
    if (run->open.issuers != NULL && sk_X509_push(run->open.issuers, cert) > 0) {
        return true;
    }
    X509_free(cert);
    glue_error_openssl(run->err, GLUE_E_OUT_OF_MEMORY, NULL);
    return false;
}

/* Takes over `cert`. */
static bool add_cert(load_run *run, X509 *cert)
{
    switch (run->state) {
    case STATE_PKEY:
        run->open.leaf = cert;
        run->state = STATE_CERT;
        return true;
    case STATE_CERT:
        return add_issuer(run, cert);
    default:
        X509_free(cert);
        glue_error_set(run->err, GLUE_E_CHAIN_KEY_NOT_FIRST,
                       "%.240s: key not first: PEM object number %d is a certificate", run->origin,
                       run->index);
        return false;
    }
}

/* The end of the last file. Frees the run's chains on failure, hands them out otherwise. */
static glue_chains *load_finish(load_run *run, bool ok, const char *origins)
{
    if (ok && run->state == STATE_INIT) {
        glue_error_set(run->err, GLUE_E_CHAIN_NO_PEM_DATA, "No PEM data in %.240s", origins);
        ok = false;
    }
    if (ok && run->state == STATE_PKEY) {
        glue_error_set(run->err, GLUE_E_CHAIN_KEY_WITHOUT_CERT,
                       "No certs for key at index %d in %.240s", run->key_index, run->key_origin);
        ok = false;
    }
    ok = ok && close_chain(run, "next certificate");
    ERR_clear_error();
    if (ok) {
        return run->chains;
    }
    chain_clear(&run->open);
    glue_chains_free(run->chains);
    return NULL;
}

/* ------------------------------------------------------------------ PEM objects */

typedef enum object_kind { KIND_OTHER, KIND_KEY, KIND_CERT, KIND_ENCRYPTED } object_kind;

static object_kind object_kind_of(const pem_object *object)
{
    static const struct {
        const char *type;
        object_kind kind;
    } table[] = {
        {PEM_STRING_PKCS8INF, KIND_KEY},     {PEM_STRING_RSA, KIND_KEY},
        {PEM_STRING_ECPRIVATEKEY, KIND_KEY}, {PEM_STRING_DSA, KIND_KEY},
        {PEM_STRING_X509, KIND_CERT},        {PEM_STRING_X509_OLD, KIND_CERT},
        {PEM_STRING_PKCS8, KIND_ENCRYPTED},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strcmp(object->type, table[i].type) == 0) {
            /* A traditional key says in its header that it is encrypted. */
            bool locked = table[i].kind == KIND_KEY && object->header[0] != '\0';
            return locked ? KIND_ENCRYPTED : table[i].kind;
        }
    }
    return KIND_OTHER;
}

static bool bad_object(const load_run *run, const char *what)
{
    glue_error_openssl(run->err, GLUE_E_CHAIN_BAD_OBJECT,
                       "error loading %s (PEM object number %d) from %.240s", what, run->index,
                       run->origin);
    return false;
}

static bool whole(const load_run *run, const pem_object *object, const unsigned char *end,
                  const char *what)
{
    if (end == object->data + object->len) {
        return true;
    }
    glue_error_openssl(run->err, GLUE_E_CHAIN_BAD_OBJECT,
                       "error loading %s (PEM object number %d) from %.240s: excess data", what,
                       run->index, run->origin);
    return false;
}

static bool decode_key(load_run *run, const pem_object *object)
{
    const unsigned char *at = object->data;
    /* Tells PKCS#8 from the traditional forms by itself, unlike d2i_PrivateKey(). */
    EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &at, object->len);
    if (key == NULL) {
        return bad_object(run, "private key");
    }
    if (!whole(run, object, at, "private key")) {
        EVP_PKEY_free(key);
        return false;
    }
    return add_key(run, key);
}

static bool decode_cert(load_run *run, const pem_object *object)
{
    const unsigned char *at = object->data;
    X509 *cert = d2i_X509(NULL, &at, object->len);
    if (cert == NULL) {
        return bad_object(run, "certificate");
    }
    if (!whole(run, object, at, "certificate")) {
        X509_free(cert);
        return false;
    }
    return add_cert(run, cert);
}

static bool load_object(load_run *run, const pem_object *object)
{
    switch (object_kind_of(object)) {
    case KIND_KEY:
        return decode_key(run, object);
    case KIND_CERT:
        return decode_cert(run, object);
    case KIND_ENCRYPTED:
        return bad_object(run, "private key: it is encrypted");
    default:
        return true;
    }
}

static void object_clear(pem_object *object)
{
    OPENSSL_free(object->type);
    OPENSSL_free(object->header);
    OPENSSL_clear_free(object->data, object->len > 0 ? (size_t)object->len : 0);
}

/* ------------------------------------------------------------------ files and memory */

/* True at the end of the PEM data, which the decoder reports as a missing start line. */
static bool at_end(const load_run *run)
{
    unsigned long code = ERR_peek_last_error();
    if (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE) {
        ERR_clear_error();
        return true;
    }
    return bad_object(run, "data");
}

static bool load_bio(load_run *run, BIO *bio)
{
    bool ok = true;
    for (run->index = 1; ok; run->index++) {
        pem_object object = {0};
        ERR_clear_error();
        if (PEM_read_bio(bio, &object.type, &object.header, &object.data, &object.len) != 1) {
            return at_end(run);
        }
        ok = load_object(run, &object);
        object_clear(&object);
    }
    return false;
}

static bool load_memory(load_run *run, const void *pem, size_t len)
{
    if (len > FILE_MAX_SIZE) {
        glue_error_set(run->err, GLUE_E_CHAIN_FILE, "%.240s is too large for a chain file",
                       run->origin);
        return false;
    }
    BIO *bio = BIO_new_mem_buf(pem, (int)len);
    if (bio == NULL) {
        glue_error_openssl(run->err, GLUE_E_OUT_OF_MEMORY, NULL);
        return false;
    }
    bool ok = load_bio(run, bio);
    BIO_free(bio);
    return ok;
}

typedef struct byte_buffer {
    char *data;
    size_t len;
    size_t size;
} byte_buffer;

/* False with errno set. Doubles; keys are wiped where they were. */
static bool buffer_grow(byte_buffer *buffer)
{
    size_t size = buffer->size == 0 ? 16384 : buffer->size * 2;
    if (size > 2 * (size_t)FILE_MAX_SIZE) {
        errno = EFBIG;
        return false;
    }
    char *data = OPENSSL_clear_realloc(buffer->data, buffer->size, size);
    if (data == NULL) {
        errno = ENOMEM;
        return false;
    }
    buffer->data = data;
    buffer->size = size;
    return true;
}

/* Not mapped and not by fstat(): a chain may come through a pipe. */
static bool read_all(int fd, byte_buffer *buffer)
{
    for (;;) {
        if (buffer->len == buffer->size && !buffer_grow(buffer)) {
            return false;
        }
        ssize_t n = read(fd, buffer->data + buffer->len, buffer->size - buffer->len);
        if (n == 0) {
            return true;
        }
        if (n < 0 && errno != EINTR) {
            return false;
        }
        buffer->len += n > 0 ? (size_t)n : 0;
    }
}

static bool load_file(load_run *run, const char *path)
{
    byte_buffer buffer = {0};
    run->origin = path;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && read_all(fd, &buffer);
    int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    if (ok) {
        ok = load_memory(run, buffer.data, buffer.len);
    } else {
        ERR_clear_error();
        glue_error_set_errno(run->err, error == ENOMEM ? GLUE_E_OUT_OF_MEMORY : GLUE_E_CHAIN_FILE,
                             error, "error opening chain file %.240s", path);
    }
    OPENSSL_clear_free(buffer.data, buffer.size);
    return ok;
}
