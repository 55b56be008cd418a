/*
 * glue_chain_test.c - the multi-chain PEM loader: what it takes, what it refuses and with which
 * words, and what ends up in contexts and handles.
 */
#include "testlib.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "../glue_internal.h"

static glue_error err;

/* Made once: keys are expensive. */
static const test_identity *rsa, *ec, *ec_other, *ed25519, *mldsa, *with_issuers;

static void make_identities(void)
{
    rsa = testlib_self_signed("RSA", "rsa.example.com");
    ec = testlib_self_signed("EC", "ec.example.com");
    ec_other = testlib_self_signed("P-384", "other.example.com");
    ed25519 = testlib_self_signed("ED25519", "ed.example.com");
    mldsa = testlib_self_signed("ML-DSA-65", "mldsa.example.com");
    test_cert_spec root = {.key = "EC", .cn = "Root", .ca = true};
    test_cert_spec ca = {.key = "EC", .cn = "CA", .ca = true, .issuer = testlib_identity(&root)};
    test_cert_spec leaf = {.key = "RSA", .cn = "leaf", .issuer = testlib_identity(&ca)};
    with_issuers = testlib_identity(&leaf);
}

static glue_chains *parse(const char *pem)
{
    memset(&err, 0, sizeof(err));
    return glue_chains_parse(pem, strlen(pem), "chain.pem", NULL, &err);
}

static void expect_refused(const char *pem, glue_error_code code, const char *message)
{
    glue_chains *chains = parse(pem);
    EXPECT(chains == NULL);
    EXPECT_ERROR(&err, code);
    EXPECT_HAS(err.message, message);
    glue_chains_free(chains);
}

/* ------------------------------------------------------------------ what loads */

static void expect_types(const char *pem, size_t count, const char *const *types)
{
    glue_chains *chains = parse(pem);
    NEED(chains != NULL);
    EXPECT_INT(ERR_peek_error(), 0);
    EXPECT_INT(glue_chains_count(chains), count);
    for (size_t i = 0; i < count; i++) {
        EXPECT_STR(glue_chains_key_type(chains, i), types[i]);
    }
    EXPECT_STR(glue_chains_key_type(chains, count), "");
    glue_chains_free(chains);
}

static void four_algorithms_side_by_side(void)
{
    static const char *const types[] = {"RSA", "EC", "ED25519", "ML-DSA-65", "RSA-PSS"};
    expect_types(testlib_text("%s%s%s%s", testlib_pem_chain(rsa), testlib_pem_chain(ec),
                              testlib_pem_chain(ed25519), testlib_pem_chain(mldsa)),
                 4, types);
}

static void more_algorithms(void)
{
    static const char *const types[] = {"ED448", "ML-DSA-44", "ML-DSA-87"};
    expect_types(testlib_text("%s%s%s", testlib_pem_chain(testlib_self_signed("ED448", "a")),
                              testlib_pem_chain(testlib_self_signed("ML-DSA-44", "b")),
                              testlib_pem_chain(testlib_self_signed("ML-DSA-87", "c"))),
                 3, types);
}

static void traditional_keys_load(void)
{
    static const char *const types[] = {"RSA", "EC"};
    const char *pem =
        testlib_text("%s%s%s%s", testlib_pem_traditional_key(rsa), testlib_pem_cert(rsa),
                     testlib_pem_traditional_key(ec), testlib_pem_cert(ec));
    EXPECT_HAS(pem, "BEGIN RSA PRIVATE KEY");
    EXPECT_HAS(pem, "BEGIN EC PRIVATE KEY");
    expect_types(pem, 2, types);
}

/* Replaces the label of all PEM objects that have this one. */
static const char *relabel(const char *pem, const char *from, const char *to)
{
    const char *out = "";
    for (const char *at = strstr(pem, from); at != NULL; at = strstr(pem, from)) {
        out = testlib_text("%s%.*s%s", out, (int)(at - pem), pem, to);
        pem = at + strlen(from);
    }
    return testlib_text("%s%s", out, pem);
}

static void the_old_label_of_certificates_is_known(void)
{
    static const char *const types[] = {"EC"};
    const char *pem = relabel(testlib_pem_cert(ec), "CERTIFICATE", "X509 CERTIFICATE");
    expect_types(testlib_text("%s%s", testlib_pem_key(ec), pem), 1, types);
}

