/*
 * glue_session_store_test.c - sessions of a server that are kept outside: what is handed out, what
 * is asked for, what resumes.
 *
 * The store is one slot in here. It answers the gate's question as JavaScript would.
 */
#include <string.h>
#include <time.h>

#include "../glue_internal.h"
#include "testlib.h"

/* One case for each version. */
#define BOTH(name)                                                                                 \
    static void name##_tls13(void)                                                                 \
    {                                                                                              \
        name(TLS1_3_VERSION);                                                                      \
    }                                                                                              \
    static void name##_tls12(void)                                                                 \
    {                                                                                              \
        name(TLS1_2_VERSION);                                                                      \
    }

#define CASES(sentence, name)                                                                      \
    {"TLS 1.3: " sentence, name##_tls13},                                                          \
    {                                                                                              \
        "TLS 1.2: " sentence, name##_tls12                                                         \
    }

static glue_error err;
static glue_chains *chains;

static struct {
    unsigned char id[32];
    size_t id_len;
    unsigned char *session;
    size_t len;
} store;

static unsigned asked;
static bool found; /* the last question was for what is in the store */

static void store_forget(void)
{
    glue_session_free(store.session, store.len);
    memset(&store, 0, sizeof(store));
}

static void answer(glue_conn *conn, const glue_question *question)
{
    NEED(question->kind == GLUE_ASK_SESSION);
    asked++;
    found = question->len == store.id_len && store.len > 0 &&
            memcmp(question->data, store.id, store.id_len) == 0;
    glue_conn_answer_session(conn, found ? store.session : NULL, store.len);
}

/* True when the server has handed a session out, which is then the one in the store. */
static bool store_session(glue_conn *conn)
{
    unsigned char id[32];
    size_t id_len = glue_conn_session_id(conn, id);
    if (id_len == 0) {
        return false;
    }
    store_forget();
    memcpy(store.id, id, id_len);
    store.id_len = id_len;
    store.len = glue_conn_take_session(conn, &store.session);
    EXPECT_INT(glue_conn_session_id(conn, id), 0);
    return EXPECT(store.len > 0);
}

typedef struct world {
    glue_context *server;
    glue_context *client;
    SSL_SESSION *left; /* what the client has of the last connection */
    bool given;        /* the server handed a session out */
    glue_snapshot snapshot;
} world;

static glue_context_props server_props(int version)
{
    glue_context_props props = testlib_props(GLUE_SERVER);
    props.chains = chains;
    props.ask = GLUE_ASK_SESSION;
    props.tickets = false;
    props.session_timeout = 7200;
    props.protocols = (glue_protocols){version, version, 0};
    return props;
}

static bool world_open(world *w, const glue_context_props *props)
{
    memset(w, 0, sizeof(*w));
    store_forget();
    asked = 0;
    found = false;
    w->server = glue_context_new(props, &err);
    glue_context_props client = testlib_props(GLUE_CLIENT);
    client.protocols = props->protocols;
    w->client = glue_context_new(&client, &err);
    return EXPECT(w->server != NULL) && EXPECT(w->client != NULL);
}

static void world_close(world *w)
{
    glue_context_free(w->server);
    glue_context_free(w->client);
    SSL_SESSION_free(w->left);
    store_forget();
}

/* One connection; offers what the last one left. */
static void visit(world *w)
{
    test_pair pair;
    NEED(testlib_pair_open(&pair));
    NEED(testlib_pair_start(&pair, w->server, w->client, NULL));
    pair.answer = answer;
    if (w->left != NULL) {
        EXPECT_INT(SSL_set_session(pair.client.conn->ssl, w->left), 1);
    }
    EXPECT(testlib_pair_drive(&pair) && testlib_pair_talk(&pair, "220 hello"));
    EXPECT(glue_conn_snapshot(pair.server.conn, &w->snapshot));
    w->given = store_session(pair.server.conn);
    SSL_SESSION_free(w->left);
    w->left = SSL_get1_session(pair.client.conn->ssl);
    testlib_pair_close(&pair);
}

/* ------------------------------------------------------------------ what resumes */

static void a_stored_session_resumes(int version)
{
    glue_context_props props = server_props(version);
    world w;
    NEED(world_open(&w, &props));
    visit(&w);
    EXPECT(w.given && !w.snapshot.resumed);
    EXPECT_INT(asked, 0);
    EXPECT_INT(store.id_len, 32);
    visit(&w);
    EXPECT(w.snapshot.resumed && !w.snapshot.ticket);
    world_close(&w);
}

BOTH(a_stored_session_resumes)

static void another_process_resumes_it(int version)
{
    glue_context_props props = server_props(version);
    world w;
    NEED(world_open(&w, &props));
    visit(&w);
    glue_context_free(w.server);
    w.server = glue_context_new(&props, &err);
    NEED(w.server != NULL);
    visit(&w);
    EXPECT(w.snapshot.resumed);
    world_close(&w);
}

BOTH(another_process_resumes_it)

static void an_empty_store_is_a_full_handshake(int version)
{
    glue_context_props props = server_props(version);
    world w;
    NEED(world_open(&w, &props));
    visit(&w);
    store_forget();
    visit(&w);
    EXPECT(!w.snapshot.resumed && w.given);
    EXPECT(asked > 0 && !found);
    world_close(&w);
}

BOTH(an_empty_store_is_a_full_handshake)

static void bytes_that_are_no_session_are_none(int version)
{
    glue_context_props props = server_props(version);
    world w;
    NEED(world_open(&w, &props));
    for (size_t cut = 1; cut < 40; cut++) {
        visit(&w);
        NEED(w.given);
        if (cut % 2 == 0) {
            store.len -= cut; /* cut off */
        } else {
            store.session[cut] ^= 0x55;
        }
        visit(&w);
        EXPECT(w.given || w.snapshot.resumed);
        SSL_SESSION_free(w.left);
        w.left = NULL;
    }
    world_close(&w);
}

BOTH(bytes_that_are_no_session_are_none)

static void a_session_of_another_id_is_none(int version)
{
    glue_context_props props = server_props(version);
    world w;
    NEED(world_open(&w, &props));
    visit(&w);
    SSL_SESSION *first = w.left;
    unsigned char id[32];
    memcpy(id, store.id, sizeof(id));
    w.left = NULL;
    visit(&w); /* another client's */
    memcpy(store.id, id, sizeof(id));
    SSL_SESSION_free(w.left);
    w.left = first;
    visit(&w);
    EXPECT(!w.snapshot.resumed);
    world_close(&w);
}

BOTH(a_session_of_another_id_is_none)

static void another_service_does_not_resume_it(int version)
{
    glue_context_props props = server_props(version);
    world w;
    NEED(world_open(&w, &props));
    visit(&w);
    glue_context_free(w.server);
    props.service = "submission";
    w.server = glue_context_new(&props, &err);
    visit(&w);
    EXPECT(found);
    EXPECT(!w.snapshot.resumed);
    world_close(&w);
}

BOTH(another_service_does_not_resume_it)

static void other_trust_does_not_resume_it(int version)
{
    glue_context_props props = server_props(version);
    world w;
    NEED(world_open(&w, &props));
    visit(&w);
    glue_context_free(w.server);
    props.ask_client_cert = true;
    w.server = glue_context_new(&props, &err);
    visit(&w);
    EXPECT(found);
    EXPECT(!w.snapshot.resumed);
    world_close(&w);
}

BOTH(other_trust_does_not_resume_it)

/* RFC 8446 4.1.4: the second ClientHello looks the session up again; nobody is asked again. */
static void a_hello_retry_resumes(void)
{
    glue_context_props props = server_props(TLS1_3_VERSION);
    world w;
    NEED(world_open(&w, &props));
    visit(&w);
    glue_context_free(w.server);
    props.groups = "secp384r1";
    w.server = glue_context_new(&props, &err);
    visit(&w);
    EXPECT(w.snapshot.resumed);
    EXPECT_INT(asked, 1);
    world_close(&w);
}

/* A TLS 1.3 resumption gives a new session; it keeps the age of the first. */
static void a_renewed_session_keeps_its_age(void)
{
    glue_context_props props = server_props(TLS1_3_VERSION);
    world w;
    NEED(world_open(&w, &props));
    visit(&w);
    const unsigned char *at = store.session;
    SSL_SESSION *aged = d2i_SSL_SESSION(NULL, &at, (long)store.len);
    NEED(aged != NULL);
    time_t born = time(NULL) - 5000;
    SSL_SESSION_set_time_ex(aged, born);
    glue_session_free(store.session, store.len);
    store.session = NULL;
    store.len = (size_t)i2d_SSL_SESSION(aged, &store.session);
    SSL_SESSION_free(aged);
    visit(&w);
    EXPECT(w.snapshot.resumed && w.given);
    at = store.session;
    SSL_SESSION *renewed = d2i_SSL_SESSION(NULL, &at, (long)store.len);
    EXPECT_INT(SSL_SESSION_get_time_ex(renewed), born);
    SSL_SESSION_free(renewed);
    world_close(&w);
}

static void a_session_past_its_time_does_not_resume(int version)
{
    glue_context_props props = server_props(version);
    world w;
    NEED(world_open(&w, &props));
    visit(&w);
    const unsigned char *at = store.session;
    SSL_SESSION *aged = d2i_SSL_SESSION(NULL, &at, (long)store.len);
    SSL_SESSION_set_time_ex(aged, time(NULL) - 7300);
    glue_session_free(store.session, store.len);
    store.session = NULL;
    store.len = (size_t)i2d_SSL_SESSION(aged, &store.session);
    SSL_SESSION_free(aged);
    visit(&w);
    EXPECT(!w.snapshot.resumed);
    world_close(&w);
}

BOTH(a_session_past_its_time_does_not_resume)

/* ------------------------------------------------------------------ what is handed out */

static void tickets_make_no_session(int version)
{
    glue_context_props props = server_props(version);
    props.tickets = true;
    world w;
    NEED(world_open(&w, &props));
    visit(&w);
    EXPECT(!w.given);
    visit(&w);
    EXPECT(w.snapshot.resumed && w.snapshot.ticket && !w.given);
    EXPECT_INT(asked, 0);
    world_close(&w);
}

BOTH(tickets_make_no_session)

/* A client of TLS 1.2 that knows no tickets has its session kept, tickets or not. */
static void clients_without_tickets_resume_beside_tickets(void)
{
    glue_context_props props = server_props(TLS1_2_VERSION);
    props.tickets = true;
    world w;
    NEED(world_open(&w, &props));
    SSL_CTX_set_options(w.client->ctx, SSL_OP_NO_TICKET);
    visit(&w);
    EXPECT(w.given);
    visit(&w);
    EXPECT(w.snapshot.resumed && !w.snapshot.ticket);
    world_close(&w);
}

static void without_a_store_nothing_is_handed_out(int version)
{
    glue_context_props props = server_props(version);
    props.ask = 0;
    world w;
    NEED(world_open(&w, &props));
    visit(&w);
    EXPECT(!w.given);
    world_close(&w);
}

BOTH(without_a_store_nothing_is_handed_out)

static void a_failed_handshake_hands_out_nothing(void)
{
    glue_context_props props = server_props(TLS1_2_VERSION);
    world w;
    test_pair pair;
    unsigned char id[32];
    NEED(world_open(&w, &props));
    NEED(testlib_pair_open(&pair));
    NEED(testlib_pair_start(&pair, w.server, w.client, NULL));
    EXPECT_INT(glue_conn_handshake(pair.client.conn, &err), GLUE_WANT_READ);
    EXPECT_INT(glue_conn_session_id(pair.server.conn, id), 0);
    testlib_pair_close(&pair);
    world_close(&w);
}

static void lookup_and_find_are_notices(void)
{
    glue_context_props props = server_props(TLS1_3_VERSION);
    world w;
    NEED(world_open(&w, &props));
    visit(&w);
    test_pair pair;
    NEED(testlib_pair_open(&pair));
    NEED(testlib_pair_start(&pair, w.server, w.client, NULL));
    pair.answer = answer;
    EXPECT_INT(SSL_set_session(pair.client.conn->ssl, w.left), 1);
    EXPECT(testlib_pair_drive(&pair));
    glue_notice *notices = glue_conn_take_notices(pair.server.conn);
    if (EXPECT(notices != NULL) && EXPECT(notices->next != NULL)) {
        EXPECT_INT(notices->kind, GLUE_NOTICE_SESSION_LOOKUP);
        EXPECT_INT(notices->next->kind, GLUE_NOTICE_SESSION_RELOADED);
        EXPECT_INT(strlen(notices->name), 64);
        EXPECT_INT(strspn(notices->name, "0123456789ABCDEF"), 64);
        EXPECT_STR(notices->next->name, notices->name);
        EXPECT(notices->next->next == NULL);
    }
    glue_notices_free(notices);
    testlib_pair_close(&pair);
    world_close(&w);
}

static void an_answer_without_a_question_is_ignored(void)
{
    test_pair pair;
    NEED(testlib_pair_open(&pair));
    glue_conn_answer_session(pair.server.conn, (const unsigned char *)"x", 1);
    testlib_pair_close(&pair);
}

/* ------------------------------------------------------------------ memory */

static glue_context *fault_server, *fault_client;
static SSL_SESSION *fault_session;

static bool resumption_attempt(glue_error *error)
{
    test_pair pair;
    if (!testlib_pair_open(&pair)) {
        *error = pair.server.err.code != 0 ? pair.server.err : pair.client.err;
        testlib_pair_close(&pair);
        return false;
    }
    bool done = testlib_pair_start(&pair, fault_server, fault_client, NULL);
    pair.answer = answer;
    if (done && SSL_set_session(pair.client.conn->ssl, fault_session) == 1) {
        done = testlib_pair_drive(&pair);
    }
    *error = pair.server.err.code != 0 ? pair.server.err : pair.client.err;
    testlib_pair_close(&pair);
    return done;
}

static void no_allocation_that_fails_does_harm(void)
{
    glue_context_props props = server_props(TLS1_2_VERSION);
    world w;
    NEED(world_open(&w, &props));
    visit(&w);
    fault_server = w.server;
    fault_client = w.client;
    fault_session = w.left;
    testlib_faults_each(resumption_attempt, 7);
    world_close(&w);
}

static const test_case cases[] = {
    CASES("a stored session resumes", a_stored_session_resumes),
    CASES("another process resumes it", another_process_resumes_it),
    CASES("an empty store is a full handshake", an_empty_store_is_a_full_handshake),
    CASES("bytes that are no session are none", bytes_that_are_no_session_are_none),
    CASES("a session of another id is none", a_session_of_another_id_is_none),
    CASES("another service does not resume it", another_service_does_not_resume_it),
    CASES("other trust does not resume it", other_trust_does_not_resume_it),
    CASES("a session past its time does not resume", a_session_past_its_time_does_not_resume),
    {"a HelloRetryRequest does not keep from resuming", a_hello_retry_resumes},
    {"a renewed session keeps the age of the full handshake", a_renewed_session_keeps_its_age},
    CASES("tickets make no session to keep", tickets_make_no_session),
    {"clients without tickets resume beside tickets",
     clients_without_tickets_resume_beside_tickets},
    CASES("without a store nothing is handed out", without_a_store_nothing_is_handed_out),
    {"a handshake that has not ended hands out nothing", a_failed_handshake_hands_out_nothing},
    {"lookup and find are notices", lookup_and_find_are_notices},
    {"an answer without a question is ignored", an_answer_without_a_question_is_ignored},
    {"no allocation that fails does harm", no_allocation_that_fails_does_harm},
};

int main(void)
{
    testlib_faults_install();
    testlib_library();
    chains = testlib_chains(testlib_self_signed("EC", "mx.example.com"), NULL, NULL);
    int failed = testlib_main(cases, sizeof(cases) / sizeof(cases[0]));
    glue_chains_free(chains);
    return failed;
}
