/*
 * addon.cc - the module: NativeAddon of lib/native.ts, one instance per environment.
 */
#include <string>
#include <utility>
#include <vector>

#include <napi.h>

#include "../openssl_glue.h"
#include "args.h"
#include "connection.h"
#include "context.h"
#include "convert.h"
#include "datagram.h"
#include "decoding.h"
#include "environment.h"
#include "listener.h"
#include "process.h"
#include "socket.h"
#include "ticket_ring.h"

namespace mxtls {

namespace {

using Info = Napi::CallbackInfo;

/* The environment of a call; throws and returns nullptr when initialize() was not called. */
Environment *environment_of(const Info &info)
{
    Environment *environment = Environment::of(info.Env());
    if (environment == nullptr || !environment->ready()) {
        Napi::Error::New(info.Env(), "mxtls: initialize() was not called")
            .ThrowAsJavaScriptException();
        return nullptr;
    }
    return environment;
}

Napi::Value initialize(const Info &info)
{
    Environment *environment = Environment::of(info.Env());
    if (environment == nullptr || environment->ready() || !info[0].IsObject()) {
        Napi::TypeError::New(info.Env(), "mxtls: initialize(callbacks) is called once")
            .ThrowAsJavaScriptException();
        return info.Env().Undefined();
    }
    if (!environment->set_callbacks(info[0].As<Napi::Object>())) {
        return info.Env().Undefined();
    }
    return environment->make_slab();
}

Napi::Value library_info(const Info &info)
{
    glue_library_info library;
    glue_library_describe(&library);
    return library_info_to_object(info.Env(), library);
}

Napi::Value library_init(const Info &info)
{
    Environment *environment = environment_of(info);
    if (environment == nullptr) {
        return info.Env().Undefined();
    }
    if (!info[0].IsString() || !info[1].IsString()) {
        environment->throw_usage("configFile and configName must be strings");
        return info.Env().Undefined();
    }
    std::string file = info[0].As<Napi::String>();
    std::string name = info[1].As<Napi::String>();
    glue_library_props props = {file.c_str(), name.c_str()};
    glue_error err;
    if (glue_library_init(&props, &err) != GLUE_OK) {
        environment->throw_error(err);
    }
    return info.Env().Undefined();
}

Napi::Value check_version(const Info &info)
{
    Napi::Env env = info.Env();
    if (!info[0].IsNumber() || !info[1].IsNumber()) {
        Napi::TypeError::New(env, "headers and runtime must be numbers")
            .ThrowAsJavaScriptException();
        return env.Undefined();
    }
    char warning[160];
    bool usable = glue_library_check_version(
        static_cast<unsigned long>(info[0].As<Napi::Number>().Int64Value()),
        static_cast<unsigned long>(info[1].As<Napi::Number>().Int64Value()), warning,
        sizeof(warning));
    Napi::Array result = Napi::Array::New(env, 2);
    result[0u] = Napi::Boolean::New(env, usable);
    result[1u] = Napi::String::New(env, warning);
    return result;
}

/* Collects notes in a JavaScript array, if it is one; failing loads have notes, too. */
class Notes {
  public:
    const glue_notes *glue() const { return &notes_; }

    void put_into(Napi::Value value) const
    {
        if (!value.IsArray()) {
            return;
        }
        Napi::Array array = value.As<Napi::Array>();
        for (const std::string &line : lines_) {
            array.Set(array.Length(), Napi::String::New(array.Env(), line));
        }
    }

  private:
    static void add(void *self, const char *text)
    {
        static_cast<Notes *>(self)->lines_.emplace_back(text);
    }

