/* Frames that are copied, and contents that are packed anew. */
#include "engine/consolidate_run.h"

#include "archive/audit.h"
#include "base/cursor.h"
#include "base/mem.h"
#include "engine/contents.h"
#include "engine/frames.h"
#include "engine/watch.h"

#include <string.h>

/* Hashing alone is fast; and two compressed frames need no more room than one with its content. */
#define COPY_THREADS 2u

static void
tell_progress(const struct po_consolidate_run *run)
{
    po_watch_progress(run->watch, run->bytes_done, run->bytes_total, 0, 0);
}

/* ---- damage ---- */

struct hit {
    struct po_consolidate_run *run;
    const char *reason;
    bool is_full; /* no memory for more names */
};

static void
note_hit(void *ctx, uint32_t entry)
{
    struct hit *hit = ctx;
    struct po_err ignored;
    size_t size;
    const char *path = po_index_path(hit->run->reader->index, entry, &size);

    if (!hit->is_full)
        hit->is_full =
            po_problems_add(&hit->run->result->hits, path, size, hit->reason, &ignored) != PO_OK;
}

/* "parent NAME: frame 7: its hash does not match": in whose file it is, and which one there. */
static void
name_damage(struct po_consolidate_run *run, uint32_t frame, const struct po_err *damage)
{
    const char *what = strstr(damage->text, ": ");
    const char *text = what == NULL ? damage->text : what + 2;
    uint32_t part = po_joined_part_count(run->joined);
    struct po_parent parent;
    const char *name;
    size_t size;
    uint32_t first = 0;
    uint32_t count = 0;

    while (part > 0 && (frame < first || frame - first >= count))
        po_joined_part(run->joined, --part, &first, &count);
    (void)po_fail(&run->damage, PO_E_FORMAT, "frame %u: %s", frame - first, text);
    if (part == 0)
        return;
    po_index_parent(run->own->index, part - 1, &parent, &name, &size);
    (void)po_err_prefix(&run->damage, "parent %.*s", (int)size, name);
}

/* Which entries of the snapshot the frame has a part of. spec: READ-2 */
static void
note_damage(void *ctx, uint32_t frame, const struct po_err *damage)
{
    struct po_consolidate_run *run = ctx;
    struct hit hit = { .run = run, .reason = run->damage.text };

    name_damage(run, frame, damage);
    po_audit_hits(&run->layout, frame, po_layout_continued(&run->layout, frame), note_hit, &hit);
}

/* ---- copying ---- */

static void
check(void *ctx, struct po_frame_job *job, struct po_frame_decoder *decoder)
{
    const struct po_consolidate_run *run = ctx;

    (void)decoder;
    job->status = po_reader_check_frame(run->reader, job->frame, job->bytes, true, &job->err);
}

static enum po_status
put_frame(void *ctx, struct po_frame_job *job, struct po_err *err)
{
    struct po_consolidate_run *run = ctx;
    struct po_frame_info info;

    if (job->status != PO_OK) {
        note_damage(run, job->frame, &job->err);
        *err = job->err;
        return job->status;
    }
    po_index_frame_info(run->reader->index, job->frame, &info);
    /* Not the seek table's, which nothing covers. spec: SEEK-3 */
    info.checksum = po_load_u32le(job->bytes + info.compressed_size - 4);
    run->bytes_done += info.content_size;
    tell_progress(run);
    return po_writer_put_frame(&run->writer, job->bytes, &info, err);
}

static enum po_status
copy_part(struct po_consolidate_run *run, uint32_t part, uint8_t *wanted, struct po_err *err)
{
    struct po_frames_run frames = { .reader = run->reader,
                                    .wanted = wanted,
                                    .threads = COPY_THREADS,
                                    .is_narrow = true,
                                    .is_raw = true,
                                    .watch = run->watch,
                                    .ctx = run,
                                    .work = check,
                                    .join = put_frame };
    bool is_any = false;
    uint32_t first;
    uint32_t count;

    po_joined_part(run->joined, part, &first, &count);
    memset(wanted, 0, run->reader->index->frame_count);
    for (uint32_t frame = first; frame < first + count; frame++) {
        wanted[frame] = run->fates[frame] == PO_CONSOLIDATE_COPY;
        is_any = is_any || wanted[frame] != 0;
    }
    return is_any ? po_frames_run(&frames, err) : PO_OK;
}

