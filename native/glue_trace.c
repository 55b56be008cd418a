/*
 * glue_trace.c - what the two sides of one session said to each other, as text without secrets.
 *
 * Mirrors the "trace" loglevel of Postfix 3.12, whose transcript it resembles in purpose only. The
 * message callback (SSL_set_msg_callback) sees each record header, handshake message and alert;
 * glue_trace_message.c takes messages apart. Lines collect in a buffer of the connection, bounded
 * by the caller's limit, until somebody fetches them with glue_conn_trace(): no JavaScript here.
 *
 * What never gets into it: application data and the lengths of its records, keys and key shares,
 * random bytes, verify data, certificates, tickets, PSK identities, session ids - all of which are
 * told by their lengths. Names that a peer chose are printed with '?' for whatever is no letter,
 * digit, '.', '-', '_' or '/'.
 *
 * How many sessions are traced is bounded for the whole process: tracing is for a look at a peer
 * that misbehaves, not for a flood of them. Lack of memory ends a trace, never a session.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "glue_internal.h"
#include "glue_trace.h"

#define PERIOD_SECONDS 60
#define LINE_MAX_LEN 400u
#define FIRST_ROOM 4096u
#define TRUNCATED "the trace ends here: it has reached its largest size\n"

struct glue_trace {
    char *text; /* owned */
    size_t len;
    size_t room;
    size_t left; /* of the limit */
    bool full;
    bool fetched; /* what is in `text` was handed out: the next line begins anew */
};

static void message_callback(int sent, int version, int content_type, const void *buf, size_t len,
                             SSL *ssl, void *arg);

/* ------------------------------------------------------------------ how many */

