#include "archive/index.h"

#include "archive/index_format.h"
#include "base/cursor.h"
#include "base/mem.h"
#include "base/pages.h"
#include "base/sort.h"

#include <stddef.h>
#include <string.h>

/* Columns are gathered in pieces of this many bytes, so that an index of any size needs no memory
 * of its own. */
#define PIECE_SIZE 65536u

typedef enum po_status (*put_fn)(void *ctx, const void *bytes, size_t size, struct po_err *err);

/* Where columns go: a small buffer before the callback. */
struct sink {
    put_fn put;
    void *ctx;
    struct po_buf piece;
};

/* Of entries with the same path, the one added last stays (spec: TAR-7). */
static uint32_t
drop_losers(const struct po_entry_list *list, uint32_t *order, uint32_t count)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < count; i++) {
        const struct po_entry *entry = &list->entries[order[i]];

        if (i + 1 < count) {
            const struct po_entry *next = &list->entries[order[i + 1]];

            if (next->path_size == entry->path_size &&
                memcmp(po_entry_path(list, next), po_entry_path(list, entry), entry->path_size) ==
                    0)
                continue;
        }
        order[kept++] = order[i];
    }
    return kept;
}

enum po_status
po_index_sort(const struct po_entry_list *list, uint32_t **order, uint32_t *count,
              struct po_err *err)
{
    uint32_t *numbers = po_mem_new(list->count, sizeof *numbers);
    const size_t size = list->count * 2 * sizeof(struct po_sort_row);
    struct po_sort_row *rows = po_pages_new(size);
    uint32_t saved = 0;

    if (numbers == NULL || rows == NULL) {
        po_mem_free(numbers);
        po_pages_free(rows, size);
        return po_fail_nomem(err, size);
    }
    for (size_t i = 0; i < list->count; i++)
        if (list->entries[i].state == PO_ENTRY_SAVED)
            rows[saved++].number = (uint32_t)i;
    po_sort_texts(rows, rows + list->count, saved, po_entry_list_path, list);
    for (uint32_t i = 0; i < saved; i++)
        numbers[i] = rows[i].number;
    po_pages_free(rows, size);
    *count = drop_losers(list, numbers, saved);
    *order = numbers;
    return PO_OK;
}

static enum po_status
flush(struct sink *sink, struct po_err *err)
{
    enum po_status st = po_buf_check(&sink->piece, err);

    if (st == PO_OK && sink->piece.size > 0)
        st = sink->put(sink->ctx, sink->piece.bytes, sink->piece.size, err);
    po_buf_clear(&sink->piece);
    return st;
}

static enum po_status
flush_if_full(struct sink *sink, struct po_err *err)
{
    return sink->piece.size >= PIECE_SIZE ? flush(sink, err) : PO_OK;
}

/* A column of numbers or digests: where an entry has the field, and its bytes. */
struct column {
    size_t at;
    size_t width;
    bool is_end; /* sizes in the entry, in the index where each ends */
};

static const struct column columns[] = {
    { offsetof(struct po_entry, size), 8, false },
    { offsetof(struct po_entry, write_time), 8, false },
    { offsetof(struct po_entry, create_time), 8, false },
    { offsetof(struct po_entry, change_time), 8, false },
    { offsetof(struct po_entry, file_id), 8, false },
    { offsetof(struct po_entry, hash), PO_HASH_SIZE, false },
    { offsetof(struct po_entry, path_size), 4, true },
    { offsetof(struct po_entry, attributes), 4, false },
    { offsetof(struct po_entry, security), 4, false },
    { offsetof(struct po_entry, frame), 4, false },
    { offsetof(struct po_entry, offset), 4, false },
    { offsetof(struct po_entry, source), 2, false },
    { offsetof(struct po_entry, type), 1, false },
};

/* Stores `count` cells; *end goes on from one piece to the next. A loop for each width, so that none
 * asks which column it is. */
static void
store_cells(uint8_t *to, const struct column *column, const struct po_entry *entries,
            const uint32_t *order, size_t count, uint32_t *end)
{
    const uint8_t *fields = (const uint8_t *)entries + column->at;
    const uint32_t kept = column->is_end ? UINT32_MAX : 0;
    uint64_t eight;
    uint32_t four;
    uint16_t two;

    switch (column->width) {
    case 8:
        for (size_t i = 0; i < count; i++) {
            memcpy(&eight, fields + order[i] * sizeof *entries, sizeof eight);
            po_store_u64le(to + i * sizeof eight, eight);
        }
        break;
    case 4:
        for (size_t i = 0; i < count; i++) {
            memcpy(&four, fields + order[i] * sizeof *entries, sizeof four);
            *end = (*end & kept) + four;
            po_store_u32le(to + i * sizeof four, *end);
        }
        break;
    case 2:
        for (size_t i = 0; i < count; i++) {
            memcpy(&two, fields + order[i] * sizeof *entries, sizeof two);
            po_store_u16le(to + i * sizeof two, two);
        }
        break;
    case 1:
        for (size_t i = 0; i < count; i++)
            to[i] = fields[order[i] * sizeof *entries];
        break;
    default:
        for (size_t i = 0; i < count; i++)
            memcpy(to + i * PO_HASH_SIZE, fields + order[i] * sizeof *entries, PO_HASH_SIZE);
        break;
    }
}

