/*
 * glue_context.c - an SSL_CTX for one role, complete when glue_context_new() returns.
 *
 * Mirrors the context part of Postfix's tls_server_init() and tls_client_init() (tls_server.c,
 * tls_client.c). Settings start from what the OpenSSL configuration file has put into the new
 * SSL_CTX and override only what the caller gave. A context is immutable after its first
 * connection and shared by reference count; a reload makes a new one.
 *
 * Security: verification never aborts a handshake (glue_verify.c), early data is never accepted,
 * and the session-id context is a digest of everything that decides whom a session may be resumed
 * for, equal on every process and host with the same settings and different otherwise: a ticket
 * from where a client CA is trusted must not count where it is not. Tickets are stateless (RFC
 * 5077, RFC 8446 4.6.1) or sessions are kept outside (glue_session_store.c), so OpenSSL's session
 * cache stays off.
 *
 * Owns the SSL_CTX and the digest. A failure is the operator's configuration, or lack of memory.
 */
#include <limits.h>
#include <stdatomic.h>
#include <string.h>

#include "glue_internal.h"

/* Set whatever the caller's options say. SMTP tells truncation from its own framing. */
#define ALWAYS_ON                                                                                  \
    (SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF |              \
     SSL_OP_SINGLE_ECDH_USE | SSL_OP_SINGLE_DH_USE)

/* Idle connections cost little, and a retried write may come from another buffer. */
#define MODES                                                                                      \
    (SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER)

/*
 * Two full records: a large message takes half the system calls. OpenSSL (3.5) moves what lies
 * behind a record to the front of the buffer, record by record, so more than two cost more than
 * they save.
 */
#define READ_BUFFER (2 * (SSL3_RT_MAX_ENCRYPTED_LENGTH + SSL3_RT_HEADER_LENGTH))

static glue_status configure(glue_context *context, const glue_context_props *props,
                             glue_error *err);
static void context_destroy(glue_context *context);

/* ------------------------------------------------------------------ public */

glue_context *glue_context_new(const glue_context_props *props, glue_error *err)
{
    if (glue_library_conn_index() < 0) {
        glue_error_set(err, GLUE_E_INVALID_STATE, "the TLS library is not initialised");
        return NULL;
    }
    ERR_clear_error();
    glue_context *context = OPENSSL_zalloc(sizeof(*context));
    if (context == NULL) {
        glue_error_openssl(err, GLUE_E_OUT_OF_MEMORY, NULL);
        return NULL;
    }
    atomic_init(&context->references, 1);
    context->role = props->role;
    context->keylog_fd = -1;
    context->ask = props->role == GLUE_SERVER ? props->ask : 0;
    context->acknowledge_sni = props->acknowledge_sni;
    context->sni_cache = glue_sni_cache_up_ref(props->sni_cache);
    context->require_client_cert = props->require_client_cert;
    context->enable_rpk = props->enable_rpk;
    glue_status status = configure(context, props, err);
    ERR_clear_error();
    if (status != GLUE_OK) {
        context_destroy(context);
        return NULL;
    }
    return context;
}

glue_context *glue_context_up_ref(glue_context *context)
{
    if (context != NULL) {
        atomic_fetch_add_explicit(&context->references, 1, memory_order_relaxed);
    }
    return context;
}

void glue_context_free(glue_context *context)
{
    if (context != NULL &&
        atomic_fetch_sub_explicit(&context->references, 1, memory_order_acq_rel) == 1) {
        context_destroy(context);
    }
}

/* ------------------------------------------------------------------ protocols */

static uint64_t excluded_options(unsigned exclude)
{
    static const struct {
        unsigned bit;
        uint64_t option;
    } table[] = {
        {GLUE_NO_SSL3, SSL_OP_NO_SSLv3},     {GLUE_NO_TLS1, SSL_OP_NO_TLSv1},
        {GLUE_NO_TLS1_1, SSL_OP_NO_TLSv1_1}, {GLUE_NO_TLS1_2, SSL_OP_NO_TLSv1_2},
        {GLUE_NO_TLS1_3, SSL_OP_NO_TLSv1_3},
    };
    uint64_t options = 0;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        options |= (exclude & table[i].bit) != 0 ? table[i].option : 0;
    }
    return options;
}

