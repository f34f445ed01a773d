#include "engine/frames.h"

#include "archive/blake2b4.h"
#include "base/mem.h"
#include "engine/budget.h"
#include "engine/watch.h"
#include "pipeline/ordered.h"
#include "port/sys.h"

#include <string.h>

/* More would wait for the one thread that makes the digests, which is some six times as fast as one of them. */
#define AHEAD_WORKERS_MAX 6u

/* What a job will have. */
struct ahead {
    uint32_t frame;
    uint8_t *bytes;
    uint8_t digest[PO_DIGEST_SIZE];
    bool is_unread;
    struct po_err err;
};

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
    enum po_blake2b4_way way;
    struct ahead ahead[PO_BLAKE2B_LANES]; /* fetched, with their digests made side by side */
    unsigned ahead_count;
    unsigned ahead_next;
    bool goes_ahead;
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
    for (unsigned i = 0; i < PO_BLAKE2B_LANES; i++)
        po_mem_free_pages(run->ahead[i].bytes, reader->compressed_max);
    po_mem_free(run->decoders);
    po_mem_free(run->jobs);
    po_mem_free(run->items);
}

/* What cannot be read goes on as that, if the run does. */
static enum po_status
fetch(const struct run *run, uint32_t frame, uint8_t *bytes, bool *is_unread, struct po_err *why,
      struct po_err *err)
{
    enum po_status st = po_reader_fetch(run->options->reader, frame, bytes, why);

    *is_unread = st == PO_E_IO && run->options->goes_on_unread;
    if (*is_unread) {
        (void)po_err_prefix(why, "frame %u cannot be read", frame);
        return PO_OK;
    }
    if (st != PO_OK)
        *err = *why;
    return st;
}

static enum po_status
fetch_job(const struct run *run, struct po_frame_job *job, struct po_err *err)
{
    return fetch(run, job->frame, job->bytes, &job->is_unread, &job->err, err);
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

/* How many threads there is room for: of each a compressed buffer and a content buffer, one such pair more,
 * and what is fetched ahead. */
static unsigned
workers_that_fit(const struct run *run, unsigned wished, unsigned ahead)
{
    const struct po_reader *reader = run->options->reader;
    uint32_t pair =
        reader->compressed_max + (run->options->is_raw ? 0 : (uint32_t)reader->content_max);
    struct po_budget budget = { .used =
                                    reader->index->size + (uint64_t)ahead * reader->compressed_max,
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
    run->workers = options->threads == 0 ? workers_that_fit(run, wished, 0) : wished;
    run->slots = run->workers + (options->is_narrow ? 0 : 1);
    run->way = po_blake2b4_best();
    run->goes_ahead = options->wants_digests && !options->is_raw && !options->is_narrow &&
                      run->way != PO_BLAKE2B4_ONE_BY_ONE && run->workers <= AHEAD_WORKERS_MAX &&
                      count >= 2 * PO_BLAKE2B_LANES &&
                      workers_that_fit(run, run->workers, PO_BLAKE2B_LANES) == run->workers;
    if (run->slots > count)
        run->slots = count;
    if (run->workers > count)
        run->workers = count;
}

static enum po_status
new_ahead(struct run *run, struct po_err *err)
{
    size_t size = run->options->reader->compressed_max;

    for (unsigned i = 0; i < PO_BLAKE2B_LANES; i++) {
        run->ahead[i].bytes = po_mem_new_pages(size);
        if (run->ahead[i].bytes == NULL)
            return po_fail_nomem(err, size);
    }
    return PO_OK;
}

static enum po_status
init_run(struct run *run, struct po_err *err)
{
    struct po_ordered_options options = { .work = work, .ctx = run };
    enum po_status st = PO_OK;

    choose_sizes(run);
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
        st = new_ahead(run, err);
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

/* The next frames, and their digests. */
static enum po_status
look_ahead(struct run *run, struct po_err *err)
{
    struct po_blake2b_job digests[PO_BLAKE2B_LANES] = { 0 };
    enum po_status st = PO_OK;

    run->ahead_next = 0;
    run->ahead_count = 0;
    while (run->ahead_count < PO_BLAKE2B_LANES && st == PO_OK &&
           next_wanted(run->options, &run->next)) {
        struct po_blake2b_job *digest = &digests[run->ahead_count];
        struct ahead *ahead = &run->ahead[run->ahead_count++];

        ahead->frame = run->next++;
        st = fetch(run, ahead->frame, ahead->bytes, &ahead->is_unread, &ahead->err, err);
        digest->bytes = ahead->is_unread ? NULL : ahead->bytes;
        digest->size = run->options->reader->seeks[ahead->frame].compressed_size;
    }
    if (st != PO_OK)
        return st;
    po_blake2b4(run->way, digests);
    for (unsigned i = 0; i < run->ahead_count; i++)
        memcpy(run->ahead[i].digest, digests[i].digest, PO_DIGEST_SIZE);
    return PO_OK;
}

/* The job takes the bytes, and leaves its own buffer. */
static enum po_status
take_ahead(struct run *run, struct po_frame_job *job, bool *is_filled, struct po_err *err)
{
    struct ahead *ahead;
    uint8_t *free_bytes = job->bytes;

    if (run->ahead_next == run->ahead_count && look_ahead(run, err) != PO_OK)
        return err->status;
    if (run->ahead_next == run->ahead_count)
        return PO_OK;
    ahead = &run->ahead[run->ahead_next++];
    *is_filled = true;
    job->frame = ahead->frame;
    job->bytes = ahead->bytes;
    job->is_unread = ahead->is_unread;
    if (ahead->is_unread)
        job->err = ahead->err;
    memcpy(job->digest, ahead->digest, PO_DIGEST_SIZE);
    ahead->bytes = free_bytes;
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
    if (!next_wanted(run->options, &run->next))
        return PO_OK;
    *is_filled = true;
    job->frame = run->next++;
    return run->options->is_raw ? PO_OK : fetch_job(run, job, err);
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
