/*
 * fd_pass.h - descriptors over UNIX stream sockets (SCM_RIGHTS, unix(7)).
 *
 * A descriptor travels with bytes: it is received by the read that takes the first of them. Both
 * ends keep their own; what arrives is close-on-exec.
 */
#ifndef MXTLS_FD_PASS_H
#define MXTLS_FD_PASS_H

#include <cstddef>

#include <sys/types.h>

namespace mxtls {

/* Sends `length` bytes, at least one, with `fd`: all of them or none. False with errno. */
bool fd_pass_send(int socket, int fd, const void *data, size_t length);

/*
 * As read(2). *fd gets the descriptor that came along, -1 if none did; it is the caller's to close.
 * Of several only the first is kept: the others are closed.
 */
ssize_t fd_pass_receive(int socket, void *data, size_t length, int *fd);

} // namespace mxtls

#endif
