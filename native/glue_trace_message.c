/*
 * glue_trace_message.c - handshake messages as lines of a trace.
 *
 * RFC 8446 section 4 and, for TLS 1.2 and older, RFC 5246 section 7.4. A message is what a peer
 * sent and OpenSSL has not looked at yet: everything is read through views that end where the
 * message does, and what does not fit is told as malformed. Values that are secret, or as good as
 * a name for somebody, appear as lengths; see glue_trace.c for the list.
 *
 * Owns nothing. Runs inside OpenSSL's message callback and cannot fail.
 */
#include <stdio.h>
#include <string.h>

#include "glue_internal.h"
#include "glue_trace.h"

typedef struct number_name {
    unsigned number;
    const char *name;
} number_name;

static const char *find_name(const number_name *names, size_t count, unsigned number)
{
    for (size_t i = 0; i < count; i++) {
        if (names[i].number == number) {
            return names[i].name;
        }
    }
    return NULL;
}

#define NAME_OF(table, number) find_name((table), sizeof(table) / sizeof((table)[0]), (number))

/* ------------------------------------------------------------------ names of numbers */

typedef void (*item_printer)(glue_trace_list *to, SSL *ssl, unsigned number);

static void add_named(glue_trace_list *to, const char *name, unsigned number)
{
    if (name != NULL) {
        glue_trace_list_add(to, " %s", name);
    } else {
        glue_trace_list_add(to, " 0x%04x", number);
    }
}

static void add_version(glue_trace_list *to, SSL *ssl, unsigned number)
{
    static const number_name names[] = {
        {SSL3_VERSION, "SSLv3"},     {TLS1_VERSION, "TLSv1"},     {TLS1_1_VERSION, "TLSv1.1"},
        {TLS1_2_VERSION, "TLSv1.2"}, {TLS1_3_VERSION, "TLSv1.3"},
    };
    (void)ssl;
    add_named(to, NAME_OF(names, number), number);
}

static void add_group(glue_trace_list *to, SSL *ssl, unsigned number)
{
    /* With this bit it is the number on the wire and no NID. */
    add_named(to, SSL_group_to_name(ssl, (int)number | TLSEXT_nid_unknown), number);
    ERR_clear_error();
}

static void add_cipher(glue_trace_list *to, SSL *ssl, unsigned number)
{
    const unsigned char bytes[] = {(unsigned char)(number >> 8), (unsigned char)number};
    const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, bytes);
    const char *name = cipher != NULL ? SSL_CIPHER_standard_name(cipher) : NULL;
    /* Signals rather than ciphers: RFC 5746 3.3, RFC 7507. */
    name = number == 0x00ff ? "TLS_EMPTY_RENEGOTIATION_INFO_SCSV" : name;
    name = number == 0x5600 ? "TLS_FALLBACK_SCSV" : name;
    add_named(to, name, number);
}

static void add_scheme(glue_trace_list *to, SSL *ssl, unsigned number)
{
    static const number_name names[] = {
        {0x0201, "rsa_pkcs1_sha1"},
        {0x0203, "ecdsa_sha1"},
        {0x0401, "rsa_pkcs1_sha256"},
        {0x0403, "ecdsa_secp256r1_sha256"},
        {0x0501, "rsa_pkcs1_sha384"},
        {0x0503, "ecdsa_secp384r1_sha384"},
        {0x0601, "rsa_pkcs1_sha512"},
        {0x0603, "ecdsa_secp521r1_sha512"},
        {0x0804, "rsa_pss_rsae_sha256"},
        {0x0805, "rsa_pss_rsae_sha384"},
        {0x0806, "rsa_pss_rsae_sha512"},
        {0x0807, "ed25519"},
        {0x0808, "ed448"},
        {0x0809, "rsa_pss_pss_sha256"},
        {0x080a, "rsa_pss_pss_sha384"},
        {0x080b, "rsa_pss_pss_sha512"},
        {0x081a, "ecdsa_brainpoolP256r1"},
        {0x081b, "ecdsa_brainpoolP384r1"},
        {0x081c, "ecdsa_brainpoolP512r1"},
        {0x0904, "mldsa44"},
        {0x0905, "mldsa65"},
        {0x0906, "mldsa87"},
    };
    (void)ssl;
    add_named(to, NAME_OF(names, number), number);
}

