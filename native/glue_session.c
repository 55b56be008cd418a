/*
 * glue_session.c - a client's sessions, handed out as bytes and offered again.
 *
 * Mirrors the client half of Postfix's tls_session.c and tls_client.c. The first session that a
 * connection gets is kept until it is taken; further tickets of the same connection are passed
 * over. Where sessions are kept, under which key, and that one of TLS 1.3 serves once (RFC 8446
 * C.4) is the caller's business.
 *
 * What keeps a session from being resumed where something else has to match is its session-id
 * context: a digest of the context's settings and of the connection's glue_auth. OpenSSL has a
 * client check it, too, but by failing the handshake; here another one is simply not offered.
 * Early data is never sent: nothing writes it.
 *
 * Bytes that are no session, a session of another version, no session: one full handshake.
 */
#include <string.h>

#include "glue_internal.h"

/* ------------------------------------------------------------------ new sessions */

/* SSL_CTX_sess_set_new_cb callback: 1 keeps the reference. */
static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    struct glue_conn *conn = glue_conn_of(ssl);
    if (conn == NULL || conn->session_seen) {
        return 0;
    }
    conn->session_seen = true;
    conn->session = session;
    return 1;
}

void glue_session_register(SSL_CTX *ctx)
{
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL |
                                            SSL_SESS_CACHE_NO_AUTO_CLEAR);
    SSL_CTX_sess_set_new_cb(ctx, on_new_session);
}

static bool worth_keeping(const struct glue_conn *conn)
{
    bool failed = conn->must_match && glue_verify_result(conn) != X509_V_OK;
    return conn->mode == GLUE_MODE_TLS && !failed && !conn->forced_failure &&
           SSL_SESSION_is_resumable(conn->session) == 1;
}

size_t glue_conn_take_session(glue_conn *conn, unsigned char **session)
{
    int len = 0;
    *session = NULL;
    if (conn->session == NULL) {
        return 0;
    }
    if (worth_keeping(conn)) {
        len = i2d_SSL_SESSION(conn->session, session);
    }
    SSL_SESSION_free(conn->session);
    conn->session = NULL;
    ERR_clear_error();
    return len > 0 ? (size_t)len : 0;
}

void glue_session_free(unsigned char *session, size_t len)
{
    OPENSSL_clear_free(session, len);
}

/* ------------------------------------------------------------------ old sessions */

typedef struct session_id_context {
    unsigned char bytes[32];
} session_id_context;

static bool tie(const struct glue_conn *conn, session_id_context *id)
{
    unsigned char parts[64] = {0};
    memcpy(parts, conn->context->session_id_context, 32);
    if (conn->auth != NULL) {
        memcpy(parts + 32, conn->auth->id, 32);
    }
    return EVP_Q_digest(NULL, "SHA256", NULL, parts, sizeof(parts), id->bytes, NULL) == 1 &&
           SSL_set_session_id_context(conn->ssl, id->bytes, sizeof(id->bytes)) == 1;
}

static bool belongs(const SSL_SESSION *session, const session_id_context *id)
{
    unsigned len = 0;
    const unsigned char *own = SSL_SESSION_get0_id_context(session, &len);
    return len == sizeof(id->bytes) && memcmp(own, id->bytes, len) == 0;
}

static void offer(struct glue_conn *conn, const glue_tls_props *props, const session_id_context *id)
{
    const unsigned char *at = props->session;
    SSL_SESSION *session = d2i_SSL_SESSION(NULL, &at, (long)props->session_len);
    if (session != NULL && at == props->session + props->session_len && belongs(session, id)) {
        SSL_set_session(conn->ssl, session);
    }
    SSL_SESSION_free(session);
    ERR_clear_error();
}

bool glue_session_apply(struct glue_conn *conn, const glue_tls_props *props, glue_error *err)
{
    session_id_context id;
    if (!tie(conn, &id)) {
        glue_error_openssl(err, GLUE_E_OUT_OF_MEMORY, NULL);
        return false;
    }
    if (props->session != NULL && !conn->forced_failure) {
        offer(conn, props, &id);
    }
    return true;
}
