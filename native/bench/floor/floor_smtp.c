/*
 * floor_smtp.c - the SMTP dialogue of the floor: EHLO, STARTTLS, MAIL, RCPT, DATA, BDAT, QUIT.
 *
 * Answers are constants and nothing is checked or kept: content is counted up to CRLF.CRLF, or by
 * the size of the chunk. What a real server does about limits, addresses, order and bare line feeds
 * is what the ratios to this price. A reply that does not fit into the socket ends the connection.
 *
 * BDAT is understood but CHUNKING not offered, so that every client measured against this server
 * has the same dialogue.
 */
#define _GNU_SOURCE
#include "floor.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include <openssl/err.h>

static const char end_of_data[] = "\r\n.\r\n";

enum { END_OF_DATA = sizeof end_of_data - 1 };

static size_t take_line(floor_smtp *smtp, const char *bytes, size_t count);
static floor_verdict command(floor_conn *conn);
static size_t take_data(floor_smtp *smtp, const char *bytes, size_t count);
static size_t match(size_t matched, char byte);
static size_t take_chunk(floor_smtp *smtp, size_t count);
static bool reply(floor_conn *conn, const char *text);
static floor_verdict go_on(bool sent);

bool floor_smtp_greet(floor_conn *conn)
{
    return reply(conn, "220 floor.test ESMTP\r\n");
}

floor_verdict floor_smtp_input(floor_conn *conn, const char *bytes, size_t count)
{
    floor_smtp *smtp = conn->smtp;
    floor_verdict verdict = FLOOR_GO_ON;
    while (count > 0 && verdict == FLOOR_GO_ON) {
        size_t taken = 0;
        bool whole = false;
        switch (smtp->state) {
        case FLOOR_DATA:
            taken = take_data(smtp, bytes, count);
            whole = smtp->matched == END_OF_DATA;
            break;
        case FLOOR_CHUNK:
            taken = take_chunk(smtp, count);
            whole = smtp->remaining == 0;
            break;
        default:
            taken = take_line(smtp, bytes, count);
            if (smtp->length > 0 && smtp->line[smtp->length - 1] == '\n') {
                verdict = command(conn);
                smtp->length = 0;
            } else if (smtp->length == FLOOR_LINE_MAX) {
                verdict = FLOOR_BROKEN;
            }
            break;
        }
        if (whole) {
            smtp->state = FLOOR_COMMANDS;
            verdict = go_on(reply(conn, "250 2.0.0 Ok\r\n"));
        }
        bytes += taken;
        count -= taken;
    }
    return verdict;
}

static size_t take_line(floor_smtp *smtp, const char *bytes, size_t count)
{
    size_t room = FLOOR_LINE_MAX - smtp->length;
    size_t look = count < room ? count : room;
    const char *end = memchr(bytes, '\n', look);
    size_t taken = end == NULL ? look : (size_t)(end - bytes) + 1;
    memcpy(smtp->line + smtp->length, bytes, taken);
    smtp->length += taken;
    return taken;
}

static floor_verdict command(floor_conn *conn)
{
    floor_smtp *smtp = conn->smtp;
    const char *line = smtp->line;
    if (smtp->length < 6) {
        return FLOOR_BROKEN;
    }
    if (strncasecmp(line, "MAIL", 4) == 0 || strncasecmp(line, "RCPT", 4) == 0) {
        return go_on(reply(conn, "250 2.1.0 Ok\r\n"));
    }
    if (strncasecmp(line, "EHLO", 4) == 0) {
        return go_on(reply(conn, conn->plain ? "250-floor.test\r\n250-SIZE 134217728\r\n"
                                               "250-STARTTLS\r\n250 8BITMIME\r\n"
                                             : "250-floor.test\r\n250-SIZE 134217728\r\n"
                                               "250 8BITMIME\r\n"));
    }
    if (strncasecmp(line, "STARTTLS", 8) == 0 && conn->plain) {
        bool sent = reply(conn, "220 2.0.0 Ready to start TLS\r\n");
        conn->plain = false;
        return go_on(sent);
    }
    if (strncasecmp(line, "DATA", 4) == 0) {
        smtp->state = FLOOR_DATA;
        smtp->matched = 2; /* a dot on the first line ends the data, too */
        smtp->received = 0;
        return go_on(reply(conn, "354 End data with <CR><LF>.<CR><LF>\r\n"));
    }
    if (strncasecmp(line, "BDAT ", 5) == 0) {
        smtp->remaining = strtoul(line + 5, NULL, 10);
        if (smtp->remaining == 0) {
            return go_on(reply(conn, "250 2.0.0 Ok\r\n"));
        }
        smtp->state = FLOOR_CHUNK;
        smtp->received = 0;
        return FLOOR_GO_ON;
    }
    if (strncasecmp(line, "QUIT", 4) == 0) {
        return reply(conn, "221 2.0.0 Bye\r\n") ? FLOOR_END : FLOOR_BROKEN;
    }
    return go_on(reply(conn, "502 5.5.2 Error: command not recognized\r\n"));
}

/* An end that lies across two reads is followed byte by byte; else the search is the library's. */
static size_t take_data(floor_smtp *smtp, const char *bytes, size_t count)
{
    size_t taken = 0;
    while (taken < count && smtp->matched > 0 && smtp->matched < END_OF_DATA) {
        smtp->matched = match(smtp->matched, bytes[taken++]);
    }
    if (smtp->matched == 0 && taken < count) {
        const char *rest = bytes + taken;
        const char *end = memmem(rest, count - taken, end_of_data, END_OF_DATA);
        if (end != NULL) {
            smtp->matched = END_OF_DATA;
            taken += (size_t)(end - rest) + END_OF_DATA;
        } else {
            size_t from = count - taken < END_OF_DATA ? taken : count - END_OF_DATA + 1;
            for (size_t i = from; i < count; i++) {
                smtp->matched = match(smtp->matched, bytes[i]);
            }
            taken = count;
        }
    }
    smtp->received += taken;
    return taken;
}

static size_t match(size_t matched, char byte)
{
    if (byte == end_of_data[matched]) {
        return matched + 1;
    }
    return byte == '\r' ? 1 : 0;
}

static size_t take_chunk(floor_smtp *smtp, size_t count)
{
    size_t taken = count < smtp->remaining ? count : smtp->remaining;
    smtp->remaining -= taken;
    smtp->received += taken;
    return taken;
}

static bool reply(floor_conn *conn, const char *text)
{
    int length = (int)strlen(text);
    if (conn->plain) {
        return send(conn->fd, text, (size_t)length, MSG_NOSIGNAL) == length;
    }
    ERR_clear_error();
    return SSL_write(conn->ssl, text, length) == length;
}

static floor_verdict go_on(bool sent)
{
    return sent ? FLOOR_GO_ON : FLOOR_BROKEN;
}
