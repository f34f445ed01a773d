#include "source/readahead.h"

#include "archive/hash.h"
#include "base/mem.h"
#include "base/pages.h"
#include "pipeline/ordered.h"

#include <stdio.h>
#include <string.h>

#define BATCH_ITEMS 64u
#define BATCH_ITEMS_MIN 16u /* fewer are not worth a thread of their own */
#define BATCH_BYTES (512u << 10)
#define TRIES 3

/* A run of entries that one thread reads into one buffer. */
struct batch {
    uint32_t first; /* in the order */
    uint32_t count;
    uint8_t *bytes;
    size_t used;
    struct po_read_item items[BATCH_ITEMS];
};

struct po_readahead {
    const struct po_entry_list *list;
    const uint32_t *order;
    uint32_t count;
    po_locate_fn locate;
    void *ctx;
    struct po_ordered *ordered;
    struct batch *batches;
    uint8_t *bytes; /* of all batches */
    void **slots;
    size_t slot_count;
    uint32_t batch_items;  /* no batch has more */
    uint32_t planned;      /* entries given to batches so far */
    struct batch *current; /* being given out, or NULL */
    uint32_t at;
    bool is_closed;
};

static bool
is_same(const struct po_node_info *a, const struct po_node_info *b)
{
    return a->size == b->size && a->write_time == b->write_time &&
           a->change_time == b->change_time && a->file_id == b->file_id;
}

/* One try, `again` after another: *is_stable tells that nothing moved while it was read. A file that outgrew the batch is
 * left to the packer (is_read stays false). */
static enum po_status
read_once(struct po_file *file, bool again, struct batch *batch, struct po_read_item *item,
          bool *is_stable, struct po_err *err)
{
    size_t room = BATCH_BYTES - batch->used;
    struct po_node_info after;
    size_t got = 0;
    enum po_status st =
        again ? po_file_info(file, &item->info, err) : po_file_info_opened(file, &item->info, err);

    item->is_read = false;
    *is_stable = true;
    if (st != PO_OK || item->info.size >= room)
        return st;
    /* One byte more than expected: a short count proves the end of the file. */
    st = po_file_read_at(file, 0, batch->bytes + batch->used, (size_t)item->info.size + 1, &got,
                         err);
    if (st == PO_OK)
        st = po_file_info(file, &after, err);
    if (st != PO_OK)
        return st;
    *is_stable = got == item->info.size && is_same(&item->info, &after);
    item->is_read = true;
    item->content = batch->bytes + batch->used;
    /* Of a file that grew, what it had before: what is only appended to is whole up to there. */
    item->size = got < item->info.size ? got : (size_t)item->info.size;
    return PO_OK;
}

static enum po_status
read_file(struct po_dir *root, const char *path, size_t path_size, struct batch *batch,
          struct po_read_item *item, struct po_err *err)
{
    struct po_file *file = NULL;
    bool is_stable = false;
    enum po_status st = po_file_open(&file, root, path, path_size, PO_FILE_READ, 0, err);

    for (int i = 0; i < TRIES && st == PO_OK && !is_stable; i++)
        st = read_once(file, i > 0, batch, item, &is_stable, err);
    po_file_free(file);
    if (st != PO_OK || !item->is_read)
        return st;
    item->is_changed = !is_stable;
    batch->used += item->size;
    po_xxh3(item->content, item->size, item->hash);
    return PO_OK;
}

/* On a reader thread. A file that cannot be read is an item's failure, never the run's; but out of
 * memory is. */
static enum po_status
read_batch(void *ctx, void *slot, unsigned worker, struct po_err *err)
{
    struct po_readahead *ahead = ctx;
    struct batch *batch = slot;

    (void)worker;
    batch->used = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        struct po_read_item *item = &batch->items[i];
        const struct po_entry *entry = &ahead->list->entries[ahead->order[batch->first + i]];
        struct po_dir *root;
        const char *path;
        size_t path_size;
        struct po_err failure;
        enum po_status st;

        item->entry = ahead->order[batch->first + i];
        item->is_read = item->is_failed = item->is_changed = false;
        if (entry->type != POBACKUP_FILE || entry->size > PO_SMALL_FILE_MAX ||
            !ahead->locate(ahead->ctx, entry, &root, &path, &path_size))
            continue;
        st = read_file(root, path, path_size, batch, item, &failure);
        if (st == PO_E_NOMEM) {
            *err = failure;
            return st;
        }
        if (st != PO_OK) {
            item->is_failed = true;
            item->os_code = failure.os_code;
            (void)snprintf(item->reason, sizeof item->reason, "%.255s", failure.text);
        }
    }
    return PO_OK;
}

static bool
is_small(const struct po_entry *entry)
{
    return entry->type == POBACKUP_FILE && entry->size <= PO_SMALL_FILE_MAX;
}

