/*
 * glue_error_test.c - the catalogue, the sentences, and OpenSSL's queue as Postfix logs it.
 */
#include "testlib.h"

#include <errno.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "../glue_internal.h"

static glue_error err;

static void names_are_the_catalogues(void)
{
    EXPECT_STR(glue_error_code_name(GLUE_E_INVALID_ARGUMENT), "INVALID_ARGUMENT");
    EXPECT_STR(glue_error_code_name(GLUE_E_TLS_ALERT), "TLS_ALERT");
    EXPECT_STR(glue_error_code_name(GLUE_E_THREAD), "THREAD");
    EXPECT_STR(glue_error_code_name(GLUE_E_COUNT), "UNKNOWN");
    EXPECT_STR(glue_error_class_name(GLUE_CLASS_USAGE), "usage");
    EXPECT_STR(glue_error_class_name(GLUE_CLASS_INTERNAL), "internal");
    EXPECT_STR(glue_error_class_name((glue_error_class)99), "unknown");
}

static void without_a_format_the_sentence_is_the_catalogues(void)
{
    EXPECT_INT(glue_error_set(&err, GLUE_E_CHAIN_NO_PEM_DATA, NULL), GLUE_ERROR);
    EXPECT_ERROR(&err, GLUE_E_CHAIN_NO_PEM_DATA);
    EXPECT_INT(err.cls, GLUE_CLASS_CONFIG);
    EXPECT_STR(err.message, "no PEM data");
    EXPECT_STR(err.reason, "");
    EXPECT_STR(err.library, "");
    EXPECT_INT(err.sys_errno, 0);
}

static void errno_ends_the_sentence(void)
{
    glue_error_set_errno(&err, GLUE_E_CHAIN_FILE, ENOENT, "error opening %s", "x.pem");
    EXPECT_ERROR(&err, GLUE_E_CHAIN_FILE);
    EXPECT_STR(err.message, "error opening x.pem: No such file or directory");
    EXPECT_INT(err.sys_errno, ENOENT);
}

static void a_second_failure_leaves_nothing_of_the_first(void)
{
    ERR_raise(ERR_LIB_SSL, SSL_R_UNSUPPORTED_PROTOCOL);
    glue_error_openssl(&err, GLUE_E_TLS_HANDSHAKE, NULL);
    glue_error_set(&err, GLUE_E_CANCELLED, NULL);
    EXPECT_STR(err.reason, "");
    EXPECT_STR(err.library, "");
    EXPECT_STR(err.message, "the operation was cancelled");
}

static void the_queue_reads_as_in_postfix(void)
{
    ERR_new();
    ERR_set_debug("../ssl/statem/statem_srvr.c", 1780, "tls_early_post_process_client_hello");
    ERR_set_error(ERR_LIB_SSL, SSL_R_UNSUPPORTED_PROTOCOL, NULL);
    glue_error_openssl(&err, GLUE_E_TLS_HANDSHAKE, NULL);
    EXPECT_ERROR(&err, GLUE_E_TLS_HANDSHAKE);
    EXPECT_STR(err.library, "error:0A000102:SSL routines::unsupported protocol:"
                            "../ssl/statem/statem_srvr.c:1780:");
    EXPECT_STR(err.reason, "unsupported protocol");
    EXPECT_STR(err.message, "the TLS handshake failed: unsupported protocol");
}

static void data_of_an_entry_follows_the_line(void)
{
    ERR_new();
    ERR_set_debug("ssl/t1_lib.c", 7, "f");
    ERR_set_error(ERR_LIB_SSL, SSL_R_BAD_VALUE, "cmd=%s", "Groups");
    ERR_new();
    ERR_set_debug("crypto/x.c", 8, "g");
    ERR_set_error(ERR_LIB_CRYPTO, ERR_R_INTERNAL_ERROR, NULL);
    glue_error_openssl(&err, GLUE_E_BAD_GROUPS, "these groups");
    EXPECT_STR(err.library, "error:0A000180:SSL routines::bad value:ssl/t1_lib.c:7:cmd=Groups:\n"
                            "error:078C0103:common libcrypto routines::internal error:"
                            "crypto/x.c:8:");
    EXPECT_STR(err.message, "these groups: bad value");
}

