/*
 * load_invented.c - the modes behind what strangers cost who come with tickets that nobody has
 * given them: full handshakes, each with a ticket whose key name is another one. What is behind the
 * name is the ticket of the first handshake.
 */
#include "load.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/rand.h>

#include "bench.h"

enum { KEY_NAME = 16 };

const load_mode load_foreign_mode = {
    .name = "foreign-tickets",
    .summary = "full handshakes, with tickets of other servers",
    .resumes = true,
    .invents = KEY_NAME,
    .actions = {load_tls_handshake, load_tls_tickets, load_tls_close},
};

const load_mode load_unknown_mode = {
    .name = "unknown-tickets",
    .summary = "full handshakes, with tickets of the server's own by keys that are not there",
    .resumes = true,
    .invents = KEY_NAME / 2,
    .actions = {load_tls_handshake, load_tls_tickets, load_tls_close},
};

static unsigned char *encoded;
static int length;
static unsigned char *key_name; /* in it */

static void encode(SSL_SESSION *session)
{
    const unsigned char *ticket;
    size_t ticket_length;
    SSL_SESSION_get0_ticket(session, &ticket, &ticket_length);
    length = i2d_SSL_SESSION(session, &encoded);
    if (length <= 0 || ticket_length < KEY_NAME) {
        bench_fail_openssl("the session has no ticket");
    }
    for (int at = 0; at + KEY_NAME <= length && key_name == NULL; at++) {
        key_name = memcmp(encoded + at, ticket, KEY_NAME) == 0 ? encoded + at : NULL;
    }
    if (key_name == NULL) {
        bench_fail("the session has no ticket in it");
    }
}

SSL_SESSION *load_invented_session(size_t invented)
{
    if (encoded == NULL) {
        encode(load_tls_session());
    }
    const unsigned char *in = encoded;
    if (RAND_bytes(key_name + KEY_NAME - invented, (int)invented) != 1) {
        bench_fail_openssl("no random bytes");
    }
    return d2i_SSL_SESSION(NULL, &in, length);
}
