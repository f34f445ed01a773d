#include "engine/repair.h"

#include "base/mem.h"
#include "engine/columns.h"
#include "engine/watch.h"

#define CODE_MAX 256u
#define COPIED_AT_ONCE (1u << 20)

struct repair {
    const struct po_rec_state *state;
    const struct po_rec_layout *layout;
    const struct pobackup_blob *archive;
    struct po_store_sink *sink;
    const struct po_rs *rs;
    const struct po_watch *watch;
};

/* Of one group: its lost rows, and as many good parities. */
struct losses {
    unsigned rows[CODE_MAX];
    unsigned parities[CODE_MAX];
    unsigned count;
};

enum po_status
po_repair_check(const struct po_rec_state *state, struct po_err *err)
{
    const struct po_rec_layout *layout = &state->header.layout;

    if (state->groups_over > 0)
        return po_fail(
            err, PO_E_FORMAT,
            "more is lost than the recovery data can give back: %u of %u groups have "
            "lost too many of their blocks, up to %u; each has parity for %u" PO_RULE("REC-8"),
            state->groups_over, layout->groups, state->most_lost, layout->parities);
    for (uint32_t i = 0; i < layout->blocks; i++)
        if (state->where[i] == PO_REC_LOST && !state->is_known[i])
            return po_fail(err, PO_E_FORMAT,
                           "both tables of the recovery data are damaged at one place: of %u "
                           "blocks it cannot be told what they were" PO_RULE("REC-8"),
                           state->unknown);
    return PO_OK;
}

/* ---- what is there ---- */

/* How many blocks from `block` on stand one after the other; 0: it is lost. */
static uint32_t
run_of(const struct repair *repair, uint32_t block, uint32_t max)
{
    const uint64_t *where = repair->state->where;
    uint32_t count = 0;

    if (where[block] == PO_REC_LOST)
        return 0;
    while (count < max && where[block + count] != PO_REC_LOST &&
           where[block + count] == where[block] + (uint64_t)count * repair->layout->block_size)
        count++;
    return count;
}

/* Bytes of `count` blocks from `block` on. */
static size_t
bytes_of(const struct repair *repair, uint32_t block, uint32_t count)
{
    return (size_t)(count - 1) * repair->layout->block_size +
           po_rec_block_bytes(repair->layout, block + count - 1);
}

/* For po_columns_run. */
static enum po_status
read_row(void *ctx, uint32_t block, uint32_t count, uint8_t *bytes, struct po_err *err)
{
    const struct repair *repair = ctx;
    enum po_status st = PO_OK;

    memset(bytes, 0, (size_t)count * repair->layout->block_size);
    while (count > 0 && st == PO_OK) {
        uint32_t run = run_of(repair, block, count);

        if (run > 0)
            st = repair->archive->read_at(repair->archive->ctx, repair->state->where[block], bytes,
                                          bytes_of(repair, block, run), err);
        else
            run = 1;
        bytes += (size_t)run * repair->layout->block_size;
        block += run;
        count -= run;
    }
    return st;
}

static enum po_status
copy_blocks(struct repair *repair, struct po_err *err)
{
    uint32_t most = COPIED_AT_ONCE / repair->layout->block_size;
    uint8_t *bytes = po_mem_new(COPIED_AT_ONCE, 1);
    enum po_status st = PO_OK;

    if (bytes == NULL)
        return po_fail_nomem(err, COPIED_AT_ONCE);
    po_watch_phase(repair->watch, "copying what is good");
    for (uint32_t block = 0; block < repair->layout->blocks && st == PO_OK;) {
        uint32_t left = repair->layout->blocks - block;
        uint32_t run = run_of(repair, block, left < most ? left : most);
        uint64_t home = (uint64_t)block * repair->layout->block_size;
        size_t size = run > 0 ? bytes_of(repair, block, run) : 0;

        st = po_watch_check(repair->watch, err);
        if (st == PO_OK && run > 0)
            st = repair->archive->read_at(repair->archive->ctx, repair->state->where[block], bytes,
                                          size, err);
        if (st == PO_OK && run > 0)
            st = repair->sink->ops->write_at(repair->sink, home, bytes, size, err);
        block += run > 0 ? run : 1;
        po_watch_progress(repair->watch, home + size, repair->layout->archive_size, 0, 0);
    }
    po_mem_free(bytes);
    return st;
}

