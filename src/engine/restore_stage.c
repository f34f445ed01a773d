/* The new files, whole and checked, on the volumes where they will be needed. */
#include "base/mem.h"
#include "base/names.h"
#include "base/text.h"
#include "engine/extract.h"
#include "engine/restore_journal.h"
#include "engine/watch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FOLDER_MODE 0700u
#define FOLDER_TRIES 100
#define PROBE PO_NAME_NEW "probe"

/* ---- paths ---- */

void
po_restore_put(struct po_buf *path, const char *name, size_t size)
{
    if (size == 0)
        return;
    if (path->size > 0)
        po_buf_put_u8(path, '/');
    po_buf_put(path, name, size);
}

void
po_restore_live_path(const struct po_restore_tree *tree, const char *sub, size_t size,
                     struct po_buf *path)
{
    po_buf_clear(path);
    po_restore_put(path, tree->rel, tree->rel_size);
    po_restore_put(path, sub, size);
}

static void
folder_path(const struct po_restore_tree *tree, const char *folder, const char *sub, size_t size,
            struct po_buf *path)
{
    po_buf_clear(path);
    po_restore_put(path, folder, strlen(folder));
    po_restore_put(path, tree->member, tree->member_size);
    po_restore_put(path, sub, size);
}

void
po_restore_stage_path(const struct po_restore_tree *tree, const char *sub, size_t size,
                      struct po_buf *path)
{
    folder_path(tree, tree->base->stage, sub, size, path);
}

void
po_restore_aside_path(const struct po_restore_tree *tree, const char *sub, size_t size,
                      struct po_buf *path)
{
    folder_path(tree, tree->base->aside, sub, size, path);
}

/* ---- folders ---- */

/* A name of ours with the time that nothing in the base has yet. */
static enum po_status
choose_name(const struct po_restore *r, struct po_restore_base *base, const char *prefix,
            char name[80], struct po_err *err)
{
    struct po_buf text = { 0 };
    struct po_node_info info;
    bool exists = true;
    char found[80] = "";
    enum po_status st = PO_OK;

    po_text_put_time_compact(&text, r->time);
    for (int i = 1; i <= FOLDER_TRIES && st == PO_OK && exists; i++) {
        (void)snprintf(found, sizeof found, i == 1 ? "%s%s" : "%s%s-%d", prefix, po_buf_text(&text),
                       i);
        st = po_dir_stat(base->dir, found, strlen(found), &info, &exists, err);
    }
    if (st == PO_OK && exists)
        st = po_fail(err, PO_E_IO, "%s is there already", found);
    if (st == PO_OK)
        memcpy(name, found, sizeof found);
    else
        (void)po_err_prefix(err, "folder in %s", base->os_path);
    po_buf_deinit(&text);
    return st;
}

/* Both names at once, and into the journal. */
static enum po_status
name_folders(struct po_restore *r, struct po_restore_base *base, struct po_err *err)
{
    struct po_node_info info = { 0 };
    bool exists = false;
    enum po_status st = PO_OK;

    if (base->stage[0] != '\0')
        return PO_OK;
    st = po_dir_stat(base->dir, "", 0, &info, &exists, err);
    base->write_time = info.write_time;
    if (st == PO_OK)
        st = choose_name(r, base, PO_NAME_SET_ASIDE, base->aside, err);
    if (st == PO_OK)
        st = choose_name(r, base, PO_NAME_STAGE, base->stage, err);
    return st == PO_OK ? po_restore_journal_base(r, base, err) : st;
}

static enum po_status
make_folder(struct po_restore *r, struct po_restore_base *base, const char *name, bool *is_made,
            struct po_err *err)
{
    enum po_status st = name_folders(r, base, err);

    if (st != PO_OK || *is_made)
        return st;
    /* Nobody else may look in: it holds what the modes of the directories above kept from them. */
    st = po_dir_make(base->dir, name, strlen(name), FOLDER_MODE, err);
    *is_made = st == PO_OK;
    return st == PO_OK ? st : po_err_prefix(err, "folder in %s", base->os_path);
}

enum po_status
po_restore_make_stage(struct po_restore *r, struct po_restore_base *base, struct po_err *err)
{
    return make_folder(r, base, base->stage, &base->has_stage, err);
}

enum po_status
po_restore_make_aside(struct po_restore *r, struct po_restore_base *base, struct po_err *err)
{
    return make_folder(r, base, base->aside, &base->has_aside, err);
}

