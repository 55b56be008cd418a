/*
 * glue_verify.c - the outcome of certificate verification is data, never the end of a handshake.
 *
 * Mirrors the callback of Postfix's tls_verify.c. OpenSSL reports every fault of a chain, from the
 * top down, and would stop at the first; this callback lets it go on and keeps the one that tells
 * most: the fault nearest to the leaf, and a name that does not match only where nothing else is
 * wrong. What the level demands is decided after the handshake, on the snapshot.
 *
 * Runs inside OpenSSL, on the thread that handshakes; owns nothing and cannot fail.
 */
#include <openssl/x509_vfy.h>

#include "glue_internal.h"

/* A raw public key or chain is reported at depth 0 up; what is there already must be worse. */
static bool tells_more(const struct glue_conn *conn, int code, int depth)
{
    if (conn->verify_code == X509_V_OK) {
        return true;
    }
    if (code == X509_V_ERR_HOSTNAME_MISMATCH) {
        return false;
    }
    return conn->verify_code == X509_V_ERR_HOSTNAME_MISMATCH || depth < conn->verify_depth;
}

int glue_verify_callback(int ok, X509_STORE_CTX *store)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct glue_conn *conn = glue_conn_of(ssl);
    int code = X509_STORE_CTX_get_error(store);
    int depth = X509_STORE_CTX_get_error_depth(store);
    if (ok == 0 && conn != NULL && tells_more(conn, code, depth)) {
        conn->verify_code = code;
        conn->verify_depth = depth;
    }
    return 1;
}
