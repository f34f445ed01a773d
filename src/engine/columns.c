#include "engine/columns.h"

#include "base/mem.h"
#include "base/pages.h"
#include "engine/watch.h"
#include "pipeline/ordered.h"
#include "port/sys.h"

#define MEMORY ((uint64_t)48 << 20)
#define PIECE_MAX (1u << 20) /* of a row, read at once */
#define PIECE_MIN (64u << 10)

struct columns {
    const struct po_columns_run *run;
    struct po_ordered *ordered;
    struct po_columns_job *jobs; /* one a slot */
    void **items;
    unsigned workers;
    size_t slots;
    uint32_t width; /* groups of a job, at most */
    uint32_t next;  /* group to hand out */
    uint64_t done;  /* groups */
};

static void
free_columns(struct columns *columns)
{
    size_t size = (size_t)columns->width * columns->run->layout->block_size;

    po_ordered_free(columns->ordered);
    for (size_t i = 0; columns->jobs != NULL && i < columns->slots; i++) {
        struct po_columns_job *job = &columns->jobs[i];

        for (unsigned p = 0; job->sums != NULL && p < columns->run->layout->parities; p++)
            po_pages_free(job->sums[p], size);
        po_mem_free(job->sums);
        for (unsigned r = 0; r < PO_COLUMNS_ROWS; r++)
            po_pages_free(job->rows[r], size);
    }
    po_mem_free(columns->jobs);
    po_mem_free(columns->items);
}

/* As many threads as have room for a piece of every parity and of the rows; then pieces as large as
 * fit, but not so large that a thread has nothing to do. */
static void
choose_sizes(struct columns *columns)
{
    const struct po_rec_layout *layout = columns->run->layout;
    uint32_t least = layout->block_size > PIECE_MIN ? layout->block_size : PIECE_MIN;
    uint64_t buffers = layout->parities + PO_COLUMNS_ROWS;
    uint64_t slots = MEMORY / (buffers * least);
    uint32_t width;
    uint32_t share;

    columns->workers = columns->run->threads == 0 ? po_sys_cpu_count() : columns->run->threads;
    if (slots < 1)
        slots = 1;
    if (columns->workers > slots)
        columns->workers = (unsigned)slots;
    if (columns->workers < 1)
        columns->workers = 1;
    columns->slots = slots > columns->workers ? columns->workers + 1 : columns->workers;
    width = (uint32_t)(MEMORY / (buffers * columns->slots) / layout->block_size);
    if (width > PIECE_MAX / layout->block_size)
        width = PIECE_MAX / layout->block_size;
    share = (layout->groups + columns->workers - 1) / columns->workers;
    if (width > share)
        width = share;
    columns->width = width < 1 ? 1 : width;
}

/* The last row may end in the groups' midst, or before them. */
static enum po_status
read_row(const struct po_columns_run *run, const struct po_columns_job *job, unsigned row,
         uint8_t *bytes, struct po_err *err)
{
    const struct po_rec_layout *layout = run->layout;
    uint64_t block = (uint64_t)row * layout->groups + job->group;
    uint64_t left = block < layout->blocks ? layout->blocks - block : 0;
    uint32_t count = left < job->count ? (uint32_t)left : job->count;

    memset(bytes + (size_t)count * layout->block_size, 0,
           (size_t)(job->count - count) * layout->block_size);
    return count == 0 ? PO_OK : run->read(run->ctx, (uint32_t)block, count, bytes, err);
}

