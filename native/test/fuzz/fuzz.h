/*
 * fuzz.h - what a fuzz target is: libFuzzer's entry points, by whichever driver they are called.
 *
 * With clang `npm run fuzz` links libFuzzer; without, and for the replay of the corpora in the
 * ordinary tests, driver.c has a main(). A target aborts when something it states does not hold.
 */
#ifndef MXTLS_FUZZ_H
#define MXTLS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_STATE(ok)                                                                             \
    do {                                                                                           \
        if (!(ok)) {                                                                               \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #ok);                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