/* ---- what is lost ---- */

static void
find_losses(const struct repair *repair, uint32_t group, struct losses *losses)
{
    const struct po_rec_layout *layout = repair->layout;
    unsigned good = 0;

    losses->count = 0;
    for (unsigned row = 0; row < layout->rows; row++) {
        uint64_t block = (uint64_t)row * layout->groups + group;

        if (block < layout->blocks && repair->state->where[block] == PO_REC_LOST)
            losses->rows[losses->count++] = row;
    }
    for (unsigned p = 0; p < layout->parities && good < losses->count; p++)
        if (po_rec_state_parity(repair->state, p, group) != PO_REC_LOST)
            losses->parities[good++] = p;
}

static bool
wants_groups(void *ctx, uint32_t group, uint32_t count)
{
    const struct repair *repair = ctx;
    struct losses losses;

    for (uint32_t i = 0; i < count; i++) {
        find_losses(repair, group + i, &losses);
        if (losses.count > 0)
            return true;
    }
    return false;
}

/* The parity that is good; neighbours that stand together are read at once. */
static enum po_status
load_parity(void *ctx, struct po_columns_job *job, struct po_err *err)
{
    const struct repair *repair = ctx;
    const struct po_rec_state *state = repair->state;
    size_t size = repair->layout->block_size;
    enum po_status st = PO_OK;

    for (unsigned p = 0; p < repair->layout->parities; p++)
        for (uint32_t i = 0, run = 1; i < job->count && st == PO_OK; i += run) {
            uint64_t at = po_rec_state_parity(state, p, job->group + i);

            run = 1;
            if (at == PO_REC_LOST)
                continue;
            while (i + run < job->count &&
                   po_rec_state_parity(state, p, job->group + i + run) == at + run * size)
                run++;
            st = state->sidecar.read_at(state->sidecar.ctx, at, job->sums[p] + i * size, run * size,
                                        err);
        }
    return st;
}

/* One group's lost rows, into the place of its first sums. spec: REC-8 */
static enum po_status
solve_group(const struct repair *repair, struct po_columns_job *job, uint32_t column,
            uint8_t *scratch, struct po_err *err)
{
    size_t size = repair->layout->block_size;
    struct losses losses;
    uint8_t *sums[CODE_MAX];
    uint8_t *found[CODE_MAX];
    enum po_status st;

    find_losses(repair, job->group + column, &losses);
    if (losses.count == 0)
        return PO_OK;
    for (unsigned i = 0; i < losses.count; i++) {
        sums[i] = job->sums[losses.parities[i]] + column * size;
        found[i] = scratch + i * size;
    }
    st =
        po_rs_solve(repair->rs, losses.rows, losses.parities, losses.count, sums, found, size, err);
    for (unsigned i = 0; i < losses.count && st == PO_OK; i++) {
        uint32_t block = losses.rows[i] * repair->layout->groups + job->group + column;

        if (!po_rec_entry_is_of(po_rec_state_entry(repair->state, block), found[i],
                                po_rec_block_bytes(repair->layout, block)))
            st = po_fail(err, PO_E_FORMAT,
                         "what was computed is not what was lost; was the archive changed "
                         "meanwhile?" PO_RULE("REC-8"));
        memcpy(job->sums[i] + column * size, found[i], size);
    }
    return st;
}

