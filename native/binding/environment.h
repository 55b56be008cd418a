/*
 * environment.h - all that belongs to one JavaScript environment (main thread or worker).
 *
 * One poller, driven by one uv_poll_t and one uv_timer_t; the mailbox of the handshake pool; the
 * slab that reads land in; the callbacks into JavaScript. Order of destruction: resources
 * (connections, listeners) first, then the pool is left, then the two libuv handles, then this.
 *
 * Calls into JavaScript happen only from turn(), inside one callback scope for the whole turn, so
 * microtasks and process.nextTick run once per turn. A callback that throws becomes an uncaught
 * exception and the turn goes on.
 */
#ifndef MXTLS_ENVIRONMENT_H
#define MXTLS_ENVIRONMENT_H

#include <initializer_list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <napi.h>

#include "../openssl_glue.h"
#include "handshake_pool.h"
#include "poller.h"
#include "snapshots.h"
#include "uv_handle.h"

namespace mxtls {

class Context;

/* The functions of lib/native.ts NativeCallbacks, in the order of kCallbackNames. */
enum class Callback {
    make_error,
    on_admit,
    on_turned_away,
    on_accept,
    on_handshake_failure,
    on_accept_error,
    on_connect,
    on_read,
    on_end,
    on_drain,
    on_handshake,
    on_timeout,
    on_close,
    on_question,
    count
};

enum class Class { connection, listener, context, chains, sni_cache, ticket_ring, count };

/* What a callback returns: false, true, or a word. */
enum class Answer { no, yes, restricted };

/* Something that holds a descriptor or a place in the pool and must go before its environment. */
class Resource {
  public:
    /* The environment ends: let go of everything, call nothing. */
    virtual void abandon() = 0;

  protected:
    ~Resource() = default;

  private:
    friend class Environment;
    Resource *next_ = nullptr;
    Resource *previous_ = nullptr;
};

class Environment {
  public:
    static Environment *of(napi_env env);
    /* Makes the environment of `env`; throws and returns nullptr on failure. */
    static Environment *create(Napi::Env env);

    Napi::Env env() const { return env_; }
    Poller *poller() { return &poller_; }
    Mailbox *mailbox() { return &mailbox_; }
    Snapshots *snapshots() { return &snapshots_; }

    /* ---- callbacks and errors */

    /* Takes the callback list; throws and returns false when it is not complete. */
    bool set_callbacks(Napi::Object callbacks);
    bool ready() const { return !callbacks_[0].IsEmpty(); }
    void call(Callback which, std::initializer_list<napi_value> arguments);
    /* Calls and has the answer; no also where there is none. */
    Answer ask(Callback which, std::initializer_list<napi_value> arguments);
    Napi::Value error_object(const glue_error &error);
    Napi::Value error_or_null(const glue_error *error);
    void throw_error(const glue_error &error);
    void throw_usage(const std::string &message);

    /* ---- the slab */

    char *slab() const { return slab_; }
    static constexpr size_t kSlabSize = 64 * 1024;
    Napi::Value make_slab();

    /* ---- classes */

    void set_class(Class which, Napi::Function constructor);
    Napi::Function get_class(Class which) const;
    bool building() const { return building_; }
    void set_building(bool building) { building_ = building; }

    /* ---- what is alive */

    void add(Resource *resource);
    void remove(Resource *resource);
    uint64_t add_context(Context *context);
    void remove_context(uint64_t id);

    /* ---- handshakes: on the process's pool, or on the main loop */

    bool submit(std::unique_ptr<Handshake> handshake, uint64_t *id, glue_error *err);
    /* Closes a connection and frees it, on the thread that made its handshake; 0: there was none.
     */
    void discard(uint64_t id, glue_conn *conn);
    void cancel(uint64_t id);
    void answer(uint64_t id, QuestionAnswer answer);

    /* Time limits may have changed: to be called by methods that arm the poller. */
    void schedule();

  private:
    explicit Environment(Napi::Env env) : env_(env) {}
    void pin(uint64_t context);
    void unpin(uint64_t context);
    bool open();
    void turn();
    void deliver();
    void pass_on(const Question &question);
    napi_value invoke(Callback which, std::initializer_list<napi_value> arguments);
    void open_callback_scope();
    void close_callback_scope();
    void update_ref();
    void hand_over_discarded();
    void tear_down();

    Napi::Env env_;
    Poller poller_;
    Mailbox mailbox_{&poller_};
    HandshakeLoop inline_loop_{&poller_};
    HandshakePool *pool_ = nullptr;
    bool pool_asked_ = false;
    uint64_t next_inline_id_ = 0;

    UvHandle<uv_poll_t> uv_poll_;
    UvHandle<uv_timer_t> uv_timer_;
    uint64_t timer_expiry_ = kNever;
    bool in_turn_ = false;
    bool gone_ = false; /* being torn down */
    bool mute_ = false; /* JavaScript cannot run any more, though turns still come */
    bool referenced_ = true;
    int handles_left_ = 2;
    napi_async_cleanup_hook_handle cleanup_ = nullptr;

    napi_async_context async_ = nullptr;
    napi_callback_scope scope_ = nullptr;
    Napi::FunctionReference callbacks_[static_cast<size_t>(Callback::count)];
    Napi::FunctionReference classes_[static_cast<size_t>(Class::count)];
    Napi::ObjectReference resource_;
    Napi::Reference<Napi::Value> slab_reference_;
    char *slab_ = nullptr;
    Snapshots snapshots_;
    bool building_ = false;

    Resource *resources_ = nullptr; /* a list; each is in it at most once */
    std::unordered_map<uint64_t, Context *> contexts_;
    uint64_t next_context_ = 0;
    std::vector<Handshake *> done_;
    std::vector<Question> questions_;
    std::vector<Discarded> discarded_; /* closed in this turn, not yet handed over */
};

} // namespace mxtls

#endif
