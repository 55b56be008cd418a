/*
 * decoding.h - decodeData() of lib/native.ts: data_decoder.h with memory that JavaScript hands
 * over.
 */
#ifndef MXTLS_DECODING_H
#define MXTLS_DECODING_H

#include <napi.h>

namespace mxtls {

/* Needs no environment, so that it works before initialize(). */
Napi::Value decode_data_call(const Napi::CallbackInfo &info);

} // namespace mxtls

#endif
