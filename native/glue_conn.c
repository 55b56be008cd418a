/*
 * glue_conn.c - one connection, plaintext and TLS, on one non-blocking fd.
 *
 * Each function makes one attempt and returns one status; waiting, time limits and repetition are
 * the driver's. It mirrors Postfix's tls_bio_ops.c without its loops, and is the only translation
 * of SSL_get_error():
 *
 *   SSL_ERROR_NONE                                   OK
 *   SSL_ERROR_WANT_READ, _WANT_WRITE                 WANT_READ, WANT_WRITE
 *   SSL_ERROR_WANT_CLIENT_HELLO_CB, _X509_LOOKUP     WANT_APP (glue_hello.c noted a question)
 *   SSL_ERROR_ZERO_RETURN                            CLOSED; while handshaking LOST_CONNECTION
 *   SSL_ERROR_SYSCALL                                LOST_CONNECTION, with errno where there is one
 *   SSL_ERROR_SSL, an alert was received             TLS_ALERT
 *   SSL_ERROR_SSL otherwise, anything else           TLS_HANDSHAKE, later TLS_PROTOCOL
 *
 * The connection owns fd, SSL and one reference of its context. After an ERROR of the TLS layer
 * it is good for glue_conn_free() only. Unexpected EOF counts as the peer's end (SMTP knows its
 * own framing, so truncation shows there).
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "glue_internal.h"

/* ------------------------------------------------------------------ life */

glue_conn *glue_conn_new(int fd, glue_error *err)
{
    glue_conn *conn = OPENSSL_zalloc(sizeof(*conn));
    if (conn == NULL) {
        glue_error_openssl(err, GLUE_E_OUT_OF_MEMORY, NULL);
        return NULL;
    }
    conn->fd = fd;
    conn->mode = GLUE_MODE_PLAIN;
    return conn;
}

static void drop_tls(glue_conn *conn)
{
    SSL_free(conn->ssl);
    conn->ssl = NULL;
    glue_context_free(conn->context);
    conn->context = NULL;
    glue_hello_forget(conn);
    glue_bio_drop_ahead(conn, true);
    glue_trace_drop(conn);
    OPENSSL_free(conn->server_name);
    conn->server_name = NULL;
    glue_notices_free(glue_conn_take_notices(conn));
    glue_auth_free(conn->auth);
    conn->auth = NULL;
    SSL_SESSION_free(conn->session);
    conn->session = NULL;
    glue_ticket_forget(conn);
    conn->question = 0;
}

void glue_conn_close(glue_conn *conn)
{
    close(conn->fd);
    conn->fd = -1;
}

