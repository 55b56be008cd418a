/*
 * load_idle.c - the mode behind memory per connection: as handshake, but with --hold nothing is
 * closed until stdin ends. The tickets are awaited, so that the server has finished its part.
 */
#include "load.h"

const load_mode load_idle_mode = {
    .name = "idle",
    .summary = "full handshake and tickets, then silence (with --hold)",
    .can_hold = true,
    .actions = {load_tls_handshake, load_tls_tickets},
};
