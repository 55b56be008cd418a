/*
 * process.h - what exists once per process, shared by all environments: the handshake pool.
 *
 * The pool starts when the first environment needs it and is joined when the last one leaves.
 */
#ifndef MXTLS_PROCESS_H
#define MXTLS_PROCESS_H

#include "../openssl_glue.h"
#include "handshake_pool.h"

namespace mxtls {

/*
 * The pool, counted once per environment; *pool is nullptr (and true returned) when handshakes
 * run on the main loop. False with *err when no thread can be started.
 */
bool process_join_pool(HandshakePool **pool, glue_error *err);
void process_leave_pool(HandshakePool *pool, Mailbox *mailbox);

/* Number of threads of the next pool. False while a pool runs with another number. */
bool process_set_threads(unsigned threads);

} // namespace mxtls

#endif
