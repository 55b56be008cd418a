/*
 * glue_peer_chain_test.c - the certificates that a peer sent: all of them, on both sides, with
 * names, dates, keys and digests; and what is left out.
 */
#include <string.h>

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "../glue_internal.h"
#include "testlib.h"

static glue_error err;

typedef struct world {
    glue_context *server;
    glue_context *client;
    test_pair pair;
} world;

static glue_context *context_of(glue_context_props props, const test_identity *id)
{
    glue_chains *chains = id == NULL ? NULL : testlib_chains(id, NULL, NULL);
    props.chains = chains;
    glue_context *context = glue_context_new(&props, &err);
    glue_chains_free(chains);
    EXPECT(context != NULL);
    return context;
}

/* A handshake with these; `rpk`: the client asks for a raw public key. */
static bool meet(world *w, const test_identity *server, const test_identity *client, bool rpk)
{
    glue_context_props server_props = testlib_props(GLUE_SERVER);
    glue_context_props client_props = testlib_props(GLUE_CLIENT);
    server_props.ask_client_cert = client != NULL;
    client_props.enable_rpk = rpk;
    w->server = context_of(server_props, server);
    w->client = context_of(client_props, client);
    return EXPECT(testlib_pair(&w->pair, w->server, w->client, NULL));
}

static void part(world *w)
{
    testlib_pair_close(&w->pair);
    glue_context_free(w->server);
    glue_context_free(w->client);
}

static const test_identity *under_two_cas(const char *key, const char *cn, const char *dns)
{
    test_cert_spec root = {.key = "EC", .cn = "Root", .org = "Example", .ca = true};
    test_cert_spec middle = {.key = "RSA", .cn = "Middle", .ca = true};
    test_cert_spec leaf = {.key = key, .cn = cn, .dns = dns};
    middle.issuer = testlib_identity(&root);
    leaf.issuer = testlib_identity(&middle);
    return testlib_identity(&leaf);
}

/* ------------------------------------------------------------------ what is told */

static void a_client_sees_the_chain_in_the_order_it_was_sent(void)
{
    world w;
    glue_peer_cert cert;
    glue_snapshot snapshot;
    if (meet(&w, under_two_cas("P-384", "mx.example.com", "mx.example.com"), NULL, false)) {
        glue_conn *conn = w.pair.client.conn;
        EXPECT(glue_conn_peer_cert(conn, 0, &cert));
        EXPECT_STR(cert.subject, "/CN=mx.example.com");
        EXPECT_STR(cert.issuer, "/CN=Middle");
        EXPECT_STR(cert.names, "mx.example.com");
        EXPECT_STR(cert.key_type, "EC");
        EXPECT_STR(cert.curve, "secp384r1");
        EXPECT_INT(cert.key_bits, 0);
        EXPECT(cert.not_before > 0 && cert.not_after > cert.not_before);
        EXPECT(glue_conn_snapshot(conn, &snapshot));
        EXPECT_STR(cert.cert_fingerprint, snapshot.peer_cert_fingerprint);
        EXPECT_STR(cert.pkey_fingerprint, snapshot.peer_pkey_fingerprint);
        EXPECT(glue_conn_peer_cert(conn, 1, &cert));
        EXPECT_STR(cert.subject, "/CN=Middle");
        EXPECT_STR(cert.issuer, "/O=Example/CN=Root");
        EXPECT_STR(cert.names, "");
        EXPECT_STR(cert.key_type, "RSA");
        EXPECT_STR(cert.curve, "");
        EXPECT_INT(cert.key_bits, 2048);
        EXPECT(!glue_conn_peer_cert(conn, 2, &cert));
        EXPECT_STR(cert.subject, "");
        EXPECT(!glue_conn_peer_cert(w.pair.server.conn, 0, &cert));
    }
    part(&w);
}

static void a_server_sees_the_chain_of_its_client(void)
{
    world w;
    glue_peer_cert cert;
    const test_identity *client = under_two_cas("ED25519", "client.example.com", NULL);
    if (meet(&w, testlib_self_signed("EC", "mx.example.com"), client, false)) {
        glue_conn *conn = w.pair.server.conn;
        EXPECT(glue_conn_peer_cert(conn, 0, &cert));
        EXPECT_STR(cert.subject, "/CN=client.example.com");
        EXPECT_STR(cert.key_type, "ED25519");
        EXPECT(glue_conn_peer_cert(conn, 1, &cert));
        EXPECT_STR(cert.subject, "/CN=Middle");
        EXPECT(!glue_conn_peer_cert(conn, 2, &cert));
    }
    part(&w);
}

static void post_quantum_keys_have_their_name(void)
{
    world w;
    glue_peer_cert cert;
    if (meet(&w, testlib_self_signed("ML-DSA-65", "pq.example.com"), NULL, false)) {
        EXPECT(glue_conn_peer_cert(w.pair.client.conn, 0, &cert));
        EXPECT_STR(cert.key_type, "ML-DSA-65");
    }
    part(&w);
}

static void an_expired_certificate_tells_its_dates(void)
{
    world w;
    glue_peer_cert cert;
    test_cert_spec spec = {.key = "EC", .cn = "old.example.com", .expired = true};
    if (meet(&w, testlib_identity(&spec), NULL, false)) {
        EXPECT(glue_conn_peer_cert(w.pair.client.conn, 0, &cert));
        EXPECT(cert.not_after < 1700000000);
    }
    part(&w);
}

/* ------------------------------------------------------------------ what is left out */

