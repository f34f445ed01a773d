#include "engine/salvage_scan.h"

#include "archive/entry.h"
#include "archive/frame.h"
#include "archive/frame_probe.h"
#include "archive/hash.h"
#include "archive/tar.h"
#include "base/mem.h"
#include "base/pages.h"
#include "engine/budget.h"
#include "engine/watch.h"
#include "pipeline/ordered.h"
#include "port/sys.h"

#include <stdlib.h>
#include <string.h>

#define WINDOW_SIZE ((size_t)1 << 20)
#define BATCH_MAX 256u
#define BATCH_CONTENT_MAX ((uint64_t)512 << 20)
/* What false beginnings may cost, in bytes decoded; a block's header counts as so many. */
#define FALSE_COST_FREE ((uint64_t)256 << 20)
#define FALSE_COST_SHARE 64u
#define STEP_COST 16u
#define NEAR_SIZE 4096u /* what is read for a place outside the window */

/* Bytes of the file that are at hand. */
struct window {
    uint8_t *bytes;
    uint64_t offset;
    size_t size;
    size_t capacity;
};

struct job {
    struct po_salvage_frame frame;
    bool is_proven;
};

/* One a worker; both grow to the largest frame of the batch. */
struct buffers {
    struct po_frame_decoder *decoder;
    uint8_t *bytes;
    size_t bytes_size;
    uint8_t *content;
    size_t content_size;
};

struct hole {
    uint64_t from;
    uint64_t to;
};

struct scan {
    struct po_salvage_scan *out;
    const struct pobackup_blob *blob;
    const struct po_watch *watch;
    unsigned threads; /* wished for */
    struct window main;
    struct window near;
    struct po_err read_err; /* of a peek */
    struct job *jobs;
    unsigned job_count;
    uint64_t job_content;
    struct hole *holes;
    size_t hole_count;
    size_t hole_capacity;
    uint64_t cost; /* of false beginnings until now */
    uint64_t cost_max;
};

/* ---- reading ---- */

static bool
has(const struct window *window, uint64_t offset, size_t size)
{
    return offset >= window->offset && offset - window->offset <= window->size &&
           size <= window->size - (offset - window->offset);
}

static enum po_status
load(struct scan *s, struct window *window, uint64_t offset)
{
    uint64_t left = s->out->size - offset;

    window->offset = offset;
    window->size = 0; /* as long as it may fail */
    if (left > window->capacity)
        left = window->capacity;
    if (s->blob->read_at(s->blob->ctx, offset, window->bytes, (size_t)left, &s->read_err) != PO_OK)
        return s->read_err.status;
    window->size = (size_t)left;
    return PO_OK;
}

static const uint8_t *
peek(void *ctx, uint64_t offset, size_t size)
{
    struct scan *s = ctx;
    struct window *window = has(&s->main, offset, size) ? &s->main : &s->near;

    if (offset > s->out->size || size > s->out->size - offset || s->read_err.status != PO_OK)
        return NULL;
    if (!has(window, offset, size) && load(s, window, offset) != PO_OK)
        return NULL;
    return window->bytes + (offset - window->offset);
}

/* ---- proving ---- */

static void
classify(struct po_salvage_frame *frame, const uint8_t *content)
{
    struct po_tar_member member = { 0 };
    struct po_err ignored;
    size_t header_size;

    frame->kind = PO_SALVAGE_CONTINUED;
    if (po_tar_parse_header(&member, &header_size, content, frame->content_size, &ignored) != PO_OK)
        return;
    frame->kind = PO_SALVAGE_MEMBER;
    if (po_is_path(member.path, member.path_size, PO_MANIFEST_PATH))
        frame->kind = PO_SALVAGE_MANIFEST;
    else if (po_is_path(member.path, member.path_size, PO_SUMMARY_PATH))
        frame->kind = PO_SALVAGE_SUMMARY;
    else if (po_is_path(member.path, member.path_size, PO_INDEX_PATH))
        frame->kind = PO_SALVAGE_INDEX;
    else if (po_is_path(member.path, member.path_size, PO_TRAILER_PATH))
        frame->kind = PO_SALVAGE_TRAILER;
    frame->is_usual = (member.path_size > 11 && memcmp(member.path, "Post.Office", 11) == 0) ||
                      (member.path_size > 9 && memcmp(member.path, "pobackup/", 9) == 0);
}

