/* The renames of a commit, so that they can be taken back. */
#include "base/mem.h"
#include "engine/restore_parts.h"
#include "engine/watch.h"

#include <string.h>

/* ---- noting ---- */

enum po_status
po_restore_note(struct po_restore *r, struct po_restore_step step, const char *path, size_t size,
                struct po_err *err)
{
    struct po_restore_log *log = &r->log;
    const struct po_restore_tree *tree = &r->trees[step.tree];
    size_t room = tree->rel_size + sizeof tree->base->aside + tree->member_size + size + 4;

    po_buf_clear(&log->live);
    po_buf_clear(&log->other);
    if (!po_buf_reserve(&log->live, room) || !po_buf_reserve(&log->other, room))
        return po_fail_nomem(err, room);
    if (log->count == log->capacity) {
        size_t capacity = log->capacity == 0 ? 256 : log->capacity * 2;
        struct po_restore_step *steps = po_mem_resize(log->steps, capacity, sizeof *steps);

        if (steps == NULL)
            return po_fail_nomem(err, capacity * sizeof *steps);
        log->steps = steps;
        log->capacity = capacity;
    }
    step.path_size = size;
    if (step.is_lent) {
        step.path.lent = path;
    } else {
        step.path.start = log->paths.size;
        po_buf_put(&log->paths, path, size);
    }
    if (log->paths.failed)
        return po_buf_check(&log->paths, err);
    log->steps[log->count++] = step;
    return PO_OK;
}

enum po_status
po_restore_note_entered(struct po_restore *r, struct po_restore_step step,
                        const struct po_node_info *info, const char *path, size_t size,
                        struct po_err *err)
{
    struct po_restore_log *log = &r->log;

    if (log->info_count == log->info_capacity) {
        uint32_t capacity = log->info_capacity == 0 ? 64 : log->info_capacity * 2;
        struct po_restore_former *infos = po_mem_resize(log->infos, capacity, sizeof *infos);

        if (infos == NULL)
            return po_fail_nomem(err, capacity * sizeof *infos);
        log->infos = infos;
        log->info_capacity = capacity;
    }
    log->infos[log->info_count] = (struct po_restore_former){ .info = *info };
    step.info = log->info_count++;
    return po_restore_note(r, step, path, size, err);
}

const char *
po_restore_step_path(const struct po_restore *r, const struct po_restore_step *step)
{
    if (step->path_size == 0)
        return "";
    return step->is_lent ? step->path.lent : (const char *)r->log.paths.bytes + step->path.start;
}

/* ---- taking back ---- */

static enum po_status
move_back(struct po_dir *dir, struct po_buf *from, struct po_buf *to, struct po_err *err)
{
    if (from->failed || to->failed)
        return po_fail_nomem(err, from->size + to->size);
    return po_dir_rename(dir, po_buf_text(from), from->size, dir, po_buf_text(to), to->size, false,
                         err);
}

enum po_status
po_restore_reset_directory(struct po_restore *r, const struct po_restore_step *step,
                           struct po_err *err)
{
    const struct po_restore_former *former = &r->log.infos[step->info];
    const struct po_node_info *info = &former->info;
    const struct po_restore_tree *tree = &r->trees[step->tree];
    struct po_dir *dir = tree->base->dir;
    struct po_buf *path = &r->log.live;
    enum po_status st;
    const char *text;

    po_restore_live_path(tree, po_restore_step_path(r, step), step->path_size, path);
    st = po_buf_check(path, err);
    text = po_buf_text(path);
    if (st == PO_OK && former->security_size > 0 && r->host->ops->rights != NULL)
        st = r->host->ops->rights->set_former(r->host,
                                              r->log.securities.bytes + former->security_start,
                                              former->security_size, dir, text, path->size, err);
    if (st == PO_OK && r->sets_owner)
        st = po_dir_set_owner(dir, text, path->size, info->uid, info->gid, err);
    if (st == PO_OK)
        st = po_dir_set_mode(dir, text, path->size, info->mode, err);
    if (st == PO_OK)
        st = po_dir_set_write_time(dir, text, path->size, info->write_time, err);
    return st;
}

static enum po_status
take_step_back(struct po_restore *r, const struct po_restore_step *step, struct po_err *err)
{
    struct po_restore_log *log = &r->log;
    const struct po_restore_tree *tree = &r->trees[step->tree];
    struct po_dir *dir = tree->base->dir;
    const char *path = po_restore_step_path(r, step);

    po_restore_live_path(tree, path, step->path_size, &log->live);
    switch (step->kind) {
    case PO_RESTORE_MADE:
        return po_dir_remove(dir, path, step->path_size, err);
    case PO_RESTORE_ENTERED:
        return po_restore_reset_directory(r, step, err);
    case PO_RESTORE_ASIDE:
        po_restore_aside_path(tree, path, step->path_size, &log->other);
        return move_back(dir, &log->other, &log->live, err);
    default:
        po_restore_stage_path(tree, path, step->path_size, &log->other);
        return move_back(dir, &log->live, &log->other, err);
    }
}

/* The folders that hold nothing any more. */
static void
drop_asides(struct po_restore *r)
{
    for (size_t i = 0; i < r->base_count; i++) {
        struct po_restore_base *base = &r->bases[i];
        struct po_err failure;

        if (!base->has_aside)
            continue;
        base->has_aside =
            po_dir_remove_all(base->dir, base->aside, strlen(base->aside), &failure) != PO_OK;
        if (!base->has_aside)
            continue;
        (void)po_err_prefix(&failure, "%s stays in %s", base->aside, base->os_path);
        po_watch_warning(r->watch, failure.text);
    }
}

