/* What a backup's frames are made with (packing.h), and telling how far it is. */
#include "engine/backup_run.h"

#include "engine/watch.h"

static enum po_status
flushing(void *ctx, struct po_err *err)
{
    const struct po_backup_run *run = ctx;
    enum po_status st = po_watch_check(run->watch, err);

    if (st == PO_OK)
        po_watch_progress(run->watch, run->bytes_packed, run->bytes_planned, run->files_packed,
                          run->files_planned);
    return st;
}

void
po_backup_frames_free(struct po_backup_run *run)
{
    po_packing_free(&run->packing);
    po_hasher_free(run->hasher);
    run->hasher = NULL;
}

enum po_status
po_backup_frames_new(struct po_backup_run *run, struct po_err *err)
{
    enum po_status st = po_hasher_new(&run->hasher, err);

    run->packing = (struct po_packing){ .writer = &run->writer,
                                        .frame_size = run->frame_size,
                                        .threads = run->threads,
                                        .level = run->options->level,
                                        .is_unchecked = run->options->is_unchecked,
                                        .keeps = run->packing.keeps,
                                        .flushing = flushing,
                                        .ctx = run };
    return st == PO_OK ? po_packing_new(&run->packing, err) : st;
}
