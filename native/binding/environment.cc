/* environment.cc - see environment.h. */
#include "environment.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "context.h"
#include "convert.h"
#include "process.h"

namespace mxtls {

namespace {

const char *const kCallbackNames[] = {
    "makeError",     "onAdmit",   "onTurnedAway", "onAccept",   "onHandshakeFailure",
    "onAcceptError", "onConnect", "onRead",       "onEnd",      "onDrain",
    "onHandshake",   "onTimeout", "onClose",      "onQuestion",
};
static_assert(sizeof(kCallbackNames) / sizeof(kCallbackNames[0]) ==
              static_cast<size_t>(Callback::count));

/* Ids of handshakes on the main loop: no pool thread has this number. */
constexpr uint64_t kInlineThread = 0xff;

} // namespace

/* ------------------------------------------------------------------ life */

Environment *Environment::of(napi_env env)
{
    void *data = nullptr;
    napi_get_instance_data(env, &data);
    return static_cast<Environment *>(data);
}

Environment *Environment::create(Napi::Env env)
{
    std::unique_ptr<Environment> made(new Environment(env));
    if (!made->open()) {
        Napi::Error::New(env, std::string("mxtls cannot poll: ") + strerror(errno))
            .ThrowAsJavaScriptException();
        made.release()->tear_down(); /* frees itself when libuv is done */
        return nullptr;
    }
    Environment *raw = made.release();
    napi_set_instance_data(env, raw, nullptr, nullptr);
    napi_add_async_cleanup_hook(
        env,
        [](napi_async_cleanup_hook_handle, void *data) {
            static_cast<Environment *>(data)->tear_down();
        },
        raw, &raw->cleanup_);
    return raw;
}

bool Environment::open()
{
    uv_loop_t *loop = nullptr;
    if (!poller_.open() || napi_get_uv_event_loop(env_, &loop) != napi_ok) {
        return false;
    }
    if (uv_poll_init(loop, uv_poll_.get(), poller_.fd()) != 0 ||
        uv_timer_init(loop, uv_timer_.get()) != 0) {
        return false;
    }
    uv_poll_.get()->data = this;
    uv_timer_.get()->data = this;
    uv_unref(uv_timer_.base());
    uv_poll_start(uv_poll_.get(), UV_READABLE, [](uv_poll_t *handle, int, int) {
        static_cast<Environment *>(handle->data)->turn();
    });
    update_ref();
    Napi::HandleScope scope(env_);
    resource_ = Napi::Persistent(Napi::Object::New(env_));
    resource_.SuppressDestruct();
    napi_async_init(env_, resource_.Value(), Napi::String::New(env_, "mxtls"), &async_);
    return true;
}

/*
 * The environment ends (exit, or a worker is terminated): nothing may call JavaScript from here
 * on. The object frees itself when libuv has closed both handles.
 */
void Environment::tear_down()
{
    gone_ = true;
    while (resources_ != nullptr) {
        Resource *resource = resources_;
        remove(resource);
        resource->abandon();
    }
    for (auto &entry : contexts_) {
        entry.second->abandon();
    }
    contexts_.clear();
    hand_over_discarded();
    inline_loop_.drop(&mailbox_);
    process_leave_pool(std::exchange(pool_, nullptr), &mailbox_);
    mailbox_.collect(&done_, &questions_);
    for (Handshake *handshake : done_) {
        delete handshake;
    }
    if (async_ != nullptr) {
        napi_async_destroy(env_, async_);
    }
    for (auto &callback : callbacks_) {
        callback.SuppressDestruct();
    }
    for (auto &constructor : classes_) {
        constructor.SuppressDestruct();
    }
    slab_reference_.SuppressDestruct();
    snapshots_.abandon();
    auto closed = [this] {
        if (--handles_left_ == 0) {
            napi_async_cleanup_hook_handle hook = cleanup_;
            napi_set_instance_data(env_, nullptr, nullptr, nullptr);
            delete this;
            if (hook != nullptr) {
                napi_remove_async_cleanup_hook(hook);
            }
        }
    };
    uv_poll_.close(closed);
    uv_timer_.close(closed);
}

void Environment::add(Resource *resource)
{
    resource->next_ = resources_;
    if (resources_ != nullptr) {
        resources_->previous_ = resource;
    }
    resources_ = resource;
    update_ref();
}

void Environment::remove(Resource *resource)
{
    Resource *next = std::exchange(resource->next_, nullptr);
    Resource *previous = std::exchange(resource->previous_, nullptr);
    if (next != nullptr) {
        next->previous_ = previous;
    }
    if (previous != nullptr) {
        previous->next_ = next;
    } else {
        resources_ = next;
    }
    update_ref();
}

/* The process stays up while there is a listener or a connection. */
void Environment::update_ref()
{
    if (gone_) {
        return;
    }
    bool wanted = resources_ != nullptr;
    if (wanted != referenced_) {
        referenced_ = wanted;
        if (wanted) {
            uv_ref(uv_poll_.base());
        } else {
            uv_unref(uv_poll_.base());
        }
    }
}

uint64_t Environment::add_context(Context *context)
{
    contexts_.emplace(++next_context_, context);
    return next_context_;
}

void Environment::remove_context(uint64_t id)
{
    contexts_.erase(id);
}

/* A context that a reload replaced lives until the last handshake on it has ended. */
void Environment::pin(uint64_t id)
{
    auto found = contexts_.find(id);
    if (found != contexts_.end()) {
        found->second->pin();
    }
}

void Environment::unpin(uint64_t id)
{
    auto found = contexts_.find(id);
    if (found != contexts_.end()) {
        found->second->unpin();
    }
}

/* ------------------------------------------------------------------ turns */

void Environment::turn()
{
    if (mute_) {
        return;
    }
    in_turn_ = true;
    napi_handle_scope handles = nullptr;
    napi_open_handle_scope(env_, &handles);
    poller_.turn(0);
    deliver();
    close_callback_scope();
    napi_close_handle_scope(env_, handles);
    in_turn_ = false;
    hand_over_discarded();
    if (!gone_) {
        schedule();
    }
}

void Environment::deliver()
{
    mailbox_.collect(&done_, &questions_);
    for (Handshake *handshake : done_) {
        uint64_t context = handshake->start->context_id;
        handshake->owner->handshake_done(std::unique_ptr<Handshake>(handshake));
        unpin(context);
    }
    done_.clear();
    for (const Question &question : questions_) {
        pass_on(question);
    }
    questions_.clear();
}

void Environment::pass_on(const Question &question)
{
    auto found = contexts_.find(question.context_id);
    if (found == contexts_.end()) { /* collected: there is nobody left to ask */
        answer(question.id, QuestionAnswer());
        return;
    }
    Napi::HandleScope scope(env_);
    call(Callback::on_question,
         {found->second->object(), Napi::Number::New(env_, static_cast<double>(question.id)),
          Napi::String::New(env_, question_name(question.kind)),
          Napi::Buffer<char>::Copy(env_, question.data.data(), question.data.size())});
}

void Environment::schedule()
{
    if (in_turn_) {
        return; /* the end of the turn does it */
    }
    uint64_t expiry = poller_.next_expiry();
    if (expiry == timer_expiry_) {
        return;
    }
    timer_expiry_ = expiry;
    if (expiry == kNever) {
        uv_timer_stop(uv_timer_.get());
        return;
    }
    uint64_t now = now_ms();
    uv_timer_start(
        uv_timer_.get(),
        [](uv_timer_t *handle) {
            auto *self = static_cast<Environment *>(handle->data);
            self->timer_expiry_ = kNever;
            self->turn();
        },
        expiry > now ? expiry - now : 0, 0);
}

/* ------------------------------------------------------------------ calls into JavaScript */

/* Opened by the first call of a turn; a turn that only accepts and hands over needs none. */
void Environment::open_callback_scope()
{
    if (scope_ == nullptr) {
        napi_open_callback_scope(env_, nullptr, async_, &scope_);
    }
}

void Environment::close_callback_scope()
{
    if (scope_ != nullptr) {
        napi_close_callback_scope(env_, std::exchange(scope_, nullptr));
    }
}

void Environment::call(Callback which, std::initializer_list<napi_value> arguments)
{
    Napi::HandleScope scope(env_);
    invoke(which, arguments);
}

Answer Environment::ask(Callback which, std::initializer_list<napi_value> arguments)
{
    Napi::HandleScope scope(env_);
    napi_value result = invoke(which, arguments);
    bool yes = false;
    napi_valuetype type = napi_undefined;
    if (result == nullptr || napi_typeof(env_, result, &type) != napi_ok) {
        return Answer::no;
    }
    if (type == napi_string) {
        return Answer::restricted;
    }
    return napi_get_value_bool(env_, result, &yes) == napi_ok && yes ? Answer::yes : Answer::no;
}

/* Nothing comes back when JavaScript did not run, or threw. */
napi_value Environment::invoke(Callback which, std::initializer_list<napi_value> arguments)
{
    if (gone_ || mute_) {
        return nullptr;
    }
    open_callback_scope();
    napi_value result = nullptr;
    napi_status status =
        napi_call_function(env_, resource_.Value(), callbacks_[static_cast<size_t>(which)].Value(),
                           arguments.size(), arguments.begin(), &result);
    if (status == napi_ok) {
        return result;
    }
    bool thrown = false;
    napi_is_exception_pending(env_, &thrown);
    napi_value exception = nullptr;
    if (thrown && napi_get_and_clear_last_exception(env_, &exception) == napi_ok) {
        napi_fatal_exception(env_, exception);
    } else {
        mute_ = true; /* the environment is ending; its clean-up hook comes soon */
    }
    return nullptr;
}

bool Environment::set_callbacks(Napi::Object callbacks)
{
    for (size_t i = 0; i < static_cast<size_t>(Callback::count); i++) {
        Napi::Value value = callbacks.Get(kCallbackNames[i]);
        if (!value.IsFunction()) {
            Napi::TypeError::New(env_, std::string(kCallbackNames[i]) + " must be a function")
                .ThrowAsJavaScriptException();
            return false;
        }
        callbacks_[i] = Napi::Persistent(value.As<Napi::Function>());
    }
    return true;
}

Napi::Value Environment::error_object(const glue_error &error)
{
    Napi::Object info = error_to_object(env_, error);
    if (!ready()) { /* before initialize(): a plain error is all there is */
        return Napi::Error::New(env_, error.message).Value();
    }
    napi_value argument = info;
    napi_value made = nullptr;
    napi_status status = napi_call_function(
        env_, resource_.Value(), callbacks_[static_cast<size_t>(Callback::make_error)].Value(), 1,
        &argument, &made);
    if (status == napi_ok) {
        return Napi::Value(env_, made);
    }
    if (status == napi_pending_exception) {
        napi_get_and_clear_last_exception(env_, &made);
    }
    return Napi::Error::New(env_, error.message).Value();
}

Napi::Value Environment::error_or_null(const glue_error *error)
{
    return error == nullptr ? env_.Null() : error_object(*error);
}

void Environment::throw_error(const glue_error &error)
{
    napi_throw(env_, error_object(error));
}

void Environment::throw_usage(const std::string &message)
{
    glue_error error;
    glue_error_set(&error, GLUE_E_INVALID_ARGUMENT, "%s", message.c_str());
    throw_error(error);
}

Napi::Value Environment::make_slab()
{
    Napi::Buffer<char> slab = Napi::Buffer<char>::New(env_, kSlabSize);
    slab_ = slab.Data();
    slab_reference_ = Napi::Reference<Napi::Value>::New(slab, 1);
    return slab;
}

void Environment::set_class(Class which, Napi::Function constructor)
{
    classes_[static_cast<size_t>(which)] = Napi::Persistent(constructor);
}

Napi::Function Environment::get_class(Class which) const
{
    return classes_[static_cast<size_t>(which)].Value();
}

/* ------------------------------------------------------------------ handshakes */

bool Environment::submit(std::unique_ptr<Handshake> handshake, uint64_t *id, glue_error *err)
{
    if (!pool_asked_) {
        if (!process_join_pool(&pool_, err)) {
            return false;
        }
        pool_asked_ = true;
    }
    Handshake *raw = handshake.release();
    pin(raw->start->context_id);
    if (pool_ != nullptr) {
        *id = pool_->submit(raw);
        return true;
    }
    *id = ++next_inline_id_ << 8 | kInlineThread;
    raw->id = *id;
    inline_loop_.start(raw);
    schedule();
    return true;
}

void Environment::discard(uint64_t id, glue_conn *conn)
{
    if (pool_ == nullptr || id == 0) {
        glue_conn_free(conn);
        return;
    }
    glue_conn_close(conn);
    discarded_.push_back({id, conn});
    if (!in_turn_) {
        hand_over_discarded();
    }
}

/* All of a turn at once: the thread is woken once. */
void Environment::hand_over_discarded()
{
    if (!discarded_.empty()) {
        pool_->discard(discarded_);
        discarded_.clear();
    }
}

void Environment::cancel(uint64_t id)
{
    if (pool_ != nullptr) {
        pool_->cancel(id);
    } else {
        inline_loop_.cancel(id);
    }
}

void Environment::answer(uint64_t id, QuestionAnswer answer)
{
    if (pool_ != nullptr) {
        pool_->answer(id, std::move(answer));
    } else {
        inline_loop_.answer(id, std::move(answer));
        schedule();
    }
}

} // namespace mxtls
