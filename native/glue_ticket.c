/*
 * glue_ticket.c - session tickets of a server (RFC 5077, RFC 8446 4.6.1): whether, how long, by
 * which key, for whom.
 *
 * With a ring a ticket is made here as OpenSSL makes its own: 16 bytes of key name, 16 of IV, the
 * state under the cipher of tls_session_ticket_cipher, HMAC-SHA256. The active key makes tickets; a
 * ticket of the previous one resumes and is renewed, at most until the session's time after its
 * full handshake is over: renewal sets OpenSSL's own clock anew, so the time of that handshake
 * travels in the ticket. Without a ring OpenSSL uses keys of the context's own, which end with it.
 *
 * Whatever fails in here costs a full handshake or a ticket, and never the connection: OpenSSL
 * (3.5) aborts on -1 from the key callback and on 0 from the one that generates, so neither does
 * that. What failed is taken off the error queue, which SSL_get_error() looks at.
 *
 * Mirrors the ticket part of Postfix's tls_server.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "glue_ticket_ring.h"

#define IV_LEN 16
#define CIPHER_KEY_MIN 16
#define CIPHER_KEY_MAX 32
#define MAC_KEY_LEN 32u
#define BIRTH_LEN 8u

/* A client must carry it, and some fail on big ones (golang/go#63763: Schannel). */
#define TICKET_MAX 1024

/* ------------------------------------------------------------------ the key */

static bool start_mac(EVP_MAC_CTX *mac, const glue_ticket_key *key)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                           OSSL_PARAM_construct_end()};
    return EVP_MAC_init(mac, key->secret + CIPHER_KEY_MAX, MAC_KEY_LEN, params) == 1;
}

/* The same keys from the ClientHello to the last message, though they may change meanwhile. */
static const glue_ticket_set *pinned_set(struct glue_conn *conn)
{
    if (conn->tickets == NULL) {
        conn->tickets = glue_ticket_ring_pin(conn->context->ticket_ring);
    }
    return conn->tickets;
}

/* What does not succeed for lack of memory is one line less in the log. */
static void note(struct glue_conn *conn, glue_notice_kind kind, const glue_ticket_key *key)
{
    char seconds[24];
    if (conn->note_tickets) {
        snprintf(seconds, sizeof(seconds), "%" PRIu64, key->expires / 1000);
        (void)glue_notice_add(conn, kind, seconds, "");
    }
}

/*
 * Without a credential of the client a ticket has some 220 bytes, whoever it is; with one, the
 * credential in it decides, a certificate of ML-DSA-65 has 5 KB.
 */
static bool too_big(SSL *ssl)
{
    if (SSL_get0_peer_certificate(ssl) == NULL && SSL_get0_peer_rpk(ssl) == NULL) {
        return false;
    }
    int state = i2d_SSL_SESSION(SSL_get_session(ssl), NULL);
    int padded = (state / IV_LEN + 1) * IV_LEN;
    return state <= 0 || (int)GLUE_KEY_NAME_LEN + IV_LEN + padded + (int)MAC_KEY_LEN > TICKET_MAX;
}

/* 1: made; 0: no ticket. */
static int make_ticket(struct glue_conn *conn, unsigned char *name, unsigned char *iv,
                       EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    const glue_ticket_key *key = pinned_set(conn)->keys[GLUE_TICKET_ACTIVE];
    if (key == NULL || too_big(conn->ssl) || RAND_bytes(iv, IV_LEN) != 1 || !start_mac(mac, key) ||
        EVP_EncryptInit_ex2(cipher, conn->context->ticket_cipher, key->secret, iv, NULL) != 1) {
        return 0;
    }
    memcpy(name, key->name, sizeof(key->name));
    note(conn, GLUE_NOTICE_TICKET_ISSUED, key);
    return 1;
}

/* 1: taken; 2: taken, and a new one is due; 0: nobody's, a full handshake follows. */
static int take_ticket(struct glue_conn *conn, const unsigned char *name, const unsigned char *iv,
                       EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    glue_ticket_role role;
    const glue_ticket_key *key = glue_ticket_set_find(pinned_set(conn), name, &role);
    if (key == NULL || !start_mac(mac, key) ||
        EVP_DecryptInit_ex2(cipher, conn->context->ticket_cipher, key->secret, iv, NULL) != 1) {
        return 0;
    }
    note(conn, GLUE_NOTICE_TICKET_TAKEN, key);
    return role == GLUE_TICKET_PREVIOUS ? 2 : 1;
}

static int key_callback(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                        EVP_MAC_CTX *mac, int enc)
{
    struct glue_conn *conn = glue_conn_of(ssl);
    if (conn == NULL) {
        return 0;
    }
    ERR_set_mark();
    int result = enc == 1 ? make_ticket(conn, name, iv, cipher, mac)
                          : take_ticket(conn, name, iv, cipher, mac);
    ERR_pop_to_mark();
    return result;
}

/* ------------------------------------------------------------------ the age */

static uint64_t now_seconds(void)
{
    return (uint64_t)time(NULL);
}