static enum po_status
put_column(const struct po_index_source *source, const struct column *column, struct sink *sink,
           struct po_err *err)
{
    struct po_buf *piece = &sink->piece;
    uint32_t end = 0;
    size_t count;

    for (size_t i = 0; i < source->count; i += count) {
        enum po_status st;

        /* As many as make the piece full: it is not, between two columns. */
        count = (PIECE_SIZE - piece->size + column->width - 1) / column->width;
        if (count > source->count - i)
            count = source->count - i;
        if (!po_buf_reserve(piece, count * column->width))
            return po_buf_check(piece, err);
        store_cells(piece->bytes + piece->size, column, source->list->entries, source->order + i,
                    count, &end);
        piece->size += count * column->width;
        st = flush_if_full(sink, err);
        if (st != PO_OK)
            return st;
    }
    return PO_OK;
}

static enum po_status
put_columns(const struct po_index_source *source, struct sink *sink, struct po_err *err)
{
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        enum po_status st = put_column(source, &columns[i], sink, err);

        if (st != PO_OK)
            return st;
    }
    for (uint32_t i = 0; i < source->count; i++) {
        const struct po_entry *entry = &source->list->entries[source->order[i]];
        enum po_status st;

        po_buf_put(&sink->piece, po_entry_path(source->list, entry), entry->path_size);
        st = flush_if_full(sink, err);
        if (st != PO_OK)
            return st;
    }
    return PO_OK;
}

/* Links: only those of entries that are in the index, numbered anew. */
static enum po_status
put_links(const struct po_index_source *source, struct sink *sink, struct po_err *err)
{
    for (int section = 0; section < 3; section++) {
        uint32_t end = 0;

        for (uint32_t i = 0; i < source->count; i++) {
            const struct po_entry *entry = &source->list->entries[source->order[i]];
            const uint8_t *target;
            size_t size;
            enum po_status st;

            if (entry->link == PO_NONE)
                continue;
            target = po_rows_at(&source->list->links, entry->link, &size);
            end += (uint32_t)size;
            if (section == 0)
                po_buf_put_u32le(&sink->piece, i);
            else if (section == 1)
                po_buf_put_u32le(&sink->piece, end);
            else
                po_buf_put(&sink->piece, target, size);
            st = flush_if_full(sink, err);
            if (st != PO_OK)
                return st;
        }
    }
    return PO_OK;
}

static enum po_status
put_tables(const struct po_index_source *source, struct sink *sink, struct po_err *err)
{
    const struct po_rows *securities = &source->list->securities;
    struct po_buf *out = &sink->piece;
    uint32_t end = 0;

    for (size_t i = 0; i < securities->count; i++)
        po_buf_put_u32le(out, securities->ends[i]);
    po_buf_put(out, securities->heap.bytes, securities->heap.size);
    for (uint32_t i = 0; i < source->frame_count; i++) {
        enum po_status st;

        po_buf_put_u32le(out, source->frames[i].content_size);
        po_buf_put_u32le(out, source->frames[i].compressed_size);
        po_buf_put(out, source->frames[i].xxh3, PO_HASH_SIZE);
        po_buf_put(out, source->frames[i].blake2b, PO_DIGEST_SIZE);
        st = flush_if_full(sink, err);
        if (st != PO_OK)
            return st;
    }
    for (uint32_t i = 0; i < source->parent_count; i++) {
        end += (uint32_t)strlen(source->parents[i].name);
        po_buf_put(out, source->parents[i].archive_id, PO_ID_SIZE);
        po_buf_put(out, source->parents[i].digest, PO_DIGEST_SIZE);
        po_buf_put_u64le(out, (uint64_t)source->parents[i].created);
        po_buf_put_u32le(out, end);
    }
    for (uint32_t i = 0; i < source->parent_count; i++)
        po_buf_put_text(out, source->parents[i].name);
    return flush(sink, err);
}

static uint64_t
place_of(const struct po_entry *entry)
{
    return (uint64_t)entry->frame << 32 | entry->offset;
}

static int
compare_places(const void *ctx, uint32_t a, uint32_t b)
{
    const struct po_entry_list *list = ctx;
    uint64_t x = place_of(&list->entries[a]);
    uint64_t y = place_of(&list->entries[b]);

    return x < y ? -1 : x > y;
}

