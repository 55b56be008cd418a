/*
 * glue_dane_test.c - what a server must show: names, TLSA records, fingerprints, trust anchors, raw
 * public keys. Every case is a handshake; none of them fails, whatever matches.
 */
#include <string.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include "../glue_internal.h"
#include "testlib.h"

/* ------------------------------------------------------------------ the world */

static const test_identity *root, *issuer, *leaf, *other_root, *lone;
static glue_chains *issued, *with_issuer, *self_signed;
static const char *root_file, *other_root_file;

static glue_chains *chain_with(const test_identity *id, const char *more)
{
    glue_error err;
    const char *pem = testlib_text("%s%s", testlib_pem_chain(id), more);
    return glue_chains_parse(pem, strlen(pem), "test", NULL, &err);
}

static const test_identity *under(const test_identity *ca, const char *dns, bool expired)
{
    test_cert_spec spec = {
        .key = "EC", .cn = "leaf.example.com", .dns = dns, .expired = expired, .issuer = ca};
    return testlib_identity(&spec);
}

static void make_world(void)
{
    if (root != NULL) {
        return;
    }
    test_cert_spec ca = {.key = "EC", .cn = "Root", .ca = true};
    test_cert_spec middle = {.key = "EC", .cn = "Issuer", .ca = true};
    root = testlib_identity(&ca);
    ca.cn = "Other Root";
    other_root = testlib_identity(&ca);
    middle.issuer = root;
    issuer = testlib_identity(&middle);
    leaf = under(issuer, "mx.example.com", false);
    lone = testlib_self_signed("EC", "lone.example.com");
    issued = chain_with(leaf, "");
    with_issuer = chain_with(leaf, testlib_pem_cert(root));
    self_signed = chain_with(lone, "");
    root_file = testlib_file("root.pem", testlib_pem_cert(root));
    other_root_file = testlib_file("other-root.pem", testlib_pem_cert(other_root));
}

/* ------------------------------------------------------------------ records */

typedef struct record_room {
    unsigned char bytes[4096];
} record_room;

static record_room rooms[16];
static size_t room_count;

/* A record of this certificate or its key; type 255 stands for SHA-256. */
static glue_tlsa record_of(const test_identity *id, unsigned char usage, unsigned char selector,
                           unsigned char type)
{
    unsigned char *out = rooms[room_count++ % 16].bytes;
    unsigned char *der = NULL;
    int len = selector == 0 ? i2d_X509(id->cert, &der) : i2d_PUBKEY(id->key, &der);
    size_t size = (size_t)len;
    if (type == 0) {
        memcpy(out, der, size);
    } else {
        EVP_Q_digest(NULL, type == 2 ? "SHA512" : "SHA256", NULL, der, size, out, &size);
    }
    OPENSSL_free(der);
    return (glue_tlsa){usage, selector, type, out, size};
}

/* ------------------------------------------------------------------ meetings */

typedef struct meeting {
    glue_chains *server; /* NULL: `issued` */
    const char *ca_file;
    glue_auth_props auth;
    int version; /* 0: the newest */
    const char *digest;
    const glue_dane_digest *digests;
    size_t digest_count;
    int verify_depth; /* 0: 9 */
} meeting;

static glue_notice_kind notices[8];
static size_t notice_count;
static char notice_text[256];

static void collect_notices(glue_conn *conn)
{
    glue_notice *first = glue_conn_take_notices(conn);
    notice_count = 0;
    notice_text[0] = '\0';
    for (const glue_notice *at = first; at != NULL && notice_count < 8; at = at->next) {
        if (notice_count == 0) {
            memcpy(notice_text, at->name, sizeof(notice_text));
        }
        notices[notice_count++] = at->kind;
    }
    glue_notices_free(first);
}

static glue_context *server_context(const meeting *how)
{
    glue_error err;
    glue_context_props props = testlib_props(GLUE_SERVER);
    props.chains = how->server == NULL ? issued : how->server;
    props.protocols = (glue_protocols){how->version, how->version, 0};
    return glue_context_new(&props, &err);
}

static glue_context *client_context(const meeting *how)
{
    glue_error err;
    glue_context_props props = testlib_props(GLUE_CLIENT);
    props.ca_file = how->ca_file;
    props.digest = how->digest;
    props.dane_digests = how->digests;
    props.dane_digest_count = how->digest_count;
    props.verify_depth = how->verify_depth == 0 ? 9 : how->verify_depth;
    return glue_context_new(&props, &err);
}

