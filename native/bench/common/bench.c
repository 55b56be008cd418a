/*
 * bench.c - see bench.h. The bench programs are tools of one run: whatever goes wrong at start ends
 * the process with a sentence; what goes wrong on one connection is counted instead.
 */
#include "bench.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <openssl/err.h>

static void say(const char *format, va_list args);

void bench_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
    exit(1);
}

void bench_fail_openssl(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
    ERR_print_errors_fp(stderr);
    exit(1);
}

unsigned long bench_number(const char *name, const char *text, unsigned long max)
{
    errno = 0;
    char *end = NULL;
    unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text == '-' || value > max) {
        bench_fail("--%s is \"%s\"; it must be a number from 0 to %lu", name, text, max);
    }
    return value;
}

void bench_raise_fd_limit(unsigned long needed)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        bench_fail("getrlimit: %s", strerror(errno));
    }
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        bench_fail("setrlimit: %s", strerror(errno));
    }
    if (limit.rlim_cur < needed) {
        bench_fail(
            "needs %lu descriptors, the system allows %lu; raise the hard limit (ulimit -Hn)",
            needed, (unsigned long)limit.rlim_cur);
    }
}

static void say(const char *format, va_list args)
{
    fputs("bench: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}
