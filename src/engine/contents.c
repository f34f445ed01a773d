#include "engine/contents.h"

#include "archive/layout.h"
#include "base/mem.h"
#include "engine/frames.h"
#include "engine/watch.h"

/* What a worker leaves for the join: the content that goes on in the next frame. */
struct slot {
    uint32_t open_entry; /* PO_NONE if none */
    size_t open_at;
    uint8_t scratch[PO_CONTENTS_SCRATCH];
};

struct pass {
    const struct po_contents_run *run;
    struct po_layout layout;
    uint8_t *frames; /* wanted ones, for po_frames_run */
    /* The rest belongs to the calling thread alone. */
    uint32_t open_entry;
    uint64_t open_done;
    uint32_t open_next; /* the frame in which it goes on */
    uint64_t bytes_done;
    uint64_t bytes_total;
};

static uint32_t
beginnings(const struct pass *pass, uint32_t frame)
{
    uint32_t first;
    uint32_t count;

    po_layout_frame(&pass->layout, frame, &first, &count);
    return count;
}

/*
 * Marks the frames that an entry can have a part of. Where its content begins is not known before
 * its header is decoded, so one that might belong to it is decoded in vain rather than missed.
 */
static void
mark_frames(struct pass *pass, uint32_t entry)
{
    const struct po_reader *reader = pass->run->reader;
    uint32_t frame = po_index_frame(reader->index, entry);
    uint64_t bound = po_index_size(reader->index, entry) + PO_PAX_MAX_SIZE + 3 * PO_TAR_BLOCK;
    uint64_t covered = reader->seeks[frame].content_size - po_index_offset(reader->index, entry);

    pass->frames[frame] = 1;
    while (covered < bound && ++frame < reader->index->frame_count &&
           beginnings(pass, frame) == 0) {
        pass->frames[frame] = 1;
        covered += reader->seeks[frame].content_size;
    }
}

/* One wanted member that begins in this frame. */
static enum po_status
read_member(const struct pass *pass, uint32_t entry, struct po_frame_job *job, struct po_err *err)
{
    const struct po_reader *reader = pass->run->reader;
    struct slot *slot = job->user;
    size_t content_size = reader->seeks[job->frame].content_size;
    uint64_t size = po_index_size(reader->index, entry);
    size_t at = 0;
    enum po_status st = po_reader_member(reader, entry, job->content, content_size, &at, err);

    if (st != PO_OK)
        return po_err_prefix(err, "frame %u", job->frame);
    if (size > content_size - at) {
        slot->open_entry = entry;
        slot->open_at = at;
        return PO_OK;
    }
    return pass->run->piece(pass->run->ctx, entry, 0, job->content + at, (size_t)size,
                            slot->scratch, err);
}

static enum po_status
read_members(const struct pass *pass, struct po_frame_job *job, struct po_err *err)
{
    enum po_status st = PO_OK;
    uint32_t first;
    uint32_t count;

    po_layout_frame(&pass->layout, job->frame, &first, &count);
    for (uint32_t i = first; i < first + count && st == PO_OK; i++)
        if (pass->run->wanted[pass->layout.entries[i]] != 0)
            st = read_member(pass, pass->layout.entries[i], job, err);
    return st;
}

static enum po_status
read_frame(const struct pass *pass, struct po_frame_job *job, struct po_frame_decoder *decoder,
           struct po_err *err)
{
    const struct po_reader *reader = pass->run->reader;
    const struct po_seek_entry *seek = &reader->seeks[job->frame];
    struct slot *slot = job->user;
    enum po_status st = po_reader_check_hashes(reader, job->frame, job->bytes, job->digest, err);

    slot->open_entry = PO_NONE;
    if (st != PO_OK)
        return st;
    st = po_frame_decode(decoder, job->bytes, seek->compressed_size, job->content,
                         seek->content_size, NULL, err);
    if (st != PO_OK)
        return po_err_prefix(err, "frame %u", job->frame);
    return pass->run->is_in_order ? PO_OK : read_members(pass, job, err);
}