/* The time of the full handshake, which a session that was resumed has already. */
static int generate_callback(SSL *ssl, void *arg)
{
    SSL_SESSION *session = SSL_get_session(ssl);
    void *known = NULL;
    size_t len = 0;
    (void)arg;
    ERR_set_mark();
    /* OpenSSL keeps the server name for TLS 1.2's sake; glue_hello.c has it, and a ticket is small.
     */
    SSL_SESSION_set1_hostname(session, NULL);
    if (SSL_SESSION_get0_ticket_appdata(session, &known, &len) != 1 || len != BIRTH_LEN) {
        uint64_t now = now_seconds();
        unsigned char birth[BIRTH_LEN];
        for (size_t i = 0; i < BIRTH_LEN; i++) {
            birth[i] = (unsigned char)(now >> (8 * (BIRTH_LEN - 1 - i)));
        }
        /* One without is taken for too old. */
        (void)SSL_SESSION_set1_ticket_appdata(session, birth, sizeof(birth));
    }
    ERR_pop_to_mark();
    return 1;
}

/* Clocks differ between hosts: one from the future is new. */
static bool too_old(SSL_SESSION *session, unsigned timeout)
{
    void *data = NULL;
    size_t len = 0;
    if (SSL_SESSION_get0_ticket_appdata(session, &data, &len) != 1 || len != BIRTH_LEN) {
        return true;
    }
    uint64_t birth = 0;
    for (size_t i = 0; i < BIRTH_LEN; i++) {
        birth = birth << 8 | ((const unsigned char *)data)[i];
    }
    uint64_t now = now_seconds();
    return timeout != 0 && now > birth && now - birth > timeout;
}

/* What could not be taken is a full handshake, and a new ticket. */
static SSL_TICKET_RETURN taken_callback(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
                                        size_t name_len, SSL_TICKET_STATUS status, void *arg)
{
    const struct glue_conn *conn = glue_conn_of(ssl);
    (void)name;
    (void)name_len;
    (void)arg;
    bool good = status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW;
    if (!good || conn == NULL || too_old(session, conn->context->session_timeout)) {
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    }
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

/* ------------------------------------------------------------------ contexts */

static bool suits(const EVP_CIPHER *cipher)
{
    int length = EVP_CIPHER_get_key_length(cipher);
    return EVP_CIPHER_get_mode(cipher) == EVP_CIPH_CBC_MODE &&
           EVP_CIPHER_get_iv_length(cipher) == IV_LEN && length >= CIPHER_KEY_MIN &&
           length <= CIPHER_KEY_MAX;
}

static glue_status set_cipher(glue_context *context, const glue_context_props *props,
                              glue_error *err)
{
    const char *name = props->ticket_cipher == NULL ? "AES-256-CBC" : props->ticket_cipher;
    context->ticket_cipher = EVP_CIPHER_fetch(NULL, name, NULL);
    if (context->ticket_cipher == NULL || !suits(context->ticket_cipher)) {
        return glue_error_openssl(err, GLUE_E_TICKET_CIPHER, "invalid value: %.80s", name);
    }
    return GLUE_OK;
}

static glue_status use_ring(glue_context *context, const glue_context_props *props, glue_error *err)
{
    SSL_CTX *ctx = context->ctx;
    context->ticket_ring = glue_ticket_ring_up_ref(props->ticket_ring);
    context->session_timeout = props->session_timeout;
    if (SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, key_callback) != 1 ||
        SSL_CTX_set_session_ticket_cb(ctx, generate_callback, taken_callback, NULL) != 1) {
        return glue_error_openssl(err, GLUE_E_OPENSSL, "no keys for session tickets");
    }
    return GLUE_OK;
}

glue_status glue_ticket_configure(glue_context *context, const glue_context_props *props,
                                  glue_error *err)
{
    SSL_CTX *ctx = context->ctx;
    if (!props->tickets) {
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    }
    /* The configuration file may have turned tickets off; stateful ones would need a cache. */
    bool none = (SSL_CTX_get_options(ctx) & SSL_OP_NO_TICKET) != 0;
    if (SSL_CTX_set_num_tickets(ctx, none ? 0 : 1) != 1) {
        return glue_error_openssl(err, GLUE_E_OPENSSL, "the number of session tickets");
    }
    if (props->session_timeout > 0) {
        SSL_CTX_set_timeout(ctx, (long)props->session_timeout);
    }
    if (!none || props->session_ids) { /* session ids in TLS 1.2, though nothing is cached */
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL |
                                                SSL_SESS_CACHE_NO_AUTO_CLEAR);
    }
    if (none) {
        return GLUE_OK;
    }
    if (set_cipher(context, props, err) != GLUE_OK) {
        return GLUE_ERROR;
    }
    return props->ticket_ring == NULL ? GLUE_OK : use_ring(context, props, err);
}

/* ------------------------------------------------------------------ connections */

void glue_ticket_apply(struct glue_conn *conn, const glue_tls_props *props)
{
    conn->note_tickets = props->note_tickets;
    conn->delay_tickets = props->delay_tickets;
    if (props->no_tickets) {
        /* Either alone lets tickets of one kind through (OpenSSL 3.5): TLS 1.3's stateful ones, or
         * TLS 1.2's. */
        SSL_set_options(conn->ssl, SSL_OP_NO_TICKET);
        SSL_set_num_tickets(conn->ssl, 0);
    }
}

void glue_ticket_forget(struct glue_conn *conn)
{
    glue_ticket_ring_unpin(conn->tickets);
    conn->tickets = NULL;
}
