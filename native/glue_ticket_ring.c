/*
 * glue_ticket_ring.c - the ticket keys in use, one ring per process and name, read without a lock.
 *
 * What handshakes see is a set: next, active, previous and former, never changed once it is
 * published. The ring points to the current one; an install publishes another. A handshake pins one
 * set and keeps it until it is done. The last to let go of a set, be it the ring or a handshake,
 * lets go of its keys, and the last to let go of a key wipes it.
 *
 * How a set is pinned although it may be replaced between the load of the pointer and the count:
 * the memory of sets belongs to the ring and stays a set's until the ring itself goes, so that a
 * count may always be looked at. A reader raises it by compare-and-swap, and only where it is not
 * zero. Zero means that the set has been replaced and left by all: the reader loads the pointer
 * anew. Above zero it holds a set that was current at its load, or one that has been published, or
 * is just about to be, in the same memory since: good in either case. Readers never wait for a
 * writer; one repeats its attempt only when a whole rotation has passed in between.
 *
 * Order: a writer fills a set while its count is zero and nobody may read it, then releases the
 * count; the compare-and-swap that raises it acquires. A set is vacant, and may be filled again,
 * when its last holder says so, after it has dropped the keys (release and acquire of `vacant`).
 *
 * Writers, a few an hour, take a mutex. Contexts hold references of the ring, connections of their
 * contexts: a pin cannot outlive it.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <openssl/rand.h>

#include "glue_ticket_key.h"
#include "glue_ticket_ring.h"

#define WRAPPING_LEN ((size_t)GLUE_WRAPPING_KEY_LEN)

struct glue_ticket_ring {
    glue_ticket_ring *next; /* registry */
    unsigned openers;       /* under the registry's mutex */
    atomic_int references;
    char *name;
    unsigned char *wrapping; /* in memory for secrets */
    unsigned char prefix[GLUE_KEY_PREFIX_LEN];
    _Atomic(glue_ticket_set *) current; /* never NULL */
    pthread_mutex_t writer;
    uint64_t generation;   /* under `writer`, as `sets` */
    glue_ticket_set *sets; /* all there are, in use or vacant */
    glue_ticket_set *none; /* put aside for the end, which must not fail */
    glue_ticket_names names;
};

static pthread_mutex_t registry_mutex = PTHREAD_MUTEX_INITIALIZER;
static glue_ticket_ring *registry;

/* ------------------------------------------------------------------ sets */

glue_ticket_set *glue_ticket_ring_pin(glue_ticket_ring *ring)
{
    for (;;) {
        glue_ticket_set *set = atomic_load_explicit(&ring->current, memory_order_acquire);
        int pins = atomic_load_explicit(&set->pins, memory_order_relaxed);
        while (pins > 0) {
            if (atomic_compare_exchange_weak_explicit(&set->pins, &pins, pins + 1,
                                                      memory_order_acquire, memory_order_relaxed)) {
                return set;
            }
        }
    }
}

/* Nobody has it, and nobody can get it. */
static void empty_set(glue_ticket_set *set)
{
    for (size_t i = 0; i < GLUE_TICKET_ROLES; i++) {
        glue_ticket_key_free(set->keys[i]);
        set->keys[i] = NULL;
    }
    atomic_store_explicit(&set->vacant, true, memory_order_release);
}

void glue_ticket_ring_unpin(glue_ticket_set *set)
{
    if (set != NULL && atomic_fetch_sub_explicit(&set->pins, 1, memory_order_acq_rel) == 1) {
        empty_set(set);
    }
}

/* A set to be filled, which nobody can pin yet; NULL: no memory. Under `writer`. */
static glue_ticket_set *vacant_set(glue_ticket_ring *ring)
{
    for (glue_ticket_set *set = ring->sets; set != NULL; set = set->next) {
        if (atomic_load_explicit(&set->vacant, memory_order_acquire)) {
            atomic_store_explicit(&set->vacant, false, memory_order_relaxed);
            return set;
        }
    }
    glue_ticket_set *set = OPENSSL_zalloc(sizeof(*set));
    if (set != NULL) {
        set->next = ring->sets;
        ring->sets = set;
    }
    return set;
}

/* The ring's own pin goes over from the former set to this one. Under `writer`. */
static void publish(glue_ticket_ring *ring, glue_ticket_set *set)
{
    atomic_store_explicit(&set->pins, 1, memory_order_release);
    glue_ticket_ring_unpin(atomic_exchange_explicit(&ring->current, set, memory_order_acq_rel));
    ring->generation++;
}

