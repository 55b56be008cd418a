/* data_decoder.cc - see data_decoder.h. */
#include "data_decoder.h"

#include <algorithm>
#include <cstring>

namespace mxtls {

namespace {

constexpr uint8_t kLf = '\n';
constexpr uint8_t kCr = '\r';
constexpr uint8_t kDot = '.';

/* Long enough to make one test of many, short enough to be looked at again byte by byte. */
constexpr size_t kBlock = 256;

struct Blocks {
    const uint8_t *in; /* one byte before and one behind can be read, too */
    size_t length;     /* whole blocks */
    uint8_t *out;
    size_t stride; /* 0: one block of `out` takes them all */
    bool dots;
};

/* The vector types of gcc and clang: the compiler finds the instructions, two for one if need be.
 */
typedef uint8_t Vector __attribute__((vector_size(32)));

inline __attribute__((always_inline)) void load(Vector *vector, const uint8_t *in)
{
    memcpy(vector, in, sizeof(*vector));
}

/* Copies blocks until there is one that needs a look, and returns how many bytes that was. */
inline __attribute__((always_inline)) size_t copy_clean(const Blocks &blocks)
{
    const Vector dot_counts = blocks.dots ? ~Vector{} : Vector{};
    uint8_t *out = blocks.out;
    for (size_t at = 0; at < blocks.length; at += kBlock) {
        const uint8_t *in = blocks.in + at;
        Vector events = {};
        for (size_t i = 0; i < kBlock; i += sizeof(Vector)) {
            Vector before, here, behind;
            load(&before, in + i - 1);
            load(&here, in + i);
            load(&behind, in + i + 1);
            events |= (Vector)(here == kLf) &
                      ((Vector)(before != kCr) | ((Vector)(behind == kDot) & dot_counts));
            memcpy(out + i, &here, sizeof(here));
        }
        uint64_t words[sizeof(Vector) / sizeof(uint64_t)];
        memcpy(words, &events, sizeof(words));
        if ((words[0] | words[1] | words[2] | words[3]) != 0) {
            return at;
        }
        out += blocks.stride;
    }
    return blocks.length;
}

#ifdef __x86_64__
/* The baseline of x86-64 has half the width. */
__attribute__((target("avx2"))) size_t copy_clean_avx2(const Blocks &blocks)
{
    return copy_clean(blocks);
}
#endif

size_t copy_clean_blocks(const Blocks &blocks)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2")) {
        return copy_clean_avx2(blocks);
    }
#endif
    return copy_clean(blocks);
}

class Decoding {
  public:
    Decoding(DataDecoder *decoder, const uint8_t *in, size_t length, uint8_t *out, size_t room)
        : decoder_(decoder), in_(in), end_(in + length), out_(out), room_(room)
    {
    }

    Decoded run()
    {
        const uint8_t *begin = in_;
        while (in_ < end_ && !decoder_->done && room_ - written_ >= kDecodeRoom) {
            step();
        }
        return {static_cast<size_t>(in_ - begin), written_};
    }

  private:
    void step()
    {
        switch (decoder_->place) {
        case Place::start:
        case Place::start_bare:
            if (decoder_->dots && *in_ == kDot) {
                decoder_->place = decoder_->place == Place::start ? Place::dot : Place::dot_bare;
                in_++;
                return;
            }
            lines(false);
            return;
        case Place::dot:
        case Place::dot_bare:
            after_dot();
            return;
        case Place::dot_cr:
        case Place::dot_bare_cr:
            after_dot_cr();
            return;
        default:
            lines(decoder_->place == Place::middle_cr);
            return;
        }
    }

    /* Passes whole lines through until one needs a look. */
    void lines(bool after_cr)
    {
        const uint8_t *begin = in_;
        const uint8_t *stop = in_ + std::min(static_cast<size_t>(end_ - in_), room_ - written_);
        if (!is_event(in_, stop, after_cr ? kCr : 0)) {
            copy(1);
            copy_blocks(stop);
            const uint8_t *at = in_;
            while (at < stop && !is_event(at, stop, at[-1])) {
                at++;
            }
            copy(static_cast<size_t>(at - in_));
        }
        uint8_t last = in_ > begin ? in_[-1] : after_cr ? kCr : 0;
        if (in_ > begin) {
            decoder_->place = last == kLf   ? Place::start
                              : last == kCr ? Place::middle_cr
                                            : Place::middle;
        }
        if (in_ == stop) {
            return;
        }
        if (last == kCr) { /* a dot follows */
            copy(1);
            decoder_->place = Place::start;
        } else if (room_ - written_ >= kDecodeRoom) { /* else the LF comes again */
            bare_lf();
        }
    }

    /* An LF without a CR before it, or with a dot behind it as far as `stop` tells. */
    bool is_event(const uint8_t *at, const uint8_t *stop, uint8_t before) const
    {
        return *at == kLf && (before != kCr || (decoder_->dots && at + 1 < stop && at[1] == kDot));
    }

    /* Nearly all of a message. A byte is there before the first block, and one behind the last. */
    void copy_blocks(const uint8_t *stop)
    {
        uint8_t nowhere[kBlock];
        Blocks blocks = {in_, static_cast<size_t>(stop - in_) / kBlock * kBlock,
                         out_ == nullptr ? nowhere : out_ + written_, out_ == nullptr ? 0 : kBlock,
                         decoder_->dots};
        if (in_ + blocks.length == stop) {
            blocks.length -= std::min(blocks.length, kBlock);
        }
        size_t clean = copy_clean_blocks(blocks);
        in_ += clean;
        written_ += clean;
    }

    void after_dot()
    {
        if (*in_ == kCr) {
            decoder_->place = decoder_->place == Place::dot ? Place::dot_cr : Place::dot_bare_cr;
            in_++;
        } else if (*in_ == kLf) {
            bare_lf();
        } else {
            decoder_->place = Place::middle;
        }
    }

    void after_dot_cr()
    {
        if (*in_ != kLf) {
            put(kCr);
            decoder_->place = Place::middle_cr;
            return;
        }
        in_++;
        if (decoder_->place == Place::dot_cr) {
            decoder_->done = true;
        } else {
            line_end();
            decoder_->place = Place::start;
        }
    }

    void bare_lf()
    {
        in_++;
        line_end();
        decoder_->place = Place::start_bare;
        decoder_->saw_bare_lf = true;
    }

    void line_end()
    {
        put(kCr);
        put(kLf);
    }

    void put(uint8_t byte)
    {
        if (out_ != nullptr) {
            out_[written_] = byte;
        }
        written_++;
    }

    void copy(size_t count)
    {
        if (out_ != nullptr) {
            memcpy(out_ + written_, in_, count);
        }
        written_ += count;
        in_ += count;
    }

    DataDecoder *decoder_;
    const uint8_t *in_;
    const uint8_t *end_;
    uint8_t *out_;
    size_t room_;
    size_t written_ = 0;
};

} // namespace

Decoded decode_data(DataDecoder *decoder, const uint8_t *in, size_t length, uint8_t *out,
                    size_t room)
{
    return Decoding(decoder, in, length, out, out == nullptr ? SIZE_MAX : room).run();
}

} // namespace mxtls
