/*
 * glue_ticket_ring_test.c - the ring of ticket keys: shared by name, replaced as a whole, pinned
 * without a lock; and what invented names of keys cost.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "../glue_ticket_ring.h"
#include "testlib.h"

static glue_error err;
static const unsigned char zeros[64];

/* ------------------------------------------------------------------ who shares it */

static void one_name_is_one_ring(void)
{
    glue_ticket_ring *ring = testlib_ring("one", "secret");
    glue_ticket_ring *same = testlib_ring("one", "secret");
    glue_ticket_ring *other = testlib_ring("other", "secret");
    glue_ticket_ring *foreign = testlib_ring("foreign", "another");
    EXPECT(ring == same);
    EXPECT(ring != other);
    EXPECT(memcmp(glue_ticket_ring_prefix(ring), glue_ticket_ring_prefix(other), 8) == 0);
    EXPECT(memcmp(glue_ticket_ring_prefix(ring), glue_ticket_ring_prefix(foreign), 8) != 0);
    glue_ticket_ring_close(ring);
    glue_ticket_ring_close(same);
    glue_ticket_ring_close(other);
    glue_ticket_ring_close(foreign);
}

static void another_wrapping_key_is_refused(void)
{
    glue_ticket_ring *ring = testlib_ring("one", "secret");
    unsigned char key[GLUE_WRAPPING_KEY_LEN] = "secrets";
    glue_wrapping wrapping = {.key = key};
    EXPECT(glue_ticket_ring_open("one", &wrapping, &err) == NULL);
    EXPECT_ERROR(&err, GLUE_E_WRAPPING_KEY);
    glue_wrapping none = {0}; /* whichever it has */
    glue_ticket_ring *same = glue_ticket_ring_open("one", &none, &err);
    EXPECT(same == ring);
    glue_ticket_ring_close(same);
    glue_ticket_ring_close(ring);
}

static void without_a_wrapping_key_there_is_a_random_one(void)
{
    glue_wrapping none = {0};
    glue_ticket_ring *a = glue_ticket_ring_open("a", &none, &err);
    glue_ticket_ring *b = glue_ticket_ring_open("b", &none, &err);
    NEED(a != NULL && b != NULL);
    EXPECT(memcmp(glue_ticket_ring_prefix(a), glue_ticket_ring_prefix(b), 8) != 0);
    EXPECT(glue_ticket_ring_check(b, testlib_ticket_key(a), GLUE_SEALED_KEY_LEN, &err) ==
           GLUE_ERROR);
    EXPECT_ERROR(&err, GLUE_E_TICKET_KEY);
    glue_ticket_ring_close(a);
    glue_ticket_ring_close(b);
}

static void the_wrapping_key_comes_from_a_file(void)
{
    const char *path = testlib_file("wrapping", "0123456789abcdef0123456789abcdef");
    glue_wrapping wrapping = {.file = path};
    glue_ticket_ring *ring = glue_ticket_ring_open("file", &wrapping, &err);
    glue_ticket_ring *bytes = testlib_ring("bytes", "0123456789abcdef0123456789abcdef");
    NEED(ring != NULL);
    EXPECT(memcmp(glue_ticket_ring_prefix(ring), glue_ticket_ring_prefix(bytes), 8) == 0);
    glue_ticket_ring_close(ring);
    glue_ticket_ring_close(bytes);
}

static void a_file_that_is_no_wrapping_key_is_an_error(void)
{
    static const char *const contents[] = {"", "0123456789abcdef0123456789abcde",
                                           "0123456789abcdef0123456789abcdef\n"};
    for (size_t i = 0; i < 3; i++) {
        glue_wrapping wrapping = {.file = testlib_file("wrapping", contents[i])};
        EXPECT(glue_ticket_ring_open("file", &wrapping, &err) == NULL);
        EXPECT_ERROR(&err, GLUE_E_WRAPPING_KEY);
        EXPECT_HAS(err.message, "is not 32 bytes long");
    }
    glue_wrapping missing = {.file = testlib_path("missing")};
    EXPECT(glue_ticket_ring_open("file", &missing, &err) == NULL);
    EXPECT_ERROR(&err, GLUE_E_WRAPPING_KEY);
    EXPECT_HAS(err.message, "No such file or directory");
}

