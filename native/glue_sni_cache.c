/*
 * glue_sni_cache.c - which chains a server name has: answers of JavaScript, kept for handshakes.
 *
 * The certificate callback asks here first, so that a name which was asked for before costs no
 * JavaScript. An entry is a name in lower case with its chains, or with none (the name is in no
 * table: the context's own chains). Entries may end with time.
 *
 * Names come from clients, so memory and work are bounded by construction: a name has WAYS places
 * where it may be, and the one that was used longest ago makes room. Names without chains live in a
 * table of their own: whoever invents names drives out nothing that exists. The hash is seeded, and
 * the worst that a collision can do is to make a name be asked for again.
 *
 * Shared by contexts (reference count) and used by many threads at once, under one lock that is
 * held for a few hundred nanoseconds. Owns the names and a reference of each chain. The only
 * failure is lack of memory, after which the name is asked for again.
 */
#include <pthread.h>
#include <string.h>
#include <time.h>

#include <openssl/rand.h>

#include "glue_internal.h"

#define WAYS 16u
#define NAME_SIZE 256u

typedef struct entry {
    uint64_t hash;
    uint64_t used;   /* clock of the last use; 0: empty */
    uint64_t expiry; /* milliseconds, 0: never */
    char *name;      /* owned */
    glue_chains *chains;
} entry;

typedef struct table {
    entry *entries; /* owned; `sets` times WAYS */
    size_t sets;
} table;

struct glue_sni_cache {
    atomic_int references;
    pthread_mutex_t mutex;
    uint64_t seed;
    uint64_t clock;
    table known;   /* with chains */
    table unknown; /* in no table */
};

static bool fold_name(const char *name, char *folded);
static uint64_t hash_name(const glue_sni_cache *cache, const char *name);
static entry *table_find(const table *from, uint64_t hash, const char *name);
static entry *table_place(const table *in, uint64_t hash);
static void entry_clear(entry *gone);
static void forget(glue_sni_cache *cache, uint64_t hash, const char *name);
static void table_clear(table *all);
static bool expired(const entry *found);
static uint64_t now_ms(void);

/* ------------------------------------------------------------------ public: life */

glue_sni_cache *glue_sni_cache_new(size_t limit, glue_error *err)
{
    size_t sets = (limit + WAYS - 1) / WAYS;
    ERR_clear_error();
    glue_sni_cache *cache = OPENSSL_zalloc(sizeof(*cache));
    entry *known = OPENSSL_zalloc((sets == 0 ? 1 : sets) * WAYS * sizeof(entry));
    entry *unknown = OPENSSL_zalloc((sets == 0 ? 1 : sets) * WAYS * sizeof(entry));
    if (cache == NULL || known == NULL || unknown == NULL) {
        OPENSSL_free(cache);
        OPENSSL_free(known);
        OPENSSL_free(unknown);
        glue_error_openssl(err, GLUE_E_OUT_OF_MEMORY, NULL);
        return NULL;
    }
    atomic_init(&cache->references, 1);
    pthread_mutex_init(&cache->mutex, NULL);
    cache->known = (table){known, sets};
    cache->unknown = (table){unknown, sets};
    /* Without randomness there is no TLS either; the seed is then what it is. */
    (void)RAND_bytes((unsigned char *)&cache->seed, sizeof(cache->seed));
    ERR_clear_error();
    return cache;
}

glue_sni_cache *glue_sni_cache_up_ref(glue_sni_cache *cache)
{
    if (cache != NULL) {
        atomic_fetch_add_explicit(&cache->references, 1, memory_order_relaxed);
    }
    return cache;
}

