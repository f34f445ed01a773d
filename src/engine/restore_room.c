/*
 * A restore where old and new files do not fit at once, which --no-safety-copy allows: what is
 * replaced goes first, with the services stopped, and then the new files are written. Until they are
 * in place the site has neither, and nothing brings the old ones back; a journal of this phase says
 * so, and the restore is to be run again.
 */
#include "engine/restore_journal.h"
#include "engine/watch.h"

#include <string.h>

static enum po_status
remove_old(const struct po_restore *r, const struct po_restore_step *step, struct po_buf *live,
           struct po_err *err)
{
    const struct po_restore_tree *tree = &r->trees[step->tree];
    enum po_status st;

    po_restore_live_path(tree, po_restore_step_path(r, step), step->path_size, live);
    st = po_buf_check(live, err);
    if (st != PO_OK)
        return st;
    st = step->is_directory ? po_dir_remove_all(tree->base->dir, po_buf_text(live), live->size, err)
                            : po_dir_remove(tree->base->dir, po_buf_text(live), live->size, err);
    return st == PO_OK ? st : po_err_prefix(err, "%s at %s", po_part_name(tree->part), tree->path);
}

enum po_status
po_restore_make_room(struct po_restore *r, struct po_err *err)
{
    struct po_buf live = { 0 };
    enum po_status st = po_restore_journal_phase(r, PO_RESTORE_MAKING_ROOM, err);

    if (st != PO_OK)
        return st;
    r->has_made_room = true;
    po_watch_phase(r->watch, "removing what is replaced");
    for (size_t i = 0; i < r->log.count && st == PO_OK; i++)
        if (r->log.steps[i].kind == PO_RESTORE_ASIDE)
            st = remove_old(r, &r->log.steps[i], &live, err);
    po_buf_deinit(&live);
    return st == PO_OK ? po_restore_stage(r, err) : st;
}

void
po_restore_tell_no_way_back(struct po_restore *r, struct po_err *err)
{
    r->result->is_changed = true;
    (void)po_fail(err, err->status,
                  "%s; the old files were removed to make room, and not all new ones are in place: "
                  "run the restore again",
                  err->text);
}