/* RFC 7250 section 3. */
static void add_certificate_type(glue_trace_list *to, SSL *ssl, unsigned number)
{
    (void)ssl;
    add_named(to, number == 0 ? "x509" : number == 2 ? "rpk" : NULL, number);
}

static void add_number(glue_trace_list *to, SSL *ssl, unsigned number)
{
    (void)ssl;
    glue_trace_list_add(to, " %u", number);
}

/* What a peer may have chosen to confuse whoever reads the log. */
static void add_text(glue_trace_list *to, view text)
{
    char shown[64];
    size_t n = text.len < sizeof(shown) - 1 ? text.len : sizeof(shown) - 1;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = text.data[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                     (c != '\0' && strchr(".-_/", c) != NULL);
        shown[i] = plain ? (char)c : '?';
    }
    shown[n] = '\0';
    glue_trace_list_add(to, " %s%s", shown, n < text.len ? "..." : "");
}

/* ------------------------------------------------------------------ shapes of extensions */

/* Numbers of `width` bytes to the end of `from`. */
static bool add_numbers(glue_trace_list *to, SSL *ssl, view from, size_t width, item_printer print)
{
    unsigned number;
    while (view_number(&from, width, &number)) {
        print(to, ssl, number);
    }
    return from.len == 0;
}

/* A vector of them, or, where a server has chosen, one alone. */
static bool add_choice(glue_trace_list *to, SSL *ssl, view from, size_t prefix, size_t width,
                       item_printer print)
{
    view inner;
    if (from.len == width) {
        return add_numbers(to, ssl, from, width, print);
    }
    return view_prefixed(&from, prefix, &inner) && add_numbers(to, ssl, inner, width, print);
}

static bool add_server_name(glue_trace_list *to, view from)
{
    view names, name;
    unsigned type;
    if (from.len == 0) {
        glue_trace_list_add(to, " acknowledged");
        return true;
    }
    if (!view_prefixed(&from, 2, &names) || !view_number(&names, 1, &type) ||
        !view_prefixed(&names, 2, &name)) {
        return false;
    }
    add_text(to, name);
    return true;
}

static bool add_protocols(glue_trace_list *to, view from)
{
    view names, name;
    if (!view_prefixed(&from, 2, &names)) {
        return false;
    }
    while (view_prefixed(&names, 1, &name)) {
        add_text(to, name);
    }
    return names.len == 0;
}

static bool add_share(glue_trace_list *to, SSL *ssl, view *from)
{
    unsigned group;
    view share;
    if (!view_number(from, 2, &group) || !view_prefixed(from, 2, &share)) {
        return false;
    }
    add_group(to, ssl, group);
    glue_trace_list_add(to, " (%zu bytes)", share.len);
    return true;
}

/* RFC 8446 4.2.8: a client's list, a server's share, or the group that it asks for. */
static bool add_key_share(glue_trace_list *to, SSL *ssl, view from, bool client)
{
    view shares;
    if (from.len == 2 && !client) {
        glue_trace_list_add(to, " wanted");
        return add_numbers(to, ssl, from, 2, add_group);
    }
    if (!client) {
        return add_share(to, ssl, &from);
    }
    if (!view_prefixed(&from, 2, &shares)) {
        return false;
    }
    while (shares.len > 0) {
        if (!add_share(to, ssl, &shares)) {
            return false;
        }
    }
    return true;
}

