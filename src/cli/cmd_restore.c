#include "cli/cli.h"

#include "cli/cli_archive.h"
#include "cli/cli_ask.h"
#include "cli/cli_event.h"
#include "cli/cli_guardian.h"
#include "cli/cli_history.h"
#include "cli/cli_import.h"
#include "cli/cli_outage.h"
#include "cli/cli_parents.h"
#include "cli/cli_problems.h"
#include "cli/cli_reboot.h"
#include "cli/cli_recovery.h"
#include "cli/cli_restore.h"
#include "cli/cli_site.h"
#include "cli/cli_state.h"
#include "cli/cli_trust.h"
#include "engine/recover.h"
#include "engine/restore.h"
#include "engine/verify.h"
#include "port/file.h"

#include <stdio.h>
#include <string.h>

/* ---- the steps ---- */

/*
 * req: R1. Not a byte of a damaged archive goes into a site. Before anybody is asked, and in a dry
 * run; else the archive is verified while it is staged, and here only to name what damage hits.
 */
static int
verify(struct po_cli *cli, const struct po_cli_archive *archive)
{
    struct po_verify_result result = { 0 };
    struct po_err err = { 0 };
    struct po_buf word = { 0 };
    int code = PO_EXIT_DONE;
    unsigned threads = (unsigned)po_cli_number(cli, PO_CLI_THREADS, 0);

    if (po_engine_verify(archive->own, true, threads, &cli->watch, &result, &err) != PO_OK) {
        (void)po_err_prefix(&err, "%s", archive->path);
        code = po_cli_failed(cli, &err);
        po_cli_problems_tell(&cli->out, &result.hits, NULL);
        po_cli_problems_json(&cli->out, "hits", &result.hits);
        po_cli_put_word(&word, archive->path);
        if (code == PO_EXIT_DAMAGED)
            po_cli_out_tell(&cli->out, PO_CLI_HINT,
                            "Nothing was changed. Restore from another archive, or extract what is "
                            "whole: pobackup extract %s -C DIR",
                            po_buf_text(&word));
    } else if (result.is_registry_bad) {
        po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                        "the .reg file in the archive is whole, but regedit would not take it");
    }
    po_buf_deinit(&word);
    po_verify_result_deinit(&result);
    return code;
}

/* req: R1. Who has to look for another archive wants to know what else is in the way. */
static void
tell_other_reasons(struct po_cli *cli, const struct po_cli_archive *archive, struct po_host *host,
                   const struct po_restore_options *options)
{
    struct po_restore_result result = { 0 };
    struct po_err ignored;

    if (po_restore_plan(archive->reader, host, options, &cli->watch, &result, &ignored) == PO_OK)
        (void)po_cli_restore_problems(cli, &result.problems);
    po_restore_result_deinit(&result);
}

/* Found on the way: what it hits is not known yet. */
static bool
is_damage(const struct po_restore_options *options, const struct po_err *err)
{
    return !options->is_verified && err->status == PO_E_FORMAT;
}

static int
run(struct po_cli *cli, const struct po_cli_archive *archive, struct po_host *host,
    const struct po_restore_options *options)
{
    struct po_restore_result result = { .outage_seconds = -1 };
    struct po_err err = { 0 };
    int code;
    struct po_buf since = { 0 };
    bool was_pending = po_cli_reboot_is_pending(host, &since);
    enum po_status st;

    po_buf_deinit(&since);
    if (!options->rights_only)
        po_cli_reboot_note(cli, host);
    st = po_restore_run(archive->reader, host, options, &cli->watch, &result, &err);
    if (st != PO_OK && !result.is_changed && !options->rights_only && !was_pending)
        po_cli_reboot_forget(cli, host);
    po_cli_history_restore(cli, archive, &result);
    if (st == PO_OK)
        code = po_cli_restore_tell(cli, &result);
    else if (result.is_changed || !is_damage(options, &err) ||
             (code = verify(cli, archive)) == PO_EXIT_DONE)
        code = po_cli_restore_failed(cli, &result, &err);
    /* Also when services are missing: the reboot starts them, and what runs after it looks. */
    if (st != PO_OK || options->rights_only) {
        po_cli_json_member(&cli->out, "reboot", json_null());
    } else {
        int reboot_code = po_cli_reboot_run(cli, host);

        code = reboot_code > code ? reboot_code : code;
    }
    po_cli_restore_json(&cli->out, &result, false);
    po_restore_result_deinit(&result);
    return code;
}

