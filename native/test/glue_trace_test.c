/* glue_trace.c, glue_trace_message.c: what a trace tells, what it never tells, where it ends. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "testlib.h"

typedef struct world {
    glue_context *server;
    glue_context *client;
    test_pair pair;
    char text[200000]; /* of the client */
} world;

static world w;

static void world_open(const char *groups, const char *cipher_list, int version)
{
    glue_chains *chains = testlib_chains(testlib_self_signed("EC", "mx.example.com"), NULL, NULL);
    glue_context_props server = testlib_props(GLUE_SERVER);
    glue_context_props client = testlib_props(GLUE_CLIENT);
    glue_error err;
    memset(&w, 0, sizeof(w));
    server.chains = chains;
    server.groups = groups;
    server.acknowledge_sni = true;
    server.cipher_list = cipher_list;
    if (version != 0) {
        server.protocols.floor = version;
        server.protocols.ceiling = version;
    }
    w.server = glue_context_new(&server, &err);
    w.client = glue_context_new(&client, &err);
    glue_chains_free(chains);
}

static void world_close(void)
{
    testlib_pair_close(&w.pair);
    glue_context_free(w.server);
    glue_context_free(w.client);
}

/* Appends what there is to w.text. */
static size_t fetch(glue_conn *conn)
{
    size_t len;
    const char *text = glue_conn_trace(conn, &len);
    size_t used = strlen(w.text);
    if (text == NULL) {
        return 0;
    }
    memcpy(w.text + used, text, len);
    w.text[used + len] = '\0';
    return len;
}

static bool handshake(size_t limit, unsigned rate)
{
    glue_tls_props props = GLUE_TLS_PROPS_DEFAULT;
    props.sni = "mx.example.com";
    props.trace_limit = limit;
    props.trace_rate = rate;
    return testlib_pair(&w.pair, w.server, w.client, &props);
}

static void a_handshake_is_told(void)
{
    world_open("X25519", NULL, 0);
    NEED(handshake(100000, 0));
    EXPECT(fetch(w.pair.client.conn) > 0);
    EXPECT_HAS(w.text, "sent record Handshake (22), version 0x0301, ");
    EXPECT_HAS(w.text, "sent ClientHello (1), ");
    EXPECT_HAS(w.text, "\n  legacy_version: TLSv1.2\n");
    EXPECT_HAS(w.text, "\n  cipher_suites: TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256");
    EXPECT_HAS(w.text, "\n  extension server_name (0): mx.example.com\n");
    EXPECT_HAS(w.text, "\n  extension supported_versions (43): TLSv1.3 TLSv1.2");
    EXPECT_HAS(w.text, "\n  extension signature_algorithms (13): mldsa65 mldsa87 mldsa44");
    EXPECT_HAS(w.text, "received ServerHello (2), ");
    EXPECT_HAS(w.text, "\n  extension server_name (0): acknowledged\n");
    EXPECT_HAS(w.text, "received EncryptedExtensions (8), ");
    EXPECT_HAS(w.text, "received Certificate (11), ");
    EXPECT_HAS(w.text, "received CertificateVerify (15), ");
    EXPECT_HAS(w.text, "\n  algorithm: ecdsa_secp256r1_sha256\n");
    EXPECT_HAS(w.text, "received Finished (20), ");
    EXPECT_HAS(w.text, "sent Finished (20), ");
    EXPECT(strstr(w.text, "malformed") == NULL);
    EXPECT(fetch(w.pair.client.conn) == 0); /* it has been handed out */
    world_close();
}

static void an_extra_round_trip_is_told(void)
{
    world_open("secp384r1", NULL, 0);
    NEED(handshake(100000, 0));
    fetch(w.pair.client.conn);
    const char *retry = strstr(w.text, "received HelloRetryRequest (2), ");
    NEED(retry != NULL);
    EXPECT_HAS(retry, "\n  extension key_share (51): wanted secp384r1\n");
    EXPECT_HAS(retry, "sent ClientHello (1), ");
    EXPECT_HAS(retry, "\n  extension key_share (51): secp384r1 (97 bytes)\n");
    EXPECT_HAS(retry, "received ServerHello (2), ");
    world_close();
}

static void tls12_is_told(void)
{
    world_open(NULL, "ECDHE-ECDSA-AES256-GCM-SHA384", TLS1_2_VERSION);
    NEED(handshake(100000, 0));
    fetch(w.pair.client.conn);
    EXPECT_HAS(w.text, "\n  cipher_suite: TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384\n");
    EXPECT_HAS(w.text, "received ServerKeyExchange (12), ");
    EXPECT_HAS(w.text, "received ServerHelloDone (14), ");
    EXPECT_HAS(w.text, "sent ClientKeyExchange (16), ");
    EXPECT_HAS(w.text, "sent ChangeCipherSpec\n");
    EXPECT_HAS(w.text, "received NewSessionTicket (4), ");
    EXPECT_HAS(w.text, "\n  lifetime: ");
    EXPECT(strstr(w.text, "malformed") == NULL);
    world_close();
}

