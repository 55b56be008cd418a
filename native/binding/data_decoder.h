/*
 * data_decoder.h - takes a message out of the DATA phase: finds its end, removes the dots (RFC 5321
 * section 4.5.2). For BDAT (RFC 3030), where the end is counted, only the line ends are looked at.
 *
 * The end is CRLF.CRLF, these five bytes and no others (the CRLF before the dot may be that of the
 * DATA command itself). Every looser reading - LF.LF, LF.CRLF, CRLF.LF, CR.CR - lets somebody hide
 * a second message in the first (SMTP smuggling, CVE-2023-51764). A line that ends in a bare LF
 * leaves as a line that ends in CRLF, so that nobody further on reads it in another way, and
 * `saw_bare_lf` tells; a stray CR is content. A lone dot between other line ends is an empty line.
 *
 * What comes in may be cut anywhere, down to single bytes. Pure: no Node-API, no memory of its own.
 */
#ifndef MXTLS_DATA_DECODER_H
#define MXTLS_DATA_DECODER_H

#include <cstddef>
#include <cstdint>

namespace mxtls {

/* Where in a line the next byte stands; `bare`: the line before ended in a bare LF. */
enum class Place : uint8_t {
    start,
    start_bare,
    middle,
    middle_cr,
    dot,
    dot_bare,
    dot_cr,
    dot_bare_cr,
    count,
};

struct DataDecoder {
    bool dots = true; /* false: BDAT, dots mean nothing and there is no end */
    Place place = Place::start;
    bool done = false; /* the end has been seen */
    bool saw_bare_lf = false;
};

/* A step writes at most this much besides what it copies; with less room nothing is begun. */
constexpr size_t kDecodeRoom = 2;

struct Decoded {
    size_t
        consumed; /* of the input: all, up to the end of the message, or as far as there is room */
    size_t written;
};

/* Continues with `length` bytes of `in`; `out` nullptr throws the message away and only counts. */
Decoded decode_data(DataDecoder *decoder, const uint8_t *in, size_t length, uint8_t *out,
                    size_t room);

} // namespace mxtls

#endif
