#include "engine/recover.h"

#include "base/mem.h"
#include "engine/recover_find.h"
#include "engine/recover_steps.h"
#include "engine/watch.h"
#include "port/sys.h"

#include <stdio.h>
#include <string.h>

#define REG_SIZE_MAX (UINT64_C(256) << 20)

/* ---- services ---- */

static bool
ran_before(const struct po_restore *r, const char *name)
{
    const struct po_buf *names = &r->pending.services;

    for (size_t at = 0; at < names->size; at += strlen((const char *)names->bytes + at) + 1)
        if (strcmp((const char *)names->bytes + at, name) == 0)
            return true;
    return false;
}

/* Those that ran before the restore run afterwards, whatever state the crash left them in. */
static enum po_status
stop_services(struct po_restore *r, struct po_services *services, struct po_err *err)
{
    enum po_status st = po_services_init(services, r->host, err);

    if (st == PO_OK)
        st = po_services_stop(services, 0, r->watch, err);
    for (size_t i = 0; i < services->count; i++)
        if (services->before[i] != PO_SERVICE_RUNNING &&
            ran_before(r, r->host->ops->service(r->host, i)->name))
            services->touch[i] = PO_SERVICE_BROUGHT;
    return st;
}

static void
bring_back(struct po_restore *r, struct po_services *services, struct po_recover_result *result)
{
    struct po_err failure;

    if (po_services_restore(services, r->watch, &failure) == PO_OK)
        return;
    result->are_services_lost = true;
    (void)snprintf(result->services_text, sizeof result->services_text, "%s", failure.text);
    po_watch_warning(r->watch, failure.text);
}

/* ---- the registry ---- */

static enum po_status
import_file(struct po_restore *r, const char *name, int64_t time, enum po_registry_how how,
            struct po_err *err)
{
    struct po_buf bytes = { 0 };
    struct po_buf ignored = { 0 };
    struct po_file *file = NULL;
    struct po_node_info info;
    size_t got = 0;
    enum po_status st =
        po_file_open(&file, r->journal_dir, name, strlen(name), PO_FILE_READ, 0, err);

    if (st == PO_OK)
        st = po_file_info(file, &info, err);
    if (st == PO_OK && (info.size > REG_SIZE_MAX || !po_buf_reserve(&bytes, (size_t)info.size + 1)))
        st = po_fail_nomem(err, (size_t)info.size);
    if (st == PO_OK)
        st = po_file_read_at(file, 0, bytes.bytes, (size_t)info.size, &got, err);
    bytes.size = got;
    if (st == PO_OK)
        st = r->host->ops->registry_import(r->host, bytes.size > 0 ? (const void *)bytes.bytes : "",
                                           bytes.size, time, how, &ignored, err);
    po_file_free(file);
    po_buf_deinit(&bytes);
    po_buf_deinit(&ignored);
    return st == PO_OK ? st : po_err_prefix(err, "registry");
}

/* ---- the two ways ---- */

static void
sync_bases(struct po_restore *r, struct po_recover_result *result)
{
    for (size_t i = 0; i < r->base_count; i++) {
        struct po_err failure;
        struct po_err ignored;

        if (r->bases[i].dir == NULL || po_dir_sync_volume(r->bases[i].dir, &failure) == PO_OK)
            continue;
        (void)!po_problems_add(&result->problems, r->bases[i].os_path, strlen(r->bases[i].os_path),
                               failure.text, &ignored);
    }
}

static enum po_status
take_back(struct po_restore *r, struct po_recover_result *result, struct po_err *err)
{
    enum po_status st = po_restore_journal_phase(r, PO_RESTORE_UNDOING, err);

    if (st == PO_OK)
        st = po_restore_rights_put_back(r, &result->problems, err);
    if (st == PO_OK && r->pending.has_registry)
        st = import_file(r, PO_RESTORE_FORMER_REG, r->pending.former_time, PO_REGISTRY_EXACT, err);
    return st == PO_OK ? po_recover_steps_back(r, result, err) : st;
}

