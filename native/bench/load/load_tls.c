/*
 * load_tls.c - the client's TLS: one group, one version, nothing verified.
 *
 * The certificate's signature over the handshake is still checked, as every client does. Sessions
 * are only counted, but for the one that others come back with: the callback tells that a ticket
 * has come.
 */
#include "load.h"

#include <stdbool.h>

#include <openssl/err.h>

#include "bench.h"

static int count_ticket(SSL *ssl, SSL_SESSION *session);

static SSL_SESSION *first_session;

SSL_CTX *load_tls_context(const load_options *options)
{
    OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    int version = options->tls12 ? TLS1_2_VERSION : TLS1_3_VERSION;
    if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, version) != 1 ||
        SSL_CTX_set_max_proto_version(ctx, version) != 1 ||
        SSL_CTX_set1_groups_list(ctx, options->group) != 1) {
        bench_fail_openssl("cannot make a client with the group \"%s\"", options->group);
    }
    SSL_CTX_set_security_level(ctx, 0);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, count_ticket);
    return ctx;
}

load_progress load_tls_handshake(load_conn *conn)
{
    ERR_clear_error();
    return load_tls_progress(conn, SSL_connect(conn->ssl));
}

load_progress load_tls_tickets(load_conn *conn)
{
    while (conn->tickets < conn->options->tickets) {
        char buffer[256];
        ERR_clear_error();
        int count = SSL_read(conn->ssl, buffer, sizeof buffer);
        if (count <= 0 && conn->tickets < conn->options->tickets) {
            return load_tls_progress(conn, count);
        }
    }
    return LOAD_DONE;
}

/* Who comes back gets none, or does not wait for it. */
load_progress load_tls_first_tickets(load_conn *conn)
{
    return SSL_session_reused(conn->ssl) == 1 ? LOAD_DONE : load_tls_tickets(conn);
}

SSL_SESSION *load_tls_session(void)
{
    return first_session;
}

/* Our close-notify, then the server's; the transport's end alone counts as truncated. */
load_progress load_tls_close(load_conn *conn)
{
    ERR_clear_error();
    if (!conn->close_sent) {
        int sent = SSL_shutdown(conn->ssl);
        if (sent < 0) {
            return load_tls_progress(conn, sent);
        }
        conn->close_sent = true;
    }
    for (;;) {
        char buffer[256];
        int count = SSL_read(conn->ssl, buffer, sizeof buffer);
        if (count > 0) {
            continue;
        }
        if (SSL_get_error(conn->ssl, count) == SSL_ERROR_ZERO_RETURN) {
            return LOAD_DONE;
        }
        load_progress progress = load_tls_progress(conn, count);
        conn->truncated = progress == LOAD_FAILED;
        return progress == LOAD_FAILED ? LOAD_DONE : progress;
    }
}

/* The other way round: the server ends the dialogue, and its close-notify comes first. */
load_progress load_tls_wait_close(load_conn *conn)
{
    conn->close_sent = true; /* not yet, but load_tls_close() is to wait only */
    load_progress progress = load_tls_close(conn);
    if (progress == LOAD_DONE && !conn->truncated) {
        SSL_shutdown(conn->ssl);
    }
    return progress;
}

static int count_ticket(SSL *ssl, SSL_SESSION *session)
{
    load_conn *conn = SSL_get_app_data(ssl);
    conn->tickets++;
    if (!conn->options->resume || first_session != NULL) {
        return 0; /* the session is not kept */
    }
    first_session = session;
    return 1;
}

load_progress load_tls_progress(const load_conn *conn, int result)
{
    if (result > 0) {
        return LOAD_DONE;
    }
    switch (SSL_get_error(conn->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return LOAD_WAIT;
    default:
        return LOAD_FAILED;
    }
}
