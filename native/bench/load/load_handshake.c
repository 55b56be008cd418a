/*
 * load_handshake.c - the modes behind CPU per handshake: a full one, or one that is resumed with
 * the session of the first, the tickets read, a clean close. Waiting for the tickets makes the
 * exchange the same for each server: without it a quick client's close-notify sometimes arrives
 * together with its Finished.
 */
#include "load.h"

const load_mode load_handshake_mode = {
    .name = "handshake",
    .summary = "full handshake, tickets, close-notify from both sides",
    .actions = {load_tls_handshake, load_tls_tickets, load_tls_close},
};

const load_mode load_resumed_mode = {
    .name = "resumed",
    .summary = "one full handshake, then those that resume its session",
    .resumes = true,
    .actions = {load_tls_handshake, load_tls_first_tickets, load_tls_close},
};
