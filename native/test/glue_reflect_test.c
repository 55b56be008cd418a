/*
 * glue_reflect_test.c - what a snapshot says of a handshake, on both sides: protocol, cipher,
 * group, signatures, names, fingerprints, resumption.
 */
#include <stdio.h>
#include <string.h>

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "../glue_internal.h"
#include "testlib.h"

static glue_error err;
static const test_identity *ca, *server_ec, *server_rsa, *client_ed25519;
static const char *ca_file;

static void prepare(void)
{
    test_cert_spec root = {.key = "EC", .cn = "Mail CA", .org = "Example", .ca = true};
    ca = testlib_identity(&root);
    ca_file = testlib_file("ca.pem", testlib_pem_cert(ca));
    test_cert_spec ec = {.key = "EC", .cn = "mx.example.com", .issuer = ca};
    server_ec = testlib_identity(&ec);
    test_cert_spec rsa = {.key = "RSA", .cn = "rsa.example.com", .issuer = ca};
    server_rsa = testlib_identity(&rsa);
    test_cert_spec client = {.key = "ED25519", .cn = "client.example.com", .issuer = ca};
    client_ed25519 = testlib_identity(&client);
}

/* One meeting: fill in, meet(), look at the snapshots, meeting_end(). */
typedef struct meeting {
    const test_identity *server_id;
    const test_identity *client_id;
    glue_context_props server_props;
    glue_context_props client_props;
    glue_tls_props tls;
    SSL_SESSION *offer; /* borrowed */
    test_pair pair;
    glue_context *server_context;
    glue_context *client_context;
    glue_snapshot server;
    glue_snapshot client;
} meeting;

static meeting meeting_of(const test_identity *server_id, const test_identity *client_id)
{
    meeting m = {
        .server_id = server_id,
        .client_id = client_id,
        .server_props = testlib_props(GLUE_SERVER),
        .client_props = testlib_props(GLUE_CLIENT),
        .tls = GLUE_TLS_PROPS_DEFAULT,
    };
    m.server_props.ask_client_cert = client_id != NULL;
    return m;
}

static glue_context *context_with(glue_context_props *props, const test_identity *id)
{
    props->chains = id == NULL ? NULL : testlib_chains(id, NULL, NULL);
    glue_context *context = glue_context_new(props, &err);
    glue_chains_free(props->chains);
    EXPECT(context != NULL);
    return context;
}

static bool meet(meeting *m)
{
    if (m->server_context == NULL) {
        m->server_context = context_with(&m->server_props, m->server_id);
        m->client_context = context_with(&m->client_props, m->client_id);
    }
    bool done = testlib_pair_open(&m->pair) &&
                testlib_pair_start(&m->pair, m->server_context, m->client_context, &m->tls);
    if (done && m->offer != NULL) {
        done = SSL_set_session(m->pair.client.conn->ssl, m->offer) == 1;
    }
    done = done && testlib_pair_drive(&m->pair) &&
           glue_conn_snapshot(m->pair.server.conn, &m->server) &&
           glue_conn_snapshot(m->pair.client.conn, &m->client);
    return EXPECT(done);
}

static void meeting_end(meeting *m)
{
    testlib_pair_close(&m->pair);
    glue_context_free(m->server_context);
    glue_context_free(m->client_context);
}

static void expect_signature(const glue_signature *got, const char *algorithm, const char *curve,
                             int bits, const char *digest, bool raw)
{
    EXPECT_STR(got->algorithm, algorithm);
    EXPECT_STR(got->curve, curve);
    EXPECT_INT(got->bits, bits);
    EXPECT_STR(got->digest, digest);
    EXPECT_INT(got->raw_public_key, raw);
}

static void expect_no_signature(const glue_signature *got)
{
    expect_signature(got, "", "", 0, "", false);
}

/* ------------------------------------------------------------------ protocol, cipher, group */

