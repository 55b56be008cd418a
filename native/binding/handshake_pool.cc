/*
 * handshake_pool.cc - see handshake_pool.h.
 *
 * A server's handshake waits for the first byte before it costs an SSL: a peer that connects and
 * says nothing holds a socket and a few hundred bytes. A failed connection is freed on the thread
 * that drove it, so a flood of them costs the main loop next to nothing.
 */
#include "handshake_pool.h"

#include <algorithm>
#include <csignal>
#include <utility>

#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>

namespace mxtls {

namespace {

constexpr uint64_t kThreadBits = 8; /* low bits of an id: the thread that has it */
constexpr uint64_t kThreadMask = (1u << kThreadBits) - 1;

/* Sessions hold secrets. */
void wipe(std::vector<uint8_t> &bytes)
{
    if (!bytes.empty()) {
        explicit_bzero(bytes.data(), bytes.size());
    }
}

} // namespace

TlsStart::TlsStart(glue_context *shared, uint64_t id)
    : context(glue_context_up_ref(shared)), context_id(id)
{
}

TlsStart::~TlsStart()
{
    wipe(session);
    glue_auth_free(auth);
    glue_context_free(context);
}

QuestionAnswer::QuestionAnswer(QuestionAnswer &&other) noexcept
    : chains(std::exchange(other.chains, nullptr)), session(std::move(other.session)),
      refuse(other.refuse)
{
}

QuestionAnswer &QuestionAnswer::operator=(QuestionAnswer &&other) noexcept
{
    std::swap(chains, other.chains);
    session.swap(other.session);
    refuse = other.refuse;
    return *this;
}

QuestionAnswer::~QuestionAnswer()
{
    wipe(session);
    glue_chains_free(chains);
}

/* ------------------------------------------------------------------ one handshake */

Handshake::~Handshake()
{
    glue_notices_free(notices);
    glue_conn_free(conn);
}

glue_conn *Handshake::take()
{
    return std::exchange(conn, nullptr);
}

void Handshake::begin(HandshakeLoop *loop)
{
    loop_ = loop;
    if (start->deadline_ms != 0) {
        deadline_ = now_ms() + start->deadline_ms;
    }
    touch();
    if (start->server) {
        wait_for(EPOLLIN);
    } else {
        step();
    }
}

/* Progress was made: the limit for one wait begins anew, the deadline stays. */
void Handshake::touch()
{
    uint64_t expiry = deadline_;
    if (start->timeout_ms != 0) {
        expiry = std::min(expiry, now_ms() + start->timeout_ms);
    }
    loop_->poller_->arm(this, expiry);
}

bool Handshake::wait_for(uint32_t events)
{
    if (loop_->poller_->watch(this, glue_conn_fd(conn), events)) {
        return true;
    }
    fail_with(GLUE_E_OUT_OF_MEMORY);
    return false;
}

void Handshake::on_ready(uint32_t events)
{
    if (suspended_) {
        if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
            fail_with(GLUE_E_LOST_CONNECTION);
        }
        return;
    }
    touch();
    step();
}

void Handshake::on_expired()
{
    fail_with(GLUE_E_HANDSHAKE_TIMEOUT);
}

void Handshake::step()
{
    glue_error err;
    if (!started_) {
        glue_tls_props props = {};
        props.sni = start->sni.c_str();
        props.cipher_list = start->cipher_list.c_str();
        props.security_level = start->security_level;
        props.protocols = start->protocols;
        props.trace_limit = start->trace_limit;
        props.trace_rate = start->trace_rate;
        props.slow_shutdown = start->slow_shutdown;
        props.no_tickets = start->no_tickets || no_tickets;
        props.note_tickets = start->note_tickets;
        props.delay_tickets = start->delay_tickets;
        props.auth = start->auth;
        props.session = start->session.empty() ? nullptr : start->session.data();
        props.session_len = start->session.size();
        if (glue_conn_start_tls(conn, start->context, &props, &err) != GLUE_OK) {
            error = std::make_unique<glue_error>(err);
            fail();
            return;
        }
        started_ = true;
    }
    glue_status status = glue_conn_handshake(conn, &err);
    if (status == GLUE_ERROR) {
        error = std::make_unique<glue_error>(err);
    }
    settle(status);
}