static enum po_status
solve_columns(void *ctx, struct po_columns_job *job, struct po_err *err)
{
    const struct repair *repair = ctx;
    uint8_t *scratch = po_mem_new(repair->layout->parities, repair->layout->block_size);
    enum po_status st = PO_OK;

    if (scratch == NULL)
        return po_fail_nomem(err, (size_t)repair->layout->parities * repair->layout->block_size);
    for (uint32_t i = 0; i < job->count && st == PO_OK; i++)
        st = solve_group(repair, job, i, scratch, err);
    po_mem_free(scratch);
    return st;
}

static enum po_status
write_columns(void *ctx, struct po_columns_job *job, struct po_err *err)
{
    struct repair *repair = ctx;
    const struct po_rec_layout *layout = repair->layout;
    struct losses losses;
    enum po_status st = PO_OK;

    for (uint32_t column = 0; column < job->count; column++) {
        find_losses(repair, job->group + column, &losses);
        for (unsigned i = 0; i < losses.count && st == PO_OK; i++) {
            uint32_t block = losses.rows[i] * layout->groups + job->group + column;

            st = repair->sink->ops->write_at(repair->sink, (uint64_t)block * layout->block_size,
                                             job->sums[i] + (size_t)column * layout->block_size,
                                             po_rec_block_bytes(layout, block), err);
        }
    }
    return st;
}

/* ---- all of it ---- */

/* Each block of what was written. */
static enum po_status
check_written(const struct repair *repair, unsigned threads, struct po_err *err)
{
    const struct po_rec_layout *layout = repair->layout;
    struct pobackup_blob blob = { 0 };
    struct po_rec_check check = { .blob = &blob,
                                  .block_size = layout->block_size,
                                  .bytes = layout->archive_size,
                                  .entries = repair->state->entries,
                                  .threads = threads,
                                  .watch = repair->watch };
    uint64_t *places = po_mem_new(layout->blocks, sizeof(*places));
    struct po_rec_unread unread = { 0 };
    enum po_status st;

    if (places == NULL)
        return po_fail_nomem(err, layout->blocks * sizeof(*places));
    for (uint32_t i = 0; i < layout->blocks; i++)
        places[i] = PO_REC_LOST;
    po_watch_phase(repair->watch, "reading back");
    st = repair->sink->ops->read_back(repair->sink, &blob, err);
    if (st == PO_OK && blob.size != layout->archive_size)
        st = po_fail(err, PO_E_IO, "what was written has another size");
    if (st == PO_OK)
        st = po_rec_check_run(&check, places, &unread, err);
    if (st == PO_OK && unread.count > 0) {
        *err = unread.first;
        st = err->status;
    }
    for (uint32_t i = 0; i < layout->blocks && st == PO_OK; i++)
        if (places[i] == PO_REC_LOST)
            st = po_fail(err, PO_E_IO, "block %u is not on the disk as it was written", i);
    po_mem_free(places);
    return st;
}

enum po_status
po_engine_repair(const struct po_rec_state *state, const struct pobackup_blob *archive,
                 struct po_store_sink *sink, unsigned threads, const struct po_watch *watch,
                 struct po_err *err)
{
    const struct po_rec_layout *layout = &state->header.layout;
    struct repair repair = {
        .state = state, .layout = layout, .archive = archive, .sink = sink, .watch = watch
    };
    struct po_columns_run run = { .layout = layout,
                                  .threads = threads,
                                  .watch = watch,
                                  .ctx = &repair,
                                  .wants = wants_groups,
                                  .begin = load_parity,
                                  .read = read_row,
                                  .end = solve_columns,
                                  .join = write_columns };
    struct po_rs *rs = NULL;
    enum po_status st = po_repair_check(state, err);

    if (st != PO_OK)
        return st;
    st = po_rs_new(&rs, layout->rows, layout->parities, err);
    if (st != PO_OK)
        return st;
    repair.rs = rs;
    run.rs = rs;
    st = copy_blocks(&repair, err);
    if (st == PO_OK && state->lost > 0) {
        po_watch_phase(watch, "mending");
        st = po_columns_run(&run, err);
    }
    if (st == PO_OK)
        st = check_written(&repair, threads, err);
    po_rs_free(rs);
    return st;
}
