#include "engine/packing.h"

#include "archive/blake2b4.h"
#include "base/mem.h"
#include "base/pages.h"
#include "port/thread.h"

#include <string.h>

/* One frame on its way from the packer to the writer. */
struct po_packing_slot {
    uint8_t *bytes; /* content, then (after the work) the compressed frame */
    size_t used;
    struct po_frame_info info;
};

/* Frames that are written already, one behind the other, as many as there is room for. */
struct po_packing_kept {
    uint8_t *bytes;
    size_t capacity;
    size_t used;
    struct po_blake2b_job jobs[PO_BLAKE2B_JOBS];
    uint32_t frames[PO_BLAKE2B_JOBS];
    unsigned count;
};

/* Buffers of a frame's size: a slot and a scratch for each compressor, two slots more. */
#define BUFFERS_PER_THREAD 2u
#define BUFFERS_FIXED 2u
/* What is kept takes as much as so many; most are compressed to less than half. */
#define KEPT_FRAMES 2u

void
po_packing_fit(struct po_packing *packing, const struct po_budget *budget)
{
    struct po_budget without = *budget;
    struct po_budget with;

    without.per_thread = BUFFERS_PER_THREAD;
    without.fixed = BUFFERS_FIXED;
    with = without;
    with.fixed += KEPT_FRAMES;
    po_budget_fit(&without);
    po_budget_fit(&with);
    packing->threads = without.threads;
    packing->frame_size = without.buffer / PO_TAR_BLOCK * PO_TAR_BLOCK;
    packing->keeps = po_blake2b4_best() != PO_BLAKE2B4_ONE_BY_ONE &&
                     with.threads == without.threads && with.buffer == without.buffer;
}

/* A po_flush_fn: hands the packer's full frame to the compressors and gives it the next slot. */
static enum po_status
flush(void *ctx, struct po_frame_buf *frame, struct po_err *err)
{
    struct po_packing *packing = ctx;
    void *item;
    enum po_status st = packing->flushing(packing->ctx, err); /* a file may be of any size */

    if (st != PO_OK)
        return st;
    packing->filling->used = frame->used;
    po_ordered_submit(packing->pool);
    st = po_ordered_acquire(packing->pool, &item, err);
    if (st != PO_OK)
        return st;
    packing->filling = item;
    frame->bytes = packing->filling->bytes;
    frame->used = 0;
    return PO_OK;
}

/* On a compressor thread. The compressed frame goes back into the slot: so a slot needs one buffer, and a
 * thread one more, of which but the part is used that a frame compresses to. */
static enum po_status
compress(void *ctx, void *item, unsigned worker, struct po_err *err)
{
    struct po_packing *packing = ctx;
    struct po_packing_slot *slot = item;
    enum po_status st = po_frame_encode(
        packing->encoders[worker], slot->bytes, slot->used, packing->scratch[worker],
        po_frame_encoded_bound(packing->frame_size), &slot->info, err);

    if (st == PO_OK)
        memcpy(slot->bytes, packing->scratch[worker], slot->info.compressed_size);
    return st;
}

void
po_packing_free(struct po_packing *packing)
{
    size_t capacity = po_frame_encoded_bound(packing->frame_size);

    po_packer_deinit(&packing->packer);
    for (unsigned i = 0; i < packing->threads; i++) {
        if (packing->encoders != NULL)
            po_frame_encoder_free(packing->encoders[i]);
        if (packing->scratch != NULL)
            po_pages_free(packing->scratch[i], capacity);
    }
    for (size_t i = 0; packing->slots != NULL && i < packing->slot_count; i++)
        po_pages_free(packing->slots[i].bytes, capacity);
    if (packing->kept != NULL)
        po_pages_free(packing->kept->bytes, packing->kept->capacity);
    po_mem_free(packing->kept);
    packing->kept = NULL;
    po_mem_free(packing->encoders);
    po_mem_free(packing->scratch);
    po_mem_free(packing->slots);
    po_mem_free(packing->items);
    packing->encoders = NULL;
    packing->scratch = NULL;
    packing->slots = NULL;
    packing->items = NULL;
}

