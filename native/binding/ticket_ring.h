/*
 * ticket_ring.h - NativeTicketRing: the ticket keys in use behind a JavaScript object.
 */
#ifndef MXTLS_TICKET_RING_H
#define MXTLS_TICKET_RING_H

#include <napi.h>

#include "../openssl_glue.h"
#include "object_wrap.h"

namespace mxtls {

class TicketRing final : public ObjectWrap<TicketRing> {
  public:
    static constexpr napi_type_tag kTag = {0x6d78746c7374726e, 0x71c3e80d5a96f24b};

    explicit TicketRing(glue_ticket_ring *opened) : ring_(opened) {}
    ~TicketRing();

    static Napi::Function define_class(Napi::Env env);
    /* openTicketRing() of lib/native.ts. */
    static Napi::Value open(Environment *environment, Napi::Value name, Napi::Value wrapping);
    glue_ticket_ring *get() const { return ring_; }

  private:
    friend class ObjectWrap<TicketRing>;
    napi_value mint(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value opens(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value install(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value keys(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value close(Napi::Env env, const Napi::CallbackInfo &info);
    bool require_open(Napi::Env env) const;

    glue_ticket_ring *ring_; /* nullptr once closed */
};

} // namespace mxtls

#endif
