/* process.cc - see process.h. */
#include "process.h"

#include <algorithm>
#include <mutex>
#include <thread>
#include <utility>

namespace mxtls {

namespace {

/* The number of cores minus one: the main loop needs one itself. */
unsigned default_threads()
{
    unsigned cores = std::thread::hardware_concurrency();
    return cores > 1 ? cores - 1 : 1;
}

std::mutex mutex;
HandshakePool *running = nullptr;
unsigned users = 0;
bool chosen = false;
unsigned threads = 0;

} // namespace

bool process_join_pool(HandshakePool **pool, glue_error *err)
{
    std::lock_guard<std::mutex> lock(mutex);
    *pool = nullptr;
    unsigned wanted = chosen ? threads : default_threads();
    if (wanted == 0) {
        return true;
    }
    if (running == nullptr) {
        auto made = std::make_unique<HandshakePool>();
        if (!made->open(wanted)) {
            glue_error_set(err, GLUE_E_THREAD, "cannot start %u handshake threads", wanted);
            return false;
        }
        running = made.release();
        threads = wanted;
        chosen = true;
    }
    users++;
    *pool = running;
    return true;
}

void process_leave_pool(HandshakePool *pool, Mailbox *mailbox)
{
    if (pool == nullptr) {
        return;
    }
    pool->leave(mailbox);
    HandshakePool *last = nullptr;
    {
        std::lock_guard<std::mutex> lock(mutex);
        if (--users == 0) {
            last = std::exchange(running, nullptr);
        }
    }
    delete last; /* joins; without the lock, others may start a new one meanwhile */
}

bool process_set_threads(unsigned count)
{
    std::lock_guard<std::mutex> lock(mutex);
    if (running != nullptr && threads != count) {
        return false;
    }
    threads = count;
    chosen = true;
    return true;
}

} // namespace mxtls
