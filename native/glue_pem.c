/*
 * glue_pem.c - PEM objects of key and certificate files, one after the other.
 *
 * A file is opened once and read whole, through a pipe too; its objects are handed out in order,
 * with an index for messages that starts at 1 in each file and counts every object. Keys are PKCS#8
 * or the traditional RSA, EC and DSA forms, never encrypted. Mirrors the reading half of Postfix's
 * tls_certkey.c.
 *
 * Secrets: whatever held a key's text or DER here is wiped before it is freed, the decoder's own
 * buffers included. A failure is a file that the operator has to change: its sentence is Postfix's
 * word for word, for the log; the error says the same and why.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/pemerr.h>

#include "glue_internal.h"

/* Chains are a few KiB each; beyond this somebody named the wrong file. */
#define FILE_MAX_SIZE (16u * 1024u * 1024u)

/* The decoder's lines lie in memory that it wipes. The other flag is what PEM_read_bio() has. */
#define READ_FLAGS (PEM_FLAG_SECURE | PEM_FLAG_EAY_COMPATIBLE)

/* ------------------------------------------------------------------ failures */

void glue_pem_note(const glue_notes *notes, const char *format, ...)
{
    char text[512];
    va_list args;
    if (notes == NULL) {
        return;
    }
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    notes->add(notes->arg, text);
}

bool glue_pem_fail(const glue_pem_run *run, glue_error_code code, const char *why,
                   const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    glue_pem_note(run->notes, "%s", text);
    if (why == NULL) {
        glue_error_openssl(run->err, code, "%s", text);
        return false;
    }
    glue_error_set(run->err, code, "%s: %s", text, why);
    snprintf(run->err->reason, sizeof(run->err->reason), "%s", why);
    glue_error_drain(run->err);
    return false;
}

/* ------------------------------------------------------------------ decoding */

static glue_pem_kind kind_of(const char *type, const char *header)
{
    static const struct {
        const char *type;
        glue_pem_kind kind;
    } table[] = {
        {PEM_STRING_PKCS8INF, GLUE_PEM_KEY},     {PEM_STRING_RSA, GLUE_PEM_KEY},
        {PEM_STRING_ECPRIVATEKEY, GLUE_PEM_KEY}, {PEM_STRING_DSA, GLUE_PEM_KEY},
        {PEM_STRING_X509, GLUE_PEM_CERT},        {PEM_STRING_X509_OLD, GLUE_PEM_CERT},
        {PEM_STRING_PKCS8, GLUE_PEM_LOCKED},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strcmp(type, table[i].type) == 0) {
            /* A traditional key says in its header that it is encrypted. */
            bool locked = table[i].kind == GLUE_PEM_KEY && header[0] != '\0';
            return locked ? GLUE_PEM_LOCKED : table[i].kind;
        }
    }
    return GLUE_PEM_OTHER;
}

static bool bad_object(const glue_pem_run *run, const glue_pem_object *object, const char *what,
                       const char *why)
{
    return glue_pem_fail(run, GLUE_E_CHAIN_BAD_OBJECT, why,
                         "error loading %s (PEM object number %d) from %.240s", what, object->index,
                         object->origin);
}

static bool whole(const glue_pem_run *run, const glue_pem_object *object, const unsigned char *end,
                  const char *what)
{
    if (end == object->data + object->len) {
        return true;
    }
    return glue_pem_fail(run, GLUE_E_CHAIN_BAD_OBJECT, NULL,
                         "error loading %s (PEM object number %d) from %.240s: excess data", what,
                         object->index, object->origin);
}

static EVP_PKEY *decode_pkcs8(const unsigned char **at, long len)
{
    PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, at, len);
    EVP_PKEY *key = info == NULL ? NULL : EVP_PKCS82PKEY(info);
    PKCS8_PRIV_KEY_INFO_free(info);
    return key;
}

/* By the label: d2i_AutoPrivateKey() would take any form under any of them. */
static EVP_PKEY *decode_key(const glue_pem_object *object, const unsigned char **at)
{
    if (strcmp(object->type, PEM_STRING_RSA) == 0) {
        return d2i_PrivateKey(EVP_PKEY_RSA, NULL, at, object->len);
    }
    if (strcmp(object->type, PEM_STRING_ECPRIVATEKEY) == 0) {
        return d2i_PrivateKey(EVP_PKEY_EC, NULL, at, object->len);
    }
    if (strcmp(object->type, PEM_STRING_DSA) == 0) {
        return d2i_PrivateKey(EVP_PKEY_DSA, NULL, at, object->len);
    }
    return decode_pkcs8(at, object->len);
}