enum po_status
po_consolidate_copy(struct po_consolidate_run *run, struct po_err *err)
{
    uint8_t *wanted = po_mem_new(run->reader->index->frame_count, 1);
    enum po_status st = PO_OK;

    if (wanted == NULL)
        return po_fail_nomem(err, run->reader->index->frame_count);
    po_watch_phase(run->watch, "copying frames");
    for (uint32_t at = 0; at < po_joined_part_count(run->joined) && st == PO_OK; at++)
        st = copy_part(run, po_consolidate_part(run, at), wanted, err);
    po_mem_free(wanted);
    return st;
}

/* ---- packing anew ---- */

static enum po_status
end_content(struct po_consolidate_run *run, struct po_entry *entry, struct po_err *err)
{
    uint8_t hash[PO_HASH_SIZE];

    po_hasher_xxh3(run->hasher, hash);
    if (memcmp(hash, entry->hash, PO_HASH_SIZE) != 0) /* spec: READ-3 */
        return po_fail(err, PO_E_FORMAT,
                       "%.*s: its content is not that of its hash" PO_RULE("INDEX-7"),
                       (int)entry->path_size, po_entry_path(&run->list, entry));
    entry->state = PO_ENTRY_SAVED;
    return po_packer_end(&run->packing.packer, err);
}

static enum po_status
put_piece(void *ctx, uint32_t number, uint64_t offset, const uint8_t *bytes, size_t size,
          uint8_t *scratch, struct po_err *err)
{
    struct po_consolidate_run *run = ctx;
    struct po_entry *entry = &run->list.entries[number];
    enum po_status st = PO_OK;

    (void)scratch;
    if (offset == 0) {
        po_hasher_reset(run->hasher);
        st = po_packer_begin(&run->packing.packer, &run->list, entry, err);
    }
    po_hasher_add_xxh3(run->hasher, bytes, size);
    if (st == PO_OK)
        st = po_packer_put(&run->packing.packer, bytes, size, err);
    run->bytes_done += size;
    tell_progress(run);
    if (st == PO_OK && offset + size == entry->size)
        st = end_content(run, entry, err);
    return st;
}

/* What the index alone is enough for. */
static enum po_status
pack_empty(struct po_consolidate_run *run, struct po_err *err)
{
    enum po_status st = PO_OK;

    for (size_t i = 0; i < run->list.count && st == PO_OK; i++) {
        struct po_entry *entry = &run->list.entries[i];

        if (entry->state != PO_ENTRY_PLANNED)
            continue;
        st = po_packer_add(&run->packing.packer, &run->list, entry, "", err);
        entry->state = PO_ENTRY_SAVED;
    }
    return st;
}

enum po_status
po_consolidate_pack(void *ctx, struct po_err *err)
{
    struct po_consolidate_run *run = ctx;
    struct po_contents_run contents = {
        .reader = run->reader,
        .threads = 1, /* decoding is several times as fast as encoding */
        .is_narrow = true,
        .is_in_order = true,
        .watch = run->watch,
        .ctx = run,
        .piece = put_piece,
        .damaged = note_damage,
    };
    uint8_t *wanted = po_mem_new(run->list.count, 1);
    enum po_status st;

    if (wanted == NULL)
        return po_fail_nomem(err, run->list.count);
    po_watch_phase(run->watch, "packing what is left of the others");
    for (size_t i = 0; i < run->list.count; i++)
        wanted[i] = run->list.entries[i].state == PO_ENTRY_PLANNED && run->list.entries[i].size > 0;
    contents.wanted = wanted;
    st = po_contents_run(&contents, err);
    if (st == PO_OK)
        st = pack_empty(run, err);
    po_mem_free(wanted);
    return st == PO_OK ? po_packer_cut(&run->packing.packer, err) : st;
}