/* A client at a level that must match meets the server. */
static glue_snapshot meet(const meeting *how)
{
    test_pair pair;
    glue_error err;
    glue_snapshot snapshot = {.status = ""};
    glue_tls_props tls = GLUE_TLS_PROPS_DEFAULT;
    glue_context *a = server_context(how);
    glue_context *b = client_context(how);
    tls.security_level = 1;
    tls.auth = glue_auth_new(&how->auth, &err);
    EXPECT(tls.auth != NULL);
    EXPECT(testlib_pair(&pair, a, b, &tls));
    EXPECT(glue_conn_snapshot(pair.client.conn, &snapshot));
    collect_notices(pair.client.conn);
    testlib_pair_close(&pair);
    glue_auth_free(tls.auth);
    glue_context_free(a);
    glue_context_free(b);
    return snapshot;
}

static glue_snapshot meet_records(glue_chains *server, const glue_tlsa *records, size_t count,
                                  const char *name)
{
    meeting how = {.server = server,
                   .auth = {.tlsa = records,
                            .tlsa_count = count,
                            .names = name == NULL ? NULL : &name,
                            .name_count = name != NULL,
                            .must_match = true}};
    return meet(&how);
}

static glue_snapshot meet_record(glue_chains *server, glue_tlsa record, const char *name)
{
    return meet_records(server, &record, 1, name);
}

static glue_snapshot meet_names(const test_identity *id, const char *const *names, size_t count)
{
    meeting how = {.server = chain_with(id, ""),
                   .ca_file = root_file,
                   .auth = {.names = names, .name_count = count, .must_match = true}};
    glue_snapshot snapshot = meet(&how);
    glue_chains_free(how.server);
    return snapshot;
}

static glue_snapshot meet_name(const char *dns, const char *name)
{
    return meet_names(under(root, dns, false), &name, 1);
}

static void expect_match(glue_snapshot s, glue_match_kind kind, int depth)
{
    EXPECT_STR(s.status, "Verified");
    EXPECT_INT(s.verify_code, X509_V_OK);
    EXPECT_INT(s.match.kind, kind);
    EXPECT_INT(s.match.depth, depth);
}

static void expect_fault(glue_snapshot s, const char *status, long code, int depth)
{
    EXPECT_STR(s.status, status);
    EXPECT_INT(s.verify_code, code);
    EXPECT_INT(s.verify_depth, depth);
    EXPECT_INT(s.match.kind, GLUE_MATCH_NONE);
}

/* ------------------------------------------------------------------ names */

static void a_name_of_the_certificate_matches(void)
{
    make_world();
    glue_snapshot s = meet_name("mx.example.com", "mx.example.com");
    expect_match(s, GLUE_MATCH_NAME, 0);
    EXPECT_STR(s.match.value, "mx.example.com");
    EXPECT_STR(s.match.peername, "mx.example.com");
    EXPECT_STR(s.peer_subject, "leaf.example.com");
    expect_match(meet_name("mx.example.com", "MX.EXAMPLE.COM"), GLUE_MATCH_NAME, 0);
}

static void another_name_is_trusted_but_not_verified(void)
{
    make_world();
    glue_snapshot s = meet_name("mx.example.com", "other.example.com");
    expect_fault(s, "Trusted", X509_V_ERR_HOSTNAME_MISMATCH, 0);
    EXPECT_STR(s.verify_text, "hostname mismatch");
    EXPECT_STR(s.peer_subject, "leaf.example.com");
}

static void any_of_several_names_will_do(void)
{
    make_world();
    const char *names[] = {"a.example.com", ".example.org", "mx.example.com"};
    expect_match(meet_names(under(root, "mx.example.com", false), names, 3), GLUE_MATCH_NAME, 0);
    expect_fault(meet_names(under(root, "mx.example.com", false), names, 2), "Trusted",
                 X509_V_ERR_HOSTNAME_MISMATCH, 0);
}

static void a_wildcard_is_one_whole_label(void)
{
    make_world();
    expect_match(meet_name("*.example.com", "mx.example.com"), GLUE_MATCH_NAME, 0);
    expect_fault(meet_name("*.example.com", "a.mx.example.com"), "Trusted",
                 X509_V_ERR_HOSTNAME_MISMATCH, 0);
    expect_fault(meet_name("*.example.com", "example.com"), "Trusted", X509_V_ERR_HOSTNAME_MISMATCH,
                 0);
    expect_fault(meet_name("m*.example.com", "mx.example.com"), "Trusted",
                 X509_V_ERR_HOSTNAME_MISMATCH, 0);
}

static void a_suffix_is_any_sub_domain_but_not_the_domain(void)
{
    make_world();
    expect_match(meet_name("mx.example.com", ".example.com"), GLUE_MATCH_NAME, 0);
    expect_match(meet_name("a.b.example.com", ".example.com"), GLUE_MATCH_NAME, 0);
    expect_match(meet_name("*.example.com", ".example.com"), GLUE_MATCH_NAME, 0);
    expect_fault(meet_name("example.com", ".example.com"), "Trusted", X509_V_ERR_HOSTNAME_MISMATCH,
                 0);
    expect_fault(meet_name("mxexample.com", ".example.com"), "Trusted",
                 X509_V_ERR_HOSTNAME_MISMATCH, 0);
}

