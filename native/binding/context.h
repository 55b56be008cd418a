/*
 * context.h - NativeContext, NativeChains, NativeSniCache: shared glue objects behind JavaScript
 * ones.
 */
#ifndef MXTLS_CONTEXT_H
#define MXTLS_CONTEXT_H

#include <memory>

#include <napi.h>

#include "../openssl_glue.h"
#include "handshake_pool.h"
#include "object_wrap.h"

namespace mxtls {

class Chains final : public ObjectWrap<Chains> {
  public:
    static constexpr napi_type_tag kTag = {0x6d78746c73636861, 0x8f0e5d1c7b4a2963};
    static constexpr int64_t kExternal = 32 * 1024;

    explicit Chains(glue_chains *owned) : chains_(owned) {}
    ~Chains() { glue_chains_free(chains_); }

    static Napi::Function define_class(Napi::Env env);
    static Napi::Value make(Environment *environment, glue_chains *owned);
    glue_chains *get() const { return chains_; }

  private:
    friend class ObjectWrap<Chains>;
    glue_chains *chains_;
};

class SniCache final : public ObjectWrap<SniCache> {
  public:
    static constexpr napi_type_tag kTag = {0x6d78746c73736e69, 0x5d20c8f19e73b64a};

    explicit SniCache(glue_sni_cache *owned) : cache_(owned) {}
    ~SniCache() { glue_sni_cache_free(cache_); }

    static Napi::Function define_class(Napi::Env env);
    /* createSniCache() of lib/native.ts. */
    static Napi::Value create(Environment *environment, Napi::Value limit);
    glue_sni_cache *get() const { return cache_; }

  private:
    friend class ObjectWrap<SniCache>;
    napi_value put(Napi::Env env, const Napi::CallbackInfo &info);
    napi_value drop(Napi::Env env, const Napi::CallbackInfo &info);

    glue_sni_cache *cache_;
};

class Context final : public ObjectWrap<Context> {
  public:
    static constexpr napi_type_tag kTag = {0x6d78746c73637478, 0x2b9c64e8d1f3750a};
    static constexpr int64_t kExternal = 128 * 1024;

    Context(Environment *environment, glue_context *owned);
    ~Context();

    static Napi::Function define_class(Napi::Env env);
    /* createContext() of lib/native.ts. */
    static Napi::Value create(Environment *environment, Napi::Value props);

    /*
     * How to start TLS with this context; null: as prepare() was told. nullptr and an exception
     * when `props` is not right.
     */
    std::shared_ptr<const TlsStart> start(Environment *environment, Napi::Value props) const;
    void abandon() { environment_ = nullptr; }

    /* A handshake that began has not ended: somebody must be there to answer its questions. */
    void pin()
    {
        if (handshakes_++ == 0) {
            hold();
        }
    }
    void unpin()
    {
        if (--handshakes_ == 0) {
            release();
        }
    }

  private:
    friend class ObjectWrap<Context>;
    std::shared_ptr<const TlsStart> read_start(Environment *environment, Napi::Value props) const;
    napi_value prepare(Napi::Env env, const Napi::CallbackInfo &info);

    Environment *environment_;
    glue_context *context_;
    std::shared_ptr<const TlsStart> prepared_;
    bool server_ = true;
    unsigned handshakes_ = 0;
    uint64_t id_;
};

} // namespace mxtls

#endif
