#include "cli/cli.h"

#include "base/text.h"
#include "cli/cli_archive.h"
#include "cli/cli_event.h"
#include "cli/cli_guardian.h"
#include "cli/cli_problems.h"
#include "cli/cli_reboot.h"
#include "cli/cli_recovery.h"
#include "cli/cli_restore.h"
#include "cli/cli_site.h"
#include "cli/cli_state.h"
#include "engine/restore.h"
#include "engine/verify.h"
#include "port/file.h"
#include "port/sys.h"

#include <stdio.h>
#include <string.h>

/* ---- which parts ---- */

/* "registry,spool": PO_E_USAGE for what is no part. *has_rights: "rights" is among them. */
static enum po_status
parse_only(const char *text, bool *parts, bool *has_rights, struct po_err *err)
{
    *has_rights = false;
    while (*text != '\0') {
        size_t size = strcspn(text, ",");
        bool is_known = false;

        for (int part = 0; part < PO_PART_COUNT; part++) {
            const char *name = po_part_name((enum po_part)part);

            if (strlen(name) == size && memcmp(name, text, size) == 0) {
                parts[part] = true;
                is_known = true;
            }
        }
        if (size == 6 && memcmp(text, "rights", 6) == 0)
            *has_rights = is_known = true;
        if (!is_known)
            return po_fail(err, PO_E_USAGE,
                           "--only: %.*s is no part; the parts are registry, spool, mailbox, bin, "
                           "and rights",
                           (int)(size < 64 ? size : 64), text);
        text += size + (text[size] == ',' ? 1 : 0);
    }
    return PO_OK;
}

static bool
archive_has(const struct po_index *index, enum po_part part)
{
    const char *member = po_part_member(part);
    size_t member_size = strlen(member);
    uint32_t at = po_index_lower_bound(index, member, member_size);
    size_t size = 0;
    const char *path = at < index->count ? po_index_path(index, at, &size) : NULL;

    /* Itself, or what lies in it: nothing demands that a directory has an entry of its own. */
    if (path != NULL && size == member_size && memcmp(path, member, size) == 0)
        return true;
    for (; at < index->count; at++) {
        path = po_index_path(index, at, &size);
        if (size < member_size || memcmp(path, member, member_size) != 0)
            return false;
        if (size > member_size && path[member_size] == '/')
            return true;
    }
    return false;
}

/* Rights belong to the files, so they are nothing to be chosen beside them; alone they are. */
static enum po_status
choose_rights_only(struct po_host *host, bool *parts, struct po_err *err)
{
    if (host->ops->rights == NULL)
        return po_fail(err, PO_E_USAGE, "--only rights: a folder site has none that are set apart");
    for (int i = PO_PART_BIN; i < PO_PART_COUNT; i++)
        parts[i] = host->ops->place(host, (enum po_part)i) != NULL;
    return PO_OK;
}

/* A part that is missing on one side is left out with a note, unless it was asked for by name. */
static enum po_status
choose_parts(struct po_cli *cli, const struct po_cli_archive *archive, struct po_host *host,
             struct po_restore_options *options, struct po_err *err)
{
    const char *only = po_cli_text(cli, PO_CLI_ONLY);
    bool *parts = options->parts;
    bool has_rights = false;
    enum po_status st = PO_OK;

    if (only != NULL)
        st = parse_only(only, parts, &has_rights, err);
    else
        parts[PO_PART_REGISTRY] = parts[PO_PART_SPOOL] = parts[PO_PART_MAILBOX] = true; /* R6 */
    options->rights_only = has_rights && !parts[PO_PART_REGISTRY] && !parts[PO_PART_BIN] &&
                           !parts[PO_PART_SPOOL] && !parts[PO_PART_MAILBOX];
    if (st == PO_OK && options->rights_only)
        return choose_rights_only(host, parts, err);
    for (int i = 0; i < PO_PART_COUNT && st == PO_OK; i++) {
        enum po_part part = (enum po_part)i;
        const char *who = !archive_has(archive->reader->index, part) ? "the archive"
                          : host->ops->place(host, part) == NULL     ? "the site"
                                                                     : NULL;

        if (!parts[part] || who == NULL)
            continue;
        if (only != NULL)
            return po_fail(err, PO_E_USAGE, "--only %s: %s has none", po_part_name(part), who);
        parts[part] = false;
        po_cli_out_tell(&cli->out, PO_CLI_NOTE, "%s is left out: %s has none", po_part_name(part),
                        who);
    }
    return st;
}

/* ---- the steps ---- */

