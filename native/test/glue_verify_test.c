/*
 * glue_verify_test.c - which of a chain's faults is kept, and that none of them ends a handshake.
 */
#include <string.h>

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include "../glue_internal.h"
#include "testlib.h"

/* ------------------------------------------------------------------ the callback alone */

typedef struct fault {
    int ok;
    int code;
    int depth;
} fault;

static void expect_kept(const fault *faults, size_t count, int code, int depth)
{
    glue_error err;
    glue_context_props props = testlib_props(GLUE_CLIENT);
    glue_context *context = glue_context_new(&props, &err);
    NEED(context != NULL);
    struct glue_conn conn = {.fd = -1};
    SSL *ssl = SSL_new(context->ctx);
    X509_STORE_CTX *store = X509_STORE_CTX_new();
    SSL_set_ex_data(ssl, glue_library_conn_index(), &conn);
    EXPECT_INT(X509_STORE_CTX_init(store, NULL, NULL, NULL), 1);
    X509_STORE_CTX_set_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx(), ssl);
    for (size_t i = 0; i < count; i++) {
        X509_STORE_CTX_set_error(store, faults[i].code);
        X509_STORE_CTX_set_error_depth(store, faults[i].depth);
        EXPECT_INT(glue_verify_callback(faults[i].ok, store), 1);
    }
    EXPECT_INT(conn.verify_code, code);
    EXPECT_INT(conn.verify_depth, depth);
    X509_STORE_CTX_free(store);
    SSL_free(ssl);
    glue_context_free(context);
}

#define EXPECT_KEPT(code, depth, ...)                                                              \
    do {                                                                                           \
        const fault faults[] = {__VA_ARGS__};                                                      \
        expect_kept(faults, sizeof(faults) / sizeof(faults[0]), (code), (depth));                  \
    } while (0)

enum {
    EXPIRED = X509_V_ERR_CERT_HAS_EXPIRED,
    NO_ISSUER = X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
    SELF_SIGNED = X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
    HOSTNAME = X509_V_ERR_HOSTNAME_MISMATCH,
    FINE = X509_V_OK
};

static void success_is_no_news(void)
{
    EXPECT_KEPT(FINE, 0, {1, FINE, 2}, {1, FINE, 0});
    EXPECT_KEPT(EXPIRED, 1, {0, EXPIRED, 1}, {1, EXPIRED, 0});
}

static void the_fault_nearest_to_the_leaf_is_kept(void)
{
    EXPECT_KEPT(EXPIRED, 0, {0, SELF_SIGNED, 2}, {0, EXPIRED, 1}, {0, EXPIRED, 0});
    EXPECT_KEPT(EXPIRED, 0, {0, EXPIRED, 0}, {0, SELF_SIGNED, 2});
}

static void the_first_of_one_depth_is_kept(void)
{
    EXPECT_KEPT(NO_ISSUER, 0, {0, NO_ISSUER, 0}, {0, EXPIRED, 0});
}

static void a_name_that_does_not_match_displaces_nothing(void)
{
    EXPECT_KEPT(SELF_SIGNED, 2, {0, SELF_SIGNED, 2}, {0, HOSTNAME, 0});
    EXPECT_KEPT(EXPIRED, 1, {0, HOSTNAME, 0}, {0, EXPIRED, 1});
    EXPECT_KEPT(HOSTNAME, 0, {0, HOSTNAME, 0}, {1, HOSTNAME, 0});
}

static void a_foreign_handle_is_left_alone(void)
{
    X509_STORE_CTX *store = X509_STORE_CTX_new();
    EXPECT_INT(X509_STORE_CTX_init(store, NULL, NULL, NULL), 1);
    EXPECT_INT(glue_verify_callback(0, store), 1);
    X509_STORE_CTX_free(store);
}

/* ------------------------------------------------------------------ in handshakes */

static const test_identity *ca_of(bool expired)
{
    test_cert_spec spec = {.key = "EC", .cn = "CA", .ca = true, .expired = expired};
    return testlib_identity(&spec);
}

static const test_identity *leaf_of(const test_identity *ca, bool expired)
{
    test_cert_spec spec = {.key = "EC",
                           .cn = "mx.example.com",
                           .dns = "mx.example.com",
                           .expired = expired,
                           .issuer = ca};
    return testlib_identity(&spec);
}

/* Of the client in meet(). */
static int limit = 9;