static void other_pem_types_and_text_are_passed_over(void)
{
    static const char *const types[] = {"EC"};
    const char *other = relabel(testlib_pem_cert(rsa), "CERTIFICATE", "SOMETHING ELSE");
    expect_types(testlib_text("Comment\n%s%s%s%s\ntrailing\n", other, testlib_pem_key(ec), other,
                              testlib_pem_cert(ec)),
                 1, types);
}

static void issuers_stay_with_their_leaf(void)
{
    glue_chains *chains =
        parse(testlib_text("%s%s", testlib_pem_chain(with_issuers), testlib_pem_chain(ec)));
    NEED(chains != NULL);
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    STACK_OF(X509) *issuers = NULL;
    EXPECT(glue_chains_install_context(chains, ctx));
    EXPECT_INT(SSL_CTX_set_current_cert(ctx, SSL_CERT_SET_FIRST), 1);
    EXPECT_INT(X509_cmp(SSL_CTX_get0_certificate(ctx), with_issuers->cert), 0);
    EXPECT_INT(SSL_CTX_get0_chain_certs(ctx, &issuers), 1);
    EXPECT_INT(sk_X509_num(issuers), 1);
    EXPECT_INT(X509_cmp(sk_X509_value(issuers, 0), with_issuers->issuer->cert), 0);
    SSL_CTX_free(ctx);
    glue_chains_free(chains);
}

static void what_a_chain_is_made_of_can_be_asked(void)
{
    const char *files[] = {
        testlib_file("key.pem", testlib_pem_key(with_issuers)),
        testlib_file("cert.pem", testlib_text("%s%s", testlib_pem_cert(with_issuers),
                                              testlib_pem_issuers(with_issuers)))};
    glue_chains *chains = glue_chains_load(files, 2, NULL, &err);
    glue_chain_cert cert;
    NEED(chains != NULL);
    EXPECT(glue_chains_cert(chains, 0, 0, &cert));
    EXPECT_STR(cert.subject, "leaf");
    EXPECT_INT(cert.not_before, 946684800); /* 2000-01-01 */
    EXPECT_INT(cert.not_after, 4891363200); /* 2125-01-01 */
    EXPECT_STR(cert.file, files[1]);
    EXPECT_INT(cert.index, 1);
    EXPECT(glue_chains_cert(chains, 0, 1, &cert));
    EXPECT_STR(cert.subject, "CA");
    EXPECT(!glue_chains_cert(chains, 0, 2, &cert));
    EXPECT(!glue_chains_cert(chains, 1, 0, &cert));
    EXPECT_INT(ERR_peek_error(), 0);
    glue_chains_free(chains);
}

static void a_certificate_without_subject_goes_by_its_dns_name(void)
{
    test_cert_spec spec = {.key = "EC", .dns = "mx.example.net"};
    test_cert_spec bare = {.key = "ED25519"};
    glue_chains *chains = testlib_chains(testlib_identity(&spec), testlib_identity(&bare), NULL);
    glue_chain_cert cert;
    NEED(chains != NULL);
    EXPECT(glue_chains_cert(chains, 0, 0, &cert));
    EXPECT_STR(cert.subject, "mx.example.net");
    EXPECT(glue_chains_cert(chains, 1, 0, &cert));
    EXPECT_STR(cert.subject, "");
    glue_chains_free(chains);
}

static void a_chain_may_span_files(void)
{
    const char *files[] = {
        testlib_file("1.pem", testlib_pem_key(with_issuers)),
        testlib_file("2.pem", testlib_pem_cert(with_issuers)),
        testlib_file("3.pem",
                     testlib_text("%s%s", testlib_pem_issuers(with_issuers), testlib_pem_key(ec))),
        testlib_file("4.pem", testlib_pem_cert(ec)),
    };
    glue_chains *chains = glue_chains_load(files, 4, NULL, &err);
    NEED(chains != NULL);
    EXPECT_INT(glue_chains_count(chains), 2);
    EXPECT_STR(glue_chains_key_type(chains, 0), "RSA");
    EXPECT_STR(glue_chains_key_type(chains, 1), "EC");
    glue_chains_free(chains);
}

static void a_pipe_is_as_good_as_a_file(void)
{
    int fds[2];
    const char *pem = testlib_pem_chain(ec);
    NEED(pipe(fds) == 0);
    EXPECT_INT(write(fds[1], pem, strlen(pem)), strlen(pem));
    close(fds[1]);
    const char *path = testlib_text("/dev/fd/%d", fds[0]);
    glue_chains *chains = glue_chains_load(&path, 1, NULL, &err);
    EXPECT(chains != NULL);
    glue_chains_free(chains);
    close(fds[0]);
}

