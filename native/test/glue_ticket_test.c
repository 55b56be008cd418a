/*
 * glue_ticket_test.c - session tickets by the keys of a ring: which resume, which are renewed, how
 * big and how old they may be, who gets none.
 */
#include <pthread.h>
#include <string.h>
#include <time.h>

#include <openssl/ssl.h>

#include "../glue_ticket_ring.h"
#include "testlib.h"

static glue_error err;
static glue_chains *server_chain;
static glue_ticket_ring *ring;

typedef struct world {
    glue_context *server;
    glue_context *client;
    const unsigned char *key; /* active at first */
} world;

static glue_context *make(const glue_context_props *props)
{
    glue_context *context = glue_context_new(props, &err);
    EXPECT(context != NULL);
    return context;
}

static glue_context_props server_props(void)
{
    glue_context_props props = testlib_props(GLUE_SERVER);
    props.chains = server_chain;
    props.ticket_ring = ring;
    props.session_timeout = 7200;
    return props;
}

static world open_world(const glue_context_props *server, int version)
{
    glue_context_props props = testlib_props(GLUE_CLIENT);
    props.protocols = (glue_protocols){version, version, 0};
    world w = {make(server), testlib_collector(&props), testlib_ticket_key(ring)};
    testlib_ring_use(ring, NULL, w.key, NULL);
    return w;
}

static void close_world(const world *w)
{
    glue_context_free(w->server);
    glue_context_free(w->client);
    testlib_session_drop();
}

/* A full handshake and what it left; then with these keys a visit that offers it. */
static bool resumes_under(const world *w, const unsigned char *next, const unsigned char *active,
                          const unsigned char *previous)
{
    testlib_visit(w->server, w->client, NULL);
    EXPECT_INT(testlib_sessions(), 1);
    testlib_ring_use(ring, next, active, previous);
    SSL_SESSION *first = SSL_SESSION_dup(testlib_session());
    bool resumed = testlib_visit(w->server, w->client, first).resumed;
    SSL_SESSION_free(first);
    return resumed;
}

/* ------------------------------------------------------------------ which key */

static void active_key(int version)
{
    glue_context_props props = server_props();
    world w = open_world(&props, version);
    EXPECT(resumes_under(&w, NULL, w.key, NULL));
    EXPECT_INT(testlib_sessions(), 1);
    close_world(&w);
}

/* Another host has begun to use it already. */
static void next_key(int version)
{
    glue_context_props props = server_props();
    world w = open_world(&props, version);
    EXPECT(resumes_under(&w, w.key, testlib_ticket_key(ring), NULL));
    EXPECT_INT(testlib_sessions(), 1);
    close_world(&w);
}

static void previous_key(int version)
{
    glue_context_props props = server_props();
    world w = open_world(&props, version);
    const unsigned char *active = testlib_ticket_key(ring);
    EXPECT(resumes_under(&w, NULL, active, w.key));
    EXPECT_INT(testlib_sessions(), 2);
    testlib_ring_use(ring, NULL, active, NULL); /* the new ticket is by the active key */
    EXPECT(testlib_visit(w.server, w.client, testlib_session()).resumed);
    close_world(&w);
}

/* Two have made keys without knowing of each other. */
static void former_key(int version)
{
    glue_context_props props = server_props();
    world w = open_world(&props, version);
    const unsigned char *active = testlib_ticket_key(ring);
    const unsigned char *previous = testlib_ticket_key(ring);
    testlib_visit(w.server, w.client, NULL);
    testlib_ring_install(
        ring, &(glue_ticket_keys){.active = active, .previous = previous, .former = w.key});
    SSL_SESSION *first = SSL_SESSION_dup(testlib_session());
    EXPECT(testlib_visit(w.server, w.client, first).resumed);
    EXPECT_INT(testlib_sessions(), 2);
    SSL_SESSION_free(first);
    testlib_ring_use(ring, NULL, active, NULL); /* the new ticket is by the active key */
    EXPECT(testlib_visit(w.server, w.client, testlib_session()).resumed);
    close_world(&w);
}

