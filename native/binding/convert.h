/*
 * convert.h - glue structs to JavaScript objects, field by field as lib/native.ts declares them.
 */
#ifndef MXTLS_CONVERT_H
#define MXTLS_CONVERT_H

#include <napi.h>

#include "../openssl_glue.h"

namespace mxtls {

Napi::Object error_to_object(Napi::Env env, const glue_error &error);
/* An array, or null without a notice. */
Napi::Value notices_to_value(Napi::Env env, const glue_notice *first);
Napi::Object library_info_to_object(Napi::Env env, const glue_library_info &info);
/* TlsSnapshot of lib/snapshot.ts, frozen. */
Napi::Object snapshot_to_object(Napi::Env env, const glue_snapshot &snapshot);
Napi::Object claims_to_object(Napi::Env env, const glue_claims &claims);
Napi::Object peer_cert_to_object(Napi::Env env, const glue_peer_cert &cert);

/* "ticket-key", "session" or "chain" of a GLUE_ASK_* bit; and back, 0 when unknown. */
const char *question_name(unsigned kind);
unsigned question_bit(const std::string &name);

} // namespace mxtls

#endif
