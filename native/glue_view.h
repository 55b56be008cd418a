/*
 * glue_view.h - reading what a peer sent without running over its end.
 *
 * A view is lent: it points into a message that OpenSSL holds for the length of a callback. Each
 * function takes something off the front, or returns false and has taken nothing. Owns nothing.
 */
#ifndef MXTLS_GLUE_VIEW_H
#define MXTLS_GLUE_VIEW_H

#include <stdbool.h>
#include <stddef.h>

typedef struct view {
    const unsigned char *data;
    size_t len;
} view;

/* Takes `n` bytes off the front. */
static inline bool view_take(view *from, size_t n, view *out)
{
    if (from->len < n) {
        return false;
    }
    *out = (view){from->data, n};
    from->data += n;
    from->len -= n;
    return true;
}

/* Takes a number of one to three bytes in network order. */
static inline bool view_number(view *from, size_t width, unsigned *out)
{
    view bytes;
    if (!view_take(from, width, &bytes)) {
        return false;
    }
    *out = 0;
    for (size_t i = 0; i < width; i++) {
        *out = *out << 8 | bytes.data[i];
    }
    return true;
}

/* Takes a vector whose length is in its first `width` bytes (RFC 8446 3.4). */
static inline bool view_prefixed(view *from, size_t width, view *out)
{
    view rest = *from;
    unsigned len;
    if (!view_number(&rest, width, &len) || !view_take(&rest, len, out)) {
        return false;
    }
    *from = rest;
    return true;
}

#endif