/* A key that is due `in` milliseconds from now. */
static void mint_due(int64_t in, unsigned char *sealed)
{
    uint64_t from = (uint64_t)((int64_t)time(NULL) * 1000 + in);
    EXPECT(glue_ticket_ring_mint(ring, from, from + 60000, sealed, &err) == GLUE_OK);
}

static bool ticket_is_by_next(const world *w, const unsigned char *next)
{
    testlib_ring_use(ring, next, w->key, NULL);
    testlib_visit(w->server, w->client, NULL);
    testlib_ring_use(ring, NULL, next, NULL);
    return testlib_visit(w->server, w->client, testlib_session()).resumed;
}

/* Whoever makes it the active one goes by a timer. */
static void next_key_that_is_due(int version)
{
    glue_context_props props = server_props();
    world w = open_world(&props, version);
    unsigned char due[GLUE_SEALED_KEY_LEN], early[GLUE_SEALED_KEY_LEN], over[GLUE_SEALED_KEY_LEN];
    mint_due(-10000, due);
    mint_due(30000, early);
    mint_due(-90000, over);
    EXPECT(ticket_is_by_next(&w, due));
    EXPECT(!ticket_is_by_next(&w, early));
    EXPECT(!ticket_is_by_next(&w, over));
    close_world(&w);
}

static void retired_key(int version)
{
    glue_context_props props = server_props();
    world w = open_world(&props, version);
    const unsigned char *active = testlib_ticket_key(ring);
    EXPECT(!resumes_under(&w, testlib_ticket_key(ring), active, testlib_ticket_key(ring)));
    EXPECT_INT(testlib_sessions(), 2);
    EXPECT(testlib_visit(w.server, w.client, testlib_session()).resumed);
    close_world(&w);
}

static bool has_ticket(void)
{
    SSL_SESSION *session = testlib_session();
    return session != NULL && SSL_SESSION_has_ticket(session) == 1;
}

static void no_active_key(int version)
{
    glue_context_props props = server_props();
    world w = open_world(&props, version);
    testlib_ring_use(ring, NULL, NULL, w.key);
    testlib_visit(w.server, w.client, NULL);
    EXPECT(!has_ticket());
    close_world(&w);
}

/* What a reload makes. */
static void new_context(int version)
{
    glue_context_props props = server_props();
    world w = open_world(&props, version);
    testlib_visit(w.server, w.client, NULL);
    glue_context_free(w.server);
    w.server = make(&props);
    EXPECT(testlib_visit(w.server, w.client, testlib_session()).resumed);
    close_world(&w);
}

static void another_cipher(int version)
{
    glue_context_props props = server_props();
    props.ticket_cipher = "aes-128-cbc";
    world w = open_world(&props, version);
    EXPECT(resumes_under(&w, NULL, w.key, NULL));
    glue_context_free(w.server);
    props.ticket_cipher = "camellia-256-cbc";
    w.server = make(&props);
    EXPECT(!testlib_visit(w.server, w.client, testlib_session()).resumed);
    close_world(&w);
}

/* ------------------------------------------------------------------ size */

static size_t ticket_size(void)
{
    const unsigned char *ticket = NULL;
    size_t len = 0;
    if (has_ticket()) {
        SSL_SESSION_get0_ticket(testlib_session(), &ticket, &len);
    }
    return len;
}

/* The longest name that can be sent. */
static void size_without_credential(int version)
{
    static const char *const label =
        "a23456789012345678901234567890123456789012345678901234567890123";
    glue_context_props props = server_props();
    props.acknowledge_sni = true;
    world w = open_world(&props, version);
    glue_tls_props tls = GLUE_TLS_PROPS_DEFAULT;
    tls.sni = testlib_text("%s.%s.%s.%.61s", label, label, label, label);
    test_pair pair;
    EXPECT(testlib_pair(&pair, w.server, w.client, &tls));
    EXPECT(testlib_pair_talk(&pair, "220 hello"));
    EXPECT(SSL_get_servername(pair.client.conn->ssl, TLSEXT_NAMETYPE_host_name) != NULL);
    testlib_pair_close(&pair);
    size_t len = ticket_size();
    EXPECT(len > 0 && len <= 256);
    close_world(&w);
}

