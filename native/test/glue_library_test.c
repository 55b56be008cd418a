/*
 * glue_library_test.c - OpenSSL is initialised as asked, and by nothing else.
 *
 * Initialisation is once per process, so every case with one runs in a child process of its own.
 * The parent never touches OpenSSL: it would hand its state down.
 */
#include "testlib.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "../glue_internal.h"

static glue_error err;

static glue_status init(const char *file, const char *name)
{
    glue_library_props props = {.config_file = file, .config_name = name};
    memset(&err, 0, sizeof(err));
    return glue_library_init(&props, &err);
}

static glue_context *context_of(glue_role role, glue_chains *chains)
{
    glue_context_props props = testlib_props(role);
    props.chains = chains;
    glue_context *context = glue_context_new(&props, &err);
    EXPECT(context != NULL);
    return context;
}

/* The lowest protocol of a context that leaves it to the configuration. */
static long lowest_protocol(void)
{
    glue_context *context = context_of(GLUE_SERVER, NULL);
    long version = context == NULL ? -1 : SSL_CTX_get_min_proto_version(context->ctx);
    glue_context_free(context);
    return version;
}

/* A file whose section `app` has these SSL commands. */
static const char *config_with(const char *app, const char *commands)
{
    return testlib_file("openssl.cnf", testlib_text("%s = app\n"
                                                    "[app]\n"
                                                    "ssl_conf = ssl\n"
                                                    "[ssl]\n"
                                                    "system_default = tls\n"
                                                    "[tls]\n"
                                                    "%s\n",
                                                    app, commands));
}

/* ------------------------------------------------------------------ none, default */

static void none_child(const void *arg)
{
    (void)arg;
    setenv("OPENSSL_CONF", config_with("openssl_conf", "MinProtocol = TLSv1.3"), 1);
    EXPECT_INT(init("none", ""), GLUE_OK);
    EXPECT_INT(lowest_protocol(), 0);
}

static void none_reads_nothing(void)
{
    testlib_child(none_child, NULL);
}

static void nothing_given_child(const void *arg)
{
    (void)arg;
    setenv("OPENSSL_CONF", config_with("openssl_conf", "MinProtocol = TLSv1.3"), 1);
    EXPECT_INT(glue_library_init(NULL, &err), GLUE_OK);
    EXPECT_INT(lowest_protocol(), 0);
    EXPECT_INT(init("none", ""), GLUE_OK);
}

static void nothing_given_is_none(void)
{
    testlib_child(nothing_given_child, NULL);
}

static void default_child(const void *arg)
{
    (void)arg;
    setenv("OPENSSL_CONF", config_with("openssl_conf", "MinProtocol = TLSv1.3"), 1);
    EXPECT_INT(init("default", ""), GLUE_OK);
    EXPECT_INT(lowest_protocol(), TLS1_3_VERSION);
}

static void default_reads_the_systems(void)
{
    testlib_child(default_child, NULL);
}

static void default_named_child(const void *arg)
{
    (void)arg;
    setenv("OPENSSL_CONF", config_with("postfix", "MinProtocol = TLSv1.2"), 1);
    EXPECT_INT(init("default", "postfix"), GLUE_OK);
    EXPECT_INT(lowest_protocol(), TLS1_2_VERSION);
}

static void default_with_a_name_takes_its_section(void)
{
    testlib_child(default_named_child, NULL);
}

static void default_fallback_child(const void *arg)
{
    (void)arg;
    setenv("OPENSSL_CONF", config_with("openssl_conf", "MinProtocol = TLSv1.2"), 1);
    EXPECT_INT(init("default", "postfix"), GLUE_OK);
    EXPECT_INT(lowest_protocol(), TLS1_2_VERSION);
}

static void default_with_an_unknown_name_falls_back(void)
{
    testlib_child(default_fallback_child, NULL);
}

static void default_lenient_child(const void *arg)
{
    setenv("OPENSSL_CONF", arg, 1);
    EXPECT_INT(init("default", "postfix"), GLUE_OK);
    EXPECT_INT(ERR_peek_error(), 0);
    EXPECT_INT(lowest_protocol(), 0);
}

static void default_with_a_name_forgives(void)
{
    testlib_child(default_lenient_child, testlib_path("missing.cnf"));
    testlib_child(default_lenient_child, testlib_file("bad.cnf", "postfix = app\n[app\n"));
    testlib_child(default_lenient_child,
                  testlib_file("mod.cnf", "postfix = app\n[app]\nno_such_module = x\n"));
}