/* At least so large, its old content lost. */
static enum po_status
grow(uint8_t **bytes, size_t *size, size_t wanted, struct po_err *err)
{
    if (*size >= wanted)
        return PO_OK;
    po_pages_free(*bytes, *size);
    *size = 0;
    *bytes = po_pages_new(wanted);
    if (*bytes == NULL)
        return po_fail_nomem(err, wanted);
    *size = wanted;
    return PO_OK;
}

static enum po_status
prove(const struct scan *s, struct job *job, struct buffers *buffers, struct po_err *err)
{
    struct po_salvage_frame *frame = &job->frame;
    struct po_err broken;
    enum po_status st = grow(&buffers->bytes, &buffers->bytes_size, frame->compressed_size, err);

    job->is_proven = false;
    if (st == PO_OK)
        st = grow(&buffers->content, &buffers->content_size, frame->content_size, err);
    if (st == PO_OK && buffers->decoder == NULL)
        st = po_frame_decoder_new(&buffers->decoder, err);
    if (st == PO_OK)
        st = s->blob->read_at(s->blob->ctx, frame->offset, buffers->bytes, frame->compressed_size,
                              err);
    if (st != PO_OK)
        return st;
    if (po_frame_decode(buffers->decoder, buffers->bytes, frame->compressed_size, buffers->content,
                        frame->content_size, &frame->checksum, &broken) != PO_OK)
        return PO_OK;
    job->is_proven = true;
    po_xxh3(buffers->bytes, frame->compressed_size, frame->xxh3);
    classify(frame, buffers->content);
    return PO_OK;
}

static void
free_buffers(struct buffers *buffers)
{
    po_frame_decoder_free(buffers->decoder);
    po_pages_free(buffers->bytes, buffers->bytes_size);
    po_pages_free(buffers->content, buffers->content_size);
    *buffers = (struct buffers){ 0 };
}

/* ---- many at once ---- */

struct batch {
    const struct scan *scan;
    struct buffers *buffers; /* one a worker */
    unsigned fed;            /* jobs handed out */
};

static enum po_status
work(void *ctx, void *item, unsigned worker, struct po_err *err)
{
    const struct batch *batch = ctx;

    return prove(batch->scan, *(struct job **)item, &batch->buffers[worker], err);
}

/* As many as there are buffers for: a compressed and a content buffer each. */
static unsigned
workers_for(const struct scan *s)
{
    struct po_budget budget = { .used = 2 * WINDOW_SIZE + s->out->capacity * sizeof *s->out->frames,
                                .per_thread = 1,
                                .threads = s->threads };

    for (unsigned i = 0; i < s->job_count; i++) {
        uint32_t pair = s->jobs[i].frame.content_size + s->jobs[i].frame.compressed_size;

        if (pair > budget.buffer)
            budget.buffer = pair;
    }
    budget.buffer_min = budget.buffer;
    po_budget_fit(&budget);
    return budget.threads < s->job_count ? budget.threads : s->job_count;
}

static enum po_status
fill(void *ctx, void *item, bool *is_filled, struct po_err *err)
{
    struct batch *batch = ctx;

    (void)err;
    *is_filled = batch->fed < batch->scan->job_count;
    if (*is_filled)
        *(struct job **)item = &batch->scan->jobs[batch->fed++];
    return PO_OK;
}

/* What a job came to stands in it. */
static enum po_status
join(void *ctx, void *item, struct po_err *err)
{
    (void)item;
    return po_watch_check(((struct batch *)ctx)->scan->watch, err);
}

