/*
 * glue_hello.c - the two places where a server's handshake may be suspended.
 *
 * The ClientHello gate (client-hello callback, SSL_CLIENT_HELLO_RETRY) reads what the client offers
 * for resumption and asks whether the ticket key or the session is to be had; the certificate
 * callback (returning -1) asks for the chain of a server name. Both only note the question in the
 * connection and unwind: no JavaScript and no waiting in here. The gate runs again after every
 * retry and after a HelloRetryRequest, so answers are remembered per connection.
 *
 * Which field counts: in a TLS 1.3 handshake only the PSK identities (RFC 8446 4.2.11; without
 * tickets those of 32 bytes are session ids, else longer ones begin with a key name), the legacy
 * session id being random noise; else the session ticket (RFC 5077), and the session id only where
 * that is empty.
 *
 * It also notes the server name, since SSL_get_servername() is NULL on a TLS 1.2 resumption; what
 * an operator should know of it becomes a notice. A malformed extension is left for OpenSSL to
 * complain about.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "glue_ticket_ring.h"
#include "glue_view.h"

#define KEY_NAME_LEN 16u
#define SESSION_ID_LEN 32u
#define HOSTNAME_MAX 253u
#define LABEL_MAX 63u

static bool extension(SSL *ssl, unsigned type, view *out)
{
    return SSL_client_hello_get0_ext(ssl, type, &out->data, &out->len) == 1;
}

/* ------------------------------------------------------------------ the server name */

static bool is_alnum(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A DNS host name: letters, digits, '-' and '_', no empty or long label, not an IPv4 address. */
static bool valid_hostname(view name)
{
    size_t label = 0;
    bool numeric = true;
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = name.data[i];
        if (c == '.') {
            if (label == 0 || name.data[i - 1] == '-') {
                return false;
            }
            label = 0;
            continue;
        }
        if (!is_alnum(c) && c != '_' && (c != '-' || label == 0)) {
            return false;
        }
        numeric = numeric && c >= '0' && c <= '9';
        label++;
        if (label > LABEL_MAX) {
            return false;
        }
    }
    return name.len <= HOSTNAME_MAX && label > 0 && !numeric && name.data[name.len - 1] != '-';
}

/* RFC 6066 section 3: a list whose only entry is a host_name (type 0), and not empty. */
static bool hello_server_name(SSL *ssl, view *name)
{
    view ext, list, type;
    return extension(ssl, TLSEXT_TYPE_server_name, &ext) && view_prefixed(&ext, 2, &list) &&
           view_take(&list, 1, &type) && type.data[0] == TLSEXT_NAMETYPE_host_name &&
           view_prefixed(&list, 2, name) && name->len > 0 && name->len <= TLSEXT_MAXLEN_host_name &&
           memchr(name->data, '\0', name->len) == NULL;
}

/* Once for each name: the gate runs again after every retry. False only for lack of memory. */
bool glue_notice_add(struct glue_conn *conn, glue_notice_kind kind, const char *name,
                     const char *later)
{
    glue_notice **end = &conn->notices;
    for (; *end != NULL; end = &(*end)->next) {
        if ((*end)->kind == kind && strcmp((*end)->name, name) == 0) {
            return true;
        }
    }
    glue_notice *made = OPENSSL_zalloc(sizeof(*made));
    if (made == NULL) {
        return false;
    }
    made->kind = kind;
    snprintf(made->name, sizeof(made->name), "%s", name);
    snprintf(made->later, sizeof(made->later), "%s", later);
    *end = made;
    return true;
}

/* Takes over `name`. */
static bool note_valid_name(struct glue_conn *conn, char *name)
{
    if (conn->server_name == NULL) {
        conn->server_name = name;
        conn->sni_stands = true;
        return true;
    }
    conn->sni_stands = strcmp(conn->server_name, name) == 0;
    bool ok =
        conn->sni_stands || glue_notice_add(conn, GLUE_NOTICE_SNI_CHANGED, conn->server_name, name);
    OPENSSL_free(name);
    return ok;
}

/*
 * Without SNI maps nobody cares. A second hello should have the first one's name (RFC 8446 4.1.2).
 * False only for lack of memory.
 */
static bool note_server_name(struct glue_conn *conn)
{
    view found;
    conn->sni_stands = false;
    if (!conn->context->acknowledge_sni || !hello_server_name(conn->ssl, &found)) {
        return true;
    }
    char *name = OPENSSL_strndup((const char *)found.data, found.len);
    if (name == NULL) {
        return false;
    }
    if (valid_hostname(found)) {
        return note_valid_name(conn, name);
    }
    bool ok = glue_notice_add(conn, GLUE_NOTICE_SNI_INVALID, name, "");
    OPENSSL_free(name);
    return ok;
}

