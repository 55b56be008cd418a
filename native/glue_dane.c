/*
 * glue_dane.c - what a server must show, told to OpenSSL, and what it was matched by.
 *
 * Mirrors Postfix's tls_dane.c and the authentication part of tls_client.c. OpenSSL does all
 * matching: TLSA records (RFC 6698, RFC 7671 digest agility, RFC 7672 no names with DANE-EE),
 * fingerprints and trust anchors as synthetic records, reference names (RFC 6125), raw public keys
 * (RFC 7250, matched by 3 1 x). Here it is only told what to match, and what follows where it can
 * use none of it: levels dane and halfdane fall back to encryption alone, all others make
 * verification fail, and the handshake goes on either way. Where nothing has to match, names are
 * compared if there are any, and a wrong one is a verification error in a session that is Trusted.
 *
 * What cannot be set up for lack of memory is never taken for a record that is unusable, since that
 * may lower the level.
 */
#include <stdio.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "glue_internal.h"

/* Certificate usage (RFC 7218); OpenSSL (3.5) has no public name for it. */
#define DANE_EE 3

/* Data in log lines: the whole, or both ends. */
#define SHOWN 64

/* ------------------------------------------------------------------ contexts */

static glue_status set_digest(SSL_CTX *ctx, const glue_dane_digest *digest, unsigned char strength,
                              glue_error *err)
{
    /* OpenSSL keeps the pointer, not a reference: these are static. Fetching tells if it works. */
    const EVP_MD *md = EVP_get_digestbyname(digest->name);
    EVP_MD *working = EVP_MD_fetch(NULL, digest->name, NULL);
    bool known = md != NULL && working != NULL;
    EVP_MD_free(working);
    if (!known) {
        return glue_error_openssl(err, GLUE_E_BAD_DIGEST, "Digest algorithm \"%.100s\" not found",
                                  digest->name);
    }
    if (SSL_CTX_dane_mtype_set(ctx, md, digest->number, strength) != 1) {
        return glue_error_openssl(err, GLUE_E_OUT_OF_MEMORY, NULL);
    }
    return GLUE_OK;
}

/* Without a list OpenSSL's own stays: sha512 (2) before sha256 (1). */
static glue_status set_digests(SSL_CTX *ctx, const glue_context_props *props, glue_error *err)
{
    if (props->dane_digests == NULL) {
        return GLUE_OK;
    }
    for (unsigned char number = 1; number <= 2; number++) {
        if (SSL_CTX_dane_mtype_set(ctx, NULL, number, 0) != 1) {
            return glue_error_openssl(err, GLUE_E_OUT_OF_MEMORY, NULL);
        }
    }
    for (size_t i = 0; i < props->dane_digest_count; i++) {
        unsigned char strength = (unsigned char)(props->dane_digest_count - i);
        if (set_digest(ctx, &props->dane_digests[i], strength, err) != GLUE_OK) {
            return GLUE_ERROR;
        }
    }
    return GLUE_OK;
}

glue_status glue_dane_enable(glue_context *context, const glue_context_props *props,
                             glue_error *err)
{
    SSL_CTX *ctx = context->ctx;
    if (SSL_CTX_dane_enable(ctx) != 1) {
        return glue_error_openssl(err, GLUE_E_OUT_OF_MEMORY, NULL);
    }
    if (set_digests(ctx, props, err) != GLUE_OK) {
        return GLUE_ERROR;
    }
    /* The context's digest lives as long as its connections. */
    if (SSL_CTX_dane_mtype_set(ctx, context->digest, GLUE_TLSA_FINGERPRINT, 1) != 1) {
        return glue_error_openssl(err, GLUE_E_OUT_OF_MEMORY, NULL);
    }
    return GLUE_OK;
}

/* ------------------------------------------------------------------ records as text */

static char *put_hex(char *out, const unsigned char *data, size_t len)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < len; i++) {
        *out++ = hex[data[i] >> 4];
        *out++ = hex[data[i] & 0x0f];
    }
    *out = '\0';
    return out;
}