static void an_entry_stays_on_its_line(void)
{
    ERR_raise_data(ERR_LIB_SSL, SSL_R_BAD_VALUE, "a\nb\x7f");
    glue_error_openssl(&err, GLUE_E_BAD_GROUPS, NULL);
    EXPECT_HAS(err.library, ":a?b?:");
}

static void a_long_queue_is_cut_between_entries(void)
{
    for (int i = 0; i < 10; i++) {
        ERR_raise_data(ERR_LIB_SSL, SSL_R_BAD_VALUE, "%0100d", i);
    }
    glue_error_openssl(&err, GLUE_E_OPENSSL, NULL);
    size_t len = strlen(err.library);
    EXPECT(len > 300 && len < sizeof(err.library));
    EXPECT_STR(len == 0 ? "" : err.library + len - 2, "2:");
    EXPECT_ERROR(&err, GLUE_E_OPENSSL);
}

static void one_enormous_entry_is_cut(void)
{
    ERR_raise_data(ERR_LIB_SSL, SSL_R_BAD_VALUE, "%0800d", 1);
    glue_error_openssl(&err, GLUE_E_OPENSSL, "%0700d", 1);
    EXPECT_INT(strlen(err.library), sizeof(err.library) - 1);
    EXPECT_INT(strlen(err.message), sizeof(err.message) - 1);
}

static void lack_of_memory_is_nobodys_fault(void)
{
    ERR_raise(ERR_LIB_CRYPTO, ERR_R_MALLOC_FAILURE);
    ERR_raise(ERR_LIB_SSL, ERR_R_SSL_LIB);
    glue_error_openssl(&err, GLUE_E_CHAIN_BAD_OBJECT, "error loading private key");
    EXPECT_ERROR(&err, GLUE_E_OUT_OF_MEMORY);
    EXPECT_INT(err.cls, GLUE_CLASS_INTERNAL);
    EXPECT_HAS(err.message, "error loading private key: ");
}

static void a_system_error_in_the_queue_gives_its_errno(void)
{
    ERR_raise_data(ERR_LIB_SYS, EACCES, "calling fopen(x)");
    ERR_raise(ERR_LIB_SSL, ERR_R_SYS_LIB);
    glue_error_openssl(&err, GLUE_E_CA_LOAD, NULL);
    EXPECT_ERROR(&err, GLUE_E_CA_LOAD);
    EXPECT_INT(err.sys_errno, EACCES);
    EXPECT_STR(err.reason, "Permission denied");
}

static void without_an_error_object_the_queue_is_emptied_all_the_same(void)
{
    ERR_raise(ERR_LIB_SSL, ERR_R_SSL_LIB);
    EXPECT_INT(glue_error_openssl(NULL, GLUE_E_OPENSSL, NULL), GLUE_ERROR);
    EXPECT_INT(glue_error_set(NULL, GLUE_E_OPENSSL, NULL), GLUE_ERROR);
    EXPECT_INT(glue_error_set_errno(NULL, GLUE_E_OPENSSL, EIO, NULL), GLUE_ERROR);
    EXPECT_INT(ERR_peek_error(), 0);
}

static const test_case cases[] = {
    {"names are the catalogue's", names_are_the_catalogues},
    {"without a format the sentence is the catalogue's",
     without_a_format_the_sentence_is_the_catalogues},
    {"errno ends the sentence", errno_ends_the_sentence},
    {"a second failure leaves nothing of the first", a_second_failure_leaves_nothing_of_the_first},
    {"OpenSSL's queue reads as in Postfix", the_queue_reads_as_in_postfix},
    {"data of an entry follows the line number", data_of_an_entry_follows_the_line},
    {"an entry stays on its line, whatever its data", an_entry_stays_on_its_line},
    {"a long queue is cut between entries", a_long_queue_is_cut_between_entries},
    {"one enormous entry is cut", one_enormous_entry_is_cut},
    {"lack of memory is OUT_OF_MEMORY, whatever it was taken for", lack_of_memory_is_nobodys_fault},
    {"a system error in the queue gives its errno", a_system_error_in_the_queue_gives_its_errno},
    {"without an error object the queue is emptied all the same",
     without_an_error_object_the_queue_is_emptied_all_the_same},
};

TESTLIB_MAIN(cases)
