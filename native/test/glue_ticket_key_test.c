/*
 * glue_ticket_key_test.c - ticket keys: sealed and opened, whatever is done to the blob, and wiped.
 */
#include <string.h>

#include <openssl/rand.h>

#include "../glue_ticket_key.h"
#include "testlib.h"

static const unsigned char wrapping[GLUE_WRAPPING_KEY_LEN] = "0123456789abcdef0123456789abcde";
static const unsigned char prefix[GLUE_KEY_PREFIX_LEN] = "CLUSTER";
static glue_error err;

static void mint(unsigned char *sealed)
{
    memset(sealed, 0, GLUE_SEALED_KEY_LEN);
    EXPECT(glue_ticket_key_mint(wrapping, prefix, 1700000000123, 1700001800123, sealed, &err) ==
           GLUE_OK);
}

static void a_sealed_key_is_opened_again(void)
{
    unsigned char sealed[GLUE_SEALED_KEY_LEN];
    mint(sealed);
    EXPECT(memcmp(sealed, "mxt1CLUSTER", 12) == 0); /* with the NUL of the prefix */
    glue_ticket_key *key = glue_ticket_key_open(wrapping, sealed, sizeof(sealed), &err);
    NEED(key != NULL);
    EXPECT(memcmp(key->name, sealed + 4, sizeof(key->name)) == 0);
    EXPECT(key->active_from == 1700000000123);
    EXPECT(key->expires == 1700001800123);
    EXPECT(memcmp(key->sealed, sealed, sizeof(sealed)) == 0);
    glue_ticket_key *again = glue_ticket_key_open(wrapping, sealed, sizeof(sealed), &err);
    NEED(again != NULL);
    EXPECT(memcmp(key->secret, again->secret, sizeof(key->secret)) == 0);
    glue_ticket_key_free(key);
    glue_ticket_key_free(again);
}

static void no_two_keys_are_alike_nor_in_the_clear(void)
{
    unsigned char a[GLUE_SEALED_KEY_LEN], b[GLUE_SEALED_KEY_LEN];
    mint(a);
    mint(b);
    glue_ticket_key *first = glue_ticket_key_open(wrapping, a, sizeof(a), &err);
    glue_ticket_key *second = glue_ticket_key_open(wrapping, b, sizeof(b), &err);
    NEED(first != NULL && second != NULL);
    EXPECT(memcmp(first->name + 8, second->name + 8, 8) != 0);
    EXPECT(memcmp(first->secret, second->secret, 32) != 0);
    EXPECT(memcmp(first->secret + 32, second->secret + 32, 32) != 0);
    EXPECT(memcmp(first->secret, first->secret + 32, 32) != 0);
    EXPECT(memcmp(a + 36, b + 36, 12) != 0); /* nonces */
    EXPECT(memmem(a, sizeof(a), first->secret, 16) == NULL);
    glue_ticket_key_free(first);
    glue_ticket_key_free(second);
}

