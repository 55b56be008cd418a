/*
 * glue_conn_test.c - one connection: plaintext, TLS, statuses, the end, faults.
 *
 * Each case drives two connections over a socket pair in one thread, so that every status is met
 * in a known order.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../glue_internal.h"
#include "testlib.h"

static glue_context *server_of(glue_chains *chains)
{
    glue_error err;
    glue_context_props props = testlib_props(GLUE_SERVER);
    props.chains = chains;
    return glue_context_new(&props, &err);
}

static glue_context *client_plain(void)
{
    glue_error err;
    glue_context_props props = testlib_props(GLUE_CLIENT);
    return glue_context_new(&props, &err);
}

typedef struct world {
    glue_chains *chains;
    glue_context *server;
    glue_context *client;
    test_pair pair;
} world;

static bool world_open(world *w)
{
    memset(w, 0, sizeof(*w));
    testlib_library();
    w->chains = testlib_chains(testlib_self_signed("EC", "mx.example.org"), NULL, NULL);
    w->server = server_of(w->chains);
    w->client = client_plain();
    return EXPECT(w->server != NULL) && EXPECT(w->client != NULL) &&
           EXPECT(testlib_pair_open(&w->pair));
}

static bool world_tls(world *w)
{
    return EXPECT(testlib_pair_start(&w->pair, w->server, w->client, NULL)) &&
           EXPECT(testlib_pair_drive(&w->pair));
}

static void world_close(world *w)
{
    testlib_pair_close(&w->pair);
    glue_context_free(w->server);
    glue_context_free(w->client);
    glue_chains_free(w->chains);
}

/* ------------------------------------------------------------------ plaintext */

static void plaintext_passes(void)
{
    world w;
    NEED(world_open(&w));
    char buf[16];
    size_t n = 99;
    glue_error err;
    EXPECT_INT(glue_conn_read(w.pair.client.conn, buf, sizeof(buf), &n, &err), GLUE_WANT_READ);
    EXPECT_INT(n, 0);
    EXPECT_INT(glue_conn_write(w.pair.server.conn, "220 hi\r\n", 8, &n, &err), GLUE_OK);
    EXPECT_INT(n, 8);
    EXPECT_INT(glue_conn_read(w.pair.client.conn, buf, sizeof(buf), &n, &err), GLUE_OK);
    EXPECT_INT(n, 8);
    EXPECT(memcmp(buf, "220 hi\r\n", 8) == 0);
    EXPECT(!glue_conn_is_tls(w.pair.client.conn));
    world_close(&w);
}

static void plaintext_end_is_closed(void)
{
    world w;
    NEED(world_open(&w));
    char buf[16];
    size_t n;
    glue_error err;
    EXPECT_INT(glue_conn_shutdown(w.pair.server.conn, false, &err), GLUE_OK);
    EXPECT_INT(glue_conn_read(w.pair.client.conn, buf, sizeof(buf), &n, &err), GLUE_CLOSED);
    EXPECT_INT(glue_conn_write(w.pair.client.conn, "bye", 3, &n, &err), GLUE_OK);
    EXPECT_INT(glue_conn_read(w.pair.server.conn, buf, sizeof(buf), &n, &err), GLUE_OK);
    world_close(&w);
}

/* The process would die here if SIGPIPE were raised. */
static void writing_to_a_gone_peer_is_lost_connection(void)
{
    world w;
    NEED(world_open(&w));
    size_t n;
    glue_error err;
    glue_conn_free(w.pair.client.conn);
    w.pair.client.conn = NULL;
    EXPECT_INT(glue_conn_write(w.pair.server.conn, "x", 1, &n, &err), GLUE_ERROR);
    EXPECT_ERROR(&err, GLUE_E_LOST_CONNECTION);
    EXPECT_INT(err.sys_errno, EPIPE);
    world_close(&w);
}

static void a_full_socket_wants_write(void)
{
    world w;
    NEED(world_open(&w));
    static char block[65536];
    size_t n;
    glue_error err;
    glue_status status = GLUE_OK;
    for (int i = 0; i < 1000 && status == GLUE_OK; i++) {
        status = glue_conn_write(w.pair.server.conn, block, sizeof(block), &n, &err);
    }
    EXPECT_INT(status, GLUE_WANT_WRITE);
    world_close(&w);
}

/* ------------------------------------------------------------------ TLS */

