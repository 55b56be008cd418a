/* listener.cc - see listener.h. */
#include "listener.h"

#include <cerrno>
#include <utility>

#include <sys/epoll.h>
#include <unistd.h>

#include "args.h"
#include "connection.h"
#include "context.h"
#include "convert.h"

namespace mxtls {

namespace {

constexpr int kAcceptBatch = 64;
constexpr uint64_t kAcceptPauseMs = 100; /* after EMFILE and the like */
constexpr uint64_t kTellEveryMs = 1000;  /* about those turned away */

Napi::Value text_or_null(Napi::Env env, const std::string &text)
{
    return text.empty() ? env.Null() : Napi::String::New(env, text);
}

} // namespace

Napi::Function Listener::define_class(Napi::Env env)
{
    return define(env, "NativeListener",
                  {
                      method_of<&Listener::close>("close"),
                      method_of<&Listener::set_context>("setContext"),
                      getter_of<&Listener::get_address>("address"),
                      getter_of<&Listener::get_port>("port"),
                      getter_of<&Listener::get_taken>("taken"),
                  });
}

/* ------------------------------------------------------------------ making one */

Napi::Value Listener::listen(Environment *environment, Napi::Value props)
{
    auto made = std::make_unique<Listener>(environment);
    Listener *self = made.get();
    if (!self->read_tls(props) || !self->read_limits(props) || !self->open_socket(props)) {
        return environment->env().Undefined();
    }
    Napi::Object object =
        wrap(environment, environment->get_class(Class::listener), std::move(made));
    if (object.IsEmpty()) {
        return environment->env().Undefined();
    }
    environment->add(self);
    self->member_ = true;
    self->hold();
    environment->poller()->watch(self, self->fd_, EPOLLIN);
    return object;
}

bool Listener::read_tls(Napi::Value props)
{
    Fields fields(environment_, props, "listen properties");
    Napi::Value value = fields.value("context");
    if (!fields.ok()) {
        return false;
    }
    if (value.IsNull()) {
        return true;
    }
    Context *context = Context::from(value);
    if (context == nullptr) {
        fields.fail("context", "what createContext() made, or null");
        return false;
    }
    start_ = context->start(environment_, fields.value("tls"));
    return start_ != nullptr;
}

bool Listener::read_limits(Napi::Value props)
{
    Fields fields(environment_, props, "listen properties");
    limit_ = static_cast<unsigned>(fields.integer("limit", 0, INT32_MAX));
    busy_reply_ = fields.text_or_null("busyReply");
    asks_ = fields.boolean("admit");
    return fields.ok();
}

bool Listener::open_socket(Napi::Value props)
{
    Fields fields(environment_, props, "listen properties");
    std::string host = fields.text_or_null("host");
    std::string path = fields.text_or_null("path");
    int port = static_cast<int>(fields.integer("port", 0, 65535));
    int inherited = static_cast<int>(fields.integer("fd", -1, INT32_MAX));
    ListenOptions options;
    options.backlog = static_cast<int>(fields.integer("backlog", 1, 65535));
    options.reuse_port = fields.boolean("reusePort");
    options.ipv6_only = fields.boolean("ipv6Only");
    Address address;
    if (fields.ok() && inherited < 0 &&
        !(path.empty() ? address_of_ip(host, port, &address) : address_of_path(path, &address))) {
        fields.fail(path.empty() ? "host" : "path", "an IP address (or a path that fits)");
    }
    if (!fields.ok()) {
        return false;
    }
    if (inherited >= 0) {
        fd_ = socket_adopt_listening(inherited) ? inherited : -1;
    } else {
        fd_ = socket_listen(address, options);
    }
    if (fd_ < 0) {
        glue_error err;
        std::string where = inherited >= 0  ? "descriptor " + std::to_string(inherited)
                            : !path.empty() ? path
                                            : host + " port " + std::to_string(port);
        glue_error_set_errno(&err, GLUE_E_LISTEN_FAILED, errno, "cannot listen on %s",
                             where.c_str());
        environment_->throw_error(err);
        return false;
    }
    unlink_path_ = inherited < 0 ? path : std::string();
    if (address_of_local(fd_, &address)) {
        text_ = address_text(address, &port_);
    }
    return true;
}

/* ------------------------------------------------------------------ accepting */

void Listener::on_ready(uint32_t)
{
    for (int i = 0; i < kAcceptBatch && fd_ >= 0; i++) {
        if (!accept_one()) {
            return;
        }
    }
}

bool Listener::accept_one()
{
    Address peer;
    int fd = socket_accept(fd_, &peer);
    if (fd < 0) {
        if (errno == EINTR || errno == ECONNABORTED) {
            return true;
        }
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            accept_failed(errno);
        }
        return false;
    }
    if (full()) {
        turn_away(fd);
        return true;
    }
    Answer answer = asks_ ? admission(peer) : Answer::yes;
    if (answer == Answer::no || fd_ < 0) { /* JavaScript may have closed the listener */
        ::close(fd);
        return true;
    }
    glue_error err;
    glue_conn *conn = glue_conn_new(fd, &err);
    if (conn == nullptr) {
        ::close(fd);
        return true;
    }
    if (start_ != nullptr) {
        hand_over(conn, peer, answer == Answer::restricted);
        return true;
    }
    Napi::HandleScope scope(environment_->env());
    Napi::Object connection = Connection::open(environment_, conn, Seat(seats_));
    if (!connection.IsEmpty()) {
        environment_->call(Callback::on_accept, {object(), connection});
    }
    return true;
}