/* Name, times, nonce, keys, tag: each bit counts. */
static void a_bit_that_changes_is_noticed(void)
{
    unsigned char sealed[GLUE_SEALED_KEY_LEN];
    mint(sealed);
    for (size_t bit = 0; bit < sizeof(sealed) * 8; bit++) {
        sealed[bit / 8] ^= (unsigned char)(1u << bit % 8);
        EXPECT(glue_ticket_key_open(wrapping, sealed, sizeof(sealed), &err) == NULL);
        EXPECT_ERROR(&err, GLUE_E_TICKET_KEY);
        sealed[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    glue_ticket_key *key = glue_ticket_key_open(wrapping, sealed, sizeof(sealed), &err);
    EXPECT(key != NULL);
    glue_ticket_key_free(key);
}

/* Exactly as much memory as bytes: the address sanitizer sees who reads behind them. */
static void other_lengths_are_no_keys(void)
{
    unsigned char sealed[GLUE_SEALED_KEY_LEN];
    mint(sealed);
    for (size_t len = 0; len <= 2 * sizeof(sealed); len++) {
        unsigned char *copy = OPENSSL_zalloc(len == 0 ? 1 : len);
        memcpy(copy, sealed, len < sizeof(sealed) ? len : sizeof(sealed));
        glue_ticket_key *key = glue_ticket_key_open(wrapping, copy, len, &err);
        EXPECT((key != NULL) == (len == sizeof(sealed)));
        glue_ticket_key_free(key);
        OPENSSL_free(copy);
    }
}

static void random_bytes_are_no_keys(void)
{
    unsigned char sealed[GLUE_SEALED_KEY_LEN];
    for (int i = 0; i < 20000; i++) {
        EXPECT_INT(RAND_bytes(sealed, sizeof(sealed)), 1);
        if (i % 2 == 0) { /* past the first check */
            memcpy(sealed, "mxt1", 4);
            memset(sealed + 20, 0, 3);
            memset(sealed + 28, 0, 2);
        }
        EXPECT(glue_ticket_key_open(wrapping, sealed, sizeof(sealed), &err) == NULL);
        EXPECT_ERROR(&err, GLUE_E_TICKET_KEY);
    }
}

static void another_wrapping_key_opens_nothing(void)
{
    unsigned char sealed[GLUE_SEALED_KEY_LEN];
    unsigned char other[GLUE_WRAPPING_KEY_LEN];
    mint(sealed);
    memcpy(other, wrapping, sizeof(other));
    other[31] ^= 1;
    EXPECT(glue_ticket_key_open(other, sealed, sizeof(sealed), &err) == NULL);
    EXPECT_ERROR(&err, GLUE_E_TICKET_KEY);
    EXPECT_HAS(err.message, "another wrapping key");
}

static void times_in_the_wrong_order_make_no_key(void)
{
    unsigned char sealed[GLUE_SEALED_KEY_LEN];
    EXPECT(glue_ticket_key_mint(wrapping, prefix, 5, 5, sealed, &err) == GLUE_ERROR);
    EXPECT_ERROR(&err, GLUE_E_INVALID_ARGUMENT);
    EXPECT(glue_ticket_key_mint(wrapping, prefix, 0, UINT64_MAX, sealed, &err) == GLUE_ERROR);
    EXPECT_ERROR(&err, GLUE_E_INVALID_ARGUMENT);
}

/* The memory stays mapped, so that one may look. */
static void the_last_reference_wipes_the_key(void)
{
    static const unsigned char zeros[64];
    unsigned char sealed[GLUE_SEALED_KEY_LEN];
    mint(sealed);
    glue_ticket_key *key = glue_ticket_key_open(wrapping, sealed, sizeof(sealed), &err);
    NEED(key != NULL);
    const unsigned char *memory = key->secret;
    glue_ticket_key_free(glue_ticket_key_up_ref(key));
    EXPECT(memcmp(memory, zeros, sizeof(zeros)) != 0);
    glue_ticket_key_free(key);
    EXPECT(memcmp(memory, zeros, sizeof(zeros)) == 0);
    glue_ticket_key_free(NULL);
}

/* A page has sixteen; what is given back is used again. */
static void there_is_memory_for_many_secrets(void)
{
    void *secrets[100];
    for (size_t i = 0; i < 100; i++) {
        secrets[i] = glue_secret_new();
        NEED(secrets[i] != NULL);
        memset(secrets[i], (int)i + 1, GLUE_SECRET_MAX);
    }
    for (size_t i = 0; i < 100; i++) {
        EXPECT_INT(((unsigned char *)secrets[i])[GLUE_SECRET_MAX - 1], i + 1);
        glue_secret_free(secrets[i]);
    }
    unsigned char *again = glue_secret_new();
    NEED(again != NULL);
    EXPECT_INT(again[0], 0);
    glue_secret_free(again);
    glue_secret_free(NULL);
}

static bool seal_and_open(glue_error *error)
{
    unsigned char sealed[GLUE_SEALED_KEY_LEN];
    if (glue_ticket_key_mint(wrapping, prefix, 1, 2, sealed, error) != GLUE_OK) {
        return false;
    }
    glue_ticket_key *key = glue_ticket_key_open(wrapping, sealed, sizeof(sealed), error);
    glue_ticket_key_free(key);
    return key != NULL;
}

static void no_allocation_that_fails_does_harm(void)
{
    testlib_faults_each(seal_and_open, 1);
}

static void memory_that_openssl_gives_back_has_no_key(void)
{
    unsigned char sealed[GLUE_SEALED_KEY_LEN];
    mint(sealed);
    glue_ticket_key *key = glue_ticket_key_open(wrapping, sealed, sizeof(sealed), &err);
    NEED(key != NULL);
    testlib_secret_watch(key->secret, 16);
    glue_ticket_key_free(glue_ticket_key_open(wrapping, sealed, sizeof(sealed), &err));
    EXPECT_INT(testlib_secret_seen(), 0);
    testlib_secret_watch(wrapping, 16);
    EXPECT(seal_and_open(&err));
    EXPECT_INT(testlib_secret_seen(), 0);
    glue_ticket_key_free(key);
}

static const test_case cases[] = {
    {"a sealed key is opened again", a_sealed_key_is_opened_again},
    {"no two keys are alike, and none is in the clear", no_two_keys_are_alike_nor_in_the_clear},
    {"a bit that changes is noticed, wherever it is", a_bit_that_changes_is_noticed},
    {"other lengths are no keys", other_lengths_are_no_keys},
    {"random bytes are no keys", random_bytes_are_no_keys},
    {"another wrapping key opens nothing", another_wrapping_key_opens_nothing},
    {"times in the wrong order make no key", times_in_the_wrong_order_make_no_key},
    {"the last reference wipes the key", the_last_reference_wipes_the_key},
    {"there is memory for many secrets", there_is_memory_for_many_secrets},
    {"no allocation that fails does harm", no_allocation_that_fails_does_harm},
    {"memory that OpenSSL gives back has no key", memory_that_openssl_gives_back_has_no_key},
};

TESTLIB_MAIN(cases)
