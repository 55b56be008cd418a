/*
 * glue_context_test.c - what a context is set to, what it refuses, and what that means in a
 * handshake: protocols, raw public keys, requests for certificates.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "../glue_internal.h"
#include "testlib.h"

static glue_error err;
static glue_chains *ec_chain; /* a server's usual one */
static const test_identity *client_ca, *client_cert;
static const char *client_ca_file;

static void prepare(void)
{
    ec_chain = testlib_chains(testlib_self_signed("EC", "mx.example.com"), NULL, NULL);
    test_cert_spec ca = {.key = "EC", .cn = "Client CA", .ca = true};
    client_ca = testlib_identity(&ca);
    test_cert_spec leaf = {.key = "EC", .cn = "client.example.com", .issuer = client_ca};
    client_cert = testlib_identity(&leaf);
    client_ca_file = testlib_file("client-ca.pem", testlib_pem_cert(client_ca));
}

static glue_context *make(const glue_context_props *props)
{
    memset(&err, 0, sizeof(err));
    glue_context *context = glue_context_new(props, &err);
    if (!EXPECT(context != NULL)) {
        fprintf(stderr, "     %s\n", err.message);
    }
    return context;
}

static void expect_refused(const glue_context_props *props, glue_error_code code,
                           const char *message)
{
    memset(&err, 0, sizeof(err));
    glue_context *context = glue_context_new(props, &err);
    EXPECT(context == NULL);
    EXPECT_ERROR(&err, code);
    EXPECT_HAS(err.message, message);
    glue_context_free(context);
}

static glue_context_props server_props(void)
{
    glue_context_props props = testlib_props(GLUE_SERVER);
    props.chains = ec_chain;
    return props;
}

/* ------------------------------------------------------------------ settings */

static void options_are_the_specs(void)
{
    glue_context_props props = server_props();
    glue_context *context = make(&props);
    NEED(context != NULL);
    uint64_t options = SSL_CTX_get_options(context->ctx);
    EXPECT((options & SSL_OP_ALL) == SSL_OP_ALL);
    EXPECT((options & SSL_OP_NO_RENEGOTIATION) != 0);
    EXPECT((options & SSL_OP_IGNORE_UNEXPECTED_EOF) != 0);
    EXPECT((options & SSL_OP_NO_TICKET) == 0);
    EXPECT_INT(SSL_CTX_get_security_level(context->ctx), 0);
    EXPECT_INT(SSL_CTX_get_read_ahead(context->ctx), 1);
    EXPECT_INT(SSL_CTX_get_verify_depth(context->ctx), 10);
    EXPECT_INT(SSL_CTX_get_num_tickets(context->ctx), 1);
    EXPECT_INT(SSL_CTX_get_max_early_data(context->ctx), 0);
    EXPECT_INT(SSL_CTX_get_session_cache_mode(context->ctx),
               SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL | SSL_SESS_CACHE_NO_AUTO_CLEAR);
    long mode = SSL_CTX_get_mode(context->ctx);
    EXPECT((mode & SSL_MODE_RELEASE_BUFFERS) != 0);
    EXPECT((mode & SSL_MODE_ENABLE_PARTIAL_WRITE) != 0);
    EXPECT((mode & SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER) != 0);
    glue_context_free(context);
}

static void options_can_be_added_and_taken_away(void)
{
    glue_context_props props = server_props();
    props.options_on = SSL_OP_PRIORITIZE_CHACHA | SSL_OP_CIPHER_SERVER_PREFERENCE;
    props.options_off = SSL_OP_TLSEXT_PADDING | SSL_OP_ENABLE_MIDDLEBOX_COMPAT |
                        SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF;
    glue_context *context = make(&props);
    NEED(context != NULL);
    uint64_t options = SSL_CTX_get_options(context->ctx);
    EXPECT((options & SSL_OP_PRIORITIZE_CHACHA) != 0);
    EXPECT((options & SSL_OP_CIPHER_SERVER_PREFERENCE) != 0);
    EXPECT((options & SSL_OP_TLSEXT_PADDING) == 0);
    EXPECT((options & SSL_OP_ENABLE_MIDDLEBOX_COMPAT) == 0);
    /* These two are not for anybody to choose. */
    EXPECT((options & SSL_OP_NO_RENEGOTIATION) != 0);
    EXPECT((options & SSL_OP_IGNORE_UNEXPECTED_EOF) != 0);
    glue_context_free(context);
}

