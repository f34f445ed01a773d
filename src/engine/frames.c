#include "engine/frames.h"

#include "archive/blake2b4.h"
#include "base/mem.h"
#include "base/pages.h"
#include "engine/budget.h"
#include "engine/frames_ahead.h"
#include "engine/watch.h"
#include "pipeline/ordered.h"
#include "port/sys.h"

#include <string.h>

/* More would wait for the one thread that makes the digests, which is some six times as fast as one of them. */
#define AHEAD_WORKERS_MAX 6u
/* Where there is memory for it, and no thread less. */
#define AHEAD_SPARE 2u

/* All that one run needs; the slots are the only memory that grows with the frames' size. */
struct run {
    const struct po_frames_run *options;
    struct po_ordered *ordered;
    struct po_frame_decoder **decoders; /* one a worker */
    struct po_frame_job *jobs;          /* one a slot */
    void **items;
    unsigned workers;
    size_t slots;
    uint32_t next; /* frame to fetch, or of a raw run to hand out */
    bool goes_ahead;
    unsigned spare;                /* of po_frames_ahead_options */
    struct po_frames_ahead *ahead; /* of a run that goes ahead: whose the jobs' bytes are */
};

static void
free_run(struct run *run)
{
    const struct po_reader *reader = run->options->reader;

    po_ordered_free(run->ordered);
    for (unsigned i = 0; run->decoders != NULL && i < run->workers; i++)
        po_frame_decoder_free(run->decoders[i]);
    for (size_t i = 0; run->jobs != NULL && i < run->slots; i++) {
        if (!run->goes_ahead)
            po_pages_free(run->jobs[i].bytes, reader->compressed_max);
        po_pages_free(run->jobs[i].content, reader->content_max);
        po_mem_free(run->jobs[i].user);
    }
    po_frames_ahead_free(run->ahead);
    po_mem_free(run->decoders);
    po_mem_free(run->jobs);
    po_mem_free(run->items);
}

static enum po_status
fetch_job(const struct run *run, struct po_frame_job *job, struct po_err *err)
{
    return po_frames_fetch(run->options->reader, job->frame, job->bytes,
                           run->options->goes_on_unread, &job->is_unread, &job->err, err);
}

static enum po_status
work(void *ctx, void *item, unsigned worker, struct po_err *err)
{
    struct run *run = ctx;
    const struct po_frames_run *options = run->options;
    struct po_frame_job *job = item;
    enum po_status st = options->is_raw ? fetch_job(run, job, err) : PO_OK;

    if (st != PO_OK)
        return st;
    job->status = job->is_unread ? PO_E_IO : PO_OK;
    if (job->is_unread) {
        if (options->user_size > 0)
            memset(job->user, 0, options->user_size);
        return PO_OK;
    }
    if (options->wants_digests && !run->goes_ahead)
        po_blake2b(job->bytes, options->reader->seeks[job->frame].compressed_size, job->digest);
    options->work(options->ctx, job, run->decoders[worker]);
    if (job->status == PO_OK || job->status == PO_E_FORMAT || job->status == PO_E_UNSUPPORTED)
        return PO_OK;
    *err = job->err;
    return job->status;
}

static enum po_status
new_slot(struct run *run, size_t slot, struct po_err *err)
{
    const struct po_reader *reader = run->options->reader;
    struct po_frame_job *job = &run->jobs[slot];

    run->items[slot] = job;
    if (!run->goes_ahead)
        job->bytes = po_pages_new(reader->compressed_max);
    if (!run->options->is_raw)
        job->content = po_pages_new(reader->content_max);
    if (run->options->user_size > 0)
        job->user = po_mem_new(1, run->options->user_size);
    if ((!run->goes_ahead && job->bytes == NULL) ||
        (!run->options->is_raw && job->content == NULL) ||
        (run->options->user_size > 0 && job->user == NULL))
        return po_fail_nomem(err, (size_t)reader->compressed_max + reader->content_max);
    return PO_OK;
}

/* How many threads there is room for: of each a compressed buffer and a content buffer, one such pair more,
 * and of a run that goes ahead one compressed buffer more, and those that are spare. */
static unsigned
workers_that_fit(const struct run *run, unsigned wished, unsigned spare)
{
    const struct po_reader *reader = run->options->reader;
    uint32_t pair =
        reader->compressed_max + (run->options->is_raw ? 0 : (uint32_t)reader->content_max);
    uint64_t ahead = run->goes_ahead ? (uint64_t)reader->compressed_max * (1 + spare) : 0;
    struct po_budget budget = { .used = reader->index->size + ahead,
                                .per_thread = 1,
                                .fixed = 1,
                                .threads = wished,
                                .buffer = pair,
                                .buffer_min = pair };

    po_budget_fit(&budget);
    return budget.threads;
}

static uint32_t
count_wanted(const struct po_frames_run *options)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < options->reader->index->frame_count; i++)
        count += options->wanted == NULL || options->wanted[i] != 0;
    return count;
}