static void the_common_name_counts_only_without_dns_names(void)
{
    make_world();
    expect_match(meet_name(NULL, "leaf.example.com"), GLUE_MATCH_NAME, 0);
    expect_fault(meet_name("mx.example.com", "leaf.example.com"), "Trusted",
                 X509_V_ERR_HOSTNAME_MISMATCH, 0);
}

static void without_a_usable_name_verification_fails(void)
{
    make_world();
    const char *names[] = {"", "."};
    glue_snapshot s = meet_names(leaf, names, 2);
    expect_fault(s, "Untrusted", X509_V_ERR_UNSPECIFIED, 0);
    EXPECT_INT(notice_count, 1);
    EXPECT_INT(notices[0], GLUE_NOTICE_NO_NAMES);
    expect_fault(meet_names(leaf, NULL, 0), "Untrusted", X509_V_ERR_UNSPECIFIED, 0);
}

static void a_chain_that_is_not_trusted_says_more_than_its_name(void)
{
    make_world();
    const char *name = "other.example.com";
    meeting how = {.ca_file = other_root_file,
                   .auth = {.names = &name, .name_count = 1, .must_match = true}};
    expect_fault(meet(&how), "Untrusted", X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, 1);
    how.server = self_signed;
    expect_fault(meet(&how), "Untrusted", X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, 0);
}

static void an_expired_certificate_is_not_trusted(void)
{
    make_world();
    const char *name = "mx.example.com";
    expect_fault(meet_names(under(root, "mx.example.com", true), &name, 1), "Untrusted",
                 X509_V_ERR_CERT_HAS_EXPIRED, 0);
}

static void a_certificate_for_clients_is_not_trusted(void)
{
    make_world();
    const char *name = "mx.example.com";
    test_cert_spec spec = {
        .key = "EC", .cn = "x", .dns = name, .usage = "clientAuth", .issuer = root};
    expect_fault(meet_names(testlib_identity(&spec), &name, 1), "Untrusted",
                 X509_V_ERR_INVALID_PURPOSE, 0);
}

/* ------------------------------------------------------------------ DANE */

static void dane_ee_matches_whatever_the_certificate_says(void)
{
    make_world();
    static const unsigned char kinds[][2] = {{0, 0}, {0, 1}, {0, 2}, {1, 0}, {1, 1}, {1, 2}};
    const test_identity *expired = under(other_root, "expired.example.org", true);
    glue_chains *chains = chain_with(expired, "");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        glue_tlsa record = record_of(expired, 3, kinds[i][0], kinds[i][1]);
        glue_snapshot s = meet_record(chains, record, "mx.example.com");
        expect_match(s, GLUE_MATCH_TLSA, 0);
        EXPECT_HAS(s.match.value, testlib_text("3 %d %d ", kinds[i][0], kinds[i][1]));
        EXPECT_STR(s.match.peername, "");
        EXPECT(!s.match.public_key && !s.match.raw_public_key);
    }
    expect_match(meet_record(self_signed, record_of(lone, 3, 1, 1), NULL), GLUE_MATCH_TLSA, 0);
    glue_chains_free(chains);
}

static void the_matched_record_is_told_in_hex(void)
{
    make_world();
    glue_tlsa record = record_of(lone, 3, 1, 1);
    glue_snapshot s = meet_record(self_signed, record, NULL);
    EXPECT_INT(strlen(s.match.value), 6 + 64);
    EXPECT_HAS(s.match.value, testlib_text("3 1 1 %02X%02X", record.data[0], record.data[1]));
    s = meet_record(self_signed, record_of(lone, 3, 0, 0), NULL);
    EXPECT_INT(strlen(s.match.value), 6 + 64 + 3 + 64);
    EXPECT_HAS(s.match.value, "...");
    s = meet_record(self_signed, record_of(lone, 3, 1, 2), NULL);
    EXPECT_INT(strlen(s.match.value), 6 + 128);
}

static void a_record_of_another_key_does_not_match(void)
{
    make_world();
    glue_tlsa record = record_of(leaf, 3, 1, 1);
    expect_fault(meet_record(self_signed, record, NULL), "Untrusted", X509_V_ERR_DANE_NO_MATCH, 0);
}

static void dane_ta_matches_an_issuer_and_wants_a_name(void)
{
    make_world();
    expect_match(meet_record(issued, record_of(issuer, 2, 0, 1), "mx.example.com"), GLUE_MATCH_TLSA,
                 1);
    glue_snapshot s = meet_record(issued, record_of(issuer, 2, 1, 1), "mx.example.com");
    expect_match(s, GLUE_MATCH_TLSA, 1);
    EXPECT_STR(s.match.peername, "mx.example.com");
    expect_match(meet_record(with_issuer, record_of(root, 2, 0, 1), "mx.example.com"),
                 GLUE_MATCH_TLSA, 2);
    expect_fault(meet_record(issued, record_of(issuer, 2, 0, 1), "other.example.com"), "Trusted",
                 X509_V_ERR_HOSTNAME_MISMATCH, 0);
    expect_fault(meet_record(issued, record_of(issuer, 2, 0, 1), NULL), "Untrusted",
                 X509_V_ERR_UNSPECIFIED, 0);
}