/* ------------------------------------------------------------------ what does not */

static void no_pem_data_names_the_origins(void)
{
    expect_refused("", GLUE_E_CHAIN_NO_PEM_DATA, "No PEM data in chain.pem");
    expect_refused("just text\n", GLUE_E_CHAIN_NO_PEM_DATA, "No PEM data in chain.pem");
    const char *files[] = {testlib_file("a.pem", ""), testlib_file("b.pem", "x\n")};
    EXPECT(glue_chains_load(files, 2, NULL, &err) == NULL);
    EXPECT_ERROR(&err, GLUE_E_CHAIN_NO_PEM_DATA);
    EXPECT_HAS(err.message, testlib_text("No PEM data in %s, %s", files[0], files[1]));
    EXPECT(glue_chains_load(files, 0, NULL, &err) == NULL);
    EXPECT_ERROR(&err, GLUE_E_CHAIN_NO_PEM_DATA);
}

static void a_file_that_cannot_be_opened_fails_hard(void)
{
    const char *files[] = {testlib_file("good.pem", testlib_pem_chain(ec)), "/no/such/chain.pem"};
    EXPECT(glue_chains_load(files, 2, NULL, &err) == NULL);
    EXPECT_ERROR(&err, GLUE_E_CHAIN_FILE);
    EXPECT_STR(err.message,
               "error opening chain file: /no/such/chain.pem: No such file or directory");
    EXPECT_INT(err.sys_errno, ENOENT);
}

static void a_directory_is_no_chain_file(void)
{
    const char *path = "/tmp";
    EXPECT(glue_chains_load(&path, 1, NULL, &err) == NULL);
    EXPECT_ERROR(&err, GLUE_E_CHAIN_FILE);
    EXPECT_HAS(err.message, "Is a directory");
}

static void a_certificate_first_is_refused(void)
{
    expect_refused(testlib_text("%s%s", testlib_pem_cert(ec), testlib_pem_key(ec)),
                   GLUE_E_CHAIN_KEY_NOT_FIRST, "error loading chain from chain.pem: key not first");
}

static void keys_back_to_back_are_refused(void)
{
    expect_refused(
        testlib_text("%s%s%s", testlib_pem_key(ec), testlib_pem_key(rsa), testlib_pem_cert(rsa)),
        GLUE_E_CHAIN_KEY_WITHOUT_CERT,
        "error loading certificate chain: key at index 1 in chain.pem not followed by a "
        "certificate");
}

static void a_last_key_without_certificate_is_refused(void)
{
    expect_refused(testlib_text("%s%s", testlib_pem_chain(ec), testlib_pem_key(rsa)),
                   GLUE_E_CHAIN_KEY_WITHOUT_CERT, "No certs for key at index 3 in chain.pem");
}

static void a_wrong_key_is_named_with_its_index_and_file(void)
{
    const char *wrong = testlib_text("%s%s", testlib_pem_key(ec_other), testlib_pem_cert(ec));
    expect_refused(wrong, GLUE_E_CHAIN_KEY_MISMATCH,
                   "key at index 1 in chain.pem does not match next certificate");
    expect_refused(testlib_text("%s%s%s", testlib_pem_chain(rsa), wrong, testlib_pem_chain(mldsa)),
                   GLUE_E_CHAIN_KEY_MISMATCH,
                   "key at index 3 in chain.pem does not match the certificate");
    expect_refused(testlib_text("%s%s", testlib_pem_key(rsa), testlib_pem_cert(ec)),
                   GLUE_E_CHAIN_KEY_MISMATCH, "key at index 1 in chain.pem");
    const char *files[] = {testlib_file("k.pem", testlib_pem_key(ec_other)),
                           testlib_file("c.pem", testlib_pem_cert(ec))};
    EXPECT(glue_chains_load(files, 2, NULL, &err) == NULL);
    EXPECT_ERROR(&err, GLUE_E_CHAIN_KEY_MISMATCH);
    EXPECT_HAS(err.message, testlib_text("key at index 1 in %s does not match", files[0]));
}

