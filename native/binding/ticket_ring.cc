/* ticket_ring.cc - see ticket_ring.h. */
#include "ticket_ring.h"

#include <string>
#include <utility>

#include "args.h"

namespace mxtls {

namespace {

constexpr int64_t kMaxTime = 8640000000000000; /* what a Date holds */
constexpr int64_t kMaxGeneration = int64_t{1} << 53;

Napi::Value sealed_buffer(Napi::Env env, const unsigned char *sealed)
{
    return Napi::Buffer<unsigned char>::Copy(env, sealed, GLUE_SEALED_KEY_LEN);
}

/* The bytes of a sealed key; null for null. False: it is neither. */
bool read_sealed(Napi::Value value, const unsigned char **sealed)
{
    *sealed = nullptr;
    if (value.IsNull()) {
        return true;
    }
    if (!is_bytes(value) || value.As<Napi::Uint8Array>().ByteLength() != GLUE_SEALED_KEY_LEN) {
        return false;
    }
    *sealed = value.As<Napi::Uint8Array>().Data();
    return true;
}

/* null, a file's name, or the bytes; `file` keeps the text. */
bool read_wrapping(Napi::Value value, glue_wrapping *wrapping, std::string *file)
{
    *wrapping = {};
    if (value.IsString()) {
        *file = value.As<Napi::String>();
        wrapping->file = file->c_str();
        return file->find('\0') == std::string::npos;
    }
    if (!is_bytes(value)) {
        return value.IsNull();
    }
    wrapping->key = value.As<Napi::Uint8Array>().Data();
    return value.As<Napi::Uint8Array>().ByteLength() == GLUE_WRAPPING_KEY_LEN;
}

} // namespace

Napi::Function TicketRing::define_class(Napi::Env env)
{
    return define(env, "NativeTicketRing",
                  {method_of<&TicketRing::mint>("mint"), method_of<&TicketRing::opens>("opens"),
                   method_of<&TicketRing::install>("install"), method_of<&TicketRing::keys>("keys"),
                   method_of<&TicketRing::close>("close")});
}

Napi::Value TicketRing::open(Environment *environment, Napi::Value name, Napi::Value value)
{
    Napi::Env env = environment->env();
    glue_wrapping wrapping;
    std::string file;
    if (!name.IsString() || !read_wrapping(value, &wrapping, &file)) {
        environment->throw_usage(
            "openTicketRing(name, wrapping key: 32 bytes, the name of a file with them, or null)");
        return env.Undefined();
    }
    glue_error err;
    std::string text = name.As<Napi::String>();
    glue_ticket_ring *ring = glue_ticket_ring_open(text.c_str(), &wrapping, &err);
    if (ring == nullptr) {
        environment->throw_error(err);
        return env.Undefined();
    }
    Napi::Value prefix =
        Napi::Buffer<unsigned char>::Copy(env, glue_ticket_ring_prefix(ring), GLUE_KEY_PREFIX_LEN);
    Napi::Object object = wrap(environment, environment->get_class(Class::ticket_ring),
                               std::make_unique<TicketRing>(ring));
    if (object.IsEmpty()) {
        return env.Undefined();
    }
    object.Set("prefix", prefix);
    return object;
}

bool TicketRing::require_open(Napi::Env env) const
{
    if (ring_ != nullptr) {
        return true;
    }
    glue_error err;
    glue_error_set(&err, GLUE_E_INVALID_STATE, "the ring of ticket keys is closed");
    Environment::of(env)->throw_error(err);
    return false;
}

napi_value TicketRing::mint(Napi::Env env, const Napi::CallbackInfo &info)
{
    int64_t active_from = limit_argument(info[0], kMaxTime);
    int64_t expires = limit_argument(info[1], kMaxTime);
    if (!require_open(env)) {
        return env.Undefined();
    }
    if (active_from < 0 || expires < 0) {
        Environment::of(env)->throw_usage("mint() takes two times in milliseconds since 1970");
        return env.Undefined();
    }
    glue_error err;
    unsigned char sealed[GLUE_SEALED_KEY_LEN];
    if (glue_ticket_ring_mint(ring_, static_cast<uint64_t>(active_from),
                              static_cast<uint64_t>(expires), sealed, &err) != GLUE_OK) {
        Environment::of(env)->throw_error(err);
        return env.Undefined();
    }
    return sealed_buffer(env, sealed);
}

napi_value TicketRing::opens(Napi::Env env, const Napi::CallbackInfo &info)
{
    if (!require_open(env)) {
        return env.Undefined();
    }
    if (!is_bytes(info[0])) {
        Environment::of(env)->throw_usage("a sealed key must be a Uint8Array");
        return env.Undefined();
    }
    Napi::Uint8Array sealed = info[0].As<Napi::Uint8Array>();
    glue_error err;
    if (glue_ticket_ring_check(ring_, sealed.Data(), sealed.ByteLength(), &err) == GLUE_OK) {
        return Napi::Boolean::New(env, true);
    }
    if (err.code == GLUE_E_TICKET_KEY) {
        return Napi::Boolean::New(env, false);
    }
    Environment::of(env)->throw_error(err);
    return env.Undefined();
}

napi_value TicketRing::install(Napi::Env env, const Napi::CallbackInfo &info)
{
    glue_ticket_keys keys;
    int64_t generation = limit_argument(info[4], kMaxGeneration);
    if (!require_open(env)) {
        return env.Undefined();
    }
    if (!read_sealed(info[0], &keys.next) || !read_sealed(info[1], &keys.active) ||
        !read_sealed(info[2], &keys.previous) || !read_sealed(info[3], &keys.former) ||
        generation < 0) {
        Environment::of(env)->throw_usage(
            "install(next, active, previous, former: sealed keys or null, generation)");
        return env.Undefined();
    }
    bool installed;
    glue_error err;
    if (glue_ticket_ring_install(ring_, &keys, static_cast<uint64_t>(generation), &installed,
                                 &err) != GLUE_OK) {
        Environment::of(env)->throw_error(err);
        return env.Undefined();
    }
    return Napi::Boolean::New(env, installed);
}

napi_value TicketRing::keys(Napi::Env env, const Napi::CallbackInfo &)
{
    if (!require_open(env)) {
        return env.Undefined();
    }
    glue_ticket_copies copies;
    uint64_t generation = glue_ticket_ring_copy(ring_, &copies);
    Napi::Array sealed = Napi::Array::New(env);
    for (size_t i = 0; i < sizeof(copies.present) / sizeof(copies.present[0]); i++) {
        if (copies.present[i]) {
            sealed[sealed.Length()] = sealed_buffer(env, copies.sealed[i]);
        }
    }
    Napi::Object object = Napi::Object::New(env);
    object.Set("generation", Napi::Number::New(env, static_cast<double>(generation)));
    object.Set("sealed", sealed);
    return object;
}

napi_value TicketRing::close(Napi::Env env, const Napi::CallbackInfo &)
{
    if (ring_ != nullptr) {
        glue_ticket_ring_close(std::exchange(ring_, nullptr));
    }
    return env.Undefined();
}

/* Collected, or the environment has ended: contexts of others may still live by it. */
TicketRing::~TicketRing()
{
    if (ring_ != nullptr) {
        glue_ticket_ring_abandon(ring_);
    }
}

} // namespace mxtls
