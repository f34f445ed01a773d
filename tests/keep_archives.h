/*
 * keep_archives.h - copies of the archives that the tests make, for the educational reader
 * (test_reader_all.py): in the folder that POBACKUP_TEST_ARCHIVES names, under a name made of the
 * content, so that the same archive is there once.
 */
#ifndef PO_TESTS_KEEP_ARCHIVES_H
#define PO_TESTS_KEEP_ARCHIVES_H

#include "archive/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define KEEP_SIZE_MAX (1u << 20)

static inline void
keep_archive(const void *bytes, size_t size)
{
    const char *folder = getenv("POBACKUP_TEST_ARCHIVES");
    uint8_t digest[PO_DIGEST_SIZE];
    char hex[2 * PO_DIGEST_SIZE + 1] = "";
    char path[1024];
    char partial[1100];
    FILE *file;
    bool is_whole;

    if (folder == NULL || size > KEEP_SIZE_MAX)
        return;
    po_blake2b(bytes, size, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    (void)snprintf(path, sizeof path, "%s/%s", folder, hex);
    file = fopen(path, "rb");
    if (file != NULL) {
        (void)fclose(file);
        return;
    }
    (void)snprintf(partial, sizeof partial, "%s.%ld", path, (long)getpid());
    file = fopen(partial, "wb");
    if (file == NULL)
        return;
    is_whole = fwrite(bytes, 1, size, file) == size;
    if (fclose(file) != 0 || !is_whole || rename(partial, path) != 0)
        (void)remove(partial);
}

#endif