bool glue_protocols_apply(const glue_protocols *protocols, SSL_CTX *ctx, SSL *ssl)
{
    uint64_t options = excluded_options(protocols->exclude);
    bool ok = true;
    if (protocols->floor >= 0) {
        ok = (ssl != NULL ? SSL_set_min_proto_version(ssl, protocols->floor)
                          : SSL_CTX_set_min_proto_version(ctx, protocols->floor)) == 1;
    }
    if (ok && protocols->ceiling >= 0) {
        ok = (ssl != NULL ? SSL_set_max_proto_version(ssl, protocols->ceiling)
                          : SSL_CTX_set_max_proto_version(ctx, protocols->ceiling)) == 1;
    }
    if (options != 0 && ssl != NULL) {
        SSL_set_options(ssl, options);
    }
    if (options != 0 && ssl == NULL) {
        SSL_CTX_set_options(ctx, options);
    }
    return ok;
}

/* ------------------------------------------------------------------ both roles */

static bool given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

static glue_status set_digest(glue_context *context, const glue_context_props *props,
                              glue_error *err)
{
    char probe[200];
    const char *name = props->digest == NULL ? "sha256" : props->digest;
    context->digest = EVP_MD_fetch(NULL, name, NULL);
    /* SHAKE can be fetched, but since OpenSSL 3.4 has no length to make fingerprints of. */
    if (context->digest == NULL || !glue_digest_hex(context->digest, "", 0, probe, sizeof(probe))) {
        return glue_error_openssl(err, GLUE_E_BAD_DIGEST, "Digest algorithm \"%.100s\" not found",
                                  name);
    }
    return GLUE_OK;
}

static glue_status set_options(glue_context *context, const glue_context_props *props,
                               glue_error *err)
{
    SSL_CTX *ctx = context->ctx;
    uint64_t on = (SSL_OP_ALL & ~props->options_off) | props->options_on | ALWAYS_ON;
    SSL_CTX_clear_options(ctx, props->options_off & ~ALWAYS_ON);
    SSL_CTX_set_options(ctx, on);
    SSL_CTX_set_mode(ctx, MODES);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_default_read_buffer_len(ctx, READ_BUFFER);
    /* 0 unless somebody says otherwise; here nobody does. */
    SSL_CTX_set_max_early_data(ctx, 0);
    if (!glue_protocols_apply(&props->protocols, ctx, NULL)) {
        return glue_error_openssl(
            err, GLUE_E_BAD_PROTOCOLS, "the protocol range 0x%04x to 0x%04x cannot be set",
            (unsigned)props->protocols.floor, (unsigned)props->protocols.ceiling);
    }
    return GLUE_OK;
}

static glue_status out_of_memory(glue_error *err)
{
    return glue_error_openssl(err, GLUE_E_OUT_OF_MEMORY, NULL);
}

static glue_status set_algorithms(glue_context *context, const glue_context_props *props,
                                  glue_error *err)
{
    SSL_CTX *ctx = context->ctx;
    if (given(props->cipher_list)) {
        if (SSL_CTX_set_cipher_list(ctx, props->cipher_list) != 1) {
            return glue_error_openssl(err, GLUE_E_BAD_CIPHERS,
                                      "the cipher list \"%.200s\" cannot be set",
                                      props->cipher_list);
        }
        context->cipher_list = OPENSSL_strdup(props->cipher_list);
        if (context->cipher_list == NULL) {
            return out_of_memory(err);
        }
    }
    if (given(props->groups) && SSL_CTX_set1_groups_list(ctx, props->groups) != 1) {
        return glue_error_openssl(err, GLUE_E_BAD_GROUPS,
                                  "the key exchange groups \"%.200s\" cannot be set",
                                  props->groups);
    }
    return GLUE_OK;
}

