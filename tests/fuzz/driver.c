/*
 * driver.c - runs a fuzz target without libFuzzer: over each file that is named, and each file in a
 * folder that is named. Exit code 1 when there is none.
 */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    (void)LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
}

static unsigned
run_path(const char *path)
{
    DIR *folder = opendir(path);
    const struct dirent *row;
    unsigned count = 0;
    FILE *file;

    if (folder == NULL) {
        file = fopen(path, "rb");
        if (file == NULL) {
            perror(path);
            return 0;
        }
        run_file(path, file);
        (void)fclose(file);
        return 1;
    }
    while ((row = readdir(folder)) != NULL) {
        char name[4096];

        if (row->d_name[0] != '.' &&
            snprintf(name, sizeof name, "%s/%s", path, row->d_name) < (int)sizeof name)
            count += run_path(name);
    }
    (void)closedir(folder);
    return count;
}

int
main(int argc, char **argv)
{
    unsigned count = 0;

    for (int i = 1; i < argc; i++)
        count += run_path(argv[i]);
    printf("%u inputs\n", count);
    return count > 0 ? 0 : 1;
}
