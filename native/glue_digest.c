/*
 * glue_digest.c - fingerprints as Postfix writes and matches them: upper-case hex with colons
 * (tls_fprint.c). The algorithm is whatever OpenSSL can fetch by name; there is no list of ours.
 *
 * Owns nothing. A failure is OpenSSL's (no memory, no default length) and stays in its queue.
 */
#include "glue_internal.h"

static const char hex[] = "0123456789ABCDEF";

bool glue_digest_hex(const EVP_MD *md, const void *data, size_t len, char *out, size_t size)
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned raw_len = 0;
    if (EVP_Digest(data, len, raw, &raw_len, md, NULL) != 1) {
        return false;
    }
    if (raw_len == 0 || size < (size_t)raw_len * 3) {
        return false;
    }
    for (unsigned i = 0; i < raw_len; i++) {
        *out++ = hex[raw[i] >> 4];
        *out++ = hex[raw[i] & 0x0f];
        *out++ = ':';
    }
    out[-1] = '\0';
    return true;
}
