/*
 * fd_pass_test.cc - descriptors between processes: each arrives with its bytes, none is leaked.
 */
#include <cerrno>
#include <cstring>
#include <initializer_list>

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../binding/fd_pass.h"
#include "testlib.h"

using mxtls::fd_pass_receive;
using mxtls::fd_pass_send;

namespace {

struct Pair {
    int fds[2];
    Pair() { EXPECT_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0); }
    ~Pair()
    {
        close(fds[0]);
        close(fds[1]);
    }
};

int open_descriptors()
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder != nullptr && readdir(folder) != nullptr) {
        count++;
    }
    closedir(folder);
    return count;
}

void what_arrives_is_the_same_file_with_the_bytes_it_was_sent_with()
{
    Pair way, cargo;
    EXPECT(fd_pass_send(way.fds[0], cargo.fds[0], "request\n", 8));
    char data[64];
    int fd;
    EXPECT_INT(fd_pass_receive(way.fds[1], data, sizeof(data), &fd), 8);
    NEED(fd >= 0);
    EXPECT(std::memcmp(data, "request\n", 8) == 0);
    EXPECT((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    EXPECT_INT(write(fd, "x", 1), 1);
    EXPECT_INT(read(cargo.fds[1], data, sizeof(data)), 1);
    close(fd);
}

void a_read_that_takes_bytes_from_before_takes_the_descriptor_too()
{
    Pair way, cargo;
    EXPECT_INT(write(way.fds[0], "ab", 2), 2);
    EXPECT(fd_pass_send(way.fds[0], cargo.fds[0], "cd", 2));
    EXPECT_INT(write(way.fds[0], "ef", 2), 2);
    char data[64];
    int fd = -1;
    int found = -1;
    size_t total = 0;
    while (total < 6) {
        ssize_t got = fd_pass_receive(way.fds[1], data + total, sizeof(data) - total, &fd);
        NEED(got > 0);
        total += static_cast<size_t>(got);
        found = fd >= 0 ? fd : found;
    }
    EXPECT(found >= 0);
    EXPECT(std::memcmp(data, "abcdef", 6) == 0);
    close(found);
}

void of_several_descriptors_the_first_is_kept_and_none_is_leaked()
{
    Pair way, cargo;
    for (int count : {2, 8, 20}) {
        alignas(cmsghdr) char control[CMSG_SPACE(20 * sizeof(int))] = {};
        char byte = 'x';
        iovec bytes = {&byte, 1};
        msghdr message = {};
        message.msg_iov = &bytes;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(static_cast<size_t>(count) * sizeof(int));
        cmsghdr *part = CMSG_FIRSTHDR(&message);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(static_cast<size_t>(count) * sizeof(int));
        for (int i = 0; i < count; i++) {
            std::memcpy(CMSG_DATA(part) + static_cast<size_t>(i) * sizeof(int), &cargo.fds[0],
                        sizeof(int));
        }
        int before = open_descriptors();
        EXPECT_INT(sendmsg(way.fds[0], &message, 0), 1);
        int fd;
        EXPECT_INT(fd_pass_receive(way.fds[1], &byte, 1, &fd), 1);
        NEED(fd >= 0);
        close(fd);
        EXPECT_INT(open_descriptors(), before);
    }
}

void without_a_descriptor_it_is_an_ordinary_read()
{
    Pair way;
    char data[8];
    int fd = 7;
    EXPECT_INT(fd_pass_receive(way.fds[1], data, sizeof(data), &fd), -1);
    EXPECT_INT(errno, EAGAIN);
    EXPECT_INT(fd, -1);
    EXPECT_INT(write(way.fds[0], "ab", 2), 2);
    EXPECT_INT(fd_pass_receive(way.fds[1], data, sizeof(data), &fd), 2);
    EXPECT_INT(fd, -1);
    EXPECT_INT(shutdown(way.fds[0], SHUT_WR), 0);
    EXPECT_INT(fd_pass_receive(way.fds[1], data, sizeof(data), &fd), 0);
}

void what_cannot_be_sent_is_said()
{
    Pair way;
    EXPECT(!fd_pass_send(way.fds[0], 9999, "x", 1));
    EXPECT_INT(errno, EBADF);
    char full[4096] = {};
    while (write(way.fds[0], full, sizeof(full)) > 0) {
    }
    EXPECT(!fd_pass_send(way.fds[0], way.fds[0], "x", 1));
    EXPECT_INT(errno, EAGAIN);
    close(way.fds[1]);
    EXPECT(!fd_pass_send(way.fds[0], way.fds[0], "x", 1));
    EXPECT_INT(errno, EPIPE);
    way.fds[1] = dup(way.fds[0]);
}

const test_case cases[] = {
    {"what arrives is the same file, with the bytes it was sent with",
     what_arrives_is_the_same_file_with_the_bytes_it_was_sent_with},
    {"a read that takes bytes from before takes the descriptor, too",
     a_read_that_takes_bytes_from_before_takes_the_descriptor_too},
    {"of several descriptors the first is kept, and none is leaked",
     of_several_descriptors_the_first_is_kept_and_none_is_leaked},
    {"without a descriptor it is an ordinary read", without_a_descriptor_it_is_an_ordinary_read},
    {"what cannot be sent is said", what_cannot_be_sent_is_said},
};

} // namespace

TESTLIB_MAIN(cases)