void
po_restore_take_back(struct po_restore *r, struct po_err *err)
{
    struct po_err first = r->registry_loss;
    size_t lost = first.status != PO_OK;

    po_watch_phase(r->watch, "taking back what was done");
    for (size_t i = r->log.done; i-- > 0;) {
        struct po_err failure;

        if (take_step_back(r, &r->log.steps[i], &failure) != PO_OK && lost++ == 0)
            first = failure;
    }
    if (lost == 0) {
        drop_asides(r);
        (void)po_fail(err, err->status, "%s; all is as it was before", err->text);
        return;
    }
    r->result->is_changed = true;
    (void)po_fail(err, err->status,
                  "%s; and %llu steps could not be taken back, the first: %s; what is missing lies "
                  "in the folders .pobackup-set-aside-* beside the trees",
                  err->text, (unsigned long long)lost, first.text);
}

/* ---- after a good commit ---- */

static enum po_status
set_facts(struct po_restore *r, const struct po_restore_step *step, struct po_buf *live,
          struct po_err *err)
{
    uint32_t entry = step->entry;
    const struct po_index *index = r->reader->index;
    int64_t write_time = po_index_write_time(index, entry);
    struct po_dir *dir = r->trees[step->tree].base->dir;
    const char *path = po_buf_text(live);
    struct po_posix_owner owner;
    enum po_status st = po_buf_check(live, err);

    if (st == PO_OK && po_index_owner(index, entry, &owner)) {
        if (r->sets_owner)
            st = po_dir_set_owner(dir, path, live->size, owner.uid, owner.gid, err);
        if (st == PO_OK)
            st = po_dir_set_mode(dir, path, live->size, owner.mode & 07777u, err);
    }
    if (st == PO_OK && write_time != POBACKUP_TIME_UNKNOWN)
        st = po_dir_set_write_time(dir, path, live->size, write_time, err);
    if (st == PO_OK)
        st = po_restore_rights_entered(r, entry, dir, path, live->size, &r->log.infos[step->info],
                                       err);
    return st;
}

enum po_status
po_restore_directory_facts(struct po_restore *r, struct po_err *err)
{
    struct po_buf live = { 0 };
    enum po_status st = PO_OK;

    /* Backwards: what lies deeper was entered later. */
    for (size_t i = r->log.count; i-- > 0 && st == PO_OK;) {
        const struct po_restore_step *step = &r->log.steps[i];
        const char *path;
        struct po_err failure;
        size_t size;

        if (step->kind != PO_RESTORE_ENTERED || step->entry == PO_NONE)
            continue;
        po_restore_live_path(&r->trees[step->tree], po_restore_step_path(r, step), step->path_size,
                             &live);
        path = po_index_path(r->reader->index, step->entry, &size);
        /* Not worth taking everything back. */
        if (set_facts(r, step, &live, &failure) != PO_OK)
            st = po_restore_problem(r, path, size, failure.text, err);
    }
    po_buf_deinit(&live);
    return st;
}

/* ---- counting ---- */

/* All that lies in the directory `path`, however deep. */
struct count {
    struct po_buf todo; /* paths, each with a NUL behind */
    struct po_buf path;
    uint64_t sum;
};

static enum po_status
count_child(void *ctx, const char *name, size_t name_size, const struct po_node_info *info,
            const struct po_err *failure, struct po_err *err)
{
    struct count *count = ctx;

    (void)failure;
    if (info->type != PO_NODE_DIRECTORY) {
        count->sum++;
        return PO_OK;
    }
    po_buf_put(&count->todo, count->path.bytes, count->path.size);
    po_buf_put_u8(&count->todo, '/');
    po_buf_put(&count->todo, name, name_size);
    po_buf_put_u8(&count->todo, '\0');
    return po_buf_check(&count->todo, err);
}

static enum po_status
count_tree(struct po_dir *dir, struct count *count, struct po_err *err)
{
    enum po_status st = PO_OK;

    while (st == PO_OK && count->todo.size > 0) {
        size_t start = count->todo.size - 1;

        while (start > 0 && count->todo.bytes[start - 1] != '\0')
            start--;
        po_buf_clear(&count->path);
        po_buf_put(&count->path, count->todo.bytes + start, count->todo.size - 1 - start);
        count->todo.size = start;
        st = po_buf_check(&count->path, err);
        if (st == PO_OK)
            st = po_dir_list(dir, po_buf_text(&count->path), count->path.size, count_child, count,
                             err);
    }
    return st;
}

enum po_status
po_restore_count_removed(struct po_restore *r, struct po_err *err)
{
    struct count count = { 0 };
    enum po_status st = PO_OK;

    for (size_t i = 0; i < r->log.count && st == PO_OK; i++) {
        const struct po_restore_step *step = &r->log.steps[i];
        const struct po_restore_tree *tree = &r->trees[step->tree];

        if (step->kind != PO_RESTORE_ASIDE || !step->is_removed)
            continue;
        count.sum = !step->is_directory;
        if (step->is_directory) {
            po_restore_aside_path(tree, po_restore_step_path(r, step), step->path_size,
                                  &count.path);
            po_buf_put(&count.todo, count.path.bytes, count.path.size);
            po_buf_put_u8(&count.todo, '\0');
            st = count_tree(tree->base->dir, &count, err);
        }
        r->result->parts[tree->part].removed += count.sum;
    }
    po_buf_deinit(&count.todo);
    po_buf_deinit(&count.path);
    return st;
}
