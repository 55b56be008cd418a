/*
 * server.h - a server connection that is fed bytes, for the targets that are about a ClientHello.
 */
#ifndef MXTLS_FUZZ_SERVER_H
#define MXTLS_FUZZ_SERVER_H

#include "../testlib.h"

/* A context that asks everything and acknowledges names; lives as long as the program. */
void fuzz_server_open(void);

/* What the handshake asked for, by GLUE_ASK_* bit, and the last server name. */
typedef struct fuzz_asked {
    unsigned kinds;
    char name[512];
} fuzz_asked;

/*
 * Plays `bytes` and the end of the stream to a new connection until its handshake fails, which it
 * must within a bounded number of steps. `choices`: bit n refuses the nth question.
 */
fuzz_asked fuzz_server_play(const void *bytes, size_t size, unsigned choices);

#endif
