/*
 * glue_ticket_key.c - a key of session tickets: made, sealed, opened, wiped.
 *
 * Sealed is what leaves native code: AES-256-GCM under a wrapping key of 32 bytes, with name and
 * times readable and authenticated, and a random nonce. Opened, a key lies in memory that is locked
 * (mlock(2); a refusal is no error), excluded from core dumps (MADV_DONTDUMP), shared with no other
 * data, and wiped when the last reference goes. OpenSSL keeps copies of its own in the contexts of
 * a handshake that is making or opening a ticket, and wipes those.
 *
 * Postfix's keys are the same 16, 32 and 32 bytes (tls_scache.c), and travel in the clear.
 * A blob that cannot be opened is TICKET_KEY: altered, or from somebody with another wrapping key.
 */
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/rand.h>

#include "glue_ticket_key.h"

/* Where things are in a sealed key. */
#define AT_NAME 4u
#define AT_ACTIVE_FROM 20u
#define AT_EXPIRES 28u
#define AT_NONCE 36u
#define AT_SECRET 48u
#define AT_TAG 112u
#define NONCE_LEN 12
#define SECRET_LEN 64
#define TAG_LEN 16

/* What it is, and its version: part of what is authenticated. */
static const unsigned char magic[AT_NAME] = {'m', 'x', 't', '1'};

/* What a JavaScript Date holds, in milliseconds. */
#define LAST_TIME 8640000000000000u

/* ------------------------------------------------------------------ memory for secrets */

#define CELL_LEN 256u

typedef struct cell {
    atomic_bool used;
    _Alignas(8) unsigned char data[GLUE_SECRET_MAX];
} cell;

_Static_assert(sizeof(cell) <= CELL_LEN, "a cell holds its secret");
_Static_assert(sizeof(glue_ticket_key) <= GLUE_SECRET_MAX, "a key is a secret");

/* Never given back: there are as many as were once in use, a handful. */
typedef struct page {
    struct page *next;
    unsigned char *memory;
    size_t cells;
} page;

static pthread_mutex_t pages_mutex = PTHREAD_MUTEX_INITIALIZER;
static page *pages;

static page *add_page(void)
{
    long size = sysconf(_SC_PAGESIZE);
    page *made = OPENSSL_zalloc(sizeof(*made));
    if (made == NULL || size < (long)CELL_LEN) {
        OPENSSL_free(made);
        return NULL;
    }
    void *memory =
        mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        OPENSSL_free(made);
        return NULL;
    }
    (void)mlock(memory, (size_t)size);
    (void)madvise(memory, (size_t)size, MADV_DONTDUMP);
    made->memory = memory;
    made->cells = (size_t)size / CELL_LEN;
    made->next = pages;
    pages = made;
    return made;
}

static void *take_cell(const page *from)
{
    for (size_t i = 0; i < from->cells; i++) {
        cell *found = (cell *)(void *)(from->memory + i * CELL_LEN);
        if (!atomic_load_explicit(&found->used, memory_order_acquire)) {
            atomic_store_explicit(&found->used, true, memory_order_relaxed);
            return found->data;
        }
    }
    return NULL;
}

void *glue_secret_new(void)
{
    void *secret = NULL;
    pthread_mutex_lock(&pages_mutex);
    for (const page *at = pages; at != NULL && secret == NULL; at = at->next) {
        secret = take_cell(at);
    }
    const page *more = secret == NULL ? add_page() : NULL;
    if (more != NULL) {
        secret = take_cell(more);
    }
    pthread_mutex_unlock(&pages_mutex);
    return secret;
}

void glue_secret_free(void *secret)
{
    if (secret != NULL) {
        cell *freed = (cell *)(void *)((unsigned char *)secret - offsetof(cell, data));
        OPENSSL_cleanse(freed->data, sizeof(freed->data));
        atomic_store_explicit(&freed->used, false, memory_order_release);
    }
}

/* ------------------------------------------------------------------ sealing */

static void put_time(unsigned char *at, uint64_t time)
{
    for (int i = 7; i >= 0; i--, time >>= 8) {
        at[i] = (unsigned char)time;
    }
}

static uint64_t get_time(const unsigned char *at)
{
    uint64_t time = 0;
    for (int i = 0; i < 8; i++) {
        time = time << 8 | at[i];
    }
    return time;
}

/* Ready for the secret, all that is before it authenticated. */
static bool begin(EVP_CIPHER_CTX *ctx, const unsigned char *wrapping, const unsigned char *sealed,
                  int encrypt)
{
    int len;
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    bool ok = cipher != NULL &&
              EVP_CipherInit_ex2(ctx, cipher, wrapping, sealed + AT_NONCE, encrypt, NULL) == 1 &&
              EVP_CipherUpdate(ctx, NULL, &len, sealed, AT_SECRET) == 1;
    EVP_CIPHER_free(cipher);
    return ok;
}