/* ------------------------------------------------------------------ a file: it takes effect */

static void min_protocol_child(const void *arg)
{
    (void)arg;
    EXPECT_INT(init(config_with("openssl_conf", "MinProtocol = TLSv1.3"), ""), GLUE_OK);
    EXPECT_INT(lowest_protocol(), TLS1_3_VERSION);
}

static void min_protocol_takes_effect(void)
{
    testlib_child(min_protocol_child, NULL);
}

static void options_child(const void *arg)
{
    (void)arg;
    EXPECT_INT(init(config_with("openssl_conf", "Options = -SessionTicket,PrioritizeChaCha"), ""),
               GLUE_OK);
    glue_context *context = context_of(GLUE_SERVER, NULL);
    NEED(context != NULL);
    uint64_t options = SSL_CTX_get_options(context->ctx);
    EXPECT((options & SSL_OP_NO_TICKET) != 0);
    EXPECT((options & SSL_OP_PRIORITIZE_CHACHA) != 0);
    EXPECT_INT(SSL_CTX_get_num_tickets(context->ctx), 0);
    glue_context_free(context);
}

static void options_take_effect(void)
{
    testlib_child(options_child, NULL);
}

/* A handshake with an RSA key under the process's configuration; false where it fails. */
static bool try_handshake(glue_context *server, glue_context *client, glue_snapshot *snapshot)
{
    test_pair pair;
    bool done = server != NULL && client != NULL && testlib_pair(&pair, server, client, NULL);
    if (done) {
        done = glue_conn_snapshot(pair.server.conn, snapshot);
    }
    if (server != NULL && client != NULL) {
        testlib_pair_close(&pair);
    }
    return done;
}

static glue_snapshot handshake(void)
{
    glue_snapshot snapshot = {0};
    glue_chains *chains = testlib_chains(testlib_self_signed("RSA", "mx.example.com"), NULL, NULL);
    glue_context *server = context_of(GLUE_SERVER, chains);
    glue_context *client = context_of(GLUE_CLIENT, NULL);
    EXPECT(try_handshake(server, client, &snapshot));
    glue_context_free(server);
    glue_context_free(client);
    glue_chains_free(chains);
    return snapshot;
}

static void groups_child(const void *arg)
{
    (void)arg;
    EXPECT_INT(init(config_with("openssl_conf", "Groups = P-384"), ""), GLUE_OK);
    EXPECT_STR(handshake().group, "secp384r1");
}

static void groups_take_effect(void)
{
    testlib_child(groups_child, NULL);
}

static void signature_algorithms_child(const void *arg)
{
    (void)arg;
    EXPECT_INT(init(config_with("openssl_conf", "SignatureAlgorithms = RSA-PSS+SHA512"), ""),
               GLUE_OK);
    EXPECT_STR(handshake().server.digest, "SHA512");
}

static void signature_algorithms_take_effect(void)
{
    testlib_child(signature_algorithms_child, NULL);
}

static void named_child(const void *arg)
{
    const char *file = testlib_file("two.cnf", "openssl_conf = a\npostfix = b\n"
                                               "[a]\nssl_conf = a_ssl\n"
                                               "[a_ssl]\nsystem_default = a_tls\n"
                                               "[a_tls]\nMinProtocol = TLSv1.1\n"
                                               "[b]\nssl_conf = b_ssl\n"
                                               "[b_ssl]\nsystem_default = b_tls\n"
                                               "[b_tls]\nMinProtocol = TLSv1.3\n");
    const char *name = arg;
    EXPECT_INT(init(file, name), GLUE_OK);
    EXPECT_INT(lowest_protocol(), name[0] == '\0' ? TLS1_1_VERSION : TLS1_3_VERSION);
}

static void a_name_selects_its_section(void)
{
    testlib_child(named_child, "");
    testlib_child(named_child, "postfix");
}

static void system_ignored_child(const void *arg)
{
    (void)arg;
    setenv("OPENSSL_CONF", config_with("openssl_conf", "MinProtocol = TLSv1.3"), 1);
    EXPECT_INT(init(testlib_file("own.cnf", "# nothing\n"), ""), GLUE_OK);
    EXPECT_INT(lowest_protocol(), 0);
}

static void with_a_file_the_systems_is_not_read(void)
{
    testlib_child(system_ignored_child, NULL);
}