/* ------------------------------------------------------------------ what resumption is offered */

static bool server_allows_tls13(SSL *ssl)
{
    int ceiling = (int)SSL_get_max_proto_version(ssl);
    return (SSL_get_options(ssl) & SSL_OP_NO_TLSv1_3) == 0 &&
           (ceiling == 0 || ceiling >= TLS1_3_VERSION);
}

static bool hello_offers_tls13(SSL *ssl)
{
    view ext, head, version;
    if (!extension(ssl, TLSEXT_TYPE_supported_versions, &ext) || !view_take(&ext, 1, &head)) {
        return false;
    }
    while (view_take(&ext, 2, &version)) {
        if (version.data[0] == 0x03 && version.data[1] == 0x04) {
            return true;
        }
    }
    return false;
}

/* OpenSSL reads tickets then, and looks for no session in a TLS 1.3 handshake. */
static bool tickets_are_on(SSL *ssl)
{
    return (SSL_get_options(ssl) & SSL_OP_NO_TICKET) == 0;
}

/* The first PSK identity that looks like ours. */
static bool hello_psk_identity(SSL *ssl, view *identity)
{
    view ext, list, age;
    bool tickets = tickets_are_on(ssl);
    if (!extension(ssl, TLSEXT_TYPE_psk, &ext) || !view_prefixed(&ext, 2, &list)) {
        return false;
    }
    while (view_prefixed(&list, 2, identity) && view_take(&list, 4, &age)) {
        if (tickets ? identity->len > SESSION_ID_LEN : identity->len == SESSION_ID_LEN) {
            return true;
        }
    }
    return false;
}

static void note_key_name(glue_hello *hello, view ticket)
{
    if (ticket.len > KEY_NAME_LEN) {
        memcpy(hello->key_name, ticket.data, KEY_NAME_LEN);
        hello->has_key_name = true;
    }
}

static void note_session_id(glue_hello *hello, view id)
{
    if (id.len > 0 && id.len <= sizeof(hello->session_id)) {
        memcpy(hello->session_id, id.data, id.len);
        hello->session_id_len = id.len;
    }
}

static void note_offer(SSL *ssl, glue_hello *hello)
{
    view offer;
    if (server_allows_tls13(ssl) && hello_offers_tls13(ssl)) {
        if (!hello_psk_identity(ssl, &offer)) {
            return;
        }
        if (offer.len == SESSION_ID_LEN) {
            note_session_id(hello, offer);
        } else {
            note_key_name(hello, offer);
        }
        return;
    }
    if (extension(ssl, TLSEXT_TYPE_session_ticket, &offer) && offer.len > 0) {
        note_key_name(hello, offer);
        return;
    }
    offer.len = SSL_client_hello_get0_session_id(ssl, &offer.data);
    note_session_id(hello, offer);
}

/* ------------------------------------------------------------------ the gate */

static uint64_t monotonic_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec;
}

/* The next question of the gate, or 0. */
static unsigned gate_question(const glue_context *context, const glue_hello *hello)
{
    unsigned open = context->ask & ~hello->asked;
    if ((open & GLUE_ASK_TICKET_KEY) != 0 && hello->has_key_name && context->ticket_ring != NULL &&
        glue_ticket_ring_asks(context->ticket_ring, hello->key_name, monotonic_seconds())) {
        return GLUE_ASK_TICKET_KEY;
    }
    if ((open & GLUE_ASK_SESSION) != 0 && hello->session_id_len > 0) {
        return GLUE_ASK_SESSION;
    }
    return 0;
}

static int client_hello_callback(SSL *ssl, int *alert, void *arg)
{
    struct glue_conn *conn = glue_conn_of(ssl);
    (void)arg;
    *alert = SSL_AD_INTERNAL_ERROR;
    if (conn == NULL || !note_server_name(conn)) {
        return SSL_CLIENT_HELLO_ERROR;
    }
    if (conn->context->ask == 0) {
        return SSL_CLIENT_HELLO_SUCCESS;
    }
    if (conn->hello == NULL) {
        conn->hello = OPENSSL_zalloc(sizeof(*conn->hello));
        if (conn->hello == NULL) {
            return SSL_CLIENT_HELLO_ERROR;
        }
        note_offer(ssl, conn->hello);
    }
    if (conn->hello->refuse) {
        return SSL_CLIENT_HELLO_ERROR;
    }
    conn->question = gate_question(conn->context, conn->hello);
    return conn->question == 0 ? SSL_CLIENT_HELLO_SUCCESS : SSL_CLIENT_HELLO_RETRY;
}