static void tls13_tells_everything_to_both_sides(void)
{
    meeting m = meeting_of(server_ec, NULL);
    if (meet(&m)) {
        const glue_snapshot *sides[] = {&m.server, &m.client};
        for (size_t i = 0; i < 2; i++) {
            EXPECT_STR(sides[i]->protocol, "TLSv1.3");
            EXPECT_STR(sides[i]->cipher, "TLS_AES_256_GCM_SHA384");
            EXPECT_INT(sides[i]->cipher_used_bits, 256);
            EXPECT_INT(sides[i]->cipher_algorithm_bits, 256);
            EXPECT_STR(sides[i]->mac, "");
            EXPECT_STR(sides[i]->group, "X25519MLKEM768");
            EXPECT(!sides[i]->resumed && !sides[i]->ticket);
            expect_signature(&sides[i]->server, "ECDSA", "prime256v1", 0, "SHA256", false);
            expect_no_signature(&sides[i]->client);
        }
        EXPECT_STR(m.server.status, "Anonymous");
        EXPECT_INT(m.server.peer, GLUE_PEER_NONE);
        EXPECT_INT(m.server.verify_code, X509_V_OK);
        EXPECT_STR(m.server.verify_text, "");
        EXPECT_STR(m.client.status, "Untrusted");
        EXPECT_INT(m.client.peer, GLUE_PEER_X509);
    }
    meeting_end(&m);
}

static void tls12_has_a_group_but_no_signatures(void)
{
    meeting m = meeting_of(server_rsa, NULL);
    m.client_props.protocols.ceiling = TLS1_2_VERSION;
    m.client_props.cipher_list = "ECDHE-RSA-AES256-GCM-SHA384";
    m.client_props.groups = "P-384";
    if (meet(&m)) {
        EXPECT_STR(m.server.protocol, "TLSv1.2");
        EXPECT_STR(m.server.cipher, "ECDHE-RSA-AES256-GCM-SHA384");
        EXPECT_STR(m.server.mac, "");
        EXPECT_STR(m.server.group, "secp384r1");
        EXPECT_STR(m.client.group, "secp384r1");
        expect_no_signature(&m.server.server);
        expect_no_signature(&m.client.server);
    }
    meeting_end(&m);
}

static void a_cipher_with_a_mac_of_its_own_tells_it(void)
{
    meeting m = meeting_of(server_rsa, NULL);
    m.client_props.protocols.ceiling = TLS1_2_VERSION;
    m.client_props.cipher_list = "AES128-SHA256";
    if (meet(&m)) {
        EXPECT_STR(m.client.cipher, "AES128-SHA256");
        EXPECT_INT(m.client.cipher_used_bits, 128);
        EXPECT_STR(m.client.mac, "SHA256");
        /* RSA key transport: no group. */
        EXPECT_STR(m.client.group, "");
        EXPECT_STR(m.server.group, "");
    }
    meeting_end(&m);
}

/* ------------------------------------------------------------------ signatures */

static void expect_server_signature(const test_identity *id, const char *algorithm,
                                    const char *curve, int bits, const char *digest)
{
    meeting m = meeting_of(id, NULL);
    if (meet(&m)) {
        expect_signature(&m.server.server, algorithm, curve, bits, digest, false);
        expect_signature(&m.client.server, algorithm, curve, bits, digest, false);
    }
    meeting_end(&m);
}

static void each_algorithm_has_its_own_words(void)
{
    expect_server_signature(server_rsa, "RSA-PSS", "", 2048, "SHA256");
    expect_server_signature(server_ec, "ECDSA", "prime256v1", 0, "SHA256");
    expect_server_signature(testlib_self_signed("P-384", "a"), "ECDSA", "secp384r1", 0, "SHA384");
    expect_server_signature(testlib_self_signed("ED25519", "a"), "ED25519", "", 0, "");
    expect_server_signature(testlib_self_signed("ED448", "a"), "ED448", "", 0, "");
    expect_server_signature(testlib_self_signed("ML-DSA-65", "a"), "ML-DSA-65", "", 0, "");
}

static void the_client_signs_only_when_it_has_a_certificate(void)
{
    meeting m = meeting_of(server_ec, client_ed25519);
    if (meet(&m)) {
        expect_signature(&m.server.server, "ECDSA", "prime256v1", 0, "SHA256", false);
        expect_signature(&m.server.client, "ED25519", "", 0, "", false);
        expect_signature(&m.client.server, "ECDSA", "prime256v1", 0, "SHA256", false);
        expect_signature(&m.client.client, "ED25519", "", 0, "", false);
    }
    meeting_end(&m);
    m = meeting_of(server_ec, NULL);
    m.server_props.ask_client_cert = true;
    if (meet(&m)) {
        expect_no_signature(&m.server.client);
        expect_no_signature(&m.client.client);
    }
    meeting_end(&m);
    /* Not asked for: what it has is not used. */
    m = meeting_of(server_ec, client_ed25519);
    m.server_props.ask_client_cert = false;
    if (meet(&m)) {
        expect_no_signature(&m.server.client);
        expect_no_signature(&m.client.client);
    }
    meeting_end(&m);
}

