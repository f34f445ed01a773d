#include "engine/frames.h"

#include "base/mem.h"
#include "engine/budget.h"
#include "engine/watch.h"
#include "pipeline/ordered.h"
#include "port/sys.h"

#include <string.h>

/* All that one run needs; the slots are the only memory that grows with the frames' size. */
struct run {
    const struct po_frames_run *options;
    struct po_ordered *ordered;
    struct po_frame_decoder **decoders; /* one a worker */
    struct po_frame_job *jobs;          /* one a slot */
    void **items;
    unsigned workers;
    size_t slots;
    uint32_t next; /* frame to hand out */
};

static void
free_run(struct run *run)
{
    const struct po_reader *reader = run->options->reader;

    po_ordered_free(run->ordered);
    for (unsigned i = 0; run->decoders != NULL && i < run->workers; i++)
        po_frame_decoder_free(run->decoders[i]);
    for (size_t i = 0; run->jobs != NULL && i < run->slots; i++) {
        po_mem_free_pages(run->jobs[i].bytes, reader->compressed_max);
        po_mem_free_pages(run->jobs[i].content, reader->content_max);
        po_mem_free(run->jobs[i].user);
    }
    po_mem_free(run->decoders);
    po_mem_free(run->jobs);
    po_mem_free(run->items);
}

static enum po_status
fetch(const struct run *run, struct po_frame_job *job, struct po_err *err)
{
    enum po_status st = po_reader_fetch(run->options->reader, job->frame, job->bytes, &job->err);

    job->is_unread = st == PO_E_IO && run->options->goes_on_unread;
    if (st != PO_OK && !job->is_unread)
        *err = job->err;
    if (!job->is_unread)
        return st;
    (void)po_err_prefix(&job->err, "frame %u cannot be read", job->frame);
    if (run->options->user_size > 0)
        memset(job->user, 0, run->options->user_size);
    return PO_OK;
}

static enum po_status
work(void *ctx, void *item, unsigned worker, struct po_err *err)
{
    struct run *run = ctx;
    struct po_frame_job *job = item;
    enum po_status st = run->options->is_raw ? fetch(run, job, err) : PO_OK;

    if (st != PO_OK)
        return st;
    job->status = job->is_unread ? PO_E_IO : PO_OK;
    if (job->is_unread)
        return PO_OK;
    run->options->work(run->options->ctx, job, run->decoders[worker]);
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
    job->bytes = po_mem_new_pages(reader->compressed_max);
    if (!run->options->is_raw)
        job->content = po_mem_new_pages(reader->content_max);
    if (run->options->user_size > 0)
        job->user = po_mem_new(1, run->options->user_size);
    if (job->bytes == NULL || (!run->options->is_raw && job->content == NULL) ||
        (run->options->user_size > 0 && job->user == NULL))
        return po_fail_nomem(err, (size_t)reader->compressed_max + reader->content_max);
    return PO_OK;
}

/* A compressed buffer and a content buffer for each worker, and one pair more. */
static unsigned
default_workers(const struct run *run)
{
    const struct po_reader *reader = run->options->reader;
    uint32_t pair =
        reader->compressed_max + (run->options->is_raw ? 0 : (uint32_t)reader->content_max);
    struct po_budget budget = { .used = reader->index->size,
                                .per_thread = 1,
                                .fixed = 1,
                                .threads = po_sys_cpu_count(),
                                .buffer = pair,
                                .buffer_min = pair };

    /* One that waits for the disk. More would only disturb the system's reading ahead, and so does a
     * hint that all will be read. */
    if (run->options->is_raw)
        budget.threads++;
    po_budget_fit(&budget);
    return budget.threads;
}

/* No more slots than frames: a file of one frame has one buffer. */
static void
fit_to_frames(struct run *run)
{
    const struct po_frames_run *options = run->options;
    uint32_t count = 0;

    for (uint32_t i = 0; i < options->reader->index->frame_count && count < run->slots; i++)
        count += options->wanted == NULL || options->wanted[i] != 0;
    if (run->slots > count)
        run->slots = count;
    if (run->workers > count)
        run->workers = count;
}

static enum po_status
init_run(struct run *run, struct po_err *err)
{
    struct po_ordered_options options = { .work = work, .ctx = run };
    unsigned threads = run->options->threads;
    enum po_status st = PO_OK;

    run->workers = threads == 0 ? default_workers(run) : threads;
    run->slots = run->workers + (run->options->is_narrow ? 0 : 1);
    fit_to_frames(run);
    run->decoders = po_mem_new(run->workers, sizeof(struct po_frame_decoder *));
    run->jobs = po_mem_new(run->slots, sizeof *run->jobs);
    run->items = po_mem_new(run->slots, sizeof(void *));
    if (run->decoders == NULL || run->jobs == NULL || run->items == NULL)
        return po_fail_nomem(err, run->slots * sizeof *run->jobs);
    for (unsigned i = 0; i < run->workers && st == PO_OK; i++)
        st = po_frame_decoder_new(&run->decoders[i], err);
    for (size_t i = 0; i < run->slots && st == PO_OK; i++)
        st = new_slot(run, i, err);
    if (st != PO_OK)
        return st;
    options.workers = run->workers;
    options.slots = run->slots;
    return po_ordered_new(&run->ordered, &options, run->items, err);
}

/* The next wanted frame from *frame on; false when there is none. */
static bool
next_wanted(const struct po_frames_run *options, uint32_t *frame)
{
    while (*frame < options->reader->index->frame_count && options->wanted != NULL &&
           options->wanted[*frame] == 0)
        (*frame)++;
    return *frame < options->reader->index->frame_count;
}

/* Fetches the next frame that is wanted; of a raw run it only hands out its number. */
static enum po_status
fill(void *ctx, void *item, bool *is_filled, struct po_err *err)
{
    struct run *run = ctx;
    struct po_frame_job *job = item;

    if (!next_wanted(run->options, &run->next))
        return PO_OK;
    *is_filled = true;
    job->frame = run->next++;
    return run->options->is_raw ? PO_OK : fetch(run, job, err);
}

static enum po_status
join(void *ctx, void *item, struct po_err *err)
{
    const struct po_frames_run *options = ((struct run *)ctx)->options;
    enum po_status st = po_watch_check(options->watch, err);

    return st == PO_OK && options->join != NULL ? options->join(options->ctx, item, err) : st;
}

/*
 * This thread feeds and joins in turn: fetching is mostly copying from the system's cache, or
 * waiting for a disk while all workers are busy. That is so where frames are decoded; a hash alone is
 * as fast as the copying, and faster than a disk: there the workers fetch.
 */
enum po_status
po_frames_run(const struct po_frames_run *options, struct po_err *err)
{
    struct run run = { .options = options };
    const struct po_ordered_steps steps = { .fill = fill, .join = join, .ctx = &run };
    enum po_status st;

    if (!next_wanted(options, &run.next))
        return PO_OK;
    st = init_run(&run, err);
    if (st == PO_OK)
        st = po_watch_check(options->watch, err);
    if (st == PO_OK)
        st = po_ordered_loop(run.ordered, &steps, err);
    free_run(&run);
    return st;
}
