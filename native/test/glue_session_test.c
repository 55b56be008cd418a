/*
 * glue_session_test.c - a client's sessions as bytes: taken once, offered again only where the same
 * has to match, with the outcome of verification in them.
 */
#include <string.h>

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include "../glue_internal.h"
#include "testlib.h"

static const test_identity *root;
static glue_chains *chains;
static const char *root_file;
static glue_context *server;

static void make_world(void)
{
    if (root != NULL) {
        return;
    }
    glue_error err;
    test_cert_spec ca = {.key = "EC", .cn = "Root", .ca = true};
    root = testlib_identity(&ca);
    test_cert_spec leaf = {.key = "EC", .cn = "leaf", .dns = "mx.example.com", .issuer = root};
    chains = testlib_chains(testlib_identity(&leaf), NULL, NULL);
    root_file = testlib_file("root.pem", testlib_pem_cert(root));
    glue_context_props props = testlib_props(GLUE_SERVER);
    props.chains = chains;
    server = glue_context_new(&props, &err);
}

typedef struct blob {
    unsigned char *data;
    size_t len;
} blob;

static glue_context *client_of(const char *ca_file, int version)
{
    glue_error err;
    glue_context_props props = testlib_props(GLUE_CLIENT);
    props.ca_file = ca_file;
    props.protocols = (glue_protocols){version, version, 0};
    return glue_context_new(&props, &err);
}

static glue_auth *auth_of(const char *name, bool forced_failure)
{
    glue_error err;
    glue_auth_props props = {
        .names = &name, .name_count = 1, .must_match = true, .forced_failure = forced_failure};
    return glue_auth_new(&props, &err);
}

/* One connection with `session` on offer; hands out the new one, which the caller frees. */
static glue_snapshot visit(glue_context *client, glue_auth *auth, blob session, blob *fresh)
{
    test_pair pair;
    glue_snapshot snapshot = {.status = ""};
    glue_tls_props tls = GLUE_TLS_PROPS_DEFAULT;
    tls.auth = auth;
    tls.session = session.data;
    tls.session_len = session.len;
    EXPECT(testlib_pair(&pair, server, client, &tls));
    EXPECT(testlib_pair_talk(&pair, "250 hello"));
    EXPECT(glue_conn_snapshot(pair.client.conn, &snapshot));
    if (fresh != NULL) {
        unsigned char *again = NULL;
        fresh->len = glue_conn_take_session(pair.client.conn, &fresh->data);
        EXPECT_INT(glue_conn_take_session(pair.client.conn, &again), 0);
        EXPECT(again == NULL);
    }
    testlib_pair_close(&pair);
    return snapshot;
}

static const blob none = {NULL, 0};

static void a_session_resumes_and_remembers_the_match(void)
{
    make_world();
    glue_auth *auth = auth_of("mx.example.com", false);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        glue_context *client = client_of(root_file, version);
        blob first = none;
        blob second = none;
        glue_snapshot s = visit(client, auth, none, &first);
        EXPECT_STR(s.status, "Verified");
        EXPECT_INT(s.match.kind, GLUE_MATCH_NAME);
        EXPECT(!s.resumed && first.len > 0);
        s = visit(client, auth, first, &second);
        EXPECT(s.resumed);
        EXPECT_STR(s.status, "Verified");
        EXPECT_INT(s.match.kind, GLUE_MATCH_NONE);
        EXPECT_INT(s.peer, GLUE_PEER_X509);
        /* TLS 1.3 has a new ticket for every connection; TLS 1.2 goes on with the old one. */
        EXPECT((second.len > 0) == (version == TLS1_3_VERSION));
        glue_session_free(first.data, first.len);
        glue_session_free(second.data, second.len);
        glue_context_free(client);
    }
    glue_auth_free(auth);
}

static void a_session_remembers_what_was_wrong(void)
{
    make_world();
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        glue_context *client = client_of(NULL, version);
        blob first = none;
        glue_snapshot s = visit(client, NULL, none, &first);
        EXPECT_STR(s.status, "Untrusted");
        long code = s.verify_code;
        EXPECT_INT(code, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
        s = visit(client, NULL, first, NULL);
        EXPECT(s.resumed);
        EXPECT_STR(s.status, "Untrusted");
        EXPECT_INT(s.verify_code, code);
        glue_session_free(first.data, first.len);
        glue_context_free(client);
    }
}

static void a_server_that_did_not_match_leaves_no_session(void)
{
    make_world();
    glue_context *client = client_of(root_file, 0);
    glue_auth *other = auth_of("other.example.com", false);
    glue_auth *failing = auth_of("mx.example.com", true);
    blob got = none;
    EXPECT_STR(visit(client, other, none, &got).status, "Trusted");
    EXPECT_INT(got.len, 0);
    EXPECT_STR(visit(client, failing, none, &got).status, "Untrusted");
    EXPECT_INT(got.len, 0);
    glue_auth_free(other);
    glue_auth_free(failing);
    glue_context_free(client);
}

/* A session of `from` is not resumed under (`client`, `to`): the handshake is a full one. */
static void expect_full(glue_context *client, glue_auth *to, blob session, const char *status)
{
    glue_snapshot s = visit(client, to, session, NULL);
    EXPECT(!s.resumed);
    EXPECT_STR(s.status, status);
}

