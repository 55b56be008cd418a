/*
 * load_message.c - the message of the smtp modes: a short header and lines of 76 bytes, as base64
 * makes them. It is there once, as it goes over the wire: for DATA with the end of data behind it,
 * for BDAT behind the command, as one chunk.
 */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static const char header[] = "From: <sender@client.test>\r\n"
                             "To: <recipient@server.test>\r\n"
                             "Subject: bench\r\n"
                             "\r\n";
static const char line[] =
    "QmVuY2htYXJrIGNvbnRlbnQgYXMgYW4gYXR0YWNobWVudCB3b3VsZCBoYXZlIGl0LCBhbiBlbmRz\r\n";
static const char end_of_data[] = ".\r\n";

enum { COMMAND_MAX = 64 };

void load_make_message(load_options *options)
{
    size_t size = options->size < sizeof header ? sizeof header : options->size;
    char *whole = malloc(COMMAND_MAX + size + sizeof end_of_data);
    if (whole == NULL) {
        bench_fail("out of memory");
    }
    char command[COMMAND_MAX];
    size_t command_length = (size_t)snprintf(command, sizeof command, "BDAT %zu LAST\r\n", size);
    char *message = whole + command_length;
    memcpy(whole, command, command_length);
    size_t length = sizeof header - 1;
    memcpy(message, header, length);
    while (length < size) {
        size_t rest = size - length;
        size_t part = rest < sizeof line - 1 ? rest : sizeof line - 1;
        memcpy(message + length, line, part);
        length += part;
    }
    memcpy(message + length - 2, "\r\n", 2); /* the last line may be cut */
    memcpy(message + length, end_of_data, sizeof end_of_data - 1);
    options->data = message;
    options->data_length = length + sizeof end_of_data - 1;
    options->chunk = whole;
    options->chunk_length = command_length + length;
}
