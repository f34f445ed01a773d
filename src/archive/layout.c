#include "archive/layout.h"

#include "base/mem.h"
#include "base/sort.h"

/* The entries of each frame, which are there already, by where they lie in it. */
static enum po_status
sort_frames(struct po_layout *layout, struct po_err *err)
{
    const uint32_t *starts = layout->frame_starts;
    struct po_sort_row *rows;
    uint32_t most = 0;

    for (uint32_t f = 0; f < layout->index->frame_count; f++)
        if (starts[f + 1] - starts[f] > most)
            most = starts[f + 1] - starts[f];
    rows = po_mem_new(most, 2 * sizeof *rows); /* the second half is spare */
    if (rows == NULL)
        return po_fail_nomem(err, most * 2 * sizeof *rows);
    for (uint32_t f = 0; f < layout->index->frame_count; f++) {
        uint32_t *entries = layout->entries + starts[f];
        uint32_t count = starts[f + 1] - starts[f];

        for (uint32_t i = 0; i < count; i++)
            rows[i] = (struct po_sort_row){ .key = po_index_offset(layout->index, entries[i]),
                                            .number = entries[i] };
        po_sort_rows(rows, rows + most, count, NULL, NULL);
        for (uint32_t i = 0; i < count; i++)
            entries[i] = rows[i].number;
    }
    po_mem_free(rows);
    return PO_OK;
}

/* The entries by frame alone, which is counting. */
static void
fill_frames(struct po_layout *layout)
{
    const struct po_index *index = layout->index;
    /* starts[f + 1] counts frame f, then becomes where it begins, then (after filling) where frame
     * f + 1 begins. */
    uint32_t *starts = layout->frame_starts + 1;

    for (uint32_t i = 0; i < index->count; i++)
        if (po_index_source(index, i) == 0)
            starts[po_index_frame(index, i)]++;
    for (uint32_t f = 0, sum = 0; f <= index->frame_count; f++) {
        uint32_t count = starts[f];

        starts[f] = sum;
        sum += count;
        layout->count = sum;
    }
    for (uint32_t i = 0; i < index->count; i++)
        if (po_index_source(index, i) == 0)
            layout->entries[starts[po_index_frame(index, i)]++] = i;
}

enum po_status
po_layout_init(struct po_layout *layout, const struct po_index *index, struct po_err *err)
{
    enum po_status st = PO_OK;

    *layout = (struct po_layout){ .index = index };
    layout->entries = po_mem_new(index->count, sizeof *layout->entries);
    layout->frame_starts = po_mem_new((size_t)index->frame_count + 2, sizeof *layout->frame_starts);
    if (layout->entries == NULL || layout->frame_starts == NULL)
        st = po_fail_nomem(err, index->count * sizeof *layout->entries);
    if (st == PO_OK) {
        fill_frames(layout);
        st = sort_frames(layout, err);
    }
    if (st != PO_OK)
        po_layout_deinit(layout);
    return st;
}

void
po_layout_deinit(struct po_layout *layout)
{
    po_mem_free(layout->entries);
    po_mem_free(layout->frame_starts);
    layout->entries = NULL;
    layout->frame_starts = NULL;
}

void
po_layout_frame(const struct po_layout *layout, uint32_t frame, uint32_t *first, uint32_t *count)
{
    *first = layout->frame_starts[frame];
    *count = layout->frame_starts[frame + 1] - *first;
}

uint32_t
po_layout_at(const struct po_layout *layout, uint32_t frame, uint32_t offset)
{
    uint32_t first;
    uint32_t count;

    po_layout_frame(layout, frame, &first, &count);
    while (count > 0) {
        uint32_t half = count / 2;
        uint32_t at = po_index_offset(layout->index, layout->entries[first + half]);

        if (at == offset)
            return layout->entries[first + half];
        if (at < offset) {
            first += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return PO_NONE;
}

/* Whether an unlisted member (INDEX-11) begins behind `entry` and not behind `frame`: then that one
 * may continue, and the entry ended before it. */
static bool
is_unlisted_between(const struct po_index *index, uint32_t entry, uint32_t frame)
{
    uint64_t place = (uint64_t)po_index_frame(index, entry) << 32 | po_index_offset(index, entry);
    uint32_t low = 0;
    uint32_t high = index->unlisted_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (po_index_unlisted(index, middle) <= place)
            low = middle + 1;
        else
            high = middle;
    }
    return low < index->unlisted_count && po_index_unlisted(index, low) >> 32 <= frame;
}

uint32_t
po_layout_continued(const struct po_layout *layout, uint32_t frame)
{
    uint32_t first;
    uint32_t count;
    uint32_t entry;
    uint64_t before = 0;

    po_layout_frame(layout, frame, &first, &count);
    if (count > 0 || first == 0)
        return PO_NONE;
    entry = layout->entries[first - 1];
    if (is_unlisted_between(layout->index, entry, frame))
        return PO_NONE;
    for (uint32_t f = po_index_frame(layout->index, entry); f < frame; f++) {
        struct po_frame_info info;

        po_index_frame_info(layout->index, f, &info);
        before += info.content_size;
        if (before > po_index_size(layout->index, entry) + PO_PAX_MAX_SIZE + PO_FRAME_CONTENT_MAX)
            return PO_NONE; /* and no long way through a hostile table */
    }
    before -= po_index_offset(layout->index, entry);
    return before < po_index_size(layout->index, entry) + 2 * PO_PAX_MAX_SIZE &&
                   po_index_size(layout->index, entry) > 0
               ? entry
               : PO_NONE;
}
