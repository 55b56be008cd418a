/* convert.cc - see convert.h. */
#include "convert.h"

#include <cstring>
#include <string>

namespace mxtls {

namespace {

struct QuestionName {
    unsigned kind;
    const char *name;
};

const QuestionName kQuestions[] = {
    {GLUE_ASK_TICKET_KEY, "ticket-key"},
    {GLUE_ASK_SESSION, "session"},
    {GLUE_ASK_CHAIN, "chain"},
};

Napi::Value text_or_null(Napi::Env env, const char *text)
{
    return text[0] == '\0' ? env.Null() : Napi::String::New(env, text);
}

Napi::Value positive_or_null(Napi::Env env, int number)
{
    return number > 0 ? Napi::Number::New(env, number) : env.Null();
}

Napi::Value signature_to_value(Napi::Env env, const glue_signature &signature)
{
    if (signature.algorithm[0] == '\0') {
        return env.Null();
    }
    Napi::Object object = Napi::Object::New(env);
    object.Set("algorithm", signature.algorithm);
    object.Set("curve", text_or_null(env, signature.curve));
    object.Set("bits", positive_or_null(env, signature.bits));
    object.Set("digest", text_or_null(env, signature.digest));
    object.Set("rawPublicKey", signature.raw_public_key);
    object.Freeze();
    return object;
}

Napi::Value peer_to_value(Napi::Env env, glue_peer peer)
{
    switch (peer) {
    case GLUE_PEER_X509:
        return Napi::String::New(env, "x509");
    case GLUE_PEER_RPK:
        return Napi::String::New(env, "rpk");
    default:
        return env.Null();
    }
}

Napi::Value verify_to_value(Napi::Env env, const glue_snapshot &snapshot)
{
    if (snapshot.verify_code == 0) {
        return env.Null();
    }
    Napi::Object object = Napi::Object::New(env);
    object.Set("code", Napi::Number::New(env, static_cast<double>(snapshot.verify_code)));
    object.Set("depth", snapshot.verify_depth);
    object.Set("text", snapshot.verify_text);
    object.Freeze();
    return object;
}

Napi::Value match_to_value(Napi::Env env, const glue_match &match)
{
    static const char *const kinds[] = {"", "name", "tlsa", "fingerprint", "anchor"};
    if (match.kind == GLUE_MATCH_NONE) {
        return env.Null();
    }
    Napi::Object object = Napi::Object::New(env);
    object.Set("kind", kinds[match.kind]);
    object.Set("value", match.value);
    object.Set("depth", match.depth);
    object.Set("peername", text_or_null(env, match.peername));
    object.Set("publicKey", match.public_key);
    object.Set("rawPublicKey", match.raw_public_key);
    object.Freeze();
    return object;
}

} // namespace

const char *question_name(unsigned kind)
{
    for (const QuestionName &question : kQuestions) {
        if (question.kind == kind) {
            return question.name;
        }
    }
    return "";
}

unsigned question_bit(const std::string &name)
{
    for (const QuestionName &question : kQuestions) {
        if (name == question.name) {
            return question.kind;
        }
    }
    return 0;
}

Napi::Object error_to_object(Napi::Env env, const glue_error &error)
{
    Napi::Object object = Napi::Object::New(env);
    object.Set("class", glue_error_class_name(error.cls));
    object.Set("code", glue_error_code_name(error.code));
    object.Set("message", error.message);
    object.Set("reason", text_or_null(env, error.reason));
    object.Set("library", text_or_null(env, error.library));
    object.Set("errno", error.sys_errno);
    object.Set("peerSpoke", error.peer_spoke);
    return object;
}

Napi::Value notices_to_value(Napi::Env env, const glue_notice *first)
{
    static const char *const kinds[] = {
        "sni-invalid",      "sni-changed",   "sni-unmatched", "session-lookup",
        "session-reloaded", "ticket-issued", "ticket-taken",  "tlsa-unusable",
        "tlsa-none",        "tlsa-fallback", "no-names",
    };
    if (first == nullptr) {
        return env.Null();
    }
    Napi::Array list = Napi::Array::New(env);
    for (const glue_notice *notice = first; notice != nullptr; notice = notice->next) {
        Napi::Object object = Napi::Object::New(env);
        object.Set("kind", kinds[notice->kind]);
        object.Set("name", notice->name);
        object.Set("later", notice->later);
        list[list.Length()] = object;
    }
    return list;
}

Napi::Object library_info_to_object(Napi::Env env, const glue_library_info &info)
{
    Napi::Object object = Napi::Object::New(env);
    object.Set("headers", info.headers);
    object.Set("headersNumber", Napi::Number::New(env, static_cast<double>(info.headers_number)));
    object.Set("runtime", info.runtime);
    object.Set("runtimeNumber", Napi::Number::New(env, static_cast<double>(info.runtime_number)));
    object.Set("path", info.path);
    object.Set("mode", info.mode);
    object.Set("warning", text_or_null(env, info.warning));
    return object;
}

Napi::Object snapshot_to_object(Napi::Env env, const glue_snapshot &snapshot)
{
    Napi::Object object = Napi::Object::New(env);
    object.Set("status", snapshot.status);
    object.Set("protocol", snapshot.protocol);
    object.Set("cipher", snapshot.cipher);
    object.Set("cipherUsedBits", snapshot.cipher_used_bits);
    object.Set("cipherAlgorithmBits", snapshot.cipher_algorithm_bits);
    object.Set("mac", text_or_null(env, snapshot.mac));
    object.Set("group", text_or_null(env, snapshot.group));
    object.Set("server", signature_to_value(env, snapshot.server));
    object.Set("client", signature_to_value(env, snapshot.client));
    object.Set("sni", text_or_null(env, snapshot.sni));
    object.Set("resumed", snapshot.resumed);
    object.Set("ticket", snapshot.ticket);
    object.Set("certificateType", peer_to_value(env, snapshot.peer));
    object.Set("peerCertFingerprint", text_or_null(env, snapshot.peer_cert_fingerprint));
    object.Set("peerPkeyFingerprint", text_or_null(env, snapshot.peer_pkey_fingerprint));
    object.Set("peerSubject", text_or_null(env, snapshot.peer_subject));
    object.Set("peerIssuer", text_or_null(env, snapshot.peer_issuer));
    object.Set("verifyError", verify_to_value(env, snapshot));
    object.Set("matched", match_to_value(env, snapshot.match));
    object.Set("tlsaFallback", snapshot.tlsa_fallback);
    object.Freeze();
    return object;
}

Napi::Object claims_to_object(Napi::Env env, const glue_claims &claims)
{
    Napi::Object object = Napi::Object::New(env);
    object.Set("subject", claims.subject);
    object.Set("issuer", claims.issuer);
    object.Set("untrustedIssuer", claims.untrusted_issuer);
    object.Freeze();
    return object;
}

static Napi::Array names_to_array(Napi::Env env, const char *names)
{
    Napi::Array list = Napi::Array::New(env);
    for (const char *name = names; *name != '\0';) {
        size_t length = strcspn(name, " ");
        list[list.Length()] = Napi::String::New(env, name, length);
        name += length + (name[length] == ' ' ? 1 : 0);
    }
    return list;
}

Napi::Object peer_cert_to_object(Napi::Env env, const glue_peer_cert &cert)
{
    Napi::Object object = Napi::Object::New(env);
    object.Set("subject", cert.subject);
    object.Set("issuer", cert.issuer);
    object.Set("names", names_to_array(env, cert.names));
    object.Set("moreNames", cert.more_names);
    object.Set("keyType", cert.key_type);
    object.Set("curve", text_or_null(env, cert.curve));
    object.Set("bits", cert.key_bits == 0 ? env.Null() : Napi::Number::New(env, cert.key_bits));
    object.Set("notBefore", Napi::Number::New(env, static_cast<double>(cert.not_before) * 1e3));
    object.Set("notAfter", Napi::Number::New(env, static_cast<double>(cert.not_after) * 1e3));
    object.Set("certFingerprint", cert.cert_fingerprint);
    object.Set("pkeyFingerprint", cert.pkey_fingerprint);
    object.Freeze();
    return object;
}

} // namespace mxtls