void Handshake::settle(glue_status status)
{
    switch (status) {
    case GLUE_OK:
        loop_->finished(this);
        break;
    case GLUE_WANT_READ:
        wait_for(EPOLLIN);
        break;
    case GLUE_WANT_WRITE:
        wait_for(EPOLLOUT);
        break;
    case GLUE_WANT_APP:
        suspended_ = true;
        if (wait_for(EPOLLRDHUP)) {
            loop_->asks(this);
        }
        break;
    default:
        fail();
    }
}

void Handshake::fail()
{
    loop_->poller_->remove(this); /* before the fd is closed */
    notices = glue_conn_take_notices(conn);
    size_t length;
    if (const char *text = glue_conn_trace(conn, &length)) {
        trace.assign(text, length);
    }
    glue_conn_free(conn);
    conn = nullptr;
    loop_->finished(this);
}

void Handshake::fail_with(glue_error_code code)
{
    error = std::make_unique<glue_error>();
    glue_error_set(error.get(), code, nullptr);
    fail();
}

/* ------------------------------------------------------------------ the mailbox */

bool Mailbox::post(Handshake *done)
{
    std::lock_guard<std::mutex> lock(mutex_);
    bool first = done_.empty() && questions_.empty();
    done_.push_back(done);
    return first;
}

bool Mailbox::post(Question question)
{
    std::lock_guard<std::mutex> lock(mutex_);
    bool first = done_.empty() && questions_.empty();
    questions_.push_back(std::move(question));
    return first;
}

void Mailbox::collect(std::vector<Handshake *> *done, std::vector<Question> *questions)
{
    std::lock_guard<std::mutex> lock(mutex_);
    done->swap(done_);
    questions->swap(questions_);
}

/* ------------------------------------------------------------------ the loop */

void HandshakeLoop::start(Handshake *handshake)
{
    active_[handshake->id] = handshake;
    handshake->begin(this);
}

void HandshakeLoop::finished(Handshake *handshake)
{
    poller_->remove(handshake);
    active_.erase(handshake->id);
    Mailbox *mailbox = handshake->mailbox;
    posted(mailbox, mailbox->post(handshake));
}

/*
 * Several handshakes end in one turn of a busy loop; waking their environment for each would cost
 * more than anything else it does for them.
 */
void HandshakeLoop::posted(Mailbox *mailbox, bool first)
{
    if (first) {
        if (to_wake_.empty()) {
            waiting_since_ = now_ms();
        }
        to_wake_.push_back(mailbox);
    }
    if (!to_wake_.empty() && (!batching_ || now_ms() > waiting_since_ + 1)) {
        flush();
    }
}

void HandshakeLoop::flush()
{
    for (Mailbox *mailbox : to_wake_) {
        mailbox->wake();
    }
    to_wake_.clear();
}

void HandshakeLoop::asks(Handshake *handshake)
{
    glue_question question;
    if (!glue_conn_question(handshake->conn, &question)) {
        handshake->fail_with(GLUE_E_OPENSSL);
        return;
    }
    Mailbox *mailbox = handshake->mailbox;
    bool first = mailbox->post(
        Question{handshake->id, handshake->start->context_id, question.kind,
                 std::string(reinterpret_cast<const char *>(question.data), question.len)});
    posted(mailbox, first);
}

void HandshakeLoop::cancel(uint64_t id)
{
    auto found = active_.find(id);
    if (found != active_.end()) {
        found->second->fail_with(GLUE_E_CANCELLED);
    }
}

void HandshakeLoop::answer(uint64_t id, QuestionAnswer answer)
{
    auto found = active_.find(id);
    if (found == active_.end() || !found->second->suspended_) {
        return;
    }
    Handshake *handshake = found->second;
    glue_question question;
    if (!answer.refuse && glue_conn_question(handshake->conn, &question) &&
        question.kind == GLUE_ASK_SESSION) {
        glue_conn_answer_session(handshake->conn, answer.session.data(), answer.session.size());
    } else {
        glue_conn_answer(handshake->conn, answer.chains, answer.refuse);
    }
    handshake->suspended_ = false;
    handshake->touch();
    handshake->step();
}

