/*
 * fuzz_hello.c - bytes of a client before its handshake, into the ClientHello gate.
 *
 * The first byte of an input says which questions are refused, the others are what the client
 * sends.
 *
 * Target functions: glue_conn_handshake, glue_conn_question, glue_conn_answer.
 */
#include "fuzz.h"
#include "server.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_server_open();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && size <= 1 << 16) {
        fuzz_server_play(data + 1, size - 1, data[0]);
    }
    return 0;
}
