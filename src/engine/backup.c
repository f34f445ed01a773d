#include "engine/backup.h"

#include "base/mem.h"
#include "engine/backup_run.h"
#include "engine/budget.h"
#include "engine/watch.h"
#include "port/sys.h"

#include <stdio.h>
#include <string.h>

void
po_backup_result_deinit(struct po_backup_result *result)
{
    po_problems_deinit(&result->skipped);
    po_problems_deinit(&result->changed);
    po_problems_deinit(&result->vanished);
    po_problems_deinit(&result->silent);
    po_saved_streams_deinit(&result->streams);
}

bool
po_backup_is_complete(const struct po_backup_result *result)
{
    return result->skipped.count == 0 && result->changed.count == 0 &&
           result->registry_problem[0] == '\0' && result->without_rights == 0;
}

static enum po_status
init_run(struct po_backup_run *run, struct po_err *err)
{
    const struct po_backup_options *options = run->options;

    run->frame_size = options->frame_size == 0 ? PO_FRAME_CONTENT_DEFAULT : options->frame_size;
    run->threads = options->threads == 0 ? po_sys_cpu_count() : options->threads;
    if (options->threads == 0 && run->threads > PO_PACKING_THREADS_DEFAULT)
        run->threads = PO_PACKING_THREADS_DEFAULT;
    if (run->frame_size < PO_FRAME_CONTENT_MIN || run->frame_size > PO_FRAME_CONTENT_MAX ||
        run->frame_size % PO_TAR_BLOCK != 0)
        return po_fail(err, PO_E_USAGE, "frame size %u: 64K to 32M, a multiple of 512",
                       run->frame_size);
    run->created = options->created == 0 ? po_sys_now() : options->created;
    return po_sys_random(run->archive_id, sizeof run->archive_id, err);
}

/* What a hot pass needs besides: its table, flags, and the directories that are listed again. */
#define SEEN_BYTES 24u
/* What sorting the index needs: two numbers an entry. */
#define SORT_BYTES 8u

/* What the list of entries takes, and what is still to be made of it. */
static uint64_t
list_bytes(const struct po_backup_run *run)
{
    const struct po_entry_list *list = &run->list;
    unsigned per_entry = SORT_BYTES + (run->is_hot ? SEEN_BYTES : 0);

    return (uint64_t)list->count * sizeof *list->entries + list->paths.size +
           list->links.heap.size + list->securities.heap.size +
           (uint64_t)run->plan.count * sizeof *run->plan.order + run->registry.size +
           (uint64_t)run->walk.stream_count * sizeof *run->walk.streams +
           run->walk.stream_names.size + (uint64_t)run->recheck_capacity * sizeof *run->recheck +
           (uint64_t)list->count * per_entry + run->seen.fresh_bytes * 5 / 4 +
           (run->options->base == NULL ? 0 : run->options->base->index->size * 33 / 32);
}

/* What nobody has asked for is fitted into the memory that is promised. */
static void
fit_memory(struct po_backup_run *run)
{
    struct po_budget budget = { .used = list_bytes(run),
                                .threads = run->threads,
                                .buffer = run->frame_size,
                                .buffer_min = PO_PACKING_FRAME_SIZE_MIN_DEFAULT };

    if (run->options->threads != 0)
        budget.buffer_min = PO_FRAME_CONTENT_MIN;
    if (run->options->frame_size != 0)
        budget.buffer_min = budget.buffer;
    po_packing_fit(&run->packing, &budget);
    if (run->options->threads == 0)
        run->threads = run->packing.threads;
    run->frame_size = run->packing.frame_size;
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
    po_backup_seen_deinit(&run->seen);
    po_backup_base_free(run);
    po_services_deinit(&run->outage.services);
    po_entry_list_deinit(&run->list);
    po_writer_deinit(&run->writer);
}

/* ---- services ---- */

static enum po_status
stop_services(struct po_backup_run *run, struct po_err *err)
{
    struct po_backup_outage *outage = &run->outage;
    enum po_status st = PO_OK;

    if (run->options->no_services)
        return PO_OK;
    if (run->seen.slot_count > 0) {
        /* A service may have been stopped or started while the hot pass ran. */
        po_services_deinit(&outage->services);
        st = po_services_init(&outage->services, run->host, err);
    }
    if (st != PO_OK || !po_services_any_running(&outage->services))
        return st;
    outage->is_stopped = true;
    st = po_services_stop(&outage->services, run->options->stop_timeout_s, run->watch, err);
    outage->stopped = outage->walked = po_sys_monotonic();
    run->result->stop_seconds = outage->stopped - outage->services.asked;
    return st;
}