/* ------------------------------------------------------------------ what is in use */

static const glue_ticket_key *find(glue_ticket_set *set, const unsigned char *sealed,
                                   glue_ticket_role *role)
{
    return glue_ticket_set_find(set, sealed + 4, role);
}

static void keys_are_found_by_name_and_role(void)
{
    glue_ticket_ring *ring = testlib_ring("ring", "secret");
    const unsigned char *next = testlib_ticket_key(ring);
    const unsigned char *active = testlib_ticket_key(ring);
    const unsigned char *previous = testlib_ticket_key(ring);
    const unsigned char *former = testlib_ticket_key(ring);
    testlib_ring_install(ring, &(glue_ticket_keys){next, active, previous, former});
    glue_ticket_set *set = glue_ticket_ring_pin(ring);
    glue_ticket_role role;
    EXPECT(find(set, next, &role) != NULL && role == GLUE_TICKET_NEXT);
    EXPECT(find(set, active, &role) != NULL && role == GLUE_TICKET_ACTIVE);
    EXPECT(find(set, previous, &role) != NULL && role == GLUE_TICKET_PREVIOUS);
    EXPECT(find(set, former, &role) != NULL && role == GLUE_TICKET_FORMER);
    EXPECT(find(set, testlib_ticket_key(ring), &role) == NULL);
    glue_ticket_copies copies;
    glue_ticket_ring_copy(ring, &copies);
    EXPECT(copies.present[0] && memcmp(copies.sealed[0], next, GLUE_SEALED_KEY_LEN) == 0);
    EXPECT(copies.present[2] && memcmp(copies.sealed[2], previous, GLUE_SEALED_KEY_LEN) == 0);
    EXPECT(copies.present[3] && memcmp(copies.sealed[3], former, GLUE_SEALED_KEY_LEN) == 0);
    glue_ticket_ring_unpin(set);
    glue_ticket_ring_close(ring);
}

static void a_key_keeps_its_place_in_memory_when_its_role_changes(void)
{
    glue_ticket_ring *ring = testlib_ring("ring", "secret");
    const unsigned char *a = testlib_ticket_key(ring);
    const unsigned char *b = testlib_ticket_key(ring);
    glue_ticket_role role;
    testlib_ring_use(ring, b, a, NULL);
    glue_ticket_set *before = glue_ticket_ring_pin(ring);
    testlib_ring_use(ring, NULL, b, a);
    glue_ticket_set *after = glue_ticket_ring_pin(ring);
    EXPECT(before != after);
    EXPECT(find(before, a, &role) == find(after, a, &role));
    EXPECT(find(before, b, &role) == find(after, b, &role));
    glue_ticket_ring_unpin(before);
    glue_ticket_ring_unpin(after);
    glue_ticket_ring_close(ring);
}

static void who_comes_too_late_changes_nothing(void)
{
    glue_ticket_ring *ring = testlib_ring("ring", "secret");
    glue_ticket_copies copies;
    uint64_t generation = glue_ticket_ring_copy(ring, &copies);
    const unsigned char *first = testlib_ticket_key(ring);
    testlib_ring_use(ring, NULL, first, NULL);
    glue_ticket_keys late = {.active = testlib_ticket_key(ring)};
    bool installed = true;
    EXPECT(glue_ticket_ring_install(ring, &late, generation, &installed, &err) == GLUE_OK);
    EXPECT(!installed);
    EXPECT(glue_ticket_ring_copy(ring, &copies) == generation + 1);
    EXPECT(memcmp(copies.sealed[1], first, GLUE_SEALED_KEY_LEN) == 0);
    testlib_ring_use(ring, NULL, first, NULL); /* the same is no change */
    EXPECT(glue_ticket_ring_copy(ring, &copies) == generation + 1);
    glue_ticket_ring_close(ring);
}

