#include "engine/rec_state.h"

#include "base/mem.h"
#include "engine/rec_locate.h"
#include "engine/watch.h"

static bool
read_sidecar(const struct po_rec_state *state, uint64_t offset, void *bytes, size_t size)
{
    struct po_err ignored; /* a part that cannot be read is lost */

    return offset <= state->sidecar.size && state->sidecar.size - offset >= size &&
           state->sidecar.read_at(state->sidecar.ctx, offset, bytes, size, &ignored) == PO_OK;
}

/* ---- header ---- */

static enum po_status
read_one_header(const struct po_rec_state *state, uint64_t offset, struct po_rec_header *header,
                struct po_err *err)
{
    uint8_t bytes[PO_REC_HEADER_SIZE];
    enum po_status st =
        state->sidecar.read_at(state->sidecar.ctx, offset, bytes, sizeof(bytes), err);

    return st == PO_OK ? po_rec_header_parse(header, bytes, err) : st;
}

/* The first that is good. When none is, that it could not be read weighs more than that it is
 * damaged. spec: REC-5 */
static enum po_status
read_header(struct po_rec_state *state, struct po_err *err)
{
    struct po_rec_header end = { 0 };
    struct po_err end_err = { 0 };
    enum po_status st;

    if (state->sidecar.size < PO_REC_HEADER_SIZE)
        return po_fail(err, PO_E_FORMAT, "recovery data: cut short" PO_RULE("REC-4"));
    st = read_one_header(state, 0, &state->header, err);
    (void)!read_one_header(state, state->sidecar.size - PO_REC_HEADER_SIZE, &end, &end_err);
    state->headers_bad = (st != PO_OK ? 1u : 0u) + (end_err.status != PO_OK ? 1u : 0u);
    state->is_inconsistent =
        st == PO_OK && end_err.status == PO_OK && !po_rec_header_is_equal(&state->header, &end);
    if (st == PO_OK || st == PO_E_UNSUPPORTED)
        return st;
    if (end_err.status == PO_OK) {
        state->header = end;
        return PO_OK;
    }
    if (st == PO_E_FORMAT)
        *err = end_err;
    return err->status;
}

/* ---- table ---- */

static uint32_t
page_entry_count(const struct po_rec_layout *layout, uint32_t page)
{
    uint32_t left = po_rec_entry_count(layout) - page * PO_REC_PAGE_ENTRIES;

    return left < PO_REC_PAGE_ENTRIES ? left : PO_REC_PAGE_ENTRIES;
}

/* A page of one of the tables, counted from the beginning or from the end; NULL: it is not there. */
static const uint8_t *
read_copy(const struct po_rec_state *state, unsigned copy, uint32_t page,
          uint8_t bytes[PO_REC_PAGE_SIZE])
{
    uint64_t at = po_rec_page_at(&state->header.layout, copy, page);
    const uint8_t *entries = NULL;

    if (read_sidecar(state, at, bytes, PO_REC_PAGE_SIZE))
        entries = po_rec_page_entries(bytes, state->header.id, page);
    if (entries == NULL && state->shift != 0 &&
        read_sidecar(state, at + state->shift, bytes, PO_REC_PAGE_SIZE))
        entries = po_rec_page_entries(bytes, state->header.id, page);
    return entries;
}

/* A page out of the one table or the other. */
static void
read_page(struct po_rec_state *state, uint32_t page)
{
    uint32_t first = page * PO_REC_PAGE_ENTRIES;
    uint32_t count = page_entry_count(&state->header.layout, page);
    uint8_t bytes[2][PO_REC_PAGE_SIZE];
    const uint8_t *entries[2];

    for (unsigned copy = 0; copy < 2; copy++) {
        entries[copy] = read_copy(state, copy, page, bytes[copy]);
        state->pages_bad += entries[copy] == NULL;
    }
    if (entries[0] != NULL && entries[1] != NULL)
        state->is_inconsistent |= memcmp(bytes[0], bytes[1], PO_REC_PAGE_SIZE) != 0;
    if (entries[0] == NULL && entries[1] == NULL)
        return;
    memcpy(state->entries + (size_t)first * PO_REC_ENTRY_SIZE,
           entries[0] != NULL ? entries[0] : entries[1], (size_t)count * PO_REC_ENTRY_SIZE);
    memset(state->is_known + first, 1, count);
}