const glue_ticket_key *glue_ticket_set_find(const glue_ticket_set *set, const unsigned char *name,
                                            glue_ticket_role *role)
{
    for (size_t i = 0; i < GLUE_TICKET_ROLES; i++) {
        const glue_ticket_key *key = set->keys[i];
        if (key != NULL && memcmp(key->name, name, sizeof(key->name)) == 0) {
            *role = (glue_ticket_role)i;
            return key;
        }
    }
    return NULL;
}

/* ------------------------------------------------------------------ names that are asked for */

bool glue_ticket_ring_asks(glue_ticket_ring *ring, const unsigned char *name, uint64_t now)
{
    if (memcmp(name, ring->prefix, sizeof(ring->prefix)) != 0) {
        return false;
    }
    glue_ticket_role role;
    glue_ticket_set *set = glue_ticket_ring_pin(ring);
    bool known = glue_ticket_set_find(set, name, &role) != NULL;
    glue_ticket_ring_unpin(set);
    return !known && glue_ticket_names_ask(&ring->names, name, now);
}

void glue_ticket_ring_answered(glue_ticket_ring *ring, const unsigned char *name, uint64_t now)
{
    glue_ticket_names_answered(&ring->names, name, now);
}

/* ------------------------------------------------------------------ the wrapping key */

static glue_status wrapping_error(glue_error *err, const char *file, const char *why)
{
    return glue_error_set(err, GLUE_E_WRAPPING_KEY, "the wrapping key in %.240s %s", file, why);
}

/* Exactly 32 bytes: a file with a line end behind them is a mistake that would go unseen. */
static glue_status read_wrapping(const char *file, unsigned char *wrapping, glue_error *err)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return glue_error_set_errno(err, GLUE_E_WRAPPING_KEY, errno,
                                    "the wrapping key in %.240s cannot be read", file);
    }
    unsigned char more;
    ssize_t got = read(fd, wrapping, WRAPPING_LEN);
    int failure = got < 0 ? errno : 0;
    bool exact = got == (ssize_t)WRAPPING_LEN && read(fd, &more, 1) == 0;
    close(fd);
    if (failure != 0) {
        return glue_error_set_errno(err, GLUE_E_WRAPPING_KEY, failure,
                                    "the wrapping key in %.240s cannot be read", file);
    }
    return exact ? GLUE_OK : wrapping_error(err, file, "is not 32 bytes long");
}

static glue_status get_wrapping(const glue_wrapping *wrapping, unsigned char *out, glue_error *err)
{
    if (wrapping->key != NULL) {
        memcpy(out, wrapping->key, WRAPPING_LEN);
        return GLUE_OK;
    }
    if (wrapping->file != NULL) {
        return read_wrapping(wrapping->file, out, err);
    }
    return RAND_priv_bytes(out, WRAPPING_LEN) == 1
               ? GLUE_OK
               : glue_error_openssl(err, GLUE_E_OPENSSL, "no wrapping key");
}

/* The same on all hosts with this wrapping key, and says nothing about it. */
static bool derive_prefix(glue_ticket_ring *ring)
{
    static const unsigned char label[] = "mxtls ticket key names 1";
    unsigned char digest[32];
    size_t len = 0;
    bool ok = EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, ring->wrapping, WRAPPING_LEN, label,
                        sizeof(label) - 1, digest, sizeof(digest), &len) != NULL;
    if (ok) {
        memcpy(ring->prefix, digest, sizeof(ring->prefix));
    }
    return ok;
}

/* ------------------------------------------------------------------ life */

static void destroy(glue_ticket_ring *ring)
{
    glue_ticket_set *set = atomic_load_explicit(&ring->current, memory_order_acquire);
    if (set != NULL) {
        glue_ticket_ring_unpin(set);
    }
    for (set = ring->sets; set != NULL;) {
        glue_ticket_set *next = set->next;
        OPENSSL_free(set);
        set = next;
    }
    glue_secret_free(ring->wrapping);
    OPENSSL_free(ring->name);
    pthread_mutex_destroy(&ring->writer);
    OPENSSL_free(ring);
}

