/*
 * glue_hello_test.c - the two suspension points and the server name.
 *
 * A client resumes with what a first connection left it; the server's context asks. The key prefix
 * is that of the tickets which OpenSSL itself makes here, read from the first question.
 */
#include <string.h>

#include "../glue_internal.h"
#include "testlib.h"

/* What the answering functions below saw and what they say. */
static struct {
    unsigned asked;
    unsigned times;
    unsigned char data[64];
    size_t len;
    glue_chains *chains;
    glue_ticket_ring *ring; /* gets its key, now that it is asked for */
    bool refuse;
} talk;

static const unsigned char *ticket_key; /* sealed */

static void answer(glue_conn *conn, const glue_question *question)
{
    talk.asked |= question->kind;
    talk.times++;
    talk.len = question->len < sizeof(talk.data) ? question->len : sizeof(talk.data);
    memcpy(talk.data, question->data, talk.len);
    if (talk.ring != NULL) {
        testlib_ring_use(talk.ring, NULL, ticket_key, NULL);
    }
    glue_conn_answer(conn, talk.chains, talk.refuse);
}

static void talk_reset(void)
{
    memset(&talk, 0, sizeof(talk));
}

typedef struct world {
    glue_chains *chains;
    glue_context *server;
    glue_context *client;
    glue_ticket_ring *ring;
    test_pair pair;
} world;

/* A server that asks `ask`, up to TLS `ceiling`, with a ticket key. */
static bool world_open(world *w, unsigned ask, int ceiling)
{
    memset(w, 0, sizeof(*w));
    talk_reset();
    testlib_library();
    glue_error err;
    w->chains = testlib_chains(testlib_self_signed("EC", "mx.example.org"), NULL, NULL);
    glue_context_props props = testlib_props(GLUE_SERVER);
    props.chains = w->chains;
    props.ask = ask;
    props.acknowledge_sni = true;
    props.protocols.ceiling = ceiling;
    w->ring = testlib_ring("hello", "wrapping key");
    ticket_key = testlib_ticket_key(w->ring);
    testlib_ring_use(w->ring, NULL, ticket_key, NULL);
    props.ticket_ring = w->ring;
    w->server = glue_context_new(&props, &err);
    props = testlib_props(GLUE_CLIENT);
    w->client = glue_context_new(&props, &err);
    return EXPECT(w->server != NULL) && EXPECT(w->client != NULL);
}

static void world_close(world *w)
{
    testlib_pair_close(&w->pair);
    glue_context_free(w->server);
    glue_context_free(w->client);
    glue_chains_free(w->chains);
    glue_ticket_ring_close(w->ring);
    talk_reset();
}

static bool connect_pair(world *w, const char *sni, SSL_SESSION *session)
{
    glue_tls_props props = GLUE_TLS_PROPS_DEFAULT;
    props.sni = sni;
    if (!testlib_pair_open(&w->pair) ||
        !testlib_pair_start(&w->pair, w->server, w->client, &props)) {
        return false;
    }
    w->pair.answer = answer;
    if (session != NULL) {
        SSL_set_session(w->pair.client.conn->ssl, session);
    }
    return testlib_pair_drive(&w->pair);
}

/* A session of a first connection, which is closed again. */
static SSL_SESSION *first_session(world *w, const char *sni)
{
    if (!EXPECT(connect_pair(w, sni, NULL)) || !EXPECT(testlib_pair_talk(&w->pair, "first"))) {
        return NULL;
    }
    SSL_SESSION *session = SSL_get1_session(w->pair.client.conn->ssl);
    testlib_pair_close(&w->pair);
    return session;
}

/* ------------------------------------------------------------------ ticket key */

/* A session whose key the server does not have any more. */
static SSL_SESSION *session_of_an_unknown_key(world *w)
{
    SSL_SESSION *session = first_session(w, NULL);
    EXPECT_INT(talk.times, 0); /* nothing was offered */
    testlib_ring_use(w->ring, NULL, testlib_ticket_key(w->ring), NULL);
    return session;
}

