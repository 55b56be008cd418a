/*
 * glue_auth.c - what a server must show to be known: reference names, TLSA records, trust anchors.
 *
 * Mirrors what Postfix keeps in TLS_DANE and TLS_CLIENT_START_PROPS (tls_dane.c, tls_client.c). A
 * trust-anchor file is PEM: each certificate and public key in it becomes two records with the full
 * content, usages 2 and 3 (RFC 6698 2.1.1), so that an anchor may also be the leaf. Other objects
 * are passed over; a file without any of the two is an error, as it would trust nobody.
 *
 * A glue_auth is immutable and shared: the last reference frees it. Its id is a digest of all that
 * is in it: sessions carry it, so that none is resumed where something else had to match.
 */
#include <stdatomic.h>
#include <string.h>

#include <openssl/pem.h>
#include <openssl/pemerr.h>

#include "glue_internal.h"

static bool copy_names(glue_auth *auth, const glue_auth_props *props);
static bool copy_records(glue_auth *auth, const glue_auth_props *props);
static bool load_anchors(glue_auth *auth, const char *path, glue_error *err);
static bool make_id(glue_auth *auth);

/* ------------------------------------------------------------------ public */

static bool fill(glue_auth *auth, const glue_auth_props *props, glue_error *err)
{
    auth->forced_failure = props->forced_failure;
    auth->must_match = props->must_match;
    auth->half_dane = props->half_dane;
    auth->encrypt_if_unusable = props->encrypt_if_unusable;
    auth->request_rpk = props->request_rpk;
    auth->anchors = props->anchor_file_count > 0;
    if (!copy_names(auth, props) || !copy_records(auth, props)) {
        glue_error_openssl(err, GLUE_E_OUT_OF_MEMORY, NULL);
        return false;
    }
    for (size_t i = 0; i < props->anchor_file_count; i++) {
        if (!load_anchors(auth, props->anchor_files[i], err)) {
            return false;
        }
    }
    if (!make_id(auth)) {
        glue_error_openssl(err, GLUE_E_OUT_OF_MEMORY, NULL);
        return false;
    }
    return true;
}

glue_auth *glue_auth_new(const glue_auth_props *props, glue_error *err)
{
    if (glue_library_conn_index() < 0) {
        glue_error_set(err, GLUE_E_INVALID_STATE, "the TLS library is not initialised");
        return NULL;
    }
    ERR_clear_error();
    glue_auth *auth = OPENSSL_zalloc(sizeof(*auth));
    if (auth == NULL) {
        glue_error_openssl(err, GLUE_E_OUT_OF_MEMORY, NULL);
        return NULL;
    }
    atomic_init(&auth->references, 1);
    if (!fill(auth, props, err)) {
        glue_auth_free(auth);
        return NULL;
    }
    return auth;
}

glue_auth *glue_auth_up_ref(glue_auth *auth)
{
    if (auth != NULL) {
        atomic_fetch_add_explicit(&auth->references, 1, memory_order_relaxed);
    }
    return auth;
}

void glue_auth_free(glue_auth *auth)
{
    if (auth == NULL ||
        atomic_fetch_sub_explicit(&auth->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < auth->name_count; i++) {
        OPENSSL_free(auth->names[i]);
    }
    for (size_t i = 0; i < auth->tlsa_count; i++) {
        OPENSSL_free((void *)auth->tlsa[i].data);
    }
    OPENSSL_free(auth->names);
    OPENSSL_free(auth->tlsa);
    OPENSSL_free(auth);
}

/* ------------------------------------------------------------------ copies */

static bool copy_names(glue_auth *auth, const glue_auth_props *props)
{
    if (props->name_count == 0) {
        return true;
    }
    auth->names = OPENSSL_zalloc(props->name_count * sizeof(auth->names[0]));
    for (size_t i = 0; auth->names != NULL && i < props->name_count; i++) {
        auth->names[i] = OPENSSL_strdup(props->names[i]);
        if (auth->names[i] == NULL) {
            return false;
        }
        auth->name_count++;
    }
    return auth->names != NULL;
}

static bool add_record(glue_auth *auth, const glue_tlsa *record)
{
    glue_tlsa *list = OPENSSL_realloc(auth->tlsa, (auth->tlsa_count + 1) * sizeof(auth->tlsa[0]));
    if (list == NULL) {
        return false;
    }
    auth->tlsa = list;
    glue_tlsa *own = &list[auth->tlsa_count];
    *own = *record;
    /* A record without data is for OpenSSL to refuse. */
    own->data = record->len == 0 ? NULL : OPENSSL_memdup(record->data, record->len);
    if (record->len != 0 && own->data == NULL) {
        return false;
    }
    auth->tlsa_count++;
    return true;
}

static bool copy_records(glue_auth *auth, const glue_auth_props *props)
{
    for (size_t i = 0; i < props->tlsa_count; i++) {
        if (!add_record(auth, &props->tlsa[i])) {
            return false;
        }
    }
    return true;
}

/* ------------------------------------------------------------------ trust anchors */

typedef enum anchor_kind { ANCHOR_CERT, ANCHOR_KEY, ANCHOR_OTHER } anchor_kind;

static anchor_kind kind_of(const char *type)
{
    if (strcmp(type, PEM_STRING_X509) == 0 || strcmp(type, PEM_STRING_X509_OLD) == 0) {
        return ANCHOR_CERT;
    }
    return strcmp(type, PEM_STRING_PUBLIC) == 0 ? ANCHOR_KEY : ANCHOR_OTHER;
}

/* It decodes, to the last byte. */
static bool decodes(anchor_kind kind, const unsigned char *der, long len)
{
    const unsigned char *at = der;
    if (kind == ANCHOR_CERT) {
        X509 *cert = d2i_X509(NULL, &at, len);
        X509_free(cert);
        return cert != NULL && at == der + len;
    }
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, len);
    EVP_PKEY_free(key);
    return key != NULL && at == der + len;
}