/* req: B7. Safe to call again: what is back is not touched twice. */
static void
start_services(struct po_backup_run *run)
{
    struct po_backup_outage *outage = &run->outage;
    struct po_backup_result *result = run->result;
    struct po_err err = { 0 };
    double start = po_sys_monotonic();

    if (!outage->is_stopped)
        return;
    outage->is_stopped = false;
    result->walk_seconds = outage->walked - outage->stopped;
    result->read_seconds = start - outage->walked;
    if (po_services_restore(&outage->services, run->watch, &err) != PO_OK) {
        result->are_services_lost = true;
        (void)snprintf(result->services_text, sizeof result->services_text, "%s", err.text);
    }
    result->start_seconds = po_sys_monotonic() - start;
    result->outage_seconds = po_sys_monotonic() - outage->services.asked;
}

/* ---- the passes ---- */

static enum po_status
pack_pass(void *ctx, struct po_err *err)
{
    struct po_backup_run *run = ctx;
    enum po_status st = run->has_manifest ? PO_OK : po_backup_pack_manifest(run, err);

    run->has_manifest = true;
    run->bytes_planned += run->plan.bytes;
    run->files_planned += run->plan.count;
    if (st == PO_OK)
        st = po_backup_pack(run, err);
    /* As soon as the last byte is read: what is not written yet is in memory. */
    start_services(run);
    if (st == PO_OK && !run->is_hot)
        st = po_backup_seen_settle(run, err);
    if (st == PO_OK && !run->is_hot && run->recheck_count > 0) {
        po_watch_phase(run->watch, "comparing a share of what is unchanged");
        st = po_backup_recheck(run, err);
    }
    return st == PO_OK ? po_packer_cut(&run->packing.packer, err) : st;
}

static enum po_status
make_frames(struct po_backup_run *run, const char *phase, struct po_err *err)
{
    enum po_status st = PO_OK;

    if (run->packing.slots == NULL) {
        fit_memory(run);
        st = po_backup_frames_new(run, err);
    }
    po_watch_phase(run->watch, phase);
    return st == PO_OK ? po_packing_pass(&run->packing, pack_pass, run, err) : st;
}

/* Mailbox and bin, while the services run: so little is left to be read when they are down. */
static enum po_status
run_hot(struct po_backup_run *run, struct po_err *err)
{
    enum po_status st;

    run->is_hot = true;
    st = po_backup_gather_hot(run, err);
    if (st == PO_OK)
        st = make_frames(run, "saving files while the services run", err);
    if (st == PO_OK)
        st = po_backup_seen_make(run, err);
    run->is_hot = false;
    return st;
}

/* What is in the snapshot, into the result. */
/* The files of each tree; alternate streams and our own documents lie elsewhere. */
static void
count_part(struct po_backup_result *result, const char *path, size_t size)
{
    for (unsigned part = PO_PART_BIN; part < PO_PART_COUNT; part++) {
        const char *tree = po_part_member((enum po_part)part);
        size_t tree_size = strlen(tree);

        if (size > tree_size && path[tree_size] == '/' && memcmp(path, tree, tree_size) == 0)
            result->part_files[part]++;
    }
}

static enum po_status
count_saved(struct po_backup_run *run, struct po_err *err)
{
    struct po_backup_result *result = run->result;
    enum po_status st = PO_OK;

    for (size_t i = 0; i < run->list.count; i++) {
        const struct po_entry *entry = &run->list.entries[i];

        if (entry->state != PO_ENTRY_SAVED ||
            po_is_path(po_entry_path(&run->list, entry), entry->path_size, PO_MANIFEST_PATH))
            continue;
        result->bytes += entry->size;
        result->files += entry->type == POBACKUP_FILE ? 1 : 0;
        if (entry->type == POBACKUP_FILE)
            count_part(result, po_entry_path(&run->list, entry), entry->path_size);
        result->files_hot +=
            entry->type == POBACKUP_FILE && entry->source == 0 && i < run->seen.count ? 1 : 0;
        result->files_new += entry->type == POBACKUP_FILE && entry->source == 0 ? 1 : 0;
        result->bytes_new += entry->source == 0 ? entry->size : 0;
        result->directories += entry->type == POBACKUP_DIRECTORY ? 1 : 0;
        result->links += entry->type == POBACKUP_SYMLINK || entry->type == POBACKUP_HARDLINK;
    }
    for (size_t i = 0; i < run->walk.stream_count && st == PO_OK; i++) {
        const struct po_walk_stream *stream = &run->walk.streams[i];
        const struct po_entry *entry =
            stream->entry == PO_NONE ? NULL : &run->list.entries[stream->entry];

        if (entry == NULL || entry->state != PO_ENTRY_SAVED)
            continue;
        result->files--;
        result->files_new -= entry->source == 0 ? 1 : 0;
        st = po_backup_note_stream(run, stream, entry->size, err);
    }
    po_backup_count_rights(run);
    return st;
}