static void a_ta_that_is_not_sent_is_found_in_full_records_only(void)
{
    make_world();
    expect_match(meet_record(issued, record_of(root, 2, 0, 0), "mx.example.com"), GLUE_MATCH_TLSA,
                 2);
    glue_snapshot s = meet_record(issued, record_of(root, 2, 1, 0), "mx.example.com");
    expect_match(s, GLUE_MATCH_TLSA, 1);
    EXPECT(s.match.public_key);
    expect_fault(meet_record(issued, record_of(root, 2, 0, 1), "mx.example.com"), "Untrusted",
                 X509_V_ERR_DANE_NO_MATCH, 1);
}

static void dane_ta_wants_dates(void)
{
    make_world();
    const test_identity *old = under(root, "mx.example.com", true);
    glue_chains *chains = chain_with(old, "");
    expect_fault(meet_record(chains, record_of(root, 2, 0, 0), "mx.example.com"), "Untrusted",
                 X509_V_ERR_CERT_HAS_EXPIRED, 0);
    glue_chains_free(chains);
}

static void pkix_usages_augment_the_trusted_cas(void)
{
    make_world();
    glue_tlsa records[2] = {record_of(root, 0, 0, 1), record_of(leaf, 1, 1, 1)};
    const char *name = "mx.example.com";
    for (size_t i = 0; i < 2; i++) {
        meeting how = {.ca_file = root_file,
                       .auth = {.names = &name,
                                .name_count = 1,
                                .tlsa = &records[i],
                                .tlsa_count = 1,
                                .must_match = true}};
        expect_match(meet(&how), GLUE_MATCH_TLSA, i == 0 ? 2 : 0);
        how.ca_file = other_root_file;
        EXPECT_STR(meet(&how).status, "Untrusted");
        how.ca_file = root_file;
        how.server = self_signed;
        EXPECT_STR(meet(&how).status, "Untrusted");
    }
}

static void the_strongest_digest_decides(void)
{
    make_world();
    glue_tlsa records[2] = {record_of(lone, 3, 1, 1), record_of(leaf, 3, 1, 2)};
    expect_fault(meet_records(self_signed, records, 2, NULL), "Untrusted", X509_V_ERR_DANE_NO_MATCH,
                 0);
    static const glue_dane_digest turned[] = {{"sha256", 1}, {"sha512", 2}};
    meeting how = {.server = self_signed,
                   .auth = {.tlsa = records, .tlsa_count = 2, .must_match = true},
                   .digests = turned,
                   .digest_count = 2};
    expect_match(meet(&how), GLUE_MATCH_TLSA, 0);
}

static void only_listed_digests_are_usable(void)
{
    make_world();
    static const glue_dane_digest own[] = {{"sha384", 7}};
    glue_tlsa record = record_of(lone, 3, 1, 1);
    unsigned char *der = NULL;
    unsigned char sum[64];
    size_t len = (size_t)i2d_PUBKEY(lone->key, &der);
    EVP_Q_digest(NULL, "SHA384", NULL, der, len, sum, &len);
    OPENSSL_free(der);
    meeting how = {.server = self_signed,
                   .auth = {.tlsa = &record, .tlsa_count = 1, .must_match = true},
                   .digests = own,
                   .digest_count = 1};
    expect_fault(meet(&how), "Untrusted", X509_V_ERR_UNSPECIFIED, 0);
    record = (glue_tlsa){3, 1, 7, sum, len};
    expect_match(meet(&how), GLUE_MATCH_TLSA, 0);
}

static void an_unknown_digest_is_an_error(void)
{
    glue_error err;
    static const glue_dane_digest bad[] = {{"sha257", 3}};
    glue_context_props props = testlib_props(GLUE_CLIENT);
    props.dane_digests = bad;
    props.dane_digest_count = 1;
    EXPECT(glue_context_new(&props, &err) == NULL);
    EXPECT_ERROR(&err, GLUE_E_BAD_DIGEST);
    EXPECT_HAS(err.message, "\"sha257\" not found");
}

/* ------------------------------------------------------------------ unusable records */

static const unsigned char junk[] = {0x00, 0x11, 0x22, 0x33};
static const glue_tlsa unusable[] = {
    {3, 5, 1, junk, 4}, {3, 1, 9, junk, 4}, {3, 1, 1, junk, 4},
    {2, 0, 0, junk, 4}, {4, 1, 1, junk, 4}, {3, 1, 0, NULL, 0},
};
#define UNUSABLE_COUNT (sizeof(unusable) / sizeof(unusable[0]))