static void diagnostics_child(const void *arg)
{
    (void)arg;
    const char *file = testlib_file("diagnostics.cnf", "config_diagnostics = 1\n"
                                                       "openssl_conf = app\n"
                                                       "[app]\nssl_conf = ssl\n"
                                                       "[ssl]\nsystem_default = tls\n"
                                                       "[tls]\nOptions = ServerPreference\n");
    EXPECT_INT(init(file, ""), GLUE_OK);
    glue_context *client = context_of(GLUE_CLIENT, NULL);
    glue_context_free(client);
}

static void diagnostics_do_not_forbid_what_is_for_the_other_role(void)
{
    testlib_child(diagnostics_child, NULL);
}

/* ------------------------------------------------------------------ a file: it is bad */

typedef struct bad_file {
    const char *file; /* a path, or NULL: made of content */
    const char *content;
    const char *name;
    const char *line;   /* in the sentence */
    const char *detail; /* in the sentence */
} bad_file;

#define SSL_FILE(commands)                                                                         \
    "openssl_conf = app\n"                                                                         \
    "[app]\n"                                                                                      \
    "ssl_conf = ssl\n"                                                                             \
    "[ssl]\n"                                                                                      \
    "system_default = tls\n"                                                                       \
    "[tls]\n" commands

static void bad_child(const void *arg)
{
    const bad_file *bad = arg;
    const char *file = bad->file != NULL ? bad->file : testlib_file("bad.cnf", bad->content);
    EXPECT_INT(init(file, bad->name), GLUE_ERROR);
    EXPECT_ERROR(&err, GLUE_E_CONFIG_FILE);
    EXPECT_HAS(err.message, file);
    EXPECT_HAS(err.message, bad->line);
    EXPECT_HAS(err.message, bad->detail);
    /* It is remembered, and there is no TLS in this process. */
    EXPECT_INT(init(file, bad->name), GLUE_ERROR);
    EXPECT_HAS(err.message, bad->detail);
    EXPECT_INT(init("none", ""), GLUE_ERROR);
    EXPECT_ERROR(&err, GLUE_E_LIBRARY_INIT_CONFLICT);
    glue_context_props props = testlib_props(GLUE_SERVER);
    EXPECT(glue_context_new(&props, &err) == NULL);
    EXPECT_ERROR(&err, GLUE_E_INVALID_STATE);
}

static void expect_bad(bad_file bad)
{
    bad.name = bad.name == NULL ? "" : bad.name;
    bad.line = bad.line == NULL ? "" : bad.line;
    testlib_child(bad_child, &bad);
}

static void a_missing_file_is_refused(void)
{
    expect_bad((bad_file){.file = "/no/such/file.cnf", .detail = "No such file or directory"});
}

static void a_directory_is_refused(void)
{
    expect_bad((bad_file){.file = "/tmp", .detail = "Is a directory"});
}

static void a_relative_path_is_refused(void)
{
    expect_bad((bad_file){.file = "openssl.cnf", .detail = "not an absolute pathname"});
    expect_bad((bad_file){.file = "", .detail = "not an absolute pathname"});
}

static void a_syntax_error_names_its_line(void)
{
    expect_bad((bad_file){.content = "openssl_conf = app\n\n[app\n",
                          .line = "line 3",
                          .detail = "missing close square bracket"});
    expect_bad((bad_file){.content = "openssl_conf = app\n[app]\nssl_conf\n",
                          .line = "line 3",
                          .detail = "missing equal sign"});
    expect_bad((bad_file){.content = "a = b\nopenssl_conf = $nothing\n",
                          .line = "line 2",
                          .detail = "variable has no value"});
}

static void a_name_without_a_section_is_refused(void)
{
    expect_bad((bad_file){.content = SSL_FILE("MinProtocol = TLSv1.2\n"),
                          .name = "postfix",
                          .detail = "no section is named for the application \"postfix\""});
}

static void a_section_that_is_not_there_names_the_line_that_refers_to_it(void)
{
    expect_bad((bad_file){.content = "# x\nopenssl_conf = app\n",
                          .line = "line 2",
                          .detail = "there is no section [app]"});
    expect_bad((bad_file){.content = "openssl_conf = app\n[app]\nssl_conf = ssl\n",
                          .line = "line 3",
                          .detail = "there is nothing in section [ssl]"});
    expect_bad((bad_file){.content = "openssl_conf = app\n[app]\nssl_conf = ssl\n"
                                     "[ssl]\nsystem_default = tls\n[tls]\n",
                          .line = "line 5",
                          .detail = "there is nothing in section [tls]"});
}

