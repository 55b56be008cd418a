/*
 * openssl_glue.c - what exists once per process: OpenSSL's initialisation, its version, and the
 * ex_data index that leads from an SSL to its connection.
 *
 * Mirrors tls_library_init() and tls_check_version() of Postfix's tls_misc.c. Initialisation is
 * explicit, because OpenSSL initialises itself on first use otherwise: with the system's
 * openssl.cnf, and with an exit handler that frees what other threads still use. Hence nothing here
 * calls into OpenSSL before OPENSSL_INIT_NO_ATEXIT has been said, and OPENSSL_cleanup() never runs.
 *
 * Owns the record of the one request and its outcome, for the life of the process. After a failure
 * there is no index, and without one contexts and chains are refused: TLS is off in this process.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <openssl/conf.h>

#include "glue_internal.h"

#if defined(MXTLS_MODE_DYNAMIC) && defined(MXTLS_MODE_STATIC)
#error "define one of MXTLS_MODE_STATIC and MXTLS_MODE_DYNAMIC"
#endif

#ifdef MXTLS_MODE_DYNAMIC
static const char mode[] = "dynamic";
#else
static const char mode[] = "static";
#endif

#define OLDEST_RUNTIME 0x30500000UL
#define ALWAYS                                                                                     \
    (OPENSSL_INIT_NO_ATEXIT | OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS)

static struct {
    pthread_mutex_t lock;
    char *config_file; /* owned; NULL until the first request */
    char *config_name;
    glue_status status;
    glue_error err;
    int conn_index;
} library = {.lock = PTHREAD_MUTEX_INITIALIZER, .conn_index = -1};

static glue_status init_first(const char *file, const char *name, glue_error *err);

/* ------------------------------------------------------------------ public */

glue_status glue_library_init(const glue_library_props *props, glue_error *err)
{
    const char *file = props == NULL || props->config_file == NULL ? "none" : props->config_file;
    const char *name = props == NULL || props->config_name == NULL ? "" : props->config_name;
    glue_status status;
    pthread_mutex_lock(&library.lock);
    if (library.config_file == NULL) {
        status = init_first(file, name, err);
    } else if (strcmp(library.config_file, file) != 0 || strcmp(library.config_name, name) != 0) {
        status = glue_error_set(err, GLUE_E_LIBRARY_INIT_CONFLICT,
                                "the TLS library is initialised with configuration file \"%.200s\" "
                                "and name \"%.100s\" already",
                                library.config_file, library.config_name);
    } else {
        status = library.status;
        if (status != GLUE_OK && err != NULL) {
            *err = library.err;
        }
    }
    pthread_mutex_unlock(&library.lock);
    return status;
}

void glue_library_describe(glue_library_info *info)
{
    Dl_info found;
    SSL_CTX *(*symbol)(const SSL_METHOD *) = SSL_CTX_new;
    void *address;
    memset(info, 0, sizeof(*info));
    info->headers = OPENSSL_VERSION_STR;
    info->headers_number = OPENSSL_VERSION_NUMBER;
    info->runtime_number = OpenSSL_version_num();
    snprintf(info->runtime, sizeof(info->runtime), "%s", OpenSSL_version(OPENSSL_VERSION_STRING));
    info->mode = mode;
    /* ISO C knows no conversion from a function pointer; POSIX has them of one size. */
    memcpy(&address, &symbol, sizeof(address));
    if (dladdr(address, &found) != 0 && found.dli_fname != NULL) {
        snprintf(info->path, sizeof(info->path), "%s", found.dli_fname);
    }
    glue_library_check_version(info->headers_number, info->runtime_number, info->warning,
                               sizeof(info->warning));
}

void glue_library_thread_stop(void)
{
    OPENSSL_thread_stop();
}

int glue_library_conn_index(void)
{
    return library.conn_index;
}

struct glue_conn *glue_conn_of(const SSL *ssl)
{
    return ssl == NULL ? NULL : SSL_get_ex_data(ssl, library.conn_index);
}

/* ------------------------------------------------------------------ versions */

typedef struct version {
    unsigned major;
    unsigned minor;
    unsigned micro;
} version;

/* 0xMNN00PP0 since 3.0, 0xMNNFFPPS before. */
static version version_split(unsigned long number)
{
    version v = {(unsigned)(number >> 28), (unsigned)(number >> 20 & 0xff), 0};
    v.micro = (unsigned)(v.major >= 3 ? number >> 4 & 0xff : number >> 12 & 0xff);
    return v;
}

/* The ABI promises of OpenSSL: 3.x upwards compatible, 1.1.x within a minor, before that none. */
static bool version_suits(version h, version r)
{
    if (h.major >= 3) {
        return r.major == h.major && r.minor >= h.minor;
    }
    if (h.major != r.major || h.minor != r.minor) {
        return false;
    }
    return h.major == 1 && h.minor >= 1 ? r.micro >= h.micro : r.micro == h.micro;
}