    std::vector<std::string> lines_;
    glue_notes notes_ = {&add, this};
};

Napi::Value made_chains(Environment *environment, glue_chains *chains, const glue_error &err)
{
    if (chains == nullptr) {
        environment->throw_error(err);
        return environment->env().Undefined();
    }
    return Chains::make(environment, chains);
}

Napi::Value load_chains(const Info &info)
{
    Environment *environment = environment_of(info);
    if (environment == nullptr) {
        return info.Env().Undefined();
    }
    std::vector<std::string> names;
    if (info[0].IsArray()) {
        Napi::Array files = info[0].As<Napi::Array>();
        for (uint32_t i = 0; i < files.Length(); i++) {
            Napi::Value file = files[i];
            if (!file.IsString()) {
                names.clear();
                break;
            }
            names.push_back(file.As<Napi::String>());
        }
    }
    if (names.empty()) {
        environment->throw_usage("files must be a list of file names, at least one");
        return info.Env().Undefined();
    }
    std::vector<const char *> pointers;
    for (const std::string &name : names) {
        pointers.push_back(name.c_str());
    }
    Notes notes;
    glue_error err;
    glue_chains *chains = glue_chains_load(pointers.data(), pointers.size(), notes.glue(), &err);
    notes.put_into(info[1]);
    return made_chains(environment, chains, err);
}

struct ChainPair {
    std::string label, cert_file, key_file;
};

bool read_pairs(Environment *environment, Napi::Value value, std::vector<ChainPair> *pairs)
{
    if (!value.IsArray()) {
        environment->throw_usage("pairs must be a list");
        return false;
    }
    Napi::Array list = value.As<Napi::Array>();
    for (uint32_t i = 0; i < list.Length(); i++) {
        Fields fields(environment, list[i], "a pair");
        pairs->push_back({fields.text_or_null("label"), fields.text_or_null("certFile"),
                          fields.text_or_null("keyFile")});
        if (!fields.ok()) {
            return false;
        }
    }
    return true;
}

Napi::Value load_chain_pairs(const Info &info)
{
    Environment *environment = environment_of(info);
    std::vector<ChainPair> pairs;
    if (environment == nullptr || !read_pairs(environment, info[0], &pairs)) {
        return info.Env().Undefined();
    }
    std::vector<glue_chain_pair> lent;
    for (const ChainPair &pair : pairs) {
        lent.push_back({pair.label.c_str(), pair.cert_file.c_str(), pair.key_file.c_str()});
    }
    Notes notes;
    glue_error err;
    glue_chains *chains = glue_chains_load_pairs(lent.data(), lent.size(), notes.glue(), &err);
    notes.put_into(info[1]);
    return made_chains(environment, chains, err);
}

Napi::Value parse_chains(const Info &info)
{
    Environment *environment = environment_of(info);
    if (environment == nullptr) {
        return info.Env().Undefined();
    }
    if (!info[0].IsTypedArray() || !info[1].IsString() ||
        info[0].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
        environment->throw_usage("pem must be a Uint8Array and origin a string");
        return info.Env().Undefined();
    }
    Napi::Uint8Array pem = info[0].As<Napi::Uint8Array>();
    std::string origin = info[1].As<Napi::String>();
    Notes notes;
    glue_error err;
    glue_chains *chains =
        glue_chains_parse(pem.Data(), pem.ByteLength(), origin.c_str(), notes.glue(), &err);
    notes.put_into(info[2]);
    return made_chains(environment, chains, err);
}

Napi::Value create_context(const Info &info)
{
    Environment *environment = environment_of(info);
    return environment == nullptr ? info.Env().Undefined() : Context::create(environment, info[0]);
}

Napi::Value create_sni_cache(const Info &info)
{
    Environment *environment = environment_of(info);
    return environment == nullptr ? info.Env().Undefined() : SniCache::create(environment, info[0]);
}

Napi::Value open_ticket_ring(const Info &info)
{
    Environment *environment = environment_of(info);
    return environment == nullptr ? info.Env().Undefined()
                                  : TicketRing::open(environment, info[0], info[1]);
}

Napi::Value listen(const Info &info)
{
    Environment *environment = environment_of(info);
    return environment == nullptr ? info.Env().Undefined() : Listener::listen(environment, info[0]);
}

Napi::Value open_listening(const Info &info)
{
    Environment *environment = environment_of(info);
    return environment == nullptr ? info.Env().Undefined()
                                  : Listener::open_descriptor(environment, info[0]);
}

Napi::Value connect(const Info &info)
{
    Environment *environment = environment_of(info);
    return environment == nullptr ? info.Env().Undefined()
                                  : Connection::connect(environment, info[0]);
}

Napi::Value adopt(const Info &info)
{
    Environment *environment = environment_of(info);
    return environment == nullptr ? info.Env().Undefined()
                                  : Connection::adopt(environment, info[0]);
}

Napi::Value answer(const Info &info)
{
    Environment *environment = environment_of(info);
    if (environment == nullptr) {
        return info.Env().Undefined();
    }
    Chains *chains = Chains::from(info[1]);
    bool refuse = info[1].IsBoolean() && !info[1].As<Napi::Boolean>().Value();
    bool session = is_bytes(info[1]);
    if (!info[0].IsNumber() || (chains == nullptr && !refuse && !session && !info[1].IsNull())) {
        environment->throw_usage("answer(token, chains | session | null | false)");
        return info.Env().Undefined();
    }
    uint64_t id = static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value());
    if (session) {
        Napi::Uint8Array bytes = info[1].As<Napi::Uint8Array>();
        std::vector<uint8_t> copy(bytes.Data(), bytes.Data() + bytes.ByteLength());
        environment->answer(id, QuestionAnswer(std::move(copy)));
    } else {
        glue_chains *kept = chains == nullptr ? nullptr : glue_chains_up_ref(chains->get());
        environment->answer(id, QuestionAnswer(kept, refuse));
    }
    return info.Env().Undefined();
}

Napi::Value set_handshake_threads(const Info &info)
{
    Environment *environment = environment_of(info);
    if (environment == nullptr) {
        return info.Env().Undefined();
    }
    double count = info[0].IsNumber() ? info[0].As<Napi::Number>().DoubleValue() : -1;
    if (!(count >= 0 && count <= 128)) {
        environment->throw_usage("the number of handshake threads must be within 0 and 128");
    } else if (!process_set_threads(static_cast<unsigned>(count))) {
        glue_error err;
        glue_error_set(&err, GLUE_E_INVALID_STATE,
                       "the handshake threads run already, in another number");
        environment->throw_error(err);
    }
    return info.Env().Undefined();
}

Napi::Value send_datagram(const Info &info)
{
    Environment *environment = environment_of(info);
    if (environment == nullptr) {
        return info.Env().Undefined();
    }
    if (!info[0].IsString() || !info[1].IsTypedArray()) {
        environment->throw_usage("path must be a string, data a Uint8Array");
        return info.Env().Undefined();
    }
    std::string path = info[0].As<Napi::String>();
    Napi::Uint8Array data = info[1].As<Napi::Uint8Array>();
    int error = send_unix_datagram(path, data.Data(), data.ByteLength());
    return Napi::Number::New(info.Env(), error);
}

Napi::Value peer_uid(const Info &info)
{
    Environment *environment = environment_of(info);
    if (environment == nullptr) {
        return info.Env().Undefined();
    }
    int64_t fd = limit_argument(info[0], INT32_MAX);
    uint32_t uid;
    bool known = fd >= 0 && user_of_peer(static_cast<int>(fd), &uid);
    return known ? Napi::Number::New(info.Env(), uid) : info.Env().Null();
}

Napi::Object init(Napi::Env env, Napi::Object exports)
{
    Environment *environment = Environment::create(env);
    if (environment == nullptr) {
        return exports;
    }
    environment->set_class(Class::connection, Connection::define_class(env));
    environment->set_class(Class::listener, Listener::define_class(env));
    environment->set_class(Class::context, Context::define_class(env));
    environment->set_class(Class::chains, Chains::define_class(env));
    environment->set_class(Class::sni_cache, SniCache::define_class(env));
    environment->set_class(Class::ticket_ring, TicketRing::define_class(env));
    exports.Set("initialize", Napi::Function::New(env, initialize, "initialize"));
    exports.Set("libraryInfo", Napi::Function::New(env, library_info, "libraryInfo"));
    exports.Set("libraryInit", Napi::Function::New(env, library_init, "libraryInit"));
    exports.Set("checkVersion", Napi::Function::New(env, check_version, "checkVersion"));
    exports.Set("loadChains", Napi::Function::New(env, load_chains, "loadChains"));
    exports.Set("loadChainPairs", Napi::Function::New(env, load_chain_pairs, "loadChainPairs"));
    exports.Set("parseChains", Napi::Function::New(env, parse_chains, "parseChains"));
    exports.Set("createContext", Napi::Function::New(env, create_context, "createContext"));
    exports.Set("createSniCache", Napi::Function::New(env, create_sni_cache, "createSniCache"));
    exports.Set("openTicketRing", Napi::Function::New(env, open_ticket_ring, "openTicketRing"));
    exports.Set("listen", Napi::Function::New(env, listen, "listen"));
    exports.Set("openListening", Napi::Function::New(env, open_listening, "openListening"));
    exports.Set("connect", Napi::Function::New(env, connect, "connect"));
    exports.Set("adopt", Napi::Function::New(env, adopt, "adopt"));
    exports.Set("answer", Napi::Function::New(env, answer, "answer"));
    exports.Set("setHandshakeThreads",
                Napi::Function::New(env, set_handshake_threads, "setHandshakeThreads"));
    exports.Set("decodeData", Napi::Function::New(env, decode_data_call, "decodeData"));
    exports.Set("peerUid", Napi::Function::New(env, peer_uid, "peerUid"));
    exports.Set("sendDatagram", Napi::Function::New(env, send_datagram, "sendDatagram"));
    return exports;
}

} // namespace

} // namespace mxtls

static Napi::Object mxtls_init(Napi::Env env, Napi::Object exports)
{
    return mxtls::init(env, exports);
}

NODE_API_MODULE(mxtls, mxtls_init)
