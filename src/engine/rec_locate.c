#include "engine/rec_locate.h"

#include "base/cursor.h"
#include "base/mem.h"
#include "engine/watch.h"

#define KEY_SIZE 4u
#define STEP (1u << 20) /* places looked at before more is read */
#define FILTER_SIZE (1u << 16)
#define NONE UINT32_MAX
/* Blocks that begin alike are hashed at every place that looks so: so many bytes in all for each byte
 * of the file, then it is given up. A step of a list counts as these few. */
#define HASHED_PER_BYTE 16u
#define CHAIN_COST 8u
#define HASHED_FREE ((uint64_t)64 << 20)

struct search {
    struct po_rec_state *state;
    const struct pobackup_blob *archive;
    const struct po_watch *watch;
    uint8_t filter[FILTER_SIZE]; /* by the key's lower half: whether a lost block may begin so */
    uint32_t *heads;             /* by hash of the key: a lost block */
    uint32_t *next;              /* one a block: another of the same hash */
    uint32_t mask;
    uint8_t *bytes; /* STEP and one block */
    uint64_t hash_budget;
};

static uint32_t
slot_of(const struct search *search, uint32_t key)
{
    return key * 2654435761u >> 7 & search->mask;
}

static bool
is_wanted(const struct po_rec_state *state, uint32_t block)
{
    return state->where[block] == PO_REC_LOST && state->is_known[block];
}

static enum po_status
init_search(struct search *search, uint32_t wanted, struct po_err *err)
{
    const struct po_rec_layout *layout = &search->state->header.layout;
    uint32_t slots = 1u << 10;

    while (slots < wanted && slots < 1u << 25)
        slots *= 2;
    search->mask = slots - 1;
    search->heads = po_mem_new(slots, sizeof(uint32_t));
    search->next = po_mem_new(layout->blocks, sizeof(uint32_t));
    search->bytes = po_mem_new((size_t)STEP + layout->block_size, 1);
    if (search->heads == NULL || search->next == NULL || search->bytes == NULL)
        return po_fail_nomem(err, layout->blocks * sizeof(uint32_t));
    for (uint32_t i = 0; i < slots; i++)
        search->heads[i] = NONE;
    for (uint32_t i = 0; i < layout->blocks; i++) {
        uint32_t key = po_rec_entry_key(po_rec_state_entry(search->state, i));
        uint32_t slot = slot_of(search, key);

        if (!is_wanted(search->state, i))
            continue;
        search->filter[key & (FILTER_SIZE - 1)] = 1;
        search->next[i] = search->heads[slot];
        search->heads[slot] = i;
    }
    search->hash_budget = search->archive->size * HASHED_PER_BYTE + HASHED_FREE;
    return PO_OK;
}

/* Whether this lost block stands here; `left` bytes are there. */
static bool
is_here(struct search *search, uint32_t block, const uint8_t *bytes, size_t left)
{
    uint32_t size = po_rec_block_bytes(&search->state->header.layout, block);

    if (!is_wanted(search->state, block) || left < size || search->hash_budget < size)
        return false;
    search->hash_budget -= size;
    return po_rec_entry_is_of(po_rec_state_entry(search->state, block), bytes, size);
}

/* The lost block that stands here, or NONE. `after`: tried first, as it would follow on the last one
 * that was found. */
static uint32_t
block_here(struct search *search, uint32_t after, const uint8_t *bytes, size_t left)
{
    uint32_t key;

    if (after < search->state->header.layout.blocks && is_here(search, after, bytes, left))
        return after;
    if (left < KEY_SIZE)
        return NONE;
    key = po_load_u32le(bytes);
    if (!search->filter[key & (FILTER_SIZE - 1)])
        return NONE;
    for (uint32_t i = search->heads[slot_of(search, key)];
         i != NONE && search->hash_budget >= CHAIN_COST; i = search->next[i]) {
        search->hash_budget -= CHAIN_COST;
        if (po_rec_entry_key(po_rec_state_entry(search->state, i)) == key &&
            is_here(search, i, bytes, left))
            return i;
    }
    return NONE;
}

