/*
 * floor_server.c - the floor of the bench: a bare C TLS server, one thread, one epoll.
 *
 * It does what our server does in the same order on the same library with the same options, and
 * nothing else: accept in batches, handshake, wait for the client's close-notify, answer it, close;
 * with --smtp the dialogue of floor_smtp.c, plaintext up to STARTTLS, until QUIT.
 * No deadlines, no limits, no error objects, no log: what a real server needs on top is what the
 * ratios to this program price. A connection that fails is closed and counted, never more.
 *
 * Prints "listening PORT" when ready; SIGTERM ends it. Like a careful server it never frees a
 * handle whose session would count as broken: close-notify first, SSL_set_shutdown() after errors
 * of the transport.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "bench.h"
#include "floor.h"

/* READ_SIZE: a record of TLS, so that content needs one call for each. */
enum { EVENTS = 256, ACCEPT_BATCH = 64, BACKLOG = 4096, READ_SIZE = 16384 };

typedef struct floor_options {
    const char *chain;
    const char *groups;
    unsigned long port;
    unsigned long tickets;
    bool smtp;
} floor_options;

typedef struct floor_server {
    SSL_CTX *ctx;
    int epoll;
    int listener;
    bool smtp;
    unsigned long failed;
} floor_server;

static const char usage[] =
    "usage: bench_floor --chain FILE [--groups LIST] [--tickets N] [--port P] [--smtp]\n"
    "  --chain FILE     private key and certificate chain, PEM\n"
    "  --groups LIST    key exchange groups (default: the library's)\n"
    "  --tickets N      session tickets per full handshake (default 1)\n"
    "  --port P         on 127.0.0.1; 0, the default, takes a free one\n"
    "  --smtp           an SMTP dialogue with STARTTLS instead of TLS from the first byte\n";

static volatile sig_atomic_t stopped;

static floor_options parse(int argc, char **argv);
static SSL_CTX *make_context(const floor_options *options);
static int listen_on(unsigned long port);
static void print_port(int listener);
static void serve(floor_server *server);
static void accept_batch(floor_server *server);
static void open_conn(floor_server *server, int fd);
static void step(floor_server *server, floor_conn *conn);
static void read_plain(floor_server *server, floor_conn *conn);
static void judge(floor_server *server, floor_conn *conn, floor_verdict verdict);
static bool handshake(floor_server *server, floor_conn *conn);
static bool wait_or_fail(floor_server *server, floor_conn *conn, int result);
static void abandon(floor_server *server, floor_conn *conn);
static void watch(floor_server *server, floor_conn *conn, int operation);
static void finish(floor_conn *conn);

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

int main(int argc, char **argv)
{
    floor_options options = parse(argc, argv);
    bench_raise_fd_limit(1024);
    /* The system's openssl.cnf would be a difference to our own server. */
    OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
    signal(SIGPIPE, SIG_IGN);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);

    floor_server server = {
        .ctx = make_context(&options),
        .epoll = epoll_create1(EPOLL_CLOEXEC),
        .listener = listen_on(options.port),
        .smtp = options.smtp,
    };
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (server.epoll < 0 || epoll_ctl(server.epoll, EPOLL_CTL_ADD, server.listener, &event) != 0) {
        bench_fail("epoll: %s", strerror(errno));
    }
    print_port(server.listener);
    serve(&server);
    if (server.failed > 0) {
        fprintf(stderr, "bench_floor: %lu connections failed\n", server.failed);
    }
    SSL_CTX_free(server.ctx);
    return 0;
}

static floor_options parse(int argc, char **argv)
{
    static const struct option known[] = {
        {"chain", required_argument, NULL, 'c'},
        {"groups", required_argument, NULL, 'g'},
        {"tickets", required_argument, NULL, 't'},
        {"port", required_argument, NULL, 'p'},
        {"smtp", no_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    floor_options options = {.tickets = 1};
    int option;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'c':
            options.chain = optarg;
            break;
        case 'g':
            options.groups = optarg;
            break;
        case 't':
            options.tickets = bench_number("tickets", optarg, 100);
            break;
        case 'p':
            options.port = bench_number("port", optarg, 65535);
            break;
        case 's':
            options.smtp = true;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            fputs(usage, stderr);
            exit(64);
        }
    }
    if (options.chain == NULL || optind != argc) {
        fputs(usage, stderr);
        exit(64);
    }
    return options;
}

/* OpenSSL renews each ticket that its own key opens in TLS 1.3; our server only those of an old
 * key. */
static SSL_TICKET_RETURN use_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
                                    size_t name_len, SSL_TICKET_STATUS status, void *arg)
{
    (void)ssl;
    (void)session;
    (void)name;
    (void)name_len;
    (void)arg;
    bool good = status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW;
    return good ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_IGNORE_RENEW;
}

static SSL_CTX *make_context(const floor_options *options)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1) {
        bench_fail_openssl("cannot make a context");
    }
    SSL_CTX_set_security_level(ctx, 0);
    SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    if (SSL_CTX_set_num_tickets(ctx, options->tickets) != 1 ||
        SSL_CTX_set_session_ticket_cb(ctx, NULL, use_ticket, NULL) != 1 ||
        SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"floor", 5) != 1) {
        bench_fail_openssl("cannot set up tickets");
    }
    if (SSL_CTX_use_PrivateKey_file(ctx, options->chain, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_certificate_chain_file(ctx, options->chain) != 1) {
        bench_fail_openssl("cannot use %s", options->chain);
    }
    if (options->groups != NULL && SSL_CTX_set1_groups_list(ctx, options->groups) != 1) {
        bench_fail_openssl("cannot use the groups \"%s\"", options->groups);
    }
    return ctx;
}

