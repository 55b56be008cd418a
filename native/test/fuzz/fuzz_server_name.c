/*
 * fuzz_server_name.c - server names in an otherwise proper TLS 1.3 ClientHello.
 *
 * The input is the name. One that is asked about is the name as sent, of letters, digits, '-', '_'
 * and dots between labels of 1 to 63 bytes, at most 253 in all.
 *
 * Target functions: note_server_name and valid_hostname of glue_hello.c, through the handshake.
 */
#include <ctype.h>
#include <string.h>

#include "fuzz.h"
#include "server.h"

enum { HELLO_MAX = 1024, NAME_MAX_SENT = 600 };

typedef struct writer {
    uint8_t data[HELLO_MAX];
    size_t size;
} writer;

static void put(writer *out, const void *data, size_t size)
{
    memcpy(out->data + out->size, data, size);
    out->size += size;
}

static void put16(writer *out, size_t value)
{
    put(out, (uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

static void set16(writer *out, size_t at, size_t value)
{
    out->data[at] = (uint8_t)(value >> 8);
    out->data[at + 1] = (uint8_t)value;
}

/* RFC 8446 4.1.2; one key share that is no point anybody has the key of. */
static void hello(writer *out, const uint8_t *name, size_t size)
{
    static const uint8_t head[] = {22, 3, 1, 0, 0, 1, 0, 0, 0, 3, 3};
    static const uint8_t random[32] = {1};
    static const uint8_t ciphers[] = {0, 0, 2, 0x13, 0x01, 1, 0};
    static const uint8_t others[] = {0, 43, 0, 3, 2, 3, 4, 0,  10, 0,  4, 0,  2, 0,  29, 0, 13,
                                     0, 4,  0, 2, 4, 3, 0, 51, 0,  38, 0, 36, 0, 29, 0,  32};
    static const uint8_t share[32] = {9};
    out->size = 0;
    put(out, head, sizeof(head));
    put(out, random, sizeof(random));
    put(out, ciphers, sizeof(ciphers));
    size_t extensions = out->size;
    put16(out, 0);
    put16(out, 0); /* server_name */
    put16(out, size + 5);
    put16(out, size + 3);
    put(out, (uint8_t[]){0}, 1);
    put16(out, size);
    put(out, name, size);
    put(out, others, sizeof(others));
    put(out, share, sizeof(share));
    set16(out, extensions, out->size - extensions - 2);
    set16(out, 7, out->size - 9);
    set16(out, 3, out->size - 5);
}

/* An independent opinion; a name in question must satisfy it. */
static bool looks_like_hostname(const char *name)
{
    size_t label = 0;
    for (const char *c = name; *c != '\0'; c++) {
        if (*c == '.' && label == 0) {
            return false;
        }
        label = *c == '.' ? 0 : label + 1;
        if (label > 63 || (!isalnum((unsigned char)*c) && strchr("-_.", *c) == NULL)) {
            return false;
        }
    }
    return label > 0 && strlen(name) <= 253;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_server_open();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static writer out;
    if (size > NAME_MAX_SENT) {
        return 0;
    }
    hello(&out, data, size);
    fuzz_asked asked = fuzz_server_play(out.data, out.size, 0);
    if ((asked.kinds & GLUE_ASK_CHAIN) != 0) {
        FUZZ_STATE(strlen(asked.name) == size && memcmp(asked.name, data, size) == 0);
        FUZZ_STATE(looks_like_hostname(asked.name));
    }
    return 0;
}
