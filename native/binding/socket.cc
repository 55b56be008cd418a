/* socket.cc - see socket.h. */
#include "socket.h"

#include <cerrno>
#include <cstddef>
#include <cstring>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>
#include <unistd.h>

namespace mxtls {

namespace {

constexpr int kFlags = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

const sockaddr *as_sockaddr(const Address &address)
{
    return reinterpret_cast<const sockaddr *>(&address.storage);
}

bool set_option(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

int close_with_errno(int fd)
{
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

/* Replies are written whole, one write a turn: waiting for more only costs time. */
void set_no_delay(int fd, sa_family_t family)
{
    if (family != AF_UNIX) {
        set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    }
}

} // namespace

bool address_of_ip(const std::string &host, int port, Address *address)
{
    auto *four = reinterpret_cast<sockaddr_in *>(&address->storage);
    if (inet_pton(AF_INET, host.c_str(), &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons(static_cast<uint16_t>(port));
        address->length = sizeof(*four);
        return true;
    }
    auto *six = reinterpret_cast<sockaddr_in6 *>(&address->storage);
    if (inet_pton(AF_INET6, host.c_str(), &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(static_cast<uint16_t>(port));
        address->length = sizeof(*six);
        return true;
    }
    return false;
}

bool address_of_path(const std::string &path, Address *address)
{
    auto *local = reinterpret_cast<sockaddr_un *>(&address->storage);
    if (path.empty() || path.size() >= sizeof(local->sun_path)) {
        return false;
    }
    local->sun_family = AF_UNIX;
    memcpy(local->sun_path, path.c_str(), path.size() + 1);
    address->length = sizeof(*local);
    return true;
}

std::string address_text(const Address &address, int *port)
{
    char text[INET6_ADDRSTRLEN] = "";
    *port = 0;
    if (address.storage.ss_family == AF_INET) {
        auto *four = reinterpret_cast<const sockaddr_in *>(&address.storage);
        inet_ntop(AF_INET, &four->sin_addr, text, sizeof(text));
        *port = ntohs(four->sin_port);
        return text;
    }
    if (address.storage.ss_family == AF_INET6) {
        auto *six = reinterpret_cast<const sockaddr_in6 *>(&address.storage);
        *port = ntohs(six->sin6_port);
        if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) { /* an IPv4 client of a dual-stack listener */
            inet_ntop(AF_INET, six->sin6_addr.s6_addr + 12, text, sizeof(text));
        } else {
            inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof(text));
        }
        return text;
    }
    auto *local = reinterpret_cast<const sockaddr_un *>(&address.storage);
    size_t room = address.length > offsetof(sockaddr_un, sun_path)
                      ? address.length - offsetof(sockaddr_un, sun_path)
                      : 0;
    return std::string(local->sun_path, strnlen(local->sun_path, room));
}

bool address_of_peer(int fd, Address *address)
{
    address->length = sizeof(address->storage);
    return getpeername(fd, reinterpret_cast<sockaddr *>(&address->storage), &address->length) == 0;
}

bool address_of_local(int fd, Address *address)
{
    address->length = sizeof(address->storage);
    return getsockname(fd, reinterpret_cast<sockaddr *>(&address->storage), &address->length) == 0;
}

int socket_listen(const Address &address, const ListenOptions &options)
{
    sa_family_t family = address.storage.ss_family;
    int fd = socket(family, kFlags, 0);
    if (fd < 0) {
        return -1;
    }
    bool set = family == AF_UNIX || set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (options.reuse_port) {
        set = set && set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    }
    if (family == AF_INET6) {
        set = set && set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, options.ipv6_only ? 1 : 0);
    }
    set_no_delay(fd, family); /* accepted sockets inherit it */
    if (!set || bind(fd, as_sockaddr(address), address.length) != 0 ||
        listen(fd, options.backlog) != 0) {
        return close_with_errno(fd);
    }
    return fd;
}

bool socket_adopt_listening(int fd)
{
    int listening = 0;
    socklen_t length = sizeof(listening);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) != 0) {
        return false;
    }
    if (listening == 0) {
        errno = EINVAL;
        return false;
    }
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        return false;
    }
    return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

int socket_connect(const Address &address, const Address *source, bool *pending)
{
    int fd = socket(address.storage.ss_family, kFlags, 0);
    if (fd < 0) {
        return -1;
    }
    set_no_delay(fd, address.storage.ss_family);
    if (source != nullptr && bind(fd, as_sockaddr(*source), source->length) != 0) {
        return close_with_errno(fd);
    }
    *pending = connect(fd, as_sockaddr(address), address.length) != 0;
    if (*pending && errno != EINPROGRESS) {
        return close_with_errno(fd);
    }
    return fd;
}

int socket_accept(int listening, Address *peer)
{
    peer->length = sizeof(peer->storage);
    return accept4(listening, reinterpret_cast<sockaddr *>(&peer->storage), &peer->length,
                   SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int socket_duplicate(int fd)
{
    int type = 0;
    socklen_t length = sizeof(type);
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0) {
        return -1;
    }
    if (type != SOCK_STREAM) {
        errno = EPROTOTYPE;
        return -1;
    }
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) {
        return -1;
    }
    int flags = fcntl(copy, F_GETFL);
    if (flags < 0 || fcntl(copy, F_SETFL, flags | O_NONBLOCK) != 0) {
        return close_with_errno(copy);
    }
    return copy;
}

int socket_error(int fd)
{
    int error = 0;
    socklen_t length = sizeof(error);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) {
        return errno;
    }
    return error;
}

bool user_of_peer(int fd, uint32_t *uid)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);
    struct sockaddr_storage address;
    socklen_t room = sizeof(address);
    /* Of other sockets the kernel gives nobody, without an error. */
    if (getsockname(fd, reinterpret_cast<struct sockaddr *>(&address), &room) != 0 ||
        address.ss_family != AF_UNIX ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0 ||
        peer.uid == static_cast<uid_t>(-1)) {
        return false;
    }
    *uid = peer.uid;
    return true;
}

} // namespace mxtls