static bool seal(EVP_CIPHER_CTX *ctx, const unsigned char *wrapping, const unsigned char *secret,
                 unsigned char *sealed)
{
    int len;
    return begin(ctx, wrapping, sealed, 1) &&
           EVP_EncryptUpdate(ctx, sealed + AT_SECRET, &len, secret, SECRET_LEN) == 1 &&
           EVP_EncryptFinal_ex(ctx, sealed + AT_TAG, &len) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, sealed + AT_TAG) == 1;
}

static bool unseal(EVP_CIPHER_CTX *ctx, const unsigned char *wrapping, const unsigned char *sealed,
                   unsigned char *secret)
{
    int len;
    unsigned char tag[TAG_LEN];
    memcpy(tag, sealed + AT_TAG, sizeof(tag));
    return begin(ctx, wrapping, sealed, 0) &&
           EVP_DecryptUpdate(ctx, secret, &len, sealed + AT_SECRET, SECRET_LEN) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, tag) == 1 &&
           EVP_DecryptFinal_ex(ctx, secret + len, &len) == 1;
}

/* ------------------------------------------------------------------ making */

static bool make(const unsigned char *wrapping, const unsigned char *prefix, unsigned char *secret,
                 unsigned char *sealed)
{
    unsigned char *name = sealed + AT_NAME;
    memcpy(sealed, magic, sizeof(magic));
    memcpy(name, prefix, GLUE_KEY_PREFIX_LEN);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool ok =
        ctx != NULL &&
        RAND_bytes(name + GLUE_KEY_PREFIX_LEN, GLUE_KEY_NAME_LEN - GLUE_KEY_PREFIX_LEN) == 1 &&
        RAND_bytes(sealed + AT_NONCE, NONCE_LEN) == 1 && RAND_priv_bytes(secret, SECRET_LEN) == 1 &&
        seal(ctx, wrapping, secret, sealed);
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}

glue_status glue_ticket_key_mint(const unsigned char *wrapping, const unsigned char *prefix,
                                 uint64_t active_from, uint64_t expires, unsigned char *sealed,
                                 glue_error *err)
{
    if (active_from >= expires || expires > LAST_TIME) {
        return glue_error_set(err, GLUE_E_INVALID_ARGUMENT,
                              "a ticket key becomes active before it expires");
    }
    ERR_clear_error();
    unsigned char *secret = glue_secret_new();
    if (secret == NULL) {
        return glue_error_openssl(err, GLUE_E_OUT_OF_MEMORY, NULL);
    }
    put_time(sealed + AT_ACTIVE_FROM, active_from);
    put_time(sealed + AT_EXPIRES, expires);
    bool ok = make(wrapping, prefix, secret, sealed);
    glue_secret_free(secret);
    return ok ? GLUE_OK : glue_error_openssl(err, GLUE_E_OPENSSL, "no key for session tickets");
}

/* ------------------------------------------------------------------ opening */

static bool well_formed(const unsigned char *sealed, size_t len)
{
    return len == GLUE_SEALED_KEY_LEN && memcmp(sealed, magic, sizeof(magic)) == 0 &&
           get_time(sealed + AT_ACTIVE_FROM) < get_time(sealed + AT_EXPIRES) &&
           get_time(sealed + AT_EXPIRES) <= LAST_TIME;
}

glue_ticket_key *glue_ticket_key_open(const unsigned char *wrapping, const unsigned char *sealed,
                                      size_t len, glue_error *err)
{
    ERR_clear_error();
    if (!well_formed(sealed, len)) {
        glue_error_set(err, GLUE_E_TICKET_KEY, "this is no sealed ticket key");
        return NULL;
    }
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    glue_ticket_key *key = ctx == NULL ? NULL : glue_secret_new();
    if (key == NULL) {
        EVP_CIPHER_CTX_free(ctx);
        glue_error_openssl(err, GLUE_E_OUT_OF_MEMORY, NULL);
        return NULL;
    }
    bool ok = unseal(ctx, wrapping, sealed, key->secret);
    EVP_CIPHER_CTX_free(ctx);
    if (!ok) {
        glue_secret_free(key);
        glue_error_openssl(err, GLUE_E_TICKET_KEY,
                           "a ticket key was altered, or sealed by another wrapping key");
        return NULL;
    }
    atomic_init(&key->references, 1);
    memcpy(key->name, sealed + AT_NAME, sizeof(key->name));
    key->active_from = get_time(sealed + AT_ACTIVE_FROM);
    key->expires = get_time(sealed + AT_EXPIRES);
    memcpy(key->sealed, sealed, sizeof(key->sealed));
    return key;
}

glue_ticket_key *glue_ticket_key_up_ref(glue_ticket_key *key)
{
    if (key != NULL) {
        atomic_fetch_add_explicit(&key->references, 1, memory_order_relaxed);
    }
    return key;
}

void glue_ticket_key_free(glue_ticket_key *key)
{
    if (key != NULL && atomic_fetch_sub_explicit(&key->references, 1, memory_order_acq_rel) == 1) {
        glue_secret_free(key);
    }
}
