/*
 * glue_ticket.h - the part of openssl_glue.h that is about ticket keys; included by it alone.
 *
 * A ring holds the keys of session tickets that are in use: next, active, previous, former. There
 * is one per process and name; all contexts and threads that use the name share it. Handshakes read
 * it without a lock. What goes in and out is sealed: the keys themselves never leave native code.
 */
#ifndef MXTLS_GLUE_TICKET_H
#define MXTLS_GLUE_TICKET_H

/* A key under the wrapping key; lib/tlsmgr/sealed-key.ts tells the form. */
#define GLUE_SEALED_KEY_LEN 128
#define GLUE_WRAPPING_KEY_LEN 32
#define GLUE_KEY_NAME_LEN 16
#define GLUE_KEY_PREFIX_LEN 8

typedef struct glue_ticket_ring glue_ticket_ring; /* shared; any thread */

/* What seals the keys; all fields are lent. Both NULL: 32 random bytes of this process. */
typedef struct glue_wrapping {
    const unsigned char *key; /* GLUE_WRAPPING_KEY_LEN bytes */
    const char *file;         /* holds them, and nothing else */
} glue_wrapping;

/*
 * The ring of this name, made where there is none. NULL and *err: WRAPPING_KEY where it has another
 * wrapping key or the file cannot be used, OUT_OF_MEMORY. Each one that opened it closes it.
 */
glue_ticket_ring *glue_ticket_ring_open(const char *name, const glue_wrapping *wrapping,
                                        glue_error *err);

/* Drops the opener's reference; with the last opener the keys go, whoever else has the ring. */
void glue_ticket_ring_close(glue_ticket_ring *ring);

/* The same for an opener that was collected and did not say so: the keys stay with the contexts. */
void glue_ticket_ring_abandon(glue_ticket_ring *ring);

glue_ticket_ring *glue_ticket_ring_up_ref(glue_ticket_ring *ring); /* NULL is fine */
void glue_ticket_ring_free(glue_ticket_ring *ring); /* drops one reference; NULL is fine */

/* What key names of this wrapping key begin with. */
const unsigned char *glue_ticket_ring_prefix(const glue_ticket_ring *ring);

/* Makes a key and seals it; the ring does not know it. Times: milliseconds since 1970. */
glue_status glue_ticket_ring_mint(glue_ticket_ring *ring, uint64_t active_from, uint64_t expires,
                                  unsigned char sealed[GLUE_SEALED_KEY_LEN], glue_error *err);

/* It is sealed by this ring's wrapping key; else TICKET_KEY. */
glue_status glue_ticket_ring_check(glue_ticket_ring *ring, const unsigned char *sealed, size_t len,
                                   glue_error *err);

/* Sealed keys, each GLUE_SEALED_KEY_LEN bytes, or NULL. */
typedef struct glue_ticket_keys {
    const unsigned char *next;
    const unsigned char *active; /* makes tickets; NULL: none are made */
    const unsigned char *previous;
    const unsigned char *former;
} glue_ticket_keys;

#define GLUE_TICKET_KEYS 4u

/*
 * These take the place of the keys in use, all or none. *installed is false, and nothing has
 * changed, where the ring's generation is another. TICKET_KEY: one of them cannot be opened.
 */
glue_status glue_ticket_ring_install(glue_ticket_ring *ring, const glue_ticket_keys *keys,
                                     uint64_t generation, bool *installed, glue_error *err);

/* Copies of the keys in use, in this order; returns the generation, which each change counts on. */
typedef struct glue_ticket_copies {
    bool present[GLUE_TICKET_KEYS]; /* next, active, previous, former */
    unsigned char sealed[GLUE_TICKET_KEYS][GLUE_SEALED_KEY_LEN];
} glue_ticket_copies;

uint64_t glue_ticket_ring_copy(glue_ticket_ring *ring, glue_ticket_copies *copies);

#endif
