/*
 * glue_config.c - a private OpenSSL configuration file takes effect as a whole, or says which line
 * of it does not.
 *
 * OpenSSL by itself is lenient where an operator would want to know. CONF_modules_load() takes a
 * missing application section for success, and SSL_CTX_new() drops what SSL_CONF_cmd() refuses in
 * the `system_default` commands (ssl_do_config() in ssl_mcnf.c, OpenSSL 3.5), so that a misspelt
 * `Groups` leaves the defaults in force without a word, and a provider that cannot be activated is
 * no failure either. Three steps, around the initialisation:
 *
 *   glue_config_check()      before: readable, well-formed, the sections it refers to are there
 *   glue_config_explain()    after a failure: which module of the file it was
 *   glue_config_check_ssl()  after success: providers are there, and each SSL command is tried on
 *                            a throw-away context
 *
 * OpenSSL keeps no line numbers but for syntax errors; they are found by reading the file again.
 * What comes from an included file has a section and a name in the sentence instead of a line.
 * Owns nothing beyond a call.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/conf.h>
#include <openssl/provider.h>

#include "glue_internal.h"

/* What is being looked at, for the sentences. */
typedef struct config_file {
    const char *file;
    const char *key; /* in the default section: the application's name, or openssl_conf */
    bool named;      /* the application's name was given, so its section must exist */
    CONF *conf;
} config_file;