Answer Listener::admission(const Address &peer)
{
    Napi::HandleScope scope(environment_->env());
    int port;
    std::string address = address_text(peer, &port);
    return environment_->ask(Callback::on_admit,
                             {object(), Napi::String::New(environment_->env(), address)});
}

/* Costs no object, no thread and, but once a second, no JavaScript. */
void Listener::turn_away(int fd)
{
    if (!busy_reply_.empty()) {
        send(fd, busy_reply_.data(), busy_reply_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    ::close(fd);
    turned_away_++;
    uint64_t now = now_ms();
    if (now < told_at_ + kTellEveryMs) {
        return;
    }
    told_at_ = now;
    Napi::HandleScope scope(environment_->env());
    environment_->call(
        Callback::on_turned_away,
        {object(), Napi::Number::New(environment_->env(), std::exchange(turned_away_, 0))});
}

/* Out of descriptors or memory: a pause, since epoll would report the same at once again. */
void Listener::accept_failed(int sys_errno)
{
    glue_error err;
    glue_error_set_errno(&err, GLUE_E_ACCEPT_FAILED, sys_errno, "cannot accept connections on %s",
                         text_.c_str());
    environment_->poller()->unwatch(this);
    environment_->poller()->arm(this, now_ms() + kAcceptPauseMs);
    environment_->call(Callback::on_accept_error, {object(), environment_->error_object(err)});
}

void Listener::on_expired()
{
    if (fd_ >= 0) {
        environment_->poller()->watch(this, fd_, EPOLLIN);
    }
}

void Listener::hand_over(glue_conn *conn, const Address &peer, bool no_tickets)
{
    auto handshake = std::make_unique<Handshake>(conn, start_, environment_->mailbox(), this);
    handshake->peer = peer;
    handshake->no_tickets = no_tickets;
    uint64_t id;
    glue_error err;
    if (environment_->submit(std::move(handshake), &id, &err)) {
        handshakes_++;
        return;
    }
    Napi::HandleScope scope(environment_->env());
    environment_->call(Callback::on_accept_error, {object(), environment_->error_object(err)});
}

void Listener::handshake_done(std::unique_ptr<Handshake> handshake)
{
    handshakes_--;
    Napi::Env env = environment_->env();
    Napi::HandleScope scope(env);
    if (handshake->error == nullptr) {
        Napi::Object connection = Connection::open(environment_, handshake->take(), Seat(seats_));
        if (!connection.IsEmpty()) {
            environment_->call(Callback::on_accept, {object(), connection});
        }
    } else {
        int port;
        std::string address = address_text(handshake->peer, &port);
        environment_->call(Callback::on_handshake_failure,
                           {object(), environment_->error_object(*handshake->error),
                            Napi::String::New(env, address), Napi::Number::New(env, port),
                            notices_to_value(env, handshake->notices),
                            text_or_null(env, handshake->trace)});
    }
    leave_if_done();
}

/* ------------------------------------------------------------------ the end */

void Listener::close_socket()
{
    if (fd_ < 0) {
        return;
    }
    environment_->poller()->remove(this);
    ::close(std::exchange(fd_, -1));
    if (!unlink_path_.empty()) {
        unlink(unlink_path_.c_str());
    }
}

/* Closed, and no handshake under way that would come back here. */
void Listener::leave_if_done()
{
    if (member_ && fd_ < 0 && handshakes_ == 0) {
        member_ = false;
        environment_->remove(this);
        release();
    }
}

napi_value Listener::close(Napi::Env env, const Napi::CallbackInfo &)
{
    close_socket();
    leave_if_done();
    return env.Undefined();
}

void Listener::abandon()
{
    member_ = false;
    close_socket();
}

Listener::~Listener()
{
    if (fd_ >= 0) {
        ::close(fd_);
    }
    if (member_) {
        environment_->remove(this);
    }
}

/* ------------------------------------------------------------------ methods */

napi_value Listener::set_context(Napi::Env env, const Napi::CallbackInfo &info)
{
    Context *context = Context::from(info[0]);
    if (context == nullptr || start_ == nullptr) {
        environment_->throw_usage("setContext() takes a context, on a listener that has one");
        return env.Undefined();
    }
    std::shared_ptr<const TlsStart> start = context->start(environment_, info[1]);
    if (start != nullptr) {
        start_ = std::move(start);
    }
    return env.Undefined();
}

napi_value Listener::get_address(Napi::Env env, const Napi::CallbackInfo &)
{
    return Napi::String::New(env, text_);
}

napi_value Listener::get_taken(Napi::Env env, const Napi::CallbackInfo &)
{
    return Napi::Number::New(env, *seats_ + handshakes_);
}

napi_value Listener::get_port(Napi::Env env, const Napi::CallbackInfo &)
{
    return Napi::Number::New(env, port_);
}

} // namespace mxtls