static void an_unknown_ssl_command_names_its_line(void)
{
    expect_bad((bad_file){.content = SSL_FILE("MinProtocol = TLSv1.2\n"
                                              "Groupz = P-384\n"),
                          .line = "line 8",
                          .detail = "Groupz = P-384: unknown cmd name"});
}

static void a_wrong_value_names_its_line(void)
{
    expect_bad((bad_file){.content = SSL_FILE("Groups = P-384:bogus\n"),
                          .line = "line 7",
                          .detail = "Groups = P-384:bogus"});
    expect_bad((bad_file){.content = SSL_FILE("# MinProtocol = TLSv1.2\n"
                                              "1.MinProtocol = TLSv9\n"),
                          .line = "line 8",
                          .detail = "MinProtocol = TLSv9: bad value"});
    expect_bad((bad_file){.content = SSL_FILE("SignatureAlgorithms = nonsense\n"),
                          .line = "line 7",
                          .detail = "SignatureAlgorithms = nonsense"});
    expect_bad((bad_file){.content = SSL_FILE("Options = NoSuchOption\n"),
                          .line = "line 7",
                          .detail = "Options = NoSuchOption: bad value"});
    expect_bad((bad_file){.content = SSL_FILE("CipherString = NOSUCHCIPHER\n"),
                          .line = "line 7",
                          .detail = "no cipher match"});
    expect_bad((bad_file){.content = "config_diagnostics = 1\n" SSL_FILE("Groups = bogus\n"),
                          .line = "line 8",
                          .detail = "Groups = bogus"});
}

static void certificates_do_not_belong_into_the_systems_defaults(void)
{
    expect_bad((bad_file){.content = SSL_FILE("Certificate = /etc/cert.pem\n"),
                          .line = "line 7",
                          .detail = "unknown cmd name"});
}

static void the_line_is_found_however_it_is_written(void)
{
    expect_bad((bad_file){.content = "openssl_conf = app\n"
                                     "tls::Groups = bogus\n"
                                     "[ app ]\nssl_conf = ssl\n"
                                     "[ssl]\nsystem_default = tls\n",
                          .line = "line 2",
                          .detail = "Groups = bogus"});
    expect_bad((bad_file){.content = SSL_FILE("MinProtocol = \\\n"
                                              "TLSv1.2\n"
                                              "Groups = P-256\n"
                                              "Groups = bogus\n"),
                          .line = "line 10",
                          .detail = "Groups = bogus"});
}

static void what_is_included_is_named_by_section(void)
{
    const char *part = testlib_file("part.cnf", "[tls]\nGroups = bogus\n");
    expect_bad((bad_file){.content = testlib_text("openssl_conf = app\n"
                                                  "[app]\nssl_conf = ssl\n"
                                                  "[ssl]\nsystem_default = tls\n"
                                                  ".include %s\n",
                                                  part),
                          .line = "section tls, Groups",
                          .detail = "Groups = bogus"});
}

static void a_module_that_fails_names_its_line(void)
{
    expect_bad((bad_file){.content = "openssl_conf = app\n[app]\n\nno_such_module = x\n",
                          .line = "line 4",
                          .detail = "could not load the shared library"});
    expect_bad((bad_file){.content = "openssl_conf = app\n"
                                     "[app]\n"
                                     "providers = list\n"
                                     "[list]\n"
                                     "mine = one\n"
                                     "[one]\n"
                                     "module = /no/such/module.so\n"
                                     "activate = 1\n",
                          .line = "line 5",
                          .detail = "the provider mine cannot be activated"});
    expect_bad((bad_file){.content = "openssl_conf = app\n"
                                     "[app]\n"
                                     "providers = list\n",
                          .line = "line 3",
                          .detail = "provider section error"});
    expect_bad((bad_file){.content = "openssl_conf = app\n"
                                     "[app]\n"
                                     "providers = list\n"
                                     "[list]\n"
                                     "base = one\n"
                                     "[one]\n"
                                     "activate = 1\n",
                          .detail = "no TLS context can be made"});
}

/* ------------------------------------------------------------------ once per process */

