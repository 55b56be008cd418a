/*
 * glue_ticket_key.h - a ticket key in the clear, for glue_ticket*.c alone.
 */
#ifndef MXTLS_GLUE_TICKET_KEY_H
#define MXTLS_GLUE_TICKET_KEY_H

#include "glue_internal.h"

/*
 * Memory for a secret: locked where the system allows, not in core dumps, zeroed. NULL: the system
 * has none. At most GLUE_SECRET_MAX bytes.
 */
#define GLUE_SECRET_MAX 240u
void *glue_secret_new(void);
void glue_secret_free(void *secret); /* wipes it; from any thread, without a lock; NULL is fine */

/* Immutable, counted; in memory for secrets. */
struct glue_ticket_key {
    atomic_int references;
    unsigned char name[GLUE_KEY_NAME_LEN];
    unsigned char
        secret[64];       /* 32 for the cipher, which takes the first bytes of it; 32 for HMAC */
    uint64_t active_from; /* milliseconds since 1970 */
    uint64_t expires;
    unsigned char sealed[GLUE_SEALED_KEY_LEN];
};

/* Makes a key, names it after `prefix`, and seals it. */
glue_status glue_ticket_key_mint(const unsigned char *wrapping, const unsigned char *prefix,
                                 uint64_t active_from, uint64_t expires, unsigned char *sealed,
                                 glue_error *err);

/* NULL and *err: TICKET_KEY, OUT_OF_MEMORY. */
glue_ticket_key *glue_ticket_key_open(const unsigned char *wrapping, const unsigned char *sealed,
                                      size_t len, glue_error *err);

glue_ticket_key *glue_ticket_key_up_ref(glue_ticket_key *key); /* NULL is fine */
void glue_ticket_key_free(glue_ticket_key *key); /* drops one reference; NULL is fine */

#endif
