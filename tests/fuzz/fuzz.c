#include "fuzz.h"

#include "archive/peek.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of each file at most so much is read: a size alone must not cost time. */
#define READ_MAX ((size_t)1 << 20)

void
fuzz_check(bool is_true, const char *what, const char *file, int line)
{
    if (is_true)
        return;
    (void)fprintf(stderr, "%s:%d: broken: %s\n", file, line, what);
    abort();
}

struct bytes {
    const uint8_t *at;
    size_t size;
};

static enum po_status
read_at(void *ctx, uint64_t offset, void *to, size_t size, struct po_err *err)
{
    const struct bytes *bytes = ctx;

    (void)err;
    /* pobackup.h: it is never asked beyond the size. */
    FUZZ_CHECK(offset <= bytes->size && size <= bytes->size - offset);
    if (size > 0)
        memcpy(to, bytes->at + offset, size);
    return PO_OK;
}

static void
count_hit(void *ctx, const struct pobackup_entry *entry)
{
    uint64_t *count = ctx;

    FUZZ_CHECK(entry->path_size > 0);
    (*count)++;
}

/* What verification found is what reading finds. */
static void
read_entries(struct pobackup_archive *archive, bool is_good)
{
    uint8_t *to = malloc(READ_MAX);

    FUZZ_CHECK(to != NULL);
    for (uint64_t i = 0; i < pobackup_entry_count(archive); i++) {
        struct pobackup_entry entry;
        struct po_err err;
        size_t got = 0;
        enum po_status st = pobackup_entry_at(archive, i, &entry, &err);

        FUZZ_CHECK(st == PO_OK);
        FUZZ_CHECK(pobackup_entry_find(archive, entry.path, entry.path_size) == (int64_t)i);
        if (entry.type != POBACKUP_FILE || entry.source != 0)
            continue;
        st = pobackup_read(archive, i, 0, to, READ_MAX, &got, &err);
        FUZZ_CHECK(st == PO_OK || !is_good);
        FUZZ_CHECK(st != PO_OK || got == (entry.size < READ_MAX ? entry.size : READ_MAX));
        st = pobackup_read(archive, i, entry.size / 2, to, 100, &got, &err);
        FUZZ_CHECK(st == PO_OK || !is_good);
    }
    free(to);
}

/* What is whole can be told without its index; of the rest nothing worse comes than a verdict. */
static void
peek(const struct pobackup_blob *blob, bool is_whole)
{
    struct po_peek peek;
    uint8_t digest[PO_DIGEST_SIZE];
    struct po_err err;
    enum po_status st = po_peek_read(&peek, blob, &err);

    FUZZ_CHECK(st == PO_OK || (!is_whole && (st == PO_E_FORMAT || st == PO_E_UNSUPPORTED)));
    if (st == PO_OK) {
        FUZZ_CHECK(po_peek_digest(digest, blob, &err) == PO_OK);
        FUZZ_CHECK(memcmp(digest, peek.digest, sizeof digest) == 0);
    }
    po_peek_deinit(&peek);
}

void
fuzz_read_archive(const uint8_t *bytes, size_t size)
{
    struct bytes all = { bytes, size };
    struct pobackup_blob blob = { .ctx = &all, .size = size, .read_at = read_at };
    struct pobackup_archive *archive = NULL;
    struct po_err err;
    uint64_t hits = 0;
    enum po_status st = pobackup_open(&archive, &blob, &err);
    enum po_status quick;

    FUZZ_CHECK((st == PO_OK) == (archive != NULL));
    if (st != PO_OK) {
        FUZZ_CHECK(st == PO_E_FORMAT || st == PO_E_UNSUPPORTED);
        peek(&blob, false);
        return;
    }
    quick = pobackup_verify(archive, 0, count_hit, &hits, &err);
    st = pobackup_verify(archive, 1, count_hit, &hits, &err);
    FUZZ_CHECK(st == PO_OK || st == PO_E_FORMAT || st == PO_E_UNSUPPORTED);
    FUZZ_CHECK(quick == PO_OK || st != PO_OK);
    FUZZ_CHECK(st != PO_OK || hits == 0);
    read_entries(archive, st == PO_OK);
    peek(&blob, st == PO_OK);
    pobackup_close(archive);
}
