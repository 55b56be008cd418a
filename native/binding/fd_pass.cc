/* fd_pass.cc - see fd_pass.h. */
#include "fd_pass.h"

#include <cerrno>
#include <cstring>

#include <sys/socket.h>
#include <unistd.h>

namespace mxtls {

namespace {

/* More than this nobody needs to send; the kernel closes what finds no room (MSG_CTRUNC). */
constexpr size_t kMaxReceived = 8;

int first_of(msghdr *message)
{
    int first = -1;
    for (cmsghdr *part = CMSG_FIRSTHDR(message); part != nullptr;
         part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(fd));
            if (first < 0) {
                first = fd;
            } else {
                close(fd);
            }
        }
    }
    return first;
}

} // namespace

bool fd_pass_send(int socket, int fd, const void *data, size_t length)
{
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    iovec bytes = {const_cast<void *>(data), length};
    msghdr message = {};
    message.msg_iov = &bytes;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    cmsghdr *part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(part), &fd, sizeof(fd));
    ssize_t sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0 && static_cast<size_t>(sent) < length) {
        errno = EMSGSIZE; /* a message that does not fit into an empty buffer */
        return false;
    }
    return sent >= 0;
}

ssize_t fd_pass_receive(int socket, void *data, size_t length, int *fd)
{
    alignas(cmsghdr) char control[CMSG_SPACE(kMaxReceived * sizeof(int))];
    iovec bytes = {data, length};
    msghdr message = {};
    message.msg_iov = &bytes;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    *fd = -1;
    ssize_t got = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got >= 0) {
        *fd = first_of(&message);
    }
    return got;
}

} // namespace mxtls