/* How many of so many threads have something to do, and how much each takes at a time. */
static unsigned
share_out(struct po_readahead *ahead, unsigned threads)
{
    uint32_t small = 0;
    uint32_t each;

    for (uint32_t i = 0; i < ahead->count; i++)
        small += is_small(&ahead->list->entries[ahead->order[i]]);
    each = small / threads;
    each = each < BATCH_ITEMS_MIN ? BATCH_ITEMS_MIN : each > BATCH_ITEMS ? BATCH_ITEMS : each;
    ahead->batch_items = each;
    if (small <= each)
        return 1;
    return small / each < threads ? (small + each - 1) / each : threads;
}

enum po_status
po_readahead_new(struct po_readahead **out, const struct po_entry_list *list, const uint32_t *order,
                 uint32_t count, po_locate_fn locate, void *ctx, unsigned threads,
                 struct po_err *err)
{
    struct po_readahead *ahead = po_mem_new(1, sizeof *ahead);
    struct po_ordered_options options = { .work = read_batch, .ctx = ahead };
    enum po_status st;

    if (ahead == NULL)
        return po_fail_nomem(err, sizeof *ahead);
    ahead->list = list;
    ahead->order = order;
    ahead->count = count;
    ahead->locate = locate;
    ahead->ctx = ctx;
    options.workers = share_out(ahead, threads);
    options.slots = (size_t)options.workers + 2;
    ahead->slot_count = options.slots;
    ahead->batches = po_mem_new(options.slots, sizeof *ahead->batches);
    ahead->slots = po_mem_new(options.slots, sizeof(void *));
    /* In one piece: a large page holds four. */
    ahead->bytes = po_pages_new(po_pages_whole(options.slots * BATCH_BYTES));
    if (ahead->batches == NULL || ahead->slots == NULL || ahead->bytes == NULL) {
        po_readahead_free(ahead);
        return po_fail_nomem(err, options.slots * BATCH_BYTES);
    }
    for (size_t i = 0; i < options.slots; i++) {
        ahead->slots[i] = &ahead->batches[i];
        ahead->batches[i].bytes = ahead->bytes + i * BATCH_BYTES;
    }
    st = po_ordered_new(&ahead->ordered, &options, ahead->slots, err);
    if (st != PO_OK) {
        po_readahead_free(ahead);
        return st;
    }
    *out = ahead;
    return PO_OK;
}

void
po_readahead_free(struct po_readahead *ahead)
{
    if (ahead == NULL)
        return;
    po_ordered_free(ahead->ordered);
    po_pages_free(ahead->bytes, po_pages_whole(ahead->slot_count * BATCH_BYTES));
    po_mem_free(ahead->batches);
    po_mem_free(ahead->slots);
    po_mem_free(ahead);
}

/* Fills the next batch's range: as many entries as its buffer will hold, by their planned sizes. */
static void
plan_batch(struct po_readahead *ahead, struct batch *batch)
{
    uint64_t bytes = 0;

    batch->first = ahead->planned;
    batch->count = 0;
    while (ahead->planned < ahead->count && batch->count < ahead->batch_items) {
        const struct po_entry *entry = &ahead->list->entries[ahead->order[ahead->planned]];

        if (is_small(entry) && bytes + entry->size + 1 > BATCH_BYTES)
            break;
        bytes += is_small(entry) ? entry->size + 1 : 0;
        batch->count++;
        ahead->planned++;
    }
}

static enum po_status
submit_batches(struct po_readahead *ahead, struct po_err *err)
{
    while (ahead->planned < ahead->count) {
        void *slot;
        enum po_status st = po_ordered_try_acquire(ahead->ordered, &slot, err);

        if (st != PO_OK || slot == NULL)
            return st;
        plan_batch(ahead, slot);
        po_ordered_submit(ahead->ordered);
    }
    if (!ahead->is_closed)
        po_ordered_close(ahead->ordered);
    ahead->is_closed = true;
    return PO_OK;
}

enum po_status
po_readahead_next(struct po_readahead *ahead, const struct po_read_item **item, struct po_err *err)
{
    if (ahead->current != NULL && ahead->at == ahead->current->count) {
        po_ordered_release(ahead->ordered);
        ahead->current = NULL;
    }
    if (ahead->current == NULL) {
        void *slot = NULL;
        enum po_status st = submit_batches(ahead, err);

        if (st == PO_OK)
            st = po_ordered_next(ahead->ordered, &slot, err);
        if (st != PO_OK)
            return st;
        ahead->current = slot;
        ahead->at = 0;
        if (slot == NULL) {
            *item = NULL;
            return PO_OK;
        }
    }
    *item = &ahead->current->items[ahead->at++];
    return PO_OK;
}
