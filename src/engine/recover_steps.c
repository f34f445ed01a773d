#include "engine/recover_steps.h"

#include "base/mem.h"
#include "engine/watch.h"

#include <string.h>

#define DIRECTORY_MODE 0755u

/* The places of one step, below the base; their buffers are used again and again. */
struct places {
    struct po_dir *dir;
    struct po_buf live;
    struct po_buf stage;
    struct po_buf aside;
    bool is_live;
    bool is_staged;
    bool is_aside;
};

static void
deinit_places(struct places *places)
{
    po_buf_deinit(&places->live);
    po_buf_deinit(&places->stage);
    po_buf_deinit(&places->aside);
}

static enum po_status
exists_at(struct po_dir *dir, struct po_buf *path, bool *exists, struct po_err *err)
{
    struct po_node_info info;
    enum po_status st = po_buf_check(path, err);

    *exists = false;
    return st == PO_OK ? po_dir_stat(dir, po_buf_text(path), path->size, &info, exists, err) : st;
}

static enum po_status
look(struct places *places, struct po_restore *r, const struct po_restore_step *step,
     struct po_err *err)
{
    const struct po_restore_tree *tree = &r->trees[step->tree];
    const char *path = po_restore_step_path(r, step);
    enum po_status st;

    places->dir = tree->base->dir;
    po_restore_live_path(tree, path, step->path_size, &places->live);
    po_restore_stage_path(tree, path, step->path_size, &places->stage);
    po_restore_aside_path(tree, path, step->path_size, &places->aside);
    st = exists_at(places->dir, &places->live, &places->is_live, err);
    if (st == PO_OK)
        st = exists_at(places->dir, &places->stage, &places->is_staged, err);
    if (st == PO_OK)
        st = exists_at(places->dir, &places->aside, &places->is_aside, err);
    return st;
}

/* With the directories above. */
static enum po_status
move(struct po_dir *dir, struct po_buf *from, struct po_buf *to, struct po_err *err)
{
    const char *path = po_buf_text(to);
    size_t dir_size;
    size_t name_start;
    enum po_status st = PO_OK;

    po_path_split(path, to->size, &dir_size, &name_start);
    if (dir_size > 0)
        st = po_dir_make_all(dir, path, dir_size, err);
    if (st == PO_OK)
        st = po_dir_rename(dir, po_buf_text(from), from->size, dir, po_buf_text(to), to->size,
                           false, err);
    return st;
}

/* ---- backwards ---- */

static enum po_status
new_back(struct places *places, struct po_recover_result *result, struct po_err *err)
{
    /* In the stage: it never left. In neither: somebody has removed it since. */
    if (places->is_staged || !places->is_live)
        return PO_OK;
    result->steps++;
    result->came_back++;
    return move(places->dir, &places->live, &places->stage, err);
}

static enum po_status
aside_back(struct places *places, struct po_recover_result *result, struct po_err *err)
{
    enum po_status st = PO_OK;

    if (!places->is_aside)
        return places->is_live ? PO_OK : po_fail(err, PO_E_IO, "it is neither here nor set aside");
    /* Something of the name has come since. */
    if (places->is_live) {
        st = move(places->dir, &places->live, &places->stage, err);
        result->came_back++;
    }
    if (st == PO_OK)
        st = move(places->dir, &places->aside, &places->live, err);
    result->steps++;
    return st;
}

static enum po_status
made_back(struct po_restore *r, const struct po_restore_step *step, struct po_err *err)
{
    struct po_dir *dir = r->trees[step->tree].base->dir;
    const char *path = po_restore_step_path(r, step);
    struct po_node_info info;
    struct po_err ignored;
    bool exists = false;
    enum po_status st = po_dir_stat(dir, path, step->path_size, &info, &exists, err);

    /* One in which something has come since stays. */
    if (st == PO_OK && exists)
        (void)!po_dir_remove(dir, path, step->path_size, &ignored);
    return st;
}

static enum po_status
step_back(struct po_restore *r, struct places *places, const struct po_restore_step *step,
          struct po_recover_result *result, struct po_err *err)
{
    enum po_status st;

    if (step->kind == PO_RESTORE_MADE)
        return made_back(r, step, err);
    if (step->kind == PO_RESTORE_ENTERED)
        return po_restore_reset_directory(r, step, err);
    st = look(places, r, step, err);
    if (st != PO_OK)
        return st;
    return step->kind == PO_RESTORE_NEW ? new_back(places, result, err)
                                        : aside_back(places, result, err);
}

