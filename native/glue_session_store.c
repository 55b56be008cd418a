/*
 * glue_session_store.c - a server's sessions, kept by somebody else and found again by their id.
 *
 * Stateful resumption: TLS 1.2 by session id (RFC 5246 7.3), TLS 1.3 by a ticket that is nothing
 * but an id of 32 bytes (RFC 8446 4.6.1), which OpenSSL makes where SSL_OP_NO_TICKET is set. The
 * store is JavaScript's: the ClientHello gate (glue_hello.c) asks for the session before OpenSSL
 * does, so that the lookup callback finds the answer in the connection. A new session waits there,
 * too, until it is taken after the handshake. OpenSSL's own cache stays off.
 *
 * Mirrors the server half of Postfix's tls_session.c and the callbacks of its tls_server.c. What
 * keeps a session from resuming elsewhere is its session-id context (glue_context.c), which OpenSSL
 * compares. Bytes that are no session, a session under another id: one full handshake.
 */
#include <string.h>

#include "glue_internal.h"

/* ------------------------------------------------------------------ old sessions */

static bool has_id(const SSL_SESSION *session, const unsigned char *id, size_t len)
{
    unsigned own_len = 0;
    const unsigned char *own = SSL_SESSION_get_id(session, &own_len);
    return own_len == len && memcmp(own, id, len) == 0;
}

static void note_id(struct glue_conn *conn, glue_notice_kind kind)
{
    static const char digits[] = "0123456789ABCDEF";
    const glue_hello *hello = conn->hello;
    char text[2 * sizeof(hello->session_id) + 1];
    for (size_t i = 0; i < hello->session_id_len; i++) {
        text[2 * i] = digits[hello->session_id[i] >> 4];
        text[2 * i + 1] = digits[hello->session_id[i] & 0xf];
    }
    text[2 * hello->session_id_len] = '\0';
    /* A line of the log less, where there is no memory for it. */
    (void)glue_notice_add(conn, kind, text, "");
}

/*
 * SSL_CTX_sess_set_get_cb callback. A second hello after a HelloRetryRequest looks the session up
 * again: it stays ours, and OpenSSL takes a reference (*copy).
 */
static SSL_SESSION *on_lookup(SSL *ssl, const unsigned char *id, int len, int *copy)
{
    struct glue_conn *conn = glue_conn_of(ssl);
    SSL_SESSION *session = conn == NULL || conn->hello == NULL ? NULL : conn->hello->session;
    *copy = 1;
    if (session == NULL || len < 0 || !has_id(session, id, (size_t)len)) {
        return NULL;
    }
    conn->session_stored = true;
    conn->session_born = SSL_SESSION_get_time_ex(session);
    note_id(conn, GLUE_NOTICE_SESSION_RELOADED);
    return session;
}

void glue_conn_answer_session(glue_conn *conn, const unsigned char *session, size_t len)
{
    if (conn->question != GLUE_ASK_SESSION) {
        return;
    }
    note_id(conn, GLUE_NOTICE_SESSION_LOOKUP);
    if (session != NULL && len > 0) {
        const unsigned char *at = session;
        SSL_SESSION *made = d2i_SSL_SESSION(NULL, &at, (long)len);
        if (made != NULL && at == session + len) {
            conn->hello->session = made;
        } else {
            SSL_SESSION_free(made);
        }
        ERR_clear_error();
    }
    glue_conn_answer(conn, NULL, false);
}

/* ------------------------------------------------------------------ new sessions */

/*
 * With tickets on, OpenSSL (3.5) reports a session for each TLS 1.3 handshake, whose ticket is all
 * that the client needs. In TLS 1.2 it reports none that has a ticket.
 */
static bool wanted(SSL *ssl)
{
    return SSL_version(ssl) < TLS1_3_VERSION || (SSL_get_options(ssl) & SSL_OP_NO_TICKET) != 0;
}

/*
 * SSL_CTX_sess_set_new_cb callback: 1 keeps the reference. A TLS 1.3 resumption gives the client a
 * new session; it keeps the time of the full handshake, or a life could go on for ever.
 */
static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    struct glue_conn *conn = glue_conn_of(ssl);
    if (conn == NULL || conn->session != NULL || !wanted(ssl)) {
        return 0;
    }
    if (conn->session_stored && SSL_session_reused(ssl) == 1) {
        SSL_SESSION_set_time_ex(session, conn->session_born);
    }
    conn->session = session;
    return 1;
}

size_t glue_conn_session_id(const glue_conn *conn, unsigned char id[32])
{
    unsigned len = 0;
    if (conn->session == NULL) {
        return 0;
    }
    const unsigned char *own = SSL_SESSION_get_id(conn->session, &len);
    memcpy(id, own, len);
    return len;
}

glue_status glue_session_store_register(glue_context *context, glue_error *err)
{
    SSL_CTX *ctx = context->ctx;
    if ((context->ask & GLUE_ASK_SESSION) == 0) {
        return GLUE_OK;
    }
    if (SSL_CTX_set_num_tickets(ctx, 1) != 1) {
        return glue_error_openssl(err, GLUE_E_OPENSSL, "the number of session tickets");
    }
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL |
                                            SSL_SESS_CACHE_NO_AUTO_CLEAR);
    SSL_CTX_sess_set_get_cb(ctx, on_lookup);
    SSL_CTX_sess_set_new_cb(ctx, on_new_session);
    return GLUE_OK;
}
