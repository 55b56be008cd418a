/*
 * testlib_sessions.c - the part of testlib.h about sessions and the keys of their tickets.
 */
#include <stdlib.h>
#include <string.h>

#include "../glue_internal.h"
#include "testlib.h"

static unsigned collected;
static SSL_SESSION *last;

static int collect(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    collected++;
    SSL_SESSION_free(last);
    last = session;
    return 1;
}

static bool same_ticket(const SSL_SESSION *a, const SSL_SESSION *b)
{
    const unsigned char *first = NULL, *second = NULL;
    size_t first_len = 0, second_len = 0;
    if (a == NULL || b == NULL) {
        return a == b;
    }
    SSL_SESSION_get0_ticket(a, &first, &first_len);
    SSL_SESSION_get0_ticket(b, &second, &second_len);
    return first_len == second_len && (first_len == 0 || memcmp(first, second, first_len) == 0);
}

/* A client of TLS 1.2 is not told by callback of a ticket that was renewed (OpenSSL 3.5). */
static void collect_renewed(SSL *ssl)
{
    SSL_SESSION *session = SSL_get1_session(ssl);
    if (SSL_version(ssl) < TLS1_3_VERSION && last != NULL && !same_ticket(session, last)) {
        collect(ssl, session);
    } else {
        SSL_SESSION_free(session);
    }
}

glue_context *testlib_collector(const glue_context_props *props)
{
    glue_error err;
    glue_context *client = glue_context_new(props, &err);
    if (EXPECT(client != NULL)) {
        SSL_CTX_set_session_cache_mode(client->ctx,
                                       SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
        SSL_CTX_sess_set_new_cb(client->ctx, collect);
    }
    testlib_session_drop();
    return client;
}

unsigned testlib_sessions(void)
{
    return collected;
}

SSL_SESSION *testlib_session(void)
{
    return last;
}

void testlib_session_drop(void)
{
    SSL_SESSION_free(last);
    last = NULL;
    collected = 0;
}

glue_snapshot testlib_visit(glue_context *server, glue_context *client, SSL_SESSION *session)
{
    test_pair pair;
    glue_snapshot snapshot = {.status = ""};
    EXPECT(testlib_pair_open(&pair) && testlib_pair_start(&pair, server, client, NULL));
    EXPECT(session == NULL || SSL_set_session(pair.client.conn->ssl, session) == 1);
    EXPECT(testlib_pair_drive(&pair));
    EXPECT(testlib_pair_talk(&pair, "220 hello"));
    EXPECT(glue_conn_snapshot(pair.server.conn, &snapshot));
    collect_renewed(pair.client.conn->ssl);
    testlib_pair_close(&pair);
    return snapshot;
}

glue_ticket_ring *testlib_ring(const char *name, const char *secret)
{
    glue_error err;
    unsigned char key[GLUE_WRAPPING_KEY_LEN] = {0};
    memcpy(key, secret, strlen(secret) < sizeof(key) ? strlen(secret) : sizeof(key));
    glue_wrapping wrapping = {.key = key};
    glue_ticket_ring *ring = glue_ticket_ring_open(name, &wrapping, &err);
    EXPECT(ring != NULL);
    return ring;
}

const unsigned char *testlib_ticket_key(glue_ticket_ring *ring)
{
    static unsigned char keys[64][GLUE_SEALED_KEY_LEN];
    static size_t used;
    glue_error err;
    unsigned char *sealed = keys[used++ % (sizeof(keys) / sizeof(keys[0]))];
    EXPECT(glue_ticket_ring_mint(ring, 1000, 61000, sealed, &err) == GLUE_OK);
    return sealed;
}

void testlib_ring_install(glue_ticket_ring *ring, const glue_ticket_keys *keys)
{
    glue_error err;
    bool installed = false;
    glue_ticket_copies copies;
    uint64_t generation = glue_ticket_ring_copy(ring, &copies);
    EXPECT(glue_ticket_ring_install(ring, keys, generation, &installed, &err) == GLUE_OK);
    EXPECT(installed);
}

void testlib_ring_use(glue_ticket_ring *ring, const unsigned char *next,
                      const unsigned char *active, const unsigned char *previous)
{
    testlib_ring_install(ring,
                         &(glue_ticket_keys){.next = next, .active = active, .previous = previous});
}
