/*
 * glue_trace.h - what glue_trace.c and glue_trace_message.c have between them.
 *
 * The first owns the buffer and the callback, the second knows how handshake messages are made.
 * Lines are whole or not there at all. Owns nothing.
 */
#ifndef MXTLS_GLUE_TRACE_H
#define MXTLS_GLUE_TRACE_H

#include "glue_view.h"

struct glue_trace;
struct ssl_st; /* SSL */

/* Adds one line, without its end; one that is too long is cut. Once the limit is reached: nothing.
 */
void glue_trace_line(struct glue_trace *trace, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define GLUE_TRACE_WRAP 200u

/* "  label: a b c", continued on further lines where it gets long. */
typedef struct glue_trace_list {
    struct glue_trace *trace;
    char text[GLUE_TRACE_WRAP + 80];
    size_t len;
} glue_trace_list;

void glue_trace_list_open(glue_trace_list *list, struct glue_trace *trace, const char *label);
void glue_trace_list_add(glue_trace_list *list, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void glue_trace_list_close(glue_trace_list *list);

/* Takes a handshake message apart; a malformed one is told as far as it goes. */
void glue_trace_message(struct glue_trace *trace, struct ssl_st *ssl, const char *direction,
                        view message);

#endif