static enum po_status
prove_on_many(struct scan *s, unsigned workers, struct po_err *err)
{
    struct po_ordered_options options = { .workers = workers, .slots = workers + 1, .work = work };
    struct batch batch = { .scan = s };
    const struct po_ordered_steps steps = { .fill = fill, .join = join, .ctx = &batch };
    struct job **slots = po_mem_new(options.slots, sizeof(struct job *));
    void **items = po_mem_new(options.slots, sizeof(void *));
    struct po_ordered *ordered = NULL;
    enum po_status st = PO_OK;

    batch.buffers = po_mem_new(workers, sizeof *batch.buffers);
    if (slots == NULL || items == NULL || batch.buffers == NULL)
        st = po_fail_nomem(err, options.slots * sizeof(void *));
    for (size_t i = 0; st == PO_OK && i < options.slots; i++)
        items[i] = &slots[i];
    options.ctx = &batch;
    if (st == PO_OK)
        st = po_ordered_new(&ordered, &options, items, err);
    if (st == PO_OK)
        st = po_ordered_loop(ordered, &steps, err);
    po_ordered_free(ordered);
    for (unsigned i = 0; batch.buffers != NULL && i < workers; i++)
        free_buffers(&batch.buffers[i]);
    po_mem_free(batch.buffers);
    po_mem_free(slots);
    po_mem_free(items);
    return st;
}

static enum po_status
prove_here(struct scan *s, struct po_err *err)
{
    struct buffers buffers = { 0 };
    enum po_status st = PO_OK;

    for (unsigned i = 0; i < s->job_count && st == PO_OK; i++) {
        st = po_watch_check(s->watch, err);
        if (st == PO_OK)
            st = prove(s, &s->jobs[i], &buffers, err);
    }
    free_buffers(&buffers);
    return st;
}

/* ---- what was found ---- */

static enum po_status
add_frame(struct po_salvage_scan *out, const struct po_salvage_frame *frame, struct po_err *err)
{
    if (out->count == out->capacity) {
        uint32_t capacity = out->capacity == 0 ? 64 : out->capacity * 2;
        struct po_salvage_frame *frames;

        if (out->count >= PO_FRAMES_MAX)
            return po_fail(err, PO_E_UNSUPPORTED, "more frames than an archive may have (FRAME-7)");
        frames = po_mem_resize(out->frames, capacity, sizeof *frames);
        if (frames == NULL)
            return po_fail_nomem(err, capacity * sizeof *frames);
        out->frames = frames;
        out->capacity = capacity;
    }
    out->frames[out->count++] = *frame;
    return PO_OK;
}

static enum po_status
add_hole(struct scan *s, uint64_t from, uint64_t to, struct po_err *err)
{
    if (s->hole_count == s->hole_capacity) {
        size_t capacity = s->hole_capacity == 0 ? 16 : s->hole_capacity * 2;
        struct hole *holes = po_mem_resize(s->holes, capacity, sizeof *holes);

        if (holes == NULL)
            return po_fail_nomem(err, capacity * sizeof *holes);
        s->holes = holes;
        s->hole_capacity = capacity;
    }
    s->holes[s->hole_count++] = (struct hole){ from, to };
    return PO_OK;
}

/* *is_last_proven (may be NULL): so the last one was. */
static enum po_status
run_batch(struct scan *s, bool *is_last_proven, struct po_err *err)
{
    unsigned workers = workers_for(s);
    enum po_status st = PO_OK;

    if (s->job_count > 0)
        st = workers > 1 ? prove_on_many(s, workers, err) : prove_here(s, err);
    for (unsigned i = 0; i < s->job_count && st == PO_OK; i++) {
        const struct po_salvage_frame *frame = &s->jobs[i].frame;

        if (s->jobs[i].is_proven) {
            st = add_frame(s->out, frame, err);
        } else {
            s->cost += frame->content_size;
            st = add_hole(s, frame->offset + 1, frame->offset + frame->compressed_size, err);
        }
    }
    if (is_last_proven != NULL)
        *is_last_proven = s->job_count > 0 && s->jobs[s->job_count - 1].is_proven;
    s->job_count = 0;
    s->job_content = 0;
    return st;
}

