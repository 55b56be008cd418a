/*
 * glue_reflect.c - everything that can be told of a completed handshake, in one flat struct.
 *
 * Mirrors tls_get_signature_params() and what fills TLS_SESS_STATE in Postfix (tls_misc.c,
 * tls_server.c, tls_client.c, tls_verify.c). Names are OpenSSL's, in OpenSSL's spelling. What a
 * protocol does not have, or a resumed session did not do again, is "" or 0, never a guess:
 * signatures exist only in a full TLS 1.3 handshake (RFC 8446 4.4.3), and a raw public key (RFC
 * 7250) has a fingerprint but no name.
 *
 * Reads a connection and its SSL, owns nothing, and cannot fail: what cannot be had (for lack of
 * memory) stays empty.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/objects.h>
#include <openssl/x509v3.h>

#include "glue_internal.h"

static void copy(char *out, size_t size, const char *text);
static void reflect_session(const glue_conn *conn, glue_snapshot *snapshot);
static void reflect_signatures(const glue_conn *conn, glue_snapshot *snapshot);
static void reflect_peer(const glue_conn *conn, glue_snapshot *snapshot);

bool glue_conn_snapshot(glue_conn *conn, glue_snapshot *snapshot)
{
    memset(snapshot, 0, sizeof(*snapshot));
    snapshot->status = "Anonymous";
    if (conn->mode != GLUE_MODE_TLS) {
        return false;
    }
    reflect_session(conn, snapshot);
    reflect_signatures(conn, snapshot);
    reflect_peer(conn, snapshot);
    if (conn->must_match && snapshot->peer != GLUE_PEER_NONE && !snapshot->resumed &&
        snapshot->verify_code == X509_V_OK) {
        glue_dane_reflect(conn, &snapshot->match);
    }
    snapshot->tlsa_fallback = conn->tlsa_fallback;
    ERR_clear_error();
    return true;
}

static void copy(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text == NULL ? "" : text);
}

/* ------------------------------------------------------------------ protocol and cipher */

/* A client of TLS 1.3 knows tickets only; in TLS 1.2 the session says what it was resumed by. */
static bool resumed_by_ticket(const glue_conn *conn)
{
    if (conn->context->role == GLUE_SERVER) {
        return !conn->session_stored;
    }
    const SSL_SESSION *session = SSL_get_session(conn->ssl);
    return SSL_version(conn->ssl) >= TLS1_3_VERSION ||
           (session != NULL && SSL_SESSION_has_ticket(session) == 1);
}

static void reflect_cipher(const SSL_CIPHER *cipher, glue_snapshot *snapshot)
{
    if (cipher == NULL) {
        return;
    }
    copy(snapshot->cipher, sizeof(snapshot->cipher), SSL_CIPHER_get_name(cipher));
    snapshot->cipher_used_bits = SSL_CIPHER_get_bits(cipher, &snapshot->cipher_algorithm_bits);
    int nid = SSL_CIPHER_get_digest_nid(cipher);
    if (SSL_CIPHER_is_aead(cipher) != 1 && nid != NID_undef) {
        copy(snapshot->mac, sizeof(snapshot->mac), OBJ_nid2sn(nid));
    }
}

static void reflect_session(const glue_conn *conn, glue_snapshot *snapshot)
{
    SSL *ssl = conn->ssl;
    copy(snapshot->protocol, sizeof(snapshot->protocol), SSL_get_version(ssl));
    reflect_cipher(SSL_get_current_cipher(ssl), snapshot);
    copy(snapshot->group, sizeof(snapshot->group), SSL_get0_group_name(ssl));
    snapshot->resumed = SSL_session_reused(ssl) == 1;
    snapshot->ticket = snapshot->resumed && resumed_by_ticket(conn);
    if (conn->context->role == GLUE_SERVER && conn->context->acknowledge_sni) {
        copy(snapshot->sni, sizeof(snapshot->sni), conn->server_name);
    }
}

/* ------------------------------------------------------------------ signatures */

/* Keys with a digest and parameters of their own name get Postfix's words, others OpenSSL's. */
static void reflect_key(const EVP_PKEY *key, glue_signature *signature)
{
    if (EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS")) {
        copy(signature->algorithm, sizeof(signature->algorithm), "RSA-PSS");
        signature->bits = EVP_PKEY_get_bits(key);
        return;
    }
    if (EVP_PKEY_is_a(key, "EC")) {
        copy(signature->algorithm, sizeof(signature->algorithm), "ECDSA");
        EVP_PKEY_get_group_name(key, signature->curve, sizeof(signature->curve), NULL);
        return;
    }
    copy(signature->algorithm, sizeof(signature->algorithm), EVP_PKEY_get0_type_name(key));
}

