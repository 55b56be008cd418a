/*
 * handshake_pool_test.cc - the hand-over: who owns what, when, on which thread.
 *
 * The main thread plays an environment: a poller and a mailbox; clients are driven by plain
 * blocking loops in the same thread or by the pool itself. Meant for the thread sanitizer.
 */
#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../binding/handshake_pool.h"
#include "testlib.h"

using namespace mxtls;

namespace {

struct Contexts {
    glue_chains *chains;
    glue_context *server;
    glue_context *client;

    explicit Contexts(unsigned ask = 0)
    {
        testlib_library();
        glue_error err;
        chains = testlib_chains(testlib_self_signed("EC", "mx.example.org"), nullptr, nullptr);
        glue_context_props props = testlib_props(GLUE_SERVER);
        props.chains = chains;
        props.ask = ask;
        props.acknowledge_sni = true;
        server = glue_context_new(&props, &err);
        props = testlib_props(GLUE_CLIENT);
        client = glue_context_new(&props, &err);
        EXPECT(server != nullptr && client != nullptr);
    }
    ~Contexts()
    {
        glue_context_free(server);
        glue_context_free(client);
        glue_chains_free(chains);
    }
};

/* One environment: collects outcomes until as many as expected have come. */
struct Home : HandshakeOwner {
    Poller poller;
    Mailbox mailbox{&poller};
    std::vector<std::unique_ptr<Handshake>> done;
    std::vector<Question> questions;
    std::function<void(const Question &)> on_question = [](const Question &) {};

    Home() { EXPECT(poller.open()); }

    void handshake_done(std::unique_ptr<Handshake> handshake) override
    {
        done.push_back(std::move(handshake));
    }

    void collect()
    {
        std::vector<Handshake *> arrived;
        std::vector<Question> asked;
        mailbox.collect(&arrived, &asked);
        for (Handshake *handshake : arrived) {
            handshake->owner->handshake_done(std::unique_ptr<Handshake>(handshake));
        }
        for (Question &question : asked) {
            on_question(question);
            questions.push_back(std::move(question));
        }
    }

    bool wait(size_t count)
    {
        for (int i = 0; i < 2000 && done.size() < count; i++) {
            poller.turn(10);
            collect();
        }
        return EXPECT_INT(done.size(), count);
    }
};

std::shared_ptr<TlsStart> start_of(glue_context *context, bool server)
{
    auto start = std::make_shared<TlsStart>(context, 7);
    start->server = server;
    start->sni = server ? "" : "mx.example.org";
    start->timeout_ms = 20000;
    start->deadline_ms = 20000;
    return start;
}

glue_conn *conn_of(int fd)
{
    glue_error err;
    return glue_conn_new(fd, &err);
}

struct Ends {
    int fds[2];
    Ends() { EXPECT_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0); }
};

void submit_pair(HandshakePool *pool, Home *home, const std::shared_ptr<TlsStart> &server,
                 const std::shared_ptr<TlsStart> &client)
{
    Ends ends;
    pool->submit(new Handshake(conn_of(ends.fds[0]), server, &home->mailbox, home));
    pool->submit(new Handshake(conn_of(ends.fds[1]), client, &home->mailbox, home));
}

void both_sides_complete_on_threads()
{
    Contexts contexts;
    HandshakePool pool;
    NEED(pool.open(3));
    Home home;
    auto server = start_of(contexts.server, true);
    auto client = start_of(contexts.client, false);
    for (int i = 0; i < 50; i++) {
        submit_pair(&pool, &home, server, client);
    }
    EXPECT(home.wait(100));
    for (const auto &handshake : home.done) {
        EXPECT(handshake->error == nullptr);
        EXPECT(handshake->conn != nullptr && glue_conn_is_tls(handshake->conn));
    }
    pool.leave(&home.mailbox);
}

/* Those of all threads in one list, some of them still on their way when the pool is left. */
void discarded_connections_are_freed_by_the_threads()
{
    Contexts contexts;
    HandshakePool pool;
    NEED(pool.open(3));
    Home home;
    auto server = start_of(contexts.server, true);
    auto client = start_of(contexts.client, false);
    for (int i = 0; i < 20; i++) {
        submit_pair(&pool, &home, server, client);
    }
    EXPECT(home.wait(40));
    std::vector<Discarded> discarded;
    for (const auto &handshake : home.done) {
        glue_conn *conn = handshake->take();
        glue_conn_close(conn);
        discarded.push_back({handshake->id, conn});
    }
    pool.discard(discarded);
    pool.discard({});
    pool.leave(&home.mailbox);
}