static void passed_over_objects_count_in_the_index(void)
{
    const char *other = relabel(testlib_pem_cert(rsa), "CERTIFICATE", "SOMETHING ELSE");
    expect_refused(
        testlib_text("%s%s%s%s", other, other, testlib_pem_key(ec_other), testlib_pem_cert(ec)),
        GLUE_E_CHAIN_KEY_MISMATCH, "key at index 3 in chain.pem does not match next certificate");
}

static void a_second_chain_of_one_algorithm_is_refused(void)
{
    expect_refused(testlib_text("%s%s", testlib_pem_chain(ec), testlib_pem_chain(ec_other)),
                   GLUE_E_CHAIN_KEY_MISMATCH,
                   "key at index 3 in chain.pem does not match next certificate: there is a chain "
                   "of the same algorithm already");
    expect_refused(testlib_text("%s%s%s", testlib_pem_chain(ec), testlib_pem_chain(ec),
                                testlib_pem_chain(rsa)),
                   GLUE_E_CHAIN_KEY_MISMATCH,
                   "key at index 3 in chain.pem does not match the certificate: there is");
}

static void encrypted_keys_are_refused(void)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data = NULL;
    PEM_write_bio_PKCS8PrivateKey(bio, ec->key, EVP_aes_128_cbc(), "secret", 6, NULL, NULL);
    PEM_write_bio_PrivateKey_traditional(bio, rsa->key, EVP_aes_128_cbc(),
                                         (const unsigned char *)"secret", 6, NULL, NULL);
    int len = (int)BIO_get_mem_data(bio, &data);
    const char *both = testlib_text("%.*s", len, data);
    BIO_free(bio);
    expect_refused(both, GLUE_E_CHAIN_BAD_OBJECT, "(PEM object number 1) from chain.pem");
    EXPECT_HAS(err.message, "the key is encrypted");
    const char *traditional = strstr(both, "-----BEGIN RSA");
    NEED(traditional != NULL);
    expect_refused(traditional, GLUE_E_CHAIN_BAD_OBJECT, "the key is encrypted");
}

/* A PEM object of this label around this DER, with `extra` zero bytes behind. */
static const char *pem_of(const char *label, const unsigned char *der, int len, int extra)
{
    unsigned char bytes[8192] = {0};
    char *data = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    if (len > 0) {
        memcpy(bytes, der, (size_t)len);
    }
    PEM_write_bio(bio, label, "", bytes, len + extra);
    int written = (int)BIO_get_mem_data(bio, &data);
    const char *text = testlib_text("%.*s", written, data);
    BIO_free(bio);
    return text;
}

static void excess_data_is_refused(void)
{
    unsigned char *der = NULL;
    int len = i2d_PrivateKey(ec->key, &der);
    expect_refused(pem_of("EC PRIVATE KEY", der, len, 1), GLUE_E_CHAIN_BAD_OBJECT,
                   "error loading private key (PEM object number 1) from chain.pem: excess data");
    OPENSSL_free(der);
    der = NULL;
    len = i2d_X509(ec->cert, &der);
    expect_refused(testlib_text("%s%s", testlib_pem_key(ec), pem_of("CERTIFICATE", der, len, 2)),
                   GLUE_E_CHAIN_BAD_OBJECT,
                   "error loading certificate (PEM object number 2) from chain.pem: excess data");
    OPENSSL_free(der);
}

static void undecodable_objects_are_refused(void)
{
    expect_refused(testlib_text("%s%s", testlib_pem_key(ec),
                                pem_of("CERTIFICATE", (const unsigned char *)"xyz", 3, 0)),
                   GLUE_E_CHAIN_BAD_OBJECT,
                   "error loading certificate (PEM object number 2) from chain.pem");
    expect_refused(pem_of("PRIVATE KEY", (const unsigned char *)"xyz", 3, 0),
                   GLUE_E_CHAIN_BAD_OBJECT,
                   "error loading private key (PEM object number 1) from chain.pem");
}

static void a_public_key_is_no_private_key(void)
{
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(ec->key, &der);
    expect_refused(testlib_text("%s%s", pem_of("PRIVATE KEY", der, len, 0), testlib_pem_cert(ec)),
                   GLUE_E_CHAIN_BAD_OBJECT, "error loading private key (PEM object number 1)");
    OPENSSL_free(der);
}

