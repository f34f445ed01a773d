#include "engine/backup.h"

#include "base/mem.h"
#include "engine/backup_run.h"
#include "engine/budget.h"
#include "engine/services.h"
#include "engine/watch.h"
#include "port/sys.h"

#include <stdio.h>
#include <string.h>

/* A mail server's disk is the limit by then. */
#define THREADS_MAX_DEFAULT 4u
/* Below that a frame compresses visibly worse: rather a thread less. */
#define FRAME_SIZE_MIN_DEFAULT ((uint32_t)4 << 20)
/* Buffers of a frame's size: a slot and a scratch for each compressor, two slots more. */
#define BUFFERS_PER_THREAD 2u
#define BUFFERS_FIXED 2u
#define SUMMARY_ROOM (4u * PO_TAR_BLOCK)

void
po_backup_result_deinit(struct po_backup_result *result)
{
    po_problems_deinit(&result->skipped);
    po_problems_deinit(&result->changed);
    po_saved_streams_deinit(&result->streams);
}

static enum po_status
init_run(struct po_backup_run *run, struct po_err *err)
{
    const struct po_backup_options *options = run->options;

    run->frame_size = options->frame_size == 0 ? PO_FRAME_CONTENT_DEFAULT : options->frame_size;
    run->threads = options->threads == 0 ? po_sys_cpu_count() : options->threads;
    if (options->threads == 0 && run->threads > THREADS_MAX_DEFAULT)
        run->threads = THREADS_MAX_DEFAULT;
    if (run->frame_size < PO_FRAME_CONTENT_MIN || run->frame_size > PO_FRAME_CONTENT_MAX ||
        run->frame_size % PO_TAR_BLOCK != 0)
        return po_fail(err, PO_E_USAGE, "frame size %u: 64K to 32M, a multiple of 512",
                       run->frame_size);
    run->created = options->created == 0 ? po_sys_now() : options->created;
    return po_sys_random(run->archive_id, sizeof run->archive_id, err);
}

/* What the list of entries takes. */
static uint64_t
list_bytes(const struct po_backup_run *run)
{
    const struct po_entry_list *list = &run->list;

    return (uint64_t)list->count * sizeof *list->entries + list->paths.size +
           list->links.heap.size + list->securities.heap.size +
           (uint64_t)run->plan.count * sizeof *run->plan.order + run->registry.size +
           (uint64_t)run->walk.stream_count * sizeof *run->walk.streams +
           run->walk.stream_names.size;
}

/* What nobody has asked for is fitted into the memory that is promised. */
static void
fit_memory(struct po_backup_run *run)
{
    struct po_budget budget = { .used = list_bytes(run),
                                .per_thread = BUFFERS_PER_THREAD,
                                .fixed = BUFFERS_FIXED,
                                .threads = run->threads,
                                .buffer = run->frame_size,
                                .buffer_min = FRAME_SIZE_MIN_DEFAULT };

    if (run->options->threads != 0)
        budget.buffer_min = PO_FRAME_CONTENT_MIN;
    if (run->options->frame_size != 0)
        budget.buffer_min = budget.buffer;
    po_budget_fit(&budget);
    if (run->options->threads == 0)
        run->threads = budget.threads;
    run->frame_size = budget.buffer / PO_TAR_BLOCK * PO_TAR_BLOCK;
}

static void
deinit_run(struct po_backup_run *run)
{
    for (int part = 0; part < PO_PART_COUNT; part++)
        po_dir_free(run->roots[part]);
    po_buf_deinit(&run->registry);
    po_walk_deinit(&run->walk);
    po_plan_deinit(&run->plan);
    po_accounts_deinit(&run->accounts);
    po_entry_list_deinit(&run->list);
    po_writer_deinit(&run->writer);
}

/* ---- frames: packer -> compressors -> writer ---- */

