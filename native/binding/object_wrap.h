/*
 * object_wrap.h - a C++ object behind a JavaScript one, safe against borrowed methods.
 *
 * Napi::ObjectWrap trusts `this`: `Connection.prototype.write.call(listener)` would read one class
 * as another. Here every class has a type tag that is checked at each call, and none can be made
 * with `new`: native code makes them, so no object is ever half-built.
 *
 * The JavaScript object owns the C++ one (finalizer). While `hold()` is in force the JavaScript
 * object cannot be collected: an open connection lives although nobody refers to it.
 */
#ifndef MXTLS_OBJECT_WRAP_H
#define MXTLS_OBJECT_WRAP_H

#include <initializer_list>
#include <memory>
#include <utility>

#include <napi.h>

#include "environment.h"

namespace mxtls {

template <typename T> class ObjectWrap {
  public:
    using Method = napi_value (T::*)(Napi::Env env, const Napi::CallbackInfo &info);

    /* The wrapper of a value; nullptr (nothing thrown) when it is something else. */
    static T *from(Napi::Value value)
    {
        if (!value.IsObject()) {
            return nullptr;
        }
        bool ours = false;
        napi_check_object_type_tag(value.Env(), value, &T::kTag, &ours);
        void *self = nullptr;
        if (!ours || napi_unwrap(value.Env(), value, &self) != napi_ok) {
            return nullptr;
        }
        return static_cast<T *>(self);
    }

    /* Only while held, or inside a call on the object. */
    Napi::Object object() const
    {
        napi_value value = nullptr;
        napi_get_reference_value(env_, reference_, &value);
        return Napi::Object(env_, value);
    }

    /* About how many bytes OpenSSL has for one, so that V8 collects them in time. */
    static constexpr int64_t kExternal = 0;

  protected:
    ObjectWrap() = default;
    ~ObjectWrap() = default;

    /*
     * Makes the JavaScript object of `self`, which it owns from here on. Empty, and `self` gone,
     * where JavaScript cannot run any more: a worker is terminated at any instruction.
     */
    static Napi::Object wrap(Environment *environment, Napi::Function constructor,
                             std::unique_ptr<T> self)
    {
        Napi::Env env = constructor.Env();
        environment->set_building(true);
        Napi::Object object = constructor.New({});
        environment->set_building(false);
        if (object.IsEmpty() || napi_type_tag_object(env, object, &T::kTag) != napi_ok ||
            napi_wrap(env, object, self.get(), &finalize, nullptr, &self->reference_) != napi_ok) {
            return Napi::Object();
        }
        self.release()->env_ = env;
        account(env, T::kExternal);
        return object;
    }

    void hold()
    {
        if (!held_) {
            held_ = true;
            napi_reference_ref(env_, reference_, nullptr);
        }
    }

    void release()
    {
        if (held_) {
            held_ = false;
            napi_reference_unref(env_, reference_, nullptr);
        }
    }

    /* Lets go of a value that was referred to; from the destructor, too. */
    void drop(napi_ref &reference)
    {
        if (reference != nullptr) {
            napi_delete_reference(env_, std::exchange(reference, nullptr));
        }
    }

    /* node gives methods a v8::Signature, so that V8 has looked at the receiver already. */
    template <Method method> static napi_value call(napi_env raw_env, napi_callback_info raw)
    {
        Napi::CallbackInfo info(raw_env, raw);
        void *self = nullptr;
        if (napi_unwrap(raw_env, info.This(), &self) != napi_ok) {
            return illegal(raw_env);
        }
        return (static_cast<T *>(self)->*method)(raw_env, info);
    }

    /* A getter has none (node 20 to 24). */
    template <Method method> static napi_value get(napi_env raw_env, napi_callback_info raw)
    {
        Napi::CallbackInfo info(raw_env, raw);
        T *self = from(info.This());
        return self == nullptr ? illegal(raw_env) : (self->*method)(raw_env, info);
    }

    template <Method method> static napi_property_descriptor method_of(const char *name)
    {
        return {name,    nullptr, &call<method>,       nullptr,
                nullptr, nullptr, napi_default_method, nullptr};
    }

    template <Method method> static napi_property_descriptor getter_of(const char *name)
    {
        return {name, nullptr, nullptr, &get<method>, nullptr, nullptr, napi_default, nullptr};
    }

    /* A primitive that all objects begin with. */
    static napi_property_descriptor value_of(const char *name, napi_value value)
    {
        return {name, nullptr, nullptr, nullptr, nullptr, value, napi_writable, nullptr};
    }

    static Napi::Function define(Napi::Env env, const char *name,
                                 std::initializer_list<napi_property_descriptor> properties)
    {
        napi_value constructor = nullptr;
        napi_define_class(env, name, NAPI_AUTO_LENGTH, &construct, nullptr, properties.size(),
                          properties.begin(), &constructor);
        return Napi::Function(env, constructor);
    }

  private:
    static napi_value illegal(napi_env env)
    {
        Napi::TypeError::New(env, "Illegal invocation").ThrowAsJavaScriptException();
        return nullptr;
    }

    static void account(napi_env env, int64_t bytes)
    {
        int64_t total;
        if (bytes != 0) {
            napi_adjust_external_memory(env, bytes, &total);
        }
    }

    static void finalize(napi_env env, void *data, void *)
    {
        T *self = static_cast<T *>(data);
        napi_ref reference = self->reference_;
        delete self;
        account(env, -T::kExternal);
        napi_delete_reference(env, reference);
    }

    static napi_value construct(napi_env env, napi_callback_info raw)
    {
        Napi::CallbackInfo info(env, raw);
        if (!Environment::of(env)->building()) {
            Napi::TypeError::New(env, "Illegal constructor").ThrowAsJavaScriptException();
            return nullptr;
        }
        return info.This();
    }

    napi_env env_ = nullptr;
    napi_ref reference_ = nullptr;
    bool held_ = false;
};

} // namespace mxtls

#endif