void HandshakeLoop::drop(Mailbox *mailbox)
{
    to_wake_.erase(std::remove(to_wake_.begin(), to_wake_.end(), mailbox), to_wake_.end());
    for (auto entry = active_.begin(); entry != active_.end();) {
        Handshake *handshake = entry->second;
        if (handshake->mailbox != mailbox) {
            ++entry;
            continue;
        }
        entry = active_.erase(entry);
        poller_->remove(handshake);
        delete handshake;
    }
}

/* ------------------------------------------------------------------ threads */

/* One thread with its poller and loop. What others want of it goes through the inbox, in order. */
class HandshakeThread {
  public:
    explicit HandshakeThread(uint64_t index) : index_(index) {}
    ~HandshakeThread();
    bool open();

    void submit(Handshake *handshake);
    void discard(const std::vector<Discarded> &connections);
    void cancel(uint64_t id);
    void answer(uint64_t id, QuestionAnswer answer);
    void leave(Mailbox *mailbox);
    size_t load() const { return load_.load(std::memory_order_relaxed); }

  private:
    enum class Kind { start, discard, cancel, answer, leave, stop };
    struct Message {
        Kind kind;
        uint64_t id = 0;
        Handshake *handshake = nullptr;
        glue_conn *conn = nullptr;
        QuestionAnswer answer = {};
        Mailbox *mailbox = nullptr;
    };

    static void *main(void *self);
    void send(Message message);
    void run();
    bool take_messages(); /* false: stop */
    bool handle(Message &message);

    const uint64_t index_; /* the low bits of its handshakes' ids */
    Poller poller_;
    HandshakeLoop loop_{&poller_};
    pthread_t thread_;
    bool running_ = false;
    std::atomic<size_t> load_{0};
    std::mutex mutex_;
    std::condition_variable left_;
    std::vector<Message> inbox_;
    std::vector<Message> taken_;
    uint64_t leaves_asked_ = 0;
    uint64_t leaves_done_ = 0;
};

/* Signals are the main thread's: ours starts, and stays, with all of them blocked. */
bool HandshakeThread::open()
{
    if (!poller_.open()) {
        return false;
    }
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    running_ = pthread_create(&thread_, nullptr, main, this) == 0;
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return running_;
}

HandshakeThread::~HandshakeThread()
{
    if (running_) {
        send(Message{Kind::stop});
        pthread_join(thread_, nullptr);
    }
}

void *HandshakeThread::main(void *self)
{
    pthread_setname_np(pthread_self(), "mxtls-handshake");
    static_cast<HandshakeThread *>(self)->run();
    return nullptr;
}

void HandshakeThread::send(Message message)
{
    bool first;
    {
        std::lock_guard<std::mutex> lock(mutex_);
        first = inbox_.empty();
        inbox_.push_back(std::move(message));
    }
    if (first) {
        poller_.wake();
    }
}

void HandshakeThread::submit(Handshake *handshake)
{
    load_.fetch_add(1, std::memory_order_relaxed);
    Message message{Kind::start};
    message.handshake = handshake;
    send(std::move(message));
}

/* Takes those whose handshakes it has made. */
void HandshakeThread::discard(const std::vector<Discarded> &connections)
{
    bool first = false;
    {
        std::lock_guard<std::mutex> lock(mutex_);
        for (const Discarded &discarded : connections) {
            if ((discarded.id & kThreadMask) == index_) {
                Message message{Kind::discard};
                message.conn = discarded.conn;
                first = first || inbox_.empty();
                inbox_.push_back(std::move(message));
            }
        }
    }
    if (first) {
        poller_.wake();
    }
}

void HandshakeThread::cancel(uint64_t id)
{
    Message message{Kind::cancel};
    message.id = id;
    send(std::move(message));
}