/* *goes_on: the user wants it. *is_declined: no, he was asked and does not. */
static int
plan(struct po_cli *cli, const struct po_cli_archive *archive, struct po_host *host,
     const struct po_restore_options *options, bool *goes_on, bool *is_declined)
{
    struct po_restore_result result = { .outage_seconds = -1 };
    struct po_err err = { 0 };
    bool is_quiet = cli->out.is_quiet;
    bool asks = !po_cli_has(cli, PO_CLI_YES) && !po_cli_has(cli, PO_CLI_DRY_RUN);
    int code;

    *goes_on = false;
    if (po_restore_plan(archive->reader, host, options, &cli->watch, &result, &err) != PO_OK) {
        code = is_damage(options, &err) ? verify(cli, archive) : PO_EXIT_DONE;
        if (code == PO_EXIT_DONE)
            code = po_cli_failed(cli, &err);
    } else {
        /* Nobody can say yes to what he has not seen. */
        cli->out.is_quiet = is_quiet && !asks;
        code = po_cli_restore_plan(cli, archive, host, &result);
        if (!options->rights_only)
            po_cli_reboot_plan(cli, host);
        cli->out.is_quiet = is_quiet;
        if (po_cli_has(cli, PO_CLI_DRY_RUN) || code == PO_EXIT_FAILED)
            po_cli_json_member(&cli->out, "reboot",
                               options->rights_only ? json_null()
                                                    : po_cli_reboot_planned(cli, host));
        if (po_cli_has(cli, PO_CLI_DRY_RUN)) {
            po_cli_restore_json(&cli->out, &result, true);
        } else if (code == PO_EXIT_FAILED) {
            po_cli_restore_json(&cli->out, &result, false);
        } else if (!asks || po_cli_ask(cli, "Restore? [y/N] ")) {
            *goes_on = true;
        } else {
            *is_declined = true;
            (void)po_fail(&err, PO_E_CANCELLED, "nothing was changed");
            code = po_cli_failed(cli, &err);
        }
    }
    po_restore_result_deinit(&result);
    return code;
}

static int
restore(struct po_cli *cli, const struct po_cli_archive *archive, struct po_host *host,
        bool *is_declined)
{
    struct po_cli_restore_choice choice = { 0 };
    struct po_restore_options *options = &choice.options;
    struct po_buf journals = { 0 };
    struct po_err err = { 0 };
    bool goes_on = false;
    int plan_code;
    int code;

    if (po_cli_restore_choose(cli, archive, host, &choice, &err) != PO_OK) {
        po_cli_restore_choice_deinit(&choice);
        return err.status == PO_E_USAGE ? po_cli_usage(cli, "%s", err.text)
                                        : po_cli_failed(cli, &err);
    }
    /* While it may ask, an interrupt ends the program: nothing is changed yet, and a read would go
     * on. */
    if (po_cli_has(cli, PO_CLI_YES) || po_cli_has(cli, PO_CLI_DRY_RUN))
        po_cli_catch_interrupts(cli);
    options->is_verified =
        !po_cli_has(cli, PO_CLI_YES) || po_cli_has(cli, PO_CLI_DRY_RUN) || archive->joined != NULL;
    /* Of the parents what is needed is checked as it is read. */
    options->has_parents = archive->joined != NULL;
    options->checks_digests = po_cli_has(cli, PO_CLI_TRUSTED_KEY);
    code = options->is_verified ? verify(cli, archive) : PO_EXIT_DONE;
    if (code != PO_EXIT_DONE) {
        tell_other_reasons(cli, archive, host, options);
        goto done;
    }
    plan_code = plan(cli, archive, host, options, &goes_on, is_declined);
    code = plan_code;
    if (!goes_on)
        goto done;
    po_cli_catch_interrupts(cli);
    if (po_cli_state_journals(host, &journals, &err) == PO_OK) {
        int former = po_cli_outage_recover(cli, host);
        struct po_cli_guardian *guardian = po_cli_guardian_begin(cli, host);

        options->is_planned = true;
        options->archive_name = archive->path;
        options->journal_dir = po_buf_text(&journals);
        code = run(cli, archive, host, options);
        po_cli_guardian_end(guardian);
        code = former > code ? former : code;
    } else {
        code = po_cli_failed(cli, &err);
    }
    po_buf_deinit(&journals);
    code = code > plan_code ? code : plan_code;
done:
    po_cli_restore_choice_deinit(&choice);
    return code;
}