EVP_PKEY *glue_pem_key(const glue_pem_run *run, const glue_pem_object *object)
{
    const unsigned char *at = object->data;
    if (object->kind == GLUE_PEM_LOCKED) {
        bad_object(run, object, "private key",
                   "the key is encrypted; `openssl pkey` writes it without a pass phrase");
        return NULL;
    }
    EVP_PKEY *key = decode_key(object, &at);
    if (key == NULL) {
        bad_object(run, object, "private key", NULL);
        return NULL;
    }
    if (!whole(run, object, at, "private key")) {
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}

X509 *glue_pem_cert(const glue_pem_run *run, const glue_pem_object *object)
{
    const unsigned char *at = object->data;
    X509 *cert = d2i_X509(NULL, &at, object->len);
    if (cert == NULL) {
        bad_object(run, object, "certificate", NULL);
        return NULL;
    }
    if (!whole(run, object, at, "certificate")) {
        X509_free(cert);
        return NULL;
    }
    return cert;
}

/* ------------------------------------------------------------------ reading */

static void object_clear(glue_pem_object *object)
{
    OPENSSL_secure_free(object->type);
    OPENSSL_secure_free(object->header);
    OPENSSL_secure_clear_free(object->data, object->len > 0 ? (size_t)object->len : 0);
}

/* True at the end of the PEM data, which the decoder reports as a missing start line. */
static bool at_end(const glue_pem_run *run, const glue_pem_object *object)
{
    unsigned long code = ERR_peek_last_error();
    if (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE) {
        ERR_clear_error();
        return true;
    }
    return bad_object(run, object, "data", NULL);
}

static bool read_bio(const glue_pem_run *run, BIO *bio, const char *origin)
{
    bool ok = true;
    for (int index = 1; ok; index++) {
        glue_pem_object object = {.origin = origin, .index = index};
        ERR_clear_error();
        if (PEM_read_bio_ex(bio, &object.type, &object.header, &object.data, &object.len,
                            READ_FLAGS) != 1) {
            return at_end(run, &object);
        }
        object.kind = kind_of(object.type, object.header);
        ok = run->take(run->arg, &object);
        object_clear(&object);
    }
    return false;
}

bool glue_pem_read_memory(const glue_pem_run *run, const void *pem, size_t len, const char *origin)
{
    if (len > FILE_MAX_SIZE) {
        return glue_pem_fail(run, GLUE_E_CHAIN_FILE, NULL, "%.240s is too large for a chain file",
                             origin);
    }
    BIO *bio = BIO_new_mem_buf(pem, (int)len);
    if (bio == NULL) {
        glue_error_openssl(run->err, GLUE_E_OUT_OF_MEMORY, NULL);
        return false;
    }
    bool ok = read_bio(run, bio, origin);
    BIO_free(bio);
    return ok;
}

/* ------------------------------------------------------------------ files */

typedef struct byte_buffer {
    char *data;
    size_t len;
    size_t size;
} byte_buffer;

/* False with errno set. Doubles; keys are wiped where they were. */
static bool buffer_grow(byte_buffer *buffer)
{
    size_t size = buffer->size == 0 ? 16384 : buffer->size * 2;
    if (size > 2 * (size_t)FILE_MAX_SIZE) {
        errno = EFBIG;
        return false;
    }
    char *data = OPENSSL_clear_realloc(buffer->data, buffer->size, size);
    if (data == NULL) {
        errno = ENOMEM;
        return false;
    }
    buffer->data = data;
    buffer->size = size;
    return true;
}

/* Not mapped and not by fstat(): a chain may come through a pipe. */
static bool read_all(int fd, byte_buffer *buffer)
{
    for (;;) {
        if (buffer->len == buffer->size && !buffer_grow(buffer)) {
            return false;
        }
        ssize_t n = read(fd, buffer->data + buffer->len, buffer->size - buffer->len);
        if (n == 0) {
            return true;
        }
        if (n < 0 && errno != EINTR) {
            return false;
        }
        buffer->len += n > 0 ? (size_t)n : 0;
    }
}

bool glue_pem_read_file(const glue_pem_run *run, const char *path)
{
    byte_buffer buffer = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && read_all(fd, &buffer);
    int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    if (ok) {
        ok = glue_pem_read_memory(run, buffer.data, buffer.len, path);
    } else {
        ERR_clear_error();
        glue_error_set_errno(run->err, error == ENOMEM ? GLUE_E_OUT_OF_MEMORY : GLUE_E_CHAIN_FILE,
                             error, "error opening chain file: %.240s", path);
        glue_pem_note(run->notes, "%s", run->err->message);
    }
    OPENSSL_clear_free(buffer.data, buffer.size);
    return ok;
}