static void without_a_usable_record_verification_fails(void)
{
    make_world();
    for (size_t i = 0; i < UNUSABLE_COUNT; i++) {
        expect_fault(meet_record(issued, unusable[i], "mx.example.com"), "Untrusted",
                     X509_V_ERR_UNSPECIFIED, 0);
        EXPECT_INT(notice_count, 2);
        EXPECT_INT(notices[0], GLUE_NOTICE_TLSA_UNUSABLE);
        EXPECT_INT(notices[1], GLUE_NOTICE_TLSA_NONE);
    }
    meet_record(issued, (glue_tlsa){3, 5, 9, junk, 4}, NULL);
    EXPECT_STR(notice_text, "3 5 9 00112233");
}

static void opportunistic_dane_falls_back_to_encryption(void)
{
    make_world();
    const char *name = "other.example.com";
    meeting how = {.auth = {.tlsa = unusable,
                            .tlsa_count = UNUSABLE_COUNT,
                            .names = &name,
                            .name_count = 1,
                            .must_match = true,
                            .encrypt_if_unusable = true}};
    glue_snapshot s = meet(&how);
    expect_fault(s, "Untrusted", X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, 1);
    EXPECT(s.tlsa_fallback);
    EXPECT_INT(notice_count, UNUSABLE_COUNT + 1);
    EXPECT_INT(notices[UNUSABLE_COUNT], GLUE_NOTICE_TLSA_FALLBACK);
    how.ca_file = root_file;
    EXPECT_STR(meet(&how).status, "Trusted");
}

static void one_usable_record_is_enough_to_decide(void)
{
    make_world();
    glue_tlsa records[2] = {unusable[0], record_of(lone, 3, 1, 1)};
    meeting how = {
        .server = self_signed,
        .auth = {
            .tlsa = records, .tlsa_count = 2, .must_match = true, .encrypt_if_unusable = true}};
    glue_snapshot s = meet(&how);
    expect_match(s, GLUE_MATCH_TLSA, 0);
    EXPECT(!s.tlsa_fallback);
    how.server = issued;
    expect_fault(meet(&how), "Untrusted", X509_V_ERR_DANE_NO_MATCH, 0);
}

/* ------------------------------------------------------------------ other levels */

static void half_dane_is_trusted_at_most(void)
{
    make_world();
    glue_tlsa record = record_of(lone, 3, 1, 1);
    meeting how = {.server = self_signed,
                   .auth = {.tlsa = &record,
                            .tlsa_count = 1,
                            .must_match = true,
                            .half_dane = true,
                            .encrypt_if_unusable = true}};
    glue_snapshot s = meet(&how);
    EXPECT_STR(s.status, "Trusted");
    EXPECT_INT(s.match.kind, GLUE_MATCH_TLSA);
    how.server = issued;
    EXPECT_STR(meet(&how).status, "Untrusted");
}

static void a_forced_failure_fails_with_the_best_of_certificates(void)
{
    make_world();
    const char *name = "mx.example.com";
    meeting how = {
        .ca_file = root_file,
        .auth = {.names = &name, .name_count = 1, .must_match = true, .forced_failure = true}};
    glue_snapshot s = meet(&how);
    expect_fault(s, "Untrusted", X509_V_ERR_UNSPECIFIED, 0);
    EXPECT_STR(s.verify_text, "unspecified certificate verification error");
}

static void nothing_is_matched_where_nothing_must(void)
{
    make_world();
    const char *name = "other.example.com";
    glue_tlsa record = record_of(lone, 3, 1, 1);
    meeting how = {.ca_file = root_file,
                   .auth = {.names = &name, .name_count = 1, .tlsa = &record, .tlsa_count = 1}};
    glue_snapshot s = meet(&how);
    EXPECT_STR(s.status, "Trusted");
    EXPECT_INT(s.match.kind, GLUE_MATCH_NONE);
}

static void a_name_that_need_not_match_is_noted(void)
{
    make_world();
    const char *name = "other.example.com";
    meeting how = {.ca_file = root_file, .auth = {.names = &name, .name_count = 1}};
    glue_snapshot s = meet(&how);
    EXPECT_STR(s.status, "Trusted");
    EXPECT_INT(s.verify_code, X509_V_ERR_HOSTNAME_MISMATCH);
    name = "mx.example.com";
    s = meet(&how);
    EXPECT_STR(s.status, "Trusted");
    EXPECT_INT(s.verify_code, X509_V_OK);
    how.ca_file = NULL;
    s = meet(&how);
    EXPECT_STR(s.status, "Untrusted");
    EXPECT(s.verify_code != X509_V_ERR_HOSTNAME_MISMATCH);
}