/* RFC 8446 4.2.11; identities are tickets, so only their lengths are told. */
static bool add_psk(glue_trace_list *to, view from, bool client)
{
    view identities, identity, age;
    unsigned selected;
    if (!client) {
        if (!view_number(&from, 2, &selected)) {
            return false;
        }
        glue_trace_list_add(to, " identity %u", selected);
        return true;
    }
    if (!view_prefixed(&from, 2, &identities)) {
        return false;
    }
    while (view_prefixed(&identities, 2, &identity) && view_take(&identities, 4, &age)) {
        glue_trace_list_add(to, " identity of %zu bytes", identity.len);
    }
    return identities.len == 0;
}

/* ------------------------------------------------------------------ extensions */

static const number_name extension_names[] = {
    {TLSEXT_TYPE_server_name, "server_name"},
    {TLSEXT_TYPE_status_request, "status_request"},
    {TLSEXT_TYPE_supported_groups, "supported_groups"},
    {TLSEXT_TYPE_ec_point_formats, "ec_point_formats"},
    {TLSEXT_TYPE_signature_algorithms, "signature_algorithms"},
    {TLSEXT_TYPE_application_layer_protocol_negotiation, "alpn"},
    {TLSEXT_TYPE_signed_certificate_timestamp, "signed_certificate_timestamp"},
    {TLSEXT_TYPE_client_cert_type, "client_certificate_type"},
    {TLSEXT_TYPE_server_cert_type, "server_certificate_type"},
    {TLSEXT_TYPE_padding, "padding"},
    {TLSEXT_TYPE_encrypt_then_mac, "encrypt_then_mac"},
    {TLSEXT_TYPE_extended_master_secret, "extended_master_secret"},
    {TLSEXT_TYPE_compress_certificate, "compress_certificate"},
    {28, "record_size_limit"},
    {TLSEXT_TYPE_session_ticket, "session_ticket"},
    {TLSEXT_TYPE_psk, "pre_shared_key"},
    {TLSEXT_TYPE_early_data, "early_data"},
    {TLSEXT_TYPE_supported_versions, "supported_versions"},
    {TLSEXT_TYPE_cookie, "cookie"},
    {TLSEXT_TYPE_psk_kex_modes, "psk_key_exchange_modes"},
    {TLSEXT_TYPE_certificate_authorities, "certificate_authorities"},
    {TLSEXT_TYPE_post_handshake_auth, "post_handshake_auth"},
    {TLSEXT_TYPE_signature_algorithms_cert, "signature_algorithms_cert"},
    {TLSEXT_TYPE_key_share, "key_share"},
    {TLSEXT_TYPE_renegotiate, "renegotiation_info"},
};

static bool add_extension(glue_trace_list *to, SSL *ssl, unsigned type, view data, bool client)
{
    switch (type) {
    case TLSEXT_TYPE_server_name:
        return add_server_name(to, data);
    case TLSEXT_TYPE_supported_groups:
        return add_choice(to, ssl, data, 2, 2, add_group);
    case TLSEXT_TYPE_signature_algorithms:
    case TLSEXT_TYPE_signature_algorithms_cert:
        return add_choice(to, ssl, data, 2, 2, add_scheme);
    case TLSEXT_TYPE_supported_versions:
        return add_choice(to, ssl, data, 1, 2, add_version);
    case TLSEXT_TYPE_client_cert_type:
    case TLSEXT_TYPE_server_cert_type:
        return add_choice(to, ssl, data, 1, 1, add_certificate_type);
    case TLSEXT_TYPE_psk_kex_modes:
        return add_choice(to, ssl, data, 1, 1, add_number);
    case TLSEXT_TYPE_application_layer_protocol_negotiation:
        return add_protocols(to, data);
    case TLSEXT_TYPE_key_share:
        return add_key_share(to, ssl, data, client);
    case TLSEXT_TYPE_psk:
        return add_psk(to, data, client);
    default:
        glue_trace_list_add(to, " %zu bytes", data.len);
        return true;
    }
}