static void
work(void *ctx, struct po_frame_job *job, struct po_frame_decoder *decoder)
{
    job->status = read_frame(ctx, job, decoder, &job->err);
}

/* Gives the open content's share of a frame, from `at` on. */
static enum po_status
take_open(struct pass *pass, struct po_frame_job *job, size_t at, struct po_err *err)
{
    const struct po_reader *reader = pass->run->reader;
    struct slot *slot = job->user;
    size_t size = reader->seeks[job->frame].content_size - at;
    uint64_t left = po_index_size(reader->index, pass->open_entry) - pass->open_done;
    uint32_t entry = pass->open_entry;
    uint64_t offset = pass->open_done;

    if (size > left)
        size = (size_t)left;
    pass->open_done += size;
    pass->open_next = job->frame + 1;
    if (size == left)
        pass->open_entry = PO_NONE;
    if (size == 0)
        return PO_OK;
    return pass->run->piece(pass->run->ctx, entry, offset, job->content + at, size, slot->scratch,
                            err);
}

static enum po_status
join(void *ctx, struct po_frame_job *job, struct po_err *err)
{
    struct pass *pass = ctx;
    const struct slot *slot = job->user;
    enum po_status st = PO_OK;

    if (job->status != PO_OK) {
        *err = job->err;
        if (pass->run->damaged != NULL)
            pass->run->damaged(pass->run->ctx, job->frame, &job->err);
        return job->status;
    }
    pass->bytes_done += pass->run->reader->seeks[job->frame].content_size;
    if (!pass->run->is_in_order)
        po_watch_progress(pass->run->watch, pass->bytes_done, pass->bytes_total, 0, 0);
    if (pass->open_entry != PO_NONE) {
        if (job->frame != pass->open_next || beginnings(pass, job->frame) > 0) /* spec: FRAME-4 */
            return po_fail(err, PO_E_FORMAT,
                           "frame %u: the member before it is not finished" PO_RULE("FRAME-4"),
                           pass->open_next);
        st = take_open(pass, job, 0, err);
    }
    if (st == PO_OK && pass->run->is_in_order)
        st = read_members(pass, job, err);
    if (st == PO_OK && slot->open_entry != PO_NONE) {
        pass->open_entry = slot->open_entry;
        pass->open_done = 0;
        st = take_open(pass, job, slot->open_at, err);
    }
    return st;
}

enum po_status
po_contents_run(const struct po_contents_run *run, struct po_err *err)
{
    const struct po_index *index = run->reader->index;
    struct pass pass = { .run = run, .open_entry = PO_NONE };
    struct po_frames_run frames = { .reader = run->reader,
                                    .threads = run->threads,
                                    .is_narrow = run->is_narrow,
                                    .wants_digests = true,
                                    .watch = run->watch,
                                    .ctx = &pass,
                                    .user_size = sizeof(struct slot),
                                    .work = work,
                                    .join = join };
    enum po_status st = po_layout_init(&pass.layout, index, err);

    if (st != PO_OK)
        goto done;
    pass.frames = po_mem_new(index->frame_count, 1);
    if (pass.frames == NULL) {
        st = po_fail_nomem(err, index->frame_count);
        goto done;
    }
    for (uint32_t i = 0; i < index->count; i++)
        if (run->wanted[i] != 0)
            mark_frames(&pass, i);
    for (uint32_t f = 0; f < index->frame_count; f++)
        if (pass.frames[f] != 0)
            pass.bytes_total += run->reader->seeks[f].content_size;
    frames.wanted = pass.frames;
    st = po_frames_run(&frames, err);
    if (st == PO_OK && pass.open_entry != PO_NONE)
        st = po_fail(err, PO_E_FORMAT,
                     "frame %u: the member before it is not finished" PO_RULE("FRAME-4"),
                     pass.open_next);
done:
    po_mem_free(pass.frames);
    po_layout_deinit(&pass.layout);
    return st;
}