static void asks_for_the_key(int ceiling)
{
    world w;
    NEED(world_open(&w, GLUE_ASK_TICKET_KEY, ceiling));
    SSL_SESSION *session = session_of_an_unknown_key(&w);
    NEED(session != NULL);
    talk.ring = w.ring;
    EXPECT(connect_pair(&w, NULL, session));
    EXPECT_INT(talk.asked, GLUE_ASK_TICKET_KEY);
    EXPECT_INT(talk.times, 1);
    EXPECT_INT(talk.len, 16);
    EXPECT(memcmp(talk.data, ticket_key + 4, 16) == 0);
    EXPECT_INT(SSL_session_reused(w.pair.server.conn->ssl), 1);
    SSL_SESSION_free(session);
    world_close(&w);
}

static void no_key_is_a_full_handshake(int ceiling)
{
    world w;
    NEED(world_open(&w, GLUE_ASK_TICKET_KEY, ceiling));
    SSL_SESSION *session = session_of_an_unknown_key(&w);
    NEED(session != NULL);
    for (int i = 0; i < 3; i++) {
        testlib_pair_close(&w.pair);
        EXPECT(connect_pair(&w, NULL, session));
        EXPECT_INT(SSL_session_reused(w.pair.server.conn->ssl), 0);
        EXPECT_INT(talk.times, 1); /* and is remembered */
    }
    SSL_SESSION_free(session);
    world_close(&w);
}

static void no_tls13_key_is_a_full_handshake(void)
{
    no_key_is_a_full_handshake(TLS1_3_VERSION);
}

static void no_tls12_key_is_a_full_handshake(void)
{
    no_key_is_a_full_handshake(TLS1_2_VERSION);
}

static void a_known_key_is_not_asked_for(void)
{
    world w;
    NEED(world_open(&w, GLUE_ASK_TICKET_KEY, 0));
    SSL_SESSION *session = first_session(&w, NULL);
    NEED(session != NULL);
    EXPECT(connect_pair(&w, NULL, session));
    EXPECT_INT(talk.times, 0);
    EXPECT_INT(SSL_session_reused(w.pair.server.conn->ssl), 1);
    SSL_SESSION_free(session);
    world_close(&w);
}

static void a_tls13_ticket_asks_for_its_key(void)
{
    asks_for_the_key(TLS1_3_VERSION);
}

static void a_tls12_ticket_asks_for_its_key(void)
{
    asks_for_the_key(TLS1_2_VERSION);
}

static void a_foreign_prefix_is_not_asked_for(void)
{
    world w, other;
    NEED(world_open(&other, GLUE_ASK_TICKET_KEY, 0));
    SSL_SESSION *session = first_session(&other, NULL);
    world_close(&other);
    NEED(session != NULL);
    NEED(world_open(&w, GLUE_ASK_TICKET_KEY, 0));
    glue_ticket_ring_free(w.server->ticket_ring);
    w.server->ticket_ring = testlib_ring("hello, foreign", "another wrapping key");
    EXPECT(connect_pair(&w, NULL, session));
    EXPECT_INT(talk.times, 0);
    EXPECT_INT(SSL_session_reused(w.pair.server.conn->ssl), 0);
    SSL_SESSION_free(session);
    testlib_pair_close(&w.pair);
    glue_ticket_ring_close(glue_ticket_ring_up_ref(w.server->ticket_ring));
    world_close(&w);
}

/* RFC 8446 4.1.4: the second ClientHello passes the gate, too; it is not asked again. */
static void a_hello_retry_asks_once(void)
{
    world w;
    NEED(world_open(&w, GLUE_ASK_TICKET_KEY, 0));
    SSL_SESSION *session = session_of_an_unknown_key(&w);
    NEED(session != NULL);
    EXPECT_INT(SSL_CTX_set1_groups_list(w.server->ctx, "secp384r1"), 1);
    EXPECT(connect_pair(&w, NULL, session));
    EXPECT_INT(talk.times, 1);
    SSL_SESSION_free(session);
    world_close(&w);
}

