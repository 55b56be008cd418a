/*
 * glue_silence_test.c - has the peer said anything in a handshake that failed?
 *
 * Client and server have a socket pair each, and the case passes on between them what it wants to:
 * a record, a part of one, nothing.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../openssl_glue.h"
#include "testlib.h"

typedef struct relay {
    glue_chains *chains;
    glue_context *server_context;
    glue_context *client_context;
    glue_conn *server;
    glue_conn *client;
    int server_end; /* what the server writes is read here */
    int client_end;
} relay;

static bool open_end(glue_conn **conn, int *end)
{
    int fds[2];
    glue_error err;
    if (!EXPECT_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0)) {
        return false;
    }
    *conn = glue_conn_new(fds[0], &err);
    *end = fds[1];
    return EXPECT(*conn != NULL);
}

static glue_context *context_of(glue_role role, glue_chains *chains, const char *groups)
{
    glue_error err;
    glue_context_props props = testlib_props(role);
    props.chains = chains;
    props.groups = groups;
    return glue_context_new(&props, &err);
}

/* `groups`: the server's; NULL: all that there are. */
static bool relay_open(relay *r, const char *groups)
{
    glue_tls_props props = GLUE_TLS_PROPS_DEFAULT;
    glue_error err;
    memset(r, 0, sizeof(*r));
    r->chains = testlib_chains(testlib_self_signed("EC", "mx.example.org"), NULL, NULL);
    r->server_context = context_of(GLUE_SERVER, r->chains, groups);
    r->client_context = context_of(GLUE_CLIENT, NULL, NULL);
    return EXPECT(r->server_context != NULL) && EXPECT(r->client_context != NULL) &&
           open_end(&r->server, &r->server_end) && open_end(&r->client, &r->client_end) &&
           EXPECT_INT(glue_conn_start_tls(r->server, r->server_context, &props, &err), GLUE_OK) &&
           EXPECT_INT(glue_conn_start_tls(r->client, r->client_context, &props, &err), GLUE_OK);
}

static void relay_close(relay *r)
{
    glue_conn_free(r->server);
    glue_conn_free(r->client);
    close(r->server_end);
    close(r->client_end);
    glue_context_free(r->server_context);
    glue_context_free(r->client_context);
    glue_chains_free(r->chains);
}

static glue_status step(glue_conn *conn)
{
    glue_error err;
    return glue_conn_handshake(conn, &err);
}

/* The client's hello comes to the server, which answers it. */
static void answer_hello(const relay *r)
{
    unsigned char hello[8192];
    EXPECT_INT(step(r->client), GLUE_WANT_READ);
    ssize_t n = read(r->client_end, hello, sizeof(hello));
    EXPECT(n > 0 && write(r->server_end, hello, (size_t)n) == n);
    EXPECT_INT(step(r->server), GLUE_WANT_READ);
}

/* The client gets so many bytes of what the server has written. */
static void pass(const relay *r, size_t count)
{
    unsigned char bytes[8192];
    NEED(count <= sizeof(bytes));
    ssize_t n = read(r->server_end, bytes, count);
    EXPECT_INT(n, count);
    EXPECT(write(r->client_end, bytes, count) == (ssize_t)count);
}

/* The size of the server's next record. */
static size_t next_record(const relay *r)
{
    unsigned char head[5] = {0};
    EXPECT_INT(recv(r->server_end, head, sizeof(head), MSG_PEEK), sizeof(head));
    return sizeof(head) + ((size_t)head[3] << 8 | head[4]);
}

/* The client's peer ends; it has, or has not said anything. */
static void expect_lost(relay *r, bool spoke)
{
    glue_error err;
    EXPECT_INT(shutdown(r->client_end, SHUT_WR), 0);
    EXPECT_INT(glue_conn_handshake(r->client, &err), GLUE_ERROR);
    EXPECT_ERROR(&err, GLUE_E_LOST_CONNECTION);
    EXPECT_INT(err.peer_spoke, spoke);
    EXPECT_INT(glue_conn_peer_spoke(r->client), spoke);
}

/* ------------------------------------------------------------------ client */

static void an_end_in_answer_to_the_hello_is_silence(void)
{
    relay r;
    NEED(relay_open(&r, NULL));
    EXPECT(!glue_conn_peer_spoke(r.client));
    answer_hello(&r);
    EXPECT(!glue_conn_peer_spoke(r.client));
    expect_lost(&r, false);
    relay_close(&r);
}

static void a_reset_is_silence(void)
{
    relay r;
    glue_error err;
    NEED(relay_open(&r, NULL));
    EXPECT_INT(step(r.client), GLUE_WANT_READ);
    close(r.client_end); /* with an unread hello */
    EXPECT_INT(glue_conn_handshake(r.client, &err), GLUE_ERROR);
    EXPECT_ERROR(&err, GLUE_E_LOST_CONNECTION);
    EXPECT(err.sys_errno != 0);
    EXPECT(!err.peer_spoke);
    r.client_end = -1;
    relay_close(&r);
}