static void verify_modes_never_abort(void)
{
    glue_context_props props = server_props();
    glue_context *context = make(&props);
    EXPECT_INT(SSL_CTX_get_verify_mode(context->ctx), SSL_VERIFY_NONE);
    glue_context_free(context);
    props.ask_client_cert = true;
    props.require_client_cert = true;
    context = make(&props);
    EXPECT_INT(SSL_CTX_get_verify_mode(context->ctx), SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE);
    EXPECT(context->require_client_cert);
    glue_context_free(context);
    props = testlib_props(GLUE_CLIENT);
    context = make(&props);
    EXPECT_INT(SSL_CTX_get_verify_mode(context->ctx), SSL_VERIFY_NONE);
    EXPECT(SSL_CTX_get_verify_callback(context->ctx) == glue_verify_callback);
    glue_context_free(context);
}

/* ------------------------------------------------------------------ protocols */

static void protocol_bounds_and_exclusions_are_set(void)
{
    glue_context_props props = server_props();
    props.protocols = (glue_protocols){TLS1_1_VERSION, TLS1_2_VERSION, GLUE_NO_TLS1_1};
    glue_context *context = make(&props);
    NEED(context != NULL);
    EXPECT_INT(SSL_CTX_get_min_proto_version(context->ctx), TLS1_1_VERSION);
    EXPECT_INT(SSL_CTX_get_max_proto_version(context->ctx), TLS1_2_VERSION);
    uint64_t options = SSL_CTX_get_options(context->ctx);
    EXPECT((options & SSL_OP_NO_TLSv1_1) != 0);
    EXPECT((options & (SSL_OP_NO_SSLv3 | SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_2)) == 0);
    glue_context_free(context);
}

static void each_exclusion_is_its_own(void)
{
    static const struct {
        unsigned bit;
        uint64_t option;
    } table[] = {
        {GLUE_NO_SSL3, SSL_OP_NO_SSLv3},     {GLUE_NO_TLS1, SSL_OP_NO_TLSv1},
        {GLUE_NO_TLS1_1, SSL_OP_NO_TLSv1_1}, {GLUE_NO_TLS1_2, SSL_OP_NO_TLSv1_2},
        {GLUE_NO_TLS1_3, SSL_OP_NO_TLSv1_3},
    };
    glue_context_props props = server_props();
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        props.protocols.exclude = table[i].bit;
        glue_context *context = make(&props);
        EXPECT((SSL_CTX_get_options(context->ctx) & SSL_OP_NO_SSL_MASK) == table[i].option);
        glue_context_free(context);
    }
}

static void an_impossible_protocol_is_refused(void)
{
    glue_context_props props = server_props();
    props.protocols.floor = 0x0305;
    expect_refused(&props, GLUE_E_BAD_PROTOCOLS, "0x0305");
    props.protocols = (glue_protocols){-1, 0x0102, 0};
    expect_refused(&props, GLUE_E_BAD_PROTOCOLS, "0x0102");
}

static void a_handle_takes_bounds_of_its_own(void)
{
    glue_context_props props = testlib_props(GLUE_CLIENT);
    glue_context *context = make(&props);
    SSL *ssl = SSL_new(context->ctx);
    glue_protocols protocols = {TLS1_2_VERSION, 0, GLUE_NO_TLS1_3};
    EXPECT(glue_protocols_apply(&protocols, NULL, ssl));
    EXPECT_INT(SSL_get_min_proto_version(ssl), TLS1_2_VERSION);
    EXPECT_INT(SSL_get_max_proto_version(ssl), 0);
    EXPECT((SSL_get_options(ssl) & SSL_OP_NO_TLSv1_3) != 0);
    EXPECT((SSL_CTX_get_options(context->ctx) & SSL_OP_NO_TLSv1_3) == 0);
    protocols.ceiling = 0x0309;
    EXPECT(!glue_protocols_apply(&protocols, NULL, ssl));
    SSL_free(ssl);
    glue_context_free(context);
    ERR_clear_error();
}