/* Members that are no part of the snapshot. spec: INDEX-11 */
static enum po_status
put_unlisted(const struct po_index_source *source, struct po_buf *out, uint32_t count,
             struct po_err *err)
{
    uint32_t *numbers = po_mem_new(count, 2 * sizeof *numbers);
    uint32_t found = 0;

    if (numbers == NULL)
        return po_fail_nomem(err, count * 2 * sizeof *numbers);
    for (size_t i = 0; i < source->list->count; i++)
        if (source->list->entries[i].state == PO_ENTRY_UNLISTED)
            numbers[found++] = (uint32_t)i;
    po_sort_numbers(numbers, numbers + count, count, compare_places, source->list);
    po_buf_put_u32le(out, PO_INDEX_UNLISTED_TAG);
    po_buf_put_u32le(out, 0);
    po_buf_put_u64le(out, (uint64_t)count * 8);
    for (uint32_t i = 0; i < count; i++) {
        po_buf_put_u32le(out, source->list->entries[numbers[i]].frame);
        po_buf_put_u32le(out, source->list->entries[numbers[i]].offset);
    }
    po_mem_free(numbers);
    return PO_OK;
}

struct totals {
    uint64_t paths;
    uint32_t links;
    uint64_t link_bytes;
    uint64_t parent_bytes;
    uint32_t unlisted;
    uint64_t extension_bytes;
};

static struct totals
totals_of(const struct po_index_source *source)
{
    struct totals t = { 0 };

    for (uint32_t i = 0; i < source->count; i++) {
        const struct po_entry *entry = &source->list->entries[source->order[i]];

        t.paths += entry->path_size;
        if (entry->link != PO_NONE) {
            size_t size;

            (void)po_rows_at(&source->list->links, entry->link, &size);
            t.links++;
            t.link_bytes += size;
        }
    }
    for (uint32_t i = 0; i < source->parent_count; i++)
        t.parent_bytes += strlen(source->parents[i].name);
    for (size_t i = 0; i < source->list->count; i++)
        t.unlisted += source->list->entries[i].state == PO_ENTRY_UNLISTED ? 1 : 0;
    t.extension_bytes = t.unlisted > 0 ? 16 + (uint64_t)t.unlisted * 8 : 0;
    return t;
}

enum po_status
po_index_encoded_size(const struct po_index_source *source, uint64_t *size, struct po_err *err)
{
    struct totals t = totals_of(source);

    if (t.paths > UINT32_MAX || source->parent_count > PO_PARENTS_MAX)
        return po_fail(err, PO_E_USAGE, "an index beyond the format's limits"); /* spec: INDEX-2 */
    *size =
        PO_INDEX_HEADER_SIZE + (uint64_t)source->count * PO_INDEX_ENTRY_SIZE + t.paths +
        (uint64_t)t.links * 8 + t.link_bytes + (uint64_t)source->list->securities.count * 4 +
        source->list->securities.heap.size + (uint64_t)source->frame_count * PO_INDEX_FRAME_SIZE +
        (uint64_t)source->parent_count * PO_INDEX_PARENT_SIZE + t.parent_bytes + t.extension_bytes;
    return PO_OK;
}

enum po_status
po_index_put(const struct po_index_source *source, put_fn put, void *ctx, struct po_err *err)
{
    struct totals t = totals_of(source);
    struct sink sink = { .put = put, .ctx = ctx };
    struct po_buf *out = &sink.piece;
    enum po_status st;

    po_buf_put(out, PO_INDEX_MAGIC, 8);
    po_buf_put_u32le(out, PO_FORMAT_VERSION);
    po_buf_put_u32le(out, 0);
    po_buf_put(out, source->archive_id, PO_ID_SIZE);
    po_buf_put_u64le(out, source->count);
    po_buf_put_u64le(out, t.paths);
    po_buf_put_u32le(out, t.links);
    po_buf_put_u32le(out, (uint32_t)source->list->securities.count);
    po_buf_put_u64le(out, t.link_bytes);
    po_buf_put_u64le(out, source->list->securities.heap.size);
    po_buf_put_u32le(out, source->frame_count);
    po_buf_put_u32le(out, source->parent_count);
    po_buf_put_u64le(out, t.parent_bytes);
    po_buf_put_u64le(out, t.extension_bytes);
    po_buf_put_zeros(out, PO_INDEX_RESERVED_SIZE);
    st = put_columns(source, &sink, err);
    if (st == PO_OK)
        st = put_links(source, &sink, err);
    if (st == PO_OK)
        st = put_tables(source, &sink, err);
    if (st == PO_OK && t.unlisted > 0)
        st = put_unlisted(source, out, t.unlisted, err);
    if (st == PO_OK)
        st = flush(&sink, err);
    po_buf_deinit(&sink.piece);
    return st;
}
