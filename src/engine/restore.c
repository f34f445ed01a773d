#include "engine/restore.h"

#include "base/mem.h"
#include "engine/recover.h"
#include "engine/restore_journal.h"
#include "engine/services.h"
#include "engine/verify.h"
#include "engine/watch.h"
#include "port/sys.h"

#include <stdio.h>
#include <string.h>

void
po_restore_init(struct po_restore *r, const struct po_reader *reader, struct po_host *host,
                const struct po_restore_options *options, const struct po_watch *watch,
                struct po_restore_result *result)
{
    *result = (struct po_restore_result){ .outage_seconds = -1 };
    *r = (struct po_restore){ .reader = reader,
                              .host = host,
                              .options = options,
                              .watch = watch,
                              .plan_watch = options->is_planned ? NULL : watch,
                              .result = result,
                              .time = po_sys_now(),
                              .sets_owner = po_sys_is_admin() };
}

bool
po_restore_has_windows_names(const struct po_restore *r)
{
    return po_sys_has_windows_names() || strcmp(r->host->ops->kind, "windows") == 0;
}

void
po_restore_deinit(struct po_restore *r)
{
    for (size_t i = 0; i < PO_RESTORE_TREES; i++) {
        po_mem_free(r->trees[i].path);
        po_mem_free(r->trees[i].rel);
    }
    for (size_t i = 0; i < r->base_count; i++) {
        po_dir_free(r->bases[i].stage_dir);
        po_dir_free(r->bases[i].dir);
        po_mem_free(r->bases[i].os_path);
    }
    po_omissions_deinit(&r->omissions);
    po_buf_deinit(&r->registry);
    po_buf_deinit(&r->former);
    po_origin_deinit(&r->origin);
    po_buf_deinit(&r->log.securities);
    po_buf_deinit(&r->log.live);
    po_buf_deinit(&r->log.other);
    po_buf_deinit(&r->log.paths);
    po_journal_free(r->journal);
    po_dir_free(r->journal_dir);
    po_mem_free(r->pending.archive);
    po_buf_deinit(&r->pending.services);
    po_mem_free(r->log.steps);
    po_mem_free(r->log.infos);
    po_mem_free(r->order);
    po_mem_free(r->wanted);
}

enum po_status
po_restore_plan(const struct po_reader *reader, struct po_host *host,
                const struct po_restore_options *options, const struct po_watch *watch,
                struct po_restore_result *result, struct po_err *err)
{
    struct po_restore r;
    double started = po_sys_monotonic();
    enum po_status st;

    po_restore_init(&r, reader, host, options, watch, result);
    st = po_restore_prepare(&r, err);
    po_restore_deinit(&r);
    result->seconds = po_sys_monotonic() - started;
    return st;
}

/* ---- the outage ---- */

/* Whatever happened. req: B7 */
static void
bring_back(struct po_restore *r, struct po_services *services)
{
    struct po_err failure;

    if (po_services_restore(services, r->watch, &failure) == PO_OK)
        return;
    r->result->are_services_lost = true;
    (void)snprintf(r->result->services_text, sizeof r->result->services_text, "%s", failure.text);
    po_watch_warning(r->watch, failure.text);
}

/* From here on the restore stands, whether this can be noted or not. */
static bool
note_phase(struct po_restore *r, enum po_restore_phase phase)
{
    struct po_err failure;

    if (po_restore_journal_phase(r, phase, &failure) == PO_OK)
        return true;
    po_watch_warning(r->watch, failure.text);
    return false;
}

/* Rights of whole trees come last: before the services may look at a file. */
static enum po_status
commit(struct po_restore *r, struct po_err *err)
{
    enum po_status st = r->options->rights_only ? PO_OK : po_restore_commit(r, err);

    if (st != PO_OK)
        return st;
    (void)note_phase(r, PO_RESTORE_RIGHTS);
    po_restore_rights_apply(r);
    (void)note_phase(r, PO_RESTORE_STARTING);
    return PO_OK;
}

