/*
 * glue_sni_cache_test.c - answers about server names: kept, found in any case, bounded, forgotten,
 * and used by many threads at once.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../glue_internal.h"
#include "testlib.h"

#define NAMES 64
#define ROUNDS 4000

static glue_chains *chains_of(const char *cn)
{
    return testlib_chains(testlib_self_signed("EC", cn), NULL, NULL);
}

static glue_sni_cache *cache_of(size_t limit)
{
    glue_error err;
    glue_sni_cache *cache = glue_sni_cache_new(limit, &err);
    EXPECT(cache != NULL);
    return cache;
}

/* What the cache says of a name; a reference that it hands out is given back. */
static glue_sni_answer find(glue_sni_cache *cache, const char *name)
{
    glue_chains *chains = NULL;
    glue_sni_answer answer = glue_sni_cache_find(cache, name, &chains);
    EXPECT((answer == GLUE_SNI_CHAINS) == (chains != NULL));
    glue_chains_free(chains);
    return answer;
}

static void chains_are_found_by_their_name_in_any_case(void)
{
    glue_chains *chains = chains_of("mx.example.org");
    glue_sni_cache *cache = cache_of(100);
    EXPECT_INT(find(cache, "mx.example.org"), GLUE_SNI_ASK);
    glue_sni_cache_put(cache, "MX.example.org", chains, 0);
    glue_chains *found = NULL;
    EXPECT_INT(glue_sni_cache_find(cache, "mx.Example.ORG", &found), GLUE_SNI_CHAINS);
    EXPECT(found == chains);
    glue_chains_free(found);
    EXPECT_INT(find(cache, "mx2.example.org"), GLUE_SNI_ASK);
    glue_sni_cache_free(cache);
    glue_chains_free(chains);
}

static void chains_outlive_the_cache_while_somebody_has_them(void)
{
    glue_chains *chains = chains_of("mx.example.org");
    glue_sni_cache *cache = cache_of(100);
    glue_sni_cache_put(cache, "mx.example.org", chains, 0);
    glue_chains_free(chains);
    glue_chains *found = NULL;
    EXPECT_INT(glue_sni_cache_find(cache, "mx.example.org", &found), GLUE_SNI_CHAINS);
    glue_sni_cache_free(cache);
    EXPECT_INT(glue_chains_count(found), 1);
    glue_chains_free(found);
}

static void a_name_without_chains_is_remembered_too(void)
{
    glue_sni_cache *cache = cache_of(100);
    glue_sni_cache_put(cache, "none.example.org", NULL, 0);
    EXPECT_INT(find(cache, "none.example.org"), GLUE_SNI_DEFAULT);
    glue_sni_cache_free(cache);
}

static void a_new_answer_takes_the_place_of_the_old_one(void)
{
    glue_chains *chains = chains_of("mx.example.org");
    glue_sni_cache *cache = cache_of(100);
    glue_sni_cache_put(cache, "mx.example.org", NULL, 0);
    glue_sni_cache_put(cache, "mx.example.org", chains, 0);
    EXPECT_INT(find(cache, "mx.example.org"), GLUE_SNI_CHAINS);
    glue_sni_cache_put(cache, "mx.example.org", NULL, 0);
    EXPECT_INT(find(cache, "mx.example.org"), GLUE_SNI_DEFAULT);
    glue_sni_cache_free(cache);
    glue_chains_free(chains);
}

static void a_name_or_all_can_be_forgotten(void)
{
    glue_sni_cache *cache = cache_of(100);
    glue_sni_cache_put(cache, "a.example.org", NULL, 0);
    glue_sni_cache_put(cache, "b.example.org", NULL, 0);
    glue_sni_cache_put(cache, "c.example.org", NULL, 0);
    glue_sni_cache_drop(cache, "A.example.org");
    EXPECT_INT(find(cache, "a.example.org"), GLUE_SNI_ASK);
    EXPECT_INT(find(cache, "b.example.org"), GLUE_SNI_DEFAULT);
    glue_sni_cache_drop(cache, NULL);
    EXPECT_INT(find(cache, "b.example.org"), GLUE_SNI_ASK);
    EXPECT_INT(find(cache, "c.example.org"), GLUE_SNI_ASK);
    glue_sni_cache_free(cache);
}

static void an_answer_ends_with_its_time(void)
{
    glue_sni_cache *cache = cache_of(100);
    glue_sni_cache_put(cache, "short.example.org", NULL, 1);
    glue_sni_cache_put(cache, "long.example.org", NULL, 600000);
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    while (find(cache, "short.example.org") != GLUE_SNI_ASK) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        NEED(now.tv_sec - start.tv_sec < 10);
    }
    EXPECT_INT(find(cache, "long.example.org"), GLUE_SNI_DEFAULT);
    glue_sni_cache_free(cache);
}

/* Sixteen places, all in one set: what was not used for longest goes first. */
static void the_name_used_longest_ago_makes_room(void)
{
    glue_chains *chains = chains_of("mx.example.org");
    glue_sni_cache *cache = cache_of(16);
    char name[32];
    for (int i = 0; i < 16; i++) {
        snprintf(name, sizeof(name), "n%d.example.org", i);
        glue_sni_cache_put(cache, name, chains, 0);
    }
    EXPECT_INT(find(cache, "n0.example.org"), GLUE_SNI_CHAINS);
    glue_sni_cache_put(cache, "new.example.org", chains, 0);
    EXPECT_INT(find(cache, "n0.example.org"), GLUE_SNI_CHAINS);
    EXPECT_INT(find(cache, "n1.example.org"), GLUE_SNI_ASK);
    EXPECT_INT(find(cache, "n2.example.org"), GLUE_SNI_CHAINS);
    EXPECT_INT(find(cache, "new.example.org"), GLUE_SNI_CHAINS);
    glue_sni_cache_free(cache);
    glue_chains_free(chains);
}

