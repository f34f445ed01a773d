#include "engine/backup_run.h"

#include "base/text.h"
#include "engine/watch.h"

#include <string.h>

enum po_status
po_backup_open_roots(struct po_backup_run *run, struct po_err *err)
{
    bool is_any = run->host->ops->place(run->host, PO_PART_REGISTRY) != NULL;

    for (int part = PO_PART_BIN; part < PO_PART_COUNT; part++) {
        const char *place = run->host->ops->place(run->host, (enum po_part)part);
        enum po_status st;

        if (place == NULL)
            continue;
        st = po_dir_open(&run->roots[part], place, err);
        if (st == PO_E_IO)
            st = err->status = PO_E_USAGE;
        if (st != PO_OK)
            return po_err_prefix(err, "the site's %s directory", po_part_name((enum po_part)part));
        is_any = true;
    }
    return is_any ? PO_OK
                  : po_fail(err, PO_E_USAGE, "the site has no part that could be backed up");
}

static enum po_status
note_problem(void *ctx, const char *path, size_t path_size, const char *reason, struct po_err *err)
{
    struct po_backup_run *run = ctx;

    return po_problems_add(&run->result->skipped, path, path_size, reason, err);
}

/* req: B3. The key is one entry, whose content is at hand. */
static enum po_status
gather_registry(struct po_backup_run *run, struct po_err *err)
{
    const char *member = po_part_member(PO_PART_REGISTRY);
    struct po_entry *entry;
    enum po_status st;

    run->registry_entry = PO_NONE;
    if (run->host->ops->place(run->host, PO_PART_REGISTRY) == NULL)
        return PO_OK;
    run->registry_entry = (uint32_t)run->list.count;
    st = run->host->ops->registry_export(run->host, &run->registry, &run->registry_time, err);
    if (st == PO_OK)
        st = po_entry_list_add(&run->list, member, strlen(member), &entry, err);
    if (st != PO_OK)
        return po_err_prefix(err, "registry");
    entry->type = POBACKUP_FILE;
    entry->size = run->registry.size;
    entry->write_time = run->registry_time;
    return PO_OK;
}

static const char *
delivery_member(const struct po_backup_run *run)
{
    return run->options->is_by_path ? NULL : po_part_member(PO_PART_MAILBOX);
}

enum po_status
po_backup_gather(struct po_backup_run *run, struct po_err *err)
{
    enum po_status st;

    po_watch_phase(run->watch, "listing files");
    run->walk = (struct po_walk){ .list = &run->list,
                                  .excludes = run->options->excludes,
                                  .exclude_count = run->options->exclude_count,
                                  .problem = note_problem,
                                  .ctx = run,
                                  .cancel = run->watch == NULL ? NULL : run->watch->cancel };
    st = gather_registry(run, err);
    for (int part = PO_PART_BIN; part < PO_PART_COUNT && st == PO_OK; part++)
        if (run->roots[part] != NULL)
            st =
                po_walk_tree(&run->walk, run->roots[part], po_part_member((enum po_part)part), err);
    if (st == PO_OK)
        st = po_plan_make(&run->plan, &run->list, delivery_member(run), run->walk.links,
                          run->walk.link_count, err);
    run->result->excluded = run->walk.excluded;
    return st;
}

bool
po_backup_locate(void *ctx, const struct po_entry *entry, struct po_dir **root, const char **path,
                 size_t *path_size)
{
    const struct po_backup_run *run = ctx;
    const char *full = po_entry_path(&run->list, entry);

    for (int part = PO_PART_BIN; part < PO_PART_COUNT; part++) {
        const char *member = po_part_member((enum po_part)part);
        size_t size = strlen(member);

        if (run->roots[part] == NULL || entry->path_size <= size || full[size] != '/' ||
            memcmp(full, member, size) != 0)
            continue;
        *root = run->roots[part];
        *path = full + size + 1;
        *path_size = entry->path_size - size - 1;
        return true;
    }
    return false;
}