static enum po_status
read_table(struct po_rec_state *state, struct po_err *err)
{
    const struct po_rec_layout *layout = &state->header.layout;
    uint32_t count = po_rec_entry_count(layout);
    uint32_t parities = layout->parities * layout->groups;
    uint8_t id[PO_HASH_SIZE];

    /* spec: REC-6 */
    if (state->sidecar.size / PO_REC_ENTRY_SIZE < count)
        return po_fail(err, PO_E_FORMAT,
                       "recovery data: cut so short that no table is left" PO_RULE("REC-6"));
    state->entries = po_mem_new(count, PO_REC_ENTRY_SIZE);
    state->is_known = po_mem_new(count, 1);
    state->where = po_mem_new(layout->blocks, sizeof(uint64_t));
    state->parities = po_mem_new(parities, sizeof(uint64_t));
    if (state->entries == NULL || state->is_known == NULL || state->where == NULL ||
        state->parities == NULL)
        return po_fail_nomem(err, (size_t)count * PO_REC_ENTRY_SIZE);
    for (uint32_t i = 0; i < layout->blocks; i++)
        state->where[i] = PO_REC_LOST;
    for (uint32_t i = 0; i < parities; i++)
        state->parities[i] = PO_REC_LOST;
    for (uint32_t page = 0; page < po_rec_page_count(layout); page++)
        read_page(state, page);
    for (uint32_t i = 0; i < count; i++)
        state->unknown += !state->is_known[i];
    po_rec_id(id, state->entries, count);
    state->is_inconsistent |= state->unknown == 0 && memcmp(id, state->header.id, sizeof(id)) != 0;
    return PO_OK;
}

/* ---- parity ---- */

/* All parity blocks, `shift` behind where they would be; of those that would lie before the file's
 * beginning there is nothing. */
static enum po_status
check_parity_at(struct po_rec_state *state, uint64_t shift, unsigned threads,
                const struct po_watch *watch, struct po_err *err)
{
    const struct po_rec_layout *layout = &state->header.layout;
    uint32_t count = layout->parities * layout->groups;
    uint64_t at = po_rec_parity_at(layout, 0, 0);
    uint64_t before = (int64_t)shift < 0 && 0 - shift > at ? 0 - shift - at : 0;
    uint64_t skipped = po_rec_blocks_of(layout, before);
    uint32_t first = skipped < count ? (uint32_t)skipped : count;
    const struct po_rec_check check = { .blob = &state->sidecar,
                                        .offset = at + shift + (uint64_t)first * layout->block_size,
                                        .block_size = layout->block_size,
                                        .bytes = (uint64_t)(count - first) * layout->block_size,
                                        .entries =
                                            po_rec_state_entry(state, layout->blocks + first),
                                        .is_known = state->is_known + layout->blocks + first,
                                        .threads = threads,
                                        .watch = watch };

    return po_rec_check_run(&check, state->parities + first, &state->unread, err);
}

/* What stands at both places is found from the beginning. */
static enum po_status
check_parity(struct po_rec_state *state, unsigned threads, const struct po_watch *watch,
             struct po_err *err)
{
    uint32_t count = state->header.layout.parities * state->header.layout.groups;
    enum po_status st = PO_OK;

    if (state->shift != 0)
        st = check_parity_at(state, state->shift, threads, watch, err);
    if (st == PO_OK)
        st = check_parity_at(state, 0, threads, watch, err);
    for (uint32_t i = 0; i < count; i++)
        state->parities_bad += state->parities[i] == PO_REC_LOST;
    return st;
}