static void alerts_are_told_after_a_failure(void)
{
    world_open(NULL, NULL, TLS1_3_VERSION);
    glue_tls_props props = GLUE_TLS_PROPS_DEFAULT;
    props.protocols.ceiling = TLS1_2_VERSION;
    props.protocols.floor = 0;
    props.trace_limit = 100000;
    EXPECT(!testlib_pair(&w.pair, w.server, w.client, &props));
    EXPECT_ERROR(&w.pair.client.err, GLUE_E_TLS_ALERT);
    EXPECT(fetch(w.pair.client.conn) > 0);
    EXPECT_HAS(w.text, "received alert fatal: protocol version (70)\n");
    world_close();
}

/* Application data: neither the text nor a record header once the handshake is done. */
static void mail_leaves_no_trace_and_the_end_does(void)
{
    glue_error err;
    world_open(NULL, NULL, 0);
    NEED(handshake(100000, 0));
    fetch(w.pair.client.conn);
    w.text[0] = '\0';
    NEED(testlib_pair_talk(&w.pair, "Subject: a secret\r\n"));
    fetch(w.pair.client.conn); /* the session ticket came with it */
    EXPECT_HAS(w.text, "received NewSessionTicket (4), ");
    EXPECT_HAS(w.text, "ticket of ");
    EXPECT(strstr(w.text, "record") == NULL);
    EXPECT(strstr(w.text, "Subject") == NULL);
    w.text[0] = '\0';
    EXPECT_INT(glue_conn_shutdown(w.pair.client.conn, false, &err), GLUE_OK);
    fetch(w.pair.client.conn);
    EXPECT_STR(w.text, "sent alert warning: close notify (0)\n");
    world_close();
}

/* The first bytes of every secret of the key log, as hex or as they are, stand nowhere in it. */
static bool contains_bytes(const char *hex)
{
    unsigned char bytes[8];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        unsigned value;
        if (sscanf(hex + 2 * i, "%2x", &value) != 1) {
            return false;
        }
        bytes[i] = (unsigned char)value;
    }
    return memmem(w.text, strlen(w.text), bytes, sizeof(bytes)) != NULL;
}

static void no_secret_is_in_it(void)
{
    const char *file = testlib_path("trace.keys");
    glue_error err;
    unlink(file);
    world_open(NULL, NULL, 0);
    glue_context_free(w.client);
    glue_context_props client = testlib_props(GLUE_CLIENT);
    client.keylog_file = file;
    w.client = glue_context_new(&client, &err);
    NEED(w.client != NULL && handshake(100000, 0));
    fetch(w.pair.client.conn);
    FILE *stream = fopen(file, "r");
    NEED(stream != NULL);
    char label[64], random[80], secret[160];
    unsigned lines = 0;
    while (fscanf(stream, "%63s %79s %159s", label, random, secret) == 3) {
        secret[16] = '\0';
        EXPECT(strstr(w.text, secret) == NULL);
        EXPECT(!contains_bytes(secret));
        random[16] = '\0';
        EXPECT(strstr(w.text, random) == NULL);
        lines++;
    }
    fclose(stream);
    EXPECT_INT(lines, 5);
    for (const char *c = w.text; *c != '\0'; c++) {
        NEED((*c >= ' ' && *c < 0x7f) || *c == '\n');
    }
    world_close();
}

static void a_trace_ends_at_its_limit(void)
{
    static const size_t limits[] = {60, 100, 500, 1000, 2000};
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        world_open(NULL, NULL, 0);
        NEED(handshake(limits[i], 0));
        size_t len = fetch(w.pair.client.conn);
        EXPECT(len <= limits[i]);
        EXPECT_HAS(w.text, "the trace ends here: it has reached its largest size\n");
        EXPECT_INT(w.text[len - 1], '\n');
        world_close();
    }
}

static void no_limit_no_trace(void)
{
    world_open(NULL, NULL, 0);
    NEED(handshake(0, 0));
    EXPECT(fetch(w.pair.client.conn) == 0);
    world_close();
}

static void sessions_of_a_minute(const void *arg)
{
    unsigned traced = 0;
    (void)arg;
    for (int i = 0; i < 5; i++) {
        world_open(NULL, NULL, 0);
        NEED(handshake(100000, 2));
        traced += fetch(w.pair.client.conn) > 0;
        world_close();
    }
    EXPECT_INT(traced, 2);
}

/* In a process of its own: the count is the process's. */
static void few_sessions_a_minute_are_traced(void)
{
    testlib_child(sessions_of_a_minute, NULL);
}

/* What a peer may send: every length wrong, every truncation of a hello, names with controls. */
static void hello_bytes(unsigned char *out, size_t *len, const unsigned char *ext, size_t ext_len)
{
    size_t body = 2 + 32 + 1 + 2 + 2 + 2 + 2 + ext_len;
    size_t n = 0;
    const unsigned char head[] = {22,
                                  3,
                                  1,
                                  (unsigned char)((body + 4) >> 8),
                                  (unsigned char)(body + 4),
                                  1,
                                  0,
                                  (unsigned char)(body >> 8),
                                  (unsigned char)body,
                                  3,
                                  3};
    memcpy(out, head, sizeof(head));
    n = sizeof(head);
    memset(out + n, 7, 32);
    n += 32;
    const unsigned char rest[] = {
        0, 0, 2, 0x13, 0x01, 1, 0, (unsigned char)(ext_len >> 8), (unsigned char)ext_len};
    memcpy(out + n, rest, sizeof(rest));
    n += sizeof(rest);
    memcpy(out + n, ext, ext_len);
    *len = n + ext_len;
}

