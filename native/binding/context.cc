/* context.cc - see context.h. */
#include "context.h"

#include <string>

#include "args.h"
#include "auth.h"
#include "convert.h"
#include "ticket_ring.h"

namespace mxtls {

namespace {

constexpr int64_t kMaxVersion = INT32_MAX; /* Postfix takes any number that fits */
constexpr int64_t kMaxTrace = INT32_MAX;
constexpr int64_t kMaxDaneDigests = 254;

glue_protocols read_protocols(Environment *environment, Napi::Value value)
{
    Fields fields(environment, value, "protocols");
    glue_protocols protocols;
    protocols.floor = static_cast<int>(fields.integer("floor", -1, kMaxVersion));
    protocols.ceiling = static_cast<int>(fields.integer("ceiling", -1, kMaxVersion));
    protocols.exclude = static_cast<unsigned>(fields.integer("exclude", 0, 0x1f));
    return protocols;
}

unsigned read_questions(Fields *fields, Napi::Value value)
{
    unsigned ask = 0;
    if (!value.IsArray()) {
        fields->fail("ask", "an array");
        return 0;
    }
    Napi::Array names = value.As<Napi::Array>();
    for (uint32_t i = 0; i < names.Length(); i++) {
        Napi::Value name = names[i];
        unsigned bit = name.IsString() ? question_bit(name.As<Napi::String>()) : 0;
        if (bit == 0) {
            fields->fail("ask", "a list of ticket-key, session and chain");
        }
        ask |= bit;
    }
    return ask;
}

glue_ticket_ring *read_ticket_ring(Fields *fields)
{
    Napi::Value value = fields->value("ticketRing");
    TicketRing *ring = TicketRing::from(value);
    if ((ring == nullptr && !value.IsNull()) || (ring != nullptr && ring->get() == nullptr)) {
        fields->fail("ticketRing", "an open one that openTicketRing() made, or null");
    }
    return ring == nullptr ? nullptr : ring->get();
}

glue_chains *read_chains(Fields *fields)
{
    Napi::Value value = fields->value("chains");
    Chains *chains = Chains::from(value);
    if (chains == nullptr && !value.IsNull()) {
        fields->fail("chains", "what loadChains() made, or null");
    }
    return chains == nullptr ? nullptr : chains->get();
}

glue_sni_cache *read_sni_cache(Fields *fields)
{
    Napi::Value value = fields->value("sniCache");
    SniCache *cache = SniCache::from(value);
    if (cache == nullptr && !value.IsNull()) {
        fields->fail("sniCache", "what createSniCache() made, or null");
    }
    return cache == nullptr ? nullptr : cache->get();
}

/* Names and numbers of tls_dane_digests; `names` keeps the texts. */
std::vector<glue_dane_digest> read_dane_digests(Fields *fields, std::vector<std::string> *names)
{
    std::vector<glue_dane_digest> digests;
    Napi::Value value = fields->value("daneDigests");
    if (!value.IsArray() || value.As<Napi::Array>().Length() > kMaxDaneDigests) {
        fields->fail("daneDigests", "an array of at most 254 pairs");
        return digests;
    }
    Napi::Array pairs = value.As<Napi::Array>();
    names->reserve(pairs.Length()); /* the texts stay where they are */
    for (uint32_t i = 0; i < pairs.Length(); i++) {
        Napi::Value item = pairs[i];
        Napi::Array pair = item.IsArray() ? item.As<Napi::Array>() : Napi::Array();
        Napi::Value name = pair.IsEmpty() ? item : pair.Get(0u);
        int64_t number = pair.IsEmpty() ? -1 : limit_argument(pair.Get(1u), kMaxDaneDigests);
        if (!name.IsString() || number < 1) {
            fields->fail("daneDigests", "a list of [name, 1..254]");
            return digests;
        }
        names->push_back(name.As<Napi::String>());
        digests.push_back({names->back().c_str(), static_cast<unsigned char>(number)});
    }
    return digests;
}

/* Not NULL: an empty list is no digest at all. */
const glue_dane_digest kNoDigests[1] = {};

const char *null_if_empty(const std::string &text)
{
    return text.empty() ? nullptr : text.c_str();
}

} // namespace

/* ------------------------------------------------------------------ chains */

Napi::Function Chains::define_class(Napi::Env env)
{
    return define(env, "NativeChains", {});
}

/* The leaf and the issuers of chain `i`, as OwnCertificate of lib/native.ts. */
static void add_certificates(Napi::Array certificates, const glue_chains *chains, size_t i)
{
    Napi::Env env = certificates.Env();
    glue_chain_cert cert;
    for (size_t depth = 0; glue_chains_cert(chains, i, depth, &cert); depth++) {
        Napi::Object object = Napi::Object::New(env);
        object.Set("subject", Napi::String::New(env, cert.subject));
        object.Set("keyType", Napi::String::New(env, glue_chains_key_type(chains, i)));
        object.Set("depth", Napi::Number::New(env, static_cast<double>(depth)));
        object.Set("notBefore", Napi::Number::New(env, static_cast<double>(cert.not_before) * 1e3));
        object.Set("notAfter", Napi::Number::New(env, static_cast<double>(cert.not_after) * 1e3));
        object.Set("file", Napi::String::New(env, cert.file));
        object.Set("index", Napi::Number::New(env, cert.index));
        object.Freeze();
        certificates.Set(certificates.Length(), object);
    }
}

Napi::Value Chains::make(Environment *environment, glue_chains *owned)
{
    Napi::Env env = environment->env();
    Napi::Object object =
        wrap(environment, environment->get_class(Class::chains), std::make_unique<Chains>(owned));
    if (object.IsEmpty()) { /* and `owned` is gone with it */
        return env.Undefined();
    }
    size_t count = glue_chains_count(owned);
    Napi::Array types = Napi::Array::New(env, count);
    Napi::Array certificates = Napi::Array::New(env);
    for (size_t i = 0; i < count; i++) {
        types[static_cast<uint32_t>(i)] = Napi::String::New(env, glue_chains_key_type(owned, i));
        add_certificates(certificates, owned, i);
    }
    types.Freeze();
    certificates.Freeze();
    object.Set("keyTypes", types);
    object.Set("certificates", certificates);
    return object;
}

/* ------------------------------------------------------------------ chains of server names */

Napi::Function SniCache::define_class(Napi::Env env)
{
    return define(env, "NativeSniCache",
                  {method_of<&SniCache::put>("put"), method_of<&SniCache::drop>("drop")});
}

Napi::Value SniCache::create(Environment *environment, Napi::Value limit)
{
    constexpr int64_t kMaxNames = 1 << 24;
    Napi::Env env = environment->env();
    int64_t names = limit_argument(limit, kMaxNames);
    if (names < 0) {
        environment->throw_usage("the number of names must be within 0 and 16777216");
        return env.Undefined();
    }
    glue_error err;
    glue_sni_cache *cache = glue_sni_cache_new(static_cast<size_t>(names), &err);
    if (cache == nullptr) {
        environment->throw_error(err);
        return env.Undefined();
    }
    Napi::Object object = wrap(environment, environment->get_class(Class::sni_cache),
                               std::make_unique<SniCache>(cache));
    return object.IsEmpty() ? env.Undefined() : Napi::Value(object);
}

napi_value SniCache::put(Napi::Env env, const Napi::CallbackInfo &info)
{
    Chains *chains = Chains::from(info[1]);
    int64_t ttl = limit_argument(info[2], kMaxMs);
    if (!info[0].IsString() || (chains == nullptr && !info[1].IsNull()) || ttl < 0) {
        Environment::of(env)->throw_usage(
            "what is kept for a server name must be chains that parseChains() made, or null");
        return env.Undefined();
    }
    std::string name = info[0].As<Napi::String>();
    glue_sni_cache_put(cache_, name.c_str(), chains == nullptr ? nullptr : chains->get(),
                       static_cast<uint64_t>(ttl));
    return env.Undefined();
}

napi_value SniCache::drop(Napi::Env env, const Napi::CallbackInfo &info)
{
    if (!info[0].IsString() && !info[0].IsNull()) {
        Environment::of(env)->throw_usage("drop(name | null)");
        return env.Undefined();
    }
    std::string name = info[0].IsString() ? info[0].As<Napi::String>() : std::string();
    glue_sni_cache_drop(cache_, info[0].IsNull() ? nullptr : name.c_str());
    return env.Undefined();
}

/* ------------------------------------------------------------------ contexts */

Context::Context(Environment *environment, glue_context *owned)
    : environment_(environment), context_(owned), id_(environment->add_context(this))
{
}

Context::~Context()
{
    if (environment_ != nullptr) {
        environment_->remove_context(id_);
    }
    glue_context_free(context_);
}

Napi::Function Context::define_class(Napi::Env env)
{
    return define(env, "NativeContext", {method_of<&Context::prepare>("prepare")});
}

Napi::Value Context::create(Environment *environment, Napi::Value value)
{
    Napi::Env env = environment->env();
    Fields fields(environment, value, "context properties");
    std::string role = fields.text_or_null("role");
    if (role != "server" && role != "client") {
        fields.fail("role", "server or client");
    }
    std::string service = fields.text_or_null("service");
    std::string cipher_list = fields.text_or_null("cipherList");
    std::string groups = fields.text_or_null("groups");
    std::string ca_file = fields.text_or_null("caFile");
    std::string ca_path = fields.text_or_null("caPath");
    std::string digest = fields.text_or_null("digest");
    std::string dh_file = fields.text_or_null("dhFile");
    std::string keylog_file = fields.text_or_null("keyLogFile");
    std::string ticket_cipher = fields.text_or_null("ticketCipher");
    glue_context_props props = {};
    props.role = role == "client" ? GLUE_CLIENT : GLUE_SERVER;
    props.service = service.c_str();
    props.security_level = static_cast<int>(fields.integer("securityLevel", 0, 5));
    props.cipher_list = null_if_empty(cipher_list);
    props.groups = null_if_empty(groups);
    props.dh_file = null_if_empty(dh_file);
    props.keylog_file = null_if_empty(keylog_file);
    props.options_on = fields.bits("optionsOn");
    props.options_off = fields.bits("optionsOff");
    props.chains = read_chains(&fields);
    props.ask_client_cert = fields.boolean("askClientCert");
    props.require_client_cert = fields.boolean("requireClientCert");
    props.enable_rpk = fields.boolean("enableRpk");
    props.trust_server_ccerts = fields.boolean("trustServerCcerts");
    props.ca_file = null_if_empty(ca_file);
    props.ca_path = null_if_empty(ca_path);
    props.append_default_ca = fields.boolean("appendDefaultCa");
    props.verify_depth = static_cast<int>(fields.integer("verifyDepth", 0, 1000));
    props.digest = null_if_empty(digest);
    props.ask = read_questions(&fields, fields.value("ask"));
    props.tickets = fields.boolean("tickets");
    props.ticket_ring = read_ticket_ring(&fields);
    props.ticket_cipher = null_if_empty(ticket_cipher);
    props.session_timeout = static_cast<unsigned>(fields.integer("sessionTimeout", 0, INT32_MAX));
    props.session_ids = fields.boolean("sessionIds");
    props.acknowledge_sni = fields.boolean("acknowledgeSni");
    props.sni_cache = read_sni_cache(&fields);
    std::vector<std::string> digest_names;
    std::vector<glue_dane_digest> dane_digests = read_dane_digests(&fields, &digest_names);
    props.dane_digests = dane_digests.data() == nullptr ? kNoDigests : dane_digests.data();
    props.dane_digest_count = dane_digests.size();
    if (!fields.ok()) {
        return env.Undefined();
    }
    props.protocols = read_protocols(environment, fields.value("protocols"));
    if (env.IsExceptionPending()) {
        return env.Undefined();
    }
    glue_error err;
    glue_context *context = glue_context_new(&props, &err);
    if (context == nullptr) {
        environment->throw_error(err);
        return env.Undefined();
    }
    auto made = std::make_unique<Context>(environment, context);
    made->server_ = props.role == GLUE_SERVER;
    return wrap(environment, environment->get_class(Class::context), std::move(made));
}

napi_value Context::prepare(Napi::Env env, const Napi::CallbackInfo &info)
{
    std::shared_ptr<const TlsStart> start = read_start(environment_, info[0]);
    if (start != nullptr) {
        prepared_ = std::move(start);
    }
    return env.Undefined();
}

std::shared_ptr<const TlsStart> Context::start(Environment *environment, Napi::Value value) const
{
    return value.IsNull() && prepared_ != nullptr ? prepared_ : read_start(environment, value);
}

std::shared_ptr<const TlsStart> Context::read_start(Environment *environment,
                                                    Napi::Value value) const
{
    Fields fields(environment, value, "TLS properties");
    auto start = std::make_shared<TlsStart>(context_, id_);
    start->server = server_;
    start->sni = fields.text_or_null("sni");
    start->cipher_list = fields.text_or_null("cipherList");
    start->security_level = static_cast<int>(fields.integer("securityLevel", -1, 5));
    start->timeout_ms = static_cast<uint64_t>(fields.integer("timeout", 0, kMaxMs));
    start->deadline_ms = static_cast<uint64_t>(fields.integer("deadline", 0, kMaxMs));
    start->trace_limit = static_cast<size_t>(fields.integer("traceLimit", 0, kMaxTrace));
    start->trace_rate = static_cast<unsigned>(fields.integer("traceRate", 0, INT32_MAX));
    start->slow_shutdown = !fields.boolean("fastShutdown");
    start->no_tickets = !fields.boolean("tickets");
    start->note_tickets = fields.boolean("noteTickets");
    start->delay_tickets = fields.boolean("delayTickets");
    start->session = fields.bytes_or_null("session");
    Napi::Value auth = fields.value("auth");
    if (!fields.ok() || !read_auth(environment, auth, &start->auth)) {
        return nullptr;
    }
    start->protocols = read_protocols(environment, fields.value("protocols"));
    if (environment->env().IsExceptionPending()) {
        return nullptr;
    }
    return start;
}

} // namespace mxtls