/* A rule of rights is set on whole trees when all is in place; again, when that was interrupted. */
static enum po_status
finish_rights(struct po_restore *r, struct po_recover_result *result, struct po_err *err)
{
    enum po_status st = PO_OK;

    if (!r->pending.has_rule || r->host->ops->rights == NULL)
        return PO_OK;
    r->result->rights.is_wanted = true;
    r->result->rights.rights = r->pending.rule;
    if (r->pending.phase < PO_RESTORE_RIGHTS)
        st = po_restore_rights_save(r, err);
    if (st == PO_OK)
        st = po_restore_journal_phase(r, PO_RESTORE_RIGHTS, err);
    if (st == PO_OK)
        po_restore_rights_apply(r);
    result->rights_failed = r->result->problems.count;
    return st;
}

static enum po_status
go_on(struct po_restore *r, struct po_recover_result *result, struct po_err *err)
{
    enum po_status st = po_recover_steps_forward(r, result, err);

    if (st == PO_OK && r->pending.has_registry)
        st = import_file(r, PO_RESTORE_NEW_REG, r->pending.new_time, r->pending.registry_how, err);
    return st == PO_OK ? finish_rights(r, result, err) : st;
}

static enum po_status
run_stopped(struct po_restore *r, bool is_back, struct po_recover_result *result,
            struct po_err *err)
{
    struct po_services services = { 0 };
    double stopped = po_sys_monotonic();
    bool is_outage = false;
    enum po_status st = PO_OK;

    if (!r->pending.no_services) {
        st = stop_services(r, &services, err);
        is_outage = po_services_any_running(&services) || r->pending.services.size > 0;
    }
    if (st == PO_OK && r->pending.phase >= PO_RESTORE_RENAMING &&
        r->pending.phase != PO_RESTORE_CLEARED)
        st = is_back ? take_back(r, result, err) : go_on(r, result, err);
    if (!r->pending.no_services) {
        bring_back(r, &services, result);
        if (is_outage)
            result->outage_seconds = po_sys_monotonic() - stopped;
    }
    po_services_deinit(&services);
    return st;
}

/* Everything is out of the set-aside folders: what is left are directories, and the registry. */
static void
drop_asides(struct po_restore *r)
{
    for (size_t i = 0; i < r->base_count; i++) {
        struct po_restore_base *base = &r->bases[i];
        struct po_err failure;

        if (base->dir == NULL || !base->has_aside)
            continue;
        base->has_aside =
            po_dir_remove_all(base->dir, base->aside, strlen(base->aside), &failure) != PO_OK;
        if (base->has_aside)
            po_watch_warning(r->watch, failure.text);
    }
}

/* What the services may have written to is not thrown away. */
static enum po_status
keep_stages(struct po_restore *r, struct po_recover_result *result, struct po_err *err)
{
    enum po_status st = po_recover_look_at_folders(r, err);

    for (size_t i = 0; i < r->base_count && st == PO_OK && result->kept == NULL; i++)
        if (r->bases[i].has_stage)
            result->kept = po_os_path_join(r->bases[i].os_path, r->bases[i].stage);
    return st == PO_OK ? po_restore_journal_phase(r, PO_RESTORE_UNDONE, err) : st;
}

