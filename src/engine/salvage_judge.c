/* With an index: which entries have all of their frames. */
#include "archive/layout.h"
#include "base/mem.h"
#include "engine/salvage_parts.h"

struct judge {
    const struct po_reader *reader;
    const struct po_index *index;
    struct po_salvage_result *result;
    uint8_t *wanted; /* in: selected; out: selected, and all there */
    struct po_salvage_broken_list *broken;
    uint32_t *last_offsets; /* of each frame: where its last member begins; PO_NONE = none does */
    uint8_t *states;        /* enum po_salvage_verdict; NONE = all there, whether selected or not */
};

static uint32_t
content_of(const struct judge *j, uint32_t frame)
{
    return j->reader->seeks[frame].content_size;
}

static bool
is_there(const struct judge *j, uint32_t frame)
{
    return j->reader->seeks[frame].compressed_size > 0;
}

/* ---- where members begin ---- */

static void
note_beginning(struct judge *j, uint32_t frame, uint32_t offset)
{
    if (frame < j->index->frame_count &&
        (j->last_offsets[frame] == PO_NONE || j->last_offsets[frame] < offset))
        j->last_offsets[frame] = offset;
}

static enum po_status
find_beginnings(struct judge *j, struct po_err *err)
{
    const struct po_index *index = j->index;

    j->last_offsets = po_mem_new(index->frame_count, sizeof *j->last_offsets);
    j->states = po_mem_new(index->count, 1);
    if (j->last_offsets == NULL || j->states == NULL)
        return po_fail_nomem(err, index->frame_count * sizeof *j->last_offsets);
    for (uint32_t i = 0; i < index->frame_count; i++)
        j->last_offsets[i] = PO_NONE;
    for (uint32_t i = 0; i < index->count; i++)
        if (po_index_source(index, i) == 0)
            note_beginning(j, po_index_frame(index, i), po_index_offset(index, i));
    for (uint32_t i = 0; i < index->unlisted_count; i++)
        note_beginning(j, (uint32_t)(po_index_unlisted(index, i) >> 32),
                       (uint32_t)po_index_unlisted(index, i));
    return PO_OK;
}

/* ---- one file ---- */

/* Where a file lies. */
struct span {
    uint32_t first;
    uint32_t last;       /* frame; by FRAME-4 no member begins in those behind the first */
    uint64_t content_at; /* in the first one; meant only when last > first */
    bool is_sound;
};

static struct span
span_of(const struct judge *j, uint32_t entry)
{
    struct span span = { .first = po_index_frame(j->index, entry), .is_sound = true };
    uint32_t offset = po_index_offset(j->index, entry);
    uint64_t padded = po_tar_padded(po_index_size(j->index, entry));
    uint64_t total = content_of(j, span.first) - offset;

    span.last = span.first;
    if (offset != j->last_offsets[span.first])
        return span;
    while (span.last + 1 < j->index->frame_count && j->last_offsets[span.last + 1] == PO_NONE)
        total += content_of(j, ++span.last);
    /* What is before the content is known without reading it: the rest of the member is padding. */
    if (span.last > span.first) {
        span.is_sound = total >= padded + PO_TAR_BLOCK &&
                        total - padded < content_of(j, span.first) - offset + UINT64_C(1);
        span.content_at = offset + (total - padded);
    }
    return span;
}

static enum po_status
add_pieces(struct judge *j, uint32_t entry, const struct span *span, uint64_t *there,
           bool *is_whole, struct po_err *err)
{
    uint64_t size = po_index_size(j->index, entry);
    uint64_t position = 0;
    enum po_status st = PO_OK;

    *there = 0;
    *is_whole = true;
    for (uint32_t f = span->first; f <= span->last && position < size && st == PO_OK; f++) {
        uint32_t at = f == span->first ? (uint32_t)span->content_at : 0;
        uint64_t piece = content_of(j, f) - at;

        if (piece > size - position)
            piece = size - position;
        if (!is_there(j, f)) {
            *is_whole = false;
        } else if (piece > 0) {
            *there += piece;
            if (j->broken != NULL)
                st = po_salvage_piece_add(
                    j->broken, &(struct po_salvage_piece){ f, at, (uint32_t)piece, position }, err);
        }
        position += piece;
    }
    return st;
}

static enum po_status
judge_file(struct judge *j, uint32_t entry, struct po_err *err)
{
    struct span span = span_of(j, entry);
    struct judge counting = *j;
    struct po_salvage_broken *item;
    size_t path_size;
    const char *path = po_index_path(j->index, entry, &path_size);
    uint64_t there = 0;
    bool is_whole = true;
    enum po_status st;

    j->states[entry] = is_there(j, span.first) ? PO_SALVAGE_NONE : PO_SALVAGE_LOST;
    if (span.last == span.first)
        return PO_OK;
    counting.broken = NULL;
    if (span.is_sound && add_pieces(&counting, entry, &span, &there, &is_whole, err) != PO_OK)
        return err->status;
    if (is_whole)
        return PO_OK;
    j->states[entry] = there > 0 ? PO_SALVAGE_PARTLY : PO_SALVAGE_LOST;
    if (there == 0 || j->wanted[entry] == 0)
        return PO_OK;
    st = po_salvage_broken_add(j->broken, path, path_size, po_index_size(j->index, entry),
                               "some of its frames are lost", &item, err);
    if (st != PO_OK)
        return st;
    item->entry = entry;
    item->there = there;
    return add_pieces(j, entry, &span, &there, &is_whole, err);
}

/* ---- all ---- */

static void
judge_hardlink(struct judge *j, uint32_t entry)
{
    size_t size;
    const char *link = po_index_link(j->index, entry, &size);
    uint32_t file = po_index_find(j->index, link, size);
    uint8_t state = file == PO_NONE ? PO_SALVAGE_LOST : j->states[file];

    j->states[entry] = state == PO_SALVAGE_PARTLY ? PO_SALVAGE_LOST : state;
}

static void
settle(struct judge *j, uint32_t entry)
{
    bool is_link = po_index_type(j->index, entry) == POBACKUP_HARDLINK;

    if (j->wanted[entry] == 0 || j->states[entry] == PO_SALVAGE_NONE)
        return;
    j->wanted[entry] = 0;
    j->result->verdicts[entry] = j->states[entry];
    if (j->states[entry] == PO_SALVAGE_LOST)
        j->result->doubts[entry] = is_link ? "a hard link to a file that is not whole"
                                           : "the frame that it begins in is lost";
}

enum po_status
po_salvage_index_judge(const struct po_reader *reader, struct po_salvage_result *result,
                       uint8_t *wanted, struct po_salvage_broken_list *broken, struct po_err *err)
{
    struct judge j = { .reader = reader,
                       .index = reader->index,
                       .result = result,
                       .wanted = wanted,
                       .broken = broken };
    const uint32_t count = reader->index->count;
    enum po_status st = find_beginnings(&j, err);

    for (uint32_t i = 0; i < count && st == PO_OK; i++) {
        if (po_index_type(j.index, i) != POBACKUP_FILE)
            continue;
        if (po_index_source(j.index, i) != 0)
            j.states[i] = PO_SALVAGE_IN_PARENT;
        else
            st = judge_file(&j, i, err);
    }
    for (uint32_t i = 0; i < count && st == PO_OK; i++)
        if (po_index_type(j.index, i) == POBACKUP_HARDLINK)
            judge_hardlink(&j, i);
    for (uint32_t i = 0; i < count && st == PO_OK; i++)
        settle(&j, i);
    po_mem_free(j.last_offsets);
    po_mem_free(j.states);
    return st;
}