/* Room for SHOWN bytes in hex and the dots between its ends. */
typedef char data_text[2 * SHOWN + 4];

static void show_data(data_text out, const unsigned char *data, size_t len)
{
    if (len <= SHOWN) {
        put_hex(out, data, len);
        return;
    }
    char *at = put_hex(out, data, SHOWN / 2);
    memcpy(at, "...", 3);
    put_hex(at + 3, data + len - SHOWN / 2, SHOWN / 2);
}

static void show_record(char *out, size_t size, const glue_tlsa *record)
{
    data_text data;
    show_data(data, record->data, record->len);
    snprintf(out, size, "%u %u %u %s", record->usage, record->selector, record->matching_type,
             data);
}

/* ------------------------------------------------------------------ records */

/* Empties the queue. */
static bool out_of_memory(void)
{
    bool found = false;
    for (unsigned long code = ERR_get_error(); code != 0; code = ERR_get_error()) {
        found = found || ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE;
    }
    return found;
}

typedef enum added { ADDED, UNUSABLE, FAILED } added;

static added try_record(struct glue_conn *conn, const glue_tlsa *record)
{
    ERR_clear_error();
    int ret = SSL_dane_tlsa_add(conn->ssl, record->usage, record->selector, record->matching_type,
                                record->data, record->len);
    bool starved = out_of_memory();
    if (ret > 0) {
        return ADDED;
    }
    return ret < 0 || starved ? FAILED : UNUSABLE;
}

static added add_record(struct glue_conn *conn, const glue_tlsa *record)
{
    char text[sizeof(((glue_notice *)NULL)->name)];
    added what = try_record(conn, record);
    if (what == UNUSABLE && record->matching_type == 0) {
        /* Decoding a key (OpenSSL 3.5) may hide that it had no memory. */
        what = try_record(conn, record);
    }
    if (what != UNUSABLE) {
        return what;
    }
    show_record(text, sizeof(text), record);
    return glue_notice_add(conn, GLUE_NOTICE_TLSA_UNUSABLE, text, "") ? UNUSABLE : FAILED;
}

/* Nothing can match: the level falls back to encrypt, or verification fails. */
static bool without_records(struct glue_conn *conn)
{
    if (!conn->auth->encrypt_if_unusable) {
        glue_verify_force_failure(conn);
        return glue_notice_add(conn, GLUE_NOTICE_TLSA_NONE, "", "");
    }
    conn->must_match = false;
    conn->tlsa_fallback = true;
    SSL_set_security_level(conn->ssl, 0);
    return glue_notice_add(conn, GLUE_NOTICE_TLSA_FALLBACK, "", "");
}

