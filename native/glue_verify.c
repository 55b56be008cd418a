/*
 * glue_verify.c - the outcome of certificate verification is data, never the end of a handshake.
 *
 * Mirrors the callbacks of Postfix's tls_verify.c and tls_server.c. OpenSSL reports every fault of
 * a chain, from the top down, and would stop at the first; this callback lets it go on and keeps
 * the one that tells most: the fault nearest to the leaf, and a name that does not match only where
 * nothing else is wrong. What the level demands is decided after the handshake, on the snapshot.
 *
 * Runs inside OpenSSL, on the thread that handshakes; owns nothing and cannot fail.
 */
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

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

/* ------------------------------------------------------------------ the server's credential */

static void keep(struct glue_conn *conn, int code, int depth)
{
    conn->verify_code = code;
    conn->verify_depth = depth;
}

/* The chain is not even looked at: another fault might say more, and mislead. */
void glue_verify_force_failure(struct glue_conn *conn)
{
    conn->forced_failure = true;
    keep(conn, X509_V_ERR_UNSPECIFIED, 0);
}

/*
 * OpenSSL (3.5) leaves the fault that it met last, and none where it could not even begin. A
 * session must remember the one that was kept, and never that all is well when it is not.
 */
int glue_verify_server(X509_STORE_CTX *store, void *arg)
{
    (void)arg;
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct glue_conn *conn = glue_conn_of(ssl);
    if (conn == NULL) {
        return X509_verify_cert(store);
    }
    if (!conn->forced_failure && X509_verify_cert(store) <= 0 && conn->verify_code == X509_V_OK) {
        int code = X509_STORE_CTX_get_error(store);
        keep(conn, code == X509_V_OK ? X509_V_ERR_UNSPECIFIED : code, 0);
    }
    if (conn->verify_code != X509_V_OK) {
        X509_STORE_CTX_set_error(store, conn->verify_code);
    }
    return 1;
}

long glue_verify_result(const struct glue_conn *conn)
{
    return conn->verify_code != X509_V_OK ? conn->verify_code : SSL_get_verify_result(conn->ssl);
}

/* ------------------------------------------------------------------ certificates of servers */

static bool is_for_servers_only(X509 *leaf)
{
    if (leaf == NULL || (X509_get_extension_flags(leaf) & EXFLAG_XKUSAGE) == 0) {
        return false; /* a raw public key, or a certificate for everything */
    }
    uint32_t usage = X509_get_extended_key_usage(leaf);
    return (usage & XKU_SSL_SERVER) != 0 && (usage & XKU_SSL_CLIENT) == 0;
}

int glue_verify_server_certs_too(X509_STORE_CTX *store, void *arg)
{
    (void)arg;
    if (is_for_servers_only(X509_STORE_CTX_get0_cert(store))) {
        X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(store);
        X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER);
        X509_VERIFY_PARAM_set_trust(param, X509_TRUST_SSL_SERVER);
    }
    return X509_verify_cert(store);
}