static void reflect_signature(const EVP_PKEY *key, int digest, bool raw, glue_signature *signature)
{
    if (key == NULL) {
        return;
    }
    reflect_key(key, signature);
    signature->raw_public_key = raw;
    if (digest != NID_undef) {
        copy(signature->digest, sizeof(signature->digest), OBJ_nid2sn(digest));
    }
}

static const EVP_PKEY *peer_key(const SSL *ssl)
{
    const EVP_PKEY *raw = SSL_get0_peer_rpk(ssl);
    const X509 *cert = SSL_get0_peer_certificate(ssl);
    if (raw != NULL || cert == NULL) {
        return raw;
    }
    return X509_get0_pubkey(cert);
}

static void reflect_signatures(const glue_conn *conn, glue_snapshot *snapshot)
{
    SSL *ssl = conn->ssl;
    bool server = conn->context->role == GLUE_SERVER;
    bool server_raw = SSL_get_negotiated_server_cert_type(ssl) == TLSEXT_cert_type_rpk;
    bool client_raw = SSL_get_negotiated_client_cert_type(ssl) == TLSEXT_cert_type_rpk;
    int digest = NID_undef;
    if (SSL_version(ssl) < TLS1_3_VERSION || snapshot->resumed) {
        return;
    }
    /* The local calls fail where this side did not sign: a client that sent no certificate. */
    if (SSL_get_signature_nid(ssl, &digest) == 1) {
        reflect_signature(SSL_get_privatekey(ssl), digest, server ? server_raw : client_raw,
                          server ? &snapshot->server : &snapshot->client);
    }
    if (SSL_get_peer_signature_nid(ssl, &digest) == 1) {
        reflect_signature(peer_key(ssl), digest, server ? client_raw : server_raw,
                          server ? &snapshot->client : &snapshot->server);
    }
}

/* ------------------------------------------------------------------ names */

/* Copied only as a whole, and only what can be logged: no NUL inside, no control characters. */
void glue_reflect_text(const ASN1_STRING *string, char *out, size_t size)
{
    unsigned char *text = NULL;
    int len = string == NULL ? -1 : ASN1_STRING_to_UTF8(&text, string);
    bool fine = len > 0 && (size_t)len < size;
    for (int i = 0; fine && i < len; i++) {
        fine = text[i] >= ' ' && text[i] != 0x7f;
    }
    if (fine) {
        memcpy(out, text, (size_t)len);
        out[len] = '\0';
    }
    OPENSSL_free(text);
}

/* The first entry of this kind; none leaves `out` as it is. */
void glue_reflect_name(const X509_NAME *name, int nid, char *out, size_t size)
{
    int at = name == NULL ? -1 : X509_NAME_get_index_by_NID(name, nid, -1);
    if (at >= 0) {
        glue_reflect_text(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)), out, size);
    }
}

int64_t glue_reflect_seconds(const ASN1_TIME *time)
{
    struct tm parts;
    return ASN1_TIME_to_tm(time, &parts) == 1 ? (int64_t)timegm(&parts) : 0;
}

static void reflect_subject(const glue_conn *conn, const X509 *cert, char *out, size_t size)
{
    glue_reflect_name(X509_get_subject_name(cert), NID_commonName, out, size);
    if (out[0] == '\0') {
        /* The subjectAltName that matched, if names were to be matched. */
        copy(out, size, SSL_get0_peername(conn->ssl));
    }
}

static void reflect_issuer(const X509 *cert, char *out, size_t size)
{
    const X509_NAME *issuer = X509_get_issuer_name(cert);
    glue_reflect_name(issuer, NID_commonName, out, size);
    if (out[0] == '\0') {
        glue_reflect_name(issuer, NID_organizationName, out, size);
    }
}

/* OpenSSL keeps the chain as far as it was built; a resumed session has none. */
static void reflect_untrusted_issuer(const glue_conn *conn, char *out, size_t size)
{
    const STACK_OF(X509) *chain = SSL_get0_verified_chain(conn->ssl);
    if (conn->verify_code == X509_V_OK || conn->verify_depth >= sk_X509_num(chain)) {
        return;
    }
    const X509 *cert = sk_X509_value(chain, conn->verify_depth);
    /* Bytes that are not ASCII become \xHH. */
    if (X509_NAME_oneline(X509_get_issuer_name(cert), out, (int)size) == NULL) {
        out[0] = '\0';
    }
}

