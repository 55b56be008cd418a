/*
 * glue_digest_test.c - fingerprints.
 */
#include <string.h>

#include "../glue_internal.h"
#include "testlib.h"

static char out[200];

static bool digest(const char *name, const char *data)
{
    EVP_MD *md = EVP_MD_fetch(NULL, name, NULL);
    memset(out, '#', sizeof(out));
    bool done = glue_digest_hex(md, data, strlen(data), out, sizeof(out));
    EVP_MD_free(md);
    return done;
}

static void sha256_is_upper_case_hex_with_colons(void)
{
    EXPECT(digest("sha256", "abc"));
    EXPECT_STR(out, "BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:"
                    "B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD");
}

static void nothing_has_a_fingerprint_too(void)
{
    EXPECT(digest("sha1", ""));
    EXPECT_STR(out, "DA:39:A3:EE:5E:6B:4B:0D:32:55:BF:EF:95:60:18:90:AF:D8:07:09");
}

static void the_longest_digest_fits(void)
{
    EXPECT(digest("sha512", "abc"));
    EXPECT_INT(strlen(out), 64 * 3 - 1);
}

static void a_small_buffer_is_left_alone(void)
{
    EVP_MD *md = EVP_MD_fetch(NULL, "sha256", NULL);
    memset(out, '#', sizeof(out));
    EXPECT(!glue_digest_hex(md, "abc", 3, out, 95));
    EXPECT_INT(out[0], '#');
    EXPECT(glue_digest_hex(md, "abc", 3, out, 96));
    EXPECT_INT(strlen(out), 95);
    EVP_MD_free(md);
}

static void an_algorithm_without_length_fails(void)
{
    EXPECT(!digest("SHAKE128", "abc"));
    ERR_clear_error();
}

static EVP_MD *fault_md;

static bool digest_attempt(glue_error *err)
{
    if (glue_digest_hex(fault_md, "abc", 3, out, sizeof(out))) {
        return true;
    }
    glue_error_openssl(err, GLUE_E_OPENSSL, NULL);
    return false;
}

static void no_allocation_that_fails_does_harm(void)
{
    fault_md = EVP_MD_fetch(NULL, "sha256", NULL);
    testlib_faults_each(digest_attempt, 1);
    EVP_MD_free(fault_md);
}

static const test_case cases[] = {
    {"SHA-256 is upper-case hex with colons", sha256_is_upper_case_hex_with_colons},
    {"nothing has a fingerprint, too", nothing_has_a_fingerprint_too},
    {"the longest digest fits", the_longest_digest_fits},
    {"a small buffer is left alone", a_small_buffer_is_left_alone},
    {"an algorithm without a length fails", an_algorithm_without_length_fails},
    {"no allocation that fails does harm", no_allocation_that_fails_does_harm},
};

TESTLIB_MAIN(cases)