/* A client that trusts `ca` meets `leaf`, and expects this name if there is one. */
static glue_snapshot meet(const test_identity *leaf, const test_identity *ca, const char *host)
{
    test_pair pair;
    glue_error err;
    glue_snapshot snapshot = {.status = ""};
    glue_context_props server = testlib_props(GLUE_SERVER);
    glue_context_props client = testlib_props(GLUE_CLIENT);
    server.chains = testlib_chains(leaf, NULL, NULL);
    client.verify_depth = limit;
    client.ca_file = ca == NULL ? NULL : testlib_file("ca.pem", testlib_pem_cert(ca));
    glue_context *a = glue_context_new(&server, &err);
    glue_context *b = glue_context_new(&client, &err);
    EXPECT(testlib_pair_open(&pair) && testlib_pair_start(&pair, a, b, NULL));
    if (host != NULL) {
        EXPECT_INT(SSL_set1_host(pair.client.conn->ssl, host), 1);
    }
    EXPECT(testlib_pair_drive(&pair));
    EXPECT(glue_conn_snapshot(pair.client.conn, &snapshot));
    testlib_pair_close(&pair);
    glue_context_free(a);
    glue_context_free(b);
    glue_chains_free(server.chains);
    return snapshot;
}

/* A wrong name is no fault of the chain. */
static void expect_fault(glue_snapshot snapshot, long code, int depth, const char *text)
{
    bool trusted = code == X509_V_OK || code == X509_V_ERR_HOSTNAME_MISMATCH;
    EXPECT_STR(snapshot.status, trusted ? "Trusted" : "Untrusted");
    EXPECT_INT(snapshot.verify_code, code);
    EXPECT_INT(snapshot.verify_depth, depth);
    EXPECT_STR(snapshot.verify_text, text);
}

static void a_good_chain_is_trusted(void)
{
    const test_identity *ca = ca_of(false);
    expect_fault(meet(leaf_of(ca, false), ca, NULL), X509_V_OK, 0, "");
    expect_fault(meet(leaf_of(ca, false), ca, "mx.example.com"), X509_V_OK, 0, "");
}

static void an_unknown_issuer_is_data(void)
{
    expect_fault(meet(leaf_of(ca_of(false), false), NULL, NULL),
                 X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, 0,
                 "unable to get local issuer certificate");
}

static void a_self_signed_leaf_is_data(void)
{
    expect_fault(meet(testlib_self_signed("EC", "mx"), NULL, NULL),
                 X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, 0, "self-signed certificate");
}

static void an_expired_leaf_is_data(void)
{
    const test_identity *ca = ca_of(false);
    expect_fault(meet(leaf_of(ca, true), ca, NULL), X509_V_ERR_CERT_HAS_EXPIRED, 0,
                 "certificate has expired");
}

static void an_expired_ca_is_data_of_its_depth(void)
{
    const test_identity *ca = ca_of(true);
    expect_fault(meet(leaf_of(ca, false), ca, NULL), X509_V_ERR_CERT_HAS_EXPIRED, 1,
                 "certificate has expired");
}

static void a_wrong_name_is_data(void)
{
    const test_identity *ca = ca_of(false);
    expect_fault(meet(leaf_of(ca, false), ca, "other.example.com"), X509_V_ERR_HOSTNAME_MISMATCH, 0,
                 "hostname mismatch");
}

static void a_wrong_name_says_less_than_an_expired_ca(void)
{
    const test_identity *ca = ca_of(true);
    expect_fault(meet(leaf_of(ca, false), ca, "other.example.com"), X509_V_ERR_CERT_HAS_EXPIRED, 1,
                 "certificate has expired");
}

/* ------------------------------------------------------------------ depth */

/* A client with this limit meets a leaf under so many intermediate CAs. */
static glue_snapshot meet_chain(int intermediates, int verify_depth)
{
    const test_identity *root = ca_of(false);
    const test_identity *issuer = root;
    for (int i = 0; i < intermediates; i++) {
        const char *cn = testlib_text("intermediate %d", i);
        test_cert_spec spec = {.key = "EC", .cn = cn, .ca = true, .issuer = issuer};
        issuer = testlib_identity(&spec);
    }
    limit = verify_depth;
    glue_snapshot snapshot = meet(leaf_of(issuer, false), root, NULL);
    limit = 9;
    return snapshot;
}

/* As recorded with Postfix 3.10 and OpenSSL 3.5. */
static void a_chain_may_have_one_intermediate_more_than_the_limit_says(void)
{
    expect_fault(meet_chain(0, 0), X509_V_OK, 0, "");
    expect_fault(meet_chain(1, 0), X509_V_OK, 0, "");
    expect_fault(meet_chain(2, 1), X509_V_OK, 0, "");
}

