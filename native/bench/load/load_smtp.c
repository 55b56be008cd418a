/*
 * load_smtp.c - the modes behind CPU per session, per MiB and per delivery: one message over a new
 * STARTTLS connection, by DATA or as one chunk by BDAT, waiting for each reply, pipelining nothing.
 *
 * A reply with another first digit than the expected one, or with anything behind it, fails the
 * connection. Session tickets come along with the first replies under TLS and are counted there.
 */
#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/err.h>

static load_progress greeting(load_conn *conn);
static load_progress ehlo(load_conn *conn);
static load_progress starttls(load_conn *conn);
static load_progress mail(load_conn *conn);
static load_progress rcpt(load_conn *conn);
static load_progress data(load_conn *conn);
static load_progress message(load_conn *conn);
static load_progress chunk(load_conn *conn);
static load_progress quit(load_conn *conn);
static load_progress command(load_conn *conn, const char *line, char digit);
static load_progress exchange(load_conn *conn, const char *bytes, size_t count, char digit);
static load_progress send_all(load_conn *conn, const char *bytes, size_t count);
static load_progress read_some(load_conn *conn);
static bool is_whole(const load_conn *conn);

const load_mode load_smtp_mode = {
    .name = "smtp",
    .summary = "a message by DATA over STARTTLS",
    .actions = {greeting, ehlo, starttls, load_tls_handshake, ehlo, mail, rcpt, data, message, quit,
                load_tls_wait_close},
};

const load_mode load_smtp_bdat_mode = {
    .name = "smtp-bdat",
    .summary = "a message by BDAT over STARTTLS",
    .actions = {greeting, ehlo, starttls, load_tls_handshake, ehlo, mail, rcpt, chunk, quit,
                load_tls_wait_close},
};

static load_progress greeting(load_conn *conn)
{
    conn->asked = true;
    return exchange(conn, NULL, 0, '2');
}

static load_progress ehlo(load_conn *conn)
{
    return command(conn, "EHLO client.test\r\n", '2');
}

static load_progress starttls(load_conn *conn)
{
    load_progress progress = command(conn, "STARTTLS\r\n", '2');
    conn->secure = progress == LOAD_DONE;
    return progress;
}

static load_progress mail(load_conn *conn)
{
    return command(conn, "MAIL FROM:<sender@client.test>\r\n", '2');
}

static load_progress rcpt(load_conn *conn)
{
    return command(conn, "RCPT TO:<recipient@server.test>\r\n", '2');
}

static load_progress data(load_conn *conn)
{
    return command(conn, "DATA\r\n", '3');
}

static load_progress message(load_conn *conn)
{
    return exchange(conn, conn->options->data, conn->options->data_length, '2');
}

static load_progress chunk(load_conn *conn)
{
    return exchange(conn, conn->options->chunk, conn->options->chunk_length, '2');
}

static load_progress quit(load_conn *conn)
{
    return command(conn, "QUIT\r\n", '2');
}

static load_progress command(load_conn *conn, const char *line, char digit)
{
    return exchange(conn, line, strlen(line), digit);
}

static load_progress exchange(load_conn *conn, const char *bytes, size_t count, char digit)
{
    if (!conn->asked) {
        load_progress sent = send_all(conn, bytes, count);
        if (sent != LOAD_DONE) {
            return sent;
        }
        conn->asked = true;
    }
    while (!is_whole(conn)) {
        load_progress got = read_some(conn);
        if (got != LOAD_DONE) {
            return got;
        }
    }
    load_progress progress = conn->reply[0] == digit ? LOAD_DONE : LOAD_FAILED;
    conn->asked = false;
    conn->reply_length = 0;
    return progress;
}

/* Without partial writes SSL_write() takes everything, however often it must be called again. */
static load_progress send_all(load_conn *conn, const char *bytes, size_t count)
{
    if (conn->secure) {
        ERR_clear_error();
        return load_tls_progress(conn, SSL_write(conn->ssl, bytes, (int)count));
    }
    return send(conn->fd, bytes, count, 0) == (ssize_t)count ? LOAD_DONE : LOAD_FAILED;
}

static load_progress read_some(load_conn *conn)
{
    char *at = conn->reply + conn->reply_length;
    size_t room = sizeof conn->reply - conn->reply_length;
    if (room == 0) {
        return LOAD_FAILED;
    }
    if (conn->secure) {
        ERR_clear_error();
        int count = SSL_read(conn->ssl, at, (int)room);
        conn->reply_length += count > 0 ? (size_t)count : 0;
        return load_tls_progress(conn, count);
    }
    ssize_t count = recv(conn->fd, at, room, 0);
    if (count > 0) {
        conn->reply_length += (size_t)count;
        return LOAD_DONE;
    }
    return count < 0 && (errno == EAGAIN || errno == ENOTCONN) ? LOAD_WAIT : LOAD_FAILED;
}

/* Ends in a line whose fourth byte is no hyphen. */
static bool is_whole(const load_conn *conn)
{
    size_t length = conn->reply_length;
    if (length < 5 || conn->reply[length - 1] != '\n') {
        return false;
    }
    const char *before = memrchr(conn->reply, '\n', length - 1);
    const char *last = before == NULL ? conn->reply : before + 1;
    return conn->reply + length - last >= 5 && last[3] != '-';
}