static void one_key_that_cannot_be_opened_changes_nothing(void)
{
    glue_ticket_ring *ring = testlib_ring("ring", "secret");
    const unsigned char *good = testlib_ticket_key(ring);
    unsigned char bad[GLUE_SEALED_KEY_LEN];
    memcpy(bad, testlib_ticket_key(ring), sizeof(bad));
    bad[100] ^= 1;
    testlib_ring_use(ring, NULL, good, NULL);
    glue_ticket_copies copies;
    glue_ticket_keys keys = {.next = testlib_ticket_key(ring), .active = bad};
    bool installed;
    uint64_t generation = glue_ticket_ring_copy(ring, &copies);
    EXPECT(glue_ticket_ring_install(ring, &keys, generation, &installed, &err) == GLUE_ERROR);
    EXPECT_ERROR(&err, GLUE_E_TICKET_KEY);
    EXPECT(glue_ticket_ring_copy(ring, &copies) == generation);
    EXPECT(copies.present[1] && !copies.present[0]);
    glue_ticket_ring_close(ring);
}

/* ------------------------------------------------------------------ wiping */

static void the_last_pin_wipes_a_key(void)
{
    glue_ticket_ring *ring = testlib_ring("ring", "secret");
    const unsigned char *key = testlib_ticket_key(ring);
    glue_ticket_role role;
    testlib_ring_use(ring, NULL, key, NULL);
    glue_ticket_set *first = glue_ticket_ring_pin(ring);
    const unsigned char *secret = find(first, key, &role)->secret;
    testlib_ring_use(ring, NULL, testlib_ticket_key(ring), key);
    glue_ticket_set *second = glue_ticket_ring_pin(ring);
    testlib_ring_use(ring, NULL, testlib_ticket_key(ring), NULL);
    glue_ticket_ring_unpin(first);
    EXPECT(memcmp(secret, zeros, sizeof(zeros)) != 0);
    glue_ticket_ring_unpin(second);
    EXPECT(memcmp(secret, zeros, sizeof(zeros)) == 0);
    glue_ticket_ring_close(ring);
}

static void the_last_opener_takes_the_keys_with_it(void)
{
    glue_ticket_ring *ring = glue_ticket_ring_up_ref(testlib_ring("ring", "secret"));
    glue_ticket_ring *again = testlib_ring("ring", "secret");
    const unsigned char *key = testlib_ticket_key(ring);
    glue_ticket_role role;
    testlib_ring_use(ring, NULL, key, NULL);
    glue_ticket_set *set = glue_ticket_ring_pin(ring);
    const unsigned char *secret = find(set, key, &role)->secret;
    glue_ticket_ring_unpin(set);
    glue_ticket_ring_close(ring);
    EXPECT(memcmp(secret, zeros, sizeof(zeros)) != 0);
    glue_ticket_ring_close(again);
    EXPECT(memcmp(secret, zeros, sizeof(zeros)) == 0);
    glue_ticket_ring *fresh = testlib_ring("ring", "another secret"); /* the name is free */
    EXPECT(fresh != ring);
    glue_ticket_ring_close(fresh);
    glue_ticket_ring_free(ring);
}

