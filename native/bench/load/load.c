/*
 * load.c - the load generator of the bench: many TLS clients in one thread, over loopback.
 *
 * It is the same for every server, so that what differs between two runs is the server alone. Its
 * answer is one line of JSON on stdout. Connections that fail are counted, the first one with its
 * reason on stderr; a run in which nothing moves any more ends with status 1.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "load.h"

static const load_mode *const modes[] = {
    &load_handshake_mode, &load_resumed_mode, &load_foreign_mode,  &load_unknown_mode,
    &load_idle_mode,      &load_smtp_mode,    &load_smtp_bdat_mode};

enum { MODES = sizeof modes / sizeof modes[0] };

static const load_mode *parse(int argc, char **argv, load_options *options);
static const load_mode *find_mode(const char *name);
static void print_usage(FILE *out);

int main(int argc, char **argv)
{
    load_options options = {
        .concurrency = 60, .count = 1000, .tickets = 1, .size = 1024, .group = "X25519"};
    const load_mode *mode = parse(argc, argv, &options);
    bench_raise_fd_limit(64 + (options.hold ? options.count : options.concurrency));
    signal(SIGPIPE, SIG_IGN);
    load_make_message(&options);
    load_result result = load_run(mode, &options);
    printf("{\"handshakes\":%lu,\"failed\":%lu,\"truncated\":%lu,\"tickets\":%lu,"
           "\"resumed\":%lu,\"cpu\":%.1f,\"seconds\":%.6f}\n",
           result.finished, result.failed, result.truncated, result.tickets, result.resumed,
           result.cpu, result.seconds);
    return 0;
}

static const load_mode *parse(int argc, char **argv, load_options *options)
{
    static const struct option known[] = {
        {"port", required_argument, NULL, 'p'},  {"mode", required_argument, NULL, 'm'},
        {"count", required_argument, NULL, 'n'}, {"concurrency", required_argument, NULL, 'c'},
        {"group", required_argument, NULL, 'g'}, {"tickets", required_argument, NULL, 't'},
        {"size", required_argument, NULL, 's'},  {"names", required_argument, NULL, 'i'},
        {"tls12", no_argument, NULL, '2'},       {"hold", no_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0},
    };
    const load_mode *mode = &load_handshake_mode;
    int option;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'p':
            options->port = bench_number("port", optarg, 65535);
            break;
        case 'm':
            mode = find_mode(optarg);
            break;
        case 'n':
            options->count = bench_number("count", optarg, 100000000);
            break;
        case 'c':
            options->concurrency = bench_number("concurrency", optarg, 10000);
            break;
        case 'g':
            options->group = optarg;
            break;
        case 't':
            options->tickets = bench_number("tickets", optarg, 100);
            break;
        case 's':
            options->size = bench_number("size", optarg, 1UL << 30);
            break;
        case 'i':
            options->names = bench_number("names", optarg, 1000000);
            break;
        case '2':
            options->tls12 = true;
            break;
        case 'o':
            options->hold = true;
            break;
        case 'h':
            print_usage(stdout);
            exit(0);
        default:
            print_usage(stderr);
            exit(64);
        }
    }
    if (mode == NULL || options->port == 0 || options->concurrency == 0 || optind != argc ||
        (options->hold && !mode->can_hold)) {
        print_usage(stderr);
        exit(64);
    }
    options->resume = mode->resumes;
    options->invented = mode->invents;
    return mode;
}

static const load_mode *find_mode(const char *name)
{
    for (size_t i = 0; i < MODES; i++) {
        if (strcmp(modes[i]->name, name) == 0) {
            return modes[i];
        }
    }
    return NULL;
}

static void print_usage(FILE *out)
{
    fputs("usage: bench_load --port P [--mode M] [--count N] [--concurrency C] [--group G]\n"
          "                  [--tickets T] [--size S] [--names N] [--tls12] [--hold]\n"
          "  --count N        connections in total (default 1000)\n"
          "  --concurrency C  connections at a time (default 60)\n"
          "  --group G        the only key exchange group offered (default X25519)\n"
          "  --tickets T      session tickets to read before going on (default 1)\n"
          "  --size S         bytes of the message of the smtp modes (default 1024)\n"
          "  --names N        server names to ask for in turn, nI.bench.test (default none)\n"
          "  --tls12          TLS 1.2 instead of 1.3\n"
          "  --hold           keep the connections, print \"ready\", close at the end of stdin\n"
          "modes:\n",
          out);
    for (size_t i = 0; i < MODES; i++) {
        fprintf(out, "  %-16s %s\n", modes[i]->name, modes[i]->summary);
    }
}
