#include "engine/consolidate_run.h"

#include "base/mem.h"
#include "engine/budget.h"
#include "engine/verify.h"
#include "engine/watch.h"
#include "port/sys.h"

#include <string.h>

/* A frame has room for a document of this much less. */
#define DOCUMENT_ROOM (4u * PO_TAR_BLOCK)

void
po_consolidate_result_deinit(struct po_consolidate_result *result)
{
    po_problems_deinit(&result->hits);
}

static void
deinit_run(struct po_consolidate_run *run)
{
    po_packing_free(&run->packing);
    po_hasher_free(run->hasher);
    po_writer_deinit(&run->writer);
    po_layout_deinit(&run->layout);
    po_entry_list_deinit(&run->list);
    po_mem_free(run->fates);
    po_mem_free(run->numbers);
}

enum po_status
po_consolidate_plan(const struct po_reader *own, struct po_joined *joined,
                    const struct po_consolidate_options *options,
                    struct po_consolidate_result *result, struct po_err *err)
{
    struct po_consolidate_run run = { .own = own,
                                      .joined = joined,
                                      .reader = po_joined_reader(joined),
                                      .options = options,
                                      .result = result };
    double start = po_sys_monotonic();
    enum po_status st;

    *result = (struct po_consolidate_result){ 0 };
    st = po_consolidate_decide(&run, err);
    result->seconds = po_sys_monotonic() - start;
    deinit_run(&run);
    return st;
}

/* What the lists and the tables of the sources take, and the buffers that frames are read into. */
static uint64_t
used_bytes(const struct po_consolidate_run *run)
{
    const struct po_entry_list *list = &run->list;
    const struct po_reader *reader = run->reader;

    return (uint64_t)list->count * (sizeof *list->entries + sizeof *run->layout.entries + 1) +
           list->paths.size + list->links.heap.size + list->securities.heap.size +
           run->own->index->size + (uint64_t)reader->index->frame_count * 80 + reader->content_max +
           reader->compressed_max;
}

/* As a backup does it: what nobody has asked for is fitted into the memory that is promised. */
static void
set_packing(struct po_consolidate_run *run)
{
    const struct po_consolidate_options *options = run->options;
    struct po_budget budget = { .used = used_bytes(run),
                                .threads = options->threads,
                                .buffer = options->frame_size,
                                .buffer_min = PO_PACKING_FRAME_SIZE_MIN_DEFAULT };

    if (options->frame_size == 0)
        budget.buffer = PO_FRAME_CONTENT_DEFAULT;
    else
        budget.buffer_min = budget.buffer;
    if (options->threads == 0) {
        budget.threads = po_sys_cpu_count();
        if (budget.threads > PO_PACKING_THREADS_DEFAULT)
            budget.threads = PO_PACKING_THREADS_DEFAULT;
    }
    po_packing_fit(&run->packing, &budget);
    if (options->threads != 0)
        run->packing.threads = options->threads;
    run->packing.level = options->level;
}

static enum po_status
flushing(void *ctx, struct po_err *err)
{
    const struct po_consolidate_run *run = ctx;

    return po_watch_check(run->watch, err);
}

static enum po_status
pack_manifest(void *ctx, struct po_err *err)
{
    struct po_consolidate_run *run = ctx;
    struct po_buf json = { 0 };
    enum po_status st = po_consolidate_put_manifest(run, &json, err);

    if (st == PO_OK)
        st = po_writer_pack_manifest(&run->writer, &run->packing.packer, &run->list, &json, err);
    po_buf_deinit(&json);
    return st;
}

