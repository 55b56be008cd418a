/*
 * load.h - the parts of the load generator.
 *
 * A mode is a list of actions that each connection goes through. An action makes one non-blocking
 * attempt and is called again when the socket is ready, until it is done; what it must remember
 * between attempts lives in load_conn. A new mode is a new file load_NAME.c and a line in load.c.
 */
#ifndef MXTLS_BENCH_LOAD_H
#define MXTLS_BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/ssl.h>

typedef struct load_options {
    unsigned long port;
    unsigned long concurrency; /* connections at a time that are not held */
    unsigned long count;       /* connections in total */
    unsigned long tickets;     /* session tickets to wait for after a handshake */
    unsigned long names;       /* server names to ask for in turn, nI.bench.test; 0: none */
    const char *group;
    bool tls12;         /* instead of TLS 1.3 */
    bool resume;        /* all but the first come back with its session */
    size_t invented;    /* bytes of their ticket's key name that are random, from its end */
    bool hold;          /* keep finished connections open until the end of stdin */
    unsigned long size; /* bytes of the message of the smtp modes */
    const char *data;   /* that message with the end of data */
    size_t data_length;
    const char *chunk; /* that message behind its BDAT command */
    size_t chunk_length;
} load_options;

typedef struct load_conn {
    const load_options *options;
    int fd;
    SSL *ssl;              /* there from the start, used from the handshake on */
    size_t action;         /* index into the mode's list */
    unsigned long tickets; /* seen so far */
    bool close_sent;
    bool truncated; /* the server closed without a close-notify */
    bool secure;    /* smtp modes: after STARTTLS */
    bool asked;     /* smtp modes: the command is sent, its reply is awaited */
    char reply[512];
    size_t reply_length;
} load_conn;

typedef enum load_progress { LOAD_DONE, LOAD_WAIT, LOAD_FAILED } load_progress;

typedef load_progress (*load_action)(load_conn *conn);

enum { LOAD_MAX_ACTIONS = 16 };

typedef struct load_mode {
    const char *name;
    const char *summary;
    bool can_hold;
    bool resumes;
    size_t invents;                        /* bytes of key names, see load_options */
    load_action actions[LOAD_MAX_ACTIONS]; /* ends at NULL */
} load_mode;

extern const load_mode load_handshake_mode;
extern const load_mode load_resumed_mode;
extern const load_mode load_foreign_mode;
extern const load_mode load_unknown_mode;
extern const load_mode load_idle_mode;
extern const load_mode load_smtp_mode;
extern const load_mode load_smtp_bdat_mode;

typedef struct load_result {
    unsigned long finished;
    unsigned long failed;
    unsigned long truncated;
    unsigned long tickets;
    unsigned long resumed;
    double cpu;     /* microseconds of this process in that time */
    double seconds; /* from the first connect to the last close, or until all are held */
} load_result;

/* load_invented.c: the session that others come back with, its ticket by a key that is not there.
 */
SSL_SESSION *load_invented_session(size_t invented);

/* load_run.c: drives all connections through the mode. */
load_result load_run(const load_mode *mode, const load_options *options);

/* load_tls.c: a client context for one group; actions that modes are made of. */
SSL_CTX *load_tls_context(const load_options *options);
load_progress load_tls_handshake(load_conn *conn);
SSL_SESSION *load_tls_session(void); /* what the first one left, lent; NULL: it is not done */
load_progress load_tls_tickets(load_conn *conn);
load_progress load_tls_first_tickets(load_conn *conn);
load_progress load_tls_close(load_conn *conn);
load_progress load_tls_wait_close(load_conn *conn);
load_progress load_tls_progress(const load_conn *conn, int result);

/* load_message.c: makes the message of the smtp modes. */
void load_make_message(load_options *options);

#endif