/* req: R1. Not a byte of a damaged archive goes into a site. */
static int
verify(struct po_cli *cli, const struct po_cli_archive *archive)
{
    struct po_verify_result result = { 0 };
    struct po_err err = { 0 };
    struct po_buf word = { 0 };
    int code = PO_EXIT_DONE;
    unsigned threads = (unsigned)po_cli_number(cli, PO_CLI_THREADS, 0);

    if (po_engine_verify(archive->reader, true, threads, &cli->watch, &result, &err) != PO_OK) {
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

/* Standard input is a terminal: po_cmd_restore has looked. */
static bool
ask(struct po_cli *cli)
{
    static const char question[] = "Restore? [y/N] ";
    char answer[16] = "";

    po_cli_progress_clear(&cli->progress);
    (void)po_sys_write_terminal(2, question, sizeof(question) - 1);
    if (fgets(answer, sizeof(answer), stdin) == NULL)
        return false;
    answer[strcspn(answer, "\r\n")] = '\0';
    return po_text_is_equal_nocase(answer, "y") || po_text_is_equal_nocase(answer, "yes");
}

static int
run(struct po_cli *cli, const struct po_cli_archive *archive, struct po_host *host,
    const struct po_restore_options *options)
{
    struct po_restore_result result = { .outage_seconds = -1 };
    struct po_err err = { 0 };
    int code;
    enum po_status st = po_restore_run(archive->reader, host, options, &cli->watch, &result, &err);

    if (st == PO_OK)
        code = po_cli_restore_tell(cli, &result);
    else
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
        code = po_cli_failed(cli, &err);
    } else {
        /* Nobody can say yes to what he has not seen. */
        cli->out.is_quiet = is_quiet && !asks;
        code = po_cli_restore_plan(cli, archive, &result);
        if (!options->rights_only)
            po_cli_reboot_plan(cli, host);
        cli->out.is_quiet = is_quiet;
        if (po_cli_has(cli, PO_CLI_DRY_RUN) || code == PO_EXIT_FAILED)
            po_cli_json_member(&cli->out, "reboot", json_null());
        if (po_cli_has(cli, PO_CLI_DRY_RUN)) {
            po_cli_restore_json(&cli->out, &result, true);
        } else if (code == PO_EXIT_FAILED) {
            po_cli_restore_json(&cli->out, &result, false);
        } else if (!asks || ask(cli)) {
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
    const struct po_cli_value *path = &cli->values.value[PO_CLI_PATH];
    struct po_restore_options options = {
        .patterns = path->list,
        .pattern_count = path->count,
        .is_exact = po_cli_has(cli, PO_CLI_EXACT),
        .no_safety_copy = po_cli_has(cli, PO_CLI_NO_SAFETY_COPY),
        .no_services = po_cli_has(cli, PO_CLI_NO_SERVICES),
        .stop_timeout_s = (unsigned)po_cli_number(cli, PO_CLI_STOP_TIMEOUT, 0),
        .threads = (unsigned)po_cli_number(cli, PO_CLI_THREADS, 0),
    };
    const enum po_rights rights = (enum po_rights)po_cli_number(cli, PO_CLI_RIGHTS, 0);
    struct po_buf journals = { 0 };
    struct po_err err = { 0 };
    bool goes_on = false;
    int plan_code;
    int code;

    /* The choices of the option are in the order of the enum. */
    if (po_cli_has(cli, PO_CLI_RIGHTS) && host->ops->rights != NULL)
        options.rights = &rights;
    if (host->ops->rights == NULL && (rights == PO_RIGHTS_DEFAULT || rights == PO_RIGHTS_POPERMS))
        return po_cli_usage(cli, "--rights=%s: a folder site has no such rights",
                            po_rights_name(rights));

    if (choose_parts(cli, archive, host, &options, &err) != PO_OK)
        return po_cli_usage(cli, "%s", err.text);
    /* While it may ask, an interrupt ends the program: nothing is changed yet, and a read would go
     * on. */
    if (po_cli_has(cli, PO_CLI_YES) || po_cli_has(cli, PO_CLI_DRY_RUN))
        po_cli_catch_interrupts(cli);
    code = verify(cli, archive);
    if (code != PO_EXIT_DONE)
        return code;
    plan_code = plan(cli, archive, host, &options, &goes_on, is_declined);
    if (!goes_on)
        return plan_code;
    po_cli_catch_interrupts(cli);
    if (po_cli_state_journals(host, &journals, &err) == PO_OK) {
        struct po_cli_guardian *guardian = po_cli_guardian_begin(cli, host);

        options.archive_name = archive->path;
        options.journal_dir = po_buf_text(&journals);
        code = run(cli, archive, host, &options);
        po_cli_guardian_end(guardian);
    } else {
        code = po_cli_failed(cli, &err);
    }
    po_buf_deinit(&journals);
    return code > plan_code ? code : plan_code;
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

int
po_cmd_restore(struct po_cli *cli)
{
    struct po_cli_archive archive = { 0 };
    struct po_host *host = NULL;
    struct po_lock *lock = NULL;
    bool is_declined = false;
    int code;

    /* Before anything takes long. */
    if (po_cli_reboot_is_contradictory(cli))
        return po_cli_usage(cli, "--reboot-delay is for --reboot=schedule alone");
    if (!po_cli_has(cli, PO_CLI_YES) && !po_cli_has(cli, PO_CLI_DRY_RUN) &&
        !(po_sys_is_terminal(0) && cli->out.is_stderr_terminal))
        return po_cli_usage(cli,
                            "nobody can be asked here, as there is no terminal; --yes restores "
                            "without asking, --dry-run shows what it would do");
    if (!po_cli_site_open(cli, &host, &code))
        return code;
    if (po_cli_archive_open(cli, &archive, cli->values.args[0], &code)) {
        tell_unused_options(cli, host);
        if (po_cli_has(cli, PO_CLI_DRY_RUN) || (po_cli_site_lock(cli, host, &lock, &code) &&
                                                po_cli_recovery_allows(cli, host, false, &code)))
            code = restore(cli, &archive, host, &is_declined);
    }
    if (!po_cli_has(cli, PO_CLI_DRY_RUN) && !is_declined)
        po_cli_event(cli, host, PO_CLI_EVENT_RESTORE, code);
    po_lock_free(lock);
    po_cli_archive_deinit(&archive);
    po_cli_site_free(host);
    return code;
}