void HandshakeThread::answer(uint64_t id, QuestionAnswer answer)
{
    Message message{Kind::answer};
    message.id = id;
    message.answer = std::move(answer);
    send(std::move(message));
}

void HandshakeThread::leave(Mailbox *mailbox)
{
    Message message{Kind::leave};
    message.mailbox = mailbox;
    uint64_t ticket;
    {
        std::lock_guard<std::mutex> lock(mutex_);
        ticket = ++leaves_asked_;
        inbox_.push_back(std::move(message));
    }
    poller_.wake();
    std::unique_lock<std::mutex> lock(mutex_);
    left_.wait(lock, [&] { return leaves_done_ >= ticket; });
}

void HandshakeThread::run()
{
    loop_.batch_wakes();
    bool running = true;
    while (running) {
        uint64_t expiry = poller_.next_expiry();
        int timeout = -1;
        if (expiry != kNever) {
            uint64_t now = now_ms();
            timeout = expiry <= now ? 0 : static_cast<int>(std::min<uint64_t>(expiry - now, 60000));
        }
        poller_.turn(timeout);
        running = take_messages();
        loop_.flush();
        load_.store(loop_.size(), std::memory_order_relaxed);
    }
    glue_library_thread_stop();
}

bool HandshakeThread::take_messages()
{
    {
        std::lock_guard<std::mutex> lock(mutex_);
        taken_.swap(inbox_);
    }
    bool running = true;
    for (Message &message : taken_) {
        running = handle(message) && running;
    }
    taken_.clear();
    return running;
}

bool HandshakeThread::handle(Message &message)
{
    switch (message.kind) {
    case Kind::start:
        loop_.start(message.handshake);
        return true;
    case Kind::discard:
        glue_conn_free(message.conn);
        return true;
    case Kind::cancel:
        loop_.cancel(message.id);
        return true;
    case Kind::answer:
        loop_.answer(message.id, std::move(message.answer));
        return true;
    case Kind::leave: {
        loop_.drop(message.mailbox);
        std::lock_guard<std::mutex> lock(mutex_);
        leaves_done_++;
        left_.notify_all();
        return true;
    }
    case Kind::stop:
    default:
        return false;
    }
}

/* ------------------------------------------------------------------ the pool */

HandshakePool::HandshakePool() = default;
HandshakePool::~HandshakePool() = default;

bool HandshakePool::open(unsigned threads)
{
    threads = std::min<unsigned>(threads, kThreadMask);
    for (unsigned i = 0; i < threads; i++) {
        auto thread = std::make_unique<HandshakeThread>(i);
        if (!thread->open()) {
            threads_.clear();
            return false;
        }
        threads_.push_back(std::move(thread));
    }
    return true;
}

uint64_t HandshakePool::submit(Handshake *handshake)
{
    size_t best = 0;
    for (size_t i = 1; i < threads_.size(); i++) {
        if (threads_[i]->load() < threads_[best]->load()) {
            best = i;
        }
    }
    uint64_t id = (next_id_.fetch_add(1, std::memory_order_relaxed) + 1) << kThreadBits | best;
    handshake->id = id;
    threads_[best]->submit(handshake); /* which may be done with it already */
    return id;
}

HandshakeThread *HandshakePool::thread_of(uint64_t id)
{
    size_t index = static_cast<size_t>(id & kThreadMask);
    return index < threads_.size() ? threads_[index].get() : nullptr;
}

void HandshakePool::discard(const std::vector<Discarded> &connections)
{
    for (auto &thread : threads_) {
        thread->discard(connections);
    }
}

void HandshakePool::cancel(uint64_t id)
{
    HandshakeThread *thread = thread_of(id);
    if (thread != nullptr) {
        thread->cancel(id);
    }
}

void HandshakePool::answer(uint64_t id, QuestionAnswer answer)
{
    HandshakeThread *thread = thread_of(id);
    if (thread != nullptr) {
        thread->answer(id, std::move(answer));
    }
}

void HandshakePool::leave(Mailbox *mailbox)
{
    for (auto &thread : threads_) {
        thread->leave(mailbox);
    }
}

} // namespace mxtls