static bool trace_extensions(struct glue_trace *trace, SSL *ssl, view *from, bool client)
{
    view all, data;
    unsigned type;
    if (from->len == 0) {
        return true; /* before TLS 1.3 a hello may end here */
    }
    if (!view_prefixed(from, 2, &all)) {
        return false;
    }
    while (view_number(&all, 2, &type) && view_prefixed(&all, 2, &data)) {
        char label[80];
        glue_trace_list line;
        const char *name = NAME_OF(extension_names, type);
        snprintf(label, sizeof(label), "extension %s (%u)", name == NULL ? "unknown" : name, type);
        glue_trace_list_open(&line, trace, label);
        if (!add_extension(&line, ssl, type, data, client)) {
            glue_trace_list_add(&line, " malformed, %zu bytes", data.len);
        }
        glue_trace_list_close(&line);
    }
    return all.len == 0;
}

/* ------------------------------------------------------------------ messages */

static bool trace_hello(struct glue_trace *trace, SSL *ssl, view body, bool client)
{
    view version, random, session, ciphers, compressions;
    glue_trace_list line;
    if (!view_take(&body, 2, &version) || !view_take(&body, 32, &random) ||
        !view_prefixed(&body, 1, &session)) {
        return false;
    }
    glue_trace_list_open(&line, trace, "legacy_version");
    add_numbers(&line, ssl, version, 2, add_version);
    glue_trace_list_close(&line);
    glue_trace_line(trace, "  session_id: %zu bytes", session.len);
    if (!(client ? view_prefixed(&body, 2, &ciphers) : view_take(&body, 2, &ciphers))) {
        return false;
    }
    glue_trace_list_open(&line, trace, client ? "cipher_suites" : "cipher_suite");
    add_numbers(&line, ssl, ciphers, 2, add_cipher);
    glue_trace_list_close(&line);
    if (!(client ? view_prefixed(&body, 1, &compressions) : view_take(&body, 1, &compressions))) {
        return false;
    }
    glue_trace_list_open(&line, trace, "compression");
    add_numbers(&line, ssl, compressions, 1, add_number);
    glue_trace_list_close(&line);
    return trace_extensions(trace, ssl, &body, client);
}

/* TLS 1.3 has a context before the list and extensions behind each certificate. */
static bool trace_certificates(struct glue_trace *trace, SSL *ssl, view body)
{
    bool tls13 = SSL_version(ssl) == TLS1_3_VERSION;
    view context, certificates, certificate, extensions;
    if ((tls13 && !view_prefixed(&body, 1, &context)) || !view_prefixed(&body, 3, &certificates)) {
        return false;
    }
    glue_trace_list line;
    glue_trace_list_open(&line, trace, "certificates");
    while (view_prefixed(&certificates, 3, &certificate)) {
        glue_trace_list_add(&line, " %zu bytes", certificate.len);
        if (tls13 && !view_prefixed(&certificates, 2, &extensions)) {
            break;
        }
    }
    glue_trace_list_close(&line);
    return certificates.len == 0;
}

static bool trace_certificate_verify(struct glue_trace *trace, SSL *ssl, view body)
{
    view scheme;
    glue_trace_list line;
    if (SSL_version(ssl) < TLS1_2_VERSION) {
        return true; /* a signature and nothing else */
    }
    if (!view_take(&body, 2, &scheme)) {
        return false;
    }
    glue_trace_list_open(&line, trace, "algorithm");
    add_numbers(&line, ssl, scheme, 2, add_scheme);
    glue_trace_list_close(&line);
    return true;
}

/* RFC 8446 4.6.1, RFC 5077 3.3. */
static bool trace_ticket(struct glue_trace *trace, SSL *ssl, view body)
{
    bool tls13 = SSL_version(ssl) == TLS1_3_VERSION;
    view lifetime, add, nonce, ticket;
    if (!view_take(&body, 4, &lifetime) || (tls13 && !view_take(&body, 4, &add)) ||
        (tls13 && !view_prefixed(&body, 1, &nonce)) || !view_prefixed(&body, 2, &ticket)) {
        return false;
    }
    unsigned high = 0, low = 0;
    view_number(&lifetime, 2, &high);
    view_number(&lifetime, 2, &low);
    glue_trace_line(trace, "  lifetime: %lu s, ticket of %zu bytes",
                    (unsigned long)high << 16 | low, ticket.len);
    return true;
}

