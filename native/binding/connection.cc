/* connection.cc - see connection.h. */
#include "connection.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include <sys/epoll.h>
#include <unistd.h>

#include "args.h"

namespace mxtls {

Napi::Function Connection::define_class(Napi::Env env)
{
    return define(env, "NativeConnection",
                  {
                      method_of<&Connection::read_start>("readStart"),
                      method_of<&Connection::read_stop>("readStop"),
                      method_of<&Connection::write>("write"),
                      method_of<&Connection::end>("end"),
                      method_of<&Connection::finish>("finish"),
                      method_of<&Connection::destroy>("destroy"),
                      method_of<&Connection::start_tls>("startTls"),
                      method_of<&Connection::snapshot>("snapshot"),
                      method_of<&Connection::take_notices>("takeNotices"),
                      method_of<&Connection::take_session>("takeSession"),
                      method_of<&Connection::new_session_id>("newSessionId"),
                      method_of<&Connection::claims>("claims"),
                      method_of<&Connection::peer_chain>("peerChain"),
                      method_of<&Connection::take_trace>("takeTrace"),
                      method_of<&Connection::receive_descriptors>("receiveDescriptors"),
                      method_of<&Connection::take_descriptor>("takeDescriptor"),
                      method_of<&Connection::send_descriptor>("sendDescriptor"),
                      method_of<&Connection::set_timeout>("setTimeout"),
                      method_of<&Connection::set_deadline>("setDeadline"),
                      value_of("open", Napi::Boolean::New(env, true)),
                      getter_of<&Connection::get_fd>("fd"),
                      getter_of<&Connection::get_bytes_read>("bytesRead"),
                      getter_of<&Connection::get_bytes_written>("bytesWritten"),
                      getter_of<&Connection::get_remote_address>("remoteAddress"),
                      getter_of<&Connection::get_remote_port>("remotePort"),
                      getter_of<&Connection::get_local_address>("localAddress"),
                      getter_of<&Connection::get_local_port>("localPort"),
                  });
}

/* ------------------------------------------------------------------ readiness */

void Connection::on_ready(uint32_t events)
{
    if (close_due_) {
        close_now(close_error_.get());
        return;
    }
    if (state_ == State::connecting) {
        finish_connect();
        return;
    }
    if (state_ != State::open) {
        return;
    }
    bool broken = (events & (EPOLLHUP | EPOLLERR)) != 0;
    if (pending_ != nullptr && (broken || (events & EPOLLOUT) != 0)) {
        flush_pending();
    }
    if (state_ == State::open && reading_) {
        read_turn();
    } else if (state_ == State::open && broken && pending_ == nullptr) {
        /* Nobody reads or writes: the next attempt will tell, epoll would tell for ever. */
        environment_->poller()->unwatch(this);
    }
}

void Connection::update_watch()
{
    uint32_t events = 0;
    if (reading_) {
        events |= EPOLLIN;
    }
    if (pending_ != nullptr || read_wants_write_) {
        events |= EPOLLOUT;
    }
    if (events == 0) {
        environment_->poller()->unwatch(this);
        return;
    }
    if (!environment_->poller()->watch(this, glue_conn_fd(conn_), events)) {
        auto err = std::make_unique<glue_error>();
        glue_error_set_errno(err.get(), GLUE_E_READ_FAILED, errno, "cannot wait for the socket");
        close_later(std::move(err));
    }
}

/* ------------------------------------------------------------------ reading */

bool Connection::read_again() const
{
    return peer_ended_ || glue_conn_pending(conn_);
}

/* A turn that has brought this much is part of a message, and the socket is likely to hold more. */
constexpr size_t kBulk = 8 * 1024;

/* One callback per turn: the slab is filled as far as data is at hand. */
void Connection::read_turn()
{
    char *slab = environment_->slab();
    size_t filled = 0;
    size_t n = 0;
    glue_error err;
    glue_status status;
    do {
        status = read(slab + filled, Environment::kSlabSize - filled, &n, &err);
        filled += n;
    } while (status == GLUE_OK && filled < Environment::kSlabSize &&
             (filled >= kBulk || glue_conn_pending(conn_)));
    if (filled > 0) {
        bytes_read_ += filled;
        progress(filled);
        environment_->call(
            Callback::on_read,
            {object(), Napi::Number::New(environment_->env(), static_cast<double>(filled))});
        if (state_ != State::open) {
            return;
        }
    }
    after_read(status, err);
}

void Connection::after_read(glue_status status, const glue_error &err)
{
    read_wants_write_ = status == GLUE_WANT_WRITE;
    switch (status) {
    case GLUE_OK:
        if (reading_ && glue_conn_pending(conn_)) {
            environment_->poller()->defer(this); /* the others first */
        }
        break;
    case GLUE_CLOSED:
        peer_ended_ = true;
        if (!reading_) {
            return; /* readStart() brings it up again */
        }
        reading_ = false;
        update_watch();
        if (ended_) {
            close_now(nullptr);
        } else {
            environment_->call(Callback::on_end, {object()});
        }
        return;
    case GLUE_ERROR:
        close_now(&err);
        return;
    default:
        break;
    }
    update_watch();
}

napi_value Connection::read_start(Napi::Env env, const Napi::CallbackInfo &)
{
    if (!require(State::open, "read") || reading_) {
        return env.Undefined();
    }
    reading_ = true;
    update_watch();
    if (conn_ != nullptr && read_again()) {
        environment_->poller()->defer(this);
    }
    return env.Undefined();
}

napi_value Connection::read_stop(Napi::Env env, const Napi::CallbackInfo &)
{
    if (state_ == State::open && reading_) {
        reading_ = false;
        update_watch();
    }
    return env.Undefined();
}

/* ------------------------------------------------------------------ time limits */

void Connection::progress(size_t bytes)
{
    if (deadline_ != kNever && deadline_rate_ != 0) {
        uint64_t credit = static_cast<uint64_t>(bytes) * 1000 / deadline_rate_;
        deadline_ = std::min(deadline_ + credit, now_ms() + deadline_budget_ms_);
    }
    if (timeout_ms_ != 0 || deadline_ != kNever) {
        arm();
    }
}

void Connection::arm()
{
    uint64_t expiry = deadline_;
    if (timeout_ms_ != 0) {
        expiry = std::min(expiry, now_ms() + timeout_ms_);
    }
    environment_->poller()->arm(this, expiry);
    environment_->schedule();
}

void Connection::on_expired()
{
    if (state_ == State::connecting) {
        connect_failed(GLUE_E_CONNECT_TIMEOUT, 0);
        return;
    }
    timeout_ms_ = 0;
    deadline_ = kNever;
    environment_->call(Callback::on_timeout, {object()});
}

napi_value Connection::set_timeout(Napi::Env env, const Napi::CallbackInfo &info)
{
    int64_t ms = limit_argument(info[0], kMaxMs);
    if (ms < 0) {
        environment_->throw_usage("ms must be a number of milliseconds");
        return env.Undefined();
    }
    timeout_ms_ = static_cast<uint64_t>(ms);
    if (state_ == State::open) {
        arm();
    }
    return env.Undefined();
}

napi_value Connection::set_deadline(Napi::Env env, const Napi::CallbackInfo &info)
{
    int64_t ms = limit_argument(info[0], kMaxMs);
    int64_t rate = limit_argument(info[1], INT32_MAX);
    if (ms < 0 || rate < 0) {
        environment_->throw_usage("ms and minDataRate must be numbers, 0 or more");
        return env.Undefined();
    }
    deadline_budget_ms_ = static_cast<uint64_t>(ms);
    deadline_rate_ = static_cast<uint64_t>(rate);
    deadline_ = ms == 0 ? kNever : now_ms() + deadline_budget_ms_;
    if (state_ == State::open) {
        arm();
    }
    return env.Undefined();
}

/* ------------------------------------------------------------------ the end */

bool Connection::require(State state, const char *what)
{
    if (state_ == state) {
        return true;
    }
    const char *now = state_ == State::closed        ? "closed"
                      : state_ == State::connecting  ? "not connected yet"
                      : state_ == State::handshaking ? "in a TLS handshake"
                                                     : "open";
    glue_error err;
    glue_error_set(&err, GLUE_E_INVALID_STATE, "cannot %s: the connection is %s", what, now);
    environment_->throw_error(err);
    return false;
}

/* `open` of the JavaScript object: read often, changed once, and so no getter. */
void Connection::set_closed()
{
    if (state_ == State::closed) {
        return;
    }
    state_ = State::closed;
    Napi::Env env = environment_->env();
    napi_set_named_property(env, object(), "open", Napi::Boolean::New(env, false));
}

/* The fd and all that waits for it go; the object stays for its last callback. */
void Connection::close_fd()
{
    set_closed();
    reading_ = false;
    drop_pending();
    drop_descriptor();
    environment_->poller()->remove(this);
    keep_trace();
    if (conn_ != nullptr) {
        environment_->discard(handshake_id_, std::exchange(conn_, nullptr));
    }
}

/* Inside a method: the callback follows with the next turn. */
void Connection::close_later(std::unique_ptr<glue_error> error)
{
    close_fd();
    close_due_ = true;
    close_error_ = std::move(error);
    environment_->poller()->defer(this);
}

void Connection::close_now(const glue_error *error)
{
    Environment *environment = environment_;
    close_due_ = false;
    close_fd();
    environment->call(Callback::on_close, {object(), environment->error_or_null(error)});
    leave();
}

napi_value Connection::destroy(Napi::Env env, const Napi::CallbackInfo &)
{
    if (state_ == State::handshaking) {
        set_closed(); /* handshake_done() finds it so */
        environment_->cancel(handshake_id_);
        return env.Undefined();
    }
    if (state_ != State::closed || close_due_) {
        close_due_ = false;
        close_fd();
        leave();
    }
    return env.Undefined();
}

/* No further callback: the environment forgets the connection, and it may be collected. */
void Connection::leave()
{
    seat_.free();
    if (member_) {
        member_ = false;
        environment_->remove(this);
        release();
    }
}

void Connection::abandon()
{
    member_ = false;
    state_ = State::closed;
    environment_->poller()->remove(this);
    glue_conn_free(std::exchange(conn_, nullptr));
}

Connection::~Connection()
{
    drop_descriptor();
    glue_conn_free(conn_);
    glue_notices_free(notices_);
    drop(pending_);
    if (member_) {
        environment_->remove(this);
    }
}

/* ------------------------------------------------------------------ properties */

napi_value Connection::get_bytes_read(Napi::Env env, const Napi::CallbackInfo &)
{
    return Napi::Number::New(env, static_cast<double>(bytes_read_));
}

napi_value Connection::get_bytes_written(Napi::Env env, const Napi::CallbackInfo &)
{
    return Napi::Number::New(env, static_cast<double>(bytes_written_));
}

std::string Connection::address(bool remote, int *port)
{
    Address address;
    *port = 0;
    if (conn_ == nullptr) {
        return std::string();
    }
    int fd = glue_conn_fd(conn_);
    bool known = remote ? address_of_peer(fd, &address) : address_of_local(fd, &address);
    return known ? address_text(address, port) : std::string();
}

napi_value Connection::get_remote_address(Napi::Env env, const Napi::CallbackInfo &)
{
    int port;
    return Napi::String::New(env, address(true, &port));
}

napi_value Connection::get_remote_port(Napi::Env env, const Napi::CallbackInfo &)
{
    int port;
    address(true, &port);
    return Napi::Number::New(env, port);
}

napi_value Connection::get_local_address(Napi::Env env, const Napi::CallbackInfo &)
{
    int port;
    return Napi::String::New(env, address(false, &port));
}

napi_value Connection::get_local_port(Napi::Env env, const Napi::CallbackInfo &)
{
    int port;
    address(false, &port);
    return Napi::Number::New(env, port);
}

} // namespace mxtls
