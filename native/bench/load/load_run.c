/*
 * load_run.c - drives the connections: one thread, one edge-triggered epoll, each descriptor armed
 * once for both directions, because the generator shares the machine with the server it measures.
 *
 * Owns all connections. At most `concurrency` are under way; a finished one makes room for the next
 * and is closed, or kept when the run holds them.
 */
#define _GNU_SOURCE
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>

#include "bench.h"

enum { EVENTS = 256, STALL_MS = 30000 };

typedef struct load_state {
    const load_mode *mode;
    const load_options *options;
    SSL_CTX *ctx;
    int epoll;
    unsigned long started;
    unsigned long under_way;
    load_conn **held;
    unsigned long held_count;
    load_result result;
} load_state;

static unsigned long at_a_time(const load_options *options);
static double now(void);
static double cpu_now(void);
static void start_one(load_state *state);
static void offer_session(const load_options *options, SSL *ssl);
static void name_server(const load_state *state, SSL *ssl);
static int connect_socket(unsigned long port);
static void step(load_state *state, load_conn *conn);
static void finish(load_state *state, load_conn *conn, load_progress progress);
static void report_first_failure(const load_state *state, const load_conn *conn);
static void release(load_conn *conn);
static void hold_until_stdin_ends(load_state *state);

load_result load_run(const load_mode *mode, const load_options *options)
{
    load_state state = {
        .mode = mode,
        .options = options,
        .ctx = load_tls_context(options),
        .epoll = epoll_create1(EPOLL_CLOEXEC),
    };
    state.held = options->hold ? calloc(options->count, sizeof *state.held) : NULL;
    if (state.epoll < 0 || (options->hold && state.held == NULL)) {
        bench_fail("cannot start: %s", strerror(errno));
    }
    double begin = now();
    double cpu_begin = cpu_now();
    while (state.started < options->count || state.under_way > 0) {
        while (state.under_way < at_a_time(options) && state.started < options->count) {
            start_one(&state);
        }
        struct epoll_event events[EVENTS];
        int count = epoll_wait(state.epoll, events, EVENTS, STALL_MS);
        if (count == 0) {
            bench_fail("nothing moved for %d s: %lu of %lu connections are under way",
                       STALL_MS / 1000, state.under_way, options->count);
        }
        for (int i = 0; i < count; i++) {
            step(&state, events[i].data.ptr);
        }
    }
    state.result.seconds = now() - begin;
    state.result.cpu = cpu_now() - cpu_begin;
    if (options->hold) {
        hold_until_stdin_ends(&state);
    }
    SSL_SESSION_free(load_tls_session());
    SSL_CTX_free(state.ctx);
    close(state.epoll);
    return state.result;
}

/* The first one is alone until it has what the others come back with. */
static unsigned long at_a_time(const load_options *options)
{
    return options->resume && load_tls_session() == NULL ? 1 : options->concurrency;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double cpu_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static void start_one(load_state *state)
{
    load_conn *conn = calloc(1, sizeof *conn);
    SSL *ssl = SSL_new(state->ctx);
    if (conn == NULL || ssl == NULL) {
        bench_fail_openssl("out of memory");
    }
    conn->options = state->options;
    conn->ssl = ssl;
    conn->fd = connect_socket(state->options->port);
    if (SSL_set_fd(ssl, conn->fd) != 1 || SSL_set_app_data(ssl, conn) != 1) {
        bench_fail_openssl("out of memory");
    }
    name_server(state, ssl);
    offer_session(state->options, ssl);
    struct epoll_event event = {
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
        .data.ptr = conn,
    };
    if (epoll_ctl(state->epoll, EPOLL_CTL_ADD, conn->fd, &event) != 0) {
        bench_fail("epoll_ctl: %s", strerror(errno));
    }
    state->started++;
    state->under_way++;
}

/* A copy: OpenSSL (3.5) has a client use a session of TLS 1.3 once, and marks it. */
static void offer_session(const load_options *options, SSL *ssl)
{
    if (load_tls_session() != NULL) {
        SSL_SESSION *copy = options->invented == 0 ? SSL_SESSION_dup(load_tls_session())
                                                   : load_invented_session(options->invented);
        if (copy == NULL || SSL_set_session(ssl, copy) != 1) {
            bench_fail_openssl("cannot offer a session");
        }
        SSL_SESSION_free(copy);
    }
}

static void name_server(const load_state *state, SSL *ssl)
{
    char name[64];
    if (state->options->names == 0) {
        return;
    }
    snprintf(name, sizeof name, "n%lu.bench.test", state->started % state->options->names);
    if (SSL_set_tlsext_host_name(ssl, name) != 1) {
        bench_fail_openssl("out of memory");
    }
}

static int connect_socket(unsigned long port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
        bench_fail("socket: %s", strerror(errno));
    }
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0 &&
        errno != EINPROGRESS) {
        bench_fail("connect to port %lu: %s", port, strerror(errno));
    }
    return fd;
}

static void step(load_state *state, load_conn *conn)
{
    const load_action *actions = state->mode->actions;
    if (actions[conn->action] == NULL) {
        return; /* held: an event of a late ticket or of the server's end */
    }
    while (actions[conn->action] != NULL) {
        load_progress progress = actions[conn->action](conn);
        if (progress == LOAD_WAIT) {
            return;
        }
        if (progress == LOAD_FAILED) {
            finish(state, conn, progress);
            return;
        }
        conn->action++;
    }
    finish(state, conn, LOAD_DONE);
}

static void finish(load_state *state, load_conn *conn, load_progress progress)
{
    state->under_way--;
    state->result.tickets += conn->tickets;
    state->result.resumed += SSL_session_reused(conn->ssl) == 1 ? 1 : 0;
    if (progress == LOAD_FAILED) {
        report_first_failure(state, conn);
        state->result.failed++;
        release(conn);
        return;
    }
    state->result.finished++;
    state->result.truncated += conn->truncated ? 1 : 0;
    if (state->options->hold) {
        state->held[state->held_count++] = conn;
        return;
    }
    release(conn);
}

static void report_first_failure(const load_state *state, const load_conn *conn)
{
    if (state->result.failed == 0) {
        fprintf(stderr, "bench_load: action %zu failed (errno: %s)\n", conn->action,
                strerror(errno));
        ERR_print_errors_fp(stderr);
    }
}

static void release(load_conn *conn)
{
    SSL_free(conn->ssl);
    close(conn->fd);
    free(conn);
}

static void hold_until_stdin_ends(load_state *state)
{
    puts("ready");
    fflush(stdout);
    char buffer[256];
    while (read(STDIN_FILENO, buffer, sizeof buffer) > 0) {
        continue;
    }
    for (unsigned long i = 0; i < state->held_count; i++) {
        ERR_clear_error();
        SSL_shutdown(state->held[i]->ssl);
        release(state->held[i]);
    }
    free(state->held);
}
