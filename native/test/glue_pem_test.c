/*
 * glue_pem_test.c - the golden PEM files under the sanitizers, and what becomes of secrets.
 *
 * The name of a golden file says how it ends; the exact words are compared in
 * test/golden/pem.test.ts. Programs run in the top directory of the project.
 */
#include "testlib.h"

#include <dirent.h>
#include <string.h>
#include <unistd.h>

#include "../glue_internal.h"

#define FOLDER "test/golden/pem/"

static glue_error err;
static unsigned notes_seen;

static void count_note(void *arg, const char *text)
{
    (void)arg;
    EXPECT(text[0] != '\0');
    notes_seen++;
}

static const glue_notes notes = {.add = count_note};

/* ------------------------------------------------------------------ golden files */

static bool exists(const char *path)
{
    return access(path, F_OK) == 0 || readlink(path, (char[8]){0}, 8) > 0;
}

/* A case is one file, or NAME.1.pem, NAME.2.pem ... */
static glue_chains *load_case(const char *name)
{
    const char *files[8];
    size_t count = 0;
    files[0] = testlib_text(FOLDER "%s.pem", name);
    if (exists(files[0])) {
        return glue_chains_load(files, 1, &notes, &err);
    }
    for (const char *path = testlib_text(FOLDER "%s.1.pem", name); count < 8 && exists(path);
         path = testlib_text(FOLDER "%s.%zu.pem", name, count + 1)) {
        files[count++] = path;
    }
    return glue_chains_load(files, count, &notes, &err);
}

static glue_chains *load_legacy(const char *name)
{
    const char *cert = testlib_text(FOLDER "%s.pem", name);
    const char *key = testlib_text(FOLDER "%s.key.pem", name);
    glue_chain_pair pair = {"RSA", cert, exists(key) ? key : cert};
    return glue_chains_load_pairs(&pair, 1, &notes, &err);
}

static void expect_outcome(const char *name)
{
    const char *outcome = strncmp(name, "legacy-", 7) == 0 ? name + 7 : name;
    bool bad = strncmp(outcome, "bad-", 4) == 0;
    memset(&err, 0, sizeof(err));
    notes_seen = 0;
    glue_chains *chains = outcome == name ? load_case(name) : load_legacy(name);
    const char *line = testlib_text("%s: %s", name, chains == NULL ? err.message : "loads");
    EXPECT_HAS(line, bad ? name : "loads");
    EXPECT_INT(ERR_peek_error(), 0);
    if (bad) {
        EXPECT(chains == NULL && err.message[0] != '\0' && notes_seen > 0);
    } else if (strncmp(outcome, "good-", 5) == 0) {
        EXPECT_INT(notes_seen, 0);
    }
    glue_chains_free(chains);
}

static void golden_files_end_as_they_are_named(void)
{
    DIR *folder = opendir(FOLDER);
    unsigned count = 0;
    NEED(folder != NULL);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        const char *end = strstr(entry->d_name, ".txt");
        if (end != NULL) {
            expect_outcome(testlib_text("%.*s", (int)(end - entry->d_name), entry->d_name));
            count++;
        }
    }
    closedir(folder);
    EXPECT(count >= 60);
}

/* ------------------------------------------------------------------ secrets */

/* A run of the key's PEM text: what lies in the file, and in the decoder's line buffers. */
static const char *text_of_key(const char *pem)
{
    return testlib_text("%.48s", strchr(pem, '\n') + 1);
}

static void expect_wiped(const char *what, const char *pem, bool loads)
{
    const char *file = testlib_file("secret.pem", pem);
    const char *text = text_of_key(pem);
    testlib_secret_watch(text, strlen(text));
    glue_chains *chains = glue_chains_load(&file, 1, NULL, &err);
    EXPECT(loads == (chains != NULL));
    glue_chains_free(chains);
    EXPECT_STR(testlib_text("%s: %u", what, testlib_secret_seen()), testlib_text("%s: 0", what));
}

static void the_text_of_keys_is_wiped_before_memory_is_given_back(void)
{
    const test_identity *rsa = testlib_self_signed("RSA", "a.example.com");
    const test_identity *mldsa = testlib_self_signed("ML-DSA-87", "b.example.com");
    expect_wiped("PKCS#8", testlib_pem_chain(rsa), true);
    expect_wiped("ML-DSA", testlib_pem_chain(mldsa), true);
    expect_wiped("traditional",
                 testlib_text("%s%s", testlib_pem_traditional_key(rsa), testlib_pem_cert(rsa)),
                 true);
    /* Longer than the first buffer, so that the file's text moves. */
    expect_wiped("long file",
                 testlib_text("%s%s%20000s\n", testlib_pem_key(rsa), testlib_pem_cert(rsa), "x"),
                 true);
    expect_wiped("no certificate", testlib_pem_key(rsa), false);
    expect_wiped("cut", testlib_text("%.900s", testlib_pem_key(rsa)), false);
}

/* How often OpenSSL's own decoder leaves the bytes of a key behind (3.5: it does). */
static unsigned left_by_decoder(const test_identity *id, const unsigned char *raw, size_t len)
{
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(id->key);
    testlib_secret_watch(raw, len);
    EVP_PKEY_free(EVP_PKCS82PKEY(info));
    unsigned seen = testlib_secret_seen();
    PKCS8_PRIV_KEY_INFO_free(info);
    return seen;
}

static void the_loader_leaves_no_bytes_of_a_key_but_what_the_decoder_leaves(void)
{
    const test_identity *id = testlib_self_signed("ED25519", "a.example.com");
    unsigned char raw[32];
    size_t len = sizeof(raw);
    const char *file = testlib_file("ed25519.pem", testlib_pem_chain(id));
    EXPECT_INT(EVP_PKEY_get_raw_private_key(id->key, raw, &len), 1);
    unsigned decoder = left_by_decoder(id, raw, len);
    testlib_secret_watch(raw, len);
    glue_chains_free(glue_chains_load(&file, 1, NULL, &err));
    EXPECT_INT(testlib_secret_seen(), decoder);
}

static void the_watch_sees_what_is_not_wiped(void)
{
    static const char text[] = "a secret of some length";
    char *copy = OPENSSL_strdup(text);
    testlib_secret_watch(text, sizeof(text));
    OPENSSL_free(copy);
    copy = OPENSSL_strdup(text);
    OPENSSL_clear_free(copy, sizeof(text));
    EXPECT_INT(testlib_secret_seen(), 1);
}

static const test_case cases[] = {
    {"golden files end as they are named", golden_files_end_as_they_are_named},
    {"the text of keys is wiped before memory is given back",
     the_text_of_keys_is_wiped_before_memory_is_given_back},
    {"the loader leaves no bytes of a key but what the decoder leaves",
     the_loader_leaves_no_bytes_of_a_key_but_what_the_decoder_leaves},
    {"the watch sees what is not wiped", the_watch_sees_what_is_not_wiped},
};

TESTLIB_MAIN(cases)