static void a_longer_chain_is_not_trusted(void)
{
    expect_fault(meet_chain(2, 0), X509_V_ERR_CERT_CHAIN_TOO_LONG, 2, "certificate chain too long");
    expect_fault(meet_chain(3, 1), X509_V_ERR_CERT_CHAIN_TOO_LONG, 3, "certificate chain too long");
}

/* ------------------------------------------------------------------ extended key usage */

/* What a server makes of a client's certificate with this usage. */
static glue_snapshot client_with(const char *usage, bool trust_server_ccerts, bool rpk)
{
    test_pair pair;
    glue_error err;
    glue_snapshot snapshot = {.status = ""};
    const test_identity *ca = ca_of(false);
    test_cert_spec spec = {.key = "EC", .cn = "client", .usage = usage, .issuer = ca};
    glue_context_props server = testlib_props(GLUE_SERVER);
    glue_context_props client = testlib_props(GLUE_CLIENT);
    server.chains = testlib_chains(testlib_self_signed("EC", "mx"), NULL, NULL);
    server.ask_client_cert = true;
    server.enable_rpk = rpk;
    server.trust_server_ccerts = trust_server_ccerts;
    server.ca_file = testlib_file("ca.pem", testlib_pem_cert(ca));
    client.chains = testlib_chains(testlib_identity(&spec), NULL, NULL);
    glue_context *a = glue_context_new(&server, &err);
    glue_context *b = glue_context_new(&client, &err);
    EXPECT(testlib_pair(&pair, a, b, NULL));
    EXPECT(glue_conn_snapshot(pair.server.conn, &snapshot));
    testlib_pair_close(&pair);
    glue_context_free(a);
    glue_context_free(b);
    glue_chains_free(server.chains);
    glue_chains_free(client.chains);
    return snapshot;
}

static void a_client_certificate_is_for_clients(void)
{
    const char *text = "unsuitable certificate purpose";
    expect_fault(client_with(NULL, false, false), X509_V_OK, 0, "");
    expect_fault(client_with("clientAuth", false, false), X509_V_OK, 0, "");
    expect_fault(client_with("serverAuth,clientAuth", false, false), X509_V_OK, 0, "");
    expect_fault(client_with("serverAuth", false, false), X509_V_ERR_INVALID_PURPOSE, 0, text);
    expect_fault(client_with("emailProtection", false, false), X509_V_ERR_INVALID_PURPOSE, 0, text);
}

static void a_certificate_for_servers_counts_where_that_is_wanted(void)
{
    expect_fault(client_with(NULL, true, false), X509_V_OK, 0, "");
    expect_fault(client_with("clientAuth", true, false), X509_V_OK, 0, "");
    expect_fault(client_with("serverAuth", true, false), X509_V_OK, 0, "");
    expect_fault(client_with("emailProtection", true, false), X509_V_ERR_INVALID_PURPOSE, 0,
                 "unsuitable certificate purpose");
    EXPECT_INT(client_with("serverAuth", true, true).peer, GLUE_PEER_RPK);
}

static const test_case cases[] = {
    {"success is no news", success_is_no_news},
    {"the fault nearest to the leaf is kept", the_fault_nearest_to_the_leaf_is_kept},
    {"the first of one depth is kept", the_first_of_one_depth_is_kept},
    {"a name that does not match displaces nothing", a_name_that_does_not_match_displaces_nothing},
    {"a foreign handle is left alone", a_foreign_handle_is_left_alone},
    {"a good chain is trusted", a_good_chain_is_trusted},
    {"an unknown issuer is data", an_unknown_issuer_is_data},
    {"a self-signed leaf is data", a_self_signed_leaf_is_data},
    {"an expired leaf is data", an_expired_leaf_is_data},
    {"an expired CA is data of its depth", an_expired_ca_is_data_of_its_depth},
    {"a wrong name is data", a_wrong_name_is_data},
    {"a wrong name says less than an expired CA", a_wrong_name_says_less_than_an_expired_ca},
    {"a chain may have one intermediate CA more than the limit says",
     a_chain_may_have_one_intermediate_more_than_the_limit_says},
    {"a longer chain is not trusted", a_longer_chain_is_not_trusted},
    {"a client certificate is for clients", a_client_certificate_is_for_clients},
    {"a certificate for servers counts where that is wanted",
     a_certificate_for_servers_counts_where_that_is_wanted},
};

TESTLIB_MAIN(cases)
