/* The two JSON documents of an archive: what is known before, and what is known only afterwards. */
#include "engine/backup_run.h"

#include "base/mem.h"
#include "port/sys.h"

#include <string.h>

#define SUMMARY_ROOM (4u * PO_TAR_BLOCK)

enum po_status
po_backup_pack_manifest(struct po_backup_run *run, struct po_err *err)
{
    const struct po_services *known = &run->outage.services;
    struct po_manifest manifest = { .created = run->created,
                                    .parents = run->parents,
                                    .parent_count = run->parent_count,
                                    .purpose = run->options->purpose,
                                    .host_kind = run->host->ops->kind,
                                    .registry = run->host->ops->place(run->host, PO_PART_REGISTRY),
                                    .bin = po_host_known_place(run->host, PO_PART_BIN),
                                    .spool = po_host_known_place(run->host, PO_PART_SPOOL),
                                    .mailbox = po_host_known_place(run->host, PO_PART_MAILBOX) };
    struct po_manifest_service *services = po_mem_new(known->count, sizeof *services);
    struct po_buf host = { 0 };
    struct po_buf system = { 0 };
    struct po_buf addresses = { 0 };
    struct po_buf json = { 0 };
    enum po_status st = PO_OK;

    if (services == NULL)
        return po_fail_nomem(err, known->count * sizeof *services);
    for (size_t i = 0; i < known->count; i++) {
        const struct po_service *service = run->host->ops->service(run->host, i);

        services[i] =
            (struct po_manifest_service){ .name = service->name,
                                          .state = po_service_state_name(known->before[i]),
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
    manifest.service_count = known->count;
    st = po_buf_check(&addresses, err);
    if (st == PO_OK)
        st = po_manifest_put(&json, &manifest, err);
    if (st == PO_OK)
        st = po_writer_pack_manifest(&run->writer, &run->packing.packer, &run->list, &json, err);
    po_buf_deinit(&json);
    po_buf_deinit(&addresses);
    po_buf_deinit(&system);
    po_buf_deinit(&host);
    po_mem_free(services);
    return st;
}

/* A summary that fits in a frame: with less and less of the lists, if need be. The counts are
 * always there. */
enum po_status
po_backup_put_summary(struct po_backup_run *run, struct po_buf *json, struct po_err *err)
{
    const struct po_backup_result *r = run->result;
    struct po_summary summary = { .finished = po_sys_now(),
                                  .outage_seconds = r->outage_seconds,
                                  .stop_seconds = r->stop_seconds,
                                  .walk_seconds = r->walk_seconds,
                                  .read_seconds = r->read_seconds,
                                  .start_seconds = r->start_seconds,
                                  .files = r->files,
                                  .files_hot = r->files_hot,
                                  .directories = r->directories,
                                  .links = r->links,
                                  .bytes = r->bytes,
                                  .skipped = r->skipped.items,
                                  .skipped_count = r->skipped.count,
                                  .changed = r->changed.items,
                                  .changed_count = r->changed.count,
                                  .files_new = r->files_new,
                                  .bytes_new = r->bytes_new,
                                  .rechecked = r->rechecked,
                                  .silent = r->silent.items,
                                  .silent_count = r->silent.count,
                                  .vanished = r->vanished.items,
                                  .vanished_count = r->vanished.count,
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
    summary.skipped = summary.changed = summary.vanished = summary.silent = &instead;
    summary.stream_listed = 0;
    return st == PO_OK ? po_summary_put(json, &summary, err) : st;
}
