/*
 * socket.h - the POSIX side of listening and connecting: addresses and socket options.
 *
 * Hosts are IP literals: names are resolved above. Every descriptor is close-on-exec and
 * non-blocking. Failures return -1 with errno.
 */
#ifndef MXTLS_SOCKET_H
#define MXTLS_SOCKET_H

#include <cstdint>
#include <string>

#include <sys/socket.h>

namespace mxtls {

struct Address {
    sockaddr_storage storage = {};
    socklen_t length = 0;
};

/* False when `host` is no IP literal, or `path` is too long for a UNIX socket. */
bool address_of_ip(const std::string &host, int port, Address *address);
bool address_of_path(const std::string &path, Address *address);

/* Text form, "" for an unnamed UNIX socket; port 0 where there is none. */
std::string address_text(const Address &address, int *port);
bool address_of_peer(int fd, Address *address);
bool address_of_local(int fd, Address *address);

struct ListenOptions {
    int backlog;
    bool reuse_port;
    bool ipv6_only;
};

int socket_listen(const Address &address, const ListenOptions &options);
/* An inherited descriptor: checked to be a listening socket, made non-blocking. */
bool socket_adopt_listening(int fd);
/* Begins to connect; 0 in *pending when the connection stands already. */
int socket_connect(const Address &address, const Address *source, bool *pending);
int socket_accept(int listening, Address *peer);
/* A duplicate of a connected stream socket, non-blocking. */
int socket_duplicate(int fd);
/* The pending error of a socket (SO_ERROR). */
int socket_error(int fd);

/* The user at the other end of a UNIX socket (SO_PEERCRED); false where there is none. */
bool user_of_peer(int fd, uint32_t *uid);

} // namespace mxtls

#endif
