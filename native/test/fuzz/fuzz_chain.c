/*
 * fuzz_chain.c - the loader of private keys with certificate chains, from memory.
 *
 * An input is a recipe: bytes from 0x80 on stand for PEM objects made at the start (so that no key
 * is in the tree and the state machine is reached at once), a byte 0xff for the next object without
 * its end; all others are themselves.
 *
 * Target functions: glue_chains_parse, glue_chains_count, glue_chains_key_type, glue_chains_cert,
 * glue_chains_free.
 */
#include <string.h>

#include "../testlib.h"
#include "fuzz.h"

enum { PEM_MAX = 1 << 18, PIECES = 16, HALVED = 0xff };

static const char *pieces[PIECES];
static char pem[PEM_MAX];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    testlib_library();
    const test_identity *ec = testlib_self_signed("EC", "ec.example.org");
    const test_identity *other = testlib_self_signed("EC", "other.example.org");
    const test_identity *rsa = testlib_self_signed("RSA", "rsa.example.org");
    const test_identity *ed = testlib_self_signed("ED25519", "ed.example.org");
    const test_identity *ml = testlib_self_signed("ML-DSA-44", "ml.example.org");
    const char *made[PIECES] = {
        testlib_pem_key(ec),
        testlib_pem_cert(ec),
        testlib_pem_traditional_key(ec),
        testlib_pem_key(other),
        testlib_pem_cert(other),
        testlib_pem_key(rsa),
        testlib_pem_cert(rsa),
        testlib_pem_traditional_key(rsa),
        testlib_pem_key(ed),
        testlib_pem_cert(ed),
        testlib_pem_key(ml),
        testlib_pem_cert(ml),
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n",
        "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
        "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n",
    };
    memcpy(pieces, made, sizeof(pieces));
    return 0;
}

static size_t cook(const uint8_t *recipe, size_t size)
{
    size_t length = 0;
    bool halved = false;
    for (size_t i = 0; i < size; i++) {
        if (recipe[i] == HALVED) {
            halved = true;
            continue;
        }
        const char *piece = pieces[recipe[i] % PIECES];
        size_t n = recipe[i] < 0x80 ? 1 : strlen(piece) / (halved ? 2 : 1);
        halved = false;
        if (length + n > sizeof(pem)) {
            break;
        }
        memcpy(pem + length, recipe[i] < 0x80 ? (const char *)&recipe[i] : piece, n);
        length += n;
    }
    return length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    glue_error err;
    glue_chain_cert cert;
    size_t length = cook(data, size);
    glue_chains *chains = glue_chains_parse(pem, length, "fuzz", NULL, &err);
    if (chains == NULL) {
        FUZZ_STATE(err.message[0] != '\0');
        return 0;
    }
    FUZZ_STATE(glue_chains_count(chains) > 0);
    for (size_t i = 0; i < glue_chains_count(chains); i++) {
        FUZZ_STATE(glue_chains_key_type(chains, i)[0] != '\0');
        FUZZ_STATE(glue_chains_cert(chains, i, 0, &cert));
    }
    glue_chains_free(chains);
    return 0;
}