/* No more slots than frames: a file of one frame has one buffer. */
static void
choose_sizes(struct run *run)
{
    const struct po_frames_run *options = run->options;
    uint32_t count = count_wanted(options);
    unsigned wished = options->threads;

    /* One that waits for the disk. More would only disturb the system's reading ahead, and so does a
     * hint that all will be read. */
    if (wished == 0)
        wished = po_sys_cpu_count() + (options->is_raw ? 1 : 0);
    run->goes_ahead = options->wants_digests && !options->is_raw && !options->is_narrow &&
                      po_blake2b4_best() != PO_BLAKE2B4_ONE_BY_ONE && wished <= AHEAD_WORKERS_MAX &&
                      count >= 2 * PO_BLAKE2B_LANES;
    run->workers = options->threads == 0 ? workers_that_fit(run, wished, 0) : wished;
    run->spare = AHEAD_SPARE;
    while (run->spare > 0 && workers_that_fit(run, run->workers, run->spare) < run->workers)
        run->spare--;
    run->slots = run->workers + (options->is_narrow ? 0 : 1);
    if (run->slots > count)
        run->slots = count;
    if (run->workers > count)
        run->workers = count;
}

static struct po_frames_ahead_options
ahead_options(const struct run *run)
{
    return (struct po_frames_ahead_options){ .reader = run->options->reader,
                                             .wanted = run->options->wanted,
                                             .goes_on_unread = run->options->goes_on_unread,
                                             .held_max = run->slots - 1,
                                             .spare = run->spare };
}

static enum po_status
init_run(struct run *run, struct po_err *err)
{
    struct po_ordered_options options = { .work = work, .ctx = run };
    struct po_frames_ahead_options ahead;
    enum po_status st = PO_OK;

    choose_sizes(run);
    ahead = ahead_options(run);
    run->decoders = po_mem_new(run->workers, sizeof(struct po_frame_decoder *));
    run->jobs = po_mem_new(run->slots, sizeof *run->jobs);
    run->items = po_mem_new(run->slots, sizeof(void *));
    if (run->decoders == NULL || run->jobs == NULL || run->items == NULL)
        return po_fail_nomem(err, run->slots * sizeof *run->jobs);
    for (unsigned i = 0; i < run->workers && st == PO_OK; i++)
        st = po_frame_decoder_new(&run->decoders[i], err);
    for (size_t i = 0; i < run->slots && st == PO_OK; i++)
        st = new_slot(run, i, err);
    if (st == PO_OK && run->goes_ahead)
        st = po_frames_ahead_new(&run->ahead, &ahead, err);
    if (st != PO_OK || run->slots == 1)
        return st;
    options.workers = run->workers;
    options.slots = run->slots;
    return po_ordered_new(&run->ordered, &options, run->items, err);
}

static enum po_status
take_ahead(struct run *run, struct po_frame_job *job, bool *is_filled, struct po_err *err)
{
    const struct po_frame_ahead *item = NULL;
    enum po_status st = po_frames_ahead_next(run->ahead, &item, err);

    if (st != PO_OK || item == NULL)
        return st;
    *is_filled = true;
    job->frame = item->frame;
    job->bytes = item->bytes;
    job->is_unread = item->is_unread;
    if (item->is_unread)
        job->err = item->err;
    memcpy(job->digest, item->digest, PO_DIGEST_SIZE);
    return PO_OK;
}

/* Fetches the next frame that is wanted; of a raw run it only hands out its number. */
static enum po_status
fill(void *ctx, void *item, bool *is_filled, struct po_err *err)
{
    struct run *run = ctx;
    struct po_frame_job *job = item;

    if (run->goes_ahead)
        return take_ahead(run, job, is_filled, err);
    if (!po_frames_next_wanted(run->options->reader, run->options->wanted, &run->next))
        return PO_OK;
    *is_filled = true;
    job->frame = run->next++;
    return run->options->is_raw ? PO_OK : fetch_job(run, job, err);
}

static enum po_status
join(void *ctx, void *item, struct po_err *err)
{
    struct run *run = ctx;
    const struct po_frames_run *options = run->options;
    enum po_status st = po_watch_check(options->watch, err);

    if (st == PO_OK && options->join != NULL)
        st = options->join(options->ctx, item, err);
    if (run->goes_ahead)
        po_frames_ahead_release(run->ahead);
    return st;
}

/* With one slot everybody would wait for each other: then this thread does it all. */
static enum po_status
run_alone(struct run *run, struct po_err *err)
{
    void *job = run->items[0];

    for (;;) {
        bool is_filled = false;
        enum po_status st = fill(run, job, &is_filled, err);

        if (st != PO_OK || !is_filled)
            return st;
        st = work(run, job, 0, err);
        if (st == PO_OK)
            st = join(run, job, err);
        if (st != PO_OK)
            return st;
    }
}

/*
 * This thread feeds and joins in turn. Where digests are wanted, another one fetches and makes them; else this
 * one does: fetching is mostly copying from the system's cache, or waiting for a disk while all workers
 * are busy. That is so where frames are decoded; a hash alone is as fast as the copying, and faster than
 * a disk: there the workers fetch.
 */
enum po_status
po_frames_run(const struct po_frames_run *options, struct po_err *err)
{
    struct run run = { .options = options };
    const struct po_ordered_steps steps = { .fill = fill, .join = join, .ctx = &run };
    enum po_status st;

    if (!po_frames_next_wanted(options->reader, options->wanted, &run.next))
        return PO_OK;
    st = init_run(&run, err);
    if (st == PO_OK)
        st = po_watch_check(options->watch, err);
    if (st == PO_OK)
        st = run.ordered == NULL ? run_alone(&run, err) : po_ordered_loop(run.ordered, &steps, err);
    free_run(&run);
    return st;
}