/* Acknowledges every valid name: OpenSSL never does without an OK from here. */
static int server_name_callback(SSL *ssl, int *alert, void *arg)
{
    const struct glue_conn *conn = glue_conn_of(ssl);
    (void)alert;
    (void)arg;
    return conn != NULL && conn->sni_stands ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

/* ------------------------------------------------------------------ the certificate callback */

/* What the cache knows, as if it had been answered. */
static void answer_from_cache(struct glue_conn *conn)
{
    glue_hello *hello = conn->hello;
    glue_sni_cache *cache = conn->context->sni_cache;
    if (cache != NULL &&
        glue_sni_cache_find(cache, conn->server_name, &hello->chains) != GLUE_SNI_ASK) {
        hello->asked |= GLUE_ASK_CHAIN;
    }
}

/* Not called on a resumption, so resumed clients cost no look-up. */
static int cert_callback(SSL *ssl, void *arg)
{
    struct glue_conn *conn = glue_conn_of(ssl);
    (void)arg;
    if (conn == NULL || conn->hello == NULL) {
        return 0;
    }
    glue_hello *hello = conn->hello;
    if (conn->server_name == NULL) {
        return 1;
    }
    if ((hello->asked & GLUE_ASK_CHAIN) == 0) {
        answer_from_cache(conn);
    }
    if ((hello->asked & GLUE_ASK_CHAIN) == 0) {
        conn->question = GLUE_ASK_CHAIN;
        return -1;
    }
    if (hello->refuse) {
        return 0;
    }
    if (hello->chains != NULL) {
        return glue_chains_install_handle(hello->chains, ssl) ? 1 : 0;
    }
    return glue_notice_add(conn, GLUE_NOTICE_SNI_UNMATCHED, conn->server_name, "") ? 1 : 0;
}

/* ------------------------------------------------------------------ public */

void glue_hello_register(glue_context *context)
{
    SSL_CTX_set_client_hello_cb(context->ctx, client_hello_callback, NULL);
    /*
     * Only where it has something to say: a server without certificates speaks TLS 1.3 as soon as
     * it has this callback, which might bring one (is_tls13_capable() in statem_lib.c,
     * OpenSSL 3.5), and anonymous suites, which end with TLS 1.2, are all that it could offer.
     */
    if (context->acknowledge_sni) {
        SSL_CTX_set_tlsext_servername_callback(context->ctx, server_name_callback);
    }
    if ((context->ask & GLUE_ASK_CHAIN) != 0) {
        SSL_CTX_set_cert_cb(context->ctx, cert_callback, NULL);
    }
}

void glue_hello_forget(struct glue_conn *conn)
{
    if (conn->hello == NULL) {
        return;
    }
    SSL_SESSION_free(conn->hello->session);
    glue_chains_free(conn->hello->chains);
    OPENSSL_free(conn->hello);
    conn->hello = NULL;
}

glue_notice *glue_conn_take_notices(glue_conn *conn)
{
    glue_notice *first = conn->notices;
    conn->notices = NULL;
    return first;
}

void glue_notices_free(glue_notice *first)
{
    while (first != NULL) {
        glue_notice *next = first->next;
        OPENSSL_free(first);
        first = next;
    }
}

bool glue_conn_question(const glue_conn *conn, glue_question *question)
{
    question->kind = conn->question;
    switch (conn->question) {
    case GLUE_ASK_TICKET_KEY:
        question->data = conn->hello->key_name;
        question->len = sizeof(conn->hello->key_name);
        return true;
    case GLUE_ASK_SESSION:
        question->data = conn->hello->session_id;
        question->len = conn->hello->session_id_len;
        return true;
    case GLUE_ASK_CHAIN:
        question->data = (const unsigned char *)conn->server_name;
        question->len = strlen(conn->server_name);
        return true;
    default:
        return false;
    }
}

void glue_conn_answer(glue_conn *conn, glue_chains *chains, bool refuse)
{
    if (conn->question == 0) {
        return;
    }
    if (conn->question == GLUE_ASK_CHAIN && chains != NULL) {
        conn->hello->chains = glue_chains_up_ref(chains);
    }
    if (conn->question == GLUE_ASK_TICKET_KEY) {
        glue_ticket_ring_answered(conn->context->ticket_ring, conn->hello->key_name,
                                  monotonic_seconds());
    }
    conn->hello->asked |= conn->question;
    conn->hello->refuse = refuse;
    conn->question = 0;
}