static glue_status load_cas(glue_context *context, const glue_context_props *props, glue_error *err)
{
    SSL_CTX *ctx = context->ctx;
    if (given(props->ca_file) && SSL_CTX_load_verify_file(ctx, props->ca_file) != 1) {
        return glue_error_openssl(err, GLUE_E_CA_LOAD,
                                  "the trusted CA certificates in %.240s cannot be loaded",
                                  props->ca_file);
    }
    if (given(props->ca_path) && SSL_CTX_load_verify_dir(ctx, props->ca_path) != 1) {
        return glue_error_openssl(err, GLUE_E_CA_LOAD, "the CA directory %.240s cannot be used",
                                  props->ca_path);
    }
    /* The system's roots are trusted only by those who trust somebody in the first place. */
    if (props->append_default_ca && (given(props->ca_file) || given(props->ca_path)) &&
        SSL_CTX_set_default_verify_paths(ctx) != 1) {
        return glue_error_openssl(err, GLUE_E_CA_LOAD,
                                  "the system's CA certificates cannot be used");
    }
    return GLUE_OK;
}

static glue_status set_chains(glue_context *context, const glue_context_props *props,
                              glue_error *err)
{
    /* The operator's own certificates are used as they are: the level is for peers. */
    SSL_CTX_set_security_level(context->ctx, 0);
    if (props->chains != NULL && !glue_chains_install_context(props->chains, context->ctx)) {
        return glue_error_openssl(err, GLUE_E_OPENSSL, "the certificate chains cannot be used");
    }
    SSL_CTX_set_security_level(context->ctx, props->security_level);
    return GLUE_OK;
}

static glue_status set_keylog(glue_context *context, const glue_context_props *props,
                              glue_error *err)
{
    return glue_keylog_set(context, props->keylog_file, err);
}

/* ------------------------------------------------------------------ raw public keys (RFC 7250) */

static const unsigned char rpk_then_x509[] = {TLSEXT_cert_type_rpk, TLSEXT_cert_type_x509};

static bool offer_server_types(SSL_CTX *ctx)
{
    return SSL_CTX_set1_server_cert_type(ctx, rpk_then_x509, sizeof(rpk_then_x509)) == 1;
}

static bool offer_client_types(SSL_CTX *ctx)
{
    return SSL_CTX_set1_client_cert_type(ctx, rpk_then_x509, sizeof(rpk_then_x509)) == 1;
}

/* ------------------------------------------------------------------ the session-id context */

static bool hash_bytes(EVP_MD_CTX *hash, const void *data, size_t len)
{
    unsigned char length[4] = {(unsigned char)(len >> 24), (unsigned char)(len >> 16),
                               (unsigned char)(len >> 8), (unsigned char)len};
    return EVP_DigestUpdate(hash, length, sizeof(length)) == 1 &&
           EVP_DigestUpdate(hash, data, len) == 1;
}

static bool hash_text(EVP_MD_CTX *hash, const char *text)
{
    return text == NULL ? hash_bytes(hash, "", 0) : hash_bytes(hash, text, strlen(text));
}

/*
 * Each field with its length before it, so that no two settings can give the same bytes. A change
 * here ends the resumption of all sessions; new fields go to the end.
 */
static bool hash_props(EVP_MD_CTX *hash, const glue_context_props *props)
{
    bool defaults = props->append_default_ca && (given(props->ca_file) || given(props->ca_path));
    unsigned depth = (unsigned)props->verify_depth;
    unsigned char rules[9] = {
        props->ask_client_cert,
        props->require_client_cert,
        props->enable_rpk,
        defaults,
        (unsigned char)(depth >> 24),
        (unsigned char)(depth >> 16),
        (unsigned char)(depth >> 8),
        (unsigned char)depth,
        props->trust_server_ccerts,
    };
    return hash_text(hash, "mxtls session-id context 1") && hash_text(hash, props->service) &&
           hash_text(hash, props->ca_file) && hash_text(hash, props->ca_path) &&
           hash_bytes(hash, rules, sizeof(rules));
}

static bool set_session_id_context(glue_context *context, const glue_context_props *props)
{
    unsigned char *id = context->session_id_context;
    unsigned len = 0;
    EVP_MD *md = EVP_MD_fetch(NULL, "SHA256", NULL);
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    bool ok = md != NULL && hash != NULL && EVP_DigestInit_ex2(hash, md, NULL) == 1 &&
              hash_props(hash, props) && EVP_DigestFinal_ex(hash, id, &len) == 1 &&
              SSL_CTX_set_session_id_context(context->ctx, id, len) == 1;
    EVP_MD_CTX_free(hash);
    EVP_MD_free(md);
    return ok;
}

/* ------------------------------------------------------------------ the server's side */