/* ------------------------------------------------------------------ raw public keys */

static void raw_keys_have_a_fingerprint_and_no_name(void)
{
    meeting m = meeting_of(server_ec, client_ed25519);
    m.server_props.ca_file = ca_file;
    m.server_props.enable_rpk = true;
    m.client_props.ca_file = ca_file;
    m.client_props.enable_rpk = true;
    if (meet(&m)) {
        const glue_snapshot *sides[] = {&m.server, &m.client};
        for (size_t i = 0; i < 2; i++) {
            EXPECT_INT(sides[i]->peer, GLUE_PEER_RPK);
            EXPECT_STR(sides[i]->status, "Untrusted");
            EXPECT_STR(sides[i]->peer_cert_fingerprint, "");
            EXPECT_INT(strlen(sides[i]->peer_pkey_fingerprint), 95);
            EXPECT_STR(sides[i]->peer_subject, "");
            EXPECT_STR(sides[i]->peer_issuer, "");
            EXPECT_INT(sides[i]->verify_code, X509_V_ERR_RPK_UNTRUSTED);
            expect_signature(&sides[i]->server, "ECDSA", "prime256v1", 0, "SHA256", true);
            expect_signature(&sides[i]->client, "ED25519", "", 0, "", true);
        }
    }
    meeting_end(&m);
}

static void one_side_may_be_raw(void)
{
    meeting m = meeting_of(server_rsa, client_ed25519);
    m.client_props.enable_rpk = true;
    if (meet(&m)) {
        EXPECT_INT(m.client.peer, GLUE_PEER_RPK);
        EXPECT_INT(m.server.peer, GLUE_PEER_X509);
        expect_signature(&m.server.server, "RSA-PSS", "", 2048, "SHA256", true);
        expect_signature(&m.server.client, "ED25519", "", 0, "", false);
        expect_signature(&m.client.server, "RSA-PSS", "", 2048, "SHA256", true);
        expect_signature(&m.client.client, "ED25519", "", 0, "", false);
    }
    meeting_end(&m);
}

static void a_key_has_the_same_fingerprint_raw_and_in_a_certificate(void)
{
    char raw[200] = "";
    meeting m = meeting_of(server_ec, NULL);
    m.client_props.enable_rpk = true;
    if (meet(&m)) {
        memcpy(raw, m.client.peer_pkey_fingerprint, sizeof(raw));
    }
    meeting_end(&m);
    m = meeting_of(server_ec, NULL);
    if (meet(&m)) {
        EXPECT_STR(m.client.peer_pkey_fingerprint, raw);
    }
    meeting_end(&m);
}

/* ------------------------------------------------------------------ fingerprints and names */

static void fingerprints_are_of_certificate_and_key(void)
{
    char want[200];
    unsigned char *der = NULL;
    meeting m = meeting_of(server_ec, NULL);
    m.client_props.digest = "sha512";
    if (meet(&m)) {
        EVP_MD *md = EVP_MD_fetch(NULL, "sha512", NULL);
        int len = i2d_X509(server_ec->cert, &der);
        EXPECT(glue_digest_hex(md, der, (size_t)len, want, sizeof(want)));
        EXPECT_STR(m.client.peer_cert_fingerprint, want);
        OPENSSL_free(der);
        der = NULL;
        len = i2d_PUBKEY(server_ec->key, &der);
        EXPECT(glue_digest_hex(md, der, (size_t)len, want, sizeof(want)));
        EXPECT_STR(m.client.peer_pkey_fingerprint, want);
        OPENSSL_free(der);
        EVP_MD_free(md);
    }
    meeting_end(&m);
}

static void names_are_told_of_the_trusted_only(void)
{
    meeting m = meeting_of(server_ec, client_ed25519);
    m.server_props.ca_file = ca_file;
    if (meet(&m)) {
        EXPECT_STR(m.server.status, "Trusted");
        EXPECT_STR(m.server.peer_subject, "client.example.com");
        EXPECT_STR(m.server.peer_issuer, "Mail CA");
        EXPECT_INT(m.server.verify_code, X509_V_OK);
        EXPECT_STR(m.client.status, "Untrusted");
        EXPECT_STR(m.client.peer_subject, "");
        EXPECT_STR(m.client.peer_issuer, "");
        EXPECT(m.client.verify_code != X509_V_OK && m.client.verify_text[0] != '\0');
    }
    meeting_end(&m);
}