enum po_status
po_backup_flush(void *ctx, struct po_frame_buf *frame, struct po_err *err)
{
    struct po_backup_run *run = ctx;
    void *item;
    enum po_status st;

    run->filling->used = frame->used;
    run->filling->bytes_done = run->bytes_packed;
    run->filling->files_done = run->files_packed;
    po_ordered_submit(run->pool);
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

static void
free_pool(struct po_backup_run *run)
{
    size_t capacity = po_frame_encoded_bound(run->frame_size);

    po_ordered_free(run->pool);
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
    po_mutex_free(run->lock);
    run->pool = NULL;
}

static enum po_status
new_buffers(struct po_backup_run *run, struct po_err *err)
{
    size_t capacity = po_frame_encoded_bound(run->frame_size);
    enum po_status st = PO_OK;

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
    for (unsigned i = 0; i < run->threads && st == PO_OK; i++) {
        run->scratch[i] = po_mem_new_pages(capacity);
        if (run->scratch[i] == NULL)
            return po_fail_nomem(err, capacity);
        st = po_frame_encoder_new(&run->encoders[i],
                                  run->options->level == 0 ? 3 : run->options->level,
                                  run->frame_size, !run->options->is_unchecked, err);
    }
    return st;
}

static enum po_status
new_pool(struct po_backup_run *run, struct po_err *err)
{
    const struct po_ordered_options options = {
        .workers = run->threads, .slots = (size_t)run->threads + 2, .work = compress, .ctx = run
    };
    void *item = NULL;
    enum po_status st = new_buffers(run, err);

    if (st == PO_OK)
        st = po_mutex_new(&run->lock, err);
    if (st == PO_OK)
        st = po_hasher_new(&run->hasher, err);
    if (st == PO_OK)
        st = po_ordered_new(&run->pool, &options, run->items, err);
    if (st == PO_OK)
        st = po_ordered_acquire(run->pool, &item, err);
    if (st != PO_OK)
        return st;
    run->filling = item;
    po_packer_init(
        &run->packer,
        (struct po_frame_buf){ .bytes = run->filling->bytes, .capacity = run->frame_size },
        po_backup_flush, run);
    return PO_OK;
}

static void
pack_main(void *ctx)
{
    struct po_backup_run *run = ctx;
    struct po_err err = { 0 };
    enum po_status st = po_backup_pack(run, &err);

    po_mutex_lock(run->lock);
    run->is_all_read = true;
    po_mutex_unlock(run->lock);
    if (st == PO_OK)
        po_ordered_close(run->pool);
    else
        po_ordered_abort(run->pool, &err);
}

static bool
is_all_read(struct po_backup_run *run)
{
    bool is_it;

    po_mutex_lock(run->lock);
    is_it = run->is_all_read;
    po_mutex_unlock(run->lock);
    return is_it;
}

/* ---- services ---- */

/* The outage, from asking to stop until all are back. */
struct outage {
    struct po_services services;
    bool is_stopped; /* something was asked to stop */
    double asked;
    double stopped;
};

static enum po_status
stop_services(struct po_backup_run *run, struct outage *outage, struct po_err *err)
{
    enum po_status st;

    if (run->options->no_services)
        return PO_OK;
    st = po_services_init(&outage->services, run->host, err);
    if (st != PO_OK || !po_services_any_running(&outage->services))
        return st;
    outage->is_stopped = true;
    outage->asked = po_sys_monotonic();
    st = po_services_stop(&outage->services, run->options->stop_timeout_s, run->watch, err);
    outage->stopped = po_sys_monotonic();
    run->result->stop_seconds = outage->stopped - outage->asked;
    return st;
}

/* req: B7. Safe to call again: what is back is not touched twice. */
static void
start_services(struct po_backup_run *run, struct outage *outage)
{
    struct po_backup_result *result = run->result;
    struct po_err err = { 0 };
    double start = po_sys_monotonic();

    if (!outage->is_stopped)
        return;
    outage->is_stopped = false;
    result->read_seconds = start - outage->stopped;
    if (po_services_restore(&outage->services, run->watch, &err) != PO_OK) {
        result->are_services_lost = true;
        (void)snprintf(result->services_text, sizeof result->services_text, "%s", err.text);
    }
    result->start_seconds = po_sys_monotonic() - start;
    result->outage_seconds = po_sys_monotonic() - outage->asked;
}

/* ---- the course of events ---- */

static enum po_status
pack_manifest(struct po_backup_run *run, const struct outage *outage, struct po_err *err)
{
    struct po_manifest manifest = { .created = run->created,
                                    .host_kind = run->host->ops->kind,
                                    .registry = run->host->ops->place(run->host, PO_PART_REGISTRY),
                                    .bin = po_host_known_place(run->host, PO_PART_BIN),
                                    .spool = po_host_known_place(run->host, PO_PART_SPOOL),
                                    .mailbox = po_host_known_place(run->host, PO_PART_MAILBOX) };
    struct po_manifest_service *services = po_mem_new(outage->services.count, sizeof *services);
    struct po_buf host = { 0 };
    struct po_buf system = { 0 };
    struct po_buf addresses = { 0 };
    struct po_buf json = { 0 };
    enum po_status st = PO_OK;

    if (services == NULL)
        return po_fail_nomem(err, outage->services.count * sizeof *services);
    for (size_t i = 0; i < outage->services.count; i++) {
        const struct po_service *service = run->host->ops->service(run->host, i);

        services[i] = (struct po_manifest_service){ .name = service->name,
                                                    .state = po_service_state_name(
                                                        outage->services.before[i]),
                                                    .key = service->key,
                                                    .account = service->account,
                                                    .start = service->start,
                                                    .process_id = service->process_id,
                                                    .dependents = service->dependents };
    }
    po_sys_put_host(&host);
    po_sys_put_system(&system);
    po_sys_put_addresses(&addresses);
    manifest.host_addresses = &addresses;
    memcpy(manifest.archive_id, run->archive_id, PO_ID_SIZE);
    manifest.host_name = po_buf_text(&host);
    manifest.host_system = po_buf_text(&system);
    manifest.services = services;
    manifest.service_count = outage->services.count;
    st = po_buf_check(&addresses, err);
    if (st == PO_OK)
        st = po_manifest_put(&json, &manifest, err);
    if (st == PO_OK)
        st = po_writer_pack_manifest(&run->writer, &run->packer, &run->list, &json, err);
    po_buf_deinit(&json);
    po_buf_deinit(&addresses);
    po_buf_deinit(&system);
    po_buf_deinit(&host);
    po_mem_free(services);
    return st;
}

/* Writes the frames as they come, until the packer has ended; starts the services as soon as
 * everything is read. */
static enum po_status
drain(struct po_backup_run *run, struct outage *outage, struct po_err *err)
{
    for (;;) {
        struct po_backup_slot *slot;
        void *item = NULL;
        enum po_status st = po_watch_check(run->watch, err);

        if (st == PO_OK)
            st = po_ordered_next(run->pool, &item, err);
        if (is_all_read(run))
            start_services(run, outage);
        if (st != PO_OK || item == NULL)
            return st;
        slot = item;
        st = po_writer_put_frame(&run->writer, slot->bytes, &slot->info, err);
        if (st != PO_OK)
            return st;
        po_watch_progress(run->watch, slot->bytes_done, run->plan.bytes, slot->files_done,
                          run->plan.count);
        po_ordered_release(run->pool);
    }
}

static enum po_status
make_frames(struct po_backup_run *run, struct outage *outage, struct po_err *err)
{
    struct po_thread *packer = NULL;
    enum po_status st = new_pool(run, err);

    if (st == PO_OK)
        st = pack_manifest(run, outage, err);
    if (st == PO_OK) {
        po_watch_phase(run->watch, "saving files");
        st = po_thread_start(&packer, pack_main, run, err);
    }
    if (st == PO_OK)
        st = drain(run, outage, err);
    if (st != PO_OK && run->pool != NULL)
        po_ordered_abort(run->pool, err); /* so that the packer ends */
    po_thread_join(packer);
    free_pool(run);
    return st;
}

/* A summary that fits in a frame: with less and less of the lists, if need be. The counts are
 * always there. */
static enum po_status
put_summary(struct po_backup_run *run, struct po_buf *json, struct po_err *err)
{
    const struct po_backup_result *r = run->result;
    struct po_summary summary = { .finished = po_sys_now(),
                                  .outage_seconds = r->outage_seconds,
                                  .stop_seconds = r->stop_seconds,
                                  .read_seconds = r->read_seconds,
                                  .start_seconds = r->start_seconds,
                                  .files = r->files,
                                  .directories = r->directories,
                                  .links = r->links,
                                  .bytes = r->bytes,
                                  .skipped = r->skipped.items,
                                  .skipped_count = r->skipped.count,
                                  .changed = r->changed.items,
                                  .changed_count = r->changed.count,
                                  .excludes = run->options->excludes,
                                  .exclude_count = run->options->exclude_count,
                                  .accounts = run->accounts.items,
                                  .account_count = run->accounts.count,
                                  .streams = r->streams.items,
                                  .stream_listed = r->streams.listed,
                                  .stream_count = r->streams.count };
    char none[] = "...";
    char reason[] = "names too long to be listed here";
    const struct po_problem instead = { .path = none,
                                        .path_size = sizeof none - 1,
                                        .reason = reason };
    enum po_status st = PO_OK;

    for (size_t listed = 10000; listed > 0 && st == PO_OK; listed /= 10) {
        po_buf_clear(json);
        summary.listed_max = listed;
        st = po_summary_put(json, &summary, err);
        if (st != PO_OK || json->size + SUMMARY_ROOM <= run->frame_size)
            return st;
    }
    /* A name alone may be longer than the smallest frame. */
    po_buf_clear(json);
    summary.listed_max = 1;
    summary.skipped = summary.changed = &instead;
    summary.stream_listed = 0;
    return st == PO_OK ? po_summary_put(json, &summary, err) : st;
}

/* The services run again. Without the names a restore can map no accounts, which is told. */
static enum po_status
gather_accounts(struct po_backup_run *run, struct po_err *err)
{
    struct po_err failure;
    enum po_status st = po_accounts_gather(&run->accounts, run->host, &run->list, &failure);

    if (st == PO_OK)
        return st;
    if (st == PO_E_NOMEM) {
        *err = failure;
        return st;
    }
    po_accounts_deinit(&run->accounts);
    (void)po_err_prefix(&failure, "the names of the accounts that have rights are not recorded");
    po_watch_warning(run->watch, failure.text);
    return PO_OK;
}

static enum po_status
finish(struct po_backup_run *run, struct po_store_sink *sink, struct po_err *err)
{
    size_t capacity = po_frame_encoded_bound(run->frame_size);
    struct po_buf json = { 0 };
    struct po_writer_end end = { .list = &run->list,
                                 .summary = &json,
                                 .content = { .bytes = po_mem_new_pages(capacity),
                                              .capacity = run->frame_size },
                                 .compressed = po_mem_new_pages(capacity),
                                 .compressed_capacity = capacity };
    enum po_status st = PO_OK;

    po_watch_phase(run->watch, "writing the index");
    if (end.content.bytes == NULL || end.compressed == NULL)
        st = po_fail_nomem(err, capacity);
    if (st == PO_OK)
        st = po_frame_encoder_new(&end.encoder, run->options->level == 0 ? 3 : run->options->level,
                                  run->frame_size, !run->options->is_unchecked, err);
    if (st == PO_OK)
        st = gather_accounts(run, err);
    if (st == PO_OK)
        st = put_summary(run, &json, err);
    if (st == PO_OK)
        st = po_writer_finish(&run->writer, &end, run->result->digest, err);
    if (st == PO_OK) {
        po_watch_phase(run->watch, "making it durable");
        st = sink->ops->commit(sink, err);
    }
    run->result->archive_bytes = run->writer.offset;
    run->result->frames = run->writer.frame_count;
    po_frame_encoder_free(end.encoder);
    po_mem_free_pages(end.content.bytes, capacity);
    po_mem_free_pages(end.compressed, capacity);
    po_buf_deinit(&json);
    return st;
}

static void
tell_problems(const struct po_backup_run *run)
{
    const struct po_problems *lists[] = { &run->result->skipped, &run->result->changed };

    for (int l = 0; l < 2; l++)
        for (size_t i = 0; i < lists[l]->count; i++)
            po_watch_item(run->watch, lists[l]->items[i].path, lists[l]->items[i].path_size,
                          lists[l]->items[i].reason);
}

static enum po_status
write_sink(void *ctx, const void *bytes, size_t size, struct po_err *err)
{
    struct po_store_sink *sink = ctx;

    return sink->ops->write(sink, bytes, size, err);
}

enum po_status
po_backup_run(struct po_host *host, struct po_store_sink *sink,
              const struct po_backup_options *options, const struct po_watch *watch,
              struct po_backup_result *result, struct po_err *err)
{
    struct po_backup_run run = {
        .host = host, .options = options, .watch = watch, .result = result
    };
    const struct pobackup_sink archive = { .ctx = sink, .write = write_sink };
    struct outage outage = { 0 };
    double start = po_sys_monotonic();
    enum po_status st;

    *result = (struct po_backup_result){ .outage_seconds = -1 };
    st = init_run(&run, err);
    if (st == PO_OK)
        st = po_services_check_admin(host, watch, err);
    if (st == PO_OK)
        st = po_backup_open_roots(&run, err);
    if (st == PO_OK) {
        po_writer_init(&run.writer, &archive, run.archive_id, run.created);
        st = stop_services(&run, &outage, err);
    }
    if (st == PO_OK)
        st = po_backup_gather(&run, err);
    if (st == PO_OK) {
        fit_memory(&run);
        st = make_frames(&run, &outage, err);
    }
    start_services(&run, &outage); /* whatever happened */
    result->bytes = run.bytes_packed;
    memcpy(result->archive_id, run.archive_id, PO_ID_SIZE);
    if (st == PO_OK)
        st = finish(&run, sink, err);
    tell_problems(&run);
    result->seconds = po_sys_monotonic() - start;
    po_services_deinit(&outage.services);
    deinit_run(&run);
    return st;
}

enum po_status
po_backup_plan(struct po_host *host, const struct po_backup_options *options,
               const struct po_watch *watch, struct po_backup_result *result, struct po_err *err)
{
    struct po_backup_run run = {
        .host = host, .options = options, .watch = watch, .result = result
    };
    double start = po_sys_monotonic();
    enum po_status st;

    *result = (struct po_backup_result){ .outage_seconds = -1 };
    st = init_run(&run, err);
    if (st == PO_OK)
        st = po_backup_open_roots(&run, err);
    if (st == PO_OK)
        st = po_backup_gather(&run, err);
    for (uint32_t i = 0; st == PO_OK && i < run.plan.count; i++) {
        uint8_t type = run.list.entries[run.plan.order[i]].type;

        result->files += type == POBACKUP_FILE ? 1 : 0;
        result->directories += type == POBACKUP_DIRECTORY ? 1 : 0;
        result->links += type == POBACKUP_SYMLINK || type == POBACKUP_HARDLINK ? 1 : 0;
    }
    for (size_t i = 0; st == PO_OK && i < run.walk.stream_count; i++)
        if (po_backup_has_stream(&run, &run.walk.streams[i]))
            st = po_backup_note_stream(&run, &run.walk.streams[i], run.walk.streams[i].size, err);
    result->bytes = run.plan.bytes;
    tell_problems(&run);
    result->seconds = po_sys_monotonic() - start;
    deinit_run(&run);
    return st;
}
