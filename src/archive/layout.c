#include "archive/layout.h"

#include "base/mem.h"
#include "base/sort.h"

static int
compare_offsets(const void *ctx, uint32_t a, uint32_t b)
{
    uint32_t x = po_index_offset(ctx, a);
    uint32_t y = po_index_offset(ctx, b);

    return x < y ? -1 : x > y;
}

enum po_status
po_layout_init(struct po_layout *layout, const struct po_index *index, struct po_err *err)
{
    uint32_t *spare = po_mem_new(index->count, sizeof *spare);
    uint32_t *starts;

    *layout = (struct po_layout){ .index = index };
    layout->entries = po_mem_new(index->count, sizeof *layout->entries);
    layout->frame_starts = po_mem_new((size_t)index->frame_count + 2, sizeof *layout->frame_starts);
    if (spare == NULL || layout->entries == NULL || layout->frame_starts == NULL) {
        po_mem_free(spare);
        po_layout_deinit(layout);
        return po_fail_nomem(err, index->count * sizeof *spare);
    }
    /* Sorting by frame is counting. starts[f + 1] counts frame f, then becomes where it begins,
     * then (after filling) where frame f + 1 begins. */
    starts = layout->frame_starts + 1;
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
    for (uint32_t f = 0; f < index->frame_count; f++)
        po_sort_numbers(layout->entries + layout->frame_starts[f], spare,
                        layout->frame_starts[f + 1] - layout->frame_starts[f], compare_offsets,
                        index);
    po_mem_free(spare);
    return PO_OK;
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
