/*
 * glue_error.c - the catalogue's names, and the one place that fills a glue_error.
 *
 * An error is built on the thread that failed: class and sentence from error_catalogue.h or from
 * the caller, then OpenSSL's per-thread queue, drained to its end so that nothing of it turns up
 * in the next failure. `library` holds the queue the way Postfix's tls_print_errors() logs it,
 * `ERROR:FILE:LINE:[DATA:]`, one entry a line.
 *
 * Wherever OpenSSL reports that it got no memory the error becomes OUT_OF_MEMORY, whatever the
 * caller took it for: neither the peer nor the operator is to blame.
 *
 * Owns nothing. `err` may be NULL; then the queue is emptied all the same.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "glue_internal.h"

typedef struct catalogue_row {
    glue_error_class cls;
    const char *name;
    const char *sentence;
} catalogue_row;

static const catalogue_row catalogue[] = {
#define X(cls, name, text) {GLUE_CLASS_##cls, #name, text},
    GLUE_ERRORS(X)
#undef X
};

static const char *const class_names[] = {"usage",  "config", "io",       "timeout",
                                          "closed", "alert",  "protocol", "internal"};

static void set_sentence(glue_error *err, glue_error_code code, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
static void append(char *text, size_t size, const char *more);

/* ------------------------------------------------------------------ public */

const char *glue_error_class_name(glue_error_class cls)
{
    size_t i = (size_t)cls;
    return i < sizeof(class_names) / sizeof(class_names[0]) ? class_names[i] : "unknown";
}

const char *glue_error_code_name(glue_error_code code)
{
    size_t i = (size_t)code;
    return i < GLUE_E_COUNT ? catalogue[i].name : "UNKNOWN";
}

glue_status glue_error_set(glue_error *err, glue_error_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_sentence(err, code, format, args);
    va_end(args);
    return GLUE_ERROR;
}

glue_status glue_error_set_errno(glue_error *err, glue_error_code code, int sys_errno,
                                 const char *format, ...)
{
    char text[128] = "";
    va_list args;
    va_start(args, format);
    set_sentence(err, code, format, args);
    va_end(args);
    if (err == NULL) {
        return GLUE_ERROR;
    }
    err->sys_errno = sys_errno;
    append(err->message, sizeof(err->message), ": ");
    /* The GNU strerror_r(): the text need not be in the buffer. */
    append(err->message, sizeof(err->message), strerror_r(sys_errno, text, sizeof(text)));
    return GLUE_ERROR;
}

/* ------------------------------------------------------------------ OpenSSL's queue */

typedef struct queue_entry {
    unsigned long code;
    const char *file;
    int line;
    const char *data; /* "" when there is none */
} queue_entry;

static bool queue_take(queue_entry *entry)
{
    int flags = 0;
    entry->code = ERR_get_error_all(&entry->file, &entry->line, NULL, &entry->data, &flags);
    if (entry->code == 0) {
        return false;
    }
    if ((flags & ERR_TXT_STRING) == 0 || entry->data == NULL) {
        entry->data = "";
    }
    return true;
}

/* Data may quote what a peer sent; an entry stays one line whatever it holds. */
static void make_printable(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f) {
            *text = '?';
        }
    }
}

/* Whole entries only, but for the first. */
static void note_entry(glue_error *err, const queue_entry *entry)
{
    char text[sizeof(err->library)];
    char name[256];
    ERR_error_string_n(entry->code, name, sizeof(name));
    int len = snprintf(text, sizeof(text), "%s:%s:%d:%s%s", name, entry->file, entry->line,
                       entry->data, entry->data[0] == '\0' ? "" : ":");
    make_printable(text);
    size_t used = strlen(err->library);
    if (used > 0 && (len < 0 || used + 1 + (size_t)len >= sizeof(err->library))) {
        return;
    }
    append(err->library, sizeof(err->library), used == 0 ? "" : "\n");
    append(err->library, sizeof(err->library), text);
}

/* A failed system call has no reason of OpenSSL's, but an errno. */
static void note_reason(glue_error *err, const queue_entry *entry)
{
    if (err->reason[0] != '\0') {
        return;
    }
    if (ERR_SYSTEM_ERROR(entry->code)) {
        char text[128] = "";
        int sys_errno = ERR_GET_REASON(entry->code);
        append(err->reason, sizeof(err->reason), strerror_r(sys_errno, text, sizeof(text)));
        err->sys_errno = err->sys_errno == 0 ? sys_errno : err->sys_errno;
        return;
    }
    const char *reason = ERR_reason_error_string(entry->code);
    append(err->reason, sizeof(err->reason), reason == NULL ? "" : reason);
}

glue_status glue_error_drain(glue_error *err)
{
    queue_entry entry;
    if (err == NULL) {
        ERR_clear_error();
        return GLUE_ERROR;
    }
    while (queue_take(&entry)) {
        note_entry(err, &entry);
        note_reason(err, &entry);
        if (!ERR_SYSTEM_ERROR(entry.code) && ERR_GET_REASON(entry.code) == ERR_R_MALLOC_FAILURE) {
            err->code = GLUE_E_OUT_OF_MEMORY;
            err->cls = catalogue[GLUE_E_OUT_OF_MEMORY].cls;
        }
    }
    return GLUE_ERROR;
}

glue_status glue_error_openssl(glue_error *err, glue_error_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_sentence(err, code, format, args);
    va_end(args);
    glue_error_drain(err);
    if (err == NULL || err->reason[0] == '\0') {
        return GLUE_ERROR;
    }
    append(err->message, sizeof(err->message), ": ");
    append(err->message, sizeof(err->message), err->reason);
    return GLUE_ERROR;
}

/* ------------------------------------------------------------------ helpers */

static void set_sentence(glue_error *err, glue_error_code code, const char *format, va_list args)
{
    if (err == NULL) {
        return;
    }
    size_t row = (size_t)code < GLUE_E_COUNT ? (size_t)code : (size_t)GLUE_E_OPENSSL;
    memset(err, 0, sizeof(*err));
    err->code = (glue_error_code)row;
    err->cls = catalogue[row].cls;
    if (format == NULL) {
        append(err->message, sizeof(err->message), catalogue[row].sentence);
        return;
    }
    vsnprintf(err->message, sizeof(err->message), format, args);
}

/* Cuts what does not fit. */
static void append(char *text, size_t size, const char *more)
{
    size_t used = strlen(text);
    snprintf(text + used, size - used, "%s", more);
}