enum po_status
po_recover_steps_back(struct po_restore *r, struct po_recover_result *result, struct po_err *err)
{
    struct places places = { 0 };
    enum po_status st = PO_OK;

    po_watch_phase(r->watch, "taking back what was restored");
    for (size_t i = r->log.count; i-- > 0 && st == PO_OK;) {
        const struct po_restore_step *step = &r->log.steps[i];
        struct po_err failure;

        if (step_back(r, &places, step, result, &failure) != PO_OK)
            st = po_problems_add(&result->problems, po_restore_step_path(r, step), step->path_size,
                                 failure.text, err);
    }
    deinit_places(&places);
    return st;
}

/* ---- forwards ---- */

static enum po_status
made_forward(struct po_restore *r, const struct po_restore_step *step, struct po_err *err)
{
    return po_dir_make_all(r->trees[step->tree].base->dir, po_restore_step_path(r, step),
                           step->path_size, err);
}

/* Not done, unless it is aside, or the new one has its place already. */
static enum po_status
aside_forward(struct places *places, const struct po_restore_step *step,
              struct po_recover_result *result, struct po_err *err)
{
    if (places->is_aside || !places->is_live || (!places->is_staged && !step->is_removed))
        return PO_OK;
    result->steps++;
    return move(places->dir, &places->live, &places->aside, err);
}

static enum po_status
new_forward(struct places *places, struct po_recover_result *result, struct po_err *err)
{
    enum po_status st = PO_OK;

    if (!places->is_staged)
        return PO_OK;
    /* Something of the name has come since the crash: kept, too. */
    if (places->is_live)
        st = move(places->dir, &places->live, &places->aside, err);
    if (st == PO_OK)
        st = move(places->dir, &places->stage, &places->live, err);
    result->steps++;
    return st;
}

/* As the staged directory has it: that one has all that the archive says. */
static enum po_status
facts_forward(struct po_restore *r, struct places *places, const struct po_restore_step *step,
              struct po_err *err)
{
    const struct po_restore_former *former = &r->log.infos[step->info];
    const struct po_host_rights_ops *rights = r->host->ops->rights;
    struct po_node_info info;
    struct po_buf bytes = { 0 };
    bool exists = false;
    enum po_status st = look(places, r, step, err);
    const char *live = po_buf_text(&places->live);
    const char *stage = po_buf_text(&places->stage);

    if (st != PO_OK || !former->has_facts || !places->is_live)
        return st;
    st = po_dir_stat(places->dir, stage, places->stage.size, &info, &exists, err);
    if (st == PO_OK && exists && info.has_owner) {
        if (r->sets_owner)
            st = po_dir_set_owner(places->dir, live, places->live.size, info.uid, info.gid, err);
        if (st == PO_OK)
            st = po_dir_set_mode(places->dir, live, places->live.size, info.mode, err);
    }
    if (st == PO_OK && former->new_time != POBACKUP_TIME_UNKNOWN)
        st = po_dir_set_write_time(places->dir, live, places->live.size, former->new_time, err);
    if (st == PO_OK && exists && former->security_size > 0 && rights != NULL)
        st = po_dir_put_security(places->dir, stage, places->stage.size, &bytes, err);
    if (st == PO_OK && bytes.size > 0)
        st = rights->set_former(r->host, bytes.bytes, bytes.size, places->dir, live,
                                places->live.size, err);
    po_buf_deinit(&bytes);
    return st;
}

static enum po_status
step_forward(struct po_restore *r, struct places *places, const struct po_restore_step *step,
             struct po_recover_result *result, struct po_err *err)
{
    enum po_status st;

    if (step->kind == PO_RESTORE_MADE)
        return made_forward(r, step, err);
    if (step->kind == PO_RESTORE_ENTERED)
        return PO_OK;
    st = look(places, r, step, err);
    if (st != PO_OK)
        return st;
    return step->kind == PO_RESTORE_NEW ? new_forward(places, result, err)
                                        : aside_forward(places, step, result, err);
}

enum po_status
po_recover_steps_forward(struct po_restore *r, struct po_recover_result *result, struct po_err *err)
{
    struct places places = { 0 };
    enum po_status st = PO_OK;

    po_watch_phase(r->watch, "finishing what was interrupted");
    for (size_t i = 0; i < r->log.count && st == PO_OK; i++) {
        st = step_forward(r, &places, &r->log.steps[i], result, err);
        if (st != PO_OK)
            (void)po_err_prefix(err, "%s", po_buf_text(&places.live));
    }
    /* Backwards: what lies deeper was entered later. */
    for (size_t i = r->log.count; i-- > 0 && st == PO_OK;)
        if (r->log.steps[i].kind == PO_RESTORE_ENTERED)
            st = facts_forward(r, &places, &r->log.steps[i], err);
    deinit_places(&places);
    return st;
}
