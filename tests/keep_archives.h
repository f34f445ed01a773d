/*
 * keep_archives.h - copies of the archives that the tests make, for the educational reader
 * (test_reader_all.py): in the folder that POBACKUP_TEST_ARCHIVES names, under a name made of the
 * content, so that the same archive is there once.
 */
#ifndef PO_TESTS_KEEP_ARCHIVES_H
#define PO_TESTS_KEEP_ARCHIVES_H

#include "archive/hash.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define KEEP_SIZE_MAX (1u << 20)

static inline bool
keep_write(int fd, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t got = write(fd, bytes, size);

        if (got <= 0)
            return false;
        bytes += got;
        size -= (size_t)got;
    }
    return true;
}

static inline void
keep_archive(const void *bytes, size_t size)
{
    const char *folder = getenv("POBACKUP_TEST_ARCHIVES");
    uint8_t digest[PO_DIGEST_SIZE];
    char hex[2 * PO_DIGEST_SIZE + 1] = "";
    char path[1024];
    char partial[1100];
    bool is_whole;
    int fd;

    if (folder == NULL || size > KEEP_SIZE_MAX)
        return;
    po_blake2b(bytes, size, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    (void)snprintf(path, sizeof path, "%s/%s", folder, hex);
    if (access(path, F_OK) == 0)
        return;
    (void)snprintf(partial, sizeof partial, "%s.%ld", path, (long)getpid());
    fd = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    is_whole = keep_write(fd, bytes, size);
    if (close(fd) != 0 || !is_whole || rename(partial, path) != 0)
        (void)unlink(partial);
}

#endif
