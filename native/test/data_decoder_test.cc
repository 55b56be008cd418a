/*
 * data_decoder_test.cc - DATA framing in exact memory: a byte read or written outside of what was
 * given is an error of the address sanitizer. What the bytes come to is compared with a plain
 * decoder in test/unit/smtp-data.test.ts.
 */
#include <memory>
#include <string>

#include <string.h>

#include "../binding/data_decoder.h"
#include "testlib.h"

using mxtls::DataDecoder;
using mxtls::decode_data;
using mxtls::Decoded;
using mxtls::kDecodeRoom;

namespace {

/* Both ends of the input and of the output are those of an allocation. */
std::string decode(const std::string &wire, size_t piece, size_t room, bool dots = true)
{
    DataDecoder decoder;
    decoder.dots = dots;
    std::string message;
    size_t at = 0;
    while (at < wire.size() && !decoder.done) {
        size_t length = wire.size() - at < piece ? wire.size() - at : piece;
        std::unique_ptr<uint8_t[]> in(new uint8_t[length]);
        std::unique_ptr<uint8_t[]> out(new uint8_t[room]);
        memcpy(in.get(), wire.data() + at, length);
        Decoded decoded = decode_data(&decoder, in.get(), length, out.get(), room);
        message.append(reinterpret_cast<char *>(out.get()), decoded.written);
        if (!EXPECT(decoded.consumed > 0 || decoded.written > 0)) {
            break; /* it would go on for ever */
        }
        at += decoded.consumed;
    }
    return message;
}

std::string lines(size_t count, size_t width)
{
    std::string text;
    for (size_t i = 0; i < count; i++) {
        text.append(width, 'x').append("\r\n");
    }
    return text;
}

void any_piece_and_any_room_give_the_same()
{
    std::string wire =
        lines(9, 76) + ".." + lines(1, 600) + "\n.\r\n.x\n\r\r\n..\r\n" + lines(3, 250);
    std::string message =
        lines(9, 76) + "." + lines(1, 600) + "\r\n\r\nx\r\n\r\r\n.\r\n" + lines(3, 250);
    const size_t sizes[] = {1, 2, 3, 255, 256, 257, 258, 511, 512, 513, 5000};
    for (size_t piece : sizes) {
        for (size_t room : sizes) {
            if (room >= kDecodeRoom) {
                EXPECT_STR(decode(wire + ".\r\nQUIT\r\n", piece, room).c_str(), message.c_str());
            }
        }
    }
}

void a_line_end_at_every_place_of_a_block_is_seen()
{
    for (size_t before = 0; before < 600; before++) {
        std::string text(before, 'x');
        std::string rest = lines(1, 700);
        EXPECT_STR(decode(text + "\n" + rest, 5000, 5000).c_str(), (text + "\r\n" + rest).c_str());
        EXPECT_STR(decode(text + "\r\n.y" + rest, 5000, 5000).c_str(),
                   (text + "\r\ny" + rest).c_str());
        EXPECT_STR(decode(text + "\r\n.y" + rest, 5000, 5000, false).c_str(),
                   (text + "\r\n.y" + rest).c_str());
    }
}

void without_an_output_it_counts()
{
    std::string wire = lines(20, 76) + "a\n.\r\n.\r\nX";
    DataDecoder decoder;
    Decoded decoded = decode_data(&decoder, reinterpret_cast<const uint8_t *>(wire.data()),
                                  wire.size(), nullptr, 0);
    EXPECT(decoder.done);
    EXPECT(decoder.saw_bare_lf);
    EXPECT_INT(decoded.consumed, wire.size() - 1);
    EXPECT_INT(decoded.written, 20 * 78 + 5);
}

void without_room_nothing_is_begun()
{
    DataDecoder decoder;
    uint8_t out[1];
    Decoded decoded = decode_data(&decoder, reinterpret_cast<const uint8_t *>("\n"), 1, out, 1);
    EXPECT_INT(decoded.consumed, 0);
    EXPECT_INT(decoded.written, 0);
}

const test_case cases[] = {
    {"any piece and any room give the same", any_piece_and_any_room_give_the_same},
    {"a line end at every place of a block is seen", a_line_end_at_every_place_of_a_block_is_seen},
    {"without an output it counts", without_an_output_it_counts},
    {"without room nothing is begun", without_room_nothing_is_begun},
};

} // namespace

TESTLIB_MAIN(cases)