/* ------------------------------------------------------------------ what is refused */

static void wrong_names_are_refused_with_the_name(void)
{
    glue_context_props props = server_props();
    props.cipher_list = "NOSUCHCIPHER";
    expect_refused(&props, GLUE_E_BAD_CIPHERS, "\"NOSUCHCIPHER\" cannot be set: no cipher match");
    props = server_props();
    props.groups = "X25519:nonsense";
    expect_refused(&props, GLUE_E_BAD_GROUPS, "\"X25519:nonsense\"");
    props = server_props();
    props.digest = "md99";
    expect_refused(&props, GLUE_E_BAD_DIGEST, "Digest algorithm \"md99\" not found");
    props.digest = "SHAKE256";
    expect_refused(&props, GLUE_E_BAD_DIGEST, "Digest algorithm \"SHAKE256\" not found");
}

static void a_bad_ca_file_is_refused(void)
{
    glue_context_props props = server_props();
    props.ca_file = "/no/such/ca.pem";
    expect_refused(&props, GLUE_E_CA_LOAD, "/no/such/ca.pem");
    EXPECT_STR(err.reason, "No such file or directory");
    props.ca_file = testlib_file("empty-ca.pem", "nothing\n");
    expect_refused(&props, GLUE_E_CA_LOAD, props.ca_file);
    props = testlib_props(GLUE_CLIENT);
    props.ca_file = "/no/such/ca.pem";
    expect_refused(&props, GLUE_E_CA_LOAD, "/no/such/ca.pem");
}

static void nothing_and_the_empty_text_are_the_same(void)
{
    glue_context_props props = server_props();
    props.service = NULL;
    props.cipher_list = "";
    props.groups = "";
    props.ca_file = "";
    props.ca_path = "";
    glue_context *context = make(&props);
    glue_context_free(context);
}

static void the_digest_is_the_one_asked_for(void)
{
    glue_context_props props = server_props();
    glue_context *context = make(&props);
    EXPECT(EVP_MD_is_a(context->digest, "SHA256"));
    glue_context_free(context);
    props.digest = "sha512";
    context = make(&props);
    EXPECT(EVP_MD_is_a(context->digest, "SHA512"));
    glue_context_free(context);
}

/* ------------------------------------------------------------------ handshakes */

static bool connect_pair(test_pair *pair, const glue_context_props *server,
                         const glue_context_props *client)
{
    glue_context *a = make(server);
    glue_context *b = make(client);
    bool done = a != NULL && b != NULL && testlib_pair(pair, a, b, NULL);
    glue_context_free(a);
    glue_context_free(b);
    return done;
}

static void groups_are_used_when_given(void)
{
    test_pair pair;
    glue_snapshot snapshot;
    glue_context_props server = server_props();
    glue_context_props client = testlib_props(GLUE_CLIENT);
    server.groups = "P-384";
    NEED(connect_pair(&pair, &server, &client));
    EXPECT(glue_conn_snapshot(pair.client.conn, &snapshot));
    EXPECT_STR(snapshot.group, "secp384r1");
    testlib_pair_close(&pair);
}

static void without_groups_the_default_is_post_quantum(void)
{
    test_pair pair;
    glue_snapshot snapshot;
    glue_context_props server = server_props();
    glue_context_props client = testlib_props(GLUE_CLIENT);
    NEED(connect_pair(&pair, &server, &client));
    EXPECT(glue_conn_snapshot(pair.client.conn, &snapshot));
    EXPECT_STR(snapshot.group, "X25519MLKEM768");
    testlib_pair_close(&pair);
}