static enum po_status
write_frames(struct po_consolidate_run *run, struct po_err *err)
{
    enum po_status st;

    run->packing.writer = &run->writer;
    run->packing.flushing = flushing;
    run->packing.ctx = run;
    set_packing(run);
    st = po_hasher_new(&run->hasher, err);
    if (st == PO_OK)
        st = po_packing_new(&run->packing, err);
    if (st == PO_OK)
        st = po_packing_pass(&run->packing, pack_manifest, run, err);
    if (st == PO_OK)
        st = po_consolidate_copy(run, err);
    run->packing.packer.frame_number = run->writer.frame_count;
    if (st == PO_OK)
        st = po_packing_pass(&run->packing, po_consolidate_pack, run, err);
    po_packing_free(&run->packing);
    return st;
}

static enum po_status
write_end(struct po_consolidate_run *run, struct po_err *err)
{
    struct po_buf summary = { 0 };
    const struct po_writer_end end = { .list = &run->list, .summary = &summary };
    enum po_status st =
        po_consolidate_put_summary(run, run->packing.frame_size - DOCUMENT_ROOM, &summary, err);

    po_watch_phase(run->watch, "writing the index");
    if (st == PO_OK)
        st = po_packing_finish(&run->packing, &end, run->result->digest, err);
    run->result->archive_bytes = run->writer.offset;
    po_buf_deinit(&summary);
    return st;
}

enum po_status
po_consolidate_write(const struct po_reader *own, struct po_joined *joined,
                     struct po_store_sink *sink, const struct po_consolidate_options *options,
                     const struct po_watch *watch, struct po_consolidate_result *result,
                     struct po_err *err)
{
    struct po_consolidate_run run = { .own = own,
                                      .joined = joined,
                                      .reader = po_joined_reader(joined),
                                      .options = options,
                                      .watch = watch,
                                      .result = result };
    const struct pobackup_sink archive = po_packing_sink(sink);
    double start = po_sys_monotonic();
    enum po_status st;

    *result = (struct po_consolidate_result){ 0 };
    st = po_consolidate_decide(&run, err);
    if (st == PO_OK)
        st = po_sys_random(result->archive_id, sizeof result->archive_id, err);
    if (st == PO_OK) {
        po_writer_init(&run.writer, &archive, result->archive_id, result->created);
        st = write_frames(&run, err);
    }
    if (st == PO_OK)
        st = write_end(&run, err);
    if (st == PO_E_FORMAT && run.damage.status == PO_E_FORMAT)
        *err = run.damage;
    result->seconds = po_sys_monotonic() - start;
    deinit_run(&run);
    return st;
}

static enum po_status
verify(const struct pobackup_blob *blob, unsigned threads, const struct po_watch *watch,
       const struct po_consolidate_result *result, struct po_err *err)
{
    struct po_verify_result verified = { 0 };
    struct po_reader *reader = NULL;
    enum po_status st = po_reader_open(&reader, blob, err);

    if (st == PO_OK && memcmp(reader->digest, result->digest, PO_DIGEST_SIZE) != 0)
        st = po_fail(err, PO_E_FORMAT, "its digest is another");
    if (st == PO_OK)
        st = po_engine_verify(reader, true, threads, watch, &verified, err);
    po_verify_result_deinit(&verified);
    po_reader_free(reader);
    if (st == PO_E_FORMAT || st == PO_E_UNSUPPORTED) {
        /* No archive of anybody's is damaged. */
        st = err->status = PO_E_IO;
        (void)po_err_prefix(err, "what was written is not what can be read");
    }
    return st;
}

enum po_status
po_consolidate_commit(struct po_store_sink *sink, unsigned threads, const struct po_watch *watch,
                      struct po_consolidate_result *result, struct po_err *err)
{
    struct pobackup_blob blob = { 0 };
    double start = po_sys_monotonic();
    enum po_status st;

    po_watch_phase(watch, "making it durable");
    st = sink->ops->read_back(sink, &blob, err);
    if (st == PO_OK)
        st = verify(&blob, threads, watch, result, err);
    if (st == PO_OK)
        st = sink->ops->commit(sink, err);
    result->seconds += po_sys_monotonic() - start;
    return st;
}
