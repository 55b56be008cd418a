/*
 * driver.c - runs a fuzz target without libFuzzer.
 *
 *   PROGRAM FILE|DIRECTORY ...             each input once
 *   PROGRAM -seconds=N FILE|DIRECTORY ...  and then changed at random for N seconds, without
 * guidance
 *
 * An input that ends the program is left in the working directory as crash-PROGRAM.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

enum { INPUTS_MAX = 4096, SIZE_MAX_INPUT = 1 << 16, MUTATIONS_MAX = 8 };

typedef struct input {
    uint8_t *data;
    size_t size;
} input;

static input inputs[INPUTS_MAX];
static size_t input_count;
static input current;
static const char *program;

/* Kept with async-signal-safe calls: the process is about to end. */
static void keep_current(void)
{
    char name[256];
    int length = snprintf(name, sizeof(name), "crash-%s", program);
    FILE *file = length > 0 ? fopen(name, "wb") : NULL;
    if (file != NULL) {
        fwrite(current.data, 1, current.size, file);
        fclose(file);
        fprintf(stderr, "the input is in %s\n", name);
    }
}

static void on_signal(int number)
{
    keep_current();
    signal(number, SIG_DFL);
    raise(number);
}

/* Sanitizers end the process by themselves and have a hook for it. */
extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(SIZE_MAX_INPUT);
    if (file == NULL || data == NULL || input_count == INPUTS_MAX) {
        fprintf(stderr, "cannot read %s: %s\n", path, strerror(errno));
        exit(1);
    }
    inputs[input_count++] = (input){data, fread(data, 1, SIZE_MAX_INPUT, file)};
    fclose(file);
}

static void read_path(const char *path)
{
    struct stat about;
    DIR *directory;
    if (stat(path, &about) != 0 || !S_ISDIR(about.st_mode) || (directory = opendir(path)) == NULL) {
        read_file(path);
        return;
    }
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        char name[4096];
        if (entry->d_name[0] != '.' &&
            snprintf(name, sizeof(name), "%s/%s", path, entry->d_name) < (int)sizeof(name)) {
            read_file(name);
        }
    }
    closedir(directory);
}

/* One small change; `buffer` holds SIZE_MAX_INPUT bytes. */
static size_t mutate(uint8_t *buffer, size_t size)
{
    size_t at = size == 0 ? 0 : (size_t)rand() % size;
    switch (rand() % 5) {
    case 0: /* another byte */
        if (size > 0) {
            buffer[at] = (uint8_t)rand();
        }
        return size;
    case 1: /* a bit */
        if (size > 0) {
            buffer[at] ^= (uint8_t)(1 << rand() % 8);
        }
        return size;
    case 2: /* one more */
        if (size < SIZE_MAX_INPUT) {
            memmove(buffer + at + 1, buffer + at, size - at);
            buffer[at] = (uint8_t)rand();
            size++;
        }
        return size;
    case 3: { /* some fewer */
        size_t gone = size == at ? 0 : (size_t)rand() % (size - at + 1);
        memmove(buffer + at, buffer + at + gone, size - at - gone);
        return size - gone;
    }
    default: { /* the end of another input */
        const input *other = &inputs[(size_t)rand() % input_count];
        size_t from = other->size == 0 ? 0 : (size_t)rand() % other->size;
        size_t length = other->size - from;
        if (length > SIZE_MAX_INPUT - at) {
            length = SIZE_MAX_INPUT - at;
        }
        memcpy(buffer + at, other->data + from, length);
        return at + length;
    }
    }
}

static void run(input given)
{
    current = given;
    LLVMFuzzerTestOneInput(given.data, given.size);
}

static unsigned long run_changed(unsigned seconds)
{
    static uint8_t buffer[SIZE_MAX_INPUT];
    unsigned long runs = 0;
    time_t end = time(NULL) + (time_t)seconds;
    srand((unsigned)time(NULL));
    while (time(NULL) < end) {
        const input *seed = &inputs[(size_t)rand() % input_count];
        size_t size = seed->size;
        memcpy(buffer, seed->data, size);
        for (int i = rand() % MUTATIONS_MAX; i >= 0; i--) {
            size = mutate(buffer, size);
        }
        run((input){buffer, size});
        runs++;
    }
    return runs;
}

int main(int argc, char **argv)
{
    unsigned seconds = 0;
    program = strrchr(argv[0], '/') == NULL ? argv[0] : strrchr(argv[0], '/') + 1;
    LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "-seconds=", 9) == 0) {
            seconds = (unsigned)strtoul(argv[i] + 9, NULL, 10);
        } else {
            read_path(argv[i]);
        }
    }
    if (input_count == 0) {
        fprintf(stderr, "Usage: %s [-seconds=N] FILE|DIRECTORY ...\n", program);
        return 1;
    }
    signal(SIGABRT, on_signal);
    if (__sanitizer_set_death_callback != NULL) {
        __sanitizer_set_death_callback(keep_current);
    }
    for (size_t i = 0; i < input_count; i++) {
        run(inputs[i]);
    }
    printf("%zu inputs, %lu changed ones\n", input_count, seconds == 0 ? 0 : run_changed(seconds));
    for (size_t i = 0; i < input_count; i++) {
        free(inputs[i].data);
    }
    return 0;
}