static void a_raw_public_key_is_no_chain(void)
{
    world w;
    glue_peer_cert cert;
    if (meet(&w, testlib_self_signed("EC", "mx.example.com"), NULL, true)) {
        EXPECT(!glue_conn_peer_cert(w.pair.client.conn, 0, &cert));
    }
    part(&w);
}

static void there_is_none_before_the_handshake_is_complete(void)
{
    world w;
    glue_peer_cert cert;
    w.server = context_of(testlib_props(GLUE_SERVER), testlib_self_signed("EC", "a.example"));
    w.client = context_of(testlib_props(GLUE_CLIENT), NULL);
    EXPECT(testlib_pair_open(&w.pair));
    EXPECT(!glue_conn_peer_cert(w.pair.client.conn, 0, &cert));
    EXPECT(testlib_pair_start(&w.pair, w.server, w.client, NULL));
    EXPECT(!glue_conn_peer_cert(w.pair.client.conn, 0, &cert));
    EXPECT(testlib_pair_drive(&w.pair));
    EXPECT(glue_conn_peer_cert(w.pair.client.conn, 0, &cert));
    part(&w);
}

/* A self-signed certificate with this subjectAltName, in the form of nconf, and this CN. */
static const test_identity *with_names(const char *cn, GENERAL_NAMES *names)
{
    test_identity *id = OPENSSL_zalloc(sizeof(*id));
    const test_identity *plain = testlib_self_signed("EC", cn);
    id->key = plain->key;
    id->cert = X509_dup(plain->cert);
    EXPECT(X509_add1_ext_i2d(id->cert, NID_subject_alt_name, names, 0, X509V3_ADD_REPLACE) == 1);
    EXPECT(X509_sign(id->cert, id->key, EVP_sha256()) > 0);
    return id;
}

static void with_names_free(const test_identity *id)
{
    X509_free(id->cert);
    OPENSSL_free((void *)id);
}

static void add_dns(GENERAL_NAMES *names, const char *text, int len)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *string = ASN1_IA5STRING_new();
    EXPECT(ASN1_STRING_set(string, text, len) == 1);
    GENERAL_NAME_set0_value(name, GEN_DNS, string);
    EXPECT(sk_GENERAL_NAME_push(names, name) > 0);
}

static void names_that_no_host_can_have_are_left_out(void)
{
    world w;
    glue_peer_cert cert;
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    add_dns(names, "a.example", 9);
    add_dns(names, "evil\033[31m.example", 17);
    add_dns(names, "nul\0.example", 12);
    add_dns(names, "two words.example", 17);
    add_dns(names, "", 0);
    add_dns(names, "*.b_c.example", 13);
    const test_identity *id = with_names("bell\007.example", names);
    if (meet(&w, id, NULL, false)) {
        EXPECT(glue_conn_peer_cert(w.pair.client.conn, 0, &cert));
        EXPECT_STR(cert.names, "a.example *.b_c.example");
        EXPECT_INT(cert.more_names, 0);
        EXPECT_STR(cert.subject, "/CN=bell\\x07.example");
    }
    part(&w);
    with_names_free(id);
    GENERAL_NAMES_free(names);
}

static void names_for_which_there_is_no_room_are_counted(void)
{
    world w;
    glue_peer_cert cert;
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    for (int i = 0; i < 200; i++) {
        const char *name = testlib_text("%015d.example", i); /* 23 bytes, and a blank */
        add_dns(names, name, (int)strlen(name));
    }
    const test_identity *id = with_names("many.example", names);
    if (meet(&w, id, NULL, false)) {
        EXPECT(glue_conn_peer_cert(w.pair.client.conn, 0, &cert));
        EXPECT_INT(strlen(cert.names) / 24 + 1, 200 - cert.more_names);
        EXPECT_INT(cert.more_names, 200 - 85);
    }
    part(&w);
    with_names_free(id);
    GENERAL_NAMES_free(names);
}

/* ------------------------------------------------------------------ allocation faults */

static glue_conn *fault_conn;

/* Lack of memory leaves fields empty; there is no error to report. */
static bool chain_attempt(glue_error *error)
{
    glue_peer_cert cert;
    (void)error;
    size_t at = 0;
    while (glue_conn_peer_cert(fault_conn, at, &cert)) {
        at++;
    }
    EXPECT_INT(at, 2);
    EXPECT_INT(ERR_peek_error(), 0);
    return true;
}

static void no_allocation_that_fails_does_harm(void)
{
    world w;
    if (meet(&w, under_two_cas("EC", "mx.example.com", "mx.example.com"), NULL, false)) {
        fault_conn = w.pair.client.conn;
        testlib_faults_each(chain_attempt, 1);
    }
    part(&w);
}

static const test_case cases[] = {
    {"a client sees the chain in the order it was sent",
     a_client_sees_the_chain_in_the_order_it_was_sent},
    {"a server sees the chain of its client", a_server_sees_the_chain_of_its_client},
    {"post-quantum keys have their name", post_quantum_keys_have_their_name},
    {"an expired certificate tells its dates", an_expired_certificate_tells_its_dates},
    {"a raw public key is no chain", a_raw_public_key_is_no_chain},
    {"there is none before the handshake is complete",
     there_is_none_before_the_handshake_is_complete},
    {"names that no host can have are left out", names_that_no_host_can_have_are_left_out},
    {"names for which there is no room are counted", names_for_which_there_is_no_room_are_counted},
    {"no allocation that fails does harm", no_allocation_that_fails_does_harm},
};

TESTLIB_MAIN(cases)