static void tls_passes_data_both_ways(void)
{
    world w;
    NEED(world_open(&w));
    NEED(world_tls(&w));
    EXPECT(testlib_pair_talk(&w.pair, "250 ok\r\n"));
    char buf[16];
    size_t n;
    glue_error err;
    EXPECT_INT(glue_conn_write(w.pair.client.conn, "QUIT\r\n", 6, &n, &err), GLUE_OK);
    EXPECT_INT(glue_conn_read(w.pair.server.conn, buf, sizeof(buf), &n, &err), GLUE_OK);
    EXPECT_INT(n, 6);
    world_close(&w);
}

static void pending_tells_of_data_that_poll_does_not(void)
{
    world w;
    NEED(world_open(&w));
    NEED(world_tls(&w));
    char buf[64];
    size_t n;
    glue_error err;
    EXPECT_INT(glue_conn_write(w.pair.client.conn, "one two", 7, &n, &err), GLUE_OK);
    EXPECT_INT(glue_conn_read(w.pair.server.conn, buf, 3, &n, &err), GLUE_OK);
    EXPECT(glue_conn_pending(w.pair.server.conn));
    EXPECT_INT(glue_conn_read(w.pair.server.conn, buf, sizeof(buf), &n, &err), GLUE_OK);
    EXPECT_INT(n, 4);
    EXPECT(!glue_conn_pending(w.pair.server.conn));
    world_close(&w);
}

static void close_notify_is_closed_and_writing_goes_on(void)
{
    world w;
    NEED(world_open(&w));
    NEED(world_tls(&w));
    EXPECT(testlib_pair_talk(&w.pair, "x"));
    char buf[16];
    size_t n;
    glue_error err;
    EXPECT_INT(glue_conn_shutdown(w.pair.client.conn, false, &err), GLUE_OK);
    EXPECT_INT(glue_conn_read(w.pair.server.conn, buf, sizeof(buf), &n, &err), GLUE_CLOSED);
    EXPECT_INT(glue_conn_read(w.pair.server.conn, buf, sizeof(buf), &n, &err), GLUE_CLOSED);
    EXPECT_INT(glue_conn_write(w.pair.server.conn, "221 bye", 7, &n, &err), GLUE_OK);
    EXPECT_INT(glue_conn_read(w.pair.client.conn, buf, sizeof(buf), &n, &err), GLUE_OK);
    world_close(&w);
}

static void a_close_notify_and_a_close_are_an_end(void)
{
    world w;
    NEED(world_open(&w));
    NEED(world_tls(&w));
    EXPECT(testlib_pair_talk(&w.pair, "x"));
    char buf[16];
    size_t n;
    glue_error err;
    glue_conn_close_notify(w.pair.client.conn);
    glue_conn_close(w.pair.client.conn);
    EXPECT_INT(glue_conn_read(w.pair.server.conn, buf, sizeof(buf), &n, &err), GLUE_CLOSED);
    world_close(&w);
}

static void a_waiting_shutdown_waits_for_the_peer(void)
{
    world w;
    NEED(world_open(&w));
    NEED(world_tls(&w));
    EXPECT(testlib_pair_talk(&w.pair, "x"));
    glue_error err;
    EXPECT_INT(glue_conn_shutdown(w.pair.client.conn, true, &err), GLUE_WANT_READ);
    EXPECT_INT(glue_conn_shutdown(w.pair.server.conn, true, &err), GLUE_OK);
    EXPECT_INT(glue_conn_shutdown(w.pair.client.conn, true, &err), GLUE_OK);
    world_close(&w);
}

/* Truncation counts as the end: SMTP knows where its messages stop. */
static void an_unexpected_eof_is_closed(void)
{
    world w;
    NEED(world_open(&w));
    NEED(world_tls(&w));
    char buf[16];
    size_t n;
    glue_error err;
    EXPECT_INT(shutdown(glue_conn_fd(w.pair.client.conn), SHUT_RDWR), 0);
    EXPECT_INT(glue_conn_read(w.pair.server.conn, buf, sizeof(buf), &n, &err), GLUE_CLOSED);
    world_close(&w);
}

