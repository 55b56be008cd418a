/*
 * glue_keylog.c - the secrets of a context's sessions in the NSS key log format, on request only.
 *
 * For people who decrypt a capture of their own server's traffic (Wireshark). Postfix has no such
 * thing. The file is the context's: opened when the context is made, written by whichever thread
 * handshakes, one write(2) with O_APPEND a line, so that lines of several threads and processes do
 * not mix. It must be a regular file that nobody but its owner can read.
 *
 * A line that cannot be written is lost, without harm to the session. Without a request the
 * callback is taken away: a libssl built with enable-sslkeylog would obey the environment variable
 * SSLKEYLOGFILE on its own (SSL_CTX_new_ex() in ssl_lib.c, OpenSSL 3.5).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "glue_internal.h"

static void keylog_callback(const SSL *ssl, const char *line)
{
    const struct glue_conn *conn = glue_conn_of(ssl);
    if (conn == NULL || conn->context->keylog_fd < 0) {
        return;
    }
    struct iovec parts[] = {{(void *)(uintptr_t)line, strlen(line)}, {"\n", 1}};
    ssize_t written;
    do {
        written = writev(conn->context->keylog_fd, parts, 2);
    } while (written < 0 && errno == EINTR);
}

static glue_status open_file(glue_context *context, const char *file, glue_error *err)
{
    struct stat info;
    int fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0) {
        return glue_error_set_errno(err, GLUE_E_KEYLOG_FILE, errno,
                                    "the key log file %.200s cannot be opened", file);
    }
    context->keylog_fd = fd;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        return glue_error_set(err, GLUE_E_KEYLOG_FILE, "the key log file %.200s is no regular file",
                              file);
    }
    if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        return glue_error_set(err, GLUE_E_KEYLOG_FILE,
                              "the key log file %.200s can be read by others than its owner "
                              "(mode %03o): chmod 600",
                              file, (unsigned)info.st_mode & 0777u);
    }
    return GLUE_OK;
}

glue_status glue_keylog_set(glue_context *context, const char *file, glue_error *err)
{
    SSL_CTX_set_keylog_callback(context->ctx, NULL);
    if (file == NULL || file[0] == '\0') {
        return GLUE_OK;
    }
    glue_status status = open_file(context, file, err);
    if (status == GLUE_OK) {
        SSL_CTX_set_keylog_callback(context->ctx, keylog_callback);
    }
    return status;
}

void glue_keylog_close(glue_context *context)
{
    if (context->keylog_fd >= 0) {
        close(context->keylog_fd);
        context->keylog_fd = -1;
    }
}
