/* glue_dh.c: parameters from a file, the library's without one, and servers without certificates.
 */
#include <string.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "testlib.h"

/* PEM of a named group's parameters; of EC, when `type` says so. */
static const char *parameters_file(const char *name, const char *type, const char *group)
{
    char text[4096] = "";
    BIO *bio = BIO_new(BIO_s_mem());
    EVP_PKEY *parameters = EVP_PKEY_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    OSSL_PARAM set[] = {
        OSSL_PARAM_construct_utf8_string("group", (char *)(uintptr_t)group, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY_free(parameters);
    parameters = NULL;
    EXPECT(EVP_PKEY_paramgen_init(ctx) == 1 && EVP_PKEY_CTX_set_params(ctx, set) == 1 &&
           EVP_PKEY_paramgen(ctx, &parameters) == 1);
    EXPECT(PEM_write_bio_Parameters(bio, parameters) == 1);
    EXPECT(BIO_read(bio, text, sizeof(text) - 1) > 0);
    EVP_PKEY_free(parameters);
    EVP_PKEY_CTX_free(ctx);
    BIO_free(bio);
    return testlib_file(name, text);
}

/* `exchange`: length of the ServerKeyExchange, which has a prime and a key of its length in it. */
static void session(const char *dh_file, bool certificate, const char *cipher, const char *exchange)
{
    glue_error err;
    glue_snapshot snapshot;
    test_pair pair = {0};
    glue_chains *chains = testlib_chains(testlib_self_signed("RSA", "mx.example.com"), NULL, NULL);
    glue_context_props server_props = testlib_props(GLUE_SERVER);
    glue_context_props client_props = testlib_props(GLUE_CLIENT);
    glue_tls_props props = GLUE_TLS_PROPS_DEFAULT;
    server_props.chains = certificate ? chains : NULL;
    server_props.dh_file = dh_file;
    server_props.cipher_list = "ALL:aNULL";
    props.cipher_list = cipher;
    props.trace_limit = 100000;
    if (certificate) {
        props.protocols = (glue_protocols){TLS1_2_VERSION, TLS1_2_VERSION, 0};
    }
    glue_context *server = glue_context_new(&server_props, &err);
    glue_context *client = glue_context_new(&client_props, &err);
    bool done = server != NULL && testlib_pair(&pair, server, client, &props) &&
                glue_conn_snapshot(pair.client.conn, &snapshot);
    EXPECT(done);
    if (done) {
        EXPECT_STR(snapshot.protocol, "TLSv1.2");
        EXPECT_STR(snapshot.cipher, cipher);
        size_t len;
        EXPECT_HAS(glue_conn_trace(pair.client.conn, &len), exchange);
        EXPECT_STR(snapshot.status, certificate ? "Untrusted" : "Anonymous");
    }
    testlib_pair_close(&pair);
    glue_context_free(server);
    glue_context_free(client);
    glue_chains_free(chains);
}

static void without_a_file_the_library_chooses(void)
{
    session(NULL, true, "DHE-RSA-AES256-GCM-SHA384", "ServerKeyExchange (12), 783 bytes");
}

static void a_file_counts(void)
{
    session(parameters_file("dh4096.pem", "DH", "ffdhe4096"), true, "DHE-RSA-AES256-GCM-SHA384",
            "ServerKeyExchange (12), 1295 bytes");
}

/* The client offers TLS 1.3, too, which has no anonymous suites. */
static void a_server_without_certificates_speaks_tls12(void)
{
    session(NULL, false, "ADH-AES256-GCM-SHA384", "ServerKeyExchange (12), 779 bytes");
    session(NULL, false, "AECDH-AES256-SHA", "ServerKeyExchange (12), 40 bytes");
}

static void refused(const char *file, glue_error_code code, const char *message)
{
    glue_error err;
    glue_context_props props = testlib_props(GLUE_SERVER);
    props.dh_file = file;
    EXPECT(glue_context_new(&props, &err) == NULL);
    EXPECT_ERROR(&err, code);
    EXPECT_HAS(err.message, message);
}

static void files_without_parameters_are_told_apart(void)
{
    refused("/nonexistent/dh.pem", GLUE_E_DH_FILE,
            "error opening DH parameter file \"/nonexistent/dh.pem\": No such file or directory");
    refused(testlib_file("no.pem", "no PEM\n"), GLUE_E_DH_PARAMETERS, "no DH parameters in ");
    refused(parameters_file("ec.pem", "EC", "P-256"), GLUE_E_DH_PARAMETERS, "no DH parameters in ");
}

static bool context_with_file(glue_error *err)
{
    glue_context_props props = testlib_props(GLUE_SERVER);
    props.dh_file = testlib_path("dh4096.pem");
    glue_context *context = glue_context_new(&props, err);
    glue_context_free(context);
    return context != NULL;
}

static void a_failing_allocation_is_no_leak(void)
{
    testlib_faults_each(context_with_file, 7);
}

static const test_case cases[] = {
    {"without a file the library chooses", without_a_file_the_library_chooses},
    {"a file counts", a_file_counts},
    {"a server without certificates speaks TLS 1.2 with anonymous suites",
     a_server_without_certificates_speaks_tls12},
    {"files without parameters are told apart", files_without_parameters_are_told_apart},
    {"a failing allocation is no leak", a_failing_allocation_is_no_leak},
};

TESTLIB_MAIN(cases)