/* The ticket's size for a client with such a key. */
static size_t size_with(const char *key, int version, bool raw)
{
    glue_context_props props = server_props();
    props.ask_client_cert = true;
    props.enable_rpk = raw;
    world w = open_world(&props, version);
    glue_context_free(w.client);
    glue_chains *chain = testlib_chains(testlib_self_signed(key, "client.example.com"), NULL, NULL);
    glue_context_props client = testlib_props(GLUE_CLIENT);
    client.protocols = (glue_protocols){version, version, 0};
    client.chains = chain;
    w.client = testlib_collector(&client);
    glue_snapshot snapshot = testlib_visit(w.server, w.client, NULL);
    EXPECT_INT(snapshot.peer, raw ? GLUE_PEER_RPK : GLUE_PEER_X509);
    size_t len = ticket_size();
    close_world(&w);
    glue_chains_free(chain);
    return len;
}

static void size_with_credential(int version)
{
    size_t ec = size_with("EC", version, false);
    EXPECT(ec > 256 && ec <= 1024);
    size_t rsa = size_with("RSA", version, false);
    EXPECT(rsa > ec && rsa <= 1024);
}

static void ml_dsa_clients_get_none(void)
{
    EXPECT_INT(size_with("ML-DSA-65", TLS1_3_VERSION, false), 0);
    EXPECT_INT(size_with("ML-DSA-65", TLS1_3_VERSION, true), 0);
    size_t raw = size_with("EC", TLS1_3_VERSION, true);
    EXPECT(raw > 0 && raw <= 512);
}

/* ------------------------------------------------------------------ age */

static int64_t birth_offset;

/* As glue_ticket.c does it, at another time. */
static int generate_at_another_time(SSL *ssl, void *arg)
{
    uint64_t birth = (uint64_t)((int64_t)time(NULL) + birth_offset);
    unsigned char bytes[8];
    (void)arg;
    for (int i = 7; i >= 0; i--, birth >>= 8) {
        bytes[i] = (unsigned char)birth;
    }
    return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), bytes, sizeof(bytes));
}

/* A ticket of a full handshake so many seconds from now, offered now. */
static bool resumes_from(int version, int64_t offset, unsigned timeout)
{
    glue_context_props props = server_props();
    props.session_timeout = timeout;
    world w = open_world(&props, version);
    glue_context *past = make(&props);
    birth_offset = offset;
    SSL_CTX_set_session_ticket_cb(past->ctx, generate_at_another_time, NULL, NULL);
    testlib_visit(past, w.client, NULL);
    SSL_SESSION *session = SSL_SESSION_dup(testlib_session());
    unsigned before = testlib_sessions();
    bool resumed = testlib_visit(w.server, w.client, session).resumed;
    EXPECT_INT(testlib_sessions() - before, resumed ? 0 : 1);
    SSL_SESSION_free(session);
    glue_context_free(past);
    close_world(&w);
    return resumed;
}

static void total_age(int version)
{
    EXPECT(resumes_from(version, 0, 7200));
    EXPECT(resumes_from(version, -7100, 7200));
    EXPECT(!resumes_from(version, -7205, 7200));
    EXPECT(resumes_from(version, 30, 7200)); /* another host's clock */
    EXPECT(resumes_from(version, -100000, 0));
}

