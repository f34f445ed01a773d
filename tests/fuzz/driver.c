/*
 * driver.c - runs a fuzz target without libFuzzer: over each file that is named, and each file in a
 * folder that is named. Exit code 1 when there is none.
 *
 *     fuzz_NAME [--bounds] PATH...
 *
 * --bounds: each input has a process of its own, and must take neither more than 64 MiB beyond what
 * the process has at its start, nor more than a second of all processors' time for each KiB that it
 * has or begins. The system holds it to the first, whatever the memory comes from: an allocation
 * beyond it fails, and no target takes "out of memory" for an answer. What is too much is named, the
 * rest is run all the same, and the exit code is 1. Not with a sanitizer, whose time and memory are
 * not the program's.
 */
#include "fuzz.h"

#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define BOUND_MS_A_KIB 1000u
#define BOUND_MEMORY ((size_t)64 << 20)
/* An end for what would never end: of processor time, and by the clock. */
#define STOP_CPU_S 20u
#define STOP_S 120u

static struct {
    bool is_bound;
    unsigned count;
    unsigned broken; /* that did not keep to the bounds, or to a promise */
    unsigned slowest_ms;
    long largest_kib; /* resident, with all that the process has at its start */
} all;

static void
bound_memory(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    char text[64] = "";
    struct rlimit limit;

    FUZZ_CHECK(file != NULL && fgets(text, sizeof text, file) != NULL);
    (void)fclose(file);
    limit.rlim_max = strtoul(text, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE) + BOUND_MEMORY;
    limit.rlim_cur = limit.rlim_max;
    FUZZ_CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
}

static void
run_child(const uint8_t *bytes, size_t size)
{
    const struct rlimit no_core = { 0, 0 };
    const struct rlimit processor = { STOP_CPU_S, STOP_CPU_S };

    FUZZ_CHECK(setrlimit(RLIMIT_CORE, &no_core) == 0 && setrlimit(RLIMIT_CPU, &processor) == 0);
    (void)alarm(STOP_S);
    bound_memory();
    (void)LLVMFuzzerTestOneInput(bytes, size);
    _exit(0);
}

static void
run_bound(const char *path, const uint8_t *bytes, size_t size)
{
    size_t allowed_ms = BOUND_MS_A_KIB * (size / 1024 + 1);
    struct rusage used;
    unsigned ms;
    int status;
    pid_t child;

    (void)fflush(NULL);
    child = fork();
    FUZZ_CHECK(child >= 0);
    if (child == 0)
        run_child(bytes, size);
    FUZZ_CHECK(wait4(child, &status, 0, &used) == child);
    ms = (unsigned)((used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000 +
                    (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000);
    if (status != 0)
        printf("%s: %zu bytes: ended by signal %d after %u ms\n", path, size, WTERMSIG(status), ms);
    else if (ms > allowed_ms)
        printf("%s: %zu bytes: took %u ms\n", path, size, ms);
    all.broken += status != 0 || ms > allowed_ms;
    if (ms > all.slowest_ms)
        all.slowest_ms = ms;
    if (used.ru_maxrss > all.largest_kib)
        all.largest_kib = used.ru_maxrss;
}

/* Each input in a block of exactly its size: a read beyond it is seen by the sanitizer. */
static void
run_file(const char *path, FILE *file)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    size_t capacity = 0;
    size_t got;

    do {
        if (size == capacity)
            bytes = realloc(bytes, capacity = 2 * capacity + 4096);
        FUZZ_CHECK(bytes != NULL);
        got = fread(bytes + size, 1, capacity - size, file);
        size += got;
    } while (got > 0);
    if (ferror(file))
        perror(path);
    bytes = realloc(bytes, size > 0 ? size : 1);
    FUZZ_CHECK(bytes != NULL);
    if (all.is_bound)
        run_bound(path, bytes, size);
    else
        (void)LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
    all.count++;
}

static void
run_path(const char *path)
{
    DIR *folder = opendir(path);
    const struct dirent *row;
    FILE *file;

    if (folder == NULL) {
        file = fopen(path, "rb");
        if (file == NULL) {
            perror(path);
            return;
        }
        run_file(path, file);
        (void)fclose(file);
        return;
    }
    while ((row = readdir(folder)) != NULL) {
        char name[4096];

        if (row->d_name[0] != '.' &&
            snprintf(name, sizeof name, "%s/%s", path, row->d_name) < (int)sizeof name)
            run_path(name);
    }
    (void)closedir(folder);
}

int
main(int argc, char **argv)
{
    int first = 1;

    if (argc > 1 && strcmp(argv[1], "--bounds") == 0) {
        all.is_bound = true;
        first = 2;
        /* A thread's own arena would be 64 MiB of addresses. */
        FUZZ_CHECK(mallopt(M_ARENA_MAX, 1) == 1);
    }
    for (int i = first; i < argc; i++)
        run_path(argv[i]);
    printf("%u inputs", all.count);
    if (all.is_bound)
        printf("; the slowest took %u ms, the largest process %ld MiB", all.slowest_ms,
               all.largest_kib >> 10);
    printf("\n");
    return all.count > 0 && all.broken == 0 ? 0 : 1;
}