/*
 * Whether no rename leads from the stage into the tree: a tree can be a mount of the very volume
 * that its parent is on (a bind mount), which no device number tells. Asked by renaming what does
 * not exist: the mounts are compared before the names are looked up, so nothing is touched.
 */
static bool
is_apart(const struct po_restore_tree *tree)
{
    struct po_dir *dir = tree->base->dir;
    struct po_buf from = { 0 };
    struct po_buf to = { 0 };
    struct po_err failure = { 0 };

    po_restore_put(&from, tree->base->stage, strlen(tree->base->stage));
    po_restore_put(&from, PROBE, strlen(PROBE));
    po_restore_live_path(tree, PROBE, strlen(PROBE), &to);
    (void)!po_dir_rename(dir, po_buf_text(&from), from.size, dir, po_buf_text(&to), to.size, false,
                         &failure);
    po_buf_deinit(&from);
    po_buf_deinit(&to);
    return failure.os_code == EXDEV;
}

static enum po_status
make_stage(struct po_restore *r, struct po_restore_tree *tree, struct po_err *err)
{
    enum po_status st = po_restore_make_stage(r, tree->base, err);

    if (st != PO_OK || !tree->exists || tree->rel_size == 0 || !is_apart(tree))
        return st;
    st = po_restore_move_inside(r, tree, err);
    if (st == PO_OK)
        st = po_restore_make_stage(r, tree->base, err);
    return st;
}

/* ---- files ---- */

/* In the stage, an entry has its path in the archive. */
static bool
place_in_stage(void *ctx, uint32_t number, struct po_dir **dir, const char **path,
               size_t *path_size)
{
    const struct po_restore *r = ctx;
    size_t size;
    const char *found = po_index_path(r->reader->index, number, &size);

    for (size_t i = 0; i < r->tree_count; i++) {
        const struct po_restore_tree *tree = &r->trees[i];

        if (size < tree->member_size || memcmp(found, tree->member, tree->member_size) != 0 ||
            (size > tree->member_size && found[tree->member_size] != '/'))
            continue;
        *dir = tree->base->stage_dir;
        *path = found;
        *path_size = size;
        return true;
    }
    return false;
}

/* What extraction told becomes the restore's; the events were sent. */
static enum po_status
take_problems(struct po_restore *r, const struct po_extract_result *extracted, struct po_err *err)
{
    enum po_status st = PO_OK;

    for (size_t i = 0; i < extracted->problems.count && st == PO_OK; i++) {
        const struct po_problem *problem = &extracted->problems.items[i];

        st = po_problems_add(&r->result->problems, problem->path, problem->path_size,
                             problem->reason, err);
    }
    return st;
}

/* What has been verified is not verified again. */
static enum po_extract_checks
checks(const struct po_restore *r)
{
    if (r->audits)
        return PO_EXTRACT_AUDITED;
    if (r->options->has_parents || r->options->checks_digests)
        return PO_EXTRACT_DEEP;
    return r->options->is_verified || r->is_verified ? PO_EXTRACT_FAST : PO_EXTRACT_DEEP;
}

static enum po_status
stage_trees(struct po_restore *r, struct po_err *err)
{
    struct po_target_options options = { .place = place_in_stage,
                                         .place_ctx = r,
                                         .sets_owner = r->sets_owner,
                                         .windows_names = po_restore_has_windows_names(r),
                                         .node = r->host->ops->rights == NULL
                                                     ? NULL
                                                     : po_restore_rights_node,
                                         .node_ctx = r };
    struct po_extract_result extracted = { 0 };
    enum po_status st = po_extract_run(r->reader, r->wanted, &options, checks(r),
                                       r->options->threads, r->watch, &extracted, err);

    if (st == PO_OK)
        st = take_problems(r, &extracted, err);
    /* Not a byte of a damaged archive, whatever the damage hits. req: R1 */
    if (st == PO_OK && extracted.damage.status == PO_OK && extracted.unread.status != PO_OK)
        st = po_fail(err, PO_E_IO, "%s; nothing was changed", extracted.unread.text);
    if (st == PO_OK && extracted.damage.status != PO_OK) {
        *err = extracted.damage;
        (void)po_fail(err, PO_E_FORMAT, "%s; nothing was changed", extracted.damage.text);
        st = PO_E_FORMAT;
    }
    /* All or nothing: half a mailbox in place of a whole one is no restore. */
    if (st == PO_OK && extracted.failed > 0)
        st = po_fail(err, extracted.is_damaged ? PO_E_FORMAT : PO_E_IO,
                     "%llu entries could not be staged, the first: %s; nothing was changed",
                     (unsigned long long)extracted.failed,
                     extracted.problems.count > 0 ? extracted.problems.items[0].reason : "");
    po_extract_result_deinit(&extracted);
    return st;
}