void glue_conn_free(glue_conn *conn)
{
    if (conn == NULL) {
        return;
    }
    if (conn->mode == GLUE_MODE_TLS) {
        /* Without these flags OpenSSL marks the session as not resumable when the SSL goes. */
        SSL_set_shutdown(conn->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    }
    drop_tls(conn);
    if (conn->fd >= 0) {
        close(conn->fd);
    }
    ERR_clear_error();
    OPENSSL_free(conn);
}

int glue_conn_fd(const glue_conn *conn)
{
    return conn->fd;
}

bool glue_conn_is_tls(const glue_conn *conn)
{
    return conn->mode == GLUE_MODE_TLS;
}

bool glue_conn_pending(const glue_conn *conn)
{
    return conn->mode == GLUE_MODE_TLS &&
           (conn->ahead_pos < conn->ahead_len || SSL_has_pending(conn->ssl) == 1);
}

void glue_conn_set_faults(glue_conn *conn, size_t max_io, unsigned nth)
{
    conn->fault_max_io = max_io;
    conn->fault_nth = nth;
    conn->fault_count = 0;
}

/* ------------------------------------------------------------------ SSL_get_error */

static glue_status lost(glue_error *err, int sys_errno)
{
    if (sys_errno == 0) {
        return glue_error_set(err, GLUE_E_LOST_CONNECTION, NULL);
    }
    return glue_error_set_errno(err, GLUE_E_LOST_CONNECTION, sys_errno, "lost connection");
}

static glue_status library_failure(glue_conn *conn, bool handshaking, glue_error *err)
{
    conn->mode = GLUE_MODE_FAILED;
    /* Alerts that came in are raised as reasons above this offset (sslerr.h). */
    if (ERR_GET_REASON(ERR_peek_last_error()) >= SSL_AD_REASON_OFFSET) {
        return glue_error_openssl(err, GLUE_E_TLS_ALERT, NULL);
    }
    return glue_error_openssl(err, handshaking ? GLUE_E_TLS_HANDSHAKE : GLUE_E_TLS_PROTOCOL, NULL);
}

static glue_status translate(glue_conn *conn, int ret, int sys_errno, glue_error *err)
{
    bool handshaking = conn->mode == GLUE_MODE_HANDSHAKE;
    switch (SSL_get_error(conn->ssl, ret)) {
    case SSL_ERROR_NONE:
        return GLUE_OK;
    case SSL_ERROR_WANT_READ:
        return GLUE_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return GLUE_WANT_WRITE;
    case SSL_ERROR_WANT_CLIENT_HELLO_CB:
    case SSL_ERROR_WANT_X509_LOOKUP:
        return GLUE_WANT_APP;
    case SSL_ERROR_ZERO_RETURN:
        if (!handshaking) {
            conn->peer_closed = true;
            return GLUE_CLOSED;
        }
        conn->mode = GLUE_MODE_FAILED;
        return lost(err, 0);
    case SSL_ERROR_SYSCALL:
        conn->mode = GLUE_MODE_FAILED;
        return lost(err, sys_errno);
    default:
        return library_failure(conn, handshaking, err);
    }
}

/* ------------------------------------------------------------------ plaintext and TLS I/O */

static glue_status plain_read(glue_conn *conn, void *buf, size_t len, size_t *n, glue_error *err)
{
    long got = glue_bio_recv(conn, buf, len);
    if (got > 0) {
        *n = (size_t)got;
        return GLUE_OK;
    }
    if (got == 0) {
        conn->peer_closed = true;
        return GLUE_CLOSED;
    }
    return glue_bio_would_block(errno) ? GLUE_WANT_READ : lost(err, errno);
}

static glue_status plain_write(glue_conn *conn, const void *buf, size_t len, size_t *n,
                               glue_error *err)
{
    long put = glue_bio_send(conn, buf, len);
    if (put >= 0) {
        *n = (size_t)put;
        return GLUE_OK;
    }
    return glue_bio_would_block(errno) ? GLUE_WANT_WRITE : lost(err, errno);
}

static glue_status wrong_state(glue_error *err, const char *what)
{
    return glue_error_set(err, GLUE_E_INVALID_STATE, "cannot %s in this state of the connection",
                          what);
}

glue_status glue_conn_read(glue_conn *conn, void *buf, size_t len, size_t *n, glue_error *err)
{
    *n = 0;
    switch (conn->mode) {
    case GLUE_MODE_PLAIN:
        return plain_read(conn, buf, len, n, err);
    case GLUE_MODE_TLS:
        break;
    default:
        return wrong_state(err, "read");
    }
    ERR_clear_error();
    errno = 0;
    int ret = SSL_read_ex(conn->ssl, buf, len, n);
    return ret == 1 ? GLUE_OK : translate(conn, ret, errno, err);
}

glue_status glue_conn_write(glue_conn *conn, const void *buf, size_t len, size_t *n,
                            glue_error *err)
{
    *n = 0;
    switch (conn->mode) {
    case GLUE_MODE_PLAIN:
        return plain_write(conn, buf, len, n, err);
    case GLUE_MODE_TLS:
        break;
    default:
        return wrong_state(err, "write");
    }
    ERR_clear_error();
    errno = 0;
    int ret = SSL_write_ex(conn->ssl, buf, len, n);
    if (ret == 1) {
        return GLUE_OK;
    }
    glue_status status = translate(conn, ret, errno, err);
    /* The peer's close-notify ends its own side only; ours fails when the fd does. */
    return status == GLUE_CLOSED ? lost(err, EPIPE) : status;
}

void glue_conn_more_follows(glue_conn *conn, bool more)
{
    conn->more_follows = more;
}

static glue_status end_of_stream(glue_conn *conn)
{
    /* Where the peer has ended, close(2) follows and says the same. */
    if (!conn->peer_closed && !conn->slow_shutdown) {
        (void)shutdown(conn->fd, SHUT_WR);
    }
    return GLUE_OK;
}

void glue_conn_close_notify(glue_conn *conn)
{
    if (conn->mode == GLUE_MODE_TLS) {
        ERR_clear_error();
        (void)SSL_shutdown(conn->ssl);
    }
}

glue_status glue_conn_shutdown(glue_conn *conn, bool wait, glue_error *err)
{
    if (conn->mode != GLUE_MODE_TLS) {
        return end_of_stream(conn);
    }
    ERR_clear_error();
    errno = 0;
    int ret = SSL_shutdown(conn->ssl);
    if (ret == 0 && wait) {
        errno = 0;
        ret = SSL_shutdown(conn->ssl);
    }
    if (ret >= 0) {
        return end_of_stream(conn);
    }
    return translate(conn, ret, errno, err);
}

/* ------------------------------------------------------------------ handshake */

static bool given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

/* Parsing a list is a tenth of a handshake: one that the context has already is left alone. */
static bool other_ciphers(const glue_context *context, const char *cipher_list)
{
    return given(cipher_list) &&
           (context->cipher_list == NULL || strcmp(context->cipher_list, cipher_list) != 0);
}

static bool set_props(glue_conn *conn, const glue_tls_props *props, glue_error *err)
{
    SSL *ssl = conn->ssl;
    if (!glue_protocols_apply(&props->protocols, NULL, ssl)) {
        glue_error_openssl(err, GLUE_E_BAD_PROTOCOLS, NULL);
        return false;
    }
    if (other_ciphers(conn->context, props->cipher_list) &&
        SSL_set_cipher_list(ssl, props->cipher_list) != 1) {
        glue_error_openssl(err, GLUE_E_BAD_CIPHERS, "cannot use the cipher list \"%.200s\"",
                           props->cipher_list);
        return false;
    }
    if (props->security_level >= 0) {
        SSL_set_security_level(ssl, props->security_level);
    }
    if (given(props->sni) && SSL_set_tlsext_host_name(ssl, props->sni) != 1) {
        glue_error_openssl(err, GLUE_E_INVALID_ARGUMENT, "cannot send the server name \"%.260s\"",
                           props->sni);
        return false;
    }
    return true;
}

static bool attach(glue_conn *conn, const glue_tls_props *props, glue_error *err)
{
    BIO *bio = glue_bio_new(conn);
    if (bio == NULL || SSL_set_ex_data(conn->ssl, glue_library_conn_index(), conn) != 1) {
        BIO_free(bio);
        glue_error_openssl(err, GLUE_E_OUT_OF_MEMORY, NULL);
        return false;
    }
    SSL_set_bio(conn->ssl, bio, bio);
    if (!set_props(conn, props, err)) {
        return false;
    }
    if (conn->context->role == GLUE_SERVER) {
        SSL_set_accept_state(conn->ssl);
        glue_ticket_apply(conn, props);
        return true;
    }
    SSL_set_connect_state(conn->ssl);
    return (props->auth == NULL || glue_dane_apply(conn, props->auth, err)) &&
           glue_session_apply(conn, props, err);
}

glue_status glue_conn_start_tls(glue_conn *conn, glue_context *context, const glue_tls_props *props,
                                glue_error *err)
{
    if (conn->mode != GLUE_MODE_PLAIN) {
        return wrong_state(err, "start TLS");
    }
    ERR_clear_error();
    conn->ssl = SSL_new(context->ctx);
    if (conn->ssl == NULL) {
        return glue_error_openssl(err, GLUE_E_OPENSSL, "cannot make a TLS handle");
    }
    conn->context = glue_context_up_ref(context);
    if (!attach(conn, props, err)) {
        drop_tls(conn);
        return GLUE_ERROR;
    }
    conn->slow_shutdown = props->slow_shutdown;
    conn->mode = GLUE_MODE_HANDSHAKE;
    glue_trace_begin(conn, props->trace_limit, props->trace_rate);
    return GLUE_OK;
}

/* Frees what a key holds, whoever else refers to the object. */
static void empty_key(EVP_PKEY *key)
{
    EVP_PKEY_set_type(key, EVP_PKEY_ED25519);
    EVP_PKEY_free(key);
}

/*
 * The key shares have done their work, but OpenSSL (3.5) keeps them until SSL_free(), for
 * SSL_get_peer_tmp_key() alone: an ML-KEM-768 key is 6 KB of an idle connection. There is no call
 * that drops them, so the key objects are emptied where they are.
 */
static void drop_key_shares(SSL *ssl)
{
    EVP_PKEY *key = NULL;
    if (SSL_get_peer_tmp_key(ssl, &key) == 1) {
        empty_key(key);
    }
    if (SSL_get_tmp_key(ssl, &key) == 1) {
        empty_key(key);
    }
    ERR_clear_error();
}

glue_status glue_conn_handshake(glue_conn *conn, glue_error *err)
{
    if (conn->mode != GLUE_MODE_HANDSHAKE) {
        return wrong_state(err, "handshake");
    }
    if (conn->question != 0) {
        return GLUE_WANT_APP;
    }
    ERR_clear_error();
    errno = 0;
    int ret = SSL_do_handshake(conn->ssl);
    if (ret != 1) {
        glue_status status = translate(conn, ret, errno, err);
        if (status == GLUE_ERROR && err != NULL) {
            err->peer_spoke = glue_conn_peer_spoke(conn);
        }
        return status;
    }
    conn->mode = GLUE_MODE_TLS;
    drop_key_shares(conn->ssl);
    glue_ticket_forget(conn);
    glue_hello_forget(conn);
    glue_bio_drop_ahead(conn, false);
    return GLUE_OK;
}

/*
 * A HelloRetryRequest answers the first ClientHello and not the second, and the dummy
 * change_cipher_spec behind it (RFC 8446 D.4) may come when that has left. It has 6 bytes; any
 * other record that says something has more.
 */
#define DUMMY_RECORD_SIZE 6u

bool glue_conn_peer_spoke(const glue_conn *conn)
{
    if (conn->ssl == NULL) {
        return false;
    }
    switch (SSL_get_state(conn->ssl)) {
    case TLS_ST_BEFORE:
    case TLS_ST_CW_CLNT_HELLO:
        return conn->heard > DUMMY_RECORD_SIZE;
    default:
        return true;
    }
}
