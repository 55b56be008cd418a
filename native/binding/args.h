/*
 * args.h - reading what JavaScript hands over.
 *
 * TypeScript gives the friendly messages; here every value is checked again, so that no caller can
 * crash the process. Fields reads an options object: the first wrong field throws INVALID_ARGUMENT,
 * the rest read as defaults, and ok() says whether all were right.
 */
#ifndef MXTLS_ARGS_H
#define MXTLS_ARGS_H

#include <cmath>
#include <string>
#include <vector>

#include <napi.h>

#include "environment.h"

namespace mxtls {

/* The longest time limit: a hundred days, Postfix's own bound. */
constexpr int64_t kMaxMs = 100LL * 24 * 3600 * 1000;

/* A plain number argument within [0, high], a time limit or a rate; -1 when it is none. */
inline int64_t limit_argument(Napi::Value value, int64_t high)
{
    double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
    return number >= 0 && number <= static_cast<double>(high) ? static_cast<int64_t>(number) : -1;
}

inline bool is_bytes(Napi::Value value)
{
    return value.IsTypedArray() &&
           value.As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array;
}

class Fields {
  public:
    Fields(Environment *environment, Napi::Value value, const char *what)
        : environment_(environment)
    {
        if (value.IsObject()) {
            object_ = value.As<Napi::Object>();
        } else {
            fail(what, "an object");
        }
    }

    bool ok() const { return ok_; }

    Napi::Value value(const char *name)
    {
        return ok_ ? object_.Get(name) : environment_->env().Undefined();
    }

    bool boolean(const char *name)
    {
        Napi::Value field = value(name);
        if (!field.IsBoolean()) {
            fail(name, "a boolean");
            return false;
        }
        return field.As<Napi::Boolean>();
    }

    /* A whole number within [low, high]. */
    int64_t integer(const char *name, int64_t low, int64_t high)
    {
        Napi::Value field = value(name);
        double number = field.IsNumber() ? field.As<Napi::Number>().DoubleValue() : std::nan("");
        if (!(number >= static_cast<double>(low) && number <= static_cast<double>(high)) ||
            std::floor(number) != number) {
            fail(name, "a whole number in its range");
            return low;
        }
        return static_cast<int64_t>(number);
    }

    uint64_t bits(const char *name)
    {
        Napi::Value field = value(name);
        bool lossless = false;
        uint64_t number = 0;
        if (field.IsBigInt()) {
            number = field.As<Napi::BigInt>().Uint64Value(&lossless);
        }
        if (!lossless) {
            fail(name, "a bigint of at most 64 bits");
        }
        return number;
    }

    /* Empty for null; without NUL inside, since C reads it. */
    std::string text_or_null(const char *name)
    {
        Napi::Value field = value(name);
        if (field.IsNull()) {
            return std::string();
        }
        if (!field.IsString()) {
            fail(name, "a string or null");
            return std::string();
        }
        std::string text = field.As<Napi::String>();
        if (text.find('\0') != std::string::npos) {
            fail(name, "a string without NUL");
        }
        return text;
    }

    /* A copy; empty for null. */
    std::vector<uint8_t> bytes_or_null(const char *name)
    {
        Napi::Value field = value(name);
        std::vector<uint8_t> bytes;
        if (is_bytes(field)) {
            Napi::Uint8Array array = field.As<Napi::Uint8Array>();
            bytes.assign(array.Data(), array.Data() + array.ByteLength());
        } else if (!field.IsNull()) {
            fail(name, "a Uint8Array or null");
        }
        return bytes;
    }

    /* Strings without NUL. */
    std::vector<std::string> texts(const char *name)
    {
        std::vector<std::string> texts;
        Napi::Value field = value(name);
        if (!field.IsArray()) {
            fail(name, "an array");
            return texts;
        }
        Napi::Array array = field.As<Napi::Array>();
        for (uint32_t i = 0; i < array.Length(); i++) {
            Napi::Value item = array[i];
            texts.push_back(item.IsString() ? item.As<Napi::String>() : std::string(1, '\0'));
            if (texts.back().find('\0') != std::string::npos) {
                fail(name, "a list of strings without NUL");
                return texts;
            }
        }
        return texts;
    }

    void fail(const char *name, const char *expected)
    {
        if (ok_) {
            ok_ = false;
            environment_->throw_usage(std::string(name) + " must be " + expected);
        }
    }

  private:
    Environment *environment_;
    Napi::Object object_;
    bool ok_ = true;
};

} // namespace mxtls

#endif