static bool config_open(config_file *config, const char *file, const char *name, glue_error *err);
static const char *app_section(const config_file *config);
static glue_status check_sections(const config_file *config, glue_error *err);
static glue_status check_providers(const config_file *config, glue_error *err);
static glue_status try_commands(const config_file *config, glue_error *err);
static glue_status bad_line(const config_file *config, const char *section, const char *name,
                            glue_error *err, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* ------------------------------------------------------------------ public */

glue_status glue_config_check(const char *file, const char *name, glue_error *err)
{
    config_file config;
    if (!config_open(&config, file, name, err)) {
        return GLUE_ERROR;
    }
    glue_status status = check_sections(&config, err);
    NCONF_free(config.conf);
    ERR_clear_error();
    return status;
}

glue_status glue_config_explain(const char *file, const char *name, glue_error *err)
{
    char module[64] = "";
    const char *data = NULL;
    int flags = 0;
    config_file config;
    /* The last entry: "module=NAME, value=..." (conf_mod.c). */
    ERR_peek_last_error_all(NULL, NULL, NULL, &data, &flags);
    if (data != NULL && (flags & ERR_TXT_STRING) != 0) {
        sscanf(data, "module=%63[^, ]", module);
    }
    glue_error_openssl(err, GLUE_E_CONFIG_FILE,
                       "the OpenSSL configuration file %.200s cannot be used", file);
    glue_error first = *err;
    if (first.code != GLUE_E_CONFIG_FILE || module[0] == '\0' ||
        !config_open(&config, file, name, err)) {
        return GLUE_ERROR;
    }
    bad_line(&config, app_section(&config), module, err, "%s", first.reason);
    memcpy(err->reason, first.reason, sizeof(err->reason));
    memcpy(err->library, first.library, sizeof(err->library));
    NCONF_free(config.conf);
    ERR_clear_error();
    return GLUE_ERROR;
}

glue_status glue_config_check_ssl(const char *file, const char *name, glue_error *err)
{
    config_file config;
    if (!config_open(&config, file, name, err)) {
        return GLUE_ERROR;
    }
    /*
     * With `config_diagnostics = 1` SSL_CTX_new() would fail by itself: without a line, and also
     * for what is meant for the other role. From here on the check is ours.
     */
    OSSL_LIB_CTX_set_conf_diagnostics(NULL, 0);
    glue_status status = check_providers(&config, err);
    if (status == GLUE_OK) {
        status = try_commands(&config, err);
    }
    NCONF_free(config.conf);
    ERR_clear_error();
    return status;
}

/* ------------------------------------------------------------------ lines */

typedef struct line_scan {
    char section[128];
    bool continues; /* the line before ended with a backslash */
} line_scan;

static char *trim(char *text)
{
    while (isspace((unsigned char)*text)) {
        text++;
    }
    size_t len = strlen(text);
    while (len > 0 && isspace((unsigned char)text[len - 1])) {
        text[--len] = '\0';
    }
    return text;
}

/* Does this line assign `section`'s `name`? Understands `[ section ]` and `section::name =`. */
static bool scan_line(line_scan *scan, char *text, const char *section, const char *name)
{
    char *line = trim(text);
    bool continuation = scan->continues;
    size_t len = strlen(line);
    scan->continues = len > 0 && line[len - 1] == '\\';
    if (continuation) {
        return false;
    }
    if (line[0] == '[') {
        line[strcspn(line, "]")] = '\0';
        snprintf(scan->section, sizeof(scan->section), "%s", trim(line + 1));
        return false;
    }
    char *equals = strchr(line, '=');
    if (line[0] == '#' || equals == NULL) {
        return false;
    }
    *equals = '\0';
    const char *in_section = scan->section;
    char *colons = strstr(line, "::");
    if (colons != NULL) {
        *colons = '\0';
        in_section = trim(line);
        line = colons + 2;
    }
    return strcmp(in_section, section) == 0 && strcmp(trim(line), name) == 0;
}

/* The last assignment counts, as it does for OpenSSL. 0 when it is not in this file. */
static long find_line(const char *file, const char *section, const char *name)
{
    char text[2048];
    line_scan scan = {.section = "default"};
    long found = 0;
    FILE *stream = fopen(file, "re");
    if (stream == NULL) {
        return 0;
    }
    for (long at = 1; fgets(text, sizeof(text), stream) != NULL; at++) {
        if (strchr(text, '\n') == NULL && !feof(stream)) {
            int c;
            do {
                c = fgetc(stream);
            } while (c != '\n' && c != EOF);
        }
        found = scan_line(&scan, text, section, name) ? at : found;
    }
    fclose(stream);
    return found;
}

/* ------------------------------------------------------------------ errors */

static glue_status bad_line(const config_file *config, const char *section, const char *name,
                            glue_error *err, const char *format, ...)
{
    char what[320];
    char place[200];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    long line = section == NULL ? 0 : find_line(config->file, section, name);
    if (line > 0) {
        snprintf(place, sizeof(place), "line %ld", line);
    } else {
        snprintf(place, sizeof(place), "section %.60s, %.60s",
                 section == NULL ? "default" : section, name);
    }
    return glue_error_openssl(err, GLUE_E_CONFIG_FILE, "%.200s, %s: %s", config->file, place, what);
}

/* A directory opens like a file, and NCONF_load() finds it empty. */
static bool readable(const char *file, glue_error *err)
{
    struct stat info;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    int error = fd < 0 ? errno : 0;
    if (fd >= 0) {
        error = fstat(fd, &info) != 0 ? errno : S_ISDIR(info.st_mode) ? EISDIR : 0;
        close(fd);
    }
    if (error == 0) {
        return true;
    }
    glue_error_set_errno(err, GLUE_E_CONFIG_FILE, error,
                         "the OpenSSL configuration file %.200s cannot be read", file);
    return false;
}

static bool config_open(config_file *config, const char *file, const char *name, glue_error *err)
{
    long line = 0;
    config->file = file;
    config->named = name[0] != '\0';
    config->key = config->named ? name : "openssl_conf";
    if (!readable(file, err)) {
        return false;
    }
    ERR_clear_error();
    config->conf = NCONF_new(NULL);
    if (config->conf != NULL && NCONF_load(config->conf, file, &line) > 0) {
        return true;
    }
    NCONF_free(config->conf);
    glue_error_openssl(err, GLUE_E_CONFIG_FILE, "%.200s, line %ld", file, line);
    return false;
}

/* ------------------------------------------------------------------ sections */

static const char *app_section(const config_file *config)
{
    const char *section = NCONF_get_string(config->conf, NULL, config->key);
    ERR_clear_error();
    return section;
}

/* NULL, with no word in the queue, when there is no such section. */
static STACK_OF(CONF_VALUE) * section_values(const config_file *config, const char *section)
{
    STACK_OF(CONF_VALUE) *values = NCONF_get_section(config->conf, section);
    ERR_clear_error();
    return values;
}

/* What the application's section gives a module to work on; NULL when the file does not name it. */
static const char *module_value(const config_file *config, const char *module)
{
    const char *app = app_section(config);
    STACK_OF(CONF_VALUE) *values = app == NULL ? NULL : section_values(config, app);
    const char *found = NULL;
    size_t len = strlen(module);
    for (int i = 0; i < sk_CONF_VALUE_num(values); i++) {
        const CONF_VALUE *entry = sk_CONF_VALUE_value(values, i);
        /* A module may be named more than once with a suffix; the last one stays. */
        if (strncmp(entry->name, module, len) == 0 && strchr(".", entry->name[len]) != NULL) {
            found = entry->value;
        }
    }
    return found;
}

/* The entries of the section that a module works on; NULL when there are none. */
static STACK_OF(CONF_VALUE) * module_entries(const config_file *config, const char *module)
{
    const char *section = module_value(config, module);
    return section == NULL ? NULL : section_values(config, section);
}

static glue_status check_sections(const config_file *config, glue_error *err)
{
    const char *app = app_section(config);
    if (app == NULL && config->named) {
        return glue_error_set(err, GLUE_E_CONFIG_FILE,
                              "%.200s: no section is named for the application \"%.100s\"",
                              config->file, config->key);
    }
    /* A file without openssl_conf has nothing to say, which is no fault. */
    if (app == NULL) {
        return GLUE_OK;
    }
    if (section_values(config, app) == NULL) {
        return bad_line(config, "default", config->key, err, "there is no section [%.100s]", app);
    }
    const char *ssl = module_value(config, "ssl_conf");
    STACK_OF(CONF_VALUE) *sets = module_entries(config, "ssl_conf");
    if (ssl != NULL && sk_CONF_VALUE_num(sets) <= 0) {
        return bad_line(config, app, "ssl_conf", err, "there is nothing in section [%.100s]", ssl);
    }
    for (int i = 0; i < sk_CONF_VALUE_num(sets); i++) {
        const CONF_VALUE *set = sk_CONF_VALUE_value(sets, i);
        if (sk_CONF_VALUE_num(section_values(config, set->value)) <= 0) {
            return bad_line(config, ssl, set->name, err, "there is nothing in section [%.100s]",
                            set->value);
        }
    }
    return GLUE_OK;
}

/* ------------------------------------------------------------------ SSL commands */

/* OpenSSL drops everything up to the first dot, so that a name can be there twice. */
static const char *after_dot(const char *name)
{
    const char *dot = strchr(name, '.');
    return dot == NULL ? name : dot + 1;
}

static glue_status try_section(const config_file *config, const char *section, SSL_CONF_CTX *probe,
                               glue_error *err)
{
    STACK_OF(CONF_VALUE) *commands = section_values(config, section);
    for (int i = 0; i < sk_CONF_VALUE_num(commands); i++) {
        const CONF_VALUE *command = sk_CONF_VALUE_value(commands, i);
        if (SSL_CONF_cmd(probe, after_dot(command->name), command->value) <= 0) {
            return bad_line(config, section, command->name, err, "%.60s = %.120s",
                            after_dot(command->name), command->value);
        }
    }
    return GLUE_OK;
}

/* The section with the commands for every context, or NULL. */
static const char *system_default(const config_file *config)
{
    STACK_OF(CONF_VALUE) *sets = module_entries(config, "ssl_conf");
    for (int i = 0; i < sk_CONF_VALUE_num(sets); i++) {
        const CONF_VALUE *set = sk_CONF_VALUE_value(sets, i);
        /* The other sets are for programs that ask for them by name; ours does not. */
        if (strcmp(set->name, "system_default") == 0) {
            return set->value;
        }
    }
    return NULL;
}

/* The same flags as ssl_do_config() uses for the system's defaults, for both roles at once. */
static glue_status try_commands(const config_file *config, glue_error *err)
{
    const char *section = system_default(config);
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    SSL_CONF_CTX *probe = SSL_CONF_CTX_new();
    glue_status status = GLUE_OK;
    if (ctx == NULL || probe == NULL) {
        status = glue_error_openssl(err, GLUE_E_CONFIG_FILE,
                                    "no TLS context can be made with %.200s", config->file);
    } else if (section != NULL) {
        /* The context has tried the same commands by itself and left its complaints. */
        ERR_clear_error();
        SSL_CONF_CTX_set_flags(probe, SSL_CONF_FLAG_FILE | SSL_CONF_FLAG_SHOW_ERRORS |
                                          SSL_CONF_FLAG_SERVER | SSL_CONF_FLAG_CLIENT);
        SSL_CONF_CTX_set_ssl_ctx(probe, ctx);
        status = try_section(config, section, probe, err);
    }
    SSL_CONF_CTX_free(probe);
    SSL_CTX_free(ctx);
    return status;
}

/* ------------------------------------------------------------------ providers */

static bool is_true(const char *value)
{
    static const char *const words[] = {"1", "yes", "YES", "true", "TRUE", "on", "ON"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (value != NULL && strcmp(value, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* The last value of `name`, with or without something and a dot before it, in a section. */
static const char *value_of(const config_file *config, const char *section, const char *name)
{
    STACK_OF(CONF_VALUE) *values = section_values(config, section);
    const char *found = NULL;
    for (int i = 0; i < sk_CONF_VALUE_num(values); i++) {
        const CONF_VALUE *entry = sk_CONF_VALUE_value(values, i);
        found = strcmp(after_dot(entry->name), name) == 0 ? entry->value : found;
    }
    return found;
}

/*
 * A provider that cannot be activated is no failure for OpenSSL 3.5 (provider_conf.c), although it
 * has by then ruled out the default one.
 */
static glue_status check_providers(const config_file *config, glue_error *err)
{
    const char *list = module_value(config, "providers");
    STACK_OF(CONF_VALUE) *entries = module_entries(config, "providers");
    for (int i = 0; i < sk_CONF_VALUE_num(entries); i++) {
        const CONF_VALUE *entry = sk_CONF_VALUE_value(entries, i);
        const char *identity = value_of(config, entry->value, "identity");
        const char *name = identity == NULL ? after_dot(entry->name) : identity;
        if (is_true(value_of(config, entry->value, "activate")) &&
            !is_true(value_of(config, entry->value, "soft_load")) &&
            OSSL_PROVIDER_available(NULL, name) != 1) {
            return bad_line(config, list, entry->name, err,
                            "the provider %.100s cannot be activated", name);
        }
    }
    return GLUE_OK;
}
