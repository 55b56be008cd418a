/*
 * poller.cc - see poller.h.
 *
 * The heap is lazy: a time limit is moved later far more often than it fires (each byte of progress
 * moves it), so arm() only notes the new expiry, and the entry is put in its place when its old
 * key comes up.
 */
#include "poller.h"

#include <cerrno>
#include <ctime>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace mxtls {

uint64_t now_ms()
{
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<uint64_t>(time.tv_sec) * 1000 +
           static_cast<uint64_t>(time.tv_nsec) / 1000000;
}

Watch::~Watch()
{
    if (poller_ != nullptr) {
        poller_->remove(this);
    }
}

Poller::~Poller()
{
    for (Watch *watch : heap_) {
        watch->heap_slot_ = Watch::kNowhere;
    }
    if (wake_ >= 0) {
        close(wake_);
    }
    if (epoll_ >= 0) {
        close(epoll_);
    }
}

bool Poller::open()
{
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    wake_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (epoll_ < 0 || wake_ < 0) {
        return false;
    }
    epoll_event event = {};
    event.events = EPOLLIN | EPOLLET; /* each wake() is an edge: the counter is never read */
    event.data.ptr = nullptr;
    return epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event) == 0;
}

bool Poller::watch(Watch *watch, int fd, uint32_t events)
{
    watch->poller_ = this;
    if (watch->registered_ && watch->events_ == events) {
        return true;
    }
    epoll_event event = {};
    event.events = events;
    event.data.ptr = watch;
    if (epoll_ctl(epoll_, watch->registered_ ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) != 0) {
        return false;
    }
    watch->fd_ = fd;
    watch->events_ = events;
    watch->registered_ = true;
    return true;
}

void Poller::unwatch(Watch *watch)
{
    if (watch->registered_) {
        epoll_ctl(epoll_, EPOLL_CTL_DEL, watch->fd_, nullptr);
        watch->registered_ = false;
        watch->events_ = 0;
    }
    if (watch->batch_slot_ != Watch::kNowhere) {
        batch_[watch->batch_slot_].watch = nullptr;
        watch->batch_slot_ = Watch::kNowhere;
    }
}

void Poller::defer(Watch *watch)
{
    watch->poller_ = this;
    if (watch->deferred_slot_ == Watch::kNowhere) {
        watch->deferred_slot_ = deferred_.size();
        deferred_.push_back(watch);
        if (!deferred_follow_) {
            wake();
        }
    }
}

void Poller::remove(Watch *watch)
{
    unwatch(watch);
    arm(watch, kNever);
    if (watch->heap_slot_ != Watch::kNowhere) {
        heap_remove(watch);
    }
    if (watch->deferred_slot_ != Watch::kNowhere) {
        deferred_[watch->deferred_slot_] = nullptr;
        watch->deferred_slot_ = Watch::kNowhere;
    }
    watch->poller_ = nullptr;
}

void Poller::wake()
{
    uint64_t one = 1;
    ssize_t ignored = write(wake_, &one, sizeof(one));
    (void)ignored; /* EAGAIN: it is awake anyway */
}

/* ------------------------------------------------------------------ dispatch */

void Poller::turn(int timeout)
{
    epoll_event events[kBatch];
    int count;
    do {
        count = epoll_wait(epoll_, events, kBatch, timeout);
    } while (count < 0 && errno == EINTR);
    size_t filled = 0;
    for (int i = 0; i < count; i++) {
        auto *watch = static_cast<Watch *>(events[i].data.ptr);
        if (watch == nullptr) {
            continue;
        }
        watch->batch_slot_ = filled;
        batch_[filled++] = {watch, events[i].events};
    }
    deferred_follow_ = true;
    dispatch_batch(filled);
    deferred_follow_ = false;
    dispatch_deferred();
    dispatch_expired();
}

void Poller::dispatch_batch(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        Watch *watch = batch_[i].watch;
        if (watch != nullptr) {
            watch->batch_slot_ = Watch::kNowhere;
            watch->on_ready(batch_[i].events);
        }
    }
}

/* What is deferred while this runs waits for the next turn: nobody starves the others. */
void Poller::dispatch_deferred()
{
    size_t count = deferred_.size();
    for (size_t i = 0; i < count; i++) {
        Watch *watch = deferred_[i];
        if (watch != nullptr) {
            deferred_[i] = nullptr;
            watch->deferred_slot_ = Watch::kNowhere;
            watch->on_ready(0);
        }
    }
    deferred_.erase(deferred_.begin(), deferred_.begin() + static_cast<std::ptrdiff_t>(count));
    for (size_t i = 0; i < deferred_.size(); i++) {
        if (deferred_[i] != nullptr) {
            deferred_[i]->deferred_slot_ = i;
        }
    }
}

void Poller::dispatch_expired()
{
    if (heap_.empty()) {
        return;
    }
    uint64_t now = now_ms();
    while (!heap_.empty() && heap_[0]->heap_key_ <= now) {
        Watch *watch = heap_[0];
        if (watch->expiry_ > now) { /* was moved later, or disarmed */
            if (watch->expiry_ == kNever) {
                heap_remove(watch);
                continue;
            }
            watch->heap_key_ = watch->expiry_;
            heap_down(0);
            continue;
        }
        heap_remove(watch);
        watch->expiry_ = kNever;
        watch->on_expired();
    }
}

uint64_t Poller::next_expiry() const
{
    return heap_.empty() ? kNever : heap_[0]->heap_key_;
}

/* ------------------------------------------------------------------ the heap */

void Poller::arm(Watch *watch, uint64_t expiry)
{
    watch->expiry_ = expiry;
    if (expiry == kNever) {
        return; /* its entry goes when it comes up, or with remove() */
    }
    watch->poller_ = this;
    if (watch->heap_slot_ == Watch::kNowhere) {
        watch->heap_key_ = expiry;
        heap_.push_back(watch);
        watch->heap_slot_ = heap_.size() - 1;
        heap_up(watch->heap_slot_);
    } else if (expiry < watch->heap_key_) {
        watch->heap_key_ = expiry;
        heap_up(watch->heap_slot_);
    }
}

void Poller::heap_place(size_t slot, Watch *watch)
{
    heap_[slot] = watch;
    watch->heap_slot_ = slot;
}

void Poller::heap_up(size_t slot)
{
    Watch *watch = heap_[slot];
    while (slot > 0) {
        size_t parent = (slot - 1) / 2;
        if (heap_[parent]->heap_key_ <= watch->heap_key_) {
            break;
        }
        heap_place(slot, heap_[parent]);
        slot = parent;
    }
    heap_place(slot, watch);
}

void Poller::heap_down(size_t slot)
{
    Watch *watch = heap_[slot];
    for (size_t child = 2 * slot + 1; child < heap_.size(); child = 2 * slot + 1) {
        if (child + 1 < heap_.size() && heap_[child + 1]->heap_key_ < heap_[child]->heap_key_) {
            child++;
        }
        if (watch->heap_key_ <= heap_[child]->heap_key_) {
            break;
        }
        heap_place(slot, heap_[child]);
        slot = child;
    }
    heap_place(slot, watch);
}

void Poller::heap_remove(Watch *watch)
{
    size_t slot = watch->heap_slot_;
    Watch *last = heap_.back();
    heap_.pop_back();
    watch->heap_slot_ = Watch::kNowhere;
    watch->heap_key_ = kNever;
    if (last != watch) {
        heap_place(slot, last);
        heap_up(slot);
        heap_down(last->heap_slot_);
    }
}

} // namespace mxtls