static void serve_bytes(const unsigned char *bytes, size_t len)
{
    int fds[2];
    glue_error err;
    glue_tls_props props = GLUE_TLS_PROPS_DEFAULT;
    props.trace_limit = 100000;
    NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    glue_conn *conn = glue_conn_new(fds[0], &err);
    NEED(conn != NULL && glue_conn_start_tls(conn, w.server, &props, &err) == GLUE_OK);
    EXPECT_INT(write(fds[1], bytes, len), len);
    glue_conn_handshake(conn, &err);
    fetch(conn);
    glue_conn_free(conn);
    close(fds[1]);
}

static void malformed_hellos_are_told_as_far_as_they_go(void)
{
    /* server_name with controls and a quote; key_share cut short; supported_versions odd */
    static const unsigned char ext[] = {
        0,    0,   0,    13,  0,    11,  0,   0,   8,   'a',
        '\n', '"', 0x1b, 'b', '\0', '.', 'c',              /* server_name */
        0,    51,  0,    6,   0,    4,   0,   29,  0,   9, /* key_share */
        0,    43,  0,    4,   3,    3,   4,   9,           /* versions */
        0,    16,  0,    5,   0,    3,   2,   'h', '2',    /* alpn */
    };
    unsigned char bytes[512];
    size_t len;
    hello_bytes(bytes, &len, ext, sizeof(ext));
    world_open(NULL, NULL, 0);
    serve_bytes(bytes, len);
    EXPECT_HAS(w.text, "received ClientHello (1), ");
    EXPECT_HAS(w.text, "\n  extension server_name (0): a???b?.c\n");
    EXPECT_HAS(w.text, "\n  extension key_share (51): malformed, 6 bytes\n");
    EXPECT_HAS(w.text, "\n  extension alpn (16): h2\n");
    world_close();
}

static void every_truncation_is_survived(void)
{
    static const unsigned char ext[] = {0, 43, 0, 3, 2, 3, 4, 0, 10, 0, 4, 0, 2, 0, 29};
    unsigned char bytes[512];
    size_t len;
    hello_bytes(bytes, &len, ext, sizeof(ext));
    world_open(NULL, NULL, 0);
    for (size_t cut = 0; cut + 9 < len; cut++) {
        unsigned char shorter[512];
        size_t body = len - 9 - cut;
        memcpy(shorter, bytes, len);
        shorter[3] = (unsigned char)((body + 4) >> 8);
        shorter[4] = (unsigned char)(body + 4);
        shorter[7] = (unsigned char)(body >> 8);
        shorter[8] = (unsigned char)body;
        w.text[0] = '\0';
        serve_bytes(shorter, len - cut);
        EXPECT_HAS(w.text, "received ClientHello (1), ");
    }
    world_close();
}

static bool traced_handshake(glue_error *err)
{
    glue_tls_props props = GLUE_TLS_PROPS_DEFAULT;
    props.trace_limit = 100000;
    memset(&w.pair, 0, sizeof(w.pair));
    bool done = testlib_pair(&w.pair, w.server, w.client, &props);
    if (!done) {
        *err = w.pair.client.status == GLUE_ERROR ? w.pair.client.err : w.pair.server.err;
    }
    testlib_pair_close(&w.pair);
    return done;
}

static void a_failing_allocation_ends_the_trace_or_the_handshake(void)
{
    world_open("X25519", NULL, 0);
    testlib_faults_each(traced_handshake, 29);
    memset(&w.pair, 0, sizeof(w.pair));
    world_close();
}

static const test_case cases[] = {
    {"a handshake is told, message by message", a_handshake_is_told},
    {"an extra round trip is told, with the group that is wanted", an_extra_round_trip_is_told},
    {"TLS 1.2 is told", tls12_is_told},
    {"alerts are told after a failure", alerts_are_told_after_a_failure},
    {"mail leaves no trace, and the end of the session does",
     mail_leaves_no_trace_and_the_end_does},
    {"no secret is in it", no_secret_is_in_it},
    {"a trace ends at its limit, with a line that says so", a_trace_ends_at_its_limit},
    {"without a limit there is no trace", no_limit_no_trace},
    {"only so many sessions a minute are traced", few_sessions_a_minute_are_traced},
    {"malformed hellos are told as far as they go", malformed_hellos_are_told_as_far_as_they_go},
    {"every truncation of a hello is survived", every_truncation_is_survived},
    {"a failing allocation ends the trace or the handshake",
     a_failing_allocation_ends_the_trace_or_the_handshake},
};

TESTLIB_MAIN(cases)