/* A worker that ends says nothing, and a context goes on. */
static void an_opener_that_is_collected_leaves_the_keys(void)
{
    glue_ticket_ring *ring = testlib_ring("ring", "secret");
    glue_ticket_ring *context = glue_ticket_ring_up_ref(ring);
    const unsigned char *key = testlib_ticket_key(ring);
    glue_ticket_role role;
    testlib_ring_use(ring, NULL, key, NULL);
    glue_ticket_ring_abandon(ring);
    glue_ticket_set *set = glue_ticket_ring_pin(context);
    EXPECT(find(set, key, &role) != NULL);
    const unsigned char *secret = find(set, key, &role)->secret;
    glue_ticket_ring_unpin(set);
    glue_ticket_ring *again = testlib_ring("ring", "secret");
    EXPECT(again == context);
    glue_ticket_ring_abandon(again);
    glue_ticket_ring_free(context);
    EXPECT(memcmp(secret, zeros, sizeof(zeros)) == 0);
    glue_ticket_ring *fresh = testlib_ring("ring", "another secret");
    EXPECT(fresh != NULL);
    glue_ticket_ring_close(fresh);
}

/* ------------------------------------------------------------------ memory */

static bool open_and_use(glue_error *error)
{
    unsigned char key[GLUE_WRAPPING_KEY_LEN] = "faults";
    unsigned char sealed[GLUE_SEALED_KEY_LEN];
    glue_wrapping wrapping = {.key = key};
    glue_ticket_ring *ring = glue_ticket_ring_open("faults", &wrapping, error);
    if (ring == NULL) {
        return false;
    }
    bool installed = false;
    glue_ticket_keys keys = {.active = sealed};
    bool ok = glue_ticket_ring_mint(ring, 1, 2, sealed, error) == GLUE_OK &&
              glue_ticket_ring_install(ring, &keys, 0, &installed, error) == GLUE_OK && installed;
    glue_ticket_ring_close(ring);
    return ok;
}

static void no_allocation_that_fails_does_harm(void)
{
    testlib_faults_each(open_and_use, 1);
}

/* Sets and keys are used again; a few at a time, and one that a slow handshake has. */
static void a_million_rotations_leave_memory_flat(void)
{
    glue_ticket_ring *ring = testlib_ring("flat", "secret");
    const unsigned char *keys[4];
    for (size_t i = 0; i < 4; i++) {
        keys[i] = testlib_ticket_key(ring);
    }
    glue_ticket_set *pinned = NULL;
    long before = 0;
    for (unsigned i = 0; i < 1000000; i++) {
        bool installed;
        glue_ticket_keys use = {.active = keys[i % 4]};
        if (glue_ticket_ring_install(ring, &use, i, &installed, &err) != GLUE_OK || !installed) {
            EXPECT(!"installed");
            break;
        }
        if (i % 100 == 0) {
            glue_ticket_ring_unpin(pinned);
            pinned = glue_ticket_ring_pin(ring);
        }
        if (i == 1000) {
            before = testlib_blocks();
        }
    }
    EXPECT_INT(testlib_blocks(), before);
    glue_ticket_ring_unpin(pinned);
    glue_ticket_ring_close(ring);
}

/* ------------------------------------------------------------------ threads */

#define READERS 4

typedef struct arena {
    glue_ticket_ring *ring;
    const unsigned char *keys[8];
    atomic_bool over;
    atomic_ulong pins;
    atomic_ulong wrong;
} arena;

/* All of a set is of one time, and no key in it is wiped. */
static void check_set(arena *a, const glue_ticket_set *set)
{
    for (size_t i = 0; i < GLUE_TICKET_ROLES; i++) {
        const glue_ticket_key *key = set->keys[i];
        bool whole = key != NULL && memcmp(key->secret, zeros, sizeof(zeros)) != 0 &&
                     memcmp(key->name, key->sealed + 4, sizeof(key->name)) == 0;
        if (!whole) {
            atomic_fetch_add(&a->wrong, 1);
        }
    }
}

static void *read_on(void *arg)
{
    arena *a = arg;
    glue_ticket_set *kept = NULL;
    for (unsigned long n = 0; !atomic_load(&a->over); n++) {
        glue_ticket_set *set = glue_ticket_ring_pin(a->ring);
        check_set(a, set);
        if (n % 7 == 0) { /* as a handshake that takes its time */
            if (kept != NULL) {
                check_set(a, kept);
            }
            glue_ticket_ring_unpin(kept);
            kept = set;
        } else {
            glue_ticket_ring_unpin(set);
        }
        atomic_fetch_add(&a->pins, 1);
    }
    glue_ticket_ring_unpin(kept);
    return NULL;
}