static enum po_status
run_cold(struct po_backup_run *run, struct po_err *err)
{
    enum po_status st = stop_services(run, err);

    if (st == PO_OK)
        st = po_backup_gather(run, err);
    run->outage.walked = po_sys_monotonic();
    if (st == PO_OK)
        st = make_frames(run, run->seen.count > 0 ? "saving what changed" : "saving files", err);
    start_services(run); /* whatever happened */
    return st == PO_OK ? count_saved(run, err) : st;
}

/* Whether there is an outage that a hot pass would shorten. */
static enum po_status
look_at_services(struct po_backup_run *run, bool *are_running, struct po_err *err)
{
    enum po_status st = PO_OK;

    *are_running = false;
    if (run->options->no_services)
        return PO_OK;
    st = po_services_init(&run->outage.services, run->host, err);
    if (st == PO_OK)
        *are_running = po_services_any_running(&run->outage.services);
    return st;
}

/* ---- the end ---- */

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
    struct po_buf json = { 0 };
    const struct po_writer_end end = { .list = &run->list,
                                       .summary = &json,
                                       .parents = run->parents,
                                       .parent_count = run->parent_count,
                                       .index_copy = run->options->index_copy };
    enum po_status st = gather_accounts(run, err);

    po_watch_phase(run->watch, "writing the index");
    if (st == PO_OK)
        st = po_backup_put_summary(run, &json, err);
    if (st == PO_OK)
        st = po_packing_finish(&run->packing, &end, run->result->digest, err);
    if (st == PO_OK) {
        po_watch_phase(run->watch, "making it durable");
        st = sink->ops->commit(sink, err);
    }
    run->result->archive_bytes = run->writer.offset;
    run->result->frames = run->writer.frame_count;
    po_buf_deinit(&json);
    return st;
}

static void
tell_problems(const struct po_backup_run *run)
{
    const struct po_problems *lists[] = { &run->result->skipped, &run->result->changed,
                                          &run->result->silent };

    for (int l = 0; l < 3; l++)
        for (size_t i = 0; i < lists[l]->count; i++)
            po_watch_item(run->watch, lists[l]->items[i].path, lists[l]->items[i].path_size,
                          lists[l]->items[i].reason);
}

enum po_status
po_backup_run(struct po_host *host, struct po_store_sink *sink,
              const struct po_backup_options *options, const struct po_watch *watch,
              struct po_backup_result *result, struct po_err *err)
{
    struct po_backup_run run = {
        .host = host, .options = options, .watch = watch, .result = result
    };
    const struct pobackup_sink archive = po_packing_sink(sink);
    double start = po_sys_monotonic();
    bool are_running = false;
    enum po_status st;

    *result = (struct po_backup_result){ .outage_seconds = -1 };
    st = init_run(&run, err);
    if (st == PO_OK)
        st = po_services_check_admin(host, watch, err);
    if (st == PO_OK)
        st = po_backup_open_roots(&run, err);
    if (st == PO_OK)
        st = po_backup_base_parents(&run, err);
    if (st == PO_OK)
        st = look_at_services(&run, &are_running, err);
    if (st == PO_OK) {
        po_writer_init(&run.writer, &archive, run.archive_id, run.created);
        if (are_running && options->is_hot)
            st = run_hot(&run, err);
    }
    if (st == PO_OK)
        st = run_cold(&run, err);
    po_backup_frames_free(&run);
    memcpy(result->archive_id, run.archive_id, PO_ID_SIZE);
    if (st == PO_OK)
        st = finish(&run, sink, err);
    tell_problems(&run);
    result->seconds = po_sys_monotonic() - start;
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
    if (st == PO_OK)
        po_backup_count_rights(&run);
    tell_problems(&run);
    result->seconds = po_sys_monotonic() - start;
    deinit_run(&run);
    return st;
}