static void a_fingerprint_is_of_the_certificate_or_its_key(void)
{
    make_world();
    glue_tlsa records[2] = {record_of(lone, 3, 0, 255), record_of(leaf, 3, 1, 255)};
    glue_snapshot s = meet_records(self_signed, records, 2, NULL);
    expect_match(s, GLUE_MATCH_FINGERPRINT, 0);
    EXPECT_INT(strlen(s.match.value), 64);
    EXPECT(strchr(s.match.value, ' ') == NULL);
    expect_match(meet_records(issued, records, 2, NULL), GLUE_MATCH_FINGERPRINT, 0);
    expect_fault(meet_records(issued, records, 1, NULL), "Untrusted", X509_V_ERR_DANE_NO_MATCH, 0);
}

static void a_fingerprint_is_of_the_configured_digest(void)
{
    make_world();
    unsigned char *der = NULL;
    unsigned char sum[64];
    size_t len = (size_t)i2d_X509(lone->cert, &der);
    EVP_Q_digest(NULL, "SHA1", NULL, der, len, sum, &len);
    OPENSSL_free(der);
    glue_tlsa record = {3, 0, 255, sum, len};
    meeting how = {.server = self_signed,
                   .auth = {.tlsa = &record, .tlsa_count = 1, .must_match = true},
                   .digest = "sha1"};
    expect_match(meet(&how), GLUE_MATCH_FINGERPRINT, 0);
    how.digest = "sha256";
    expect_fault(meet(&how), "Untrusted", X509_V_ERR_UNSPECIFIED, 0);
}

static void raw_public_keys_match_by_record_and_by_fingerprint(void)
{
    make_world();
    for (unsigned char type = 1; type != 0; type = type == 1 ? 255 : 0) {
        glue_tlsa record = record_of(lone, 3, 1, type);
        meeting how = {
            .server = self_signed,
            .auth = {.tlsa = &record, .tlsa_count = 1, .must_match = true, .request_rpk = true}};
        for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
            how.version = version;
            glue_snapshot s = meet(&how);
            expect_match(s, type == 1 ? GLUE_MATCH_TLSA : GLUE_MATCH_FINGERPRINT, 0);
            EXPECT_INT(s.peer, GLUE_PEER_RPK);
            EXPECT(s.match.raw_public_key);
        }
        how.server = issued;
        expect_fault(meet(&how), "Untrusted", X509_V_ERR_DANE_NO_MATCH, 0);
        how.auth.forced_failure = true;
        expect_fault(meet(&how), "Untrusted", X509_V_ERR_UNSPECIFIED, 0);
    }
}

static void a_raw_public_key_without_records_is_not_trusted(void)
{
    make_world();
    const char *name = "mx.example.com";
    meeting how = {
        .ca_file = root_file,
        .auth = {.names = &name, .name_count = 1, .must_match = true, .request_rpk = true}};
    expect_fault(meet(&how), "Untrusted", X509_V_ERR_RPK_UNTRUSTED, 0);
}

/* ------------------------------------------------------------------ trust anchors */

static glue_snapshot meet_anchor(glue_chains *server, const char *file, const char *name)
{
    meeting how = {.server = server,
                   .ca_file = other_root_file,
                   .auth = {.names = &name,
                            .name_count = 1,
                            .anchor_files = &file,
                            .anchor_file_count = 1,
                            .must_match = true,
                            .request_rpk = true}};
    return meet(&how);
}

static const char *public_key_pem(const test_identity *id)
{
    char *data = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PUBKEY(bio, id->key);
    long len = BIO_get_mem_data(bio, &data);
    const char *text = testlib_text("%.*s", (int)len, data);
    BIO_free(bio);
    return text;
}

static void an_anchor_replaces_the_cas_and_wants_a_name(void)
{
    make_world();
    expect_match(meet_anchor(issued, root_file, "mx.example.com"), GLUE_MATCH_ANCHOR, 2);
    expect_fault(meet_anchor(issued, root_file, "other.example.com"), "Trusted",
                 X509_V_ERR_HOSTNAME_MISMATCH, 0);
    EXPECT_STR(meet_anchor(issued, other_root_file, "mx.example.com").status, "Untrusted");
    const char *file = testlib_file("issuer.pem", testlib_pem_cert(issuer));
    expect_match(meet_anchor(issued, file, "mx.example.com"), GLUE_MATCH_ANCHOR, 1);
}

static void an_anchor_may_be_the_leaf(void)
{
    make_world();
    const char *file = testlib_file("leaf.pem", testlib_pem_cert(leaf));
    glue_snapshot s = meet_anchor(issued, file, "mx.example.com");
    expect_match(s, GLUE_MATCH_ANCHOR, 0);
    EXPECT_INT(s.peer, GLUE_PEER_X509);
    EXPECT_STR(s.match.peername, "mx.example.com");
    expect_fault(meet_anchor(issued, file, "other.example.com"), "Trusted",
                 X509_V_ERR_HOSTNAME_MISMATCH, 0);
}

