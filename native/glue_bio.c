/*
 * glue_bio.c - the one place where bytes enter and leave the socket.
 *
 * A BIO over the connection's fd and the same two calls for plaintext. OpenSSL's own socket BIO
 * writes with write(2), which raises SIGPIPE in a process that does not ignore it; this one uses
 * send(2) with MSG_NOSIGNAL. It is also where tests inject faults: short reads and writes, and
 * sockets that pretend not to be ready.
 *
 * While a handshake goes on, reads are made in large pieces and handed out in the small ones that
 * OpenSSL asks for: it ignores read-ahead until application data is protected (tls_common.c in
 * 3.5) and would make two system calls for each record.
 *
 * Owns nothing: the BIO's data is the connection, which outlives its SSL and thus its BIO.
 * A failure leaves errno set; the retry flags tell OpenSSL which direction to wait for.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/bio.h>

#include "glue_internal.h"

static _Atomic(BIO_METHOD *) method; /* one per process, never freed */

static bool fault_not_ready(struct glue_conn *conn)
{
    if (conn->fault_nth == 0) {
        return false;
    }
    conn->fault_count++;
    return conn->fault_count % conn->fault_nth == 0;
}

static size_t fault_limit(const struct glue_conn *conn, size_t len)
{
    return conn->fault_max_io != 0 && conn->fault_max_io < len ? conn->fault_max_io : len;
}

long glue_bio_recv(struct glue_conn *conn, void *buf, size_t len)
{
    if (fault_not_ready(conn)) {
        errno = EAGAIN;
        return -1;
    }
    ssize_t n;
    do {
        n = recv(conn->fd, buf, fault_limit(conn, len), 0);
    } while (n < 0 && errno == EINTR);
    return n;
}

/*
 * In TLS 1.3 tickets are the last that a server writes in its handshake. In TLS 1.2 its Finished
 * follows them, and takes them along.
 */
static bool awaits_more(const struct glue_conn *conn)
{
    return conn->more_follows || (conn->delay_tickets && conn->mode == GLUE_MODE_HANDSHAKE &&
                                  SSL_get_state(conn->ssl) == TLS_ST_SW_SESSION_TICKET);
}

long glue_bio_send(struct glue_conn *conn, const void *buf, size_t len)
{
    if (fault_not_ready(conn)) {
        errno = EAGAIN;
        return -1;
    }
    int flags = MSG_NOSIGNAL | (awaits_more(conn) ? MSG_MORE : 0);
    ssize_t n;
    do {
        n = send(conn->fd, buf, fault_limit(conn, len), flags);
    } while (n < 0 && errno == EINTR);
    return n;
}

bool glue_bio_would_block(int sys_errno)
{
    return sys_errno == EAGAIN || sys_errno == EWOULDBLOCK;
}

/* ------------------------------------------------------------------ read-ahead */

#define AHEAD_SIZE 4096u

void glue_bio_drop_ahead(struct glue_conn *conn, bool all)
{
    if (all || conn->ahead_pos == conn->ahead_len) {
        OPENSSL_free(conn->ahead);
        conn->ahead = NULL;
        conn->ahead_pos = 0;
        conn->ahead_len = 0;
    }
}

static long ahead_take(struct glue_conn *conn, char *buf, size_t len)
{
    size_t left = conn->ahead_len - conn->ahead_pos;
    size_t n = len < left ? len : left;
    memcpy(buf, conn->ahead + conn->ahead_pos, n);
    conn->ahead_pos += n;
    if (conn->mode != GLUE_MODE_HANDSHAKE) {
        glue_bio_drop_ahead(conn, false);
    }
    return (long)n;
}

static long read_ahead(struct glue_conn *conn, char *buf, size_t len)
{
    if (conn->ahead_pos < conn->ahead_len) {
        return ahead_take(conn, buf, len);
    }
    if (conn->mode != GLUE_MODE_HANDSHAKE || len >= AHEAD_SIZE) {
        return glue_bio_recv(conn, buf, len);
    }
    if (conn->ahead == NULL) {
        conn->ahead = OPENSSL_malloc(AHEAD_SIZE);
        if (conn->ahead == NULL) {
            ERR_clear_error(); /* it goes without */
            return glue_bio_recv(conn, buf, len);
        }
    }
    long n = glue_bio_recv(conn, conn->ahead, AHEAD_SIZE);
    if (n <= 0) {
        return n;
    }
    conn->ahead_pos = 0;
    conn->ahead_len = (size_t)n;
    return ahead_take(conn, buf, len);
}

/* ------------------------------------------------------------------ the BIO */

static int bio_read(BIO *bio, char *buf, int len)
{
    struct glue_conn *conn = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    long n = read_ahead(conn, buf, (size_t)len);
    if (n < 0 && glue_bio_would_block(errno)) {
        BIO_set_retry_read(bio);
    }
    if (n == 0) {
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    }
    return (int)n;
}

static int bio_write(BIO *bio, const char *buf, int len)
{
    struct glue_conn *conn = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    long n = glue_bio_send(conn, buf, (size_t)len);
    if (n < 0 && glue_bio_would_block(errno)) {
        BIO_set_retry_write(bio);
    }
    return (int)n;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    (void)num;
    (void)ptr;
    switch (cmd) {
    case BIO_CTRL_FLUSH:
    case BIO_CTRL_DUP:
        return 1;
    case BIO_CTRL_EOF:
        return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    default:
        return 0;
    }
}

static BIO_METHOD *method_make(void)
{
    BIO_METHOD *made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "mxtls socket");
    if (made == NULL) {
        return NULL;
    }
    if (!BIO_meth_set_read(made, bio_read) || !BIO_meth_set_write(made, bio_write) ||
        !BIO_meth_set_ctrl(made, bio_ctrl)) {
        BIO_meth_free(made);
        return NULL;
    }
    return made;
}

/* Made by whichever thread comes first; a failure for lack of memory may be tried again. */
static BIO_METHOD *method_get(void)
{
    BIO_METHOD *known = atomic_load_explicit(&method, memory_order_acquire);
    if (known != NULL) {
        return known;
    }
    BIO_METHOD *made = method_make();
    if (made == NULL || atomic_compare_exchange_strong(&method, &known, made)) {
        return made;
    }
    BIO_meth_free(made);
    return known;
}

BIO *glue_bio_new(struct glue_conn *conn)
{
    BIO_METHOD *known = method_get();
    BIO *bio = known == NULL ? NULL : BIO_new(known);
    if (bio == NULL) {
        return NULL;
    }
    BIO_set_data(bio, conn);
    BIO_set_init(bio, 1);
    return bio;
}
