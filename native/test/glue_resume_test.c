/*
 * glue_resume_test.c - which sessions resume where: tickets, and the session-id context, which
 * keeps trust from leaking through them.
 *
 * Listeners share their ticket keys here as those of one Postfix, or of many hosts, do: what keeps
 * a ticket from another listener is then nothing but the context.
 */
#include <stdio.h>
#include <string.h>

#include <openssl/ssl.h>

#include "../glue_internal.h"
#include "testlib.h"

static glue_error err;
static glue_chains *server_chain, *client_chain;
static const char *client_ca_file, *other_ca_file;

static void prepare(void)
{
    server_chain = testlib_chains(testlib_self_signed("EC", "mx.example.com"), NULL, NULL);
    test_cert_spec ca = {.key = "EC", .cn = "Client CA", .ca = true};
    const test_identity *authority = testlib_identity(&ca);
    test_cert_spec leaf = {.key = "EC", .cn = "client.example.com", .issuer = authority};
    client_chain = testlib_chains(testlib_identity(&leaf), NULL, NULL);
    client_ca_file = testlib_file("client-ca.pem", testlib_pem_cert(authority));
    other_ca_file = testlib_file("other-ca.pem", testlib_pem_cert(testlib_identity(&ca)));
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

static glue_context_props server_props(void)
{
    glue_context_props props = testlib_props(GLUE_SERVER);
    props.chains = server_chain;
    return props;
}

/* A listener that trusts the CA of our client. */
static glue_context_props trusting_props(void)
{
    glue_context_props props = server_props();
    props.ask_client_cert = true;
    props.ca_file = client_ca_file;
    return props;
}

/* ------------------------------------------------------------------ tickets */

/* A client context with a certificate, whose sessions are counted and kept. */
static glue_context *collecting_client(int version)
{
    glue_context_props props = testlib_props(GLUE_CLIENT);
    props.chains = client_chain;
    props.protocols = (glue_protocols){version, version, 0};
    return testlib_collector(&props);
}

static void tickets_resume(int version)
{
    glue_context_props props = server_props();
    glue_context *server = make(&props);
    glue_context *client = collecting_client(version);
    testlib_visit(server, client, NULL);
    EXPECT_INT(testlib_sessions(), 1);
    NEED(testlib_session() != NULL);
    EXPECT_INT(SSL_SESSION_has_ticket(testlib_session()), 1);
    EXPECT_INT(SSL_SESSION_get_max_early_data(testlib_session()), 0);
    EXPECT(testlib_visit(server, client, testlib_session()).resumed);
    glue_context_free(server);
    glue_context_free(client);
    testlib_session_drop();
}

static void ciphers_that_make_no_tickets(void)
{
    static const char *const names[] = {"aes-256-gcm", "aes-256-ctr", "des-cbc", "no-such-cipher"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        glue_context_props props = server_props();
        props.ticket_cipher = names[i];
        EXPECT(glue_context_new(&props, &err) == NULL);
        EXPECT_ERROR(&err, GLUE_E_TICKET_CIPHER);
        EXPECT_HAS(err.message, names[i]);
    }
}

static bool cipher_attempt(glue_error *error)
{
    glue_context_props props = server_props();
    props.ticket_cipher = "aes-128-cbc";
    glue_context *context = glue_context_new(&props, error);
    glue_context_free(context);
    return context != NULL;
}

static void no_allocation_that_fails_does_harm(void)
{
    testlib_faults_each(cipher_attempt, 1);
}

static void without_tickets(int version)
{
    glue_context_props props = server_props();
    props.tickets = false;
    glue_context *server = make(&props);
    glue_context *client = collecting_client(version);
    testlib_visit(server, client, NULL);
    EXPECT(testlib_session() == NULL || SSL_SESSION_has_ticket(testlib_session()) == 0);
    if (testlib_session() != NULL) {
        EXPECT(!testlib_visit(server, client, testlib_session()).resumed);
    }
    glue_context_free(server);
    glue_context_free(client);
    testlib_session_drop();
}

/* ------------------------------------------------------------------ the session-id context */

/* Makes a ticket on one server and offers it to another with the same keys. */
static glue_snapshot go_elsewhere(int version, const glue_context_props *a,
                                  const glue_context_props *b)
{
    unsigned char keys[80];
    glue_context *first = make(a);
    glue_context *second = make(b);
    glue_context *client = collecting_client(version);
    SSL_CTX_get_tlsext_ticket_keys(first->ctx, keys, sizeof(keys));
    SSL_CTX_set_tlsext_ticket_keys(second->ctx, keys, sizeof(keys));
    testlib_visit(first, client, NULL);
    glue_snapshot snapshot = testlib_visit(second, client, testlib_session());
    glue_context_free(first);
    glue_context_free(second);
    glue_context_free(client);
    testlib_session_drop();
    return snapshot;
}

/* That this holds is what makes the other tests mean something. */
static void equal_settings_resume_elsewhere(int version)
{
    glue_context_props a = trusting_props();
    glue_snapshot snapshot = go_elsewhere(version, &a, &a);
    EXPECT(snapshot.resumed);
    EXPECT_STR(snapshot.status, "Trusted");
    /* What decides nothing about whom a session is for may differ. */
    glue_context_props b = a;
    b.groups = "X25519:P-256";
    b.digest = "sha512";
    EXPECT(go_elsewhere(version, &a, &b).resumed);
}

/* Neither there nor back; and where it went it counts for what it is worth there. */
static void does_not_resume(int version, const glue_context_props *other, const char *status)
{
    glue_context_props base = trusting_props();
    glue_snapshot there = go_elsewhere(version, &base, other);
    EXPECT(!there.resumed);
    EXPECT_STR(there.status, status);
    glue_snapshot back = go_elsewhere(version, other, &base);
    EXPECT(!back.resumed);
    EXPECT_STR(back.status, "Trusted");
}

static void service_is_another(int version)
{
    glue_context_props other = trusting_props();
    other.service = "submission";
    does_not_resume(version, &other, "Trusted");
}

static void nobody_asks(int version)
{
    glue_context_props other = trusting_props();
    other.ask_client_cert = false;
    does_not_resume(version, &other, "Anonymous");
}

static void certificate_is_required(int version)
{
    glue_context_props other = trusting_props();
    other.require_client_cert = true;
    does_not_resume(version, &other, "Trusted");
}

static void ca_file_is_another(int version)
{
    glue_context_props other = trusting_props();
    other.ca_file = other_ca_file;
    does_not_resume(version, &other, "Untrusted");
}

static void there_is_no_ca_file(int version)
{
    glue_context_props other = trusting_props();
    other.ca_file = NULL;
    does_not_resume(version, &other, "Untrusted");
}

static void there_is_a_ca_path(int version)
{
    glue_context_props other = trusting_props();
    other.ca_path = "/etc/ssl/certs";
    does_not_resume(version, &other, "Trusted");
}

static void default_cas_are_trusted(int version)
{
    glue_context_props other = trusting_props();
    other.append_default_ca = true;
    does_not_resume(version, &other, "Trusted");
}

static void depth_is_another(int version)
{
    glue_context_props other = trusting_props();
    other.verify_depth = 0;
    does_not_resume(version, &other, "Trusted");
}

static void raw_public_keys_are_accepted(int version)
{
    glue_context_props other = trusting_props();
    other.enable_rpk = true;
    does_not_resume(version, &other, "Untrusted");
}

static void certificates_of_servers_are_trusted(int version)
{
    glue_context_props other = trusting_props();
    other.trust_server_ccerts = true;
    does_not_resume(version, &other, "Trusted");
}

static void fields_do_not_run_into_each_other(int version)
{
    glue_context_props a = server_props();
    glue_context_props b = server_props();
    a.service = "ab";
    a.ca_path = "c";
    b.service = "a";
    b.ca_path = "bc";
    EXPECT(!go_elsewhere(version, &a, &b).resumed);
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

BOTH(tickets_resume)
BOTH(without_tickets)
BOTH(equal_settings_resume_elsewhere)
BOTH(service_is_another)
BOTH(nobody_asks)
BOTH(certificate_is_required)
BOTH(ca_file_is_another)
BOTH(there_is_no_ca_file)
BOTH(there_is_a_ca_path)
BOTH(default_cas_are_trusted)
BOTH(depth_is_another)
BOTH(raw_public_keys_are_accepted)
BOTH(certificates_of_servers_are_trusted)
BOTH(fields_do_not_run_into_each_other)

#define CASES(sentence, name)                                                                      \
    {"TLS 1.3: " sentence, name##_tls13},                                                          \
    {                                                                                              \
        "TLS 1.2: " sentence, name##_tls12                                                         \
    }

static const test_case cases[] = {
    CASES("one ticket per handshake resumes", tickets_resume),
    {"a cipher that does not suit is an error", ciphers_that_make_no_tickets},
    {"no allocation that fails while keys are made does harm", no_allocation_that_fails_does_harm},
    CASES("without tickets nothing resumes", without_tickets),
    CASES("equal settings resume elsewhere", equal_settings_resume_elsewhere),
    CASES("no session resumes at another service", service_is_another),
    CASES("none resumes where no certificate is asked for", nobody_asks),
    CASES("none resumes where a certificate is required", certificate_is_required),
    CASES("none resumes where another CA is trusted", ca_file_is_another),
    CASES("none resumes where no CA is trusted", there_is_no_ca_file),
    CASES("none resumes where a CA directory is trusted, too", there_is_a_ca_path),
    CASES("none resumes where the system's CAs are trusted, too", default_cas_are_trusted),
    CASES("none resumes where chains may be shorter", depth_is_another),
    CASES("none resumes where raw public keys are accepted", raw_public_keys_are_accepted),
    CASES("none resumes where certificates of servers count", certificates_of_servers_are_trusted),
    CASES("fields of the context do not run into each other", fields_do_not_run_into_each_other),
};

int main(void)
{
    testlib_faults_install();
    testlib_library();
    prepare();
    int failed = testlib_main(cases, sizeof(cases) / sizeof(cases[0]));
    glue_chains_free(server_chain);
    glue_chains_free(client_chain);
    return failed;
}
