/* glue_keylog.c: which lines are written, and to which files. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "testlib.h"

static char text[16384];

static const char *read_file(const char *file)
{
    FILE *stream = fopen(file, "r");
    size_t n = stream == NULL ? 0 : fread(text, 1, sizeof(text) - 1, stream);
    text[n] = '\0';
    if (stream != NULL) {
        fclose(stream);
    }
    return text;
}

static unsigned count(const char *haystack, const char *needle)
{
    unsigned n = 0;
    for (const char *at = strstr(haystack, needle); at != NULL; at = strstr(at + 1, needle)) {
        n++;
    }
    return n;
}

/* A handshake with a server that logs to `file`. */
static bool handshake(const char *file, int version)
{
    glue_error err;
    test_pair pair = {0};
    glue_chains *chains = testlib_chains(testlib_self_signed("EC", "mx.example.com"), NULL, NULL);
    glue_context_props server_props = testlib_props(GLUE_SERVER);
    glue_context_props client_props = testlib_props(GLUE_CLIENT);
    server_props.chains = chains;
    server_props.protocols = (glue_protocols){version, version, 0};
    server_props.keylog_file = file;
    glue_context *server = glue_context_new(&server_props, &err);
    glue_context *client = glue_context_new(&client_props, &err);
    bool done = server != NULL && testlib_pair(&pair, server, client, NULL);
    testlib_pair_close(&pair);
    glue_context_free(server);
    glue_context_free(client);
    glue_chains_free(chains);
    return done;
}

static void tls13_sessions_are_logged_under_their_labels(void)
{
    const char *file = testlib_path("tls13.keys");
    NEED(handshake(file, TLS1_3_VERSION));
    read_file(file);
    EXPECT_INT(count(text, "\n"), 5);
    EXPECT_INT(count(text, "SERVER_HANDSHAKE_TRAFFIC_SECRET "), 1);
    EXPECT_INT(count(text, "CLIENT_HANDSHAKE_TRAFFIC_SECRET "), 1);
    EXPECT_INT(count(text, "SERVER_TRAFFIC_SECRET_0 "), 1);
    EXPECT_INT(count(text, "CLIENT_TRAFFIC_SECRET_0 "), 1);
    EXPECT_INT(count(text, "EXPORTER_SECRET "), 1);
}

static void tls12_sessions_are_logged_and_lines_are_appended(void)
{
    const char *file = testlib_path("tls12.keys");
    struct stat info;
    NEED(handshake(file, TLS1_2_VERSION));
    EXPECT_INT(count(read_file(file), "CLIENT_RANDOM "), 1);
    EXPECT(stat(file, &info) == 0);
    EXPECT_INT(info.st_mode & 0777, 0600);
    NEED(handshake(file, TLS1_2_VERSION));
    EXPECT_INT(count(read_file(file), "CLIENT_RANDOM "), 2);
}

static void refused(const char *file, const char *why)
{
    glue_error err;
    glue_context_props props = testlib_props(GLUE_SERVER);
    props.keylog_file = file;
    EXPECT(glue_context_new(&props, &err) == NULL);
    EXPECT_ERROR(&err, GLUE_E_KEYLOG_FILE);
    EXPECT_HAS(err.message, why);
    EXPECT_HAS(err.message, file);
}

static void a_file_that_others_can_read_is_refused(void)
{
    const char *file = testlib_file("open.keys", "");
    chmod(file, 0640);
    refused(file, "can be read by others than its owner (mode 640): chmod 600");
    EXPECT_STR(read_file(file), "");
}

static void what_is_no_regular_file_is_refused(void)
{
    const char *link = testlib_path("link.keys");
    const char *fifo = testlib_path("fifo.keys");
    refused("/dev/null", "is no regular file");
    refused("/nonexistent/session.keys", "No such file or directory");
    refused(testlib_path("."), "Is a directory");
    EXPECT(symlink(testlib_file("target.keys", ""), link) == 0);
    refused(link, "Too many levels of symbolic links");
    EXPECT(mkfifo(fifo, 0600) == 0);
    refused(fifo, "No such device or address"); /* and nobody waits for a reader */
}

static void the_environment_is_not_asked(void)
{
    const char *file = testlib_path("environment.keys");
    setenv("SSLKEYLOGFILE", file, 1);
    EXPECT(handshake(NULL, TLS1_3_VERSION));
    unsetenv("SSLKEYLOGFILE");
    EXPECT(access(file, F_OK) != 0);
}

static const test_case cases[] = {
    {"TLS 1.3 sessions are logged under their labels",
     tls13_sessions_are_logged_under_their_labels},
    {"TLS 1.2 sessions are logged, and lines are appended to a file of mode 0600",
     tls12_sessions_are_logged_and_lines_are_appended},
    {"a file that others can read is refused", a_file_that_others_can_read_is_refused},
    {"what is no regular file is refused", what_is_no_regular_file_is_refused},
    {"the environment is not asked", the_environment_is_not_asked},
};

TESTLIB_MAIN(cases)