/* The next place from *at on, before `to`, where a magic number stands; `to` if there is none. */
static enum po_status
find_magic(struct scan *s, uint64_t *at, uint64_t to, struct po_err *err)
{
    while (*at < to && s->out->size - *at >= PO_FRAME_MAGIC_SIZE) {
        const uint8_t *start;
        const uint8_t *hit;
        size_t left;

        if (!has(&s->main, *at, PO_FRAME_MAGIC_SIZE) && load(s, &s->main, *at) != PO_OK) {
            *err = s->read_err;
            return err->status;
        }
        start = s->main.bytes + (*at - s->main.offset);
        left = s->main.size - (size_t)(*at - s->main.offset) - (PO_FRAME_MAGIC_SIZE - 1);
        hit = memchr(start, 0x28, left);
        *at += hit == NULL ? left : (size_t)(hit - start);
        if (hit != NULL && po_probe_is_magic(hit))
            return PO_OK;
        *at += hit == NULL ? 0 : 1;
    }
    *at = to;
    return PO_OK;
}

/* Probes the place; *is_candidate when it is worth decoding. */
static enum po_status
try_place(struct scan *s, uint64_t at, bool is_chained, struct po_probe *probe, bool *is_candidate,
          struct po_err *err)
{
    *is_candidate = false;
    if (s->cost >= s->cost_max && !is_chained) {
        s->out->is_cut_short = true;
        return PO_OK;
    }
    *is_candidate = po_probe_frame(probe, at, peek, s);
    if (s->read_err.status != PO_OK) {
        *err = s->read_err;
        return err->status;
    }
    if (!*is_candidate)
        s->cost += (uint64_t)(probe->steps + 1) * STEP_COST;
    return PO_OK;
}

/* From front to back, each frame taken at its word. */
static enum po_status
scan_forward(struct scan *s, struct po_err *err)
{
    uint64_t at = 0;
    uint64_t chained = 0; /* the place behind the last one that looked good */
    enum po_status st = find_magic(s, &at, s->out->size, err);

    while (st == PO_OK && at < s->out->size) {
        struct po_probe probe;
        bool is_candidate;

        st = try_place(s, at, at == chained, &probe, &is_candidate, err);
        if (st != PO_OK)
            return st;
        if (is_candidate) {
            s->jobs[s->job_count++] =
                (struct job){ .frame = { .offset = at,
                                         .content_size = probe.content_size,
                                         .compressed_size = probe.compressed_size } };
            s->job_content += probe.content_size;
            at += probe.compressed_size;
            chained = at;
        } else {
            at++;
        }
        if (s->job_count == BATCH_MAX || s->job_content >= BATCH_CONTENT_MAX) {
            bool is_proven;

            st = run_batch(s, &is_proven, err);
            /* Only behind what is proven is a place tried at any cost. */
            chained = is_proven ? chained : UINT64_MAX;
            po_watch_progress(s->watch, at, s->out->size, 0, 0);
        }
        if (st == PO_OK)
            st = find_magic(s, &at, s->out->size, err);
    }
    return st == PO_OK ? run_batch(s, NULL, err) : st;
}