static void names_are_claimed_by_all_certificates(void)
{
    glue_claims claims;
    meeting m = meeting_of(server_ec, client_ed25519);
    if (meet(&m)) {
        EXPECT(glue_conn_claims(m.pair.server.conn, &claims));
        EXPECT_STR(m.server.status, "Untrusted");
        EXPECT_STR(claims.subject, "client.example.com");
        EXPECT_STR(claims.issuer, "Mail CA");
        EXPECT_HAS(claims.untrusted_issuer, "/CN=Mail CA");
    }
    meeting_end(&m);
    m = meeting_of(server_ec, client_ed25519);
    m.server_props.ca_file = ca_file;
    if (meet(&m)) {
        EXPECT(glue_conn_claims(m.pair.server.conn, &claims));
        EXPECT_STR(m.server.status, "Trusted");
        EXPECT_STR(claims.subject, "client.example.com");
        EXPECT_STR(claims.untrusted_issuer, "");
    }
    meeting_end(&m);
}

static void without_a_certificate_nothing_is_claimed(void)
{
    glue_claims claims = {.subject = "x"};
    meeting m = meeting_of(server_ec, NULL);
    m.server_context = context_with(&m.server_props, m.server_id);
    m.client_context = context_with(&m.client_props, NULL);
    EXPECT(testlib_pair_open(&m.pair) &&
           testlib_pair_start(&m.pair, m.server_context, m.client_context, NULL));
    EXPECT(!glue_conn_claims(m.pair.server.conn, &claims));
    EXPECT_STR(claims.subject, "");
    EXPECT(testlib_pair_drive(&m.pair));
    EXPECT(!glue_conn_claims(m.pair.server.conn, &claims));
    EXPECT(glue_conn_claims(m.pair.client.conn, &claims));
    meeting_end(&m);
    m = meeting_of(server_ec, client_ed25519);
    m.server_props.enable_rpk = true;
    if (meet(&m)) {
        EXPECT_INT(m.server.peer, GLUE_PEER_RPK);
        EXPECT(!glue_conn_claims(m.pair.server.conn, &claims));
    }
    meeting_end(&m);
}

/* The subject and issuer a trusting client sees of this certificate. */
static void expect_names(const test_cert_spec *spec, const char *host, const char *subject,
                         const char *issuer)
{
    meeting m = meeting_of(testlib_identity(spec), NULL);
    const test_identity *root = spec->issuer == NULL ? m.server_id : spec->issuer;
    m.client_props.ca_file = testlib_file("root.pem", testlib_pem_cert(root));
    m.client_context = context_with(&m.client_props, NULL);
    m.server_context = context_with(&m.server_props, m.server_id);
    EXPECT(testlib_pair_open(&m.pair) &&
           testlib_pair_start(&m.pair, m.server_context, m.client_context, NULL));
    if (host != NULL) {
        SSL_set1_host(m.pair.client.conn->ssl, host);
    }
    EXPECT(testlib_pair_drive(&m.pair));
    EXPECT(glue_conn_snapshot(m.pair.client.conn, &m.client));
    EXPECT_STR(m.client.status, "Trusted");
    EXPECT_STR(m.client.peer_subject, subject);
    EXPECT_STR(m.client.peer_issuer, issuer);
    meeting_end(&m);
}

static void without_a_cn_the_name_that_matched_is_told(void)
{
    test_cert_spec spec = {.key = "EC", .org = "x", .dns = "san.example.com", .issuer = ca};
    expect_names(&spec, "san.example.com", "san.example.com", "Mail CA");
    expect_names(&spec, NULL, "", "Mail CA");
}

static void without_an_issuer_cn_its_organisation_is_told(void)
{
    test_cert_spec root = {.key = "EC", .org = "Only Organisation", .ca = true};
    test_cert_spec spec = {.key = "EC", .cn = "a.example.com", .issuer = testlib_identity(&root)};
    expect_names(&spec, NULL, "a.example.com", "Only Organisation");
}

static void names_become_utf8(void)
{
    test_cert_spec spec = {
        .key = "EC", .cn = "m\xfcller", .cn_type = V_ASN1_T61STRING, .issuer = ca};
    expect_names(&spec, NULL, "m\xc3\xbcller", "Mail CA");
}

static void names_that_cannot_be_logged_are_left_out(void)
{
    test_cert_spec nul = {.key = "EC", .cn = "good\0evil", .cn_len = 9, .issuer = ca};
    expect_names(&nul, NULL, "", "Mail CA");
    test_cert_spec control = {.key = "EC", .cn = "a\nb", .issuer = ca};
    expect_names(&control, NULL, "", "Mail CA");
}

