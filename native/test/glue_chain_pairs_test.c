/*
 * glue_chain_pairs_test.c - chains of the legacy parameters: pairs of files, and both in one.
 *
 * The words for each failure are golden files (test/golden/pem, glue_pem_test.c); here is what
 * needs several pairs, or keys made on the spot.
 */
#include "testlib.h"

#include <string.h>

#include "../glue_internal.h"

static glue_error err;
static const test_identity *rsa, *ec, *ec_other, *mldsa;

static glue_chain_pair separate(const char *label, const char *name, const test_identity *id)
{
    return (glue_chain_pair){
        .label = label,
        .cert_file = testlib_file(testlib_text("%s.crt", name), testlib_pem_cert(id)),
        .key_file = testlib_file(testlib_text("%s.key", name), testlib_pem_key(id)),
    };
}

static glue_chain_pair mixed(const char *label, const char *name, const char *pem)
{
    const char *file = testlib_file(name, pem);
    return (glue_chain_pair){.label = label, .cert_file = file, .key_file = file};
}

static void any_three_algorithms_load_in_order(void)
{
    glue_chain_pair pairs[] = {
        separate("RSA", "first", mldsa),
        mixed("DSA", "second.pem",
              testlib_text("%s%s", testlib_pem_cert(rsa), testlib_pem_key(rsa))),
        separate("ECDSA", "third", ec),
    };
    glue_chains *chains = glue_chains_load_pairs(pairs, 3, NULL, &err);
    glue_chain_cert cert;
    NEED(chains != NULL);
    EXPECT_INT(glue_chains_count(chains), 3);
    EXPECT_STR(glue_chains_key_type(chains, 0), "ML-DSA-65");
    EXPECT_STR(glue_chains_key_type(chains, 1), "RSA");
    EXPECT_STR(glue_chains_key_type(chains, 2), "EC");
    EXPECT(glue_chains_cert(chains, 0, 0, &cert));
    EXPECT_STR(cert.file, pairs[0].cert_file);
    EXPECT_INT(ERR_peek_error(), 0);
    glue_chains_free(chains);
}

static void one_algorithm_twice_is_refused(void)
{
    glue_chain_pair pairs[] = {separate("RSA", "one", ec), separate("ECDSA", "two", ec_other)};
    EXPECT(glue_chains_load_pairs(pairs, 2, NULL, &err) == NULL);
    EXPECT_ERROR(&err, GLUE_E_CHAIN_KEY_MISMATCH);
    EXPECT_STR(err.message,
               testlib_text("ECDSA private key in %s does not match public key in %s: there is a "
                            "chain of the same algorithm already",
                            pairs[1].key_file, pairs[1].cert_file));
    pairs[1] = mixed("ECDSA", "both.pem", testlib_pem_chain(ec_other));
    EXPECT(glue_chains_load_pairs(pairs, 2, NULL, &err) == NULL);
    EXPECT_ERROR(&err, GLUE_E_CHAIN_KEY_MISMATCH);
    EXPECT_HAS(err.message, "does not match next certificate: there is a chain");
}

static void a_later_pair_that_fails_leaves_none(void)
{
    glue_chain_pair pairs[] = {separate("RSA", "good", rsa),
                               {.label = "ECDSA", .cert_file = "/no/cert", .key_file = "/no/key"}};
    EXPECT(glue_chains_load_pairs(pairs, 2, NULL, &err) == NULL);
    EXPECT_ERROR(&err, GLUE_E_CHAIN_FILE);
    EXPECT_STR(err.message,
               "cannot get ECDSA certificate from file \"/no/cert\": No such file or directory");
}

static void keys_in_a_certificate_file_are_passed_over(void)
{
    glue_chain_pair pair = {
        .label = "RSA",
        .cert_file = testlib_file("with-key.crt",
                                  testlib_text("%s%s", testlib_pem_key(ec), testlib_pem_cert(rsa))),
        .key_file = testlib_file("two.key",
                                 testlib_text("%s%s", testlib_pem_key(rsa), testlib_pem_key(ec))),
    };
    glue_chains *chains = glue_chains_load_pairs(&pair, 1, NULL, &err);
    EXPECT(chains != NULL);
    glue_chains_free(chains);
}

/* ------------------------------------------------------------------ allocation faults */

static glue_chain_pair fault_pairs[2];

static bool load_attempt(glue_error *error)
{
    glue_chains *chains = glue_chains_load_pairs(fault_pairs, 2, NULL, error);
    bool done = chains != NULL && glue_chains_count(chains) == 2;
    glue_chains_free(chains);
    return done;
}

static void no_allocation_that_fails_does_harm(void)
{
    fault_pairs[0] = separate("RSA", "f1", rsa);
    fault_pairs[1] = mixed("ECDSA", "f2.pem", testlib_pem_chain(ec));
    testlib_faults_each(load_attempt, 1);
}

static const test_case cases[] = {
    {"any three algorithms load, in order", any_three_algorithms_load_in_order},
    {"one algorithm twice is refused", one_algorithm_twice_is_refused},
    {"a later pair that fails leaves none", a_later_pair_that_fails_leaves_none},
    {"keys in a certificate file are passed over", keys_in_a_certificate_file_are_passed_over},
    {"no allocation that fails does harm", no_allocation_that_fails_does_harm},
};

int main(void)
{
    testlib_faults_install();
    testlib_library();
    rsa = testlib_self_signed("RSA", "rsa.example.com");
    ec = testlib_self_signed("EC", "ec.example.com");
    ec_other = testlib_self_signed("P-384", "other.example.com");
    mldsa = testlib_self_signed("ML-DSA-65", "mldsa.example.com");
    return testlib_main(cases, sizeof(cases) / sizeof(cases[0]));
}
