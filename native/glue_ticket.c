/*
 * glue_ticket.c - session tickets of a server context (RFC 5077): whether, how long, by which
 * cipher.
 *
 * Tickets are made by OpenSSL with keys of the context's own, AES-256-CBC and HMAC-SHA256. Where
 * tls_session_ticket_cipher names another cipher, they are made here, in the same way: 16 bytes of
 * key name, 16 of IV, the state, the HMAC. Keys live as long as the context and are wiped with it.
 *
 * Mirrors the ticket part of Postfix's tls_server.c; its keys come from tlsmgr(8), and change.
 */
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "glue_internal.h"

#define KEY_NAME_LEN 16
#define IV_LEN 16
#define CIPHER_KEY_MIN 16
#define CIPHER_KEY_MAX 32
#define MAC_KEY_LEN 32

struct glue_ticket_key {
    EVP_CIPHER *cipher; /* owned */
    unsigned char name[KEY_NAME_LEN];
    unsigned char cipher_key[CIPHER_KEY_MAX];
    unsigned char mac_key[MAC_KEY_LEN];
};

static int mac_init(EVP_MAC_CTX *mac, const glue_ticket_key *key)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                           OSSL_PARAM_construct_end()};
    return EVP_MAC_init(mac, key->mac_key, sizeof(key->mac_key), params);
}

/* 1: go on; 0: a ticket of somebody else, a full handshake follows; -1: the handshake fails. */
static int ticket_callback(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                           EVP_MAC_CTX *mac, int enc)
{
    const struct glue_conn *conn = glue_conn_of(ssl);
    const glue_ticket_key *key = conn == NULL ? NULL : conn->context->ticket_key;
    if (key == NULL) {
        return -1;
    }
    if (enc == 0) {
        if (memcmp(name, key->name, sizeof(key->name)) != 0) {
            return 0;
        }
        return mac_init(mac, key) == 1 &&
                       EVP_DecryptInit_ex2(cipher, key->cipher, key->cipher_key, iv, NULL) == 1
                   ? 1
                   : -1;
    }
    memcpy(name, key->name, sizeof(key->name));
    return RAND_bytes(iv, IV_LEN) == 1 && mac_init(mac, key) == 1 &&
                   EVP_EncryptInit_ex2(cipher, key->cipher, key->cipher_key, iv, NULL) == 1
               ? 1
               : -1;
}

static bool suits(const EVP_CIPHER *cipher)
{
    int length = EVP_CIPHER_get_key_length(cipher);
    return EVP_CIPHER_get_mode(cipher) == EVP_CIPH_CBC_MODE &&
           EVP_CIPHER_get_iv_length(cipher) == IV_LEN && length >= CIPHER_KEY_MIN &&
           length <= CIPHER_KEY_MAX;
}

static glue_status make_key(glue_context *context, const char *name, glue_error *err)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
    if (cipher == NULL || !suits(cipher)) {
        EVP_CIPHER_free(cipher);
        return glue_error_openssl(err, GLUE_E_TICKET_CIPHER, "invalid value: %.80s", name);
    }
    glue_ticket_key *key = OPENSSL_zalloc(sizeof(*key));
    if (key == NULL) {
        EVP_CIPHER_free(cipher);
        return glue_error_openssl(err, GLUE_E_OUT_OF_MEMORY, NULL);
    }
    key->cipher = cipher;
    context->ticket_key = key;
    if (RAND_bytes(key->name, sizeof(key->name)) != 1 ||
        RAND_priv_bytes(key->cipher_key, sizeof(key->cipher_key)) != 1 ||
        RAND_priv_bytes(key->mac_key, sizeof(key->mac_key)) != 1 ||
        SSL_CTX_set_tlsext_ticket_key_evp_cb(context->ctx, ticket_callback) != 1) {
        return glue_error_openssl(err, GLUE_E_OPENSSL, "no keys for session tickets");
    }
    return GLUE_OK;
}

glue_status glue_ticket_set(glue_context *context, const glue_context_props *props, glue_error *err)
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
    bool own = !none && props->ticket_cipher != NULL && props->ticket_cipher[0] != '\0';
    return own ? make_key(context, props->ticket_cipher, err) : GLUE_OK;
}

void glue_ticket_key_free(glue_ticket_key *key)
{
    if (key != NULL) {
        EVP_CIPHER_free(key->cipher);
        OPENSSL_clear_free(key, sizeof(*key));
    }
}
