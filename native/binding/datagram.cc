/*
 * datagram.cc - one datagram to a UNIX socket. No state: a socket costs less than knowing when to
 * close one, and a collector that restarts is found again.
 */
#include "datagram.h"

#include <cerrno>
#include <cstring>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace mxtls {

int send_unix_datagram(const std::string &path, const void *data, size_t length)
{
    struct sockaddr_un address;
    std::memset(&address, 0, sizeof(address));
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof(address.sun_path)) {
        return ENAMETOOLONG;
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return errno;
    }
    ssize_t sent = sendto(fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL,
                          reinterpret_cast<struct sockaddr *>(&address), sizeof(address));
    int error = sent < 0 ? errno : 0;
    close(fd);
    return error;
}

} // namespace mxtls
