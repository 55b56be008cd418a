/*
 * glue_bio_test.c - the fd under a connection: retries, end, faults.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/bio.h>

#include "../glue_internal.h"
#include "testlib.h"

static void an_empty_socket_asks_for_a_retry(void)
{
    testlib_library();
    test_pair pair;
    NEED(testlib_pair_open(&pair));
    BIO *bio = glue_bio_new(pair.server.conn);
    NEED(bio != NULL);
    char buf[4];
    EXPECT_INT(BIO_read(bio, buf, sizeof(buf)), -1);
    EXPECT(BIO_should_read(bio) && BIO_should_retry(bio));
    EXPECT_INT(BIO_write(bio, "abc", 3), 3);
    EXPECT(!BIO_should_retry(bio));
    BIO_free(bio);
    testlib_pair_close(&pair);
}

static void the_end_is_eof_and_no_retry(void)
{
    testlib_library();
    test_pair pair;
    NEED(testlib_pair_open(&pair));
    BIO *bio = glue_bio_new(pair.server.conn);
    NEED(bio != NULL);
    char buf[4];
    EXPECT_INT(shutdown(glue_conn_fd(pair.client.conn), SHUT_WR), 0);
    EXPECT_INT(BIO_read(bio, buf, sizeof(buf)), 0);
    EXPECT(!BIO_should_retry(bio));
    EXPECT_INT(BIO_eof(bio), 1);
    BIO_free(bio);
    testlib_pair_close(&pair);
}

static void the_fd_is_not_the_bios(void)
{
    testlib_library();
    test_pair pair;
    NEED(testlib_pair_open(&pair));
    BIO_free(glue_bio_new(pair.server.conn));
    EXPECT_INT(glue_bio_send(pair.server.conn, "x", 1), 1);
    testlib_pair_close(&pair);
}

static void faults_shorten_and_refuse(void)
{
    testlib_library();
    test_pair pair;
    NEED(testlib_pair_open(&pair));
    char buf[8];
    glue_conn_set_faults(pair.server.conn, 2, 3);
    EXPECT_INT(glue_bio_send(pair.server.conn, "abcdef", 6), 2);
    EXPECT_INT(glue_bio_send(pair.server.conn, "cdef", 4), 2);
    EXPECT_INT(glue_bio_send(pair.server.conn, "ef", 2), -1);
    EXPECT_INT(errno, EAGAIN);
    EXPECT_INT(glue_bio_send(pair.server.conn, "ef", 2), 2);
    EXPECT_INT(glue_bio_recv(pair.client.conn, buf, sizeof(buf)), 6);
    EXPECT(memcmp(buf, "abcdef", 6) == 0);
    testlib_pair_close(&pair);
}

static const test_case cases[] = {
    {"an empty socket asks for a retry", an_empty_socket_asks_for_a_retry},
    {"the end is EOF and no retry", the_end_is_eof_and_no_retry},
    {"freeing the BIO leaves the fd open", the_fd_is_not_the_bios},
    {"faults shorten and refuse", faults_shorten_and_refuse},
};

TESTLIB_MAIN(cases)
