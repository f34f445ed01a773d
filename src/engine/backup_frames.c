/*
 * Frames: packer -> compressors -> writer. Packing (and so reading) happens on the caller's thread,
 * writing on one of its own: so the caller knows at once when everything is read, however slow what
 * is written to may be.
 */
#include "engine/backup_run.h"

#include "base/mem.h"
#include "engine/watch.h"

#include <string.h>

enum po_status
po_backup_flush(void *ctx, struct po_frame_buf *frame, struct po_err *err)
{
    struct po_backup_run *run = ctx;
    void *item;
    enum po_status st = po_watch_check(run->watch, err); /* a file may be of any size */

    if (st != PO_OK)
        return st;
    run->filling->used = frame->used;
    po_ordered_submit(run->pool);
    po_watch_progress(run->watch, run->bytes_packed, run->bytes_planned, run->files_packed,
                      run->files_planned);
    st = po_ordered_acquire(run->pool, &item, err);
    if (st != PO_OK)
        return st;
    run->filling = item;
    frame->bytes = run->filling->bytes;
    frame->used = 0;
    return PO_OK;
}

/* On a compressor thread. The compressed frame goes back into the slot: so a slot needs one buffer,
 * and a thread one more. */
static enum po_status
compress(void *ctx, void *item, unsigned worker, struct po_err *err)
{
    struct po_backup_run *run = ctx;
    struct po_backup_slot *slot = item;
    enum po_status st =
        po_frame_encode(run->encoders[worker], slot->bytes, slot->used, run->scratch[worker],
                        po_frame_encoded_bound(run->frame_size), &slot->info, err);

    if (st == PO_OK)
        memcpy(slot->bytes, run->scratch[worker], slot->info.compressed_size);
    return st;
}

void
po_backup_frames_free(struct po_backup_run *run)
{
    size_t capacity = po_frame_encoded_bound(run->frame_size);

    po_packer_deinit(&run->packer);
    po_hasher_free(run->hasher);
    for (unsigned i = 0; i < run->threads; i++) {
        if (run->encoders != NULL)
            po_frame_encoder_free(run->encoders[i]);
        if (run->scratch != NULL)
            po_mem_free_pages(run->scratch[i], capacity);
    }
    for (size_t i = 0; run->slots != NULL && i < run->slot_count; i++)
        po_mem_free_pages(run->slots[i].bytes, capacity);
    po_mem_free(run->encoders);
    po_mem_free(run->scratch);
    po_mem_free(run->slots);
    po_mem_free(run->items);
    run->hasher = NULL;
    run->encoders = NULL;
    run->scratch = NULL;
    run->slots = NULL;
    run->items = NULL;
}

enum po_status
po_backup_frames_new(struct po_backup_run *run, struct po_err *err)
{
    size_t capacity = po_frame_encoded_bound(run->frame_size);
    enum po_status st;

    run->slot_count = (size_t)run->threads + 2;
    run->slots = po_mem_new(run->slot_count, sizeof *run->slots);
    run->items = po_mem_new(run->slot_count, sizeof(void *));
    run->encoders = po_mem_new(run->threads, sizeof(struct po_frame_encoder *));
    run->scratch = po_mem_new(run->threads, sizeof(uint8_t *));
    if (run->slots == NULL || run->items == NULL || run->encoders == NULL || run->scratch == NULL)
        return po_fail_nomem(err, run->slot_count * sizeof *run->slots);
    for (size_t i = 0; i < run->slot_count; i++) {
        run->items[i] = &run->slots[i];
        run->slots[i].bytes = po_mem_new_pages(capacity);
        if (run->slots[i].bytes == NULL)
            return po_fail_nomem(err, capacity);
    }
    st = po_hasher_new(&run->hasher, err);
    for (unsigned i = 0; i < run->threads && st == PO_OK; i++) {
        run->scratch[i] = po_mem_new_pages(capacity);
        if (run->scratch[i] == NULL)
            return po_fail_nomem(err, capacity);
        st = po_frame_encoder_new(&run->encoders[i],
                                  run->options->level == 0 ? 3 : run->options->level,
                                  run->frame_size, !run->options->is_unchecked, err);
    }
    po_packer_init(&run->packer, (struct po_frame_buf){ .capacity = run->frame_size },
                   po_backup_flush, run);
    return st;
}

/* On the writer's thread, until the pool is closed and empty. */
static void
write_main(void *ctx)
{
    struct po_backup_run *run = ctx;
    struct po_err err = { 0 };

    for (;;) {
        struct po_backup_slot *slot;
        void *item = NULL;
        enum po_status st = po_ordered_next(run->pool, &item, &err);

        if (st != PO_OK || item == NULL)
            return; /* a failure is the pool's, and so the packer's */
        slot = item;
        st = po_writer_put_frame(&run->writer, slot->bytes, &slot->info, &err);
        if (st != PO_OK) {
            po_ordered_abort(run->pool, &err);
            return;
        }
        po_ordered_release(run->pool);
    }
}

/* The packer's first slot. */
static enum po_status
begin(struct po_backup_run *run, struct po_err *err)
{
    const struct po_ordered_options options = {
        .workers = run->threads, .slots = run->slot_count, .work = compress, .ctx = run
    };
    void *item = NULL;
    enum po_status st = po_ordered_new(&run->pool, &options, run->items, err);

    if (st == PO_OK)
        st = po_ordered_acquire(run->pool, &item, err);
    if (st != PO_OK)
        return st;
    run->filling = item;
    run->packer.frame.bytes = run->filling->bytes;
    return PO_OK;
}

enum po_status
po_backup_frames_pass(struct po_backup_run *run,
                      enum po_status (*pack)(struct po_backup_run *run, struct po_err *err),
                      struct po_err *err)
{
    struct po_thread *writer = NULL;
    void *item = NULL;
    enum po_status st = begin(run, err);

    if (st == PO_OK)
        st = po_thread_start(&writer, write_main, run, err);
    if (st == PO_OK)
        st = pack(run, err);
    if (st == PO_OK)
        po_ordered_close(run->pool);
    else if (run->pool != NULL)
        po_ordered_abort(run->pool, err); /* so that the writer ends */
    po_thread_join(writer);
    /* What the last frames came to. */
    if (st == PO_OK)
        st = po_ordered_next(run->pool, &item, err);
    po_ordered_free(run->pool);
    run->pool = NULL;
    return st;
}