/* Names of the CAs we trust, as a hint for clients with more than one certificate. */
static glue_status hint_cas(SSL_CTX *ctx, const char *ca_file, glue_error *err)
{
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(ca_file);
    if (names == NULL) {
        return glue_error_openssl(err, GLUE_E_CA_LOAD, "error loading client CA names from %.240s",
                                  ca_file);
    }
    SSL_CTX_set_client_CA_list(ctx, names);
    return GLUE_OK;
}

static glue_status configure_server(glue_context *context, const glue_context_props *props,
                                    glue_error *err)
{
    SSL_CTX *ctx = context->ctx;
    SSL_CTX_set_verify(
        ctx, props->ask_client_cert ? SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE : SSL_VERIFY_NONE,
        glue_verify_callback);
    if (props->trust_server_ccerts) {
        SSL_CTX_set_cert_verify_callback(ctx, glue_verify_server_certs_too, NULL);
    }
    if (props->ask_client_cert && given(props->ca_file) &&
        hint_cas(ctx, props->ca_file, err) != GLUE_OK) {
        return GLUE_ERROR;
    }
    if (glue_dh_set(ctx, props->dh_file, err) != GLUE_OK) {
        return GLUE_ERROR;
    }
    /* Our key is always to be had raw; a client's only on request. */
    if (!offer_server_types(ctx) || (props->enable_rpk && !offer_client_types(ctx)) ||
        !set_session_id_context(context, props)) {
        return out_of_memory(err);
    }
    if (glue_ticket_configure(context, props, err) != GLUE_OK) {
        return GLUE_ERROR;
    }
    glue_hello_register(context);
    return glue_session_store_register(context, err);
}

static glue_status configure_client(glue_context *context, const glue_context_props *props,
                                    glue_error *err)
{
    SSL_CTX_set_verify(context->ctx, SSL_VERIFY_NONE, glue_verify_callback);
    SSL_CTX_set_cert_verify_callback(context->ctx, glue_verify_server, NULL);
    if ((props->enable_rpk && !offer_server_types(context->ctx)) ||
        (props->chains != NULL && !offer_client_types(context->ctx)) ||
        !set_session_id_context(context, props)) {
        return out_of_memory(err);
    }
    glue_session_register(context->ctx);
    return glue_dane_enable(context, props, err);
}

/* ------------------------------------------------------------------ life */

/*
 * One more than asked for, as Postfix sets it. OpenSSL counts intermediate CAs only, so a limit of
 * 0 takes a chain of leaf, intermediate and root (observed with Postfix 3.10, too).
 */
static int certificates_allowed(int verify_depth)
{
    return verify_depth < 0 ? 0 : verify_depth == INT_MAX ? INT_MAX : verify_depth + 1;
}

typedef glue_status (*context_step)(glue_context *context, const glue_context_props *props,
                                    glue_error *err);

static glue_status configure(glue_context *context, const glue_context_props *props,
                             glue_error *err)
{
    static const context_step steps[] = {set_digest, set_options, set_algorithms,
                                         load_cas,   set_chains,  set_keylog};
    context->ctx =
        SSL_CTX_new(props->role == GLUE_SERVER ? TLS_server_method() : TLS_client_method());
    if (context->ctx == NULL) {
        return glue_error_openssl(err, GLUE_E_OPENSSL, "a TLS context cannot be made");
    }
    /* Lenient settings from a default configuration file may have left complaints. */
    ERR_clear_error();
    SSL_CTX_set_session_cache_mode(context->ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify_depth(context->ctx, certificates_allowed(props->verify_depth));
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (steps[i](context, props, err) != GLUE_OK) {
            return GLUE_ERROR;
        }
    }
    return props->role == GLUE_SERVER ? configure_server(context, props, err)
                                      : configure_client(context, props, err);
}

static void context_destroy(glue_context *context)
{
    SSL_CTX_free(context->ctx);
    glue_keylog_close(context);
    glue_ticket_ring_free(context->ticket_ring);
    EVP_CIPHER_free(context->ticket_cipher);
    EVP_MD_free(context->digest);
    OPENSSL_free(context->cipher_list);
    glue_sni_cache_free(context->sni_cache);
    OPENSSL_free(context);
    /* SSL_CTX_free() allocates, too, and complains where it gets nothing. */
    ERR_clear_error();
}
