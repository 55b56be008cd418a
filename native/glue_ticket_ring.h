/*
 * glue_ticket_ring.h - what a handshake wants of a ring; for glue_*.c.
 */
#ifndef MXTLS_GLUE_TICKET_RING_H
#define MXTLS_GLUE_TICKET_RING_H

#include "glue_ticket_key.h"

typedef enum glue_ticket_role {
    GLUE_TICKET_NEXT,
    GLUE_TICKET_ACTIVE,
    GLUE_TICKET_PREVIOUS,
    GLUE_TICKET_FORMER /* one more that is not retired: two have made keys at the same time */
} glue_ticket_role;

#define GLUE_TICKET_ROLES GLUE_TICKET_KEYS

/* The keys in use at one time; immutable while pinned. */
struct glue_ticket_set {
    atomic_int pins;
    atomic_bool vacant;
    glue_ticket_set *next; /* among all of the ring */
    glue_ticket_key *keys[GLUE_TICKET_ROLES];
};

/* The current set, without waiting; each pin is dropped once, by any thread. */
glue_ticket_set *glue_ticket_ring_pin(glue_ticket_ring *ring);
void glue_ticket_ring_unpin(glue_ticket_set *set); /* NULL is fine */

/* The key of this name (16 bytes), while pinned; NULL: there is none. */
const glue_ticket_key *glue_ticket_set_find(const glue_ticket_set *set, const unsigned char *name,
                                            glue_ticket_role *role);

/*
 * Whether to ask for the key of this name, at `now` (seconds, monotonic): one of the own cluster
 * that is not known, was not in vain asked for lately, and that the rate allows. The question
 * counts.
 */
bool glue_ticket_ring_asks(glue_ticket_ring *ring, const unsigned char *name, uint64_t now);

/* The question of this name is over. */
void glue_ticket_ring_answered(glue_ticket_ring *ring, const unsigned char *name, uint64_t now);

/* ------------------------------------------------------------------ glue_ticket_names.c */

#define GLUE_TICKET_NAMES 1024u
#define GLUE_TICKET_NAMES_RATE 10u   /* questions a second, about names that nobody asks for now */
#define GLUE_TICKET_NAMES_MEMORY 30u /* seconds that a name counts as unknown */
#define GLUE_TICKET_NAMES_OPEN 5u    /* seconds that a question may take */

/* Zeroed: nobody has asked. */
typedef struct glue_ticket_names {
    _Atomic(uint64_t) slots[GLUE_TICKET_NAMES];
    _Atomic(uint64_t) budget;
} glue_ticket_names;

bool glue_ticket_names_ask(glue_ticket_names *names, const unsigned char *name, uint64_t now);
void glue_ticket_names_answered(glue_ticket_names *names, const unsigned char *name, uint64_t now);

#endif