/* ------------------------------------------------------------------ server names */

static const char *sni_seen(bool acknowledge, const char *sni, bool of_client)
{
    static char seen[256];
    meeting m = meeting_of(server_ec, NULL);
    m.server_props.acknowledge_sni = acknowledge;
    m.tls.sni = sni;
    seen[0] = '\0';
    if (meet(&m)) {
        snprintf(seen, sizeof(seen), "%s", of_client ? m.client.sni : m.server.sni);
    }
    meeting_end(&m);
    return seen;
}

static void a_server_name_is_told_where_names_are_used(void)
{
    EXPECT_STR(sni_seen(true, "mx.example.com", false), "mx.example.com");
    EXPECT_STR(sni_seen(false, "mx.example.com", false), "");
    EXPECT_STR(sni_seen(true, NULL, false), "");
    EXPECT_STR(sni_seen(true, "not a name", false), "");
}

static void a_client_tells_the_server_name_that_it_sent(void)
{
    EXPECT_STR(sni_seen(true, "mx.example.com", true), "mx.example.com");
    EXPECT_STR(sni_seen(false, "mx.example.com", true), "mx.example.com");
    EXPECT_STR(sni_seen(true, NULL, true), "");
}

/* ------------------------------------------------------------------ resumption */

static SSL_SESSION *kept_session;

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(kept_session);
    kept_session = session;
    return 1;
}

