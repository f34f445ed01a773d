#include "engine/journal.h"

#include "archive/hash.h"
#include "base/mem.h"

#include <string.h>

#define MAGIC "pobackup journal 1\n"
#define MAGIC_SIZE (sizeof(MAGIC) - 1)
#define HEAD_SIZE 5u /* payload size, kind */
#define CHECK_SIZE 8u
#define FLUSH_SIZE (UINT32_C(1) << 20)
#define FILE_SIZE_MAX (UINT64_C(1) << 30)

struct po_journal {
    struct po_file *file;
    uint64_t size; /* written */
    struct po_buf pending;
};

void
po_journal_free(struct po_journal *journal)
{
    if (journal == NULL)
        return;
    po_file_free(journal->file);
    po_buf_deinit(&journal->pending);
    po_mem_free(journal);
}

/* ---- writing ---- */

static enum po_status
flush(struct po_journal *journal, struct po_err *err)
{
    enum po_status st = po_buf_check(&journal->pending, err);

    if (st == PO_OK && journal->pending.size > 0)
        st = po_file_write_at(journal->file, journal->size, journal->pending.bytes,
                              journal->pending.size, err);
    if (st != PO_OK)
        return st;
    journal->size += journal->pending.size;
    po_buf_clear(&journal->pending);
    return PO_OK;
}

enum po_status
po_journal_sync(struct po_journal *journal, struct po_err *err)
{
    enum po_status st = flush(journal, err);

    if (st == PO_OK)
        st = po_file_sync(journal->file, err);
    return st == PO_OK ? st : po_err_prefix(err, "journal");
}

enum po_status
po_journal_put(struct po_journal *journal, uint8_t kind, const void *bytes, size_t size,
               struct po_err *err)
{
    struct po_buf *pending = &journal->pending;
    size_t start = pending->size;
    uint8_t hash[PO_HASH_SIZE];

    if (size > PO_JOURNAL_RECORD_MAX)
        return po_fail(err, PO_E_USAGE, "journal: a record of %zu bytes", size);
    if (!po_buf_reserve(pending, HEAD_SIZE + size + CHECK_SIZE))
        return po_fail_nomem(err, size);
    po_buf_put_u32le(pending, (uint32_t)size);
    po_buf_put_u8(pending, kind);
    po_buf_put(pending, bytes, size);
    po_xxh3(pending->bytes + start, pending->size - start, hash);
    po_buf_put(pending, hash, CHECK_SIZE);
    return pending->size < FLUSH_SIZE ? PO_OK : flush(journal, err);
}

void
po_journal_put_text(struct po_buf *record, const char *text, size_t size)
{
    po_buf_put_u32le(record, (uint32_t)size);
    po_buf_put(record, text, size);
}

enum po_status
po_journal_create(struct po_journal **out, struct po_dir *dir, const char *name, struct po_err *err)
{
    struct po_journal *journal = po_mem_new(1, sizeof(*journal));
    enum po_status st;

    if (journal == NULL)
        return po_fail_nomem(err, sizeof(*journal));
    st = po_file_open(&journal->file, dir, name, strlen(name), PO_FILE_CREATE, 0600, err);
    if (st == PO_OK) {
        po_buf_put(&journal->pending, MAGIC, MAGIC_SIZE);
        st = po_journal_sync(journal, err);
    }
    if (st == PO_OK)
        st = po_dir_sync(dir, err);
    if (st != PO_OK) {
        po_journal_free(journal);
        return po_err_prefix(err, "journal");
    }
    *out = journal;
    return PO_OK;
}

/* ---- reading ---- */

const char *
po_journal_text(struct po_cursor *record, size_t *size)
{
    uint32_t count = po_cursor_u32(record);
    const uint8_t *bytes = po_cursor_bytes(record, count);

    *size = bytes == NULL ? 0 : count;
    return bytes == NULL ? "" : (const char *)bytes;
}

