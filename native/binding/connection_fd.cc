/* connection_fd.cc - descriptors that a Connection passes on, or takes from its peer. */
#include <cerrno>
#include <utility>

#include <unistd.h>

#include "args.h"
#include "connection.h"
#include "fd_pass.h"

namespace mxtls {

/* What is read in plaintext while descriptors are expected does not go through the glue: OpenSSL
 * has no part in it. */
glue_status Connection::read(char *data, size_t room, size_t *n, glue_error *err)
{
    if (!takes_descriptors_ || glue_conn_is_tls(conn_)) {
        return glue_conn_read(conn_, data, room, n, err);
    }
    *n = 0;
    int fd;
    ssize_t got = fd_pass_receive(glue_conn_fd(conn_), data, room, &fd);
    if (fd >= 0 && descriptor_ < 0) {
        descriptor_ = fd;
    } else if (fd >= 0) {
        ::close(fd);
    }
    if (got > 0) {
        *n = static_cast<size_t>(got);
        return GLUE_OK;
    }
    if (got == 0) {
        return GLUE_CLOSED;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
        return GLUE_WANT_READ;
    }
    glue_error_set_errno(err, GLUE_E_READ_FAILED, errno, nullptr);
    return GLUE_ERROR;
}

napi_value Connection::receive_descriptors(Napi::Env env, const Napi::CallbackInfo &info)
{
    if (!info[0].IsBoolean()) {
        environment_->throw_usage("receiveDescriptors takes true or false");
    } else if (require(State::open, "receive descriptors")) {
        takes_descriptors_ = info[0].As<Napi::Boolean>().Value();
    }
    return env.Undefined();
}

void Connection::drop_descriptor()
{
    if (descriptor_ >= 0) {
        ::close(std::exchange(descriptor_, -1));
    }
}

napi_value Connection::take_descriptor(Napi::Env env, const Napi::CallbackInfo &)
{
    return Napi::Number::New(env, std::exchange(descriptor_, -1));
}

napi_value Connection::send_descriptor(Napi::Env env, const Napi::CallbackInfo &info)
{
    int64_t fd = limit_argument(info[0], INT32_MAX);
    if (fd < 0 || !info[1].IsTypedArray() || info[1].As<Napi::Uint8Array>().ByteLength() == 0) {
        environment_->throw_usage("sendDescriptor takes a descriptor and bytes to go with it");
        return env.Undefined();
    }
    if (!require(State::open, "send a descriptor")) {
        return env.Undefined();
    }
    if (pending_ != nullptr || ending_ || glue_conn_is_tls(conn_)) {
        environment_->throw_usage(
            "a descriptor needs a plaintext connection with nothing to write");
        return env.Undefined();
    }
    Napi::Uint8Array data = info[1].As<Napi::Uint8Array>();
    if (!fd_pass_send(glue_conn_fd(conn_), static_cast<int>(fd), data.Data(), data.ByteLength())) {
        glue_error err;
        glue_error_set_errno(&err, GLUE_E_WRITE_FAILED, errno, "cannot pass a descriptor on");
        environment_->throw_error(err);
    }
    return env.Undefined();
}

/* To be passed on before the next turn; in TLS it is of no use to anybody. */
napi_value Connection::get_fd(Napi::Env env, const Napi::CallbackInfo &)
{
    bool plain = state_ == State::open && !glue_conn_is_tls(conn_);
    return Napi::Number::New(env, plain ? glue_conn_fd(conn_) : -1);
}

} // namespace mxtls