static bool trace_certificate_request(struct glue_trace *trace, SSL *ssl, view body)
{
    view context;
    if (SSL_version(ssl) != TLS1_3_VERSION) {
        return true;
    }
    return view_prefixed(&body, 1, &context) && trace_extensions(trace, ssl, &body, true);
}

static bool trace_body(struct glue_trace *trace, SSL *ssl, unsigned type, view body)
{
    switch (type) {
    case SSL3_MT_CLIENT_HELLO:
        return trace_hello(trace, ssl, body, true);
    case SSL3_MT_SERVER_HELLO:
        return trace_hello(trace, ssl, body, false);
    case SSL3_MT_NEWSESSION_TICKET:
        return trace_ticket(trace, ssl, body);
    case SSL3_MT_ENCRYPTED_EXTENSIONS:
        return trace_extensions(trace, ssl, &body, false);
    case SSL3_MT_CERTIFICATE:
        return trace_certificates(trace, ssl, body);
    case SSL3_MT_CERTIFICATE_REQUEST:
        return trace_certificate_request(trace, ssl, body);
    case SSL3_MT_CERTIFICATE_VERIFY:
        return trace_certificate_verify(trace, ssl, body);
    default:
        return true;
    }
}

/* RFC 8446 4.1.3: SHA-256 of "HelloRetryRequest" in the place of the server's random bytes. */
static bool is_retry_request(view body)
{
    static const unsigned char magic[] = {
        0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
        0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
        0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
    };
    return body.len >= 2 + sizeof(magic) && memcmp(body.data + 2, magic, sizeof(magic)) == 0;
}

static const char *message_name(unsigned type, view body)
{
    static const number_name names[] = {
        {SSL3_MT_HELLO_REQUEST, "HelloRequest"},
        {SSL3_MT_CLIENT_HELLO, "ClientHello"},
        {SSL3_MT_NEWSESSION_TICKET, "NewSessionTicket"},
        {SSL3_MT_END_OF_EARLY_DATA, "EndOfEarlyData"},
        {SSL3_MT_ENCRYPTED_EXTENSIONS, "EncryptedExtensions"},
        {SSL3_MT_CERTIFICATE, "Certificate"},
        {SSL3_MT_SERVER_KEY_EXCHANGE, "ServerKeyExchange"},
        {SSL3_MT_CERTIFICATE_REQUEST, "CertificateRequest"},
        {SSL3_MT_SERVER_DONE, "ServerHelloDone"},
        {SSL3_MT_CERTIFICATE_VERIFY, "CertificateVerify"},
        {SSL3_MT_CLIENT_KEY_EXCHANGE, "ClientKeyExchange"},
        {SSL3_MT_FINISHED, "Finished"},
        {SSL3_MT_CERTIFICATE_STATUS, "CertificateStatus"},
        {SSL3_MT_KEY_UPDATE, "KeyUpdate"},
    };
    if (type == SSL3_MT_SERVER_HELLO) {
        return is_retry_request(body) ? "HelloRetryRequest" : "ServerHello";
    }
    const char *name = NAME_OF(names, type);
    return name == NULL ? "unknown message" : name;
}

void glue_trace_message(struct glue_trace *trace, SSL *ssl, const char *direction, view message)
{
    unsigned type, len;
    size_t total = message.len;
    if (!view_number(&message, 1, &type) || !view_number(&message, 3, &len)) {
        glue_trace_line(trace, "%s a malformed message of %zu bytes", direction, total);
        return;
    }
    glue_trace_line(trace, "%s %s (%u), %zu bytes", direction, message_name(type, message), type,
                    total);
    if (!trace_body(trace, ssl, type, message)) {
        glue_trace_line(trace, "  malformed");
    }
}