void glue_sni_cache_free(glue_sni_cache *cache)
{
    if (cache == NULL ||
        atomic_fetch_sub_explicit(&cache->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    table_clear(&cache->known);
    table_clear(&cache->unknown);
    OPENSSL_free(cache->known.entries);
    OPENSSL_free(cache->unknown.entries);
    pthread_mutex_destroy(&cache->mutex);
    OPENSSL_free(cache);
}

/* ------------------------------------------------------------------ public: use */

glue_sni_answer glue_sni_cache_find(glue_sni_cache *cache, const char *name, glue_chains **chains)
{
    char folded[NAME_SIZE];
    glue_sni_answer answer = GLUE_SNI_ASK;
    *chains = NULL;
    if (!fold_name(name, folded)) {
        return GLUE_SNI_ASK;
    }
    uint64_t hash = hash_name(cache, folded);
    pthread_mutex_lock(&cache->mutex);
    entry *found = table_find(&cache->known, hash, folded);
    if (found == NULL) {
        found = table_find(&cache->unknown, hash, folded);
    }
    if (found != NULL && expired(found)) {
        entry_clear(found);
        found = NULL;
    }
    if (found != NULL) {
        found->used = ++cache->clock;
        *chains = glue_chains_up_ref(found->chains);
        answer = found->chains != NULL ? GLUE_SNI_CHAINS : GLUE_SNI_DEFAULT;
    }
    pthread_mutex_unlock(&cache->mutex);
    return answer;
}

void glue_sni_cache_put(glue_sni_cache *cache, const char *name, glue_chains *chains,
                        uint64_t ttl_ms)
{
    char folded[NAME_SIZE];
    const table *in = chains != NULL ? &cache->known : &cache->unknown;
    if (in->sets == 0 || !fold_name(name, folded)) {
        return;
    }
    char *copy = OPENSSL_strdup(folded);
    if (copy == NULL) {
        ERR_clear_error();
        return;
    }
    uint64_t hash = hash_name(cache, folded);
    pthread_mutex_lock(&cache->mutex);
    forget(cache, hash, folded);
    entry *place = table_place(in, hash);
    entry_clear(place);
    *place = (entry){
        .hash = hash,
        .used = ++cache->clock,
        .expiry = ttl_ms == 0 ? 0 : now_ms() + ttl_ms,
        .name = copy,
        .chains = glue_chains_up_ref(chains),
    };
    pthread_mutex_unlock(&cache->mutex);
}

void glue_sni_cache_drop(glue_sni_cache *cache, const char *name)
{
    char folded[NAME_SIZE];
    if (name != NULL && !fold_name(name, folded)) {
        return;
    }
    pthread_mutex_lock(&cache->mutex);
    if (name == NULL) {
        table_clear(&cache->known);
        table_clear(&cache->unknown);
    } else {
        forget(cache, hash_name(cache, folded), folded);
    }
    pthread_mutex_unlock(&cache->mutex);
}

/* ------------------------------------------------------------------ names */

/* Lower case, ASCII only, as Postfix folds the keys of its tables. False: too long for a name. */
static bool fold_name(const char *name, char *folded)
{
    size_t i = 0;
    for (; name[i] != '\0'; i++) {
        if (i == NAME_SIZE - 1) {
            return false;
        }
        char c = name[i];
        folded[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
    }
    folded[i] = '\0';
    return true;
}

/* FNV-1a from a secret start. */
static uint64_t hash_name(const glue_sni_cache *cache, const char *name)
{
    uint64_t hash = 14695981039346656037u ^ cache->seed;
    for (const char *c = name; *c != '\0'; c++) {
        hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    }
    return hash ^ hash >> 32;
}

/* ------------------------------------------------------------------ tables */

static entry *table_set(const table *in, uint64_t hash)
{
    return in->entries + (size_t)(hash % in->sets) * WAYS;
}

static entry *table_find(const table *from, uint64_t hash, const char *name)
{
    if (from->sets == 0) {
        return NULL;
    }
    entry *set = table_set(from, hash);
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].used != 0 && set[i].hash == hash && strcmp(set[i].name, name) == 0) {
            return &set[i];
        }
    }
    return NULL;
}

/* An empty place, or that of the name which was used longest ago. */
static entry *table_place(const table *in, uint64_t hash)
{
    entry *set = table_set(in, hash);
    entry *oldest = set;
    for (size_t i = 1; i < WAYS; i++) {
        if (set[i].used < oldest->used) {
            oldest = &set[i];
        }
    }
    return oldest;
}

static void entry_clear(entry *gone)
{
    if (gone != NULL && gone->used != 0) {
        glue_chains_free(gone->chains);
        OPENSSL_free(gone->name);
        memset(gone, 0, sizeof(*gone));
    }
}

static void forget(glue_sni_cache *cache, uint64_t hash, const char *name)
{
    entry_clear(table_find(&cache->known, hash, name));
    entry_clear(table_find(&cache->unknown, hash, name));
}

static void table_clear(table *all)
{
    for (size_t i = 0; i < all->sets * WAYS; i++) {
        entry_clear(&all->entries[i]);
    }
}

/* ------------------------------------------------------------------ time */

static bool expired(const entry *found)
{
    return found->expiry != 0 && now_ms() >= found->expiry;
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