/* What did not decode, byte by byte: other frames may begin in it. */
static enum po_status
scan_hole(struct scan *s, struct hole hole, struct buffers *buffers, struct po_err *err)
{
    uint64_t at = hole.from;
    uint64_t chained = 0;
    enum po_status st = find_magic(s, &at, hole.to, err);

    while (st == PO_OK && at < hole.to) {
        struct po_probe probe;
        struct job job = { 0 };
        bool is_candidate;

        st = po_watch_check(s->watch, err);
        if (st == PO_OK)
            st = try_place(s, at, at == chained, &probe, &is_candidate, err);
        if (st != PO_OK)
            return st;
        if (is_candidate) {
            job.frame =
                (struct po_salvage_frame){ .offset = at,
                                           .content_size = probe.content_size,
                                           .compressed_size = probe.compressed_size,
                                           .is_inside = at + probe.compressed_size <= hole.to };
            st = prove(s, &job, buffers, err);
            s->cost += job.is_proven ? 0 : probe.content_size;
        }
        if (st == PO_OK && job.is_proven)
            st = add_frame(s->out, &job.frame, err);
        at += job.is_proven ? probe.compressed_size : 1;
        chained = job.is_proven ? at : chained;
        if (st == PO_OK)
            st = find_magic(s, &at, hole.to, err);
    }
    return st;
}

static int
compare_frames(const void *a, const void *b)
{
    const struct po_salvage_frame *x = a;
    const struct po_salvage_frame *y = b;

    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* By offset. Of two that overlap the one that begins first stays: what begins in it is its content. */
static void
put_in_order(struct po_salvage_scan *out)
{
    uint64_t end = 0;
    uint32_t kept = 0;

    if (out->count > 0)
        qsort(out->frames, out->count, sizeof *out->frames, compare_frames);
    for (uint32_t i = 0; i < out->count; i++) {
        if (out->frames[i].offset < end)
            continue;
        end = out->frames[i].offset + out->frames[i].compressed_size;
        out->frames[kept++] = out->frames[i];
    }
    out->count = kept;
}

/* ---- the run ---- */

static enum po_status
new_scan(struct scan *s, struct po_err *err)
{
    s->main.capacity = s->out->size < WINDOW_SIZE ? (size_t)s->out->size + 1 : WINDOW_SIZE;
    s->near.capacity = NEAR_SIZE;
    s->main.bytes = po_mem_new(1, s->main.capacity);
    s->near.bytes = po_mem_new(1, s->near.capacity);
    s->jobs = po_mem_new(BATCH_MAX, sizeof *s->jobs);
    if (s->main.bytes == NULL || s->near.bytes == NULL || s->jobs == NULL)
        return po_fail_nomem(err, s->main.capacity);
    return PO_OK;
}

enum po_status
po_salvage_scan_run(struct po_salvage_scan *scan, const struct pobackup_blob *blob,
                    unsigned threads, const struct po_watch *watch, struct po_err *err)
{
    struct scan s = { .out = scan,
                      .blob = blob,
                      .watch = watch,
                      .threads = threads == 0 ? po_sys_cpu_count() : threads };
    struct buffers buffers = { 0 };
    enum po_status st;

    *scan = (struct po_salvage_scan){ .size = blob->size };
    s.cost_max = FALSE_COST_FREE + FALSE_COST_SHARE * blob->size;
    st = new_scan(&s, err);
    if (st == PO_OK)
        st = scan_forward(&s, err);
    for (size_t i = 0; i < s.hole_count && st == PO_OK; i++)
        st = scan_hole(&s, s.holes[i], &buffers, err);
    if (st == PO_OK)
        put_in_order(scan);
    if (st == PO_OK)
        st = po_salvage_table_find(scan, blob, err);
    free_buffers(&buffers);
    po_mem_free(s.main.bytes);
    po_mem_free(s.near.bytes);
    po_mem_free(s.jobs);
    po_mem_free(s.holes);
    if (st != PO_OK)
        po_salvage_scan_deinit(scan);
    return st;
}

void
po_salvage_scan_deinit(struct po_salvage_scan *scan)
{
    po_mem_free(scan->frames);
    po_mem_free(scan->seeks);
    *scan = (struct po_salvage_scan){ 0 };
}

uint32_t
po_salvage_scan_next(const struct po_salvage_scan *scan, uint32_t frame)
{
    const struct po_salvage_frame *f = &scan->frames[frame];

    return frame + 1 < scan->count && f[1].offset == f->offset + f->compressed_size ? frame + 1
                                                                                    : PO_NONE;
}
