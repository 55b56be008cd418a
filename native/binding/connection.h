/*
 * connection.h - NativeConnection of lib/native.ts: one fd, plaintext and TLS, on the main loop.
 *
 * States: connecting -> open <-> handshaking -> closed. While handshaking the pool owns the glue
 * connection and this object only waits for the outcome. Whatever closes it, the fd goes at once,
 * and at most one last callback follows, never from inside a method.
 */
#ifndef MXTLS_CONNECTION_H
#define MXTLS_CONNECTION_H

#include <cstdint>
#include <memory>
#include <string>

#include <napi.h>

#include "../openssl_glue.h"
#include "environment.h"
#include "handshake_pool.h"
#include "object_wrap.h"
#include "poller.h"
#include "seat.h"
#include "socket.h"

namespace mxtls {

class Connection final : public ObjectWrap<Connection>,
                         public Watch,
                         public Resource,
                         public HandshakeOwner {
  public:
    static constexpr napi_type_tag kTag = {0x6d78746c73636f6e, 0xc07e15b93a86d24f};

    static Napi::Function define_class(Napi::Env env);
    /* An open connection; takes `conn` over, and keeps `seat` until that is closed. Empty when
     * JavaScript cannot run any more. */
    static Napi::Object open(Environment *environment, glue_conn *conn, Seat seat = {},
                             uint64_t handshake_id = 0);
    static Napi::Value connect(Environment *environment, Napi::Value props);
    static Napi::Value adopt(Environment *environment, Napi::Value fd);

    explicit Connection(Environment *environment) : environment_(environment) {}
    ~Connection() override;

    void on_ready(uint32_t events) override;
    void on_expired() override;
    void abandon() override;
    void handshake_done(std::unique_ptr<Handshake> handshake) override;

  private:
    friend class ObjectWrap<Connection>;
    enum class State { connecting, open, handshaking, closed };

    /* ---- methods of NativeConnection */
    napi_value read_start(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value read_stop(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value write(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value end(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value finish(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value destroy(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value start_tls(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value snapshot(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value take_notices(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value take_session(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value new_session_id(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value claims(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value peer_chain(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value take_trace(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value receive_descriptors(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value take_descriptor(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value send_descriptor(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value set_timeout(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value set_deadline(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value get_bytes_read(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value get_bytes_written(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value get_remote_address(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value get_remote_port(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value get_local_address(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value get_fd(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value get_local_port(Napi::Env env, const Napi::CallbackInfo &info);
    std::string address(bool remote, int *port);

    /* ---- connecting */
    static glue_conn *begin_connect(Environment *environment, Napi::Value props, uint64_t *timeout,
                                    bool *pending);
    void finish_connect();
    void connect_failed(glue_error_code code, int sys_errno);

    /* ---- reading and writing */
    void read_turn();
    void after_read(glue_status status, const glue_error &err);
    bool read_again() const;
    glue_status read(char *data, size_t room, size_t *n, glue_error *err);
    void drop_descriptor();
    napi_value write_value(Napi::Env env, Napi::Value value);
    bool write_text(Napi::String text);
    bool write_bytes(const char *data, size_t length, Napi::Value array);
    glue_status flush(const char *data, size_t length, size_t *written, glue_error *err);
    void flush_pending();
    void drop_pending();
    void part();
    void send_farewell();
    void update_watch();

    /* ---- time limits */
    void progress(size_t bytes);
    void arm();

    /* ---- the end */
    bool require(State state, const char *what);
    void set_closed();
    void keep_trace();
    void close_fd();
    void close_later(std::unique_ptr<glue_error> error);
    void close_now(const glue_error *error);
    void leave();

    Environment *const environment_; /* not to be used by the destructor unless `member_` */
    bool member_ = false;            /* the environment knows of it */
    glue_conn *conn_ = nullptr;
    Seat seat_;
    State state_ = State::open;
    bool reading_ = false;
    bool read_wants_write_ = false;
    bool peer_ended_ = false;
    bool ending_ = false; /* end() or finish() was called */
    bool waits_for_peer_ = true;
    bool ended_ = false; /* our side is closed */
    bool close_due_ = false;
    bool takes_descriptors_ = false; /* plaintext reads look for them */
    int descriptor_ = -1;            /* owned: came with what was read, and is not taken yet */
    uint64_t handshake_id_ = 0;      /* of the last one; 0: none yet */
    napi_ref pending_ = nullptr;     /* the array being written */
    size_t pending_offset_ = 0;
    std::string trace_; /* what is left of a connection that is gone */
    std::unique_ptr<glue_error> close_error_;
    glue_notice *notices_ = nullptr; /* owned; of a failed handshake */

    uint64_t timeout_ms_ = 0;
    uint64_t deadline_ = kNever;
    uint64_t deadline_budget_ms_ = 0;
    uint64_t deadline_rate_ = 0; /* bytes per second */

    uint64_t bytes_read_ = 0;
    uint64_t bytes_written_ = 0;
};

} // namespace mxtls

#endif