enum po_status
po_rec_state_open(struct po_rec_state *state, const struct pobackup_blob *sidecar, unsigned threads,
                  const struct po_watch *watch, struct po_err *err)
{
    enum po_status st;

    *state = (struct po_rec_state){ .sidecar = *sidecar };
    st = read_header(state, err);
    if (st == PO_OK) {
        state->shift = sidecar->size - po_rec_size(&state->header.layout);
        state->is_size_wrong = state->shift != 0;
        st = read_table(state, err);
    }
    if (st == PO_OK) {
        po_watch_phase(watch, "checking recovery data");
        st = check_parity(state, threads, watch, err);
    }
    if (st != PO_OK)
        po_rec_state_deinit(state);
    return st;
}

void
po_rec_state_deinit(struct po_rec_state *state)
{
    po_mem_free(state->entries);
    po_mem_free(state->is_known);
    po_mem_free(state->where);
    po_mem_free(state->parities);
    *state = (struct po_rec_state){ 0 };
}

/* ---- the archive ---- */

/* What the groups have lost, and whether they can give it back. */
static enum po_status
count_losses(struct po_rec_state *state, struct po_err *err)
{
    const struct po_rec_layout *layout = &state->header.layout;
    unsigned *lost = po_mem_new(layout->groups, sizeof(*lost));

    if (lost == NULL)
        return po_fail_nomem(err, layout->groups * sizeof(*lost));
    for (uint32_t i = 0; i < layout->blocks; i++) {
        lost[i % layout->groups] += state->where[i] == PO_REC_LOST;
        state->lost += state->where[i] == PO_REC_LOST;
        state->moved +=
            state->where[i] != PO_REC_LOST && state->where[i] != (uint64_t)i * layout->block_size;
    }
    for (uint32_t group = 0; group < layout->groups; group++) {
        unsigned good = 0;

        for (unsigned p = 0; p < layout->parities; p++)
            good += po_rec_state_parity(state, p, group) != PO_REC_LOST;
        state->groups_hit += lost[group] > 0;
        state->groups_over += lost[group] > good;
        if (lost[group] > state->most_lost)
            state->most_lost = lost[group];
    }
    po_mem_free(lost);
    return PO_OK;
}

enum po_status
po_rec_state_locate(struct po_rec_state *state, const struct pobackup_blob *archive,
                    unsigned threads, const struct po_watch *watch, struct po_err *err)
{
    const struct po_rec_layout *layout = &state->header.layout;
    const struct po_rec_check check = { .blob = archive,
                                        .block_size = layout->block_size,
                                        .bytes = layout->archive_size,
                                        .entries = state->entries,
                                        .is_known = state->is_known,
                                        .threads = threads,
                                        .watch = watch };
    enum po_status st;

    state->actual_size = archive->size;
    po_watch_phase(watch, "checking the archive's blocks");
    st = po_rec_check_run(&check, state->where, &state->unread, err);
    if (st == PO_OK)
        st = po_rec_locate(state, archive, watch, err);
    return st == PO_OK ? count_losses(state, err) : st;
}

bool
po_rec_state_is_whole(const struct po_rec_state *state)
{
    return state->headers_bad == 0 && state->pages_bad == 0 && state->parities_bad == 0 &&
           !state->is_size_wrong && !state->is_inconsistent;
}

bool
po_rec_state_is_archive_whole(const struct po_rec_state *state)
{
    return state->lost == 0 && state->moved == 0 &&
           state->actual_size == state->header.layout.archive_size;
}

const uint8_t *
po_rec_state_entry(const struct po_rec_state *state, uint32_t number)
{
    return state->entries + (size_t)number * PO_REC_ENTRY_SIZE;
}

uint64_t
po_rec_state_parity(const struct po_rec_state *state, unsigned parity, uint32_t group)
{
    return state->parities[(size_t)parity * state->header.layout.groups + group];
}
