#include "engine/rec_check.h"

#include "base/pages.h"
#include "engine/watch.h"
#include "pipeline/ordered.h"
#include "port/sys.h"

#define PIECE (1u << 20)
#define WORKERS_MAX 8u

/* Some neighbouring blocks. */
struct job {
    uint32_t first;
    uint32_t count;
    uint8_t *bytes;
    struct po_rec_unread unread;
};

struct run {
    const struct po_rec_check *check;
    uint64_t *places;
    struct po_rec_unread *unread;
    struct po_ordered *ordered;
    struct job jobs[WORKERS_MAX + 1];
    void *items[WORKERS_MAX + 1];
    size_t slots;
    uint32_t piece; /* blocks of a job, at most */
    uint32_t blocks;
    uint32_t next; /* block to hand out */
};

/* Bytes of blocks first to first + count - 1 that the blob has. */
static size_t
bytes_there(const struct po_rec_check *check, uint32_t first, uint32_t count)
{
    uint64_t begin = (uint64_t)first * check->block_size;
    uint64_t size = (uint64_t)count * check->block_size;
    uint64_t at = check->offset + begin;
    uint64_t left = check->blob->size > at ? check->blob->size - at : 0;

    if (size > check->bytes - begin)
        size = check->bytes - begin;
    return (size_t)(left < size ? left : size);
}

static void
check_block(const struct run *run, uint32_t block, const uint8_t *bytes, size_t there)
{
    const struct po_rec_check *check = run->check;
    uint64_t begin = (uint64_t)block * check->block_size;
    uint64_t left = check->bytes - begin;
    size_t size = left < check->block_size ? (size_t)left : check->block_size;

    if (there >= size && (check->is_known == NULL || check->is_known[block]) &&
        po_rec_entry_is_of(check->entries + (size_t)block * PO_REC_ENTRY_SIZE, bytes, size))
        run->places[block] = check->offset + begin;
}

static enum po_status
read_blocks(const struct po_rec_check *check, uint32_t first, uint8_t *bytes, size_t size,
            struct po_err *err)
{
    return check->blob->read_at(
        check->blob->ctx, check->offset + (uint64_t)first * check->block_size, bytes, size, err);
}

/* Where the disk gives an error, the blocks beside the bad one may be read alone. */
static void
check_alone(const struct run *run, struct job *job, uint32_t block)
{
    size_t there = bytes_there(run->check, block, 1);
    struct po_err failure = { 0 };

    if (there == 0)
        return;
    if (read_blocks(run->check, block, job->bytes, there, &failure) == PO_OK)
        check_block(run, block, job->bytes, there);
    else if (job->unread.count++ == 0)
        job->unread.first = failure;
}

static enum po_status
work(void *ctx, void *item, unsigned worker, struct po_err *err)
{
    const struct run *run = ctx;
    const struct po_rec_check *check = run->check;
    struct job *job = item;
    size_t there = bytes_there(check, job->first, job->count);
    bool is_read = there == 0 || read_blocks(check, job->first, job->bytes, there, err) == PO_OK;

    (void)worker;
    job->unread.count = 0;
    for (uint32_t i = 0; i < job->count; i++) {
        size_t at = (size_t)i * check->block_size;

        if (is_read)
            check_block(run, job->first + i, job->bytes + at, there > at ? there - at : 0);
        else
            check_alone(run, job, job->first + i);
    }
    return PO_OK;
}

static enum po_status
init_run(struct run *run, struct po_err *err)
{
    const struct po_rec_check *check = run->check;
    unsigned workers = check->threads == 0 ? po_sys_cpu_count() : check->threads;
    struct po_ordered_options options = { .work = work, .ctx = run };

    if (workers > WORKERS_MAX)
        workers = WORKERS_MAX;
    run->piece = PIECE / check->block_size;
    run->blocks = (uint32_t)((check->bytes + check->block_size - 1) / check->block_size);
    run->slots = workers + 1;
    for (size_t i = 0; i < run->slots; i++) {
        run->items[i] = &run->jobs[i];
        run->jobs[i].bytes = po_pages_new(PIECE);
        if (run->jobs[i].bytes == NULL)
            return po_fail_nomem(err, PIECE);
    }
    options.workers = workers;
    options.slots = run->slots;
    return po_ordered_new(&run->ordered, &options, run->items, err);
}

static enum po_status
fill(void *ctx, void *item, bool *is_filled, struct po_err *err)
{
    struct run *run = ctx;
    struct job *job = item;
    uint32_t left = run->blocks - run->next;

    (void)err;
    job->first = run->next;
    job->count = left < run->piece ? left : run->piece;
    run->next += job->count;
    *is_filled = job->count > 0;
    return PO_OK;
}

static enum po_status
join(void *ctx, void *item, struct po_err *err)
{
    const struct run *run = ctx;
    const struct po_rec_check *check = run->check;
    const struct job *job = item;

    if (run->unread->count == 0 && job->unread.count > 0)
        run->unread->first = job->unread.first;
    run->unread->count += job->unread.count;
    po_watch_progress(check->watch, (uint64_t)(job->first + job->count) * check->block_size,
                      check->bytes, 0, 0);
    return po_watch_check(check->watch, err);
}

enum po_status
po_rec_check_run(const struct po_rec_check *check, uint64_t *places, struct po_rec_unread *unread,
                 struct po_err *err)
{
    struct run run = { .check = check, .places = places, .unread = unread };
    const struct po_ordered_steps steps = { .fill = fill, .join = join, .ctx = &run };
    enum po_status st;

    if (check->bytes == 0)
        return PO_OK;
    st = init_run(&run, err);
    if (st == PO_OK)
        st = po_ordered_loop(run.ordered, &steps, err);
    po_ordered_free(run.ordered);
    for (size_t i = 0; i < run.slots; i++)
        po_pages_free(run.jobs[i].bytes, PIECE);
    return st;
}