static void without_chains_only_anonymous_ciphers_work(void)
{
    test_pair pair;
    glue_snapshot snapshot;
    glue_context_props server = testlib_props(GLUE_SERVER);
    glue_context_props client = testlib_props(GLUE_CLIENT);
    EXPECT(!connect_pair(&pair, &server, &client));
    testlib_pair_close(&pair);
    server.cipher_list = client.cipher_list = "ALL:aNULL:@SECLEVEL=0";
    client.protocols.ceiling = TLS1_2_VERSION;
    if (EXPECT(connect_pair(&pair, &server, &client))) {
        EXPECT(glue_conn_snapshot(pair.client.conn, &snapshot));
        EXPECT_STR(snapshot.status, "Anonymous");
    }
    testlib_pair_close(&pair);
}

static void every_algorithm_side_by_side_serves_its_clients(void)
{
    static const char *const sigalgs[][2] = {
        {"rsa_pss_rsae_sha256", "RSA-PSS"},
        {"ecdsa_secp256r1_sha256", "ECDSA"},
        {"mldsa65", "ML-DSA-65"},
    };
    test_pair pair;
    glue_snapshot snapshot;
    glue_context_props server = testlib_props(GLUE_SERVER);
    glue_context_props plain = testlib_props(GLUE_CLIENT);
    server.chains = testlib_chains(testlib_self_signed("RSA", "a"), testlib_self_signed("EC", "a"),
                                   testlib_self_signed("ML-DSA-65", "a"));
    glue_context *accepting = make(&server);
    for (size_t i = 0; i < 3; i++) {
        glue_context *client = make(&plain);
        EXPECT_INT(SSL_CTX_set1_sigalgs_list(client->ctx, sigalgs[i][0]), 1);
        if (EXPECT(testlib_pair(&pair, accepting, client, NULL))) {
            EXPECT(glue_conn_snapshot(pair.client.conn, &snapshot));
            EXPECT_STR(snapshot.server.algorithm, sigalgs[i][1]);
        }
        testlib_pair_close(&pair);
        glue_context_free(client);
    }
    glue_context_free(accepting);
    glue_chains_free(server.chains);
}

static void a_weak_certificate_of_our_own_is_used_at_any_level(void)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
    X509 *cert = X509_dup(client_cert->cert);
    X509_set_pubkey(cert, key);
    X509_sign(cert, client_ca->key, EVP_sha256());
    test_identity weak = {key, cert, client_ca};
    glue_context_props props = testlib_props(GLUE_SERVER);
    props.security_level = 3;
    props.chains = testlib_chains(&weak, NULL, NULL);
    glue_context *context = make(&props);
    EXPECT_INT(SSL_CTX_get_security_level(context->ctx), 3);
    glue_context_free(context);
    glue_chains_free(props.chains);
    X509_free(cert);
    EVP_PKEY_free(key);
}

/* ------------------------------------------------------------------ client certificates and RPK */

static void a_server_that_asks_sends_its_ca_names(void)
{
    glue_context_props props = server_props();
    props.ca_file = client_ca_file;
    glue_context *context = make(&props);
    EXPECT_INT(sk_X509_NAME_num(SSL_CTX_get_client_CA_list(context->ctx)), 0);
    glue_context_free(context);
    props.ask_client_cert = true;
    context = make(&props);
    STACK_OF(X509_NAME) *names = SSL_CTX_get_client_CA_list(context->ctx);
    EXPECT_INT(sk_X509_NAME_num(names), 1);
    EXPECT_INT(X509_NAME_cmp(sk_X509_NAME_value(names, 0), X509_get_subject_name(client_ca->cert)),
               0);
    glue_context_free(context);
}

static const char *client_status(bool ask, bool known_ca, bool with_cert)
{
    test_pair pair;
    glue_snapshot snapshot = {.status = ""};
    glue_context_props server = server_props();
    glue_context_props client = testlib_props(GLUE_CLIENT);
    server.ask_client_cert = ask;
    server.ca_file = known_ca ? client_ca_file : NULL;
    client.chains = with_cert ? testlib_chains(client_cert, NULL, NULL) : NULL;
    if (EXPECT(connect_pair(&pair, &server, &client))) {
        EXPECT(glue_conn_snapshot(pair.server.conn, &snapshot));
    }
    testlib_pair_close(&pair);
    glue_chains_free(client.chains);
    return snapshot.status;
}

