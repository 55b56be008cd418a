/*
 * glue_segments_test.c - what leaves in one TCP segment: the kernel counts them.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../openssl_glue.h"
#include "testlib.h"

typedef struct world {
    glue_chains *chains;
    glue_context *server;
    glue_context *client;
    test_pair pair;
} world;

static bool side_of(test_side *side, int fd)
{
    int on = 1;
    EXPECT_INT(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
    EXPECT_INT(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    side->conn = glue_conn_new(fd, &side->err);
    return EXPECT(side->conn != NULL);
}

static bool connect_pair(test_pair *pair)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    struct sockaddr *any = (struct sockaddr *)&address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_INT(bind(listener, any, length), 0);
    EXPECT_INT(listen(listener, 1), 0);
    EXPECT_INT(getsockname(listener, any, &length), 0);
    EXPECT_INT(connect(client, any, length), 0);
    int server = accept(listener, NULL, NULL);
    close(listener);
    bool opened = side_of(&pair->server, server);
    return side_of(&pair->client, client) && opened;
}

/* The server may delay its tickets, or not. */
static bool world_open(world *w, bool delay)
{
    glue_tls_props how = GLUE_TLS_PROPS_DEFAULT;
    how.delay_tickets = delay;
    memset(w, 0, sizeof(*w));
    testlib_library();
    w->chains = testlib_chains(testlib_self_signed("EC", "mx.example.org"), NULL, NULL);
    glue_context_props props = testlib_props(GLUE_SERVER);
    glue_error err;
    props.chains = w->chains;
    w->server = glue_context_new(&props, &err);
    props = testlib_props(GLUE_CLIENT);
    w->client = glue_context_new(&props, &err);
    return EXPECT(w->server != NULL) && EXPECT(w->client != NULL) && connect_pair(&w->pair) &&
           EXPECT_INT(glue_conn_start_tls(w->pair.server.conn, w->server, &how, &err), GLUE_OK) &&
           EXPECT_INT(glue_conn_start_tls(w->pair.client.conn, w->client, &how, &err), GLUE_OK) &&
           EXPECT(testlib_pair_drive(&w->pair));
}

static void world_close(world *w)
{
    testlib_pair_close(&w->pair);
    glue_context_free(w->server);
    glue_context_free(w->client);
    glue_chains_free(w->chains);
}

/* Segments with data that the server has sent. */
static unsigned segments(const world *w)
{
    struct tcp_info info;
    socklen_t length = sizeof(info);
    memset(&info, 0, sizeof(info));
    EXPECT_INT(getsockopt(glue_conn_fd(w->pair.server.conn), IPPROTO_TCP, TCP_INFO, &info, &length),
               0);
    return info.tcpi_data_segs_out;
}

static unsigned segments_up_to_a_reply(bool delay)
{
    world w;
    if (!EXPECT(world_open(&w, delay))) {
        return 0;
    }
    EXPECT(testlib_pair_talk(&w.pair, "250 ok"));
    unsigned count = segments(&w);
    world_close(&w);
    return count;
}

static void tickets_that_may_wait_leave_with_what_is_said_next(void)
{
    EXPECT_INT(segments_up_to_a_reply(false), 3); /* handshake, ticket, reply */
    EXPECT_INT(segments_up_to_a_reply(true), 2);
}

static void say_goodbye(world *w, bool more)
{
    size_t n;
    glue_error err;
    glue_conn *conn = w->pair.server.conn;
    glue_conn_more_follows(conn, more);
    EXPECT_INT(glue_conn_write(conn, "221 bye", 7, &n, &err), GLUE_OK);
    glue_conn_more_follows(conn, false);
    glue_conn_close_notify(conn);
}

static void what_more_follows_leaves_with_that(void)
{
    world w;
    NEED(world_open(&w, true));
    EXPECT(testlib_pair_talk(&w.pair, "250 ok"));
    unsigned before = segments(&w);
    say_goodbye(&w, true);
    EXPECT_INT(segments(&w) - before, 1);
    char buf[16];
    size_t n;
    glue_error err;
    EXPECT_INT(glue_conn_read(w.pair.client.conn, buf, sizeof(buf), &n, &err), GLUE_OK);
    EXPECT_INT(n, 7);
    EXPECT_INT(glue_conn_read(w.pair.client.conn, buf, sizeof(buf), &n, &err), GLUE_CLOSED);
    world_close(&w);
}

static void anything_else_leaves_at_once(void)
{
    world w;
    NEED(world_open(&w, true));
    EXPECT(testlib_pair_talk(&w.pair, "250 ok"));
    unsigned before = segments(&w);
    say_goodbye(&w, false);
    EXPECT_INT(segments(&w) - before, 2);
    world_close(&w);
}

static const test_case cases[] = {
    {"tickets that may wait leave with what is said next",
     tickets_that_may_wait_leave_with_what_is_said_next},
    {"what more follows leaves with that", what_more_follows_leaves_with_that},
    {"anything else leaves at once", anything_else_leaves_at_once},
};

TESTLIB_MAIN(cases)