static glue_ticket_ring *make(const char *name, const glue_wrapping *wrapping, glue_error *err)
{
    ERR_clear_error();
    glue_ticket_ring *ring = OPENSSL_zalloc(sizeof(*ring));
    if (ring == NULL) {
        glue_error_openssl(err, GLUE_E_OUT_OF_MEMORY, NULL);
        return NULL;
    }
    atomic_init(&ring->references, 1);
    pthread_mutex_init(&ring->writer, NULL);
    ring->name = OPENSSL_strdup(name);
    ring->wrapping = glue_secret_new();
    ring->none = vacant_set(ring);
    glue_ticket_set *first = vacant_set(ring);
    if (ring->name == NULL || ring->wrapping == NULL || ring->none == NULL || first == NULL) {
        glue_error_openssl(err, GLUE_E_OUT_OF_MEMORY, NULL);
        destroy(ring);
        return NULL;
    }
    atomic_store_explicit(&first->pins, 1, memory_order_release);
    atomic_store_explicit(&ring->current, first, memory_order_release);
    if (get_wrapping(wrapping, ring->wrapping, err) != GLUE_OK) {
        destroy(ring);
        return NULL;
    }
    if (!derive_prefix(ring)) {
        glue_error_openssl(err, GLUE_E_OPENSSL, "no names for ticket keys");
        destroy(ring);
        return NULL;
    }
    return ring;
}

/* Nobody may share keys unknowingly, nor lose them because the first one chose otherwise. */
static bool same_wrapping(const glue_ticket_ring *ring, const glue_wrapping *wrapping,
                          glue_error *err)
{
    if (wrapping->key == NULL && wrapping->file == NULL) {
        return true;
    }
    unsigned char *other = glue_secret_new();
    if (other == NULL) {
        glue_error_openssl(err, GLUE_E_OUT_OF_MEMORY, NULL);
        return false;
    }
    bool got = get_wrapping(wrapping, other, err) == GLUE_OK;
    bool same = got && CRYPTO_memcmp(ring->wrapping, other, WRAPPING_LEN) == 0;
    glue_secret_free(other);
    if (got && !same) {
        glue_error_set(err, GLUE_E_WRAPPING_KEY,
                       "the ticket keys \"%.100s\" are in use with another wrapping key",
                       ring->name);
    }
    return same;
}

/* With a reference: one whose last is being dropped is passed over. Under the registry's mutex. */
static glue_ticket_ring *find(const char *name)
{
    for (glue_ticket_ring *ring = registry; ring != NULL; ring = ring->next) {
        int references = atomic_load_explicit(&ring->references, memory_order_relaxed);
        while (strcmp(ring->name, name) == 0 && references > 0) {
            if (atomic_compare_exchange_weak_explicit(&ring->references, &references,
                                                      references + 1, memory_order_relaxed,
                                                      memory_order_relaxed)) {
                return ring;
            }
        }
    }
    return NULL;
}

glue_ticket_ring *glue_ticket_ring_open(const char *name, const glue_wrapping *wrapping,
                                        glue_error *err)
{
    if (glue_library_conn_index() < 0) {
        glue_error_set(err, GLUE_E_INVALID_STATE, "the TLS library is not initialised");
        return NULL;
    }
    pthread_mutex_lock(&registry_mutex);
    glue_ticket_ring *ring = find(name);
    bool usable = ring == NULL || same_wrapping(ring, wrapping, err);
    if (ring == NULL) {
        ring = make(name, wrapping, err);
        if (ring != NULL) {
            ring->next = registry;
            registry = ring;
        }
    }
    if (ring != NULL && usable) {
        ring->openers++;
    }
    pthread_mutex_unlock(&registry_mutex);
    if (!usable) {
        glue_ticket_ring_free(ring);
        return NULL;
    }
    return ring;
}

/* From here on another ring may have the name; idempotent. Under the registry's mutex. */
static void unregister(glue_ticket_ring *ring)
{
    glue_ticket_ring **at = &registry;
    while (*at != NULL && *at != ring) {
        at = &(*at)->next;
    }
    if (*at == ring) {
        *at = ring->next;
    }
}

/* Contexts may have the ring for as long as they like: an empty one. */
static void forget_keys(glue_ticket_ring *ring)
{
    pthread_mutex_lock(&ring->writer);
    publish(ring, ring->none);
    pthread_mutex_unlock(&ring->writer);
}

void glue_ticket_ring_close(glue_ticket_ring *ring)
{
    pthread_mutex_lock(&registry_mutex);
    bool last = --ring->openers == 0;
    if (last) {
        unregister(ring);
    }
    pthread_mutex_unlock(&registry_mutex);
    if (last) {
        forget_keys(ring);
    }
    glue_ticket_ring_free(ring);
}

void glue_ticket_ring_abandon(glue_ticket_ring *ring)
{
    pthread_mutex_lock(&registry_mutex);
    ring->openers--;
    pthread_mutex_unlock(&registry_mutex);
    glue_ticket_ring_free(ring);
}

glue_ticket_ring *glue_ticket_ring_up_ref(glue_ticket_ring *ring)
{
    if (ring != NULL) {
        atomic_fetch_add_explicit(&ring->references, 1, memory_order_relaxed);
    }
    return ring;
}