static void broken_pem_is_refused(void)
{
    const char *pem = testlib_pem_chain(ec);
    expect_refused(testlib_text("%.80s", pem), GLUE_E_CHAIN_BAD_OBJECT,
                   "error loading data (PEM object number 1) from chain.pem");
    expect_refused(testlib_text("%.*s\n", (int)strlen(pem) - 40, pem), GLUE_E_CHAIN_BAD_OBJECT,
                   "error loading data (PEM object number 2) from chain.pem");
    expect_refused("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
                   GLUE_E_CHAIN_BAD_OBJECT, "error loading data (PEM object number 1)");
}

static void every_cut_of_a_file_is_refused_or_whole(void)
{
    const char *pem = testlib_pem_chain(ec);
    size_t whole = strlen(pem);
    for (size_t len = 0; len < whole; len++) {
        glue_chains *chains = glue_chains_parse(pem, len, "cut", NULL, &err);
        /* Without the last line feed it is whole. */
        EXPECT(chains == NULL ? err.message[0] != '\0' : len == whole - 1);
        glue_chains_free(chains);
    }
}

static void keys_that_cannot_sign_are_refused(void)
{
    /* A certificate of an X25519 key, which a CA signs. */
    EVP_PKEY *key = testlib_key("X25519");
    X509 *cert = X509_dup(ec->cert);
    EXPECT_INT(X509_set_pubkey(cert, key), 1);
    EXPECT(X509_sign(cert, ec->key, EVP_sha256()) > 0);
    test_identity id = {key, cert, NULL};
    expect_refused(testlib_pem_chain(&id), GLUE_E_CHAIN_KEY_MISMATCH, "such a key cannot sign");
    X509_free(cert);
}

static void an_endless_file_is_refused(void)
{
    const char *path = "/dev/zero";
    EXPECT(glue_chains_load(&path, 1, NULL, &err) == NULL);
    EXPECT_ERROR(&err, GLUE_E_CHAIN_FILE);
    EXPECT_HAS(err.message, "File too large");
}

/* ------------------------------------------------------------------ use */

static void a_context_never_gets_a_chain_replaced(void)
{
    glue_chains *first = parse(testlib_pem_chain(ec));
    glue_chains *second = parse(testlib_pem_chain(ec_other));
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    EXPECT(glue_chains_install_context(first, ctx));
    EXPECT(!glue_chains_install_context(second, ctx));
    EXPECT_INT(ERR_GET_REASON(ERR_peek_last_error()), SSL_R_NOT_REPLACING_CERTIFICATE);
    ERR_clear_error();
    EXPECT_INT(X509_cmp(SSL_CTX_get0_certificate(ctx), ec->cert), 0);
    SSL_CTX_free(ctx);
    glue_chains_free(first);
    glue_chains_free(second);
}

static void a_handle_gets_these_chains_only(void)
{
    glue_chains *first = parse(testlib_text("%s%s", testlib_pem_chain(ec), testlib_pem_chain(rsa)));
    glue_chains *second = parse(testlib_pem_chain(ec_other));
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    EXPECT(glue_chains_install_context(first, ctx));
    SSL *ssl = SSL_new(ctx);
    EXPECT(glue_chains_install_handle(second, ssl));
    EXPECT_INT(SSL_set_current_cert(ssl, SSL_CERT_SET_FIRST), 1);
    EXPECT_INT(X509_cmp(SSL_get_certificate(ssl), ec_other->cert), 0);
    EXPECT_INT(SSL_set_current_cert(ssl, SSL_CERT_SET_NEXT), 0);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    glue_chains_free(first);
    glue_chains_free(second);
}

static void *reference_thread(void *arg)
{
    glue_chains *chains = arg;
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    for (int i = 0; i < 100; i++) {
        SSL *ssl = SSL_new(ctx);
        glue_chains *own = glue_chains_up_ref(chains);
        glue_chains_install_handle(own, ssl);
        glue_chains_free(own);
        SSL_free(ssl);
    }
    SSL_CTX_free(ctx);
    glue_chains_free(chains);
    glue_library_thread_stop();
    return NULL;
}

static void the_last_of_many_threads_frees_it(void)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    glue_chains *chains =
        parse(testlib_text("%s%s", testlib_pem_chain(ec), testlib_pem_chain(mldsa)));
    NEED(chains != NULL);
    for (int i = 0; i < THREADS; i++) {
        NEED(pthread_create(&threads[i], NULL, reference_thread, glue_chains_up_ref(chains)) == 0);
    }
    glue_chains_free(chains);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void nothing_is_fine_to_free_and_share(void)
{
    glue_chains_free(NULL);
    EXPECT(glue_chains_up_ref(NULL) == NULL);
}