/* Read in one piece or byte by byte: the record's header alone is no word. */
static void a_part_of_an_answer_is_a_word(void)
{
    static const struct {
        size_t bytes;
        size_t max_io;
        bool spoke;
    } rows[] = {{5, 0, false}, {6, 1, false}, {7, 0, true}, {7, 1, true}, {100, 0, true}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        relay r;
        NEED(relay_open(&r, NULL));
        answer_hello(&r);
        glue_conn_set_faults(r.client, rows[i].max_io, 0);
        pass(&r, rows[i].bytes);
        EXPECT_INT(step(r.client), GLUE_WANT_READ);
        expect_lost(&r, rows[i].spoke);
        relay_close(&r);
    }
}

static void a_server_hello_is_a_word(void)
{
    relay r;
    NEED(relay_open(&r, NULL));
    answer_hello(&r);
    pass(&r, next_record(&r));
    EXPECT_INT(step(r.client), GLUE_WANT_READ);
    expect_lost(&r, true);
    relay_close(&r);
}

static void a_retry_request_asks_and_does_not_answer(void)
{
    relay r;
    NEED(relay_open(&r, "P-521"));
    answer_hello(&r);
    pass(&r, next_record(&r));
    EXPECT_INT(step(r.client), GLUE_WANT_READ); /* the second hello has left */
    EXPECT(!glue_conn_peer_spoke(r.client));
    EXPECT_INT(next_record(&r), 6);
    pass(&r, 6); /* the dummy change_cipher_spec, late */
    EXPECT_INT(step(r.client), GLUE_WANT_READ);
    expect_lost(&r, false);
    relay_close(&r);
}

static void a_server_hello_after_a_retry_request_is_a_word(void)
{
    relay r;
    NEED(relay_open(&r, "P-521"));
    answer_hello(&r);
    pass(&r, next_record(&r) + 6);
    answer_hello(&r);
    pass(&r, next_record(&r));
    EXPECT_INT(step(r.client), GLUE_WANT_READ);
    expect_lost(&r, true);
    relay_close(&r);
}

static void alerts_are_words(void)
{
    static const struct {
        const char *record;
        glue_error_code code;
    } rows[] = {
        {"\x15\x03\x03\x00\x02\x02\x28", GLUE_E_TLS_ALERT},       /* handshake_failure */
        {"\x15\x03\x03\x00\x02\x01\x00", GLUE_E_LOST_CONNECTION}, /* close_notify */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        relay r;
        glue_error err;
        NEED(relay_open(&r, NULL));
        EXPECT_INT(step(r.client), GLUE_WANT_READ);
        EXPECT(write(r.client_end, rows[i].record, 7) == 7);
        EXPECT_INT(glue_conn_handshake(r.client, &err), GLUE_ERROR);
        EXPECT_ERROR(&err, rows[i].code);
        EXPECT(err.peer_spoke);
        relay_close(&r);
    }
}

/* ------------------------------------------------------------------ server */

static void a_server_tells_a_hello_from_nothing(void)
{
    static const struct {
        size_t bytes; /* of the hello */
        bool spoke;
    } rows[] = {{0, false}, {7, true}, {0xffff, true}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        relay r;
        glue_error err;
        unsigned char hello[8192];
        NEED(relay_open(&r, NULL));
        EXPECT_INT(step(r.client), GLUE_WANT_READ);
        ssize_t n = read(r.client_end, hello, sizeof(hello));
        size_t count = rows[i].bytes < (size_t)n ? rows[i].bytes : (size_t)n;
        EXPECT(write(r.server_end, hello, count) == (ssize_t)count);
        EXPECT_INT(step(r.server), GLUE_WANT_READ);
        EXPECT_INT(shutdown(r.server_end, SHUT_WR), 0);
        EXPECT_INT(glue_conn_handshake(r.server, &err), GLUE_ERROR);
        EXPECT_ERROR(&err, GLUE_E_LOST_CONNECTION);
        EXPECT_INT(err.peer_spoke, rows[i].spoke);
        relay_close(&r);
    }
}

static void plaintext_has_no_hello(void)
{
    glue_conn *conn;
    int end;
    char buf[16];
    size_t n;
    glue_error err;
    NEED(open_end(&conn, &end));
    EXPECT(write(end, "220 hi\r\n", 8) == 8);
    EXPECT_INT(glue_conn_read(conn, buf, sizeof(buf), &n, &err), GLUE_OK);
    EXPECT(!glue_conn_peer_spoke(conn));
    glue_conn_free(conn);
    close(end);
}

static const test_case cases[] = {
    {"an end in answer to the hello is silence", an_end_in_answer_to_the_hello_is_silence},
    {"a reset is silence", a_reset_is_silence},
    {"a part of an answer is a word, a record's header is none", a_part_of_an_answer_is_a_word},
    {"a ServerHello is a word", a_server_hello_is_a_word},
    {"a HelloRetryRequest is no answer to the second hello",
     a_retry_request_asks_and_does_not_answer},
    {"a ServerHello after a HelloRetryRequest is a word",
     a_server_hello_after_a_retry_request_is_a_word},
    {"alerts are words", alerts_are_words},
    {"a server tells a hello from nothing", a_server_tells_a_hello_from_nothing},
    {"plaintext has no hello", plaintext_has_no_hello},
};

TESTLIB_MAIN(cases)