static void garbage_after_the_handshake_is_a_protocol_error(void)
{
    world w;
    NEED(world_open(&w));
    NEED(world_tls(&w));
    char buf[16];
    size_t n;
    glue_error err;
    EXPECT(write(glue_conn_fd(w.pair.client.conn), "GET / HTTP/1.1\r\n\r\n", 18) == 18);
    EXPECT_INT(glue_conn_read(w.pair.server.conn, buf, sizeof(buf), &n, &err), GLUE_ERROR);
    EXPECT_ERROR(&err, GLUE_E_TLS_PROTOCOL);
    EXPECT_HAS(err.library, "SSL routines");
    EXPECT_INT(glue_conn_write(w.pair.server.conn, "x", 1, &n, &err), GLUE_ERROR);
    EXPECT_ERROR(&err, GLUE_E_INVALID_STATE);
    world_close(&w);
}

/* ------------------------------------------------------------------ handshake failures */

static void eof_in_the_handshake_is_lost_connection(void)
{
    world w;
    NEED(world_open(&w));
    NEED(testlib_pair_start(&w.pair, w.server, w.client, NULL));
    glue_error err;
    EXPECT_INT(glue_conn_handshake(w.pair.server.conn, &err), GLUE_WANT_READ);
    glue_conn_free(w.pair.client.conn);
    w.pair.client.conn = NULL;
    EXPECT_INT(glue_conn_handshake(w.pair.server.conn, &err), GLUE_ERROR);
    EXPECT_ERROR(&err, GLUE_E_LOST_CONNECTION);
    EXPECT_INT(glue_conn_handshake(w.pair.server.conn, &err), GLUE_ERROR);
    EXPECT_ERROR(&err, GLUE_E_INVALID_STATE);
    world_close(&w);
}

static void plaintext_in_the_handshake_is_a_handshake_error(void)
{
    world w;
    NEED(world_open(&w));
    NEED(testlib_pair_start(&w.pair, w.server, w.client, NULL));
    glue_error err;
    EXPECT(write(glue_conn_fd(w.pair.client.conn), "EHLO client.example\r\n", 21) == 21);
    EXPECT_INT(glue_conn_handshake(w.pair.server.conn, &err), GLUE_ERROR);
    EXPECT_ERROR(&err, GLUE_E_TLS_HANDSHAKE);
    world_close(&w);
}

static void no_common_protocol_is_an_alert_for_the_client(void)
{
    world w;
    NEED(world_open(&w));
    glue_context_props props = testlib_props(GLUE_SERVER);
    props.chains = w.chains;
    props.protocols = (glue_protocols){TLS1_3_VERSION, 0, 0};
    glue_context *only13 = glue_context_new(&props, &w.pair.server.err);
    NEED(only13 != NULL);
    glue_tls_props old = GLUE_TLS_PROPS_DEFAULT;
    old.protocols = (glue_protocols){0, TLS1_2_VERSION, 0};
    NEED(testlib_pair_start(&w.pair, only13, w.client, &old));
    EXPECT(!testlib_pair_drive(&w.pair));
    EXPECT_ERROR(&w.pair.server.err, GLUE_E_TLS_HANDSHAKE);
    EXPECT_HAS(w.pair.server.err.library, "unsupported protocol");
    EXPECT_ERROR(&w.pair.client.err, GLUE_E_TLS_ALERT);
    EXPECT_INT(w.pair.client.err.cls, GLUE_CLASS_ALERT);
    glue_context_free(only13);
    world_close(&w);
}

/* ------------------------------------------------------------------ states and misuse */

static void tls_starts_once(void)
{
    world w;
    NEED(world_open(&w));
    NEED(world_tls(&w));
    glue_tls_props props = GLUE_TLS_PROPS_DEFAULT;
    glue_error err;
    EXPECT_INT(glue_conn_start_tls(w.pair.server.conn, w.server, &props, &err), GLUE_ERROR);
    EXPECT_ERROR(&err, GLUE_E_INVALID_STATE);
    EXPECT(testlib_pair_talk(&w.pair, "still here"));
    world_close(&w);
}

static void a_handshake_allows_no_data(void)
{
    world w;
    NEED(world_open(&w));
    NEED(testlib_pair_start(&w.pair, w.server, w.client, NULL));
    char buf[4];
    size_t n;
    glue_error err;
    EXPECT_INT(glue_conn_read(w.pair.client.conn, buf, sizeof(buf), &n, &err), GLUE_ERROR);
    EXPECT_ERROR(&err, GLUE_E_INVALID_STATE);
    EXPECT_INT(glue_conn_write(w.pair.client.conn, "x", 1, &n, &err), GLUE_ERROR);
    EXPECT_ERROR(&err, GLUE_E_INVALID_STATE);
    world_close(&w);
}