static struct {
    pthread_mutex_t lock;
    time_t since;
    unsigned count;
} admitted = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The monotonic clock: a corrected wall clock neither opens nor closes the gate. */
static bool admit(unsigned rate)
{
    struct timespec now;
    if (rate == 0) {
        return true;
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    pthread_mutex_lock(&admitted.lock);
    if (admitted.count == 0 || now.tv_sec - admitted.since >= PERIOD_SECONDS) {
        admitted.since = now.tv_sec;
        admitted.count = 0;
    }
    bool yes = admitted.count < rate;
    admitted.count += yes ? 1 : 0;
    pthread_mutex_unlock(&admitted.lock);
    return yes;
}

/* ------------------------------------------------------------------ life */

void glue_trace_begin(struct glue_conn *conn, size_t limit, unsigned rate)
{
    if (limit < sizeof(TRUNCATED) || !admit(rate)) {
        return;
    }
    conn->trace = OPENSSL_zalloc(sizeof(*conn->trace));
    if (conn->trace == NULL) {
        ERR_clear_error();
        return;
    }
    conn->trace->left = limit - (sizeof(TRUNCATED) - 1);
    SSL_set_msg_callback(conn->ssl, message_callback);
    SSL_set_msg_callback_arg(conn->ssl, conn);
}

void glue_trace_drop(struct glue_conn *conn)
{
    if (conn->trace != NULL) {
        OPENSSL_free(conn->trace->text);
        OPENSSL_free(conn->trace);
        conn->trace = NULL;
    }
}

const char *glue_conn_trace(glue_conn *conn, size_t *len)
{
    struct glue_trace *trace = conn->trace;
    *len = 0;
    if (trace == NULL || trace->fetched || trace->len == 0) {
        return NULL;
    }
    trace->fetched = true;
    *len = trace->len;
    return trace->text;
}

/* ------------------------------------------------------------------ lines */

static bool make_room(struct glue_trace *trace, size_t len)
{
    size_t wanted = trace->room == 0 ? FIRST_ROOM : trace->room;
    while (wanted < trace->len + len) {
        wanted *= 2;
    }
    if (wanted == trace->room) {
        return true;
    }
    char *larger = OPENSSL_realloc(trace->text, wanted);
    if (larger == NULL) {
        return false;
    }
    trace->text = larger;
    trace->room = wanted;
    return true;
}

static void append(struct glue_trace *trace, const char *text, size_t len)
{
    if (trace->fetched) {
        trace->len = 0;
        trace->fetched = false;
    }
    if (!make_room(trace, len)) {
        trace->full = true;
        return;
    }
    memcpy(trace->text + trace->len, text, len);
    trace->len += len;
}

void glue_trace_line(struct glue_trace *trace, const char *format, ...)
{
    char line[LINE_MAX_LEN];
    va_list args;
    if (trace->full) {
        return;
    }
    va_start(args, format);
    int wanted = vsnprintf(line, sizeof(line) - 1, format, args);
    va_end(args);
    size_t len = wanted < 0 ? 0 : (size_t)wanted;
    len = len > sizeof(line) - 2 ? sizeof(line) - 2 : len;
    line[len++] = '\n';
    if (len > trace->left) {
        append(trace, TRUNCATED, sizeof(TRUNCATED) - 1);
        trace->full = true;
        return;
    }
    trace->left -= len;
    append(trace, line, len);
}

void glue_trace_list_open(glue_trace_list *list, struct glue_trace *trace, const char *label)
{
    list->trace = trace;
    list->len = 0;
    glue_trace_list_add(list, "  %s:", label);
}

void glue_trace_list_add(glue_trace_list *list, const char *format, ...)
{
    va_list args;
    if (list->len > GLUE_TRACE_WRAP) {
        glue_trace_list_close(list);
        list->len = (size_t)snprintf(list->text, sizeof(list->text), "   ");
    }
    va_start(args, format);
    int n = vsnprintf(list->text + list->len, sizeof(list->text) - list->len, format, args);
    va_end(args);
    list->len += n > 0 ? (size_t)n : 0;
    list->len = list->len < sizeof(list->text) ? list->len : sizeof(list->text) - 1;
}

void glue_trace_list_close(glue_trace_list *list)
{
    glue_trace_line(list->trace, "%s", list->text);
}

/* ------------------------------------------------------------------ the callback */

static const char *record_name(unsigned type)
{
    switch (type) {
    case SSL3_RT_CHANGE_CIPHER_SPEC:
        return "ChangeCipherSpec";
    case SSL3_RT_ALERT:
        return "Alert";
    case SSL3_RT_HANDSHAKE:
        return "Handshake";
    case SSL3_RT_APPLICATION_DATA:
        return "ApplicationData"; /* which TLS 1.3 calls everything that is encrypted */
    default:
        return "unknown";
    }
}

static void trace_record(struct glue_trace *trace, const char *direction, view header)
{
    unsigned type, version, len;
    if (view_number(&header, 1, &type) && view_number(&header, 2, &version) &&
        view_number(&header, 2, &len)) {
        glue_trace_line(trace, "%s record %s (%u), version 0x%04x, %u bytes", direction,
                        record_name(type), type, version, len);
    }
}

static void trace_alert(struct glue_trace *trace, const char *direction, view alert)
{
    unsigned level, description;
    if (view_number(&alert, 1, &level) && view_number(&alert, 1, &description)) {
        int value = (int)(level << 8 | description);
        glue_trace_line(trace, "%s alert %s: %s (%u)", direction, SSL_alert_type_string_long(value),
                        SSL_alert_desc_string_long(value), description);
    }
}

static void message_callback(int sent, int version, int content_type, const void *buf, size_t len,
                             SSL *ssl, void *arg)
{
    struct glue_conn *conn = arg;
    const char *direction = sent != 0 ? "sent" : "received";
    view bytes = {buf, len};
    (void)version;
    switch (content_type) {
    case SSL3_RT_HEADER:
        /* Afterwards records carry mail, whose sizes are nobody's business. */
        if (conn->mode == GLUE_MODE_HANDSHAKE) {
            trace_record(conn->trace, direction, bytes);
        }
        break;
    case SSL3_RT_HANDSHAKE:
        glue_trace_message(conn->trace, ssl, direction, bytes);
        break;
    case SSL3_RT_ALERT:
        trace_alert(conn->trace, direction, bytes);
        break;
    case SSL3_RT_CHANGE_CIPHER_SPEC:
        glue_trace_line(conn->trace, "%s ChangeCipherSpec", direction);
        break;
    default:
        break;
    }
}