static void again_child(const void *arg)
{
    (void)arg;
    EXPECT_INT(init("none", ""), GLUE_OK);
    EXPECT_INT(init("none", ""), GLUE_OK);
    EXPECT_INT(init("none", "postfix"), GLUE_ERROR);
    EXPECT_ERROR(&err, GLUE_E_LIBRARY_INIT_CONFLICT);
    EXPECT_HAS(err.message, "\"none\"");
    EXPECT_INT(init("default", ""), GLUE_ERROR);
    EXPECT_ERROR(&err, GLUE_E_LIBRARY_INIT_CONFLICT);
    EXPECT_INT(init("none", ""), GLUE_OK);
}

static void the_same_request_again_is_fine_another_one_is_not(void)
{
    testlib_child(again_child, NULL);
}

static void *init_thread(void *arg)
{
    glue_library_props props = {.config_file = "none", .config_name = ""};
    glue_error own;
    glue_status *status = arg;
    *status = glue_library_init(&props, &own);
    glue_library_thread_stop();
    return NULL;
}

static void threads_child(const void *arg)
{
    enum { THREADS = 8 };
    pthread_t threads[THREADS];
    glue_status statuses[THREADS];
    (void)arg;
    for (int i = 0; i < THREADS; i++) {
        EXPECT_INT(pthread_create(&threads[i], NULL, init_thread, &statuses[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        EXPECT_INT(statuses[i], GLUE_OK);
    }
    EXPECT_INT(lowest_protocol(), 0);
}

static void it_does_not_matter_which_thread_comes_first(void)
{
    testlib_child(threads_child, NULL);
}

static void early_child(const void *arg)
{
    glue_context_props props = testlib_props(GLUE_CLIENT);
    (void)arg;
    EXPECT(glue_context_new(&props, &err) == NULL);
    EXPECT_INT(err.code, GLUE_E_INVALID_STATE);
    EXPECT(glue_chains_parse("", 0, "x", NULL, &err) == NULL);
    EXPECT_INT(err.code, GLUE_E_INVALID_STATE);
    EXPECT(glue_chains_load(NULL, 0, NULL, &err) == NULL);
    EXPECT_INT(err.code, GLUE_E_INVALID_STATE);
    /* None of these has initialised the library by accident. */
    EXPECT_INT(init(config_with("openssl_conf", "MinProtocol = TLSv1.3"), ""), GLUE_OK);
    EXPECT_INT(lowest_protocol(), TLS1_3_VERSION);
}

static void before_it_nothing_can_be_made(void)
{
    testlib_child(early_child, NULL);
}

/* ------------------------------------------------------------------ versions */

static void expect_version(unsigned long headers, unsigned long runtime, bool usable,
                           const char *warning)
{
    char text[160];
    EXPECT_INT(glue_library_check_version(headers, runtime, text, sizeof(text)), usable);
    EXPECT_STR(text, warning);
}

static void version_mismatches_warn_as_in_postfix(void)
{
#define MISMATCH(r, h)                                                                             \
    "run-time library vs. compile-time header version mismatch: OpenSSL " r                        \
    " may not be compatible with OpenSSL " h
    expect_version(0x30500070UL, 0x30500070UL, true, "");
    expect_version(0x30500070UL, 0x30500000UL, true, "");
    expect_version(0x30500070UL, 0x30600010UL, true, "");
    expect_version(0x30600010UL, 0x30500070UL, true, MISMATCH("3.5.7", "3.6.1"));
    expect_version(0x30500070UL, 0x40000000UL, true, MISMATCH("4.0.0", "3.5.7"));
    expect_version(0x30500070UL, 0x300000b0UL, false, MISMATCH("3.0.11", "3.5.7"));
    expect_version(0x30500070UL, 0x1010117fUL, false, MISMATCH("1.1.1", "3.5.7"));
    expect_version(0x1010117fUL, 0x1010017fUL, false, MISMATCH("1.1.0", "1.1.1"));
    expect_version(0x1010017fUL, 0x1010117fUL, false, "");
    expect_version(0x1000208fUL, 0x1000108fUL, false, MISMATCH("1.0.1", "1.0.2"));
#undef MISMATCH
}

static void the_library_describes_itself(void)
{
    glue_library_info info;
    glue_library_describe(&info);
    EXPECT_STR(info.headers, OPENSSL_VERSION_STR);
    EXPECT_STR(info.runtime, OPENSSL_VERSION_STR);
    EXPECT_INT(info.runtime_number, info.headers_number);
    EXPECT(info.path[0] != '\0');
    EXPECT(strcmp(info.mode, "static") == 0 || strcmp(info.mode, "dynamic") == 0);
    EXPECT_STR(info.warning, "");
}

/* ------------------------------------------------------------------ allocation faults */

/* OpenSSL may have lost algorithms, so it may fail now; but not work with other settings. */
static void expect_nothing_else_than_p384(void)
{
    glue_snapshot snapshot = {0};
    glue_context_props props = testlib_props(GLUE_CLIENT);
    glue_context *client = glue_context_new(&props, &err);
    props = testlib_props(GLUE_SERVER);
    props.chains = testlib_chains(testlib_self_signed("RSA", "mx.example.com"), NULL, NULL);
    glue_context *server = glue_context_new(&props, &err);
    if (try_handshake(server, client, &snapshot)) {
        EXPECT_STR(snapshot.group, "secp384r1");
    }
    glue_context_free(server);
    glue_context_free(client);
    glue_chains_free(props.chains);
}

static void fault_child(const void *arg)
{
    const unsigned long *nth = arg;
    const char *file = config_with("openssl_conf", "Groups = P-384");
    /* OpenSSL's base is made before: in there 3.5 waits for itself when an allocation fails. */
    ERR_clear_error();
    testlib_faults_arm(*nth);
    glue_status status = init(file, "");
    bool hit = testlib_faults_disarm();
    EXPECT(status == GLUE_OK || hit);
    EXPECT(status == GLUE_OK || err.message[0] != '\0');
    EXPECT_INT(ERR_peek_error(), 0);
    if (status == GLUE_OK) {
        expect_nothing_else_than_p384();
    }
}

/* Some thousand allocations, a process for each: a sample. */
static void no_allocation_that_fails_does_harm(void)
{
    for (unsigned long nth = 1; nth < 4000; nth += 1 + nth / 8) {
        testlib_child(fault_child, &nth);
    }
}

static const test_case cases[] = {
    {"none reads nothing", none_reads_nothing},
    {"nothing given is none", nothing_given_is_none},
    {"default reads the system's file", default_reads_the_systems},
    {"default with a name takes its section", default_with_a_name_takes_its_section},
    {"default with an unknown name falls back", default_with_an_unknown_name_falls_back},
    {"default with a name forgives a bad file", default_with_a_name_forgives},
    {"MinProtocol of a file takes effect", min_protocol_takes_effect},
    {"Options of a file take effect", options_take_effect},
    {"Groups of a file take effect", groups_take_effect},
    {"SignatureAlgorithms of a file take effect", signature_algorithms_take_effect},
    {"an application name selects its section", a_name_selects_its_section},
    {"with a file of its own the system's is not read", with_a_file_the_systems_is_not_read},
    {"diagnostics do not forbid what is for the other role",
     diagnostics_do_not_forbid_what_is_for_the_other_role},
    {"a missing file is refused", a_missing_file_is_refused},
    {"a directory is refused", a_directory_is_refused},
    {"a relative path is refused", a_relative_path_is_refused},
    {"a syntax error names its line", a_syntax_error_names_its_line},
    {"a name without a section is refused", a_name_without_a_section_is_refused},
    {"a missing section names the line that refers to it",
     a_section_that_is_not_there_names_the_line_that_refers_to_it},
    {"an unknown SSL command names its line", an_unknown_ssl_command_names_its_line},
    {"a wrong value names its line", a_wrong_value_names_its_line},
    {"certificates do not belong into the system's defaults",
     certificates_do_not_belong_into_the_systems_defaults},
    {"the line is found however it is written", the_line_is_found_however_it_is_written},
    {"what is included is named by section", what_is_included_is_named_by_section},
    {"a module that fails names its line", a_module_that_fails_names_its_line},
    {"the same request again is fine, another one is not",
     the_same_request_again_is_fine_another_one_is_not},
    {"it does not matter which thread comes first", it_does_not_matter_which_thread_comes_first},
    {"before it nothing can be made", before_it_nothing_can_be_made},
    {"version mismatches warn as in Postfix", version_mismatches_warn_as_in_postfix},
    {"the library describes itself", the_library_describes_itself},
    {"no allocation that fails does harm", no_allocation_that_fails_does_harm},
};

int main(void)
{
    testlib_faults_install();
    return testlib_main(cases, sizeof(cases) / sizeof(cases[0]));
}