static void a_failed_start_leaves_plaintext(void)
{
    world w;
    NEED(world_open(&w));
    glue_tls_props props = GLUE_TLS_PROPS_DEFAULT;
    props.cipher_list = "NO-SUCH-CIPHER";
    glue_error err;
    size_t n;
    EXPECT_INT(glue_conn_start_tls(w.pair.client.conn, w.client, &props, &err), GLUE_ERROR);
    EXPECT_ERROR(&err, GLUE_E_BAD_CIPHERS);
    EXPECT_INT(glue_conn_write(w.pair.client.conn, "QUIT\r\n", 6, &n, &err), GLUE_OK);
    world_close(&w);
}

/* The context's own list is not parsed again for each connection, and counts all the same. */
static void a_connection_has_its_own_ciphers_or_the_contexts(void)
{
    static const char small[] = "ECDHE-ECDSA-AES128-GCM-SHA256";
    static const char large[] = "ECDHE-ECDSA-AES256-GCM-SHA384";
    const char *lists[] = {small, large, ""};
    const char *expected[] = {small, large, small};
    for (size_t i = 0; i < 3; i++) {
        world w;
        NEED(world_open(&w));
        glue_context_props props = testlib_props(GLUE_CLIENT);
        props.cipher_list = small;
        props.protocols.ceiling = TLS1_2_VERSION;
        glue_error err;
        glue_context *client = glue_context_new(&props, &err);
        NEED(client != NULL);
        glue_tls_props how = GLUE_TLS_PROPS_DEFAULT;
        how.cipher_list = lists[i];
        EXPECT(testlib_pair_start(&w.pair, w.server, client, &how));
        EXPECT(testlib_pair_drive(&w.pair));
        glue_snapshot snapshot;
        EXPECT(glue_conn_snapshot(w.pair.client.conn, &snapshot));
        EXPECT_STR(snapshot.cipher, expected[i]);
        world_close(&w);
        glue_context_free(client);
    }
}

static void freeing_closes_the_fd(void)
{
    world w;
    NEED(world_open(&w));
    int fd = glue_conn_fd(w.pair.client.conn);
    glue_conn_free(w.pair.client.conn);
    w.pair.client.conn = NULL;
    EXPECT_INT(fcntl(fd, F_GETFD), -1);
    glue_conn_free(NULL);
    world_close(&w);
}

/* Without the shutdown flags the session would not be resumable any more. */
static void a_session_survives_its_connection(void)
{
    world w;
    NEED(world_open(&w));
    NEED(world_tls(&w));
    EXPECT(testlib_pair_talk(&w.pair, "ticket"));
    SSL_SESSION *session = SSL_get1_session(w.pair.client.conn->ssl);
    testlib_pair_close(&w.pair);
    EXPECT_INT(SSL_SESSION_is_resumable(session), 1);
    NEED(testlib_pair_open(&w.pair));
    NEED(testlib_pair_start(&w.pair, w.server, w.client, NULL));
    EXPECT_INT(SSL_set_session(w.pair.client.conn->ssl, session), 1);
    EXPECT(testlib_pair_drive(&w.pair));
    EXPECT_INT(SSL_session_reused(w.pair.server.conn->ssl), 1);
    SSL_SESSION_free(session);
    world_close(&w);
}

static void one_ticket_per_full_handshake(void)
{
    world w;
    NEED(world_open(&w));
    NEED(world_tls(&w));
    EXPECT_INT(SSL_get_num_tickets(w.pair.server.conn->ssl), 1);
    world_close(&w);
}

/* 6 KB of each idle connection otherwise. */
static void no_key_share_is_kept(void)
{
    world w;
    NEED(world_open(&w));
    EXPECT_INT(SSL_CTX_set1_groups_list(w.server->ctx, "X25519MLKEM768"), 1);
    NEED(world_tls(&w));
    EVP_PKEY *share = NULL;
    NEED(SSL_get_peer_tmp_key(w.pair.server.conn->ssl, &share) == 1);
    unsigned char *bytes = NULL;
    EXPECT_INT(EVP_PKEY_get1_encoded_public_key(share, &bytes), 0);
    EVP_PKEY_free(share);
    ERR_clear_error();
    EXPECT(testlib_pair_talk(&w.pair, "still here"));
    world_close(&w);
}

/* ------------------------------------------------------------------ faults */

