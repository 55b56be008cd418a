/*
 * glue_ticket_names.c - names of ticket keys that somebody was asked for: what a stranger who
 * invents names can cost.
 *
 * A slot remembers one name, by the 48 bits of its random half that do not choose the slot, with
 * the time and whether the question is still open: whoever comes with the same name meanwhile joins
 * it, and who comes after it was in vain gets a full handshake at once. New names displace old
 * ones, and are asked for at a bounded rate. All of it is one word per slot, so that threads need
 * no lock; what a race gets wrong is one question more, or one full handshake.
 *
 * Owns nothing; cannot fail.
 */
#include <string.h>

#include "glue_ticket_ring.h"

#define OPEN_BIT 0x8000u
#define TIME_MASK                                                                                  \
    0x7fffu /* seconds; nine hours, after which an old answer may look young again                 \
             */

typedef struct place {
    _Atomic(uint64_t) *slot;
    uint64_t tag;
} place;

/* The random half of a name, behind the cluster's prefix. */
static place find(glue_ticket_names *names, const unsigned char *name)
{
    uint64_t random;
    memcpy(&random, name + GLUE_KEY_PREFIX_LEN, sizeof(random));
    return (place){&names->slots[random % GLUE_TICKET_NAMES], random & ~(uint64_t)0xffff};
}

/* One more question in this second; the budget's word is the second and what it has seen. */
static bool take(glue_ticket_names *names, uint64_t now)
{
    uint64_t second = (now & 0xffffffffu) << 32;
    uint64_t seen = atomic_load_explicit(&names->budget, memory_order_relaxed);
    uint64_t next;
    do {
        uint64_t used = (seen & ~(uint64_t)0xffffffffu) == second ? seen & 0xffffffffu : 0;
        if (used >= GLUE_TICKET_NAMES_RATE) {
            return false;
        }
        next = second | (used + 1);
    } while (!atomic_compare_exchange_weak_explicit(&names->budget, &seen, next,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

bool glue_ticket_names_ask(glue_ticket_names *names, const unsigned char *name, uint64_t now)
{
    place at = find(names, name);
    uint64_t word = atomic_load_explicit(at.slot, memory_order_relaxed);
    uint64_t age = (now - word) & TIME_MASK;
    if (word != 0 && (word & ~(uint64_t)0xffff) == at.tag) {
        if ((word & OPEN_BIT) == 0 && age < GLUE_TICKET_NAMES_MEMORY) {
            return false;
        }
        if ((word & OPEN_BIT) != 0 && age < GLUE_TICKET_NAMES_OPEN) {
            return true;
        }
    }
    if (!take(names, now)) {
        return false;
    }
    atomic_store_explicit(at.slot, at.tag | OPEN_BIT | (now & TIME_MASK), memory_order_relaxed);
    return true;
}

/* A name whose key has come is not looked up here again: the ring knows it. */
void glue_ticket_names_answered(glue_ticket_names *names, const unsigned char *name, uint64_t now)
{
    place at = find(names, name);
    atomic_store_explicit(at.slot, at.tag | (now & TIME_MASK), memory_order_relaxed);
}