/* Once a volume; an fsync for each file would take many times as long. */
static enum po_status
sync_stages(const struct po_restore *r, struct po_err *err)
{
    enum po_status st = PO_OK;

    for (size_t i = 0; i < r->base_count && st == PO_OK; i++) {
        bool is_done = r->bases[i].stage_dir == NULL;

        for (size_t j = 0; j < i; j++)
            is_done = is_done || (r->bases[j].stage_dir != NULL &&
                                  po_dir_device(r->bases[j].dir) == po_dir_device(r->bases[i].dir));
        if (!is_done)
            st = po_dir_sync_volume(r->bases[i].dir, err);
    }
    return st;
}

enum po_status
po_restore_stage(struct po_restore *r, struct po_err *err)
{
    enum po_status st = PO_OK;

    po_watch_phase(r->watch, "staging files");
    for (size_t i = 0; i < r->tree_count && st == PO_OK; i++)
        st = make_stage(r, &r->trees[i], err);
    for (size_t i = 0; i < r->base_count && st == PO_OK; i++) {
        struct po_restore_base *base = &r->bases[i];

        if (base->has_stage)
            st = po_dir_open_below(&base->stage_dir, base->dir, base->stage, strlen(base->stage),
                                   err);
    }
    if (st == PO_OK && r->tree_count > 0)
        st = stage_trees(r, err);
    if (st == PO_OK && r->tree_count > 0)
        st = po_restore_put_streams(r, err);
    if (st == PO_OK && r->held_count > 0)
        st = po_restore_queue_hold(r, err);
    if (st != PO_OK)
        return st;
    po_watch_phase(r->watch, "writing to disk");
    return sync_stages(r, err);
}

/* The time that the set gives to a tree's own directory; false: none. */
static bool
find_time(const struct po_restore *r, const struct po_restore_tree *tree, int64_t *time)
{
    uint32_t entry;

    for (size_t i = 0; r->reader == NULL && i < r->log.count; i++) {
        const struct po_restore_step *step = &r->log.steps[i];

        if (step->kind != PO_RESTORE_ENTERED || &r->trees[step->tree] != tree ||
            step->path_size > 0)
            continue;
        *time = r->log.infos[step->info].new_time;
        return r->log.infos[step->info].has_facts;
    }
    entry = r->reader == NULL ? PO_NONE
                              : po_index_find(r->reader->index, tree->member, tree->member_size);
    if (entry == PO_NONE || r->wanted[entry] == 0)
        return false;
    *time = po_index_write_time(r->reader->index, entry);
    return true;
}

/* The directory that the stage was in looks as if it had not been; or, a tree's own, as it must. */
static void
reset_time(struct po_restore *r, const struct po_restore_base *base, bool is_done)
{
    int64_t write_time = base->write_time;
    struct po_err ignored;

    for (size_t i = 0; i < r->tree_count && is_done; i++)
        if (r->trees[i].base == base && r->trees[i].rel_size == 0)
            (void)find_time(r, &r->trees[i], &write_time);
    if (!is_done || write_time != base->write_time)
        (void)!po_dir_set_write_time(base->dir, "", 0, write_time, &ignored);
}

void
po_restore_unstage(struct po_restore *r, bool is_done)
{
    for (size_t i = 0; i < r->base_count; i++) {
        struct po_restore_base *base = &r->bases[i];
        struct po_err failure;

        if (!base->has_stage)
            continue;
        po_dir_free(base->stage_dir);
        base->stage_dir = NULL;
        if (po_dir_remove_all(base->dir, base->stage, strlen(base->stage), &failure) != PO_OK) {
            (void)po_err_prefix(&failure, "%s stays in %s", base->stage, base->os_path);
            po_watch_warning(r->watch, failure.text);
            continue;
        }
        base->has_stage = false;
        reset_time(r, base, is_done);
    }
}

const struct po_restore_base *
po_restore_left_over(const struct po_restore *r)
{
    for (size_t i = 0; i < r->base_count; i++)
        if (r->bases[i].has_stage || r->bases[i].has_aside)
            return &r->bases[i];
    return NULL;
}
