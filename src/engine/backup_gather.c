#include "engine/backup_run.h"

#include "base/text.h"
#include "engine/watch.h"
#include "port/sys.h"
#include "registry/reg.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool
is_excluded(const struct po_backup_run *run, const char *member)
{
    for (size_t i = 0; i < run->options->exclude_count; i++)
        if (po_text_glob(run->options->excludes[i], member, strlen(member)))
            return true;
    return false;
}

/* A key that cannot be read is found before mail is down for nothing. */
static enum po_status
try_registry(struct po_backup_run *run, struct po_err *err)
{
    struct po_buf export = { 0 };
    int64_t write_time;
    enum po_status st = PO_OK;

    if (run->host->ops->place(run->host, PO_PART_REGISTRY) != NULL &&
        !is_excluded(run, po_part_member(PO_PART_REGISTRY)))
        st = run->host->ops->registry_export(run->host, &export, &write_time, err);
    po_buf_deinit(&export);
    return st == PO_OK ? PO_OK : po_err_prefix(err, "registry");
}

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
        if (st == PO_E_IO && (err->os_code == ENOENT || err->os_code == ENOTDIR))
            st = err->status = PO_E_USAGE;
        if (st != PO_OK)
            return po_err_prefix(err, "the site's %s directory", po_part_name((enum po_part)part));
        is_any = true;
    }
    if (!is_any)
        return po_fail(err, PO_E_USAGE, "the site has no part that could be backed up");
    return try_registry(run, err);
}

static enum po_status
note_problem(void *ctx, const char *path, size_t path_size, const char *reason, struct po_err *err)
{
    struct po_backup_run *run = ctx;
    enum po_status st = PO_OK;

    if (run->is_hot)
        return PO_OK; /* the cold pass looks again */
    if (run->walk.is_unread && run->seen.count > 0)
        st = po_backup_seen_unread(run, path, path_size, err);
    return st == PO_OK ? po_problems_add(&run->result->skipped, path, path_size, reason, err) : st;
}

/* req: B8 */
static enum po_status
check_omissions(struct po_backup_run *run)
{
    const struct po_host_ops *ops = run->host->ops;
    const char *omissions =
        ops->registry_omissions == NULL ? "" : ops->registry_omissions(run->host);
    char text[sizeof run->result->registry_problem + 64];

    if (omissions[0] == '\0')
        return PO_OK;
    (void)snprintf(run->result->registry_problem, sizeof run->result->registry_problem,
                   "not whole: %.200s", omissions);
    (void)snprintf(text, sizeof text, "the registry is %s", run->result->registry_problem);
    po_watch_warning(run->watch, text);
    return PO_OK;
}