static bool add_records(struct glue_conn *conn)
{
    const glue_auth *auth = conn->auth;
    size_t usable = 0;
    /* Sends no name of its own: the caller has set it, or wants none. */
    if (SSL_dane_enable(conn->ssl, NULL) <= 0) {
        return false;
    }
    if (!auth->anchors) {
        SSL_dane_set_flags(conn->ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
    }
    for (size_t i = 0; i < auth->tlsa_count; i++) {
        added what = add_record(conn, &auth->tlsa[i]);
        if (what == FAILED) {
            glue_verify_force_failure(conn);
            return true;
        }
        usable += what == ADDED;
    }
    return usable > 0 || without_records(conn);
}

/* ------------------------------------------------------------------ names */

/* Only where all that can match is a certificate or key itself, and no file says who may have it.
 */
static bool names_needed(const glue_auth *auth)
{
    bool needed = auth->tlsa_count == 0 || auth->anchors;
    for (size_t i = 0; !needed && i < auth->tlsa_count; i++) {
        needed = auth->tlsa[i].usage != DANE_EE;
    }
    return needed;
}

static bool add_names(struct glue_conn *conn)
{
    const glue_auth *auth = conn->auth;
    size_t count = 0;
    SSL_set_hostflags(conn->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    for (size_t i = 0; i < auth->name_count; i++) {
        const char *name = auth->names[i];
        /* To OpenSSL an empty name means that any will do, and "." is a suffix of every one. */
        bool usable = name[0] != '\0' && strcmp(name, ".") != 0;
        count += usable && SSL_add1_host(conn->ssl, name) == 1;
    }
    ERR_clear_error();
    if (count > 0 || !names_needed(auth)) {
        return true;
    }
    glue_verify_force_failure(conn);
    return glue_notice_add(conn, GLUE_NOTICE_NO_NAMES, "", "");
}

/* ------------------------------------------------------------------ connections */

/* As asked for, whatever the context says; an anchor asks for a certificate to be under it. */
static bool set_credential_types(struct glue_conn *conn)
{
    static const unsigned char rpk_then_x509[] = {TLSEXT_cert_type_rpk, TLSEXT_cert_type_x509};
    const glue_auth *auth = conn->auth;
    return auth->request_rpk && !auth->anchors
               ? SSL_set1_server_cert_type(conn->ssl, rpk_then_x509, sizeof(rpk_then_x509)) == 1
               : SSL_set1_server_cert_type(conn->ssl, NULL, 0) == 1;
}

static bool set_up(struct glue_conn *conn)
{
    const glue_auth *auth = conn->auth;
    if (!set_credential_types(conn)) {
        return false;
    }
    if (auth->forced_failure) {
        glue_verify_force_failure(conn);
        return true;
    }
    if (!auth->must_match) {
        /* Names are compared all the same where there are any: MTA-STS tests them (RFC 8461 5). */
        return auth->name_count == 0 || add_names(conn);
    }
    if (auth->tlsa_count > 0 && !add_records(conn)) {
        return false;
    }
    return !conn->must_match || conn->forced_failure || add_names(conn);
}

bool glue_dane_apply(struct glue_conn *conn, glue_auth *auth, glue_error *err)
{
    conn->auth = glue_auth_up_ref(auth);
    conn->must_match = auth->must_match;
    if (!set_up(conn)) {
        glue_error_openssl(err, GLUE_E_OUT_OF_MEMORY, NULL);
        return false;
    }
    return true;
}

/* ------------------------------------------------------------------ the match */

static glue_match_kind kind_of(const glue_auth *auth, unsigned matching_type)
{
    if (auth->anchors) {
        return GLUE_MATCH_ANCHOR;
    }
    return matching_type == GLUE_TLSA_FINGERPRINT ? GLUE_MATCH_FINGERPRINT : GLUE_MATCH_TLSA;
}

static void reflect_record(const struct glue_conn *conn, glue_match *match)
{
    glue_tlsa record = {.len = 0};
    X509 *cert = NULL;
    EVP_PKEY *key = NULL;
    match->depth = SSL_get0_dane_authority(conn->ssl, &cert, &key);
    SSL_get0_dane_tlsa(conn->ssl, &record.usage, &record.selector, &record.matching_type,
                       &record.data, &record.len);
    match->kind = kind_of(conn->auth, record.matching_type);
    match->public_key = key != NULL && !match->raw_public_key;
    if (match->kind == GLUE_MATCH_FINGERPRINT) {
        show_data(match->value, record.data, record.len);
        return;
    }
    show_record(match->value, sizeof(match->value), &record);
}

void glue_dane_reflect(const struct glue_conn *conn, glue_match *match)
{
    const char *name = SSL_get0_peername(conn->ssl);
    match->raw_public_key = SSL_get0_peer_rpk(conn->ssl) != NULL;
    snprintf(match->peername, sizeof(match->peername), "%s", name == NULL ? "" : name);
    if (SSL_get0_dane_authority(conn->ssl, NULL, NULL) >= 0) {
        reflect_record(conn, match);
        return;
    }
    match->kind = GLUE_MATCH_NAME;
    snprintf(match->value, sizeof(match->value), "%s", match->peername);
}