static enum po_status
settle(struct po_restore *r, bool is_back, struct po_recover_result *result, struct po_err *err)
{
    const struct po_restore_base *left;

    /* Not all is taken back: it can be tried again. */
    if (result->problems.count > 0)
        return PO_OK;
    if (is_back)
        drop_asides(r);
    if (is_back && (result->came_back > 0 || r->pending.phase == PO_RESTORE_UNDOING))
        return keep_stages(r, result, err);
    /* A stage that is gone would look as if all of it had its place in the site. */
    if (is_back && r->journal != NULL) {
        enum po_status st = po_restore_journal_phase(r, PO_RESTORE_CLEARED, err);

        if (st != PO_OK)
            return st;
    }
    po_restore_unstage(r, !is_back);
    left = is_back ? po_restore_left_over(r) : NULL;
    /* Only the journal knows of them: it stays as long as they do. */
    if (left != NULL)
        return po_problems_add(&result->problems, left->os_path, strlen(left->os_path),
                               "a folder of the restore could not be removed", err);
    if (is_back || r->pending.no_safety_copy)
        (void)po_restore_journal_drop(r);
    else
        return po_restore_journal_phase(r, PO_RESTORE_DONE, err);
    return PO_OK;
}

static enum po_status
recover(struct po_host *host, const char *journal_dir, bool wants_back,
        const struct po_watch *watch, struct po_recover_result *result, struct po_err *err)
{
    struct po_restore_options options = { .threads = 1, .journal_dir = journal_dir };
    struct po_restore_result unused = { 0 };
    struct po_recover_finder finder = { 0 };
    struct po_restore r;
    const char *name = NULL;
    double started = po_sys_monotonic();
    bool is_back;
    enum po_status st = po_recover_find_journal(&finder, journal_dir, err);

    *result = (struct po_recover_result){ .outage_seconds = -1 };
    name = wants_back ? po_recover_found_name(&finder)
                      : (finder.unfinished[0] != '\0' ? finder.unfinished : NULL);
    if (st == PO_OK && name == NULL)
        st = po_fail(err, PO_E_USAGE,
                     wants_back ? "there is no restore to take back"
                                : "there is no restore to finish");
    if (st != PO_OK) {
        po_dir_free(finder.site);
        return st;
    }
    po_restore_init(&r, NULL, host, &options, watch, &unused);
    st = po_recover_load(&r, finder.site, name, err);
    if (st == PO_OK && r.pending.phase == PO_RESTORE_UNDONE)
        st = po_fail(err, PO_E_USAGE, "the last restore has been taken back already");
    if (st == PO_OK && r.pending.phase == PO_RESTORE_MAKING_ROOM)
        st = po_fail(err, PO_E_USAGE,
                     "the old files were removed to make room (--no-safety-copy), and the new ones "
                     "are not in place: it can neither be finished nor taken back; run the restore "
                     "again");
    memcpy(options.parts, r.pending.parts, sizeof options.parts);
    options.no_safety_copy = r.pending.no_safety_copy;
    is_back = wants_back || r.pending.phase < PO_RESTORE_RENAMING ||
              r.pending.phase == PO_RESTORE_UNDOING || r.pending.phase == PO_RESTORE_CLEARED;
    if (st == PO_OK && r.pending.phase > PO_RESTORE_STAGING)
        st = po_journal_open(&r.journal, r.journal_dir, PO_RESTORE_JOURNAL, err);
    if (st == PO_OK && r.pending.phase > PO_RESTORE_STAGING)
        st = run_stopped(&r, is_back, result, err);
    if (st == PO_OK) {
        sync_bases(&r, result);
        st = settle(&r, is_back, result, err);
    }
    result->is_taken_back = is_back;
    result->seconds = po_sys_monotonic() - started;
    po_restore_deinit(&r);
    po_restore_result_deinit(&unused);
    po_dir_free(finder.site);
    return st;
}

enum po_status
po_recover_undo(struct po_host *host, const char *journal_dir, const struct po_watch *watch,
                struct po_recover_result *result, struct po_err *err)
{
    return recover(host, journal_dir, true, watch, result, err);
}

enum po_status
po_recover_resume(struct po_host *host, const char *journal_dir, const struct po_watch *watch,
                  struct po_recover_result *result, struct po_err *err)
{
    return recover(host, journal_dir, false, watch, result, err);
}

void
po_recover_result_deinit(struct po_recover_result *result)
{
    po_problems_deinit(&result->problems);
    po_mem_free(result->kept);
    result->kept = NULL;
}