/* It is saved whatever it holds; but a key that no regedit would import is no backup of one. */
static enum po_status
check_registry(struct po_backup_run *run, struct po_err *err)
{
    struct po_reg *reg = NULL;
    struct po_err why;
    char text[sizeof run->result->registry_problem + 64];
    enum po_status st =
        po_reg_parse(&reg, run->registry.bytes, run->registry.size, PO_REG_CODE_PAGE_AUTO, &why);

    po_reg_free(reg);
    if (st == PO_E_NOMEM) {
        *err = why;
        return st;
    }
    if (st == PO_OK)
        return check_omissions(run);
    (void)snprintf(run->result->registry_problem, sizeof run->result->registry_problem, "%.255s",
                   why.text);
    (void)snprintf(text, sizeof text, "the registry is saved, but it is no export of a key: %s",
                   run->result->registry_problem);
    po_watch_warning(run->watch, text);
    return PO_OK;
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
    if (is_excluded(run, member)) {
        run->result->excluded++;
        return PO_OK;
    }
    run->registry_entry = (uint32_t)run->list.count;
    st = run->host->ops->registry_export(run->host, &run->registry, &run->registry_time, err);
    if (st == PO_OK)
        st = check_registry(run, err);
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

/* B8: nothing is left out silently. */
static void
tell_own(const struct po_backup_run *run)
{
    char text[128];

    if (run->walk.own == 0)
        return;
    (void)snprintf(text, sizeof text,
                   "%llu files or folders of a former restore (.pobackup-...) are not saved",
                   (unsigned long long)run->walk.own);
    po_watch_note(run->watch, text);
}

/* req: B8. A restore cannot give them back: it is told, and the backup is not complete. */
void
po_backup_count_rights(struct po_backup_run *run)
{
    const struct po_walk *walk = &run->walk;
    const struct po_entry *first = NULL;
    bool is_of_first;
    char text[384];

    /* What the hot pass saw may be gone since, or there again as another entry. */
    for (size_t i = 0; i < walk->without_rights_count; i++) {
        const struct po_entry *entry = &run->list.entries[walk->without_rights[i]];

        if (entry->state != PO_ENTRY_SAVED && entry->state != PO_ENTRY_PLANNED)
            continue;
        first = first == NULL ? entry : first;
        run->result->without_rights++;
    }
    if (first == NULL)
        return;
    is_of_first = first == &run->list.entries[walk->without_rights[0]];
    (void)snprintf(text, sizeof text,
                   "%llu files or directories are saved without their rights, the first: %.*s",
                   (unsigned long long)run->result->without_rights,
                   is_of_first ? (int)strlen(walk->rights_reason) : (int)first->path_size,
                   is_of_first ? walk->rights_reason : po_entry_path(&run->list, first));
    po_watch_warning(run->watch, text);
}

static void
begin_walk(struct po_backup_run *run)
{
    struct po_walk *walk = &run->walk;

    *walk = (struct po_walk){ .list = &run->list,
                              .stream_ops = run->options->stream_ops,
                              .excludes = run->options->excludes,
                              .exclude_count = run->options->exclude_count,
                              .problem = note_problem,
                              .ctx = run,
                              .output_device = run->options->output_device,
                              .output_id = run->options->output_id,
                              .cancel = run->watch == NULL ? NULL : run->watch->cancel };
}

/* The walk goes on in the same list; what it counts and the names of files with several begin anew. */
static void
walk_again(struct po_walk *walk)
{
    walk->link_count = 0;
    walk->excluded = 0;
    walk->own = 0;
    walk->is_known = po_backup_seen_known;
}

static enum po_status
walk_part(struct po_backup_run *run, enum po_part part, struct po_err *err)
{
    return run->roots[part] == NULL
               ? PO_OK
               : po_walk_tree(&run->walk, run->roots[part], po_part_member(part), err);
}

/* The plan is to see the names alone that are planned. */
static void
drop_unplanned_links(struct po_backup_run *run)
{
    struct po_walk *walk = &run->walk;
    size_t kept = 0;

    for (size_t i = 0; i < walk->link_count; i++)
        if (run->list.entries[walk->links[i].entry].state == PO_ENTRY_PLANNED)
            walk->links[kept++] = walk->links[i];
    walk->link_count = kept;
}

static enum po_status
make_plan(struct po_backup_run *run, struct po_err *err)
{
    enum po_status st;

    drop_unplanned_links(run);
    po_plan_deinit(&run->plan);
    st = po_plan_make(&run->plan, &run->list, delivery_member(run), run->walk.links,
                      run->walk.link_count, err);
    for (size_t i = run->stream_first; i < run->walk.stream_count && st == PO_OK; i++)
        if (po_backup_has_stream(run, &run->walk.streams[i]))
            run->plan.bytes += run->walk.streams[i].size;
    return st;
}

enum po_status
po_backup_gather_hot(struct po_backup_run *run, struct po_err *err)
{
    unsigned margin =
        run->options->hot_margin_ms == 0 ? PO_BACKUP_MARGIN_MS : run->options->hot_margin_ms;
    enum po_status st;

    po_watch_phase(run->watch, "listing files");
    run->registry_entry = PO_NONE;
    run->seen.trusted_time = po_sys_now() - (int64_t)margin * (PO_TICKS_PER_SECOND / 1000);
    begin_walk(run);
    run->walk.is_known = po_backup_seen_is_fresh;
    st = walk_part(run, PO_PART_BIN, err);
    if (st == PO_OK)
        st = walk_part(run, PO_PART_MAILBOX, err);
    run->seen.count = (uint32_t)run->list.count;
    if (st == PO_OK)
        po_backup_seen_leave_fresh(run);
    if (st == PO_OK)
        st = po_backup_seen_note_links(run, err);
    if (st == PO_OK)
        st = po_backup_base_match(run, 0, err);
    return st == PO_OK ? make_plan(run, err) : st;
}

enum po_status
po_backup_gather(struct po_backup_run *run, struct po_err *err)
{
    size_t first = run->list.count;
    enum po_status st;

    po_watch_phase(run->watch, "listing files");
    run->stream_first = run->walk.stream_count;
    if (run->seen.count > 0)
        walk_again(&run->walk);
    else
        begin_walk(run);
    st = gather_registry(run, err);
    for (int part = PO_PART_BIN; part < PO_PART_COUNT && st == PO_OK; part++)
        st = walk_part(run, (enum po_part)part, err);
    if (st == PO_OK && run->seen.count > 0)
        st = po_backup_seen_match(run, first, err);
    if (st == PO_OK)
        st = po_backup_base_match(run, first, err);
    if (st == PO_OK)
        st = make_plan(run, err);
    run->result->excluded += run->walk.excluded;
    if (st == PO_OK)
        tell_own(run);
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