/* Renewal sets OpenSSL's time anew, not ours. */
static void renewal_keeps_the_age(int version)
{
    glue_context_props props = server_props();
    world w = open_world(&props, version);
    glue_context *past = make(&props);
    birth_offset = -7100;
    SSL_CTX_set_session_ticket_cb(past->ctx, generate_at_another_time, NULL, NULL);
    testlib_visit(past, w.client, NULL);
    testlib_ring_use(ring, NULL, testlib_ticket_key(ring), w.key);
    SSL_SESSION *old = SSL_SESSION_dup(testlib_session());
    EXPECT(testlib_visit(w.server, w.client, old).resumed);
    SSL_SESSION_free(old);
    EXPECT_INT(testlib_sessions(), 2);
    glue_context_free(w.server);
    props.session_timeout = 7000;
    w.server = make(&props);
    old = SSL_SESSION_dup(testlib_session());
    EXPECT(!testlib_visit(w.server, w.client, old).resumed);
    SSL_SESSION_free(old);
    glue_context_free(past);
    close_world(&w);
}

/* By somebody with our keys, and without our callback. */
static void without_an_age(int version)
{
    glue_context_props props = server_props();
    world w = open_world(&props, version);
    glue_context *other = make(&props);
    SSL_CTX_set_session_ticket_cb(other->ctx, NULL, NULL, NULL);
    testlib_visit(other, w.client, NULL);
    EXPECT(!testlib_visit(w.server, w.client, testlib_session()).resumed);
    glue_context_free(other);
    close_world(&w);
}

/* ------------------------------------------------------------------ one connection */

/* What a server with these properties makes of a client that offers `session`. */
static bool visit_with(const world *w, const glue_tls_props *props, SSL_SESSION *session,
                       glue_notice **notices)
{
    static const glue_tls_props defaults = GLUE_TLS_PROPS_DEFAULT;
    test_pair pair;
    EXPECT(testlib_pair_open(&pair));
    EXPECT(glue_conn_start_tls(pair.server.conn, w->server, props, &err) == GLUE_OK);
    EXPECT(glue_conn_start_tls(pair.client.conn, w->client, &defaults, &err) == GLUE_OK);
    EXPECT(session == NULL || SSL_set_session(pair.client.conn->ssl, session) == 1);
    EXPECT(testlib_pair_drive(&pair));
    EXPECT(pair.server.conn->tickets == NULL); /* nothing stays pinned */
    EXPECT(testlib_pair_talk(&pair, "220 hello"));
    bool resumed = SSL_session_reused(pair.server.conn->ssl) == 1;
    *notices = glue_conn_take_notices(pair.server.conn);
    testlib_pair_close(&pair);
    return resumed;
}

static void tickets_off(int version)
{
    glue_context_props props = server_props();
    world w = open_world(&props, version);
    glue_tls_props off = GLUE_TLS_PROPS_DEFAULT;
    off.no_tickets = true;
    glue_notice *notices;
    EXPECT(!visit_with(&w, &off, NULL, &notices));
    EXPECT(!has_ticket());
    EXPECT_INT(testlib_sessions(), version == TLS1_3_VERSION ? 0 : testlib_sessions());
    testlib_visit(w.server, w.client, NULL);
    NEED(has_ticket());
    SSL_SESSION *session = SSL_SESSION_dup(testlib_session());
    unsigned before = testlib_sessions();
    EXPECT(!visit_with(&w, &off, session, &notices));
    EXPECT(version != TLS1_3_VERSION || testlib_sessions() == before);
    SSL_SESSION_free(session);
    close_world(&w);
}

static void notices_tell(int version)
{
    glue_context_props props = server_props();
    world w = open_world(&props, version);
    glue_tls_props noted = GLUE_TLS_PROPS_DEFAULT;
    noted.note_tickets = true;
    glue_notice *first = NULL;
    visit_with(&w, &noted, NULL, &first);
    NEED(first != NULL);
    EXPECT_INT(first->kind, GLUE_NOTICE_TICKET_ISSUED);
    EXPECT_STR(first->name, "61");
    EXPECT(first->next == NULL);
    glue_notices_free(first);
    testlib_ring_use(ring, NULL, testlib_ticket_key(ring), w.key);
    SSL_SESSION *session = SSL_SESSION_dup(testlib_session());
    EXPECT(visit_with(&w, &noted, session, &first));
    NEED(first != NULL && first->next != NULL);
    EXPECT_INT(first->kind, GLUE_NOTICE_TICKET_TAKEN);
    EXPECT_INT(first->next->kind, GLUE_NOTICE_TICKET_ISSUED);
    EXPECT(first->next->next == NULL);
    glue_notices_free(first);
    noted.note_tickets = false;
    visit_with(&w, &noted, session, &first);
    EXPECT(first == NULL);
    SSL_SESSION_free(session);
    close_world(&w);
}