static enum po_status
new_encoder(const struct po_packing *packing, struct po_frame_encoder **out, struct po_err *err)
{
    return po_frame_encoder_new(out, packing->level == 0 ? 3 : packing->level, packing->frame_size,
                                !packing->is_unchecked, err);
}

static enum po_status
new_kept(struct po_packing *packing, struct po_err *err)
{
    struct po_packing_kept *kept = po_mem_new(1, sizeof *kept);

    packing->kept = kept;
    if (kept == NULL)
        return po_fail_nomem(err, sizeof *kept);
    kept->capacity = KEPT_FRAMES * po_frame_encoded_bound(packing->frame_size);
    kept->bytes = po_pages_new(kept->capacity);
    return kept->bytes == NULL ? po_fail_nomem(err, kept->capacity) : PO_OK;
}

enum po_status
po_packing_new(struct po_packing *packing, struct po_err *err)
{
    size_t capacity = po_frame_encoded_bound(packing->frame_size);
    enum po_status st = PO_OK;

    packing->slot_count = (size_t)packing->threads + 2;
    packing->slots = po_mem_new(packing->slot_count, sizeof *packing->slots);
    packing->items = po_mem_new(packing->slot_count, sizeof(void *));
    packing->encoders = po_mem_new(packing->threads, sizeof(struct po_frame_encoder *));
    packing->scratch = po_mem_new(packing->threads, sizeof(uint8_t *));
    if (packing->slots == NULL || packing->items == NULL || packing->encoders == NULL ||
        packing->scratch == NULL)
        return po_fail_nomem(err, packing->slot_count * sizeof *packing->slots);
    for (size_t i = 0; i < packing->slot_count; i++) {
        packing->items[i] = &packing->slots[i];
        packing->slots[i].bytes = po_pages_new(capacity);
        if (packing->slots[i].bytes == NULL)
            return po_fail_nomem(err, capacity);
    }
    for (unsigned i = 0; i < packing->threads && st == PO_OK; i++) {
        packing->scratch[i] = po_pages_new(capacity);
        if (packing->scratch[i] == NULL)
            return po_fail_nomem(err, capacity);
        st = new_encoder(packing, &packing->encoders[i], err);
        if (st == PO_OK && packing->keeps)
            po_frame_encoder_leave_digest(packing->encoders[i]);
    }
    if (st == PO_OK && packing->keeps)
        st = new_kept(packing, err);
    po_packer_init(&packing->packer, (struct po_frame_buf){ .capacity = packing->frame_size },
                   flush, packing);
    return st;
}

/* The digests of all that is kept. */
static void
put_digests(struct po_packing *packing)
{
    struct po_packing_kept *kept = packing->kept;

    if (kept->count == 1)
        po_blake2b(kept->jobs[0].bytes, kept->jobs[0].size, kept->jobs[0].digest);
    else
        po_blake2b4(po_blake2b4_best(), kept->jobs, kept->count);
    for (unsigned i = 0; i < kept->count; i++) {
        po_writer_set_digest(packing->writer, kept->frames[i], kept->jobs[i].digest);
        kept->jobs[i].bytes = NULL;
    }
    kept->count = 0;
    kept->used = 0;
}

/* The frame written last. */
static void
keep(struct po_packing *packing, const struct po_packing_slot *slot)
{
    struct po_packing_kept *kept = packing->kept;
    size_t size = slot->info.compressed_size;

    if (kept->count == PO_BLAKE2B_JOBS || size > kept->capacity - kept->used)
        put_digests(packing);
    memcpy(kept->bytes + kept->used, slot->bytes, size);
    kept->jobs[kept->count].bytes = kept->bytes + kept->used;
    kept->jobs[kept->count].size = size;
    kept->frames[kept->count++] = packing->writer->frame_count - 1;
    kept->used += size;
}