static void an_anchor_may_be_a_public_key(void)
{
    make_world();
    const char *file = testlib_file("key.pem", public_key_pem(root));
    glue_snapshot s = meet_anchor(issued, file, "mx.example.com");
    expect_match(s, GLUE_MATCH_ANCHOR, 1);
    EXPECT(s.match.public_key);
    file = testlib_file("leaf-key.pem", public_key_pem(leaf));
    expect_match(meet_anchor(issued, file, "mx.example.com"), GLUE_MATCH_ANCHOR, 0);
}

static void other_objects_of_an_anchor_file_are_passed_over(void)
{
    make_world();
    const char *pem = testlib_text("text\n%s%s", testlib_pem_key(lone), testlib_pem_cert(root));
    const char *file = testlib_file("mixed.pem", pem);
    expect_match(meet_anchor(issued, file, "mx.example.com"), GLUE_MATCH_ANCHOR, 2);
}

static void expect_bad_anchors(const char *path, const char *what)
{
    glue_error err;
    glue_auth_props props = {.anchor_files = &path, .anchor_file_count = 1};
    EXPECT(glue_auth_new(&props, &err) == NULL);
    EXPECT_ERROR(&err, GLUE_E_CA_LOAD);
    EXPECT_HAS(err.message, what);
    EXPECT_HAS(err.message, path);
}

static void an_anchor_file_that_cannot_be_used_is_an_error(void)
{
    make_world();
    expect_bad_anchors("/nonexistent/anchor.pem", "cannot be opened");
    expect_bad_anchors(testlib_file("empty.pem", ""), "neither a certificate nor a public key");
    expect_bad_anchors(testlib_file("only-key.pem", testlib_pem_key(lone)), "neither");
    expect_bad_anchors(testlib_file("junk.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n"
                                                "-----END CERTIFICATE-----\n"),
                       "cannot be decoded");
    expect_bad_anchors(testlib_file("cut.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n"),
                       "cannot be read");
}

/* ------------------------------------------------------------------ depth */

static void a_chain_that_is_too_long_is_not_trusted(void)
{
    make_world();
    const test_identity *at = root;
    for (int i = 0; i < 3; i++) {
        test_cert_spec spec = {
            .key = "EC", .cn = testlib_text("deep %d", i), .ca = true, .issuer = at};
        at = testlib_identity(&spec);
    }
    glue_tlsa record = record_of(root, 2, 0, 0);
    const char *name = "mx.example.com";
    meeting how = {.server = chain_with(under(at, name, false), ""),
                   .auth = {.names = &name,
                            .name_count = 1,
                            .tlsa = &record,
                            .tlsa_count = 1,
                            .must_match = true},
                   .verify_depth = 1};
    expect_fault(meet(&how), "Untrusted", X509_V_ERR_CERT_CHAIN_TOO_LONG, 3);
    how.verify_depth = 9;
    expect_match(meet(&how), GLUE_MATCH_TLSA, 4);
    glue_chains_free(how.server);
}

/* ------------------------------------------------------------------ allocation faults */

static bool auth_attempt(glue_error *err)
{
    const char *names[] = {"mx.example.com", ".example.com"};
    glue_tlsa records[] = {{3, 1, 1, junk, 4}, {3, 1, 0, NULL, 0}};
    glue_auth_props props = {.names = names,
                             .name_count = 2,
                             .tlsa = records,
                             .tlsa_count = 2,
                             .anchor_files = &root_file,
                             .anchor_file_count = 1};
    glue_auth *auth = glue_auth_new(&props, err);
    glue_auth_free(auth);
    return auth != NULL;
}

static void lack_of_memory_while_an_auth_is_made_is_an_error(void)
{
    make_world();
    testlib_faults_each(auth_attempt, 1);
}

static glue_context *fault_client;
static glue_auth *fault_auth;
static bool fault_fell_back;

/* Starts only: whoever starts does so with everything in place, or with failure forced. */
static bool start_attempt(glue_error *err)
{
    int fd = -1;
    glue_tls_props tls = GLUE_TLS_PROPS_DEFAULT;
    tls.auth = fault_auth;
    glue_conn *conn = glue_conn_new(fd, err);
    if (conn == NULL) {
        return false;
    }
    bool done = glue_conn_start_tls(conn, fault_client, &tls, err) == GLUE_OK;
    fault_fell_back = fault_fell_back || (done && conn->tlsa_fallback);
    glue_conn_free(conn);
    return done;
}

