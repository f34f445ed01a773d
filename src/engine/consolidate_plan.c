/*
 * What of the sources is copied. A frame is, when the members of the snapshot fill it without a gap: then
 * there is no room in it for one that is not, and nothing need be decoded to know it. The sizes are those
 * that this program's writer gives to the entries; of a frame that somebody else packed otherwise the
 * contents are packed anew.
 */
#include "engine/consolidate_run.h"

#include "base/mem.h"

#include <string.h>

uint32_t
po_consolidate_part(const struct po_consolidate_run *run, uint32_t at)
{
    /* The first parent is the newest. */
    return po_joined_part_count(run->joined) - 1 - at;
}

/* ---- the list ---- */

static enum po_status
fail_missing(const struct po_consolidate_run *run, uint32_t source, struct po_err *err)
{
    struct po_parent parent;
    const char *name;
    size_t size;

    po_index_parent(run->own->index, source - 1, &parent, &name, &size);
    return po_fail(err, PO_E_IO, "the parent %.*s is not beside the archive, and is needed",
                   (int)size, name);
}

static enum po_status
add_entry(struct po_consolidate_run *run, uint32_t number, struct po_err *err)
{
    const struct po_index *index = run->reader->index;
    size_t size;
    const char *path = po_index_path(index, number, &size);
    uint32_t security = po_index_security(index, number);
    bool is_ours =
        po_is_path(path, size, PO_MANIFEST_PATH) || po_is_path(path, size, PO_SUMMARY_PATH);
    struct po_entry *entry;
    enum po_status st;

    if (po_index_source(index, number) != 0)
        return fail_missing(run, po_index_source(index, number), err);
    st = po_entry_list_add(&run->list, path, size, &entry, err);
    if (st != PO_OK)
        return st;
    entry->type = po_index_type(index, number);
    entry->size = po_index_size(index, number);
    entry->write_time = po_index_write_time(index, number);
    entry->create_time = po_index_create_time(index, number);
    entry->change_time = po_index_change_time(index, number);
    entry->file_id = po_index_file_id(index, number);
    entry->attributes = po_index_attributes(index, number);
    memcpy(entry->hash, po_index_hash(index, number), PO_HASH_SIZE);
    entry->state = is_ours ? PO_ENTRY_SKIPPED : PO_ENTRY_PLANNED;
    if (!is_ours) {
        run->result->files += entry->type == POBACKUP_FILE;
        run->result->bytes += entry->size;
    }
    path = po_index_link(index, number, &size);
    if (path != NULL)
        st = po_entry_list_set_link(&run->list, entry, path, size, err);
    if (st == PO_OK && security != 0) {
        const uint8_t *bytes = po_index_security_bytes(index, security, &size);

        st = po_entry_list_security(&run->list, bytes, size, &entry->security, err);
    }
    return st;
}

/* ---- fates ---- */

/* The frames of one archive, as they are gone through. */
struct part {
    struct po_consolidate_run *run;
    struct po_packer measure; /* for sizes of members alone */
    uint32_t end;             /* behind its last frame */
    uint32_t next_number;     /* of the next frame that is copied */
};

static uint32_t
beginnings(const struct po_consolidate_run *run, uint32_t frame, uint32_t *first)
{
    uint32_t count;

    po_layout_frame(&run->layout, frame, first, &count);
    return count;
}

/*
 * A hard link names an earlier member (spec: TAR-2), for those who read the tar alone. Frames are gone
 * through in the order of the new archive, so that what is copied before this one is known.
 */
static bool
may_stay(const struct po_consolidate_run *run, uint32_t number)
{
    const struct po_index *index = run->reader->index;
    uint32_t frame = po_index_frame(index, number);
    size_t size;
    const char *path = po_index_link(index, number, &size);
    uint32_t target;

    if (po_index_type(index, number) != POBACKUP_HARDLINK)
        return true;
    target = po_index_find(index, path, size);
    return target != PO_NONE &&
           (po_index_frame(index, target) == frame
                ? po_index_offset(index, target) < po_index_offset(index, number)
                : run->fates[po_index_frame(index, target)] == PO_CONSOLIDATE_COPY);
}

/* How many frames, from this one on, the snapshot's members that begin in this one fill; 0: there is a
 * gap, or they end elsewhere. *needed is what they take in all. */
static enum po_status
filled_frames(struct part *part, uint32_t frame, uint32_t *filled, uint64_t *needed,
              struct po_err *err)
{
    struct po_consolidate_run *run = part->run;
    uint32_t first;
    uint32_t count = beginnings(run, frame, &first);
    uint64_t end = run->reader->seeks[frame].content_size;
    uint64_t at = 0;
    bool is_whole = true;

    *filled = 0;
    *needed = 0;
    for (uint32_t i = first; i < first + count; i++) {
        uint32_t number = run->layout.entries[i];
        const struct po_entry *entry = &run->list.entries[number];
        uint64_t size = 0;
        enum po_status st = po_packer_member_size(&part->measure, &run->list, entry, &size, err);

        if (st != PO_OK)
            return st;
        is_whole = is_whole && entry->state == PO_ENTRY_PLANNED && may_stay(run, number) &&
                   po_index_offset(run->reader->index, number) == at;
        at = po_index_offset(run->reader->index, number) + size;
        *needed += entry->state == PO_ENTRY_PLANNED ? size : 0;
    }
    while (at > end && ++frame < part->end && beginnings(run, frame, &first) == 0) {
        end += run->reader->seeks[frame].content_size;
        (*filled)++;
    }
    *filled = is_whole && at == end ? *filled + 1 : 0;
    return PO_OK;
}