/* What this version or a folder site does not have is told, not passed over. */
static void
tell_unused_options(struct po_cli *cli, const struct po_host *host)
{
    if (host->ops->reboot == NULL && po_cli_has(cli, PO_CLI_REBOOT) &&
        po_cli_number(cli, PO_CLI_REBOOT, 0) != PO_CLI_REBOOT_NEVER)
        po_cli_out_tell(&cli->out, PO_CLI_NOTE,
                        "--reboot=%s: a folder site has nothing to reboot; nothing is scheduled",
                        po_cli_text(cli, PO_CLI_REBOOT));
    if (host->ops->rights != NULL)
        return;
    if (po_cli_number(cli, PO_CLI_RIGHTS, 0) == PO_RIGHTS_KEEP)
        po_cli_out_tell(
            &cli->out, PO_CLI_NOTE,
            "--rights=keep: files that are written anew get the rights that the archive "
            "recorded; all others keep theirs");
}

/* An archive, or a set that was made by hand. */
static bool
open_source(struct po_cli *cli, struct po_cli_archive *archive, struct po_host *host, int *code)
{
    const char *path = cli->values.args[0];
    struct po_err err;

    if (!po_cli_import_is_set(path))
        return po_cli_archive_open(cli, archive, path, code) &&
               po_cli_parents_join(cli, archive, code);
    if (po_cli_has(cli, PO_CLI_TRUSTED_KEY)) {
        (void)po_fail(&err, PO_E_AUTH, "%s: a set that was made by hand, which nobody signs", path);
        *code = po_cli_trust_failed(cli, &err);
        return false;
    }
    po_cli_catch_interrupts(cli);
    return po_cli_import_open(cli, archive, path, host, code);
}

/* What a restore that is run again had staged; space is counted afterwards. */
static void
clear_room(struct po_cli *cli, struct po_host *host)
{
    struct po_buf journals = { 0 };
    struct po_err err;

    if (po_cli_state_journals(host, &journals, &err) == PO_OK &&
        po_recover_clear_room(po_buf_text(&journals), &err) != PO_OK)
        po_cli_out_tell(&cli->out, PO_CLI_WARNING, "%s", err.text);
    po_buf_deinit(&journals);
}

static int
run_for(struct po_cli *cli, struct po_host *host, bool *is_declined)
{
    struct po_cli_archive archive = { 0 };
    struct po_lock *lock = NULL;
    int lock_code = PO_EXIT_DONE;
    int code;

    if (open_source(cli, &archive, host, &code)) {
        bool is_free = po_cli_site_lock(cli, host, &lock, &lock_code) &&
                       po_cli_recovery_allows(cli, host, false, &lock_code);

        if (is_free && !po_cli_has(cli, PO_CLI_DRY_RUN))
            clear_room(cli, host);
        tell_unused_options(cli, host);
        /* A dry run tells all that is in the way, and does nothing. req: R1 */
        if (is_free || po_cli_has(cli, PO_CLI_DRY_RUN)) {
            int restore_code = restore(cli, &archive, host, is_declined);

            code = restore_code > code ? restore_code : code;
        }
        if (!is_free && lock_code > code)
            code = lock_code;
    }
    po_lock_free(lock);
    po_cli_archive_deinit(&archive);
    return code;
}

int
po_cmd_restore(struct po_cli *cli)
{
    struct po_host *host = NULL;
    bool is_declined = false;
    int code;

    /* Before anything takes long. */
    if (po_cli_reboot_is_contradictory(cli))
        return po_cli_usage(cli, "--reboot-delay is for --reboot=schedule alone");
    if (!po_cli_has(cli, PO_CLI_YES) && !po_cli_has(cli, PO_CLI_DRY_RUN) && !po_cli_can_ask(cli))
        return po_cli_usage(cli,
                            "nobody can be asked here, as there is no terminal; --yes restores "
                            "without asking, --dry-run shows what it would do");
    if (!po_cli_site_open(cli, &host, &code))
        return code;
    code = run_for(cli, host, &is_declined);
    if (!po_cli_has(cli, PO_CLI_DRY_RUN) && !is_declined)
        po_cli_event(cli, host, PO_CLI_EVENT_RESTORE, code);
    po_cli_site_free(host);
    return code;
}