void environments_share_the_pool()
{
    Contexts contexts;
    HandshakePool pool;
    NEED(pool.open(2));
    struct Job {
        Contexts *contexts;
        HandshakePool *pool;
        bool ok;
    } jobs[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        jobs[i] = {&contexts, &pool, false};
        pthread_create(
            &threads[i], nullptr,
            [](void *arg) -> void * {
                auto *job = static_cast<Job *>(arg);
                Home home;
                auto server = start_of(job->contexts->server, true);
                auto client = start_of(job->contexts->client, false);
                for (int n = 0; n < 20; n++) {
                    submit_pair(job->pool, &home, server, client);
                }
                job->ok = home.wait(40);
                job->pool->leave(&home.mailbox);
                home.done.clear();
                glue_library_thread_stop();
                return nullptr;
            },
            &jobs[i]);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], nullptr);
        EXPECT(jobs[i].ok);
    }
}

void leaving_in_the_middle_drops_everything()
{
    Contexts contexts;
    HandshakePool pool;
    NEED(pool.open(2));
    for (int round = 0; round < 20; round++) {
        Home home;
        auto server = start_of(contexts.server, true);
        auto client = start_of(contexts.client, false);
        for (int i = 0; i < 10; i++) {
            submit_pair(&pool, &home, server, client);
        }
        pool.leave(&home.mailbox);
        home.collect(); /* what was done before; nothing arrives later */
        size_t before = home.done.size();
        home.poller.turn(1);
        home.collect();
        EXPECT_INT(home.done.size(), before);
    }
}

void a_silent_peer_times_out()
{
    Contexts contexts;
    HandshakePool pool;
    NEED(pool.open(1));
    Home home;
    Ends ends;
    auto start = start_of(contexts.server, true);
    start->timeout_ms = 20;
    pool.submit(new Handshake(conn_of(ends.fds[0]), start, &home.mailbox, &home));
    NEED(home.wait(1));
    NEED(home.done[0]->error != nullptr);
    EXPECT_ERROR(home.done[0]->error.get(), GLUE_E_HANDSHAKE_TIMEOUT);
    EXPECT(home.done[0]->conn == nullptr);
    close(ends.fds[1]);
    pool.leave(&home.mailbox);
}

/* A client's: it tells whether the server has begun to answer. */
void a_time_out_tells_whether_the_peer_spoke()
{
    Contexts contexts;
    HandshakePool pool;
    NEED(pool.open(1));
    for (bool spoke : {false, true}) {
        Home home;
        Ends ends;
        auto start = start_of(contexts.client, false);
        start->timeout_ms = 50;
        const char begun[] = {0x16, 0x03, 0x03, 0x00, 0x7a, 0x02, 0x00, 0x00};
        size_t count = spoke ? sizeof(begun) : 0;
        EXPECT_INT(send(ends.fds[1], begun, count, MSG_NOSIGNAL), count);
        pool.submit(new Handshake(conn_of(ends.fds[0]), start, &home.mailbox, &home));
        NEED(home.wait(1));
        NEED(home.done[0]->error != nullptr);
        EXPECT_ERROR(home.done[0]->error.get(), GLUE_E_HANDSHAKE_TIMEOUT);
        EXPECT_INT(home.done[0]->error->peer_spoke, spoke);
        close(ends.fds[1]);
        pool.leave(&home.mailbox);
    }
}

/* One byte now and then keeps the limit for one wait away, not the deadline. */
void the_deadline_holds_against_a_trickle()
{
    Contexts contexts;
    HandshakePool pool;
    NEED(pool.open(1));
    Home home;
    Ends ends;
    auto start = start_of(contexts.server, true);
    start->timeout_ms = 10000;
    start->deadline_ms = 60;
    pool.submit(new Handshake(conn_of(ends.fds[0]), start, &home.mailbox, &home));
    const char hello[] = {0x16, 0x03, 0x01, 0x01, 0x00};
    uint64_t begun = now_ms();
    for (size_t i = 0; home.done.empty() && now_ms() - begun < 5000; i++) {
        ssize_t ignored = send(ends.fds[1], &hello[i < 5 ? i : 4], 1, MSG_NOSIGNAL);
        (void)ignored;
        home.poller.turn(10);
        home.collect();
    }
    NEED(home.wait(1));
    NEED(home.done[0]->error != nullptr);
    EXPECT_ERROR(home.done[0]->error.get(), GLUE_E_HANDSHAKE_TIMEOUT);
    close(ends.fds[1]);
    pool.leave(&home.mailbox);
}

void cancelling_comes_back_as_cancelled()
{
    Contexts contexts;
    HandshakePool pool;
    NEED(pool.open(1));
    Home home;
    Ends ends;
    uint64_t id = pool.submit(
        new Handshake(conn_of(ends.fds[0]), start_of(contexts.server, true), &home.mailbox, &home));
    pool.cancel(id);
    NEED(home.wait(1));
    NEED(home.done[0]->error != nullptr);
    EXPECT_ERROR(home.done[0]->error.get(), GLUE_E_CANCELLED);
    pool.cancel(id); /* late: nothing happens */
    close(ends.fds[1]);
    pool.leave(&home.mailbox);
}

/* ------------------------------------------------------------------ suspension */