static void use_four(const arena *a, unsigned first)
{
    testlib_ring_install(a->ring, &(glue_ticket_keys){.next = a->keys[(first + 3) % 8],
                                                      .active = a->keys[(first + 2) % 8],
                                                      .previous = a->keys[(first + 1) % 8],
                                                      .former = a->keys[first % 8]});
}

static void readers_and_a_writer_do_not_disturb_each_other(void)
{
    arena a = {.ring = testlib_ring("threads", "secret")};
    pthread_t threads[READERS];
    for (size_t i = 0; i < 8; i++) {
        a.keys[i] = testlib_ticket_key(a.ring);
    }
    use_four(&a, 0);
    for (size_t i = 0; i < READERS; i++) {
        NEED(pthread_create(&threads[i], NULL, read_on, &a) == 0);
    }
    unsigned rotations = 0;
    while (atomic_load(&a.pins) < 200000 || rotations < 20000) {
        rotations++;
        use_four(&a, rotations);
    }
    atomic_store(&a.over, true);
    for (size_t i = 0; i < READERS; i++) {
        pthread_join(threads[i], NULL);
    }
    EXPECT_INT(atomic_load(&a.wrong), 0);
    printf("   %lu pins, %u rotations\n", atomic_load(&a.pins), rotations);
    glue_ticket_ring_close(a.ring);
}

static void *open_and_close(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2000; i++) {
        glue_error error;
        glue_wrapping none = {0};
        glue_ticket_ring *ring = glue_ticket_ring_open("registry", &none, &error);
        if (ring != NULL) {
            glue_ticket_ring_unpin(glue_ticket_ring_pin(ring));
            if (i % 2 == 0) {
                glue_ticket_ring_close(ring);
            } else {
                glue_ticket_ring_abandon(ring);
            }
        }
    }
    glue_library_thread_stop();
    return NULL;
}

static void threads_open_and_close_one_name(void)
{
    pthread_t threads[READERS];
    for (size_t i = 0; i < READERS; i++) {
        NEED(pthread_create(&threads[i], NULL, open_and_close, NULL) == 0);
    }
    for (size_t i = 0; i < READERS; i++) {
        pthread_join(threads[i], NULL);
    }
}

/* ------------------------------------------------------------------ invented names */

typedef struct key_name {
    unsigned char bytes[GLUE_KEY_NAME_LEN];
} key_name;

/* The nth name of the ring's cluster. */
static key_name invent(const glue_ticket_ring *ring, uint64_t n)
{
    key_name name;
    uint64_t random = (n + 1) * 0x9e3779b97f4a7c15u;
    memcpy(name.bytes, glue_ticket_ring_prefix(ring), 8);
    memcpy(name.bytes + 8, &random, 8);
    return name;
}

static void foreign_names_are_never_asked_for(void)
{
    glue_ticket_ring *ring = testlib_ring("names", "secret");
    glue_ticket_ring *foreign = testlib_ring("foreign names", "another");
    for (uint64_t i = 0; i < 1000; i++) {
        EXPECT(!glue_ticket_ring_asks(ring, invent(foreign, i).bytes, i));
    }
    glue_ticket_ring_close(ring);
    glue_ticket_ring_close(foreign);
}

static void known_names_are_never_asked_for(void)
{
    glue_ticket_ring *ring = testlib_ring("names", "secret");
    const unsigned char *key = testlib_ticket_key(ring);
    testlib_ring_use(ring, key, NULL, NULL);
    EXPECT(!glue_ticket_ring_asks(ring, key + 4, 1));
    testlib_ring_use(ring, NULL, NULL, NULL);
    EXPECT(glue_ticket_ring_asks(ring, key + 4, 1));
    glue_ticket_ring_close(ring);
}

