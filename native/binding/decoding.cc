/* decoding.cc - see decoding.h. */
#include "decoding.h"

#include "data_decoder.h"

namespace mxtls {

namespace {

/* The fields of a state, in the order of NativeDecoderState. */
enum Field { kDots, kPlace, kDone, kSawBareLf, kConsumed, kWritten, kFields };

template <typename T> struct Bytes {
    T *data = nullptr;
    size_t count = 0;
};

template <typename T>
bool bytes_of(napi_env env, napi_value value, napi_typedarray_type wanted, Bytes<T> *bytes)
{
    napi_typedarray_type type;
    void *data = nullptr;
    if (napi_get_typedarray_info(env, value, &type, &bytes->count, &data, nullptr, nullptr) !=
            napi_ok ||
        type != wanted) {
        return false;
    }
    bytes->data = static_cast<T *>(data);
    return true;
}

/* Moves `bytes` on to the part from `from` to `to`; false: it does not lie inside. */
bool narrow(Bytes<uint8_t> *bytes, Napi::Value from, Napi::Value to)
{
    double begin = from.IsNumber() ? from.As<Napi::Number>().DoubleValue() : -1;
    double end = to.IsNumber() ? to.As<Napi::Number>().DoubleValue() : -1;
    if (!(begin >= 0 && begin <= end && end <= static_cast<double>(bytes->count))) {
        return false;
    }
    bytes->data += static_cast<size_t>(begin);
    bytes->count = static_cast<size_t>(end) - static_cast<size_t>(begin);
    return true;
}

bool is_state(const Bytes<uint32_t> &state)
{
    return state.count == kFields && state.data[kPlace] < static_cast<uint32_t>(Place::count);
}

void decode(uint32_t *state, const Bytes<uint8_t> &in, const Bytes<uint8_t> &out)
{
    DataDecoder decoder;
    decoder.dots = state[kDots] != 0;
    decoder.place = static_cast<Place>(state[kPlace]);
    decoder.done = state[kDone] != 0;
    decoder.saw_bare_lf = state[kSawBareLf] != 0;
    Decoded decoded = decode_data(&decoder, in.data, in.count, out.data, out.count);
    state[kPlace] = static_cast<uint32_t>(decoder.place);
    state[kDone] = decoder.done;
    state[kSawBareLf] = decoder.saw_bare_lf;
    state[kConsumed] = static_cast<uint32_t>(decoded.consumed);
    state[kWritten] = static_cast<uint32_t>(decoded.written);
}

} // namespace

Napi::Value decode_data_call(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    Bytes<uint32_t> state;
    Bytes<uint8_t> in;
    Bytes<uint8_t> out;
    bool usable = bytes_of(env, info[0], napi_uint32_array, &state) && is_state(state) &&
                  bytes_of(env, info[1], napi_uint8_array, &in) && narrow(&in, info[2], info[3]);
    if (usable && !info[4].IsNull()) {
        usable = bytes_of(env, info[4], napi_uint8_array, &out) &&
                 narrow(&out, info[5], Napi::Number::New(env, static_cast<double>(out.count)));
    }
    if (!usable) {
        Napi::TypeError::New(env, "decodeData(state, data, from, to, out | null, at)")
            .ThrowAsJavaScriptException();
        return env.Undefined();
    }
    decode(state.data, in, out);
    return env.Undefined();
}

} // namespace mxtls
