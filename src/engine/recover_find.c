#include "engine/recover_find.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool
po_recover_is_done(enum po_restore_phase phase)
{
    return phase == PO_RESTORE_DONE || phase == PO_RESTORE_UNDONE;
}

static enum po_status
note_phase(void *ctx, uint8_t kind, struct po_cursor *record, struct po_err *err)
{
    enum po_restore_phase *phase = ctx;

    (void)err;
    if (kind == PO_RESTORE_RECORD_PHASE)
        *phase = (enum po_restore_phase)po_cursor_u8(record);
    return PO_OK;
}

enum po_status
po_recover_phase_of(struct po_dir *site, const char *name, enum po_restore_phase *phase,
                    struct po_err *err)
{
    struct po_dir *dir = NULL;
    enum po_status st = po_dir_open_below(&dir, site, name, strlen(name), err);

    *phase = PO_RESTORE_STAGING;
    if (st == PO_OK)
        st = po_journal_read(dir, PO_RESTORE_JOURNAL, note_phase, phase, err);
    po_dir_free(dir);
    /* Made, and then the crash came: nothing was done yet. */
    return st == PO_E_IO && err->os_code == ENOENT ? PO_OK : st;
}

static enum po_status
look_at(void *ctx, const char *name, size_t name_size, const struct po_node_info *info,
        const struct po_err *failure, struct po_err *err)
{
    struct po_recover_finder *finder = ctx;
    enum po_restore_phase phase;
    char *best;
    enum po_status st;

    (void)failure;
    if (info->type != PO_NODE_DIRECTORY || name_size >= sizeof finder->done)
        return PO_OK;
    st = po_recover_phase_of(finder->site, name, &phase, err);
    if (st != PO_OK)
        return po_err_prefix(err, "%s", name);
    best = po_recover_is_done(phase) ? finder->done : finder->unfinished;
    if (strcmp(name, best) > 0)
        (void)snprintf(best, sizeof finder->done, "%s", name);
    return PO_OK;
}

enum po_status
po_recover_find_journal(struct po_recover_finder *finder, const char *journal_dir,
                        struct po_err *err)
{
    enum po_status st = po_dir_open(&finder->site, journal_dir, err);

    if (st == PO_E_IO && (err->os_code == ENOENT || err->os_code == ENOTDIR))
        return PO_OK;
    if (st == PO_OK)
        st = po_dir_list(finder->site, "", 0, look_at, finder, err);
    if (st != PO_OK) {
        po_dir_free(finder->site);
        finder->site = NULL;
    }
    return st == PO_OK ? st : po_err_prefix(err, "%s", journal_dir);
}

const char *
po_recover_found_name(const struct po_recover_finder *finder)
{
    return finder->unfinished[0] != '\0' ? finder->unfinished
           : finder->done[0] != '\0'     ? finder->done
                                         : NULL;
}

/* ---- a restore from its journal ---- */

enum po_status
po_recover_look_at_folders(struct po_restore *r, struct po_err *err)
{
    struct po_node_info info;
    enum po_status st = PO_OK;

    for (size_t i = 0; i < r->base_count && st == PO_OK; i++) {
        struct po_restore_base *base = &r->bases[i];

        if (base->dir == NULL)
            continue;
        st = po_dir_stat(base->dir, base->stage, strlen(base->stage), &info, &base->has_stage, err);
        if (st == PO_OK)
            st = po_dir_stat(base->dir, base->aside, strlen(base->aside), &info, &base->has_aside,
                             err);
    }
    return st;
}

enum po_status
po_recover_load(struct po_restore *r, struct po_dir *site, const char *name, struct po_err *err)
{
    enum po_status st = po_dir_open_below(&r->journal_dir, site, name, strlen(name), err);

    (void)snprintf(r->journal_name, sizeof r->journal_name, "%s", name);
    if (st == PO_OK)
        st = po_restore_journal_load(r, r->journal_dir, err);
    /* Made, and then the crash came: without a folder of ours in the site nothing was done. */
    if (((st == PO_E_IO && err->os_code == ENOENT) || st == PO_E_FORMAT) && r->base_count == 0) {
        r->pending.phase = PO_RESTORE_STAGING;
        st = PO_OK;
    }
    return st == PO_OK ? po_recover_look_at_folders(r, err) : st;
}