static enum po_status
work(void *ctx, void *item, unsigned worker, struct po_err *err)
{
    const struct po_columns_run *run = ((struct columns *)ctx)->run;
    const struct po_rec_layout *layout = run->layout;
    struct po_columns_job *job = item;
    size_t size = (size_t)job->count * layout->block_size;
    enum po_status st = PO_OK;

    (void)worker;
    for (unsigned p = 0; p < layout->parities; p++)
        memset(job->sums[p], 0, size);
    if (run->begin != NULL)
        st = run->begin(run->ctx, job, err);
    for (unsigned row = 0; st == PO_OK && row < layout->rows; row += PO_COLUMNS_ROWS) {
        unsigned left = layout->rows - row;
        unsigned count = left < PO_COLUMNS_ROWS ? left : PO_COLUMNS_ROWS;

        for (unsigned i = 0; st == PO_OK && i < count; i++)
            st = read_row(run, job, row + i, job->rows[i], err);
        if (st == PO_OK)
            po_rs_add(run->rs, row, count, job->rows, size, job->sums);
    }
    return st == PO_OK ? run->end(run->ctx, job, err) : st;
}

static enum po_status
new_slot(struct columns *columns, size_t slot, struct po_err *err)
{
    unsigned parities = columns->run->layout->parities;
    size_t size = (size_t)columns->width * columns->run->layout->block_size;
    struct po_columns_job *job = &columns->jobs[slot];
    bool is_good;

    columns->items[slot] = job;
    job->sums = po_mem_new(parities, sizeof(uint8_t *));
    is_good = job->sums != NULL;
    for (unsigned r = 0; is_good && r < PO_COLUMNS_ROWS; r++) {
        job->rows[r] = po_pages_new(size);
        is_good = job->rows[r] != NULL;
    }
    for (unsigned p = 0; is_good && p < parities; p++) {
        job->sums[p] = po_pages_new(size);
        is_good = job->sums[p] != NULL;
    }
    return is_good ? PO_OK : po_fail_nomem(err, size);
}

static enum po_status
init_columns(struct columns *columns, struct po_err *err)
{
    struct po_ordered_options options = { .work = work, .ctx = columns };
    enum po_status st = PO_OK;

    choose_sizes(columns);
    columns->jobs = po_mem_new(columns->slots, sizeof(*columns->jobs));
    columns->items = po_mem_new(columns->slots, sizeof(void *));
    if (columns->jobs == NULL || columns->items == NULL)
        return po_fail_nomem(err, columns->slots * sizeof(*columns->jobs));
    for (size_t i = 0; i < columns->slots && st == PO_OK; i++)
        st = new_slot(columns, i, err);
    options.workers = columns->workers;
    options.slots = columns->slots;
    return st == PO_OK ? po_ordered_new(&columns->ordered, &options, columns->items, err) : st;
}

/* The next groups that are wanted: how many, 0 = none. */
static uint32_t
next_groups(struct columns *columns)
{
    const struct po_columns_run *run = columns->run;

    while (columns->next < run->layout->groups) {
        uint32_t left = run->layout->groups - columns->next;
        uint32_t count = left < columns->width ? left : columns->width;

        if (run->wants == NULL || run->wants(run->ctx, columns->next, count))
            return count;
        columns->next += count;
    }
    return 0;
}

static enum po_status
fill(void *ctx, void *item, bool *is_filled, struct po_err *err)
{
    struct columns *columns = ctx;
    struct po_columns_job *job = item;

    (void)err;
    job->count = next_groups(columns);
    job->group = columns->next;
    columns->next += job->count;
    *is_filled = job->count > 0;
    return PO_OK;
}

static enum po_status
join(void *ctx, void *item, struct po_err *err)
{
    struct columns *columns = ctx;
    const struct po_columns_run *run = columns->run;
    struct po_columns_job *job = item;
    enum po_status st = po_watch_check(run->watch, err);

    if (st == PO_OK)
        st = run->join(run->ctx, job, err);
    columns->done += job->count;
    po_watch_progress(run->watch, run->layout->archive_size / run->layout->groups * columns->done,
                      run->layout->archive_size, 0, 0);
    return st;
}

enum po_status
po_columns_run(const struct po_columns_run *run, struct po_err *err)
{
    struct columns columns = { .run = run };
    const struct po_ordered_steps steps = { .fill = fill, .join = join, .ctx = &columns };
    enum po_status st = init_columns(&columns, err);

    if (st == PO_OK)
        st = po_ordered_loop(columns.ordered, &steps, err);
    free_columns(&columns);
    return st;
}
