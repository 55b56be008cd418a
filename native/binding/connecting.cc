/*
 * connecting.cc - how a Connection comes to be: accepted, adopted, or connected to a peer.
 */
#include <cerrno>
#include <string>

#include <sys/epoll.h>
#include <unistd.h>

#include "args.h"
#include "connection.h"

namespace mxtls {

Napi::Object Connection::open(Environment *environment, glue_conn *conn, Seat seat,
                              uint64_t handshake_id)
{
    auto made = std::make_unique<Connection>(environment);
    Connection *self = made.get();
    self->conn_ = conn;
    self->handshake_id_ = handshake_id;
    self->seat_ = std::move(seat);
    Napi::Object object =
        wrap(environment, environment->get_class(Class::connection), std::move(made));
    if (object.IsEmpty()) {
        return object;
    }
    environment->add(self);
    self->member_ = true;
    self->hold();
    return object;
}

Napi::Value Connection::adopt(Environment *environment, Napi::Value value)
{
    Napi::Env env = environment->env();
    glue_error err;
    int64_t number = limit_argument(value, INT32_MAX);
    int copy = number < 0 ? -1 : socket_duplicate(static_cast<int>(number));
    if (copy < 0) {
        if (number < 0) {
            environment->throw_usage("fd must be a descriptor of a connected socket");
        } else {
            glue_error_set_errno(&err, GLUE_E_INVALID_ARGUMENT, errno,
                                 "cannot adopt the descriptor %d", static_cast<int>(number));
            environment->throw_error(err);
        }
        return env.Undefined();
    }
    glue_conn *conn = glue_conn_new(copy, &err);
    if (conn == nullptr) {
        ::close(copy);
        environment->throw_error(err);
        return env.Undefined();
    }
    return open(environment, conn);
}

glue_conn *Connection::begin_connect(Environment *environment, Napi::Value props, uint64_t *timeout,
                                     bool *pending)
{
    Fields fields(environment, props, "connect properties");
    std::string host = fields.text_or_null("host");
    std::string path = fields.text_or_null("path");
    std::string local = fields.text_or_null("localAddress");
    int port = static_cast<int>(fields.integer("port", 0, 65535));
    *timeout = static_cast<uint64_t>(fields.integer("timeout", 0, kMaxMs));
    Address address, source;
    if (fields.ok() &&
        !(path.empty() ? address_of_ip(host, port, &address) : address_of_path(path, &address))) {
        fields.fail(path.empty() ? "host" : "path", "an IP address (or a path that fits)");
    }
    if (fields.ok() && !local.empty() && !address_of_ip(local, 0, &source)) {
        fields.fail("localAddress", "an IP address or null");
    }
    if (!fields.ok()) {
        return nullptr;
    }
    glue_error err;
    int fd = socket_connect(address, local.empty() ? nullptr : &source, pending);
    glue_conn *conn = nullptr;
    if (fd < 0) {
        glue_error_set_errno(&err, GLUE_E_CONNECT_FAILED, errno, "cannot connect to %s",
                             path.empty() ? host.c_str() : path.c_str());
    } else {
        conn = glue_conn_new(fd, &err);
    }
    if (conn == nullptr) {
        if (fd >= 0) {
            ::close(fd);
        }
        environment->throw_error(err);
    }
    return conn;
}

Napi::Value Connection::connect(Environment *environment, Napi::Value props)
{
    uint64_t timeout = 0;
    bool pending = false;
    glue_conn *conn = begin_connect(environment, props, &timeout, &pending);
    if (conn == nullptr) {
        return environment->env().Undefined();
    }
    Napi::Object object = open(environment, conn);
    if (object.IsEmpty()) {
        return environment->env().Undefined();
    }
    Connection *self = from(object);
    self->state_ = State::connecting;
    if (pending) {
        environment->poller()->watch(self, glue_conn_fd(conn), EPOLLOUT);
    } else {
        environment->poller()->defer(self);
    }
    if (timeout != 0) {
        environment->poller()->arm(self, now_ms() + timeout);
        environment->schedule();
    }
    return object;
}

void Connection::finish_connect()
{
    int sys_errno = socket_error(glue_conn_fd(conn_));
    if (sys_errno != 0) {
        connect_failed(GLUE_E_CONNECT_FAILED, sys_errno);
        return;
    }
    state_ = State::open;
    environment_->poller()->arm(this, kNever);
    environment_->call(Callback::on_connect, {object(), environment_->env().Null()});
    if (state_ == State::open) {
        update_watch(); /* until now it waited for this event */
    }
}

void Connection::connect_failed(glue_error_code code, int sys_errno)
{
    glue_error err;
    if (sys_errno != 0) {
        glue_error_set_errno(&err, code, sys_errno, "cannot connect");
    } else {
        glue_error_set(&err, code, nullptr);
    }
    Environment *environment = environment_;
    Napi::Object self = object();
    close_fd();
    environment->call(Callback::on_connect, {self, environment->error_object(err)});
    leave();
}

} // namespace mxtls