/* On the writer's thread, until the pool is closed and empty. */
static void
write_main(void *ctx)
{
    struct po_packing *packing = ctx;
    struct po_err err = { 0 };

    for (;;) {
        struct po_packing_slot *slot;
        void *item = NULL;
        enum po_status st = po_ordered_next(packing->pool, &item, &err);

        if (st == PO_OK && item == NULL && packing->keeps)
            put_digests(packing);
        if (st != PO_OK || item == NULL)
            return; /* a failure is the pool's, and so the packer's */
        slot = item;
        st = po_writer_put_frame(packing->writer, slot->bytes, &slot->info, &err);
        if (st != PO_OK) {
            po_ordered_abort(packing->pool, &err);
            return;
        }
        if (packing->keeps)
            keep(packing, slot);
        po_ordered_release(packing->pool);
    }
}

/* The packer's first slot. */
static enum po_status
begin(struct po_packing *packing, struct po_err *err)
{
    const struct po_ordered_options options = {
        .workers = packing->threads, .slots = packing->slot_count, .work = compress, .ctx = packing
    };
    void *item = NULL;
    enum po_status st = po_ordered_new(&packing->pool, &options, packing->items, err);

    if (st == PO_OK)
        st = po_ordered_acquire(packing->pool, &item, err);
    if (st != PO_OK)
        return st;
    packing->filling = item;
    packing->packer.frame.bytes = packing->filling->bytes;
    return PO_OK;
}

enum po_status
po_packing_pass(struct po_packing *packing, enum po_status (*pack)(void *ctx, struct po_err *err),
                void *ctx, struct po_err *err)
{
    struct po_thread *writer = NULL;
    void *item = NULL;
    enum po_status st = begin(packing, err);

    if (st == PO_OK)
        st = po_thread_start(&writer, write_main, packing, err);
    if (st == PO_OK)
        st = pack(ctx, err);
    if (st == PO_OK)
        po_ordered_close(packing->pool);
    else if (packing->pool != NULL)
        po_ordered_abort(packing->pool, err); /* so that the writer ends */
    po_thread_join(writer);
    /* What the last frames came to. */
    if (st == PO_OK)
        st = po_ordered_next(packing->pool, &item, err);
    po_ordered_free(packing->pool);
    packing->pool = NULL;
    return st;
}

enum po_status
po_packing_finish(const struct po_packing *packing, const struct po_writer_end *with,
                  uint8_t digest[PO_DIGEST_SIZE], struct po_err *err)
{
    size_t capacity = po_frame_encoded_bound(packing->frame_size);
    struct po_writer_end end = *with;
    enum po_status st = PO_OK;

    end.encoder = NULL;
    end.content =
        (struct po_frame_buf){ .bytes = po_pages_new(capacity), .capacity = packing->frame_size };
    end.compressed = po_pages_new(capacity);
    end.compressed_capacity = capacity;
    if (end.content.bytes == NULL || end.compressed == NULL)
        st = po_fail_nomem(err, capacity);
    if (st == PO_OK)
        st = new_encoder(packing, &end.encoder, err);
    if (st == PO_OK)
        po_frame_encoder_for_index(end.encoder);
    if (st == PO_OK)
        st = po_writer_finish(packing->writer, &end, digest, err);
    po_frame_encoder_free(end.encoder);
    po_pages_free(end.content.bytes, capacity);
    po_pages_free(end.compressed, capacity);
    return st;
}

static enum po_status
write_sink(void *ctx, const void *bytes, size_t size, struct po_err *err)
{
    struct po_store_sink *sink = ctx;

    return sink->ops->write(sink, bytes, size, err);
}

struct pobackup_sink
po_packing_sink(struct po_store_sink *sink)
{
    return (struct pobackup_sink){ .ctx = sink, .write = write_sink };
}