bool glue_conn_claims(glue_conn *conn, glue_claims *claims)
{
    memset(claims, 0, sizeof(*claims));
    const X509 *cert = conn->mode == GLUE_MODE_TLS ? SSL_get0_peer_certificate(conn->ssl) : NULL;
    if (cert == NULL) {
        return false;
    }
    reflect_subject(conn, cert, claims->subject, sizeof(claims->subject));
    reflect_issuer(cert, claims->issuer, sizeof(claims->issuer));
    reflect_untrusted_issuer(conn, claims->untrusted_issuer, sizeof(claims->untrusted_issuer));
    ERR_clear_error();
    return true;
}

/* ------------------------------------------------------------------ the peer */

/* Takes over the DER encoding of `len` bytes (negative: there is none). */
static void fingerprint(const glue_conn *conn, unsigned char *der, int len, char *out, size_t size)
{
    if (len <= 0 || !glue_digest_hex(conn->context->digest, der, (size_t)len, out, size)) {
        out[0] = '\0';
    }
    OPENSSL_free(der);
}

void glue_reflect_fingerprints(const glue_conn *conn, const X509 *cert, char *cert_out,
                               char *pkey_out, size_t size)
{
    unsigned char *der = NULL;
    int len = i2d_X509(cert, &der);
    fingerprint(conn, der, len, cert_out, size);
    der = NULL;
    len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
    fingerprint(conn, der, len, pkey_out, size);
}

/* On a resumption nothing was verified again; the session remembers the outcome. */
static void reflect_verification(const glue_conn *conn, glue_snapshot *snapshot)
{
    snapshot->verify_code = glue_verify_result(conn);
    snapshot->verify_depth = conn->verify_depth;
    if (snapshot->verify_code != X509_V_OK) {
        copy(snapshot->verify_text, sizeof(snapshot->verify_text),
             X509_verify_cert_error_string(snapshot->verify_code));
    }
}

/* Postfix's words (spec client.md 9); a level that has to match and did is Verified. A wrong name
 * alone leaves a chain as trusted as it is. */
static const char *status_of(const glue_conn *conn, const glue_snapshot *snapshot)
{
    bool cert = snapshot->peer == GLUE_PEER_X509;
    if (conn->must_match && snapshot->verify_code == X509_V_OK) {
        return conn->auth->half_dane ? "Trusted" : "Verified";
    }
    bool trusted =
        snapshot->verify_code == X509_V_OK || snapshot->verify_code == X509_V_ERR_HOSTNAME_MISMATCH;
    return cert && trusted ? "Trusted" : "Untrusted";
}

static void reflect_rpk(const glue_conn *conn, const EVP_PKEY *key, glue_snapshot *snapshot)
{
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(key, &der);
    fingerprint(conn, der, len, snapshot->peer_pkey_fingerprint,
                sizeof(snapshot->peer_pkey_fingerprint));
    snapshot->peer = GLUE_PEER_RPK;
    snapshot->status = status_of(conn, snapshot);
}

static void reflect_cert(const glue_conn *conn, X509 *cert, glue_snapshot *snapshot)
{
    glue_reflect_fingerprints(conn, cert, snapshot->peer_cert_fingerprint,
                              snapshot->peer_pkey_fingerprint,
                              sizeof(snapshot->peer_pkey_fingerprint));
    snapshot->peer = GLUE_PEER_X509;
    snapshot->status = status_of(conn, snapshot);
    if (strcmp(snapshot->status, "Untrusted") != 0) {
        reflect_subject(conn, cert, snapshot->peer_subject, sizeof(snapshot->peer_subject));
        reflect_issuer(cert, snapshot->peer_issuer, sizeof(snapshot->peer_issuer));
    }
}

static void reflect_peer(const glue_conn *conn, glue_snapshot *snapshot)
{
    const EVP_PKEY *raw = SSL_get0_peer_rpk(conn->ssl);
    X509 *cert = SSL_get0_peer_certificate(conn->ssl);
    if (raw == NULL && cert == NULL) {
        return;
    }
    reflect_verification(conn, snapshot);
    if (raw != NULL) {
        reflect_rpk(conn, raw, snapshot);
        return;
    }
    reflect_cert(conn, cert, snapshot);
}