/* Meets twice, the second time with the first's session. */
static bool meet_again(meeting *m)
{
    m->server_context = context_with(&m->server_props, m->server_id);
    m->client_context = context_with(&m->client_props, m->client_id);
    SSL_CTX_set_session_cache_mode(m->client_context->ctx,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(m->client_context->ctx, keep_session);
    bool done = meet(m) && EXPECT(testlib_pair_talk(&m->pair, "220 hello"));
    testlib_pair_close(&m->pair);
    m->offer = kept_session;
    done = done && meet(m);
    SSL_SESSION_free(kept_session);
    kept_session = NULL;
    return done;
}

static void a_resumed_tls13_session_has_a_group_and_no_signatures(void)
{
    meeting m = meeting_of(server_ec, client_ed25519);
    m.server_props.ca_file = ca_file;
    m.client_props.ca_file = ca_file;
    if (meet_again(&m)) {
        const glue_snapshot *sides[] = {&m.server, &m.client};
        for (size_t i = 0; i < 2; i++) {
            EXPECT(sides[i]->resumed && sides[i]->ticket);
            EXPECT_STR(sides[i]->group, "X25519MLKEM768");
            expect_no_signature(&sides[i]->server);
            expect_no_signature(&sides[i]->client);
            EXPECT_STR(sides[i]->status, "Trusted");
            EXPECT_INT(strlen(sides[i]->peer_cert_fingerprint), 95);
        }
        EXPECT_STR(m.server.peer_subject, "client.example.com");
        EXPECT_STR(m.client.peer_subject, "mx.example.com");
    }
    meeting_end(&m);
}

static void a_resumed_tls12_session_is_told_by_ticket(void)
{
    meeting m = meeting_of(server_ec, NULL);
    m.client_props.protocols.ceiling = TLS1_2_VERSION;
    m.tls.sni = "mx.example.com";
    if (meet_again(&m)) {
        EXPECT(m.server.resumed && m.server.ticket);
        EXPECT(m.client.resumed && m.client.ticket);
        EXPECT_STR(m.client.sni, "mx.example.com");
        EXPECT_STR(m.client.protocol, "TLSv1.2");
    }
    meeting_end(&m);
}

static void a_resumption_remembers_that_nothing_was_trusted(void)
{
    meeting m = meeting_of(server_ec, client_ed25519);
    if (meet_again(&m)) {
        EXPECT_STR(m.server.status, "Untrusted");
        EXPECT_INT(m.server.verify_code, X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE);
        EXPECT(m.server.verify_text[0] != '\0');
        EXPECT_STR(m.client.status, "Untrusted");
    }
    meeting_end(&m);
}

static void a_resumed_raw_key_stays_raw(void)
{
    meeting m = meeting_of(server_ec, client_ed25519);
    m.server_props.enable_rpk = true;
    m.client_props.enable_rpk = true;
    if (meet_again(&m)) {
        EXPECT(m.server.resumed && m.client.resumed);
        EXPECT_INT(m.server.peer, GLUE_PEER_RPK);
        EXPECT_INT(m.client.peer, GLUE_PEER_RPK);
        EXPECT_INT(strlen(m.server.peer_pkey_fingerprint), 95);
        EXPECT_STR(m.server.status, "Untrusted");
    }
    meeting_end(&m);
}

/* ------------------------------------------------------------------ states and faults */

static void there_is_no_snapshot_before_the_handshake_is_complete(void)
{
    glue_snapshot snapshot;
    meeting m = meeting_of(server_ec, NULL);
    m.server_context = context_with(&m.server_props, m.server_id);
    m.client_context = context_with(&m.client_props, NULL);
    EXPECT(testlib_pair_open(&m.pair));
    EXPECT(!glue_conn_snapshot(m.pair.server.conn, &snapshot));
    EXPECT_STR(snapshot.status, "Anonymous");
    EXPECT(testlib_pair_start(&m.pair, m.server_context, m.client_context, NULL));
    EXPECT(!glue_conn_snapshot(m.pair.server.conn, &snapshot));
    EXPECT(testlib_pair_drive(&m.pair));
    EXPECT(glue_conn_snapshot(m.pair.server.conn, &snapshot));
    meeting_end(&m);
}

static meeting fault_meeting;

/* Lack of memory leaves fields empty; there is no error to report. */
static bool snapshot_attempt(glue_error *error)
{
    glue_snapshot snapshot;
    glue_claims claims;
    (void)error;
    EXPECT(glue_conn_claims(fault_meeting.pair.client.conn, &claims));
    EXPECT(glue_conn_snapshot(fault_meeting.pair.client.conn, &snapshot));
    EXPECT_STR(snapshot.protocol, "TLSv1.3");
    EXPECT_STR(snapshot.status, "Trusted");
    return true;
}

static void no_allocation_that_fails_does_harm(void)
{
    fault_meeting = meeting_of(server_ec, NULL);
    fault_meeting.client_props.ca_file = ca_file;
    if (meet(&fault_meeting)) {
        testlib_faults_each(snapshot_attempt, 1);
    }
    meeting_end(&fault_meeting);
}

static const test_case cases[] = {
    {"TLS 1.3 tells everything to both sides", tls13_tells_everything_to_both_sides},
    {"TLS 1.2 has a group but no signatures", tls12_has_a_group_but_no_signatures},
    {"a cipher with a MAC of its own tells it", a_cipher_with_a_mac_of_its_own_tells_it},
    {"each algorithm has its own words", each_algorithm_has_its_own_words},
    {"the client signs only when it has a certificate",
     the_client_signs_only_when_it_has_a_certificate},
    {"raw keys have a fingerprint and no name", raw_keys_have_a_fingerprint_and_no_name},
    {"one side may be raw", one_side_may_be_raw},
    {"a key has the same fingerprint raw and in a certificate",
     a_key_has_the_same_fingerprint_raw_and_in_a_certificate},
    {"fingerprints are of certificate and key", fingerprints_are_of_certificate_and_key},
    {"names are told of the trusted only", names_are_told_of_the_trusted_only},
    {"names are claimed by all certificates", names_are_claimed_by_all_certificates},
    {"without a certificate nothing is claimed", without_a_certificate_nothing_is_claimed},
    {"without a CN the name that matched is told", without_a_cn_the_name_that_matched_is_told},
    {"without an issuer CN its organisation is told",
     without_an_issuer_cn_its_organisation_is_told},
    {"names become UTF-8", names_become_utf8},
    {"names that cannot be logged are left out", names_that_cannot_be_logged_are_left_out},
    {"a server name is told where names are used", a_server_name_is_told_where_names_are_used},
    {"a client tells the server name that it sent", a_client_tells_the_server_name_that_it_sent},
    {"a resumed TLS 1.3 session has a group and no signatures",
     a_resumed_tls13_session_has_a_group_and_no_signatures},
    {"a resumed TLS 1.2 session is told by ticket", a_resumed_tls12_session_is_told_by_ticket},
    {"a resumption remembers that nothing was trusted",
     a_resumption_remembers_that_nothing_was_trusted},
    {"a resumed raw key stays raw", a_resumed_raw_key_stays_raw},
    {"there is no snapshot before the handshake is complete",
     there_is_no_snapshot_before_the_handshake_is_complete},
    {"no allocation that fails does harm", no_allocation_that_fails_does_harm},
};

int main(void)
{
    testlib_faults_install();
    testlib_library();
    prepare();
    return testlib_main(cases, sizeof(cases) / sizeof(cases[0]));
}
