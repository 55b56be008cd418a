/*
 * glue_chain.c - private keys with their certificate chains, in memory, for contexts and handles.
 *
 * A glue_chains is immutable once a loader (glue_chain_files.c, glue_chain_pairs.c) has handed it
 * out, and shared: the last reference frees it. Contexts and handles take references of keys and
 * certificates for themselves. There is one chain per key algorithm, because OpenSSL has one slot
 * for each (all EC curves share theirs); a second one would replace the first unseen.
 */
#include <stdatomic.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "glue_internal.h"

struct glue_chains {
    atomic_int references;
    size_t count;
    glue_chain *list;
};

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
        glue_chain_clear(&chains->list[i]);
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

/* ------------------------------------------------------------------ public: what is in them */

/* The first DNS name: certificates of short life often have no subject. */
static void alternative_name(const X509 *cert, char *out, size_t size)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && out[0] == '\0'; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS) {
            glue_reflect_text(name->d.dNSName, out, size);
        }
    }
    GENERAL_NAMES_free(names);
}

bool glue_chains_cert(const glue_chains *chains, size_t i, size_t depth, glue_chain_cert *out)
{
    memset(out, 0, sizeof(*out));
    if (i >= chains->count) {
        return false;
    }
    const glue_chain *chain = &chains->list[i];
    const X509 *cert =
        depth == 0 ? chain->leaf : sk_X509_value(chain->issuers, (int)depth - 1); /* NULL-safe */
    if (cert == NULL) {
        return false;
    }
    glue_reflect_name(X509_get_subject_name(cert), NID_commonName, out->subject,
                      sizeof(out->subject));
    if (out->subject[0] == '\0') {
        alternative_name(cert, out->subject, sizeof(out->subject));
    }
    out->not_before = glue_reflect_seconds(X509_get0_notBefore(cert));
    out->not_after = glue_reflect_seconds(X509_get0_notAfter(cert));
    out->file = chain->file;
    out->index = chain->index;
    ERR_clear_error();
    return true;
}

/* ------------------------------------------------------------------ for the loaders */

glue_chains *glue_chains_new(glue_error *err)
{
    if (glue_library_conn_index() < 0) {
        glue_error_set(err, GLUE_E_INVALID_STATE, "the TLS library is not initialised");
        return NULL;
    }
    ERR_clear_error();
    glue_chains *chains = OPENSSL_zalloc(sizeof(*chains));
    if (chains == NULL) {
        glue_error_openssl(err, GLUE_E_OUT_OF_MEMORY, NULL);
        return NULL;
    }
    atomic_init(&chains->references, 1);
    return chains;
}

void glue_chain_clear(glue_chain *chain)
{
    EVP_PKEY_free(chain->key);
    X509_free(chain->leaf);
    sk_X509_pop_free(chain->issuers, X509_free);
    OPENSSL_free(chain->file);
    memset(chain, 0, sizeof(*chain));
}

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

bool glue_chain_usable(const glue_chains *chains, const glue_chain *chain, const char **why)
{
    *why = NULL;
    if (X509_check_private_key(chain->leaf, chain->key) != 1) {
        return false;
    }
    if (same_algorithm_there(chains, chain->key)) {
        /* What OpenSSL would say, which installs chains without replacing any. */
        ERR_raise(ERR_LIB_SSL, SSL_R_NOT_REPLACING_CERTIFICATE);
        *why = "there is a chain of the same algorithm already";
        return false;
    }
    /* A key for key exchange matches its certificate, too. */
    if (EVP_PKEY_can_sign(chain->key) != 1) {
        ERR_raise(ERR_LIB_SSL, SSL_R_UNKNOWN_CERTIFICATE_TYPE);
        *why = "such a key cannot sign";
        return false;
    }
    return true;
}

bool glue_chain_set_leaf(glue_chain *chain, X509 *cert, const char *file, int index,
                         glue_error *err)
{
    chain->leaf = cert;
    chain->index = index;
    chain->file = OPENSSL_strdup(file);
    if (chain->file == NULL) {
        glue_error_openssl(err, GLUE_E_OUT_OF_MEMORY, NULL);
        return false;
    }
    return true;
}

bool glue_chain_add_issuer(glue_chain *chain, X509 *cert, glue_error *err)
{
    if (chain->issuers == NULL) {
        chain->issuers = sk_X509_new_null();
    }
    if (chain->issuers != NULL && sk_X509_push(chain->issuers, cert) > 0) {
        return true;
    }
    X509_free(cert);
    glue_error_openssl(err, GLUE_E_OUT_OF_MEMORY, NULL);
    return false;
}

bool glue_chains_append(glue_chains *chains, glue_chain *chain, glue_error *err)
{
    glue_chain *list = OPENSSL_realloc(chains->list, (chains->count + 1) * sizeof(chains->list[0]));
    if (list == NULL) {
        glue_error_openssl(err, GLUE_E_OUT_OF_MEMORY, NULL);
        return false;
    }
    chains->list = list;
    chains->list[chains->count++] = *chain;
    memset(chain, 0, sizeof(*chain));
    return true;
}