/* ------------------------------------------------------------------ secrets and memory */

static void memory_given_back(int version)
{
    glue_context_props props = server_props();
    world w = open_world(&props, version);
    glue_ticket_key *key;
    glue_ticket_set *set = glue_ticket_ring_pin(ring);
    key = set->keys[GLUE_TICKET_ACTIVE];
    for (size_t part = 0; part < 64; part += 16) {
        testlib_secret_watch(key->secret + part, 16);
        testlib_visit(w.server, w.client, NULL);
        EXPECT(testlib_visit(w.server, w.client, testlib_session()).resumed);
        EXPECT_INT(testlib_secret_seen(), 0);
    }
    glue_ticket_ring_unpin(set);
    close_world(&w);
}

static world faulty;
static SSL_SESSION *faulty_session;

/* An alert is the other side's error. */
static bool visit_attempt(glue_error *error)
{
    test_pair pair;
    bool ok = testlib_pair_open(&pair);
    if (!ok) {
        *error = pair.server.conn == NULL ? pair.server.err : pair.client.err;
        testlib_pair_close(&pair);
        return false;
    }
    ok = testlib_pair_start(&pair, faulty.server, faulty.client, NULL) &&
         SSL_set_session(pair.client.conn->ssl, faulty_session) == 1 && testlib_pair_drive(&pair);
    if (!ok) {
        bool server = pair.server.err.message[0] != '\0';
        *error = server ? pair.server.err : pair.client.err;
    }
    testlib_pair_close(&pair);
    return ok;
}

/* By the previous key: a ticket is opened, and one is made. */
static void failing_allocations(int version)
{
    glue_context_props props = server_props();
    faulty = open_world(&props, version);
    testlib_visit(faulty.server, faulty.client, NULL);
    testlib_ring_use(ring, NULL, testlib_ticket_key(ring), faulty.key);
    faulty_session = SSL_SESSION_dup(testlib_session());
    testlib_faults_each(visit_attempt, 37);
    SSL_SESSION_free(faulty_session);
    close_world(&faulty);
}

/* ------------------------------------------------------------------ threads */

#define CLIENTS 4

typedef struct crowd {
    world w;
    atomic_uint failed;
    atomic_uint resumed;
    atomic_uint visits;
} crowd;

/* One client: comes with what it got the last time. */
static void *keep_coming(void *arg)
{
    crowd *c = arg;
    SSL_SESSION *session = NULL;
    for (int i = 0; i < 60; i++) {
        test_pair pair;
        bool ok = testlib_pair_open(&pair) &&
                  testlib_pair_start(&pair, c->w.server, c->w.client, NULL) &&
                  (session == NULL || SSL_set_session(pair.client.conn->ssl, session) == 1) &&
                  testlib_pair_drive(&pair) && testlib_pair_talk(&pair, "220 hello");
        atomic_fetch_add(&c->failed, ok ? 0 : 1);
        atomic_fetch_add(&c->resumed, ok && SSL_session_reused(pair.server.conn->ssl) ? 1 : 0);
        SSL_SESSION_free(session);
        session = ok ? SSL_get1_session(pair.client.conn->ssl) : NULL;
        testlib_pair_close(&pair);
        atomic_fetch_add(&c->visits, 1);
    }
    SSL_SESSION_free(session);
    glue_library_thread_stop();
    return NULL;
}

