/* undo and resume: a restore that was done is taken back, one that was interrupted is finished. */
#include "cli/cli.h"

#include "cli/cli_ask.h"
#include "cli/cli_event.h"
#include "cli/cli_guardian.h"
#include "cli/cli_history.h"
#include "cli/cli_outage.h"
#include "cli/cli_problems.h"
#include "cli/cli_reboot.h"
#include "cli/cli_recovery.h"
#include "cli/cli_site.h"
#include "cli/cli_state.h"
#include "port/file.h"

#include <stdio.h>
#include <string.h>

typedef enum po_status (*recover_fn)(struct po_host *host, const char *journal_dir,
                                     const struct po_watch *watch, struct po_recover_result *result,
                                     struct po_err *err);

static void
put_json(struct po_cli *cli, const struct po_recover_result *result)
{
    po_cli_json_member(&cli->out, "taken_back", json_boolean(result->is_taken_back));
    po_cli_json_member(&cli->out, "renames", po_cli_json_u64(result->steps));
    po_cli_json_member(&cli->out, "seconds", json_real(result->seconds));
    po_cli_json_member(&cli->out, "outage_seconds",
                       result->outage_seconds >= 0 ? json_real(result->outage_seconds)
                                                   : json_null());
    po_cli_json_member(&cli->out, "kept", po_cli_json_text(result->kept));
    po_cli_json_member(&cli->out, "services_lost", json_boolean(result->are_services_lost));
    po_cli_problems_json(&cli->out, "problems", &result->problems);
}

static int
tell(struct po_cli *cli, const struct po_recover_result *result)
{
    struct po_buf line = { 0 };

    po_cli_put_count(&line, result->steps, "rename", "renames");
    po_buf_put_text(&line, "; ");
    po_cli_put_outage(&line, result->outage_seconds);
    po_cli_out_tell(&cli->out, PO_CLI_SAY, "%s: %s",
                    result->is_taken_back ? "all is as it was before the restore"
                                          : "the restore is finished",
                    po_buf_text(&line));
    if (result->kept != NULL)
        po_cli_out_tell(
            &cli->out, PO_CLI_SAY,
            "what had been restored is kept in %s (pobackup status --forget removes it)",
            result->kept);
    po_cli_problems_tell(&cli->out, &result->problems, "--json names all");
    if (result->problems.count > 0)
        po_cli_out_tell(&cli->out, PO_CLI_HINT,
                        "Mend what stands in the way, then run this again: nothing of it is lost");
    po_buf_deinit(&line);
    return result->problems.count + result->rights_failed > 0 ? PO_EXIT_PARTLY : PO_EXIT_DONE;
}

/* req: R8. What was taken back needs no reboot, and nothing after it; what was finished does. */
static void
settle_reboot(struct po_cli *cli, struct po_host *host, const struct po_recover_result *result)
{
    const struct po_host_reboot_ops *reboot = host->ops->reboot;
    bool was_pending = false;
    struct po_err err;

    if (reboot == NULL)
        return;
    if (!result->is_taken_back) {
        po_cli_reboot_note(cli, host);
        po_cli_out_tell(&cli->out, PO_CLI_HINT,
                        "Reboot the machine: until then the restore is not finished. Then run "
                        "pobackup after-reboot");
        return;
    }
    po_cli_reboot_forget(cli, host);
    if (reboot->cancel(host, &was_pending, &err) != PO_OK ||
        reboot->forget_after(host, &err) != PO_OK)
        po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                        "the reboot that the restore asked for may still come: %s", err.text);
    else if (was_pending)
        po_cli_out_tell(&cli->out, PO_CLI_SAY,
                        "the reboot that the restore asked for is called off");
}

static int
tell_services(struct po_cli *cli, const struct po_recover_result *result)
{
    struct po_err err = { 0 };

    (void)po_fail(&err, PO_E_IO, "services could not be brought back: %s", result->services_text);
    (void)po_cli_failed(cli, &err);
    po_cli_out_tell(&cli->out, PO_CLI_HINT, "Mail is down. Start them by hand");
    return PO_EXIT_SERVICES;
}

static int
run(struct po_cli *cli, struct po_host *host, const char *journals, recover_fn recover)
{
    struct po_recover_result result = { .outage_seconds = -1 };
    struct po_err err = { 0 };
    int code;

    po_cli_catch_interrupts(cli);
    if (recover(host, journals, &cli->watch, &result, &err) == PO_OK) {
        code = tell(cli, &result);
        settle_reboot(cli, host, &result);
    } else {
        code = po_cli_failed(cli, &err);
    }
    if (result.are_services_lost)
        code = tell_services(cli, &result);
    po_cli_history_recover(cli, &result);
    put_json(cli, &result);
    po_recover_result_deinit(&result);
    return code;
}

/* ---- asking ---- */

/* false: not wanted, or nobody can be asked; *code says so. */
static bool
is_wanted(struct po_cli *cli, const char *journals, const char *question, int *code)
{
    struct po_recovery recovery = { 0 };
    struct po_err err = { 0 };

    if (po_cli_has(cli, PO_CLI_YES))
        return true;
    if (!po_cli_can_ask(cli)) {
        *code =
            po_cli_usage(cli, "nobody can be asked here, as there is no terminal; --yes does it "
                              "without asking, pobackup status tells what it is about");
        return false;
    }
    if (po_recovery_find(&recovery, journals, &err) == PO_OK)
        po_cli_recovery_tell(cli, &recovery);
    po_recovery_deinit(&recovery);
    if (po_cli_ask(cli, question))
        return true;
    (void)po_fail(&err, PO_E_CANCELLED, "nothing was changed");
    *code = po_cli_failed(cli, &err);
    return false;
}

static int
recover_site(struct po_cli *cli, recover_fn recover, const char *question)
{
    struct po_host *host = NULL;
    struct po_lock *lock = NULL;
    struct po_buf journals = { 0 };
    struct po_err err = { 0 };
    int code;

    if (!po_cli_site_open(cli, &host, &code))
        return code;
    if (po_cli_state_journals(host, &journals, &err) != PO_OK) {
        code = po_cli_failed(cli, &err);
    } else if (is_wanted(cli, po_buf_text(&journals), question, &code) &&
               po_cli_site_lock(cli, host, &lock, &code)) {
        int former = po_cli_outage_recover(cli, host);
        struct po_cli_guardian *guardian = po_cli_guardian_begin(cli, host);

        code = run(cli, host, po_buf_text(&journals), recover);
        po_cli_guardian_end(guardian);
        code = former > code ? former : code;
        po_cli_event(cli, host, PO_CLI_EVENT_RECOVER, code);
    }
    po_lock_free(lock);
    po_buf_deinit(&journals);
    po_cli_site_free(host);
    return code;
}

int
po_cmd_undo(struct po_cli *cli)
{
    return recover_site(cli, po_recover_undo, "Take it back? [y/N] ");
}

int
po_cmd_resume(struct po_cli *cli)
{
    return recover_site(cli, po_recover_resume, "Finish it? [y/N] ");
}
