/*
 * glue_dh.c - finite-field Diffie-Hellman parameters of a server, for TLS 1.2 and older.
 *
 * Mirrors Postfix's tls_dh.c (smtpd_tls_dh1024_param_file). Without a file OpenSSL chooses a group
 * that suits the certificate's key (SSL_CTX_set_dh_auto), which is the default and the
 * recommendation; TLS 1.3 has named groups and never uses these parameters.
 *
 * Owns nothing. A failure is the operator's file; the caller decides whether it may be left out.
 */
#include <errno.h>

#include <openssl/pem.h>

#include "glue_internal.h"

static EVP_PKEY *read_parameters(const char *file, glue_error *err)
{
    BIO *bio = BIO_new_file(file, "r");
    if (bio == NULL) {
        int sys_errno = errno;
        ERR_clear_error();
        glue_error_set_errno(err, GLUE_E_DH_FILE, sys_errno,
                             "error opening DH parameter file \"%.240s\"", file);
        return NULL;
    }
    EVP_PKEY *parameters = PEM_read_bio_Parameters_ex(bio, NULL, NULL, NULL);
    BIO_free(bio);
    if (parameters == NULL ||
        (!EVP_PKEY_is_a(parameters, "DH") && !EVP_PKEY_is_a(parameters, "DHX"))) {
        EVP_PKEY_free(parameters);
        glue_error_openssl(err, GLUE_E_DH_PARAMETERS, "no DH parameters in %.240s", file);
        return NULL;
    }
    return parameters;
}

glue_status glue_dh_set(SSL_CTX *ctx, const char *file, glue_error *err)
{
    if (file == NULL || file[0] == '\0') {
        SSL_CTX_set_dh_auto(ctx, 1);
        return GLUE_OK;
    }
    EVP_PKEY *parameters = read_parameters(file, err);
    if (parameters == NULL) {
        return GLUE_ERROR;
    }
    /* Takes the parameters over only when it succeeds. */
    if (SSL_CTX_set0_tmp_dh_pkey(ctx, parameters) != 1) {
        EVP_PKEY_free(parameters);
        return glue_error_openssl(err, GLUE_E_DH_PARAMETERS,
                                  "the DH parameters in %.240s cannot be used", file);
    }
    return GLUE_OK;
}
