/* server.c - see server.h. */
#include "server.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"

enum { STEPS_MAX = 1000, BYTES_MAX = 1 << 16 };

static glue_context *context;

void fuzz_server_open(void)
{
    testlib_library();
    glue_error err;
    glue_context_props props = testlib_props(GLUE_SERVER);
    props.chains = testlib_chains(testlib_self_signed("EC", "mx.example.org"), NULL, NULL);
    props.ask = GLUE_ASK_TICKET_KEY | GLUE_ASK_SESSION | GLUE_ASK_CHAIN;
    props.acknowledge_sni = true;
    context = glue_context_new(&props, &err);
    FUZZ_STATE(context != NULL);
    glue_chains_free(props.chains);
}

/* True when the connection asked and was answered. */
static bool answer(glue_conn *conn, fuzz_asked *asked, bool refuse)
{
    glue_question question;
    if (!glue_conn_question(conn, &question)) {
        return false;
    }
    FUZZ_STATE(question.len > 0 && question.data != NULL);
    FUZZ_STATE((asked->kinds & question.kind) == 0); /* each is asked once */
    asked->kinds |= question.kind;
    if (question.kind == GLUE_ASK_CHAIN) {
        FUZZ_STATE(question.len < sizeof(asked->name));
        memcpy(asked->name, question.data, question.len);
        asked->name[question.len] = '\0';
    }
    glue_conn_answer(conn, NULL, refuse);
    return true;
}

fuzz_asked fuzz_server_play(const void *bytes, size_t size, unsigned choices)
{
    fuzz_asked asked = {0};
    int ends[2];
    int room = 4 * BYTES_MAX;
    glue_error err;
    FUZZ_STATE(size <= BYTES_MAX);
    FUZZ_STATE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    FUZZ_STATE(write(ends[1], bytes, size) == (ssize_t)size);
    FUZZ_STATE(shutdown(ends[1], SHUT_WR) == 0);
    glue_conn *conn = glue_conn_new(ends[0], &err);
    glue_tls_props props = GLUE_TLS_PROPS_DEFAULT;
    props.trace_limit = 100000; /* which takes apart whatever comes */
    FUZZ_STATE(conn != NULL && glue_conn_start_tls(conn, context, &props, &err) == GLUE_OK);
    glue_status status;
    int steps = 0;
    unsigned questions = 0;
    while ((status = glue_conn_handshake(conn, &err)) != GLUE_ERROR && status != GLUE_OK) {
        FUZZ_STATE(++steps < STEPS_MAX);
        if (status == GLUE_WANT_APP) {
            FUZZ_STATE(answer(conn, &asked, (choices >> questions++ & 1) != 0));
        } else {
            FUZZ_STATE(status == GLUE_WANT_WRITE); /* input ends: there is no waiting for it */
            break;
        }
    }
    FUZZ_STATE(status != GLUE_ERROR || err.message[0] != '\0');
    glue_conn_free(conn);
    close(ends[1]);
    return asked;
}