static void
copy_frame(struct part *part, uint32_t frame)
{
    struct po_consolidate_run *run = part->run;
    const struct po_seek_entry *seek = &run->reader->seeks[frame];
    uint32_t first;
    uint32_t count = beginnings(run, frame, &first);

    run->fates[frame] = PO_CONSOLIDATE_COPY;
    run->numbers[frame] = part->next_number++;
    run->result->frames_copied++;
    run->result->bytes_copied += seek->compressed_size;
    run->bytes_total += seek->content_size;
    for (uint32_t i = first; i < first + count; i++) {
        struct po_entry *entry = &run->list.entries[run->layout.entries[i]];

        entry->frame = run->numbers[frame];
        entry->offset = po_index_offset(run->reader->index, run->layout.entries[i]);
        entry->state = PO_ENTRY_SAVED;
    }
}

/* What a member that spans frames has in those behind its first. */
static void
remake_frame(struct part *part, uint32_t frame, uint64_t needed)
{
    struct po_consolidate_run *run = part->run;
    const struct po_seek_entry *seek = &run->reader->seeks[frame];
    double compressed = seek->compressed_size;
    uint64_t content = seek->content_size;
    uint32_t first;

    run->fates[frame] = PO_CONSOLIDATE_REMAKE;
    run->result->frames_remade++;
    while (needed > content && ++frame < part->end && beginnings(run, frame, &first) == 0) {
        run->fates[frame] = PO_CONSOLIDATE_REMAKE;
        run->result->frames_remade++;
        content += run->reader->seeks[frame].content_size;
        compressed += run->reader->seeks[frame].compressed_size;
    }
    run->bytes_total += needed;
    run->result->archive_bytes += (uint64_t)(compressed * (double)needed / (double)content);
}

static enum po_status
decide_part(struct part *part, uint32_t first_frame, struct po_err *err)
{
    struct po_consolidate_run *run = part->run;
    enum po_status st = PO_OK;

    for (uint32_t frame = first_frame; frame < part->end && st == PO_OK; frame++) {
        uint32_t filled = 0;
        uint64_t needed = 0;
        uint32_t first;

        if (run->fates[frame] != PO_CONSOLIDATE_DROP || beginnings(run, frame, &first) == 0)
            continue;
        st = filled_frames(part, frame, &filled, &needed, err);
        for (uint32_t i = 0; i < filled; i++)
            copy_frame(part, frame + i);
        if (filled == 0 && needed > 0)
            remake_frame(part, frame, needed);
    }
    return st;
}

static enum po_status
decide_all(struct po_consolidate_run *run, struct po_err *err)
{
    struct part part = { .run = run, .next_number = 1 }; /* behind the manifest */
    uint32_t archives = po_joined_part_count(run->joined);
    uint32_t others = 0;
    enum po_status st = PO_OK;

    po_packer_init(&part.measure, (struct po_frame_buf){ 0 }, NULL, NULL);
    for (uint32_t at = 0; at < archives && st == PO_OK; at++) {
        uint32_t first;
        uint32_t count;

        po_joined_part(run->joined, po_consolidate_part(run, at), &first, &count);
        part.end = first + count;
        others += count > 0 ? 2 : 0; /* manifest and summary */
        st = decide_part(&part, first, err);
    }
    po_packer_deinit(&part.measure);
    run->result->frames_dropped = run->reader->index->frame_count - others -
                                  run->result->frames_copied - run->result->frames_remade;
    run->result->archive_bytes +=
        run->result->bytes_copied + run->own->trailer.index_compressed_size;
    return st;
}

enum po_status
po_consolidate_decide(struct po_consolidate_run *run, struct po_err *err)
{
    const struct po_index *index = run->reader->index;
    enum po_status st = PO_OK;

    if (run->own->index->parent_count == 0)
        return po_fail(err, PO_E_USAGE,
                       "a full archive already; only a differential is "
                       "consolidated");
    run->result->created = run->own->trailer.created;
    run->fates = po_mem_new(index->frame_count, 1);
    run->numbers = po_mem_new(index->frame_count, sizeof *run->numbers);
    if (run->fates == NULL || run->numbers == NULL)
        return po_fail_nomem(err, (size_t)index->frame_count * 5);
    if (index->count > 0) {
        size_t size;
        const char *last = po_index_path(index, index->count - 1, &size);

        /* Two more: the new documents. */
        st = po_entry_list_reserve(&run->list, (size_t)index->count + 2,
                                   (size_t)(last - index->paths) + size, err);
    }
    for (uint32_t i = 0; i < index->count && st == PO_OK; i++)
        st = add_entry(run, i, err);
    if (st == PO_OK)
        st = po_layout_init(&run->layout, index, err);
    return st == PO_OK ? decide_all(run, err) : st;
}