static bool add_anchor(glue_auth *auth, anchor_kind kind, const unsigned char *der, long len)
{
    glue_tlsa record = {.selector = kind == ANCHOR_KEY, .data = der, .len = (size_t)len};
    for (unsigned char usage = 2; usage <= 3; usage++) {
        record.usage = usage;
        if (!add_record(auth, &record)) {
            return false;
        }
    }
    return true;
}

static bool bad_anchor(const char *path, const char *what, glue_error *err)
{
    glue_error_openssl(err, GLUE_E_CA_LOAD, "the trust anchor file %.240s %s", path, what);
    return false;
}

/* One object: 1 when one was read, 0 at the end, -1 and *err on failure. */
static int load_anchor(glue_auth *auth, BIO *file, const char *path, glue_error *err)
{
    char *type = NULL;
    char *header = NULL;
    unsigned char *der = NULL;
    long len = 0;
    ERR_clear_error();
    if (PEM_read_bio(file, &type, &header, &der, &len) != 1) {
        if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE) {
            return 0;
        }
        bad_anchor(path, "cannot be read", err);
        return -1;
    }
    anchor_kind kind = kind_of(type);
    int done = 1;
    if (kind != ANCHOR_OTHER && !decodes(kind, der, len)) {
        bad_anchor(path, "has an object that cannot be decoded", err);
        done = -1;
    } else if (kind != ANCHOR_OTHER && !add_anchor(auth, kind, der, len)) {
        glue_error_openssl(err, GLUE_E_OUT_OF_MEMORY, NULL);
        done = -1;
    }
    OPENSSL_free(type);
    OPENSSL_free(header);
    OPENSSL_free(der);
    return done;
}

static bool load_anchors(glue_auth *auth, const char *path, glue_error *err)
{
    size_t before = auth->tlsa_count;
    BIO *file = BIO_new_file(path, "r");
    if (file == NULL) {
        return bad_anchor(path, "cannot be opened", err);
    }
    int more = 1;
    while (more == 1) {
        more = load_anchor(auth, file, path, err);
    }
    BIO_free(file);
    ERR_clear_error();
    if (more == 0 && auth->tlsa_count == before) {
        return bad_anchor(path, "has neither a certificate nor a public key", err);
    }
    return more == 0;
}

/* ------------------------------------------------------------------ the id */

/* Each field with its length before it, so that no two can give the same bytes. */
static bool hash_field(EVP_MD_CTX *hash, const void *data, size_t len)
{
    uint64_t length = len;
    return EVP_DigestUpdate(hash, &length, sizeof(length)) == 1 &&
           EVP_DigestUpdate(hash, data, len) == 1;
}

static bool hash_all(EVP_MD_CTX *hash, const glue_auth *auth)
{
    unsigned char rules[] = {auth->anchors,   auth->forced_failure,      auth->must_match,
                             auth->half_dane, auth->encrypt_if_unusable, auth->request_rpk};
    bool ok = hash_field(hash, rules, sizeof(rules)) &&
              hash_field(hash, &auth->name_count, sizeof(auth->name_count));
    for (size_t i = 0; ok && i < auth->name_count; i++) {
        ok = hash_field(hash, auth->names[i], strlen(auth->names[i]));
    }
    for (size_t i = 0; ok && i < auth->tlsa_count; i++) {
        const glue_tlsa *record = &auth->tlsa[i];
        unsigned char kind[] = {record->usage, record->selector, record->matching_type};
        ok = hash_field(hash, kind, sizeof(kind)) && hash_field(hash, record->data, record->len);
    }
    return ok;
}

static bool make_id(glue_auth *auth)
{
    EVP_MD *md = EVP_MD_fetch(NULL, "SHA256", NULL);
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    bool ok = md != NULL && hash != NULL && EVP_DigestInit_ex2(hash, md, NULL) == 1 &&
              hash_all(hash, auth) && EVP_DigestFinal_ex(hash, auth->id, NULL) == 1;
    EVP_MD_CTX_free(hash);
    EVP_MD_free(md);
    return ok;
}
