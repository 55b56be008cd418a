/*
 * poller_test.cc - waiting: readiness, time limits, turns, and removal from inside callbacks.
 */
#include <functional>
#include <memory>

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../binding/poller.h"
#include "testlib.h"

using mxtls::kNever;
using mxtls::now_ms;
using mxtls::Poller;
using mxtls::Watch;

namespace {

class Probe final : public Watch {
  public:
    std::function<void(uint32_t)> ready = [](uint32_t) {};
    std::function<void()> expired = [] {};
    int times = 0;

    void on_ready(uint32_t events) override
    {
        times++;
        ready(events);
    }
    void on_expired() override
    {
        times++;
        expired();
    }
};

struct Pair {
    int fds[2];
    Pair() { EXPECT_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0); }
    ~Pair()
    {
        close(fds[0]);
        close(fds[1]);
    }
    void say() { EXPECT_INT(write(fds[1], "x", 1), 1); }
};

void readiness_arrives_until_it_is_taken()
{
    Poller poller;
    NEED(poller.open());
    Pair pair;
    Probe probe;
    EXPECT(poller.watch(&probe, pair.fds[0], EPOLLIN));
    poller.turn(0);
    EXPECT_INT(probe.times, 0);
    pair.say();
    poller.turn(0);
    poller.turn(0);
    EXPECT_INT(probe.times, 2);
    poller.unwatch(&probe);
    poller.turn(0);
    EXPECT_INT(probe.times, 2);
}

/* Both are ready in the same batch; whoever comes first destroys the other. */
void a_callback_may_destroy_another_of_its_batch()
{
    Poller poller;
    NEED(poller.open());
    Pair one, two;
    std::unique_ptr<Probe> probes[2] = {std::make_unique<Probe>(), std::make_unique<Probe>()};
    int calls = 0;
    for (int i = 0; i < 2; i++) {
        probes[i]->ready = [&, i](uint32_t) {
            calls++;
            probes[1 - i].reset();
        };
    }
    EXPECT(poller.watch(probes[0].get(), one.fds[0], EPOLLIN));
    EXPECT(poller.watch(probes[1].get(), two.fds[0], EPOLLIN));
    one.say();
    two.say();
    poller.turn(0);
    EXPECT_INT(calls, 1);
}

void a_callback_may_destroy_itself()
{
    Poller poller;
    NEED(poller.open());
    Pair pair;
    auto *probe = new Probe;
    probe->ready = [probe](uint32_t) { delete probe; };
    EXPECT(poller.watch(probe, pair.fds[0], EPOLLIN));
    poller.arm(probe, now_ms());
    pair.say();
    poller.turn(0); /* ready, and its expiry must not be met any more */
}

void limits_fire_in_order_and_once()
{
    Poller poller;
    NEED(poller.open());
    Probe probes[50];
    int order = -1;
    uint64_t start = now_ms();
    for (int i = 0; i < 50; i++) {
        probes[i].expired = [&order, i] {
            EXPECT(order < i);
            order = i;
        };
    }
    for (int i = 49; i >= 0; i--) {
        poller.arm(&probes[(i * 7) % 50], start - 100 + static_cast<uint64_t>((i * 7) % 50));
    }
    poller.turn(0);
    poller.turn(0);
    EXPECT_INT(order, 49);
    for (const Probe &probe : probes) {
        EXPECT_INT(probe.times, 1);
    }
    EXPECT(poller.next_expiry() == kNever);
}

void a_limit_can_be_moved_and_disarmed()
{
    Poller poller;
    NEED(poller.open());
    Probe later, sooner, never;
    uint64_t now = now_ms();
    poller.arm(&later, now - 5);
    poller.arm(&later, now + 100000);
    poller.arm(&sooner, now + 100000);
    poller.arm(&sooner, now - 5);
    poller.arm(&never, now - 5);
    poller.arm(&never, kNever);
    poller.turn(0);
    EXPECT_INT(later.times, 0);
    EXPECT_INT(sooner.times, 1);
    EXPECT_INT(never.times, 0);
    EXPECT(poller.next_expiry() == now + 100000);
    poller.remove(&later);
    EXPECT(poller.next_expiry() == kNever);
}

/* Against a plain model: random moves, then everything is removed in random order. */
void the_heap_stays_in_order()
{
    Poller poller;
    NEED(poller.open());
    Probe probes[64];
    unsigned seed = 12345;
    auto random = [&seed] { return (seed = seed * 1103515245u + 12345u) >> 16; };
    uint64_t base = now_ms() + 1000000;
    uint64_t model[64];
    for (uint64_t &expiry : model) {
        expiry = kNever;
    }
    for (int round = 0; round < 5000; round++) {
        size_t i = random() % 64;
        if (random() % 4 == 0) {
            poller.remove(&probes[i]);
            model[i] = kNever;
        } else {
            model[i] = base + random() % 1000;
            poller.arm(&probes[i], model[i]);
        }
        uint64_t least = kNever;
        for (uint64_t expiry : model) {
            least = expiry < least ? expiry : least;
        }
        /* Lazy: it may come up early, never late. */
        EXPECT(poller.next_expiry() <= least);
    }
}

void what_is_deferred_comes_next_turn_at_once()
{
    Poller poller;
    NEED(poller.open());
    Probe probe;
    probe.ready = [&](uint32_t events) {
        EXPECT_INT(events, 0);
        if (probe.times < 3) {
            poller.defer(&probe);
        }
    };
    poller.defer(&probe);
    poller.defer(&probe);
    uint64_t start = now_ms();
    poller.turn(10000);
    EXPECT_INT(probe.times, 1);
    poller.turn(10000);
    EXPECT_INT(probe.times, 2);
    poller.turn(10000);
    EXPECT_INT(probe.times, 3);
    EXPECT(now_ms() - start < 5000);
}

void a_deferred_watch_can_be_removed()
{
    Poller poller;
    NEED(poller.open());
    Probe one, two;
    one.ready = [&](uint32_t) { poller.remove(&two); };
    poller.defer(&one);
    poller.defer(&two);
    poller.turn(0);
    EXPECT_INT(one.times, 1);
    EXPECT_INT(two.times, 0);
}

const test_case cases[] = {
    {"readiness arrives until it is taken", readiness_arrives_until_it_is_taken},
    {"a callback may destroy another one of its batch",
     a_callback_may_destroy_another_of_its_batch},
    {"a callback may destroy itself", a_callback_may_destroy_itself},
    {"limits fire in order and once", limits_fire_in_order_and_once},
    {"a limit can be moved and disarmed", a_limit_can_be_moved_and_disarmed},
    {"the heap stays in order", the_heap_stays_in_order},
    {"what is deferred comes in the next turn, at once", what_is_deferred_comes_next_turn_at_once},
    {"a deferred watch can be removed", a_deferred_watch_can_be_removed},
};

} // namespace

TESTLIB_MAIN(cases)
