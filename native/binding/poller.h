/*
 * poller.h - waiting: an epoll set with time limits, for one thread.
 *
 * The main loop of an environment and each handshake thread have one. Something that waits derives
 * from Watch. The main loop drives its poller from a single uv_poll_t on `fd()` and a single
 * uv_timer_t (environment.cc), so a connection costs libuv nothing; a handshake thread calls
 * turn() in a loop. No libuv and no Node-API in here: the thread sanitizer runs it alone.
 *
 * Readiness is level-triggered. A Watch may be removed, destroyed and added again from inside any
 * callback, its own included. Only wake() may be called from another thread.
 */
#ifndef MXTLS_POLLER_H
#define MXTLS_POLLER_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace mxtls {

/* Milliseconds of the monotonic clock. */
uint64_t now_ms();

constexpr uint64_t kNever = UINT64_MAX;

class Poller;

/* One thing that waits: for its fd, for a point in time, or for its next turn. */
class Watch {
  public:
    Watch() = default;
    Watch(const Watch &) = delete;
    Watch &operator=(const Watch &) = delete;
    virtual ~Watch(); /* leaves its poller */

    /* The fd is ready (EPOLL* bits), or defer() was called (0). */
    virtual void on_ready(uint32_t events) = 0;
    /* The expiry has passed; it is disarmed. */
    virtual void on_expired() = 0;

  private:
    friend class Poller;
    static constexpr size_t kNowhere = SIZE_MAX;

    Poller *poller_ = nullptr;
    int fd_ = -1;
    uint32_t events_ = 0;
    bool registered_ = false;
    size_t batch_slot_ = kNowhere;
    size_t deferred_slot_ = kNowhere;
    uint64_t expiry_ = kNever;
    uint64_t heap_key_ = kNever;
    size_t heap_slot_ = kNowhere;
};

class Poller {
  public:
    Poller() = default;
    Poller(const Poller &) = delete;
    Poller &operator=(const Poller &) = delete;
    ~Poller();

    /* False with errno when the system has no descriptors left. */
    bool open();
    int fd() const { return epoll_; }

    /* Waits for `events` on `fd`; 0 keeps the watch and waits for nothing. */
    bool watch(Watch *watch, int fd, uint32_t events);
    /*
     * Ends waiting for the fd; due before the fd is closed or moves to another thread. close(2)
     * alone does not do: a duplicate, or a child between fork and exec, keeps it in the set.
     */
    void unwatch(Watch *watch);
    /* on_expired() at `expiry` (now_ms() scale); kNever disarms. Moving it later costs nothing. */
    void arm(Watch *watch, uint64_t expiry);
    /* on_ready(0) in the next turn, which comes at once. */
    void defer(Watch *watch);
    /* Forgets the watch altogether. */
    void remove(Watch *watch);

    /* Waits at most `timeout` ms (-1: until something happens) and dispatches; also on wake(). */
    void turn(int timeout);
    /* Makes turn() return, or the next one not wait. From any thread. */
    void wake();
    /* When turn() has to be called even if nothing happens; kNever: never. */
    uint64_t next_expiry() const;

  private:
    void dispatch_batch(size_t count);
    void dispatch_deferred();
    void dispatch_expired();
    void heap_place(size_t slot, Watch *watch);
    void heap_up(size_t slot);
    void heap_down(size_t slot);
    void heap_remove(Watch *watch);

    struct Ready {
        Watch *watch;
        uint32_t events;
    };
    static constexpr size_t kBatch = 256;

    int epoll_ = -1;
    int wake_ = -1;
    bool deferred_follow_ = false; /* dispatch_deferred() is still to come in this turn */
    Ready batch_[kBatch];
    std::vector<Watch *> deferred_;
    std::vector<Watch *> heap_; /* by heap_key_, which is never later than expiry_ */
};

} // namespace mxtls

#endif
