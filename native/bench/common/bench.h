/*
 * bench.h - what the bench programs share: failing with a sentence, numbers from the command line,
 * and as many descriptors as the system allows.
 */
#ifndef MXTLS_BENCH_H
#define MXTLS_BENCH_H

/* Ends the process with status 1 after one line on stderr; the second adds OpenSSL's queue. */
_Noreturn void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void bench_fail_openssl(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The value of option `name`; anything but a decimal number of at most `max` is a usage error. */
unsigned long bench_number(const char *name, const char *text, unsigned long max);

/* Raises RLIMIT_NOFILE to its hard limit and fails when that is below `needed`. */
void bench_raise_fd_limit(unsigned long needed);

#endif
