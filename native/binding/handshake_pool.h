/*
 * handshake_pool.h - TLS handshakes on threads of their own.
 *
 * A connection is owned by exactly one thread at a time: the main loop hands a Handshake over, a
 * pool thread drives it on its own poller, and the outcome comes back through the Mailbox of the
 * environment that asked. One pool per process; the last environment out stops and joins it. With
 * no threads, an environment runs a HandshakeLoop on its main poller, by the same code.
 *
 * No libuv and no Node-API in here: the thread sanitizer runs it alone.
 */
#ifndef MXTLS_HANDSHAKE_POOL_H
#define MXTLS_HANDSHAKE_POOL_H

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "../openssl_glue.h"
#include "poller.h"
#include "socket.h"

namespace mxtls {

/* How to start TLS; shared by all handshakes of a listener. */
struct TlsStart {
    TlsStart(glue_context *shared, uint64_t id);
    ~TlsStart();
    TlsStart(const TlsStart &) = delete;
    TlsStart &operator=(const TlsStart &) = delete;

    glue_context *const context; /* own reference */
    const uint64_t context_id;   /* the binding's number; comes back with questions */
    bool server = true;
    std::string sni;
    std::string cipher_list;
    int security_level = -1;
    glue_protocols protocols = {-1, -1, 0};
    glue_auth *auth = nullptr; /* own reference; a client's, or nullptr */
    std::vector<uint8_t> session;
    uint64_t timeout_ms = 0;  /* each wait; 0: none */
    uint64_t deadline_ms = 0; /* the whole handshake; 0: none */
    size_t trace_limit = 0;   /* bytes; 0: no trace */
    unsigned trace_rate = 0;  /* traces a minute; 0: any number */
    bool slow_shutdown = false;
    bool no_tickets = false;    /* neither given nor taken */
    bool note_tickets = false;  /* what is done with their keys becomes notices */
    bool delay_tickets = false; /* they may wait for what is said next */
};

class Mailbox;
class HandshakeLoop;
class Handshake;

/* Who gets the outcome, on the mailbox's thread; becomes the owner of the handshake. */
class HandshakeOwner {
  public:
    virtual void handshake_done(std::unique_ptr<Handshake> handshake) = 0;

  protected:
    ~HandshakeOwner() = default;
};

/* One handshake; owned by whoever has it: the caller, the loop, the mailbox, the caller again. */
class Handshake final : public Watch {
  public:
    Handshake(glue_conn *owned, std::shared_ptr<const TlsStart> how, Mailbox *back,
              HandshakeOwner *whose)
        : conn(owned), start(std::move(how)), mailbox(back), owner(whose)
    {
    }
    ~Handshake() override;

    /* The connection, which is the caller's from here on. */
    glue_conn *take();

    glue_conn *conn; /* owned; NULL after a failure */
    const std::shared_ptr<const TlsStart> start;
    Mailbox *const mailbox;
    HandshakeOwner *const owner;       /* alive until the outcome, or until leave() */
    Address peer;                      /* of an accepted connection, for the log */
    bool no_tickets = false;           /* whatever `start` says */
    uint64_t id = 0;                   /* for cancel() and answer() */
    std::unique_ptr<glue_error> error; /* set after a failure */
    glue_notice *notices = nullptr;    /* owned; of a failed connection: it is gone itself */
    std::string trace;                 /* after a failure: what the connection had of it */

    void on_ready(uint32_t events) override;
    void on_expired() override;

  private:
    friend class HandshakeLoop;
    void begin(HandshakeLoop *loop);
    void step();
    void settle(glue_status status);
    void fail();
    void fail_with(glue_error_code code);
    bool wait_for(uint32_t events); /* false: failed, and no longer ours */
    void touch();

    HandshakeLoop *loop_ = nullptr;
    uint64_t deadline_ = kNever;
    bool started_ = false;
    bool suspended_ = false;
};

/* A question of a suspended handshake, copied out for JavaScript. */
struct Question {
    uint64_t id;
    uint64_t context_id;
    unsigned kind;
    std::string data;
};

/* The answer to one; moved to the thread that waits for it. */
struct QuestionAnswer {
    QuestionAnswer() = default;
    QuestionAnswer(glue_chains *owned, bool refused) : chains(owned), refuse(refused) {}
    explicit QuestionAnswer(std::vector<uint8_t> found) : session(std::move(found)) {}
    QuestionAnswer(QuestionAnswer &&other) noexcept;
    QuestionAnswer &operator=(QuestionAnswer &&other) noexcept;
    ~QuestionAnswer();

    glue_chains *chains = nullptr; /* own reference, or nullptr for the context's */
    std::vector<uint8_t> session;  /* holds secrets; empty: there is none */
    bool refuse = false;
};

/* Where an environment's outcomes and questions arrive. */
class Mailbox {
  public:
    /* `poller` is woken when something has arrived; it outlives the mailbox. */
    explicit Mailbox(Poller *poller) : poller_(poller) {}

    /* True: nothing was waiting, so that a wake() is due, soon. */
    bool post(Handshake *done);
    bool post(Question question);
    void wake() { poller_->wake(); }
    void collect(std::vector<Handshake *> *done, std::vector<Question> *questions);

  private:
    Poller *const poller_;
    std::mutex mutex_;
    std::vector<Handshake *> done_;
    std::vector<Question> questions_;
};

/* Drives handshakes on one poller, on that poller's thread. */
class HandshakeLoop {
  public:
    explicit HandshakeLoop(Poller *poller) : poller_(poller) {}

    /* Wakes are put off until flush() is called at the end of a turn, or a millisecond has gone. */
    void batch_wakes() { batching_ = true; }
    void flush();

    void start(Handshake *handshake);
    void cancel(uint64_t id);
    void answer(uint64_t id, QuestionAnswer answer);
    /* Ends all handshakes of a mailbox without posting them. */
    void drop(Mailbox *mailbox);
    size_t size() const { return active_.size(); }

  private:
    friend class Handshake;
    void finished(Handshake *handshake);
    void asks(Handshake *handshake);
    void posted(Mailbox *mailbox, bool first);

    Poller *const poller_;
    std::unordered_map<uint64_t, Handshake *> active_;
    bool batching_ = false;
    uint64_t waiting_since_ = 0;
    std::vector<Mailbox *> to_wake_;
};

class HandshakeThread;

/* A connection that glue_conn_close() has closed, and its handshake. */
struct Discarded {
    uint64_t id;
    glue_conn *conn;
};

class HandshakePool {
  public:
    HandshakePool();
    ~HandshakePool(); /* stops and joins */
    HandshakePool(const HandshakePool &) = delete;
    HandshakePool &operator=(const HandshakePool &) = delete;

    /* Starts the threads; false when the system gives none. */
    bool open(unsigned threads);

    /* All five from any thread. The handshake comes back through its mailbox, always. */
    uint64_t submit(Handshake *handshake); /* its id */
    /*
     * Frees connections that are closed. malloc() is fast for a thread that frees what it has
     * allocated itself, and most of what a connection has comes from its handshake.
     */
    void discard(const std::vector<Discarded> &connections);
    void cancel(uint64_t id);
    void answer(uint64_t id, QuestionAnswer answer);
    /* Returns once no thread holds a handshake of this mailbox. */
    void leave(Mailbox *mailbox);

  private:
    HandshakeThread *thread_of(uint64_t id);

    std::vector<std::unique_ptr<HandshakeThread>> threads_;
    std::atomic<uint64_t> next_id_{0};
};

} // namespace mxtls

#endif