static int listen_on(unsigned long port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, BACKLOG) != 0) {
        bench_fail("cannot listen on port %lu: %s", port, strerror(errno));
    }
    return fd;
}

static void print_port(int listener)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    if (getsockname(listener, (struct sockaddr *)&address, &size) != 0) {
        bench_fail("getsockname: %s", strerror(errno));
    }
    printf("listening %d\n", ntohs(address.sin_port));
    fflush(stdout);
}

static void serve(floor_server *server)
{
    struct epoll_event events[EVENTS];
    while (!stopped) {
        int count = epoll_wait(server->epoll, events, EVENTS, -1);
        if (count < 0 && errno != EINTR) {
            bench_fail("epoll_wait: %s", strerror(errno));
        }
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL) {
                accept_batch(server);
            } else {
                step(server, events[i].data.ptr);
            }
        }
    }
}

static void accept_batch(floor_server *server)
{
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        int fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) {
                bench_fail("accept: %s", strerror(errno));
            }
            return;
        }
        open_conn(server, fd);
    }
}

static void open_conn(floor_server *server, int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    floor_conn *conn = calloc(1, sizeof *conn);
    SSL *ssl = SSL_new(server->ctx);
    floor_smtp *smtp = server->smtp ? calloc(1, sizeof *smtp) : NULL;
    if (conn == NULL || ssl == NULL || SSL_set_fd(ssl, fd) != 1 || (server->smtp && smtp == NULL)) {
        bench_fail_openssl("out of memory");
    }
    SSL_set_accept_state(ssl);
    conn->ssl = ssl;
    conn->fd = fd;
    conn->smtp = smtp;
    conn->plain = smtp != NULL;
    watch(server, conn, EPOLL_CTL_ADD);
    if (smtp != NULL && !floor_smtp_greet(conn)) {
        abandon(server, conn);
    }
}

/* Level-triggered: whatever stays unread brings the next event. */
static void step(floor_server *server, floor_conn *conn)
{
    if (conn->plain) {
        read_plain(server, conn);
        return;
    }
    if (!conn->established && !handshake(server, conn)) {
        return;
    }
    for (;;) {
        char buffer[READ_SIZE];
        ERR_clear_error();
        int count = SSL_read(conn->ssl, buffer, sizeof buffer);
        if (count <= 0) {
            if (SSL_get_error(conn->ssl, count) == SSL_ERROR_ZERO_RETURN) {
                finish(conn);
            } else {
                wait_or_fail(server, conn, count);
            }
            return;
        }
        if (conn->smtp == NULL) {
            continue;
        }
        floor_verdict verdict = floor_smtp_input(conn, buffer, (size_t)count);
        if (verdict != FLOOR_GO_ON) {
            judge(server, conn, verdict);
            return;
        }
        /* A client that waits for the reply has sent nothing yet. */
        if (conn->smtp->state == FLOOR_COMMANDS && SSL_has_pending(conn->ssl) == 0) {
            return;
        }
    }
}

/* One read: the client waits for each reply. */
static void read_plain(floor_server *server, floor_conn *conn)
{
    char buffer[FLOOR_LINE_MAX];
    ssize_t count = recv(conn->fd, buffer, sizeof buffer, 0);
    if (count > 0) {
        judge(server, conn, floor_smtp_input(conn, buffer, (size_t)count));
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
        abandon(server, conn);
    }
}

static void judge(floor_server *server, floor_conn *conn, floor_verdict verdict)
{
    if (verdict == FLOOR_BROKEN) {
        abandon(server, conn);
    } else if (verdict == FLOOR_END) {
        finish(conn);
    }
}

/* True once the handshake is done and the client's next bytes are here already. */
static bool handshake(floor_server *server, floor_conn *conn)
{
    ERR_clear_error();
    int done = SSL_do_handshake(conn->ssl);
    if (done != 1) {
        wait_or_fail(server, conn, done);
        return false;
    }
    conn->established = true;
    if (conn->wants_write) {
        conn->wants_write = false;
        watch(server, conn, EPOLL_CTL_MOD);
    }
    return SSL_has_pending(conn->ssl) == 1;
}

/* False when the connection is gone. */
static bool wait_or_fail(floor_server *server, floor_conn *conn, int result)
{
    int reason = SSL_get_error(conn->ssl, result);
    if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE) {
        bool wants_write = reason == SSL_ERROR_WANT_WRITE;
        if (wants_write != conn->wants_write) {
            conn->wants_write = wants_write;
            watch(server, conn, EPOLL_CTL_MOD);
        }
        return true;
    }
    abandon(server, conn);
    return false;
}

static void abandon(floor_server *server, floor_conn *conn)
{
    server->failed++;
    /* No farewell is possible, and the session is not to be marked as bad for that. */
    SSL_set_shutdown(conn->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    finish(conn);
}

static void watch(floor_server *server, floor_conn *conn, int operation)
{
    struct epoll_event event = {
        .events = conn->wants_write ? EPOLLOUT : EPOLLIN,
        .data.ptr = conn,
    };
    if (epoll_ctl(server->epoll, operation, conn->fd, &event) != 0) {
        bench_fail("epoll_ctl: %s", strerror(errno));
    }
}

/* SSL_shutdown() sends nothing when the state says that it was sent. */
static void finish(floor_conn *conn)
{
    ERR_clear_error();
    SSL_shutdown(conn->ssl);
    SSL_free(conn->ssl);
    close(conn->fd);
    free(conn->smtp);
    free(conn);
}
