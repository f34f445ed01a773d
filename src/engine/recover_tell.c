/* What there is to be told of restores, and what is to be forgotten of them. */
#include "base/mem.h"
#include "engine/recover.h"
#include "engine/recover_find.h"

#include <string.h>

static const struct po_restore_options no_options = { .threads = 1 };

/* ---- telling ---- */

void
po_recovery_deinit(struct po_recovery *recovery)
{
    po_mem_free(recovery->archive);
    po_mem_free(recovery->folder);
    po_buf_deinit(&recovery->kept);
    po_buf_deinit(&recovery->services);
    *recovery = (struct po_recovery){ 0 };
}

static enum po_status
describe(struct po_recovery *out, const struct po_restore *r, const char *name, struct po_err *err)
{
    enum po_restore_phase phase = r->pending.phase;

    out->state = phase == PO_RESTORE_DONE          ? PO_RECOVERY_DONE
                 : phase == PO_RESTORE_UNDONE      ? PO_RECOVERY_TAKEN_BACK
                 : phase == PO_RESTORE_MAKING_ROOM ? PO_RECOVERY_INCOMPLETE
                 : phase < PO_RESTORE_RENAMING || phase == PO_RESTORE_CLEARED
                     ? PO_RECOVERY_UNCHANGED
                     : PO_RECOVERY_INTERRUPTED;
    out->was_undoing = phase == PO_RESTORE_UNDOING;
    out->time = r->time;
    out->archive = po_mem_strdup(r->pending.archive == NULL ? "" : r->pending.archive);
    out->folder = po_mem_strdup(name);
    for (size_t i = 0; i < r->base_count; i++) {
        const struct po_restore_base *base = &r->bases[i];
        bool is_back = out->state == PO_RECOVERY_TAKEN_BACK;
        const char *folder = is_back ? base->stage : base->aside;
        char *path = (is_back ? base->has_stage : base->has_aside)
                         ? po_os_path_join(base->os_path, folder)
                         : NULL;

        if (path != NULL)
            po_buf_put(&out->kept, path, strlen(path) + 1);
        po_mem_free(path);
    }
    po_buf_put(&out->services, r->pending.services.bytes, r->pending.services.size);
    if (out->archive == NULL || out->folder == NULL || out->kept.failed || out->services.failed)
        return po_fail_nomem(err, 0);
    return PO_OK;
}

enum po_status
po_recovery_find(struct po_recovery *out, const char *journal_dir, struct po_err *err)
{
    struct po_restore_result result = { 0 };
    struct po_recover_finder finder = { 0 };
    struct po_restore r;
    enum po_status st = po_recover_find_journal(&finder, journal_dir, err);
    const char *name = po_recover_found_name(&finder);

    *out = (struct po_recovery){ 0 };
    if (st != PO_OK || name == NULL) {
        po_dir_free(finder.site);
        return st;
    }
    po_restore_init(&r, NULL, NULL, &no_options, NULL, &result);
    st = po_recover_load(&r, finder.site, name, err);
    if (st == PO_OK)
        st = describe(out, &r, name, err);
    if (st != PO_OK)
        po_recovery_deinit(out);
    po_restore_deinit(&r);
    po_dir_free(finder.site);
    return st == PO_OK ? st : po_err_prefix(err, "%s/%s", journal_dir, name);
}

/* ---- forgetting ---- */

enum po_status
po_recover_forget(const char *journal_dir, struct po_err *err)
{
    const struct po_restore_options options = { .threads = 1, .journal_dir = journal_dir };
    struct po_restore_result unused = { 0 };
    struct po_recover_finder finder = { 0 };
    struct po_restore r;
    enum po_status st = po_recover_find_journal(&finder, journal_dir, err);

    if (st == PO_OK && finder.unfinished[0] != '\0')
        st = po_fail(err, PO_E_USAGE,
                     "a restore was interrupted: finish it (resume) or take it back (undo) first");
    if (st == PO_OK && finder.done[0] == '\0')
        st = po_fail(err, PO_E_USAGE, "there is nothing to forget");
    if (st != PO_OK) {
        po_dir_free(finder.site);
        return st;
    }
    po_restore_init(&r, NULL, NULL, &options, NULL, &unused);
    st = po_recover_load(&r, finder.site, finder.done, err);
    for (size_t i = 0; i < r.base_count && st == PO_OK; i++) {
        const struct po_restore_base *base = &r.bases[i];

        if (base->has_aside)
            st = po_dir_remove_all(base->dir, base->aside, strlen(base->aside), err);
        if (st == PO_OK && base->has_stage)
            st = po_dir_remove_all(base->dir, base->stage, strlen(base->stage), err);
    }
    if (st == PO_OK)
        (void)po_restore_journal_drop(&r);
    po_restore_deinit(&r);
    po_dir_free(finder.site);
    return st;
}

enum po_status
po_recover_clear_room(const char *journal_dir, struct po_err *err)
{
    const struct po_restore_options options = { .threads = 1, .journal_dir = journal_dir };
    struct po_restore_result unused = { 0 };
    struct po_recover_finder finder = { 0 };
    struct po_restore r;
    enum po_status st = po_recover_find_journal(&finder, journal_dir, err);

    if (st == PO_OK && finder.unfinished[0] != '\0') {
        po_restore_init(&r, NULL, NULL, &options, NULL, &unused);
        st = po_recover_load(&r, finder.site, finder.unfinished, err);
        for (size_t i = 0; i < r.base_count && st == PO_OK; i++)
            if (r.pending.phase == PO_RESTORE_MAKING_ROOM && r.bases[i].has_stage)
                st = po_dir_remove_all(r.bases[i].dir, r.bases[i].stage, strlen(r.bases[i].stage),
                                       err);
        po_restore_deinit(&r);
    }
    po_dir_free(finder.site);
    return st;
}

struct dropper {
    struct po_dir *site;
    const char *keep;
    struct po_buf names;
};

static enum po_status
note_other(void *ctx, const char *name, size_t name_size, const struct po_node_info *info,
           const struct po_err *failure, struct po_err *err)
{
    struct dropper *dropper = ctx;
    enum po_restore_phase phase;

    (void)failure;
    if (info->type != PO_NODE_DIRECTORY || strcmp(name, dropper->keep) == 0 ||
        po_recover_phase_of(dropper->site, name, &phase, err) != PO_OK ||
        !(po_recover_is_done(phase) || phase == PO_RESTORE_MAKING_ROOM))
        return PO_OK;
    po_buf_put(&dropper->names, name, name_size);
    po_buf_put_u8(&dropper->names, '\0');
    return po_buf_check(&dropper->names, err);
}

enum po_status
po_recover_drop_others(const char *journal_dir, const char *name, struct po_err *err)
{
    struct dropper dropper = { .keep = name };
    enum po_status st = po_dir_open(&dropper.site, journal_dir, err);

    if (st == PO_OK)
        st = po_dir_list(dropper.site, "", 0, note_other, &dropper, err);
    for (size_t at = 0; st == PO_OK && at < dropper.names.size;) {
        const char *other = (const char *)dropper.names.bytes + at;

        st = po_dir_remove_all(dropper.site, other, strlen(other), err);
        at += strlen(other) + 1;
    }
    po_dir_free(dropper.site);
    po_buf_deinit(&dropper.names);
    return st;
}