void a_question_is_asked_and_answered()
{
    Contexts contexts(GLUE_ASK_CHAIN);
    HandshakePool pool;
    NEED(pool.open(2));
    Home home;
    glue_chains *other =
        testlib_chains(testlib_self_signed("ED25519", "mx.example.org"), nullptr, nullptr);
    home.on_question = [&](const Question &question) {
        EXPECT_INT(question.kind, GLUE_ASK_CHAIN);
        EXPECT_INT(question.context_id, 7);
        EXPECT_STR(question.data.c_str(), "mx.example.org");
        pool.answer(question.id, QuestionAnswer(glue_chains_up_ref(other), false));
        pool.answer(question.id,
                    QuestionAnswer(glue_chains_up_ref(other), true)); /* repeated: ignored */
    };
    for (int i = 0; i < 10; i++) {
        submit_pair(&pool, &home, start_of(contexts.server, true),
                    start_of(contexts.client, false));
    }
    EXPECT(home.wait(20));
    EXPECT_INT(home.questions.size(), 10);
    for (const auto &handshake : home.done) {
        EXPECT(handshake->error == nullptr);
    }
    pool.leave(&home.mailbox);
    glue_chains_free(other);
}

void an_unanswered_question_times_out()
{
    Contexts contexts(GLUE_ASK_CHAIN);
    HandshakePool pool;
    NEED(pool.open(1));
    Home home;
    auto server = start_of(contexts.server, true);
    server->deadline_ms = 100;
    submit_pair(&pool, &home, server, start_of(contexts.client, false));
    NEED(home.wait(2));
    EXPECT_INT(home.questions.size(), 1);
    for (const auto &handshake : home.done) {
        NEED(handshake->error != nullptr);
        EXPECT_INT(handshake->error->code,
                   handshake->start->server ? GLUE_E_HANDSHAKE_TIMEOUT : GLUE_E_LOST_CONNECTION);
    }
    pool.leave(&home.mailbox);
}

void a_hang_up_while_suspended_is_noticed()
{
    Contexts contexts(GLUE_ASK_CHAIN);
    HandshakePool pool;
    NEED(pool.open(1));
    Home home;
    uint64_t client_id = 0;
    home.on_question = [&](const Question &) { pool.cancel(client_id); };
    Ends ends;
    pool.submit(
        new Handshake(conn_of(ends.fds[0]), start_of(contexts.server, true), &home.mailbox, &home));
    client_id = pool.submit(new Handshake(conn_of(ends.fds[1]), start_of(contexts.client, false),
                                          &home.mailbox, &home));
    NEED(home.wait(2));
    for (const auto &handshake : home.done) {
        NEED(handshake->error != nullptr);
        EXPECT_INT(handshake->error->code,
                   handshake->start->server ? GLUE_E_LOST_CONNECTION : GLUE_E_CANCELLED);
    }
    pool.leave(&home.mailbox);
}

void a_late_answer_frees_its_chain()
{
    Contexts contexts;
    HandshakePool pool;
    NEED(pool.open(1));
    pool.answer(12345 << 8, QuestionAnswer(glue_chains_up_ref(contexts.chains), false));
    pool.answer(12345 << 8 | 0xfe, QuestionAnswer(glue_chains_up_ref(contexts.chains), false));
    Home home;
    pool.leave(&home.mailbox); /* the messages before it are through */
}

void the_loop_runs_on_the_main_poller_too()
{
    Contexts contexts;
    Home home;
    HandshakeLoop loop(&home.poller);
    Ends ends;
    auto *server =
        new Handshake(conn_of(ends.fds[0]), start_of(contexts.server, true), &home.mailbox, &home);
    auto *client =
        new Handshake(conn_of(ends.fds[1]), start_of(contexts.client, false), &home.mailbox, &home);
    server->id = 1;
    client->id = 2;
    loop.start(server);
    loop.start(client);
    EXPECT(home.wait(2));
    EXPECT_INT(loop.size(), 0);
    for (const auto &handshake : home.done) {
        EXPECT(handshake->error == nullptr);
    }
}

const test_case cases[] = {
    {"both sides complete on threads", both_sides_complete_on_threads},
    {"discarded connections are freed by the threads",
     discarded_connections_are_freed_by_the_threads},
    {"environments share the pool", environments_share_the_pool},
    {"leaving in the middle drops everything", leaving_in_the_middle_drops_everything},
    {"a silent peer times out", a_silent_peer_times_out},
    {"a time-out tells whether the peer spoke", a_time_out_tells_whether_the_peer_spoke},
    {"the deadline holds against a trickle", the_deadline_holds_against_a_trickle},
    {"cancelling comes back as CANCELLED", cancelling_comes_back_as_cancelled},
    {"a question is asked and answered", a_question_is_asked_and_answered},
    {"an unanswered question times out", an_unanswered_question_times_out},
    {"a hang-up while suspended is noticed", a_hang_up_while_suspended_is_noticed},
    {"a late answer frees its chain", a_late_answer_frees_its_chain},
    {"the loop runs on the main poller, too", the_loop_runs_on_the_main_poller_too},
};

} // namespace

TESTLIB_MAIN(cases)