/* ------------------------------------------------------------------ allocation faults */

static const char *fault_files[2];

static bool load_attempt(glue_error *error)
{
    glue_chains *chains = glue_chains_load(fault_files, 2, NULL, error);
    bool done = chains != NULL && glue_chains_count(chains) == 2;
    glue_chains_free(chains);
    return done;
}

static glue_chains *fault_chains;
static SSL_CTX *fault_ctx;

static bool install_attempt(glue_error *error)
{
    SSL *ssl = SSL_new(fault_ctx);
    bool done = ssl != NULL && glue_chains_install_handle(fault_chains, ssl);
    if (!done) {
        glue_error_openssl(error, GLUE_E_OPENSSL, NULL);
    }
    SSL_free(ssl);
    ERR_clear_error();
    return done;
}

static void no_allocation_that_fails_while_installing_does_harm(void)
{
    fault_chains =
        parse(testlib_text("%s%s", testlib_pem_chain(with_issuers), testlib_pem_chain(ec)));
    fault_ctx = SSL_CTX_new(TLS_server_method());
    testlib_faults_each(install_attempt, 1);
    SSL_CTX_free(fault_ctx);
    glue_chains_free(fault_chains);
}

static void no_allocation_that_fails_does_harm(void)
{
    fault_files[0] = testlib_file("f1.pem", testlib_pem_chain(with_issuers));
    fault_files[1] = testlib_file("f2.pem", testlib_pem_chain(ec));
    testlib_faults_each(load_attempt, 1);
}

static const test_case cases[] = {
    {"RSA, ECDSA, Ed25519 and ML-DSA-65 load side by side", four_algorithms_side_by_side},
    {"Ed448, ML-DSA-44 and ML-DSA-87 load", more_algorithms},
    {"traditional RSA and EC keys load", traditional_keys_load},
    {"the old label of certificates is known", the_old_label_of_certificates_is_known},
    {"other PEM types and text are passed over", other_pem_types_and_text_are_passed_over},
    {"issuers stay with their leaf", issuers_stay_with_their_leaf},
    {"what a chain is made of can be asked", what_a_chain_is_made_of_can_be_asked},
    {"a certificate without subject goes by its DNS name",
     a_certificate_without_subject_goes_by_its_dns_name},
    {"a chain may span files", a_chain_may_span_files},
    {"a pipe is as good as a file", a_pipe_is_as_good_as_a_file},
    {"no PEM data names the origins", no_pem_data_names_the_origins},
    {"a file that cannot be opened fails hard", a_file_that_cannot_be_opened_fails_hard},
    {"a directory is no chain file", a_directory_is_no_chain_file},
    {"a certificate first is refused", a_certificate_first_is_refused},
    {"keys back to back are refused", keys_back_to_back_are_refused},
    {"a last key without certificate is refused", a_last_key_without_certificate_is_refused},
    {"a wrong key is named with its index and file", a_wrong_key_is_named_with_its_index_and_file},
    {"passed-over objects count in the index", passed_over_objects_count_in_the_index},
    {"a second chain of one algorithm is refused", a_second_chain_of_one_algorithm_is_refused},
    {"encrypted keys are refused", encrypted_keys_are_refused},
    {"excess data is refused", excess_data_is_refused},
    {"undecodable objects are refused", undecodable_objects_are_refused},
    {"a public key is no private key", a_public_key_is_no_private_key},
    {"broken PEM is refused", broken_pem_is_refused},
    {"every cut of a file is refused", every_cut_of_a_file_is_refused_or_whole},
    {"keys that cannot sign are refused", keys_that_cannot_sign_are_refused},
    {"an endless file is refused", an_endless_file_is_refused},
    {"a context never gets a chain replaced", a_context_never_gets_a_chain_replaced},
    {"a handle gets these chains only", a_handle_gets_these_chains_only},
    {"the last of many threads frees it", the_last_of_many_threads_frees_it},
    {"nothing is fine to free and share", nothing_is_fine_to_free_and_share},
    {"no allocation that fails does harm", no_allocation_that_fails_does_harm},
    {"no allocation that fails while installing does harm",
     no_allocation_that_fails_while_installing_does_harm},
};

int main(void)
{
    testlib_faults_install();
    testlib_library();
    make_identities();
    return testlib_main(cases, sizeof(cases) / sizeof(cases[0]));
}