static void a_client_certificate_is_asked_for_and_never_demanded(void)
{
    EXPECT_STR(client_status(false, true, true), "Anonymous");
    EXPECT_STR(client_status(true, true, false), "Anonymous");
    EXPECT_STR(client_status(true, true, true), "Trusted");
    EXPECT_STR(client_status(true, false, true), "Untrusted");
}

static void a_ca_directory_is_used(void)
{
    test_pair pair;
    glue_snapshot snapshot = {.status = ""};
    const char *dir = testlib_path("cas");
    const char *file =
        testlib_text("%s/%08lx.0", dir,
                     X509_NAME_hash_ex(X509_get_subject_name(client_ca->cert), NULL, NULL, NULL));
    NEED(mkdir(dir, 0700) == 0 && symlink(client_ca_file, file) == 0);
    glue_context_props server = server_props();
    glue_context_props client = testlib_props(GLUE_CLIENT);
    server.ask_client_cert = true;
    server.ca_path = dir;
    client.chains = testlib_chains(client_cert, NULL, NULL);
    if (EXPECT(connect_pair(&pair, &server, &client))) {
        EXPECT(glue_conn_snapshot(pair.server.conn, &snapshot));
        EXPECT_STR(snapshot.status, "Trusted");
    }
    testlib_pair_close(&pair);
    glue_chains_free(client.chains);
    EXPECT(unlink(file) == 0 && rmdir(dir) == 0);
}

static const char *status_with_default_cas(const char *ca_path)
{
    test_pair pair;
    glue_snapshot snapshot = {.status = ""};
    glue_context_props server = server_props();
    glue_context_props client = testlib_props(GLUE_CLIENT);
    server.ask_client_cert = true;
    server.append_default_ca = true;
    server.ca_path = ca_path;
    client.chains = testlib_chains(client_cert, NULL, NULL);
    if (EXPECT(connect_pair(&pair, &server, &client))) {
        EXPECT(glue_conn_snapshot(pair.server.conn, &snapshot));
    }
    testlib_pair_close(&pair);
    glue_chains_free(client.chains);
    return snapshot.status;
}

static void the_systems_cas_count_only_beside_others(void)
{
    setenv("SSL_CERT_FILE", client_ca_file, 1);
    EXPECT_STR(status_with_default_cas("/"), "Trusted");
    EXPECT_STR(status_with_default_cas(""), "Untrusted");
    unsetenv("SSL_CERT_FILE");
}

/* Which credentials are raw: 1 = the server's, 2 = the client's. */
static unsigned raw_keys(bool server_enables, bool client_enables)
{
    test_pair pair;
    unsigned raw = 0;
    glue_snapshot snapshot;
    glue_context_props server = server_props();
    glue_context_props client = testlib_props(GLUE_CLIENT);
    server.ask_client_cert = true;
    server.enable_rpk = server_enables;
    client.enable_rpk = client_enables;
    client.chains = testlib_chains(client_cert, NULL, NULL);
    if (EXPECT(connect_pair(&pair, &server, &client))) {
        EXPECT(glue_conn_snapshot(pair.client.conn, &snapshot));
        raw |= snapshot.peer == GLUE_PEER_RPK ? 1u : 0u;
        EXPECT(glue_conn_snapshot(pair.server.conn, &snapshot));
        raw |= snapshot.peer == GLUE_PEER_RPK ? 2u : 0u;
    }
    testlib_pair_close(&pair);
    glue_chains_free(client.chains);
    return raw;
}

static void raw_public_keys_go_to_those_who_ask(void)
{
    EXPECT_INT(raw_keys(false, false), 0);
    EXPECT_INT(raw_keys(false, true), 1);
    EXPECT_INT(raw_keys(true, false), 2);
    EXPECT_INT(raw_keys(true, true), 3);
}

