/*
 * fuzz_session.c - bytes that a client is given as the session to resume.
 *
 * Whatever they are, TLS starts, and a ClientHello leaves: a full one or one that offers the
 * session. The corpus has sessions of TLS 1.2 and 1.3 of the same context, so that changed ones are
 * offered, too.
 *
 * Target functions: glue_session_apply and glue_conn_handshake, through glue_conn_start_tls.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "server.h"

static glue_context *context;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    glue_error err;
    testlib_library();
    glue_context_props props = testlib_props(GLUE_CLIENT);
    context = glue_context_new(&props, &err);
    FUZZ_STATE(context != NULL);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int ends[2];
    char byte;
    glue_error err;
    FUZZ_STATE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    glue_conn *conn = glue_conn_new(ends[0], &err);
    glue_tls_props props = GLUE_TLS_PROPS_DEFAULT;
    props.session = data;
    props.session_len = size;
    FUZZ_STATE(conn != NULL && glue_conn_start_tls(conn, context, &props, &err) == GLUE_OK);
    glue_status status = glue_conn_handshake(conn, &err);
    if (status == GLUE_ERROR) {
        FUZZ_STATE(err.message[0] != '\0');
    } else {
        FUZZ_STATE(status == GLUE_WANT_READ && read(ends[1], &byte, 1) == 1 && byte == 22);
    }
    glue_conn_free(conn);
    close(ends[1]);
    return 0;
}