static void invented_names_drive_out_nothing_that_exists(void)
{
    glue_chains *chains = chains_of("mx.example.org");
    glue_sni_cache *cache = cache_of(16);
    char name[32];
    glue_sni_cache_put(cache, "mx.example.org", chains, 0);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "n%d.example.org", i);
        glue_sni_cache_put(cache, name, NULL, 0);
    }
    EXPECT_INT(find(cache, "mx.example.org"), GLUE_SNI_CHAINS);
    EXPECT_INT(find(cache, "n999.example.org"), GLUE_SNI_DEFAULT);
    EXPECT_INT(find(cache, "n0.example.org"), GLUE_SNI_ASK);
    glue_sni_cache_free(cache);
    glue_chains_free(chains);
}

static void a_limit_of_nothing_keeps_nothing(void)
{
    glue_sni_cache *cache = cache_of(0);
    glue_sni_cache_put(cache, "mx.example.org", NULL, 0);
    EXPECT_INT(find(cache, "mx.example.org"), GLUE_SNI_ASK);
    glue_sni_cache_drop(cache, "mx.example.org");
    glue_sni_cache_drop(cache, NULL);
    glue_sni_cache_free(cache);
}

static void what_is_too_long_for_a_name_is_not_kept(void)
{
    char name[300];
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    glue_sni_cache *cache = cache_of(16);
    glue_sni_cache_put(cache, name, NULL, 0);
    EXPECT_INT(find(cache, name), GLUE_SNI_ASK);
    glue_sni_cache_drop(cache, name);
    glue_sni_cache_free(cache);
}

/* ------------------------------------------------------------------ threads */

static struct {
    glue_sni_cache *cache;
    glue_chains *chains;
    atomic_int wrong;
} shared;

/* Names with an even number have chains, if they are known; no name ever gets the other answer. */
static void *use(void *arg)
{
    unsigned step = (unsigned)(size_t)arg;
    char name[32];
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned n = i * step % NAMES;
        snprintf(name, sizeof(name), "n%u.example.org", n);
        glue_chains *chains = NULL;
        glue_sni_answer answer = glue_sni_cache_find(shared.cache, name, &chains);
        if (answer == (n % 2 == 0 ? GLUE_SNI_DEFAULT : GLUE_SNI_CHAINS) ||
            (answer == GLUE_SNI_CHAINS && glue_chains_count(chains) != 1)) {
            atomic_fetch_add(&shared.wrong, 1);
        }
        glue_chains_free(chains);
        if (answer == GLUE_SNI_ASK) {
            glue_sni_cache_put(shared.cache, name, n % 2 == 0 ? shared.chains : NULL, i % 3);
        }
        if (i % 97 == 0) {
            glue_sni_cache_drop(shared.cache, i % 2 == 0 ? name : NULL);
        }
    }
    return NULL;
}

static void many_threads_use_it_at_once(void)
{
    pthread_t threads[4];
    shared.chains = chains_of("mx.example.org");
    shared.cache = cache_of(32); /* fewer than there are names: it overflows, too */
    for (size_t i = 0; i < 4; i++) {
        NEED(pthread_create(&threads[i], NULL, use, (void *)(2 * i + 1)) == 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    EXPECT_INT(atomic_load(&shared.wrong), 0);
    glue_sni_cache_free(shared.cache);
    EXPECT_INT(glue_chains_count(shared.chains), 1);
    glue_chains_free(shared.chains);
}

/* ------------------------------------------------------------------ lack of memory */

static bool attempt(glue_error *err)
{
    glue_sni_cache *cache = glue_sni_cache_new(16, err);
    if (cache == NULL) {
        return false;
    }
    glue_sni_cache_put(cache, "mx.example.org", NULL, 0);
    glue_sni_answer answer = find(cache, "mx.example.org");
    glue_sni_cache_free(cache);
    if (answer == GLUE_SNI_ASK) { /* what could not be kept is asked for again */
        glue_error_set(err, GLUE_E_OUT_OF_MEMORY, NULL);
        return false;
    }
    return true;
}

static void without_memory_a_name_is_asked_for_again(void)
{
    testlib_faults_each(attempt, 1);
}

static const test_case cases[] = {
    {"chains are found by their name, in any case", chains_are_found_by_their_name_in_any_case},
    {"chains outlive the cache while somebody has them",
     chains_outlive_the_cache_while_somebody_has_them},
    {"a name without chains is remembered, too", a_name_without_chains_is_remembered_too},
    {"a new answer takes the place of the old one", a_new_answer_takes_the_place_of_the_old_one},
    {"a name, or all, can be forgotten", a_name_or_all_can_be_forgotten},
    {"an answer ends with its time", an_answer_ends_with_its_time},
    {"the name used longest ago makes room", the_name_used_longest_ago_makes_room},
    {"invented names drive out nothing that exists", invented_names_drive_out_nothing_that_exists},
    {"a limit of nothing keeps nothing", a_limit_of_nothing_keeps_nothing},
    {"what is too long for a name is not kept", what_is_too_long_for_a_name_is_not_kept},
    {"many threads use it at once", many_threads_use_it_at_once},
    {"without memory a name is asked for again", without_memory_a_name_is_asked_for_again},
};

TESTLIB_MAIN(cases)