static enum po_status
load(struct po_buf *out, struct po_dir *dir, const char *name, struct po_err *err)
{
    struct po_file *file = NULL;
    struct po_node_info info;
    size_t got = 0;
    enum po_status st = po_file_open(&file, dir, name, strlen(name), PO_FILE_READ, 0, err);

    if (st == PO_OK)
        st = po_file_info(file, &info, err);
    if (st == PO_OK && (info.size > FILE_SIZE_MAX || !po_buf_reserve(out, (size_t)info.size + 1)))
        st = po_fail_nomem(err, (size_t)info.size);
    if (st == PO_OK)
        st = po_file_read_at(file, 0, out->bytes, (size_t)info.size, &got, err);
    out->size = got;
    po_file_free(file);
    return st;
}

/* The record at the cursor, which moves behind it; false at the end or where it is none. */
static bool
next_record(struct po_cursor *all, uint8_t *kind, struct po_cursor *record)
{
    const uint8_t *start = all->at;
    uint32_t size = po_cursor_u32(all);
    uint8_t hash[PO_HASH_SIZE];
    const uint8_t *bytes;
    const uint8_t *check;

    *kind = po_cursor_u8(all);
    if (all->overrun || size > PO_JOURNAL_RECORD_MAX)
        return false;
    bytes = po_cursor_bytes(all, size);
    check = po_cursor_bytes(all, CHECK_SIZE);
    if (bytes == NULL || check == NULL)
        return false;
    po_xxh3(start, HEAD_SIZE + (size_t)size, hash);
    *record = po_cursor_over(bytes, size);
    return memcmp(hash, check, CHECK_SIZE) == 0;
}

/* *end is where the last whole record ends, *left what stands behind it. */
static enum po_status
read_all(struct po_dir *dir, const char *name, po_journal_fn each, void *ctx, uint64_t *end,
         uint64_t *left, struct po_err *err)
{
    struct po_buf text = { 0 };
    enum po_status st = load(&text, dir, name, err);

    if (st == PO_OK &&
        memcmp(po_buf_text(&text), MAGIC, text.size < MAGIC_SIZE ? text.size : MAGIC_SIZE) != 0)
        st = po_fail(err, PO_E_FORMAT, "%s is no journal of this version", name);
    /* Shorter: the crash came while it was made. */
    if (st == PO_OK && text.size >= MAGIC_SIZE) {
        struct po_cursor all = po_cursor_over(text.bytes + MAGIC_SIZE, text.size - MAGIC_SIZE);
        struct po_cursor record;
        uint8_t kind;

        *end = MAGIC_SIZE;
        while (st == PO_OK && next_record(&all, &kind, &record)) {
            *end = (uint64_t)(all.at - text.bytes);
            if (each != NULL)
                st = each(ctx, kind, &record, err);
        }
        *left = text.size - *end;
    }
    po_buf_deinit(&text);
    return st;
}

enum po_status
po_journal_read(struct po_dir *dir, const char *name, po_journal_fn each, void *ctx,
                struct po_err *err)
{
    uint64_t left = 0;

    return po_journal_read_left(dir, name, each, ctx, &left, err);
}

enum po_status
po_journal_read_left(struct po_dir *dir, const char *name, po_journal_fn each, void *ctx,
                     uint64_t *left, struct po_err *err)
{
    uint64_t end = 0;

    *left = 0;
    return read_all(dir, name, each, ctx, &end, left, err);
}

enum po_status
po_journal_open(struct po_journal **out, struct po_dir *dir, const char *name, struct po_err *err)
{
    struct po_journal *journal = po_mem_new(1, sizeof(*journal));
    uint64_t left = 0;
    enum po_status st;

    if (journal == NULL)
        return po_fail_nomem(err, sizeof(*journal));
    st = read_all(dir, name, NULL, NULL, &journal->size, &left, err);
    if (st == PO_OK)
        st = po_file_open(&journal->file, dir, name, strlen(name), PO_FILE_UPDATE, 0, err);
    if (st == PO_OK)
        st = po_file_set_size(journal->file, journal->size, err);
    if (st != PO_OK) {
        po_journal_free(journal);
        return st;
    }
    *out = journal;
    return PO_OK;
}