static void a_session_counts_only_where_the_same_must_match(void)
{
    make_world();
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        glue_context *client = client_of(root_file, version);
        glue_context *poorer = client_of(NULL, version);
        glue_auth *auth = auth_of("mx.example.com", false);
        glue_auth *other = auth_of("other.example.com", false);
        glue_auth *failing = auth_of("mx.example.com", true);
        blob matched = none;
        blob plain = none;
        visit(client, auth, none, &matched);
        visit(client, NULL, none, &plain);
        EXPECT(matched.len > 0 && plain.len > 0);
        expect_full(client, other, matched, "Trusted");
        expect_full(client, failing, matched, "Untrusted");
        expect_full(client, NULL, matched, "Trusted");
        expect_full(poorer, auth, matched, "Untrusted");
        expect_full(client, auth, plain, "Verified");
        expect_full(client, other, plain, "Trusted");
        EXPECT(visit(client, auth, matched, NULL).resumed);
        EXPECT(visit(client, NULL, plain, NULL).resumed);
        glue_session_free(matched.data, matched.len);
        glue_session_free(plain.data, plain.len);
        glue_auth_free(auth);
        glue_auth_free(other);
        glue_auth_free(failing);
        glue_context_free(client);
        glue_context_free(poorer);
    }
}

static void bytes_that_are_no_session_are_none(void)
{
    make_world();
    glue_context *client = client_of(root_file, 0);
    blob good = none;
    visit(client, NULL, none, &good);
    unsigned char *copy = OPENSSL_malloc(good.len + 1);
    memcpy(copy, good.data, good.len);
    copy[good.len] = 0;
    expect_full(client, NULL, (blob){(unsigned char *)"junk", 4}, "Trusted");
    expect_full(client, NULL, (blob){copy, 0}, "Trusted");
    expect_full(client, NULL, (blob){copy, good.len - 1}, "Trusted");
    expect_full(client, NULL, (blob){copy, good.len + 1}, "Trusted");
    OPENSSL_free(copy);
    glue_session_free(good.data, good.len);
    glue_context_free(client);
}

/* It is taken for what it says: the server notices at the latest. */
static void a_session_with_a_wrong_byte_ends_the_handshake_or_is_not_offered(void)
{
    make_world();
    test_pair pair;
    glue_context *client = client_of(root_file, 0);
    blob session = none;
    visit(client, NULL, none, &session);
    glue_tls_props tls = GLUE_TLS_PROPS_DEFAULT;
    tls.session = session.data;
    tls.session_len = session.len;
    size_t full = 0;
    size_t failed = 0;
    for (size_t i = 0; i < session.len; i++) {
        glue_snapshot snapshot;
        session.data[i] ^= 0x55;
        if (testlib_pair(&pair, server, client, &tls)) {
            glue_conn_snapshot(pair.client.conn, &snapshot);
            full += !snapshot.resumed;
        } else {
            failed += pair.client.status == GLUE_ERROR;
        }
        session.data[i] ^= 0x55;
        testlib_pair_close(&pair);
    }
    EXPECT(full > 32);
    EXPECT(failed > 32);
    glue_session_free(session.data, session.len);
    glue_context_free(client);
}

static void there_is_no_session_before_the_ticket_nor_in_plaintext(void)
{
    make_world();
    test_pair pair;
    unsigned char *session = NULL;
    glue_context *client = client_of(root_file, TLS1_3_VERSION);
    EXPECT(testlib_pair_open(&pair));
    EXPECT_INT(glue_conn_take_session(pair.client.conn, &session), 0);
    EXPECT(testlib_pair_start(&pair, server, client, NULL) && testlib_pair_drive(&pair));
    EXPECT_INT(glue_conn_take_session(pair.client.conn, &session), 0);
    EXPECT(testlib_pair_talk(&pair, "250 hello"));
    size_t len = glue_conn_take_session(pair.client.conn, &session);
    EXPECT(len > 0);
    glue_session_free(session, len);
    testlib_pair_close(&pair);
    glue_context_free(client);
}

/* ------------------------------------------------------------------ allocation faults */

static glue_context *fault_client;
static blob fault_session;

static bool offer_attempt(glue_error *err)
{
    glue_tls_props tls = GLUE_TLS_PROPS_DEFAULT;
    tls.session = fault_session.data;
    tls.session_len = fault_session.len;
    glue_conn *conn = glue_conn_new(-1, err);
    if (conn == NULL) {
        return false;
    }
    bool done = glue_conn_start_tls(conn, fault_client, &tls, err) == GLUE_OK;
    glue_conn_free(conn);
    return done;
}

static void lack_of_memory_while_a_session_is_offered_is_an_error_or_a_full_handshake(void)
{
    make_world();
    fault_client = client_of(root_file, 0);
    visit(fault_client, NULL, none, &fault_session);
    testlib_faults_each(offer_attempt, 1);
    glue_session_free(fault_session.data, fault_session.len);
    glue_context_free(fault_client);
}

static const test_case cases[] = {
    {"a session resumes and remembers the match", a_session_resumes_and_remembers_the_match},
    {"a session remembers what was wrong", a_session_remembers_what_was_wrong},
    {"a server that did not match leaves no session",
     a_server_that_did_not_match_leaves_no_session},
    {"a session counts only where the same must match",
     a_session_counts_only_where_the_same_must_match},
    {"bytes that are no session are none", bytes_that_are_no_session_are_none},
    {"a session with a wrong byte ends the handshake or is not offered",
     a_session_with_a_wrong_byte_ends_the_handshake_or_is_not_offered},
    {"there is no session before the ticket, nor in plaintext",
     there_is_no_session_before_the_ticket_nor_in_plaintext},
    {"lack of memory while a session is offered is an error or a full handshake",
     lack_of_memory_while_a_session_is_offered_is_an_error_or_a_full_handshake},
};

TESTLIB_MAIN(cases)