/* The places from `begin` to `end` - 1. *after as in block_here. Returns where to go on, which may be
 * behind. */
static uint64_t
search_piece(struct search *search, uint64_t begin, uint64_t end, size_t size, uint32_t *after)
{
    uint64_t at = begin;

    while (at < end) {
        size_t in_piece = (size_t)(at - begin);
        uint32_t block = block_here(search, *after, search->bytes + in_piece, size - in_piece);

        *after = NONE;
        if (block == NONE) {
            at++;
            continue;
        }
        search->state->where[block] = at;
        at += po_rec_block_bytes(&search->state->header.layout, block);
        *after = block + 1;
    }
    return at;
}

/* A part of the file that holds no block that is in its place. What cannot be read is passed over. */
static enum po_status
search_range(struct search *search, uint64_t begin, uint64_t end, struct po_err *err)
{
    size_t more = search->state->header.layout.block_size;
    uint32_t after = NONE;
    enum po_status st = PO_OK;

    while (begin < end && st == PO_OK && search->hash_budget > 0) {
        uint64_t stop = end - begin < STEP ? end : begin + STEP;
        uint64_t left = search->archive->size - begin;
        size_t size = left < stop - begin + more ? (size_t)left : (size_t)(stop - begin) + more;
        struct po_err ignored;

        st = po_watch_check(search->watch, err);
        if (st == PO_OK && search->archive->read_at(search->archive->ctx, begin, search->bytes,
                                                    size, &ignored) == PO_OK)
            begin = search_piece(search, begin, stop, size, &after);
        else
            begin = stop;
    }
    return st;
}

/* Each lost block, at its place and this much behind. */
static void
try_shift(struct search *search, uint64_t shift)
{
    const struct po_rec_layout *layout = &search->state->header.layout;
    uint64_t file_size = search->archive->size;

    for (uint32_t i = 0; i < layout->blocks; i++) {
        uint64_t at = (uint64_t)i * layout->block_size + shift;
        uint32_t size = po_rec_block_bytes(layout, i);
        struct po_err ignored;

        if (!is_wanted(search->state, i) || at > file_size || file_size - at < size ||
            search->archive->read_at(search->archive->ctx, at, search->bytes, size, &ignored) !=
                PO_OK)
            continue;
        if (is_here(search, i, search->bytes, size))
            search->state->where[i] = at;
    }
}

/* As far as all that was lost, or put in, has the file another size. */
static void
try_shifts(struct search *search)
{
    uint64_t shift = search->archive->size - search->state->header.layout.archive_size;

    if (shift != 0)
        try_shift(search, shift);
}

enum po_status
po_rec_locate(struct po_rec_state *state, const struct pobackup_blob *archive,
              const struct po_watch *watch, struct po_err *err)
{
    const struct po_rec_layout *layout = &state->header.layout;
    struct search *search;
    uint32_t wanted = 0;
    uint64_t begin = 0;
    enum po_status st;

    for (uint32_t i = 0; i < layout->blocks; i++)
        wanted += is_wanted(state, i);
    if (wanted == 0)
        return PO_OK;
    search = po_mem_new(1, sizeof(*search));
    if (search == NULL)
        return po_fail_nomem(err, sizeof(*search));
    search->state = state;
    search->archive = archive;
    search->watch = watch;
    po_watch_phase(watch, "looking for blocks that have moved");
    st = init_search(search, wanted, err);
    if (st == PO_OK)
        try_shifts(search);
    for (uint32_t i = 0; st == PO_OK && i <= layout->blocks; i++) {
        uint64_t home = i < layout->blocks ? (uint64_t)i * layout->block_size : archive->size;

        if (i < layout->blocks && state->where[i] != home)
            continue;
        /* The last one may end where more follows. */
        if (begin < home && home <= archive->size)
            st = search_range(search, begin, home, err);
        begin = home + (i < layout->blocks ? po_rec_block_bytes(layout, i) : 0);
    }
    po_mem_free(search->heads);
    po_mem_free(search->next);
    po_mem_free(search->bytes);
    po_mem_free(search);
    return st;
}