/* Without a ticket: single bytes fill the socket, and a client that is done reads no more. */
static void faulty_handshake(size_t max_io, unsigned nth)
{
    world w;
    NEED(world_open(&w));
    glue_context_free(w.server);
    glue_context_props props = testlib_props(GLUE_SERVER);
    props.chains = w.chains;
    props.tickets = false;
    w.server = glue_context_new(&props, &w.pair.server.err);
    NEED(w.server != NULL);
    glue_conn_set_faults(w.pair.server.conn, max_io, nth);
    glue_conn_set_faults(w.pair.client.conn, max_io, nth);
    NEED(world_tls(&w));
    glue_conn_set_faults(w.pair.server.conn, 0, 0);
    EXPECT(testlib_pair_talk(&w.pair, "through"));
    world_close(&w);
}

static void a_handshake_stands_single_bytes(void)
{
    faulty_handshake(1, 0);
}

static void a_handshake_stands_sockets_that_are_not_ready(void)
{
    faulty_handshake(0, 2);
    faulty_handshake(0, 3);
    faulty_handshake(1, 2);
}

static bool start_attempt(glue_error *err)
{
    static glue_chains *chains;
    static glue_context *server;
    static glue_context *client;
    if (chains == NULL) {
        chains = testlib_chains(testlib_self_signed("EC", "mx.example.org"), NULL, NULL);
        server = server_of(chains);
        client = client_plain();
    }
    test_pair pair;
    if (!testlib_pair_open(&pair)) {
        *err = pair.server.conn == NULL ? pair.server.err : pair.client.err;
        testlib_pair_close(&pair);
        return false;
    }
    bool done = testlib_pair_start(&pair, server, client, NULL) && testlib_pair_drive(&pair);
    if (!done) {
        *err = pair.server.status == GLUE_ERROR ? pair.server.err : pair.client.err;
    }
    testlib_pair_close(&pair);
    return done;
}

static void every_allocation_may_fail(void)
{
    testlib_library();
    glue_error err;
    EXPECT(start_attempt(&err));
    testlib_faults_each(start_attempt, 7);
}

static const test_case cases[] = {
    {"plaintext passes", plaintext_passes},
    {"the end of plaintext is CLOSED, and the other direction stays", plaintext_end_is_closed},
    {"writing to a peer that is gone is LOST_CONNECTION, not SIGPIPE",
     writing_to_a_gone_peer_is_lost_connection},
    {"a full socket is WANT_WRITE", a_full_socket_wants_write},
    {"TLS passes data both ways", tls_passes_data_both_ways},
    {"pending tells of data that poll does not", pending_tells_of_data_that_poll_does_not},
    {"close-notify is CLOSED, and writing goes on", close_notify_is_closed_and_writing_goes_on},
    {"a close-notify and a close are an end", a_close_notify_and_a_close_are_an_end},
    {"a waiting shutdown waits for the peer's close-notify", a_waiting_shutdown_waits_for_the_peer},
    {"an unexpected EOF is CLOSED", an_unexpected_eof_is_closed},
    {"garbage after the handshake is TLS_PROTOCOL, and the end",
     garbage_after_the_handshake_is_a_protocol_error},
    {"EOF in the handshake is LOST_CONNECTION", eof_in_the_handshake_is_lost_connection},
    {"plaintext in the handshake is TLS_HANDSHAKE",
     plaintext_in_the_handshake_is_a_handshake_error},
    {"no common protocol is TLS_HANDSHAKE here and TLS_ALERT there",
     no_common_protocol_is_an_alert_for_the_client},
    {"TLS starts once", tls_starts_once},
    {"a handshake allows no data", a_handshake_allows_no_data},
    {"a failed start leaves a plaintext connection", a_failed_start_leaves_plaintext},
    {"a connection has its own ciphers or the context's",
     a_connection_has_its_own_ciphers_or_the_contexts},
    {"freeing closes the fd", freeing_closes_the_fd},
    {"a session survives its connection", a_session_survives_its_connection},
    {"one ticket per full handshake", one_ticket_per_full_handshake},
    {"no key share is kept", no_key_share_is_kept},
    {"a handshake stands single bytes", a_handshake_stands_single_bytes},
    {"a handshake stands sockets that are not ready",
     a_handshake_stands_sockets_that_are_not_ready},
    {"every allocation may fail", every_allocation_may_fail},
};

int main(void)
{
    testlib_faults_install();
    return testlib_main(cases, sizeof(cases) / sizeof(cases[0]));
}