static void a_refused_question_ends_with_an_alert(void)
{
    world w;
    NEED(world_open(&w, GLUE_ASK_TICKET_KEY, 0));
    SSL_SESSION *session = session_of_an_unknown_key(&w);
    NEED(session != NULL);
    talk.refuse = true;
    EXPECT(!connect_pair(&w, NULL, session));
    EXPECT_ERROR(&w.pair.server.err, GLUE_E_TLS_HANDSHAKE);
    EXPECT_ERROR(&w.pair.client.err, GLUE_E_TLS_ALERT);
    SSL_SESSION_free(session);
    world_close(&w);
}

/* ------------------------------------------------------------------ session id */

static void a_tls12_session_id_asks_for_the_session(void)
{
    world w;
    NEED(world_open(&w, GLUE_ASK_SESSION, TLS1_2_VERSION));
    SSL_CTX_set_options(w.server->ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(w.server->ctx, SSL_SESS_CACHE_SERVER);
    SSL_SESSION *session = first_session(&w, NULL);
    NEED(session != NULL);
    EXPECT(connect_pair(&w, NULL, session));
    unsigned len = 0;
    const unsigned char *id = SSL_SESSION_get_id(session, &len);
    EXPECT_INT(talk.asked, GLUE_ASK_SESSION);
    EXPECT_INT(talk.len, len);
    EXPECT(memcmp(talk.data, id, len) == 0);
    EXPECT_INT(SSL_session_reused(w.pair.server.conn->ssl), 1);
    SSL_SESSION_free(session);
    world_close(&w);
}

static void a_tls13_session_asks_by_its_psk_identity(void)
{
    world w;
    NEED(world_open(&w, GLUE_ASK_SESSION | GLUE_ASK_TICKET_KEY, 0));
    SSL_CTX_set_options(w.server->ctx, SSL_OP_NO_TICKET); /* stateful tickets */
    SSL_CTX_set_session_cache_mode(w.server->ctx, SSL_SESS_CACHE_SERVER);
    SSL_SESSION *session = first_session(&w, NULL);
    NEED(session != NULL);
    EXPECT(connect_pair(&w, NULL, session));
    EXPECT_INT(talk.asked, GLUE_ASK_SESSION);
    EXPECT_INT(talk.len, 32);
    SSL_SESSION_free(session);
    world_close(&w);
}

/* The legacy session id of a TLS 1.3 hello is random noise (RFC 8446 4.1.2). */
static void a_fresh_tls13_hello_asks_nothing(void)
{
    world w;
    NEED(world_open(&w, GLUE_ASK_SESSION | GLUE_ASK_TICKET_KEY, 0));
    EXPECT(connect_pair(&w, "mx.example.org", NULL));
    EXPECT_INT(talk.times, 0);
    world_close(&w);
}

/* ------------------------------------------------------------------ chain */

static void the_chain_of_a_name_is_installed(void)
{
    world w;
    NEED(world_open(&w, GLUE_ASK_CHAIN, 0));
    talk.chains = testlib_chains(testlib_self_signed("ED25519", "other.example.org"), NULL, NULL);
    EXPECT(connect_pair(&w, "other.example.org", NULL));
    EXPECT_INT(talk.times, 1);
    EXPECT_INT(talk.len, strlen("other.example.org"));
    EXPECT(memcmp(talk.data, "other.example.org", talk.len) == 0);
    glue_snapshot snapshot;
    EXPECT(glue_conn_snapshot(w.pair.client.conn, &snapshot));
    EXPECT_STR(snapshot.server.algorithm, "ED25519");
    glue_chains_free(talk.chains);
    world_close(&w);
}

static void no_chain_means_the_contexts_own(void)
{
    world w;
    NEED(world_open(&w, GLUE_ASK_CHAIN, 0));
    EXPECT(connect_pair(&w, "other.example.org", NULL));
    glue_snapshot snapshot;
    EXPECT(glue_conn_snapshot(w.pair.client.conn, &snapshot));
    EXPECT_STR(snapshot.server.algorithm, "ECDSA");
    world_close(&w);
}

static void a_refused_chain_ends_the_handshake(void)
{
    world w;
    NEED(world_open(&w, GLUE_ASK_CHAIN, 0));
    talk.refuse = true;
    EXPECT(!connect_pair(&w, "other.example.org", NULL));
    EXPECT_ERROR(&w.pair.server.err, GLUE_E_TLS_HANDSHAKE);
    EXPECT_ERROR(&w.pair.client.err, GLUE_E_TLS_ALERT);
    world_close(&w);
}

static void a_resumption_asks_for_no_chain(void)
{
    world w;
    NEED(world_open(&w, GLUE_ASK_CHAIN, 0));
    SSL_SESSION *session = first_session(&w, "mx.example.org");
    NEED(session != NULL);
    EXPECT_INT(talk.times, 1);
    EXPECT(connect_pair(&w, "mx.example.org", session));
    EXPECT_INT(SSL_session_reused(w.pair.server.conn->ssl), 1);
    EXPECT_INT(talk.times, 1);
    SSL_SESSION_free(session);
    world_close(&w);
}

static void without_a_name_there_is_no_question(void)
{
    world w;
    NEED(world_open(&w, GLUE_ASK_CHAIN, 0));
    EXPECT(connect_pair(&w, NULL, NULL));
    EXPECT_INT(talk.times, 0);
    world_close(&w);
}

static void a_cached_chain_is_installed_without_a_question(void)
{
    world w;
    NEED(world_open(&w, GLUE_ASK_CHAIN, 0));
    glue_error err;
    glue_chains *other =
        testlib_chains(testlib_self_signed("ED25519", "other.example.org"), NULL, NULL);
    w.server->sni_cache = glue_sni_cache_new(16, &err);
    glue_sni_cache_put(w.server->sni_cache, "other.example.org", other, 0);
    glue_chains_free(other);
    EXPECT(connect_pair(&w, "Other.Example.org", NULL));
    EXPECT_INT(talk.times, 0);
    glue_snapshot snapshot;
    EXPECT(glue_conn_snapshot(w.pair.client.conn, &snapshot));
    EXPECT_STR(snapshot.server.algorithm, "ED25519");
    EXPECT(glue_conn_take_notices(w.pair.server.conn) == NULL);
    world_close(&w);
}

/* ------------------------------------------------------------------ notices */

static void expect_notice(world *w, glue_notice_kind kind, const char *name)
{
    glue_notice *notices = glue_conn_take_notices(w->pair.server.conn);
    if (EXPECT(notices != NULL)) {
        EXPECT_INT(notices->kind, kind);
        EXPECT_STR(notices->name, name);
        EXPECT_STR(notices->later, "");
        EXPECT(notices->next == NULL);
    }
    glue_notices_free(notices);
    EXPECT(glue_conn_take_notices(w->pair.server.conn) == NULL);
}

static void a_name_without_chains_is_a_notice(void)
{
    world w;
    NEED(world_open(&w, GLUE_ASK_CHAIN, 0));
    EXPECT(connect_pair(&w, "Other.example.org", NULL));
    EXPECT_INT(talk.times, 1);
    expect_notice(&w, GLUE_NOTICE_SNI_UNMATCHED, "Other.example.org");
    world_close(&w);
}

static void a_cached_no_is_a_notice_without_a_question(void)
{
    world w;
    NEED(world_open(&w, GLUE_ASK_CHAIN, 0));
    glue_error err;
    w.server->sni_cache = glue_sni_cache_new(16, &err);
    glue_sni_cache_put(w.server->sni_cache, "other.example.org", NULL, 0);
    EXPECT(connect_pair(&w, "other.example.org", NULL));
    EXPECT_INT(talk.times, 0);
    expect_notice(&w, GLUE_NOTICE_SNI_UNMATCHED, "other.example.org");
    world_close(&w);
}

/* The gate runs twice here; RFC 8446 4.1.4. */
static void an_invalid_name_is_one_notice_and_no_question(void)
{
    world w;
    NEED(world_open(&w, GLUE_ASK_CHAIN, 0));
    EXPECT_INT(SSL_CTX_set1_groups_list(w.server->ctx, "secp384r1"), 1);
    EXPECT(connect_pair(&w, "a b.example.org", NULL));
    EXPECT_INT(talk.times, 0);
    expect_notice(&w, GLUE_NOTICE_SNI_INVALID, "a b.example.org");
    world_close(&w);
}

static void without_sni_maps_there_is_no_notice(void)
{
    world w;
    NEED(world_open(&w, 0, 0));
    w.server->acknowledge_sni = false;
    EXPECT(connect_pair(&w, "a b.example.org", NULL));
    EXPECT(glue_conn_take_notices(w.pair.server.conn) == NULL);
    world_close(&w);
}

/* A client that names another server once it has had a HelloRetryRequest. */
static void rename_after_retry(const SSL *ssl, int where, int ret)
{
    (void)ret;
    if ((where & SSL_CB_LOOP) != 0 && SSL_get_state(ssl) == TLS_ST_CR_SRVR_HELLO) {
        SSL_set_tlsext_host_name((SSL *)(uintptr_t)ssl, "second.example.org");
    }
}

static void a_name_that_changes_after_a_retry_is_a_notice(void)
{
    world w;
    NEED(world_open(&w, GLUE_ASK_CHAIN, 0));
    EXPECT_INT(SSL_CTX_set1_groups_list(w.server->ctx, "secp384r1"), 1);
    SSL_CTX_set_info_callback(w.client->ctx, rename_after_retry);
    EXPECT(connect_pair(&w, "first.example.org", NULL));
    EXPECT_INT(talk.times, 1);
    glue_snapshot snapshot;
    EXPECT(glue_conn_snapshot(w.pair.server.conn, &snapshot));
    EXPECT_STR(snapshot.sni, "first.example.org");
    glue_notice *notices = glue_conn_take_notices(w.pair.server.conn);
    if (EXPECT(notices != NULL) && EXPECT(notices->next != NULL)) {
        EXPECT_INT(notices->kind, GLUE_NOTICE_SNI_UNMATCHED);
        EXPECT_INT(notices->next->kind, GLUE_NOTICE_SNI_CHANGED);
        EXPECT_STR(notices->next->name, "first.example.org");
        EXPECT_STR(notices->next->later, "second.example.org");
        EXPECT(notices->next->next == NULL);
    }
    glue_notices_free(notices);
    world_close(&w);
}

/* ------------------------------------------------------------------ suspension and names */

static void a_suspended_handshake_waits_and_can_be_freed(void)
{
    world w;
    NEED(world_open(&w, GLUE_ASK_CHAIN, 0));
    glue_tls_props props = GLUE_TLS_PROPS_DEFAULT;
    props.sni = "mx.example.org";
    NEED(testlib_pair_open(&w.pair));
    NEED(testlib_pair_start(&w.pair, w.server, w.client, &props));
    glue_error err;
    glue_question question;
    EXPECT(!glue_conn_question(w.pair.server.conn, &question));
    EXPECT_INT(glue_conn_handshake(w.pair.client.conn, &err), GLUE_WANT_READ);
    EXPECT_INT(glue_conn_handshake(w.pair.server.conn, &err), GLUE_WANT_APP);
    EXPECT_INT(glue_conn_handshake(w.pair.server.conn, &err), GLUE_WANT_APP);
    EXPECT(glue_conn_question(w.pair.server.conn, &question));
    EXPECT_INT(question.kind, GLUE_ASK_CHAIN);
    world_close(&w); /* nothing leaks */
}

static const char *seen_name(const char *sni, int ceiling)
{
    static char name[256];
    world w;
    name[0] = '\0';
    if (world_open(&w, 0, ceiling) && EXPECT(connect_pair(&w, sni, NULL))) {
        glue_snapshot snapshot;
        EXPECT(glue_conn_snapshot(w.pair.server.conn, &snapshot));
        strcpy(name, snapshot.sni);
        const char *acknowledged = SSL_get_servername(w.pair.client.conn->ssl, 0);
        EXPECT(acknowledged != NULL);
    }
    world_close(&w);
    return name;
}

static void valid_names_are_noted_and_others_are_not(void)
{
    EXPECT_STR(seen_name("mx.example.org", 0), "mx.example.org");
    EXPECT_STR(seen_name("mx.example.org", TLS1_2_VERSION), "mx.example.org");
    EXPECT_STR(seen_name("Mx_1.Example.ORG", 0), "Mx_1.Example.ORG");
    EXPECT_STR(seen_name("192.0.2.1", 0), "");
    EXPECT_STR(seen_name("a..b", 0), "");
    EXPECT_STR(seen_name(".example.org", 0), "");
    EXPECT_STR(seen_name("example.org.", 0), "");
    EXPECT_STR(seen_name("-a.example.org", 0), "");
    EXPECT_STR(seen_name("a-.example.org", 0), "");
    EXPECT_STR(seen_name("a b.example.org", 0), "");
}

/* SSL_get_servername() is NULL here: the name comes from the hello itself. */
static void the_name_is_there_on_a_tls12_resumption(void)
{
    world w;
    NEED(world_open(&w, 0, TLS1_2_VERSION));
    SSL_SESSION *session = first_session(&w, "mx.example.org");
    NEED(session != NULL);
    EXPECT(connect_pair(&w, "mx.example.org", session));
    glue_snapshot snapshot;
    EXPECT(glue_conn_snapshot(w.pair.server.conn, &snapshot));
    EXPECT(snapshot.resumed);
    EXPECT_STR(snapshot.sni, "mx.example.org");
    SSL_SESSION_free(session);
    world_close(&w);
}

static const test_case cases[] = {
    {"a TLS 1.3 ticket asks for its key", a_tls13_ticket_asks_for_its_key},
    {"a TLS 1.2 ticket asks for its key", a_tls12_ticket_asks_for_its_key},
    {"no TLS 1.3 key is a full handshake, and asked for once", no_tls13_key_is_a_full_handshake},
    {"no TLS 1.2 key is a full handshake, and asked for once", no_tls12_key_is_a_full_handshake},
    {"a known key is not asked for", a_known_key_is_not_asked_for},
    {"a key name with a foreign prefix is not asked for", a_foreign_prefix_is_not_asked_for},
    {"a HelloRetryRequest does not ask again", a_hello_retry_asks_once},
    {"a refused question ends with an alert", a_refused_question_ends_with_an_alert},
    {"a TLS 1.2 session id asks for the session", a_tls12_session_id_asks_for_the_session},
    {"a stateful TLS 1.3 session asks by its PSK identity",
     a_tls13_session_asks_by_its_psk_identity},
    {"a fresh TLS 1.3 hello asks nothing", a_fresh_tls13_hello_asks_nothing},
    {"the chain of a name is installed", the_chain_of_a_name_is_installed},
    {"no chain means the context's own", no_chain_means_the_contexts_own},
    {"a refused chain ends the handshake", a_refused_chain_ends_the_handshake},
    {"a resumption asks for no chain", a_resumption_asks_for_no_chain},
    {"a cached chain is installed without a question",
     a_cached_chain_is_installed_without_a_question},
    {"a name without chains is a notice", a_name_without_chains_is_a_notice},
    {"a cached no is a notice without a question", a_cached_no_is_a_notice_without_a_question},
    {"an invalid name is one notice and no question",
     an_invalid_name_is_one_notice_and_no_question},
    {"without SNI maps there is no notice", without_sni_maps_there_is_no_notice},
    {"a name that changes after a retry is a notice",
     a_name_that_changes_after_a_retry_is_a_notice},
    {"without a name there is no question", without_a_name_there_is_no_question},
    {"a suspended handshake waits and can be freed", a_suspended_handshake_waits_and_can_be_freed},
    {"valid names are noted, others are not", valid_names_are_noted_and_others_are_not},
    {"the name is there on a TLS 1.2 resumption", the_name_is_there_on_a_tls12_resumption},
};

TESTLIB_MAIN(cases)
