/*
 * glue_peer_chain.c - the certificates that a peer sent, one by one, as a person wants to see them.
 *
 * What posttls-finger -C and `openssl s_client -showcerts` are for. All of it is the peer's claim:
 * nothing here says that a certificate is trusted, or that the chain is one. Names are made fit for
 * a terminal: bytes that are not ASCII become \xHH, DNS names that no host can have are left out.
 *
 * Reads a connection and its SSL, owns nothing, and cannot fail: what cannot be had (for lack of
 * memory, or because the library does not know the algorithm) stays empty. A raw public key (RFC
 * 7250) is no certificate; a session that was resumed from its bytes has the peer's own only.
 */
#include <string.h>

#include <openssl/objects.h>
#include <openssl/x509v3.h>

#include "glue_internal.h"

static const X509 *certificate_at(const glue_conn *conn, size_t at);
static void one_line(const X509_NAME *name, char *out, size_t size);
static void reflect_names(const X509 *cert, glue_peer_cert *out);
static void reflect_key(const X509 *cert, glue_peer_cert *out);

bool glue_conn_peer_cert(glue_conn *conn, size_t at, glue_peer_cert *out)
{
    memset(out, 0, sizeof(*out));
    const X509 *cert = conn->mode == GLUE_MODE_TLS ? certificate_at(conn, at) : NULL;
    if (cert == NULL) {
        return false;
    }
    one_line(X509_get_subject_name(cert), out->subject, sizeof(out->subject));
    one_line(X509_get_issuer_name(cert), out->issuer, sizeof(out->issuer));
    reflect_names(cert, out);
    reflect_key(cert, out);
    out->not_before = glue_reflect_seconds(X509_get0_notBefore(cert));
    out->not_after = glue_reflect_seconds(X509_get0_notAfter(cert));
    glue_reflect_fingerprints(conn, cert, out->cert_fingerprint, out->pkey_fingerprint,
                              sizeof(out->pkey_fingerprint));
    ERR_clear_error();
    return true;
}

/* SSL_get_peer_cert_chain() has the peer's own certificate on a client and not on a server. */
static const X509 *certificate_at(const glue_conn *conn, size_t at)
{
    if (at == 0) {
        return SSL_get0_peer_certificate(conn->ssl);
    }
    const STACK_OF(X509) *chain = SSL_get_peer_cert_chain(conn->ssl);
    size_t skipped = conn->context->role == GLUE_SERVER ? 1 : 0;
    size_t count = chain == NULL ? 0 : (size_t)sk_X509_num(chain);
    return at - skipped < count ? sk_X509_value(chain, (int)(at - skipped)) : NULL;
}

static void one_line(const X509_NAME *name, char *out, size_t size)
{
    if (X509_NAME_oneline(name, out, (int)size) == NULL) {
        out[0] = '\0';
    }
}

/* ------------------------------------------------------------------ names */

static bool is_host_name(const ASN1_STRING *string)
{
    const unsigned char *text = ASN1_STRING_get0_data(string);
    int len = ASN1_STRING_length(string);
    bool fine = len > 0 && len < 256;
    for (int i = 0; fine && i < len; i++) {
        unsigned char c = text[i];
        fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '.' || c == '_' || c == '*';
    }
    return fine;
}

/* False where there is no room. */
static bool add_name(const ASN1_STRING *string, glue_peer_cert *out)
{
    size_t used = strlen(out->names);
    size_t len = (size_t)ASN1_STRING_length(string);
    if (used + len + 2 > sizeof(out->names)) {
        return false;
    }
    if (used > 0) {
        out->names[used++] = ' ';
    }
    memcpy(out->names + used, ASN1_STRING_get0_data(string), len);
    out->names[used + len] = '\0';
    return true;
}

static void reflect_names(const X509 *cert, glue_peer_cert *out)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS && is_host_name(name->d.dNSName) &&
            !add_name(name->d.dNSName, out)) {
            out->more_names++;
        }
    }
    GENERAL_NAMES_free(names);
}

/* ------------------------------------------------------------------ keys */

/* A key that the library cannot read has at least the name, or the number, of its algorithm. */
static void reflect_algorithm(const X509 *cert, glue_peer_cert *out)
{
    ASN1_OBJECT *algorithm = NULL;
    const X509_PUBKEY *key = X509_get_X509_PUBKEY(cert);
    if (X509_PUBKEY_get0_param(&algorithm, NULL, NULL, NULL, key) == 1) {
        OBJ_obj2txt(out->key_type, sizeof(out->key_type), algorithm, 0);
    }
}

static void reflect_key(const X509 *cert, glue_peer_cert *out)
{
    const EVP_PKEY *key = X509_get0_pubkey(cert);
    const char *type = key == NULL ? NULL : EVP_PKEY_get0_type_name(key);
    if (type == NULL) {
        reflect_algorithm(cert, out);
        return;
    }
    OPENSSL_strlcpy(out->key_type, type, sizeof(out->key_type));
    if (EVP_PKEY_is_a(key, "EC")) {
        EVP_PKEY_get_group_name(key, out->curve, sizeof(out->curve), NULL);
    } else if (EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS")) {
        out->key_bits = EVP_PKEY_get_bits(key);
    }
}