static void lack_of_memory_is_never_an_unusable_record(void)
{
    make_world();
    glue_error err;
    meeting how = {.ca_file = NULL};
    const char *name = "mx.example.com";
    glue_tlsa records[] = {record_of(root, 2, 0, 0), record_of(root, 2, 1, 0)};
    for (size_t i = 0; i < 2; i++) {
        glue_auth_props props = {.names = &name,
                                 .name_count = 1,
                                 .tlsa = &records[i],
                                 .tlsa_count = 1,
                                 .must_match = true,
                                 .encrypt_if_unusable = true};
        fault_client = client_context(&how);
        fault_auth = glue_auth_new(&props, &err);
        fault_fell_back = false;
        testlib_faults_each(start_attempt, 1);
        EXPECT(!fault_fell_back);
        glue_auth_free(fault_auth);
        glue_context_free(fault_client);
    }
}

static bool context_attempt(glue_error *err)
{
    static const glue_dane_digest digests[] = {{"sha512", 2}, {"sha256", 1}};
    glue_context_props props = testlib_props(GLUE_CLIENT);
    props.dane_digests = digests;
    props.dane_digest_count = 2;
    glue_context *context = glue_context_new(&props, err);
    glue_context_free(context);
    return context != NULL;
}

static void lack_of_memory_while_a_context_is_made_is_an_error(void)
{
    testlib_faults_each(context_attempt, 7);
}

static const test_case cases[] = {
    {"a name of the certificate matches", a_name_of_the_certificate_matches},
    {"another name is Trusted but not Verified", another_name_is_trusted_but_not_verified},
    {"any of several names will do", any_of_several_names_will_do},
    {"a wildcard is one whole label", a_wildcard_is_one_whole_label},
    {"a suffix is any sub-domain but not the domain",
     a_suffix_is_any_sub_domain_but_not_the_domain},
    {"the common name counts only without DNS names",
     the_common_name_counts_only_without_dns_names},
    {"without a usable name verification fails", without_a_usable_name_verification_fails},
    {"a chain that is not trusted says more than its name",
     a_chain_that_is_not_trusted_says_more_than_its_name},
    {"an expired certificate is not trusted", an_expired_certificate_is_not_trusted},
    {"a certificate for clients is not trusted", a_certificate_for_clients_is_not_trusted},
    {"DANE-EE matches whatever the certificate says",
     dane_ee_matches_whatever_the_certificate_says},
    {"the matched record is told in hex", the_matched_record_is_told_in_hex},
    {"a record of another key does not match", a_record_of_another_key_does_not_match},
    {"DANE-TA matches an issuer and wants a name", dane_ta_matches_an_issuer_and_wants_a_name},
    {"a TA that is not sent is found in full records only",
     a_ta_that_is_not_sent_is_found_in_full_records_only},
    {"DANE-TA wants dates", dane_ta_wants_dates},
    {"PKIX usages augment the trusted CAs", pkix_usages_augment_the_trusted_cas},
    {"the strongest digest decides", the_strongest_digest_decides},
    {"only listed digests are usable", only_listed_digests_are_usable},
    {"an unknown digest is an error", an_unknown_digest_is_an_error},
    {"without a usable record verification fails", without_a_usable_record_verification_fails},
    {"opportunistic DANE falls back to encryption", opportunistic_dane_falls_back_to_encryption},
    {"one usable record is enough to decide", one_usable_record_is_enough_to_decide},
    {"half-DANE is Trusted at most", half_dane_is_trusted_at_most},
    {"a forced failure fails with the best of certificates",
     a_forced_failure_fails_with_the_best_of_certificates},
    {"nothing is matched where nothing must", nothing_is_matched_where_nothing_must},
    {"a name that need not match is noted", a_name_that_need_not_match_is_noted},
    {"a fingerprint is of the certificate or its key",
     a_fingerprint_is_of_the_certificate_or_its_key},
    {"a fingerprint is of the configured digest", a_fingerprint_is_of_the_configured_digest},
    {"raw public keys match by record and by fingerprint",
     raw_public_keys_match_by_record_and_by_fingerprint},
    {"a raw public key without records is not trusted",
     a_raw_public_key_without_records_is_not_trusted},
    {"an anchor replaces the CAs and wants a name", an_anchor_replaces_the_cas_and_wants_a_name},
    {"an anchor may be the leaf", an_anchor_may_be_the_leaf},
    {"an anchor may be a public key", an_anchor_may_be_a_public_key},
    {"other objects of an anchor file are passed over",
     other_objects_of_an_anchor_file_are_passed_over},
    {"an anchor file that cannot be used is an error",
     an_anchor_file_that_cannot_be_used_is_an_error},
    {"a chain that is too long is not trusted", a_chain_that_is_too_long_is_not_trusted},
    {"lack of memory while an auth is made is an error",
     lack_of_memory_while_an_auth_is_made_is_an_error},
    {"lack of memory is never an unusable record", lack_of_memory_is_never_an_unusable_record},
    {"lack of memory while a context is made is an error",
     lack_of_memory_while_a_context_is_made_is_an_error},
};

TESTLIB_MAIN(cases)
