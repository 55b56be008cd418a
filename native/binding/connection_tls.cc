/*
 * connection_tls.cc - a Connection's change to TLS: the hand-over to the handshake pool, the
 * outcome, the snapshot.
 */
#include <utility>

#include "connection.h"
#include "context.h"
#include "convert.h"

namespace mxtls {

napi_value Connection::start_tls(Napi::Env env, const Napi::CallbackInfo &info)
{
    if (!require(State::open, "start TLS")) {
        return env.Undefined();
    }
    Context *context = Context::from(info[0]);
    if (context == nullptr) {
        environment_->throw_usage("context must be what createContext() made");
        return env.Undefined();
    }
    if (pending_ != nullptr || ending_ || peer_ended_ || glue_conn_is_tls(conn_)) {
        glue_error err;
        glue_error_set(&err, GLUE_E_INVALID_STATE,
                       "TLS can start once, on a plaintext connection with nothing left to write");
        environment_->throw_error(err);
        return env.Undefined();
    }
    std::shared_ptr<const TlsStart> start = context->start(environment_, info[1]);
    if (start == nullptr) {
        return env.Undefined();
    }
    reading_ = false;
    environment_->poller()->unwatch(this);
    environment_->poller()->arm(this, kNever);
    state_ = State::handshaking;
    auto handshake = std::make_unique<Handshake>(std::exchange(conn_, nullptr), std::move(start),
                                                 environment_->mailbox(), this);
    auto err = std::make_unique<glue_error>();
    if (!environment_->submit(std::move(handshake), &handshake_id_, err.get())) {
        close_later(std::move(err));
    }
    return env.Undefined();
}

void Connection::handshake_done(std::unique_ptr<Handshake> handshake)
{
    if (state_ == State::closed) { /* destroyed meanwhile */
        handshake.reset();
        leave();
        return;
    }
    Napi::Env env = environment_->env();
    if (handshake->error != nullptr) {
        Environment *environment = environment_;
        trace_ = std::move(handshake->trace);
        set_closed();
        notices_ = std::exchange(handshake->notices, nullptr);
        Napi::Object self = object();
        environment->call(Callback::on_handshake,
                          {self, environment->error_object(*handshake->error)});
        leave();
        return;
    }
    conn_ = handshake->take();
    state_ = State::open;
    arm();
    environment_->call(Callback::on_handshake, {object(), env.Null()});
}

/* The trace outlives the connection: how it ended is what one wants to see. */
void Connection::keep_trace()
{
    size_t length;
    const char *text = conn_ == nullptr ? nullptr : glue_conn_trace(conn_, &length);
    if (text != nullptr) {
        trace_.append(text, length);
    }
}

napi_value Connection::take_trace(Napi::Env env, const Napi::CallbackInfo &)
{
    keep_trace();
    std::string text = std::exchange(trace_, std::string());
    return text.empty() ? env.Null() : Napi::String::New(env, text);
}

napi_value Connection::snapshot(Napi::Env env, const Napi::CallbackInfo &)
{
    glue_snapshot snapshot;
    if (conn_ == nullptr || !glue_conn_snapshot(conn_, &snapshot)) {
        return env.Null();
    }
    return environment_->snapshots()->object_of(env, snapshot);
}

napi_value Connection::take_notices(Napi::Env env, const Napi::CallbackInfo &)
{
    glue_notice *first =
        conn_ != nullptr ? glue_conn_take_notices(conn_) : std::exchange(notices_, nullptr);
    Napi::Value value = notices_to_value(env, first);
    glue_notices_free(first);
    return value;
}

napi_value Connection::take_session(Napi::Env env, const Napi::CallbackInfo &)
{
    unsigned char *session = nullptr;
    size_t len = conn_ == nullptr ? 0 : glue_conn_take_session(conn_, &session);
    if (len == 0) {
        return env.Null();
    }
    Napi::Value bytes = Napi::Buffer<unsigned char>::Copy(env, session, len);
    glue_session_free(session, len);
    return bytes;
}

napi_value Connection::new_session_id(Napi::Env env, const Napi::CallbackInfo &)
{
    unsigned char id[32];
    size_t len = conn_ == nullptr ? 0 : glue_conn_session_id(conn_, id);
    return len == 0 ? env.Null() : Napi::Buffer<unsigned char>::Copy(env, id, len);
}

napi_value Connection::claims(Napi::Env env, const Napi::CallbackInfo &)
{
    glue_claims claims;
    if (conn_ == nullptr || !glue_conn_claims(conn_, &claims)) {
        return env.Null();
    }
    return claims_to_object(env, claims);
}

napi_value Connection::peer_chain(Napi::Env env, const Napi::CallbackInfo &)
{
    Napi::Array chain = Napi::Array::New(env);
    glue_peer_cert cert;
    for (size_t at = 0; conn_ != nullptr && glue_conn_peer_cert(conn_, at, &cert); at++) {
        chain[chain.Length()] = peer_cert_to_object(env, cert);
    }
    return chain;
}

} // namespace mxtls
