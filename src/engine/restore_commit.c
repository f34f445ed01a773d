/*
 * The outage: renames alone. The log has every step before the first is done (restore_merge.c); each
 * rename is from handle to handle, by one component.
 */
#include "engine/restore_journal.h"
#include "engine/watch.h"

#include <string.h>

#define DIRECTORY_MODE 0755u

/* The directory whose children are moved: that of the last step that entered one. */
struct commit {
    struct po_restore *r;
    const struct po_restore_tree *tree;
    const char *sub; /* its path below the tree */
    size_t sub_size;
    struct po_dir *live;
    struct po_dir *stage; /* NULL until needed, as is aside */
    struct po_dir *aside;
    struct po_buf path;
};

static void
leave_directory(struct commit *c)
{
    po_dir_free(c->live);
    po_dir_free(c->stage);
    po_dir_free(c->aside);
    c->live = NULL;
    c->stage = NULL;
    c->aside = NULL;
}

static enum po_status
open_below(struct po_dir **out, const struct commit *c, struct po_buf *path, struct po_err *err)
{
    enum po_status st = po_buf_check(path, err);

    if (st == PO_OK)
        st = po_dir_open_below(out, c->tree->base->dir, po_buf_text(path), path->size, err);
    return st;
}

static enum po_status
enter_directory(struct commit *c, const struct po_restore_step *step, struct po_err *err)
{
    leave_directory(c);
    c->tree = &c->r->trees[step->tree];
    c->sub = po_restore_step_path(c->r, step);
    c->sub_size = step->path_size;
    po_restore_live_path(c->tree, c->sub, c->sub_size, &c->path);
    return open_below(&c->live, c, &c->path, err);
}

static enum po_status
open_stage(struct commit *c, struct po_err *err)
{
    if (c->stage != NULL)
        return PO_OK;
    po_restore_stage_path(c->tree, c->sub, c->sub_size, &c->path);
    return open_below(&c->stage, c, &c->path, err);
}

/* The set-aside directory that mirrors the live one. */
static enum po_status
open_aside(struct commit *c, struct po_err *err)
{
    struct po_restore_base *base = c->tree->base;
    enum po_status st = PO_OK;

    if (c->aside != NULL)
        return PO_OK;
    st = po_restore_make_aside(c->r, base, err);
    if (st != PO_OK)
        return st;
    po_restore_aside_path(c->tree, c->sub, c->sub_size, &c->path);
    st = po_buf_check(&c->path, err);
    if (st == PO_OK)
        st = po_dir_make_all(base->dir, po_buf_text(&c->path), c->path.size, err);
    return st == PO_OK ? open_below(&c->aside, c, &c->path, err) : st;
}

/* ---- steps ---- */

static enum po_status
put_aside(struct commit *c, const char *name, size_t size, struct po_err *err)
{
    enum po_status st = open_aside(c, err);

    if (st != PO_OK)
        return st;
    c->r->trees[c->tree - c->r->trees].has_aside = true;
    return po_dir_rename(c->live, name, size, c->aside, name, size, false, err);
}

static enum po_status
put_new(struct commit *c, const char *name, size_t size, struct po_err *err)
{
    enum po_status st = open_stage(c, err);

    return st == PO_OK ? po_dir_rename(c->stage, name, size, c->live, name, size, false, err) : st;
}

/* A tree that was not there. */
static enum po_status
put_tree(struct commit *c, const struct po_restore_tree *tree, struct po_err *err)
{
    struct po_dir *dir = tree->base->dir;
    enum po_status st;

    po_restore_stage_path(tree, "", 0, &c->path);
    st = po_buf_check(&c->path, err);
    if (st == PO_OK)
        st = po_dir_rename(dir, po_buf_text(&c->path), c->path.size, dir, tree->rel, tree->rel_size,
                           false, err);
    return st;
}

static enum po_status
do_step(struct commit *c, const struct po_restore_step *step, struct po_err *err)
{
    const struct po_restore_tree *tree = &c->r->trees[step->tree];
    const char *path = po_restore_step_path(c->r, step);
    size_t above;

    switch (step->kind) {
    case PO_RESTORE_MADE:
        return po_dir_make(tree->base->dir, path, step->path_size, DIRECTORY_MODE, err);
    case PO_RESTORE_ENTERED:
        return enter_directory(c, step, err);
    default:
        break;
    }
    if (step->path_size == 0)
        return put_tree(c, tree, err);
    above = c->sub_size + (c->sub_size > 0);
    return step->kind == PO_RESTORE_ASIDE ? put_aside(c, path + above, step->path_size - above, err)
                                          : put_new(c, path + above, step->path_size - above, err);
}

static enum po_status
do_steps(struct po_restore *r, struct po_err *err)
{
    struct commit c = { .r = r, .tree = r->trees };
    enum po_status st = PO_OK;

    while (st == PO_OK && r->log.done < r->log.count) {
        const struct po_restore_step *step = &r->log.steps[r->log.done];
        const struct po_restore_tree *tree = &r->trees[step->tree];

        /* Once the old files are gone, there is only one way. */
        if (step->kind == PO_RESTORE_ENTERED && !r->has_made_room)
            st = po_watch_check(r->watch, err);
        if (st == PO_OK && !(step->kind == PO_RESTORE_ASIDE && r->has_made_room))
            st = do_step(&c, step, err);
        if (st == PO_OK)
            r->log.done++;
        else
            (void)po_err_prefix(err, "%s at %s", po_part_name(tree->part), tree->path);
    }
    leave_directory(&c);
    po_buf_deinit(&c.path);
    return st;
}

/* What is done before the first file is renamed. */
static enum po_status
prepare(struct po_restore *r, struct po_err *err)
{
    enum po_status st = po_restore_note_registry(r, err);

    if (st == PO_OK)
        st = po_restore_merge(r, err);
    if (st == PO_OK && r->result->makes_room)
        return po_restore_make_room(r, err);
    if (st == PO_OK)
        st = po_restore_journal_steps(r, err);
    return st == PO_OK ? po_restore_journal_phase(r, PO_RESTORE_RENAMING, err) : st;
}

enum po_status
po_restore_commit(struct po_restore *r, struct po_err *err)
{
    enum po_status st;

    po_watch_phase(r->watch, "putting files into place");
    st = prepare(r, err);
    if (st == PO_OK)
        st = do_steps(r, err);
    if (st == PO_OK)
        st = po_restore_directory_facts(r, err);
    if (st == PO_OK)
        st = po_restore_rights_save(r, err);
    /* Last, as it is the one step that is not a rename: whole or not done at all. */
    if (st == PO_OK && r->registry_entry != PO_NONE)
        st = po_restore_import(r, err);
    if (st != PO_OK && r->has_made_room)
        po_restore_tell_no_way_back(r, err);
    else if (st != PO_OK)
        po_restore_take_back(r, err);
    return st;
}
