/*
 * listener.h - NativeListener of lib/native.ts: accepts in batches.
 *
 * Without a context each connection goes to JavaScript as it is. With one (wrappermode) it goes to
 * the handshake pool first, and JavaScript hears of it when TLS stands: a connection that never
 * gets there costs the main loop an accept.
 */
#ifndef MXTLS_LISTENER_H
#define MXTLS_LISTENER_H

#include <memory>
#include <string>

#include <napi.h>

#include "environment.h"
#include "handshake_pool.h"
#include "object_wrap.h"
#include "poller.h"
#include "seat.h"
#include "socket.h"

namespace mxtls {

class Listener final : public ObjectWrap<Listener>,
                       public Watch,
                       public Resource,
                       public HandshakeOwner {
  public:
    static constexpr napi_type_tag kTag = {0x6d78746c736c6973, 0x51d8a3f60e94b7c2};

    static Napi::Function define_class(Napi::Env env);
    /* listen() of lib/native.ts. */
    static Napi::Value listen(Environment *environment, Napi::Value props);

    explicit Listener(Environment *environment) : environment_(environment) {}
    ~Listener() override;

    void on_ready(uint32_t events) override;
    void on_expired() override;
    void abandon() override;
    void handshake_done(std::unique_ptr<Handshake> handshake) override;

  private:
    friend class ObjectWrap<Listener>;

    napi_value close(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value set_context(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value get_address(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value get_port(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value get_taken(Napi::Env env, const Napi::CallbackInfo &info);

    bool open_socket(Napi::Value props);
    bool read_tls(Napi::Value props);
    bool read_limits(Napi::Value props);
    bool accept_one(); /* false: no more for now */
    bool full() const { return limit_ != 0 && *seats_ + handshakes_ >= limit_; }
    Answer admission(const Address &peer);
    void turn_away(int fd);
    void accept_failed(int sys_errno);
    void hand_over(glue_conn *conn, const Address &peer, bool no_tickets);
    void close_socket();
    void leave_if_done();

    Environment *const environment_; /* not to be used by the destructor unless `member_` */
    bool member_ = false;            /* the environment knows of it */
    int fd_ = -1;
    std::string unlink_path_;
    std::string text_;
    int port_ = 0;
    std::shared_ptr<const TlsStart> start_;
    unsigned handshakes_ = 0;

    std::shared_ptr<unsigned> seats_ = std::make_shared<unsigned>(0);
    unsigned limit_ = 0;     /* of seats and handshakes; 0: none */
    std::string busy_reply_; /* for those who find it full */
    bool asks_ = false;      /* JavaScript decides who gets a handshake */
    unsigned turned_away_ = 0;
    uint64_t told_at_ = 0;
};

} // namespace mxtls

#endif
