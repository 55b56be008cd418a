/*
 * datagram.h - one datagram to a UNIX socket, which node itself cannot send.
 *
 * For TLSRPT: a collector that is not there or does not keep up must not keep mail waiting, so the
 * kernel takes the datagram at once or not at all.
 */
#ifndef MXTLS_DATAGRAM_H
#define MXTLS_DATAGRAM_H

#include <cstddef>
#include <string>

namespace mxtls {

/* 0, or errno; ENAMETOOLONG for a path that no UNIX socket can have. */
int send_unix_datagram(const std::string &path, const void *data, size_t length);

} // namespace mxtls

#endif