/* A key is next for one step, active for one, previous for one, then gone. */
static void handshakes_while_keys_rotate(int version)
{
    glue_context_props props = server_props();
    crowd c = {.w = {.server = make(&props)}};
    props = testlib_props(GLUE_CLIENT);
    props.protocols = (glue_protocols){version, version, 0};
    c.w.client = make(&props);
    const unsigned char *keys[3];
    for (size_t i = 0; i < 3; i++) {
        keys[i] = testlib_ticket_key(ring);
    }
    testlib_ring_use(ring, keys[2], keys[1], keys[0]);
    pthread_t threads[CLIENTS];
    for (size_t i = 0; i < CLIENTS; i++) {
        NEED(pthread_create(&threads[i], NULL, keep_coming, &c) == 0);
    }
    unsigned turns = 0;
    while (atomic_load(&c.visits) < CLIENTS * 60) {
        unsigned due = atomic_load(&c.visits) / 8; /* each eighth visit, and in between the same */
        if (due > turns) {
            turns++;
            keys[0] = keys[1];
            keys[1] = keys[2];
            keys[2] = testlib_ticket_key(ring);
            testlib_ring_use(ring, keys[2], keys[1], keys[0]);
        }
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        pthread_join(threads[i], NULL);
    }
    EXPECT_INT(atomic_load(&c.failed), 0);
    EXPECT(atomic_load(&c.resumed) > 0);
    EXPECT(turns > 10);
    glue_context_free(c.w.server);
    glue_context_free(c.w.client);
}

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

BOTH(active_key)
BOTH(next_key)
BOTH(previous_key)
BOTH(former_key)
BOTH(next_key_that_is_due)
BOTH(retired_key)
BOTH(no_active_key)
BOTH(new_context)
BOTH(another_cipher)
BOTH(size_without_credential)
BOTH(size_with_credential)
BOTH(total_age)
BOTH(renewal_keeps_the_age)
BOTH(without_an_age)
BOTH(tickets_off)
BOTH(notices_tell)
BOTH(memory_given_back)
BOTH(failing_allocations)
BOTH(handshakes_while_keys_rotate)

#define CASES(sentence, name)                                                                      \
    {"TLS 1.3: " sentence, name##_tls13},                                                          \
    {                                                                                              \
        "TLS 1.2: " sentence, name##_tls12                                                         \
    }

static const test_case cases[] = {
    CASES("a ticket of the active key resumes, and is not renewed", active_key),
    CASES("a ticket of the next key resumes, and is not renewed", next_key),
    CASES("a ticket of the previous key resumes, and is renewed", previous_key),
    CASES("a ticket of the former key resumes, and is renewed", former_key),
    CASES("tickets are by the next key once it is due", next_key_that_is_due),
    CASES("a ticket of a key that is gone is a full handshake and a new ticket", retired_key),
    CASES("without an active key there is no ticket, and no harm", no_active_key),
    CASES("a ticket resumes at a new context with the ring", new_context),
    CASES("a ticket by another cipher is a full handshake", another_cipher),
    CASES("a ticket has 256 bytes at most, however long the server name", size_without_credential),
    CASES("the ticket of a client with an EC or RSA certificate fits", size_with_credential),
    {"a client with an ML-DSA-65 credential gets no ticket", ml_dsa_clients_get_none},
    CASES("a session is resumed for its time since the full handshake", total_age),
    CASES("renewal keeps the time of the full handshake", renewal_keeps_the_age),
    CASES("a ticket without that time is a full handshake", without_an_age),
    CASES("a connection without tickets gets none and takes none", tickets_off),
    CASES("notices tell which keys were used, where they are wanted", notices_tell),
    CASES("memory that OpenSSL gives back has no key", memory_given_back),
    CASES("no allocation that fails does harm", failing_allocations),
    CASES("handshakes go on while keys rotate", handshakes_while_keys_rotate),
};

int main(void)
{
    testlib_faults_install();
    testlib_library();
    server_chain = testlib_chains(testlib_self_signed("EC", "mx.example.com"), NULL, NULL);
    ring = testlib_ring("tickets", "secret");
    int failed = testlib_main(cases, sizeof(cases) / sizeof(cases[0]));
    glue_ticket_ring_close(ring);
    glue_chains_free(server_chain);
    return failed;
}
