/*
 * connection_write.cc - a Connection's way out: bytes and text, what is pending, the farewell.
 */
#include <memory>
#include <string>
#include <utility>

#include "connection.h"

namespace mxtls {

namespace {

constexpr size_t kBriefText = 2048;
constexpr size_t kLongestCharacter = 4; /* bytes in UTF-8 */

} // namespace

glue_status Connection::flush(const char *data, size_t length, size_t *written, glue_error *err)
{
    glue_status status = GLUE_OK;
    *written = 0;
    while (*written < length && status == GLUE_OK) {
        size_t n = 0;
        status = glue_conn_write(conn_, data + *written, length - *written, &n, err);
        *written += n;
    }
    bytes_written_ += *written;
    if (*written > 0) {
        progress(*written);
    }
    return status;
}

napi_value Connection::write(Napi::Env env, const Napi::CallbackInfo &info)
{
    if (!require(State::open, "write")) {
        return env.Undefined();
    }
    if (pending_ != nullptr || ending_) {
        environment_->throw_usage(ending_ ? "cannot write after end()"
                                          : "a write is pending; wait for onDrain");
        return env.Undefined();
    }
    bool more = info.Length() > 1 && info[1].IsBoolean() && info[1].As<Napi::Boolean>().Value();
    glue_conn_more_follows(conn_, more);
    napi_value done = write_value(env, info[0]);
    if (conn_ != nullptr) {
        glue_conn_more_follows(conn_, false);
    }
    return done;
}

napi_value Connection::write_value(Napi::Env env, Napi::Value value)
{
    if (value.IsString()) {
        return Napi::Boolean::New(env, write_text(value.As<Napi::String>()));
    }
    if (!value.IsTypedArray() ||
        value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
        environment_->throw_usage("data must be a Uint8Array or a string");
        return env.Undefined();
    }
    Napi::Uint8Array array = value.As<Napi::Uint8Array>();
    bool done =
        write_bytes(reinterpret_cast<const char *>(array.Data()), array.ByteLength(), array);
    return Napi::Boolean::New(env, done);
}

/* In UTF-8. Commands and replies are short: they cost no allocation and no object. */
bool Connection::write_text(Napi::String text)
{
    char brief[kBriefText];
    size_t length = 0;
    napi_get_value_string_utf8(text.Env(), text, brief, sizeof(brief), &length);
    if (length < sizeof(brief) - kLongestCharacter) {
        return write_bytes(brief, length, Napi::Value());
    }
    std::string whole = text; /* `brief` may lack its end */
    return write_bytes(whole.data(), whole.size(), Napi::Value());
}

/* What the socket does not take stays pending: in the caller's array, or in a copy without one. */
bool Connection::write_bytes(const char *data, size_t length, Napi::Value array)
{
    size_t written = 0;
    glue_error err;
    glue_status status = flush(data, length, &written, &err);
    if (status == GLUE_OK) {
        return true;
    }
    if (status == GLUE_ERROR) {
        close_later(std::make_unique<glue_error>(err));
        return false;
    }
    pending_offset_ = written;
    if (array.IsEmpty()) {
        array = Napi::Buffer<char>::Copy(environment_->env(), data + written, length - written);
        pending_offset_ = 0;
    }
    napi_create_reference(environment_->env(), array, 1, &pending_);
    update_watch();
    return false;
}

/* The array's memory is asked for anew each time: JavaScript may have detached it meanwhile. */
void Connection::flush_pending()
{
    napi_value array = nullptr;
    napi_get_reference_value(environment_->env(), pending_, &array);
    size_t length = 0;
    void *data = nullptr;
    napi_get_typedarray_info(environment_->env(), array, nullptr, &length, &data, nullptr, nullptr);
    size_t rest = length > pending_offset_ ? length - pending_offset_ : 0;
    size_t written = 0;
    glue_error err;
    glue_status status =
        flush(static_cast<const char *>(data) + pending_offset_, rest, &written, &err);
    pending_offset_ += written;
    if (status == GLUE_ERROR) {
        close_now(&err);
        return;
    }
    if (status != GLUE_OK) {
        return;
    }
    drop_pending();
    update_watch();
    if (ending_) {
        send_farewell();
    } else {
        environment_->call(Callback::on_drain, {object()});
    }
}

void Connection::drop_pending()
{
    drop(pending_);
}

napi_value Connection::end(Napi::Env env, const Napi::CallbackInfo &)
{
    if (!require(State::open, "end") || ending_) {
        return env.Undefined();
    }
    part();
    return env.Undefined();
}

napi_value Connection::finish(Napi::Env env, const Napi::CallbackInfo &)
{
    if (!require(State::open, "finish") || ending_) {
        return env.Undefined();
    }
    waits_for_peer_ = false;
    part();
    return env.Undefined();
}

void Connection::part()
{
    ending_ = true;
    if (pending_ == nullptr) {
        send_farewell();
    }
}

/* The close-notify that does not fit into the socket any more is not worth waiting for. */
void Connection::send_farewell()
{
    ended_ = true;
    if (peer_ended_ || !waits_for_peer_) {
        glue_conn_close_notify(conn_);
        close_later(nullptr);
        return;
    }
    glue_error err;
    glue_conn_shutdown(conn_, false, &err);
}

} // namespace mxtls
