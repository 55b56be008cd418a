/*
 * floor.h - the parts of the floor: the server itself, and the SMTP dialogue that --smtp puts on
 * top of its connections.
 */
#ifndef MXTLS_BENCH_FLOOR_H
#define MXTLS_BENCH_FLOOR_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/ssl.h>

enum { FLOOR_LINE_MAX = 512 };

typedef enum floor_smtp_state { FLOOR_COMMANDS, FLOOR_DATA, FLOOR_CHUNK } floor_smtp_state;

typedef struct floor_smtp {
    floor_smtp_state state;
    char line[FLOOR_LINE_MAX]; /* the command line so far */
    size_t length;
    size_t matched;   /* bytes of CRLF.CRLF that the data end with */
    size_t remaining; /* of the chunk */
    size_t received;  /* content of the current message */
} floor_smtp;

typedef struct floor_conn {
    SSL *ssl;
    int fd;
    bool plain; /* before STARTTLS */
    bool established;
    bool wants_write; /* what epoll is armed for */
    floor_smtp *smtp; /* NULL without --smtp */
} floor_conn;

/* What the bytes of the client come to. */
typedef enum floor_verdict { FLOOR_GO_ON, FLOOR_END, FLOOR_BROKEN } floor_verdict;

/* floor_smtp.c: the greeting, and the answers to whatever has come. False: it could not be sent. */
bool floor_smtp_greet(floor_conn *conn);
floor_verdict floor_smtp_input(floor_conn *conn, const char *bytes, size_t count);

#endif