/* ------------------------------------------------------------------ sharing and faults */

static void *share_thread(void *arg)
{
    glue_context *context = arg;
    for (int i = 0; i < 200; i++) {
        glue_context *own = glue_context_up_ref(context);
        SSL_free(SSL_new(own->ctx));
        glue_context_free(own);
    }
    glue_context_free(context);
    glue_library_thread_stop();
    return NULL;
}

static void the_last_of_many_threads_frees_it(void)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    glue_context_props props = server_props();
    glue_context *context = make(&props);
    NEED(context != NULL);
    for (int i = 0; i < THREADS; i++) {
        NEED(pthread_create(&threads[i], NULL, share_thread, glue_context_up_ref(context)) == 0);
    }
    glue_context_free(context);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    glue_context_free(NULL);
    EXPECT(glue_context_up_ref(NULL) == NULL);
}

static bool server_attempt(glue_error *error)
{
    glue_context_props props = server_props();
    props.ask_client_cert = true;
    props.ca_file = client_ca_file;
    props.ca_path = "/etc/ssl/certs";
    props.enable_rpk = true;
    props.groups = "X25519:P-256";
    props.cipher_list = "HIGH";
    props.acknowledge_sni = true;
    props.ask = GLUE_ASK_CHAIN;
    glue_context *context = glue_context_new(&props, error);
    glue_context_free(context);
    return context != NULL;
}

static bool client_attempt(glue_error *error)
{
    glue_context_props props = testlib_props(GLUE_CLIENT);
    props.chains = ec_chain;
    props.enable_rpk = true;
    props.ca_file = client_ca_file;
    glue_context *context = glue_context_new(&props, error);
    glue_context_free(context);
    return context != NULL;
}

static void no_allocation_that_fails_does_harm(void)
{
    testlib_faults_each(server_attempt, 1);
    testlib_faults_each(client_attempt, 1);
}

static const test_case cases[] = {
    {"options, modes and limits are the spec's", options_are_the_specs},
    {"options can be added and taken away", options_can_be_added_and_taken_away},
    {"verification never aborts", verify_modes_never_abort},
    {"protocol bounds and exclusions are set", protocol_bounds_and_exclusions_are_set},
    {"each exclusion is its own", each_exclusion_is_its_own},
    {"an impossible protocol is refused", an_impossible_protocol_is_refused},
    {"a handle takes bounds of its own", a_handle_takes_bounds_of_its_own},
    {"wrong names are refused with the name", wrong_names_are_refused_with_the_name},
    {"a bad CA file is refused", a_bad_ca_file_is_refused},
    {"nothing and the empty text are the same", nothing_and_the_empty_text_are_the_same},
    {"the digest is the one asked for", the_digest_is_the_one_asked_for},
    {"groups are used when given", groups_are_used_when_given},
    {"without groups the default is post-quantum", without_groups_the_default_is_post_quantum},
    {"without chains only anonymous ciphers work", without_chains_only_anonymous_ciphers_work},
    {"every algorithm side by side serves its clients",
     every_algorithm_side_by_side_serves_its_clients},
    {"a weak certificate of our own is used at any level",
     a_weak_certificate_of_our_own_is_used_at_any_level},
    {"a server that asks sends its CA names", a_server_that_asks_sends_its_ca_names},
    {"a client certificate is asked for and never demanded",
     a_client_certificate_is_asked_for_and_never_demanded},
    {"a CA directory is used", a_ca_directory_is_used},
    {"the system's CAs count only beside others", the_systems_cas_count_only_beside_others},
    {"raw public keys go to those who ask", raw_public_keys_go_to_those_who_ask},
    {"the last of many threads frees it", the_last_of_many_threads_frees_it},
    {"no allocation that fails does harm", no_allocation_that_fails_does_harm},
};

int main(void)
{
    testlib_faults_install();
    testlib_library();
    prepare();
    int status = testlib_main(cases, sizeof(cases) / sizeof(cases[0]));
    glue_chains_free(ec_chain);
    return status;
}