bool glue_library_check_version(unsigned long headers, unsigned long runtime, char *warning,
                                size_t size)
{
    version h = version_split(headers);
    version r = version_split(runtime);
    snprintf(warning, size, "%s", "");
    if (!version_suits(h, r)) {
        snprintf(warning, size,
                 "run-time library vs. compile-time header version mismatch: OpenSSL %u.%u.%u may "
                 "not be compatible with OpenSSL %u.%u.%u",
                 r.major, r.minor, r.micro, h.major, h.minor, h.micro);
    }
    return runtime >= OLDEST_RUNTIME;
}

/* ------------------------------------------------------------------ initialisation */

static glue_status init_none(glue_error *err)
{
    if (OPENSSL_init_ssl(ALWAYS | OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1) {
        return glue_error_openssl(err, GLUE_E_LIBRARY_INIT_FAILED, NULL);
    }
    return GLUE_OK;
}

static bool init_with(const char *file, const char *name, unsigned long flags)
{
    OPENSSL_INIT_SETTINGS *settings = OPENSSL_INIT_new();
    bool done = settings != NULL;
    if (done && file != NULL) {
        done = OPENSSL_INIT_set_config_filename(settings, file) == 1;
    }
    if (done && name[0] != '\0') {
        done = OPENSSL_INIT_set_config_appname(settings, name) == 1;
    }
    if (done) {
        OPENSSL_INIT_set_config_file_flags(settings, flags);
        done = OPENSSL_init_ssl(ALWAYS | OPENSSL_INIT_LOAD_CONFIG, settings) == 1;
    }
    OPENSSL_INIT_free(settings);
    return done;
}

/* Lenient with a name, as Postfix is; without one OpenSSL's own behaviour. */
static glue_status init_default(const char *name, glue_error *err)
{
    const unsigned long lenient = CONF_MFLAGS_IGNORE_MISSING_FILE | CONF_MFLAGS_DEFAULT_SECTION |
                                  CONF_MFLAGS_IGNORE_RETURN_CODES | CONF_MFLAGS_SILENT;
    bool done = name[0] == '\0' ? OPENSSL_init_ssl(ALWAYS | OPENSSL_INIT_LOAD_CONFIG, NULL) == 1
                                : init_with(NULL, name, lenient);
    if (!done) {
        return glue_error_openssl(err, GLUE_E_LIBRARY_INIT_FAILED,
                                  "the TLS library cannot be initialised with the \"%.100s\" "
                                  "settings of the default OpenSSL configuration file",
                                  name[0] == '\0' ? "global" : name);
    }
    /* What the lenient reading stumbled over. */
    ERR_clear_error();
    return GLUE_OK;
}

/* Strict: whatever the file says takes effect, or there is no TLS. */
static glue_status init_file(const char *file, const char *name, glue_error *err)
{
    if (OPENSSL_init_crypto(ALWAYS, NULL) != 1) {
        return glue_error_openssl(err, GLUE_E_LIBRARY_INIT_FAILED, NULL);
    }
    if (glue_config_check(file, name, err) != GLUE_OK) {
        return GLUE_ERROR;
    }
    if (!init_with(file, name, 0)) {
        return glue_config_explain(file, name, err);
    }
    return glue_config_check_ssl(file, name, err);
}

static glue_status init_library(const char *file, const char *name, glue_error *err)
{
    char warning[160];
    if (!glue_library_check_version(OPENSSL_VERSION_NUMBER, OpenSSL_version_num(), warning,
                                    sizeof(warning))) {
        return glue_error_set(err, GLUE_E_LIBRARY_TOO_OLD,
                              "OpenSSL 3.5 or newer is needed, this is %.60s",
                              OpenSSL_version(OPENSSL_VERSION));
    }
    if (strcmp(file, "none") == 0) {
        return init_none(err);
    }
    if (strcmp(file, "default") == 0) {
        return init_default(name, err);
    }
    if (file[0] == '/') {
        return init_file(file, name, err);
    }
    return glue_error_set(err, GLUE_E_CONFIG_FILE,
                          "the OpenSSL configuration file \"%.200s\" is not an absolute pathname, "
                          "\"default\" or \"none\"",
                          file);
}

static glue_status make_index(glue_error *err)
{
    library.conn_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    if (library.conn_index < 0) {
        return glue_error_openssl(err, GLUE_E_LIBRARY_INIT_FAILED,
                                  "no application data index for TLS handles");
    }
    return GLUE_OK;
}

/* Called once, with the lock held. */
static glue_status init_first(const char *file, const char *name, glue_error *err)
{
    char *own_file = OPENSSL_strdup(file);
    char *own_name = OPENSSL_strdup(name);
    if (own_file == NULL || own_name == NULL) {
        OPENSSL_free(own_file);
        OPENSSL_free(own_name);
        /* The one failure that is not remembered: nothing has been done. */
        return glue_error_openssl(err, GLUE_E_OUT_OF_MEMORY, NULL);
    }
    library.config_file = own_file;
    library.config_name = own_name;
    library.status = init_library(file, name, &library.err);
    if (library.status == GLUE_OK) {
        library.status = make_index(&library.err);
    }
    if (library.status != GLUE_OK && err != NULL) {
        *err = library.err;
    }
    return library.status;
}
