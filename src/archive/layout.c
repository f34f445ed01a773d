#include "archive/layout.h"

#include "base/mem.h"

#include <string.h>

/* Sorting by frame is counting: the number of frames is known. Within a frame entries are few, and come nearly in order. */
static void
sort_frame(const struct po_index *index, uint32_t *entries, uint32_t *spare, uint32_t count)
{
    for (uint32_t width = 1; width < count; width *= 2) {
        for (uint32_t start = 0; start < count; start += 2 * width) {
            uint32_t middle = count - start > width ? start + width : count;
            uint32_t end = count - start > 2 * width ? start + 2 * width : count;
            uint32_t a = start;
            uint32_t b = middle;

            for (uint32_t i = start; i < end; i++) {
                bool takes_a = a < middle && (b >= end || po_index_offset(index, entries[a]) <=
                                                              po_index_offset(index, entries[b]));

                spare[i] = takes_a ? entries[a++] : entries[b++];
            }
        }
        memcpy(entries, spare, (size_t)count * sizeof *entries);
    }
}

enum po_status
po_layout_init(struct po_layout *layout, const struct po_index *index, struct po_err *err)
{
    uint32_t *spare = po_mem_new(index->count, sizeof *spare);
    uint32_t *starts;

    *layout = (struct po_layout){.index = index};
    layout->entries = po_mem_new(index->count, sizeof *layout->entries);
    layout->frame_starts = po_mem_new((size_t)index->frame_count + 2, sizeof *layout->frame_starts);
    if (spare == NULL || layout->entries == NULL || layout->frame_starts == NULL) {
        po_mem_free(spare);
        po_layout_deinit(layout);
        return po_fail_nomem(err, index->count * sizeof *spare);
    }
    /* starts[f + 1] counts frame f, then becomes where it begins, then (after filling) where frame f + 1 begins. */
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
        sort_frame(index, layout->entries + layout->frame_starts[f], spare,
                   layout->frame_starts[f + 1] - layout->frame_starts[f]);
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