void glue_ticket_ring_free(glue_ticket_ring *ring)
{
    if (ring != NULL &&
        atomic_fetch_sub_explicit(&ring->references, 1, memory_order_acq_rel) == 1) {
        pthread_mutex_lock(&registry_mutex);
        unregister(ring);
        pthread_mutex_unlock(&registry_mutex);
        destroy(ring);
    }
}

/* ------------------------------------------------------------------ keys in and out, sealed */

const unsigned char *glue_ticket_ring_prefix(const glue_ticket_ring *ring)
{
    return ring->prefix;
}

glue_status glue_ticket_ring_mint(glue_ticket_ring *ring, uint64_t active_from, uint64_t expires,
                                  unsigned char sealed[GLUE_SEALED_KEY_LEN], glue_error *err)
{
    return glue_ticket_key_mint(ring->wrapping, ring->prefix, active_from, expires, sealed, err);
}

glue_status glue_ticket_ring_check(glue_ticket_ring *ring, const unsigned char *sealed, size_t len,
                                   glue_error *err)
{
    glue_ticket_key *key = glue_ticket_key_open(ring->wrapping, sealed, len, err);
    glue_ticket_key_free(key);
    return key == NULL ? GLUE_ERROR : GLUE_OK;
}

/* The one in use where it is the same, so that a key is in memory once. Under `writer`. */
static glue_ticket_key *get_key(glue_ticket_ring *ring, const unsigned char *sealed,
                                glue_error *err)
{
    const glue_ticket_set *set = atomic_load_explicit(&ring->current, memory_order_relaxed);
    for (size_t i = 0; i < GLUE_TICKET_ROLES; i++) {
        glue_ticket_key *key = set->keys[i];
        if (key != NULL && memcmp(key->sealed, sealed, sizeof(key->sealed)) == 0) {
            return glue_ticket_key_up_ref(key);
        }
    }
    return glue_ticket_key_open(ring->wrapping, sealed, GLUE_SEALED_KEY_LEN, err);
}

/* Under `writer`; what a failure leaves in the set goes with it. */
static glue_status fill(glue_ticket_ring *ring, const glue_ticket_keys *keys, glue_ticket_set *set,
                        glue_error *err)
{
    const unsigned char *const sealed[GLUE_TICKET_ROLES] = {keys->next, keys->active,
                                                            keys->previous, keys->former};
    for (size_t i = 0; i < GLUE_TICKET_ROLES; i++) {
        set->keys[i] = sealed[i] == NULL ? NULL : get_key(ring, sealed[i], err);
        if (sealed[i] != NULL && set->keys[i] == NULL) {
            return GLUE_ERROR;
        }
    }
    return GLUE_OK;
}

static bool same_keys(const glue_ticket_set *a, const glue_ticket_set *b)
{
    return memcmp(a->keys, b->keys, sizeof(a->keys)) == 0;
}

static glue_status replace(glue_ticket_ring *ring, const glue_ticket_keys *keys, glue_error *err)
{
    glue_ticket_set *set = vacant_set(ring);
    if (set == NULL) {
        return glue_error_openssl(err, GLUE_E_OUT_OF_MEMORY, NULL);
    }
    glue_status status = fill(ring, keys, set, err);
    const glue_ticket_set *current = atomic_load_explicit(&ring->current, memory_order_relaxed);
    if (status == GLUE_OK && !same_keys(set, current)) {
        publish(ring, set);
        return GLUE_OK;
    }
    empty_set(set);
    return status;
}

glue_status glue_ticket_ring_install(glue_ticket_ring *ring, const glue_ticket_keys *keys,
                                     uint64_t generation, bool *installed, glue_error *err)
{
    pthread_mutex_lock(&ring->writer);
    *installed = ring->generation == generation;
    glue_status status = *installed ? replace(ring, keys, err) : GLUE_OK;
    pthread_mutex_unlock(&ring->writer);
    return status;
}

uint64_t glue_ticket_ring_copy(glue_ticket_ring *ring, glue_ticket_copies *copies)
{
    pthread_mutex_lock(&ring->writer);
    const glue_ticket_set *set = atomic_load_explicit(&ring->current, memory_order_relaxed);
    for (size_t i = 0; i < GLUE_TICKET_ROLES; i++) {
        const glue_ticket_key *key = set->keys[i];
        copies->present[i] = key != NULL;
        if (key != NULL) {
            memcpy(copies->sealed[i], key->sealed, sizeof(key->sealed));
        }
    }
    uint64_t generation = ring->generation;
    pthread_mutex_unlock(&ring->writer);
    return generation;
}