static enum po_status
commit_stopped(struct po_restore *r, struct po_err *err)
{
    struct po_services services = { 0 };
    bool is_outage = false;
    enum po_status st;

    if (r->options->no_services)
        return commit(r, err);
    st = po_services_init(&services, r->host, err);
    if (st != PO_OK)
        return st;
    is_outage = po_services_any_running(&services);
    st = po_restore_journal_services(r, &services, err);
    if (st == PO_OK)
        st = po_restore_journal_phase(r, PO_RESTORE_STOPPING, err);
    if (st != PO_OK) {
        po_services_deinit(&services);
        return st;
    }
    st = po_services_stop(&services, r->options->stop_timeout_s, r->watch, err); /* req: R2 */
    if (st == PO_OK)
        st = commit(r, err);
    bring_back(r, &services);
    if (is_outage)
        r->result->outage_seconds = po_sys_monotonic() - services.asked;
    po_services_deinit(&services);
    return st;
}

/* ---- afterwards ---- */

/* Without memory for it the old files are kept all the same, but only a warning says where. */
static void
name_aside(struct po_restore *r, const struct po_restore_base *base, enum po_part part)
{
    struct po_buf name = { 0 };
    char *path = NULL;
    struct po_err failure;

    po_restore_put(&name, base->aside, strlen(base->aside));
    po_restore_put(&name, po_part_member(part), strlen(po_part_member(part)));
    if (!name.failed)
        path = po_os_path_join(base->os_path, po_buf_text(&name));
    po_buf_deinit(&name);
    r->result->parts[part].set_aside = path;
    if (path != NULL)
        return;
    (void)po_fail(&failure, PO_E_NOMEM, "replaced files are kept in %s/%s", base->os_path,
                  base->aside);
    po_watch_warning(r->watch, failure.text);
}

/* Tells where the old files are; or removes them, when they are not wanted. */
static void
settle_asides(struct po_restore *r, bool is_durable)
{
    bool removes = r->options->no_safety_copy && is_durable;

    for (size_t i = 0; i < r->base_count && removes; i++) {
        struct po_restore_base *base = &r->bases[i];
        struct po_err failure;

        if (!base->has_aside ||
            po_dir_remove_all(base->dir, base->aside, strlen(base->aside), &failure) == PO_OK)
            continue;
        (void)po_err_prefix(&failure, "%s stays in %s", base->aside, base->os_path);
        po_watch_warning(r->watch, failure.text);
    }
    if (removes)
        return;
    for (size_t i = 0; i < r->tree_count; i++)
        if (r->trees[i].has_aside)
            name_aside(r, r->trees[i].base, r->trees[i].part);
    if (r->has_registry_aside)
        name_aside(r, r->registry_base, PO_PART_REGISTRY);
}

/*
 * The renames themselves: what they renamed was synced before. A failure is an item: the new files
 * stand, but nobody knows whether they would after a power cut; so the old ones are kept.
 */
static bool
sync_bases(struct po_restore *r)
{
    bool is_durable = true;

    for (size_t i = 0; i < r->base_count; i++) {
        struct po_err failure;
        struct po_err ignored;

        if (po_dir_sync_volume(r->bases[i].dir, &failure) == PO_OK)
            continue;
        is_durable = false;
        (void)po_err_prefix(&failure, "all is in place, but perhaps not after a power cut: %s",
                            r->bases[i].os_path);
        if (po_restore_problem(r, r->bases[i].os_path, strlen(r->bases[i].os_path), failure.text,
                               &ignored) != PO_OK)
            po_watch_warning(r->watch, failure.text);
    }
    return is_durable;
}

/*
 * A restore that stands can be taken back, and no former one can any more. Where its old files are
 * to go, the journal goes first: one that names files that are gone would take back too much.
 */
