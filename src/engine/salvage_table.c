/* The seek table of a damaged file: at its end, or behind a trailer wherever that lies now. */
#include "base/cursor.h"
#include "base/mem.h"
#include "engine/salvage_scan.h"

#define SKIPPABLE_HEADER_SIZE 8u

/* A table that ends at `end`, if one does. */
static enum po_status
load_table(struct po_salvage_scan *scan, const struct pobackup_blob *blob, uint64_t end,
           struct po_err *err)
{
    uint8_t footer[PO_SEEK_FOOTER_SIZE];
    struct po_err ignored;
    uint8_t *table;
    uint64_t size;
    uint64_t sum = 0;
    uint32_t count;
    unsigned entry_size;
    enum po_status st;

    if (end < sizeof footer || end > blob->size)
        return PO_OK;
    st = blob->read_at(blob->ctx, end - sizeof footer, footer, sizeof footer, err);
    if (st != PO_OK)
        return st;
    if (po_seek_footer_parse(footer, end, false, &size, &count, &entry_size, &ignored) != PO_OK ||
        count == 0)
        return PO_OK;
    table = po_mem_new(1, (size_t)size);
    scan->seeks = po_mem_new(count, sizeof *scan->seeks);
    if (table == NULL || scan->seeks == NULL)
        st = po_fail_nomem(err, (size_t)size);
    if (st == PO_OK)
        st = blob->read_at(blob->ctx, end - size, table, (size_t)size, err);
    /* Where it lies proves nothing here: its sizes are only to add up to something. */
    for (uint32_t i = 0; st == PO_OK && i < count; i++)
        sum += po_load_u32le(table + SKIPPABLE_HEADER_SIZE + (size_t)i * entry_size);
    if (st == PO_OK && po_seek_table_parse(scan->seeks, count, entry_size, table, (size_t)size, sum,
                                           &ignored) == PO_OK) {
        scan->seek_count = count;
        scan->seek_offset = end - size;
        scan->seek_size = size;
    } else {
        po_mem_free(scan->seeks);
        scan->seeks = NULL;
    }
    po_mem_free(table);
    return st;
}

enum po_status
po_salvage_table_find(struct po_salvage_scan *scan, const struct pobackup_blob *blob,
                      struct po_err *err)
{
    enum po_status st = load_table(scan, blob, blob->size, err);

    for (uint32_t i = 0; i < scan->count && st == PO_OK && scan->seeks == NULL; i++) {
        const struct po_salvage_frame *frame = &scan->frames[i];
        uint64_t at = frame->offset + frame->compressed_size;
        uint8_t header[SKIPPABLE_HEADER_SIZE];

        if (frame->kind != PO_SALVAGE_TRAILER || blob->size - at < sizeof header)
            continue;
        st = blob->read_at(blob->ctx, at, header, sizeof header, err);
        if (st == PO_OK)
            st = load_table(scan, blob, at + sizeof header + po_load_u32le(header + 4), err);
    }
    return st;
}
