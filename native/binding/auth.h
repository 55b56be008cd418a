/*
 * auth.h - NativePeerAuth of lib/native.ts, made into a glue_auth.
 */
#ifndef MXTLS_AUTH_H
#define MXTLS_AUTH_H

#include <napi.h>

#include "../openssl_glue.h"
#include "environment.h"

namespace mxtls {

/* *auth is the caller's, nullptr for null; false: an exception is pending. */
bool read_auth(Environment *environment, Napi::Value value, glue_auth **auth);

} // namespace mxtls

#endif