static void
end_journal(struct po_restore *r, bool keeps_asides)
{
    struct po_err failure;

    if (r->journal == NULL)
        return;
    (void)note_phase(r, PO_RESTORE_DONE);
    if (po_recover_drop_others(r->options->journal_dir, r->journal_name, &failure) != PO_OK)
        po_watch_warning(r->watch, failure.text);
    if (!keeps_asides)
        (void)po_restore_journal_drop(r);
}

/*
 * Of a restore that did not happen nothing is left. Its journal says so before the stage goes, as
 * without the stage it would look as if all of it had its place in the site; where that cannot be
 * written, the journal itself goes first. And it stays as long as a folder does.
 */
static void
clear_up(struct po_restore *r)
{
    if (!note_phase(r, PO_RESTORE_CLEARED) && !po_restore_journal_drop(r))
        return;
    po_restore_unstage(r, false);
    if (po_restore_left_over(r) == NULL)
        (void)po_restore_journal_drop(r);
}

/*
 * Where the files are not staged before the first change, or are none, there is no pass on which the
 * archive could be verified. req: R1
 */
static enum po_status
verify_first(struct po_restore *r, struct po_err *err)
{
    const struct po_restore_options *options = r->options;
    bool has_pass = r->tree_count > 0 && !r->result->makes_room && !options->rights_only;
    struct po_verify_result result = { 0 };
    enum po_status st;

    if (options->is_verified || (options->pattern_count > 0 && !r->result->makes_room))
        return PO_OK;
    r->is_verified = true; /* if it ends well */
    r->audits = has_pass;
    if (has_pass)
        return PO_OK;
    st = po_engine_verify(r->reader, true, options->threads, r->watch, &result, err);
    po_verify_result_deinit(&result);
    return st == PO_OK ? st : po_fail(err, st, "%s; nothing was changed", err->text);
}

enum po_status
po_restore_run(const struct po_reader *reader, struct po_host *host,
               const struct po_restore_options *options, const struct po_watch *watch,
               struct po_restore_result *result, struct po_err *err)
{
    struct po_restore r;
    double started = po_sys_monotonic();
    bool is_done;
    enum po_status st;

    po_restore_init(&r, reader, host, options, watch, result);
    st = po_restore_prepare(&r, err);
    if (st == PO_OK && r.reason_count > 0) {
        *err = r.reason;
        st = err->status;
    }
    if (st == PO_OK)
        st = verify_first(&r, err);
    if (st == PO_OK && !options->rights_only)
        st = po_restore_journal_begin(&r, err);
    if (st == PO_OK && !options->rights_only && !result->makes_room)
        st = po_restore_stage(&r, err);
    if (st == PO_OK)
        st = commit_stopped(&r, err);
    is_done = st == PO_OK;
    result->is_verified = options->is_verified || (is_done && r.is_verified);
    if (is_done) {
        bool is_durable = sync_bases(&r);

        /* The restore is done and stands: what is only for the report cannot spoil it. */
        if (po_restore_count_removed(&r, err) != PO_OK)
            po_watch_warning(watch, err->text);
        end_journal(&r, !options->no_safety_copy || !is_durable);
        settle_asides(&r, is_durable);
    }
    /* One that could be taken back only in part may be tried again: by what is in the stage. */
    if (is_done || r.has_made_room)
        po_restore_unstage(&r, is_done);
    else if (result->is_changed)
        (void)note_phase(&r, PO_RESTORE_UNDOING);
    else
        clear_up(&r);
    po_restore_deinit(&r);
    result->seconds = po_sys_monotonic() - started;
    return st;
}

void
po_restore_result_deinit(struct po_restore_result *result)
{
    for (int i = 0; i < PO_PART_COUNT; i++) {
        po_mem_free(result->parts[i].set_aside);
        result->parts[i].set_aside = NULL;
    }
    po_restore_registry_deinit(&result->registry);
    po_mem_free(result->queue.texts);
    result->queue.texts = NULL;
    po_mem_free(result->rights.choices);
    result->rights.choices = NULL;
    po_problems_deinit(&result->problems);
}
