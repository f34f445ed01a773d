#include "store/store_flush.h"

static void
flush_main(void *ctx)
{
    struct po_store_flush *flush = ctx;

    flush->status = po_file_sync(flush->file, &flush->err);
    atomic_store(&flush->is_done, true);
}

void
po_store_flush_end(struct po_store_flush *flush)
{
    if (flush->thread == NULL)
        return;
    po_thread_join(flush->thread);
    flush->thread = NULL;
    if (flush->status == PO_OK || flush->has_failed)
        return;
    flush->has_failed = true;
    flush->failure = flush->err;
}

static enum po_status
tell(const struct po_store_flush *flush, struct po_err *err)
{
    if (!flush->has_failed)
        return PO_OK;
    *err = flush->failure;
    return err->status;
}

/* On a thread; without one all is left for the end. */
static void
begin(struct po_store_flush *flush)
{
    struct po_err ignored;

    atomic_store(&flush->is_done, false);
    if (po_thread_start(&flush->thread, flush_main, flush, &ignored) == PO_OK)
        flush->unflushed = 0;
    else
        flush->thread = NULL;
}

enum po_status
po_store_flush_wrote(struct po_store_flush *flush, uint64_t size, struct po_err *err)
{
    uint64_t step = flush->step != 0 ? flush->step : PO_STORE_FLUSH_STEP;

    flush->unstarted += size;
    flush->unflushed += size;
    if (flush->unstarted >= PO_STORE_FLUSH_START) {
        po_file_hint_write(flush->file);
        flush->unstarted = 0;
    }
    if (flush->thread != NULL && atomic_load(&flush->is_done))
        po_store_flush_end(flush);
    /* A disk that is slower than what is written: the next one comes when this one has ended. */
    if (flush->thread == NULL && !flush->has_failed && flush->unflushed >= step &&
        po_file_syncs_beside_writes())
        begin(flush);
    return tell(flush, err);
}

enum po_status
po_store_flush_all(struct po_store_flush *flush, struct po_err *err)
{
    po_store_flush_end(flush);
    return flush->has_failed ? tell(flush, err) : po_file_sync(flush->file, err);
}