static void invented_names_are_asked_for_at_a_bounded_rate(void)
{
    glue_ticket_ring *ring = testlib_ring("names", "secret");
    unsigned asked = 0;
    for (uint64_t i = 0; i < 100000; i++) {
        asked += glue_ticket_ring_asks(ring, invent(ring, i).bytes, 1000 + i / 10000) ? 1 : 0;
    }
    EXPECT_INT(asked, 10 * GLUE_TICKET_NAMES_RATE);
    glue_ticket_ring_close(ring);
}

static void who_asks_for_a_name_joins_the_question_that_is_open(void)
{
    glue_ticket_ring *ring = testlib_ring("names", "secret");
    key_name name = invent(ring, 1);
    for (uint64_t i = 0; i < 10u * GLUE_TICKET_NAMES_RATE; i++) {
        EXPECT(glue_ticket_ring_asks(ring, name.bytes, 50)); /* counts once */
    }
    EXPECT(glue_ticket_ring_asks(ring, invent(ring, 2).bytes, 50));
    glue_ticket_ring_close(ring);
}

static void a_name_that_is_unknown_is_remembered_for_a_while(void)
{
    glue_ticket_ring *ring = testlib_ring("names", "secret");
    key_name name = invent(ring, 1);
    EXPECT(glue_ticket_ring_asks(ring, name.bytes, 100));
    glue_ticket_ring_answered(ring, name.bytes, 101);
    EXPECT(!glue_ticket_ring_asks(ring, name.bytes, 101));
    EXPECT(!glue_ticket_ring_asks(ring, name.bytes, 100 + GLUE_TICKET_NAMES_MEMORY));
    EXPECT(glue_ticket_ring_asks(ring, name.bytes, 101 + GLUE_TICKET_NAMES_MEMORY));
    glue_ticket_ring_close(ring);
}

static const test_case cases[] = {
    {"one name is one ring", one_name_is_one_ring},
    {"another wrapping key is refused", another_wrapping_key_is_refused},
    {"without a wrapping key there is a random one", without_a_wrapping_key_there_is_a_random_one},
    {"the wrapping key comes from a file", the_wrapping_key_comes_from_a_file},
    {"a file that is no wrapping key is an error", a_file_that_is_no_wrapping_key_is_an_error},
    {"keys are found by name, and have a role", keys_are_found_by_name_and_role},
    {"a key keeps its place in memory when its role changes",
     a_key_keeps_its_place_in_memory_when_its_role_changes},
    {"who comes too late changes nothing", who_comes_too_late_changes_nothing},
    {"one key that cannot be opened changes nothing",
     one_key_that_cannot_be_opened_changes_nothing},
    {"the last pin wipes a key", the_last_pin_wipes_a_key},
    {"the last opener takes the keys with it", the_last_opener_takes_the_keys_with_it},
    {"an opener that is collected leaves the keys to contexts",
     an_opener_that_is_collected_leaves_the_keys},
    {"no allocation that fails does harm", no_allocation_that_fails_does_harm},
    {"a million rotations leave memory flat", a_million_rotations_leave_memory_flat},
    {"readers and a writer do not disturb each other",
     readers_and_a_writer_do_not_disturb_each_other},
    {"threads open and close one name", threads_open_and_close_one_name},
    {"foreign names are never asked for", foreign_names_are_never_asked_for},
    {"known names are never asked for", known_names_are_never_asked_for},
    {"invented names are asked for at a bounded rate",
     invented_names_are_asked_for_at_a_bounded_rate},
    {"who asks for a name joins the question that is open",
     who_asks_for_a_name_joins_the_question_that_is_open},
    {"a name that is unknown is remembered for a while",
     a_name_that_is_unknown_is_remembered_for_a_while},
};

TESTLIB_MAIN(cases)
