/*
 * Keeps a copy of each archive that a test opens, for the educational reader (test_reader_all.py): in
 * the folder that POBACKUP_TEST_ARCHIVES names, under a name made of the content, so that the same
 * archive is there once. Linked with --wrap=po_reader_open.
 */
#include "keep_archives.h"

#include "archive/hash.h"
#include "archive/reader.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SIZE_MAX_KEPT (1u << 20)

static bool
write_all(int fd, const uint8_t *bytes, size_t size)
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

void
keep_archive(const void *bytes, size_t size)
{
    const char *folder = getenv("POBACKUP_TEST_ARCHIVES");
    uint8_t digest[PO_DIGEST_SIZE];
    char hex[2 * PO_DIGEST_SIZE + 1] = "";
    char path[1024];
    char partial[1100];
    bool is_whole;
    int fd;

    if (folder == NULL || size > SIZE_MAX_KEPT)
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
    is_whole = write_all(fd, bytes, size);
    if (close(fd) != 0 || !is_whole || rename(partial, path) != 0)
        (void)unlink(partial);
}

enum po_status __real_po_reader_open(struct po_reader **out, const struct pobackup_blob *blob,
                                     struct po_err *err);
enum po_status __wrap_po_reader_open(struct po_reader **out, const struct pobackup_blob *blob,
                                     struct po_err *err);

enum po_status
__wrap_po_reader_open(struct po_reader **out, const struct pobackup_blob *blob, struct po_err *err)
{
    if (getenv("POBACKUP_TEST_ARCHIVES") != NULL && blob->size <= SIZE_MAX_KEPT) {
        uint8_t *bytes = malloc((size_t)blob->size + 1);
        struct po_err ignored;

        if (bytes != NULL &&
            blob->read_at(blob->ctx, 0, bytes, (size_t)blob->size, &ignored) == PO_OK)
            keep_archive(bytes, (size_t)blob->size);
        free(bytes);
    }
    return __real_po_reader_open(out, blob, err);
}
