#include "cli/cli.h"

#include "cli/cli_drill_left.h"
#include "cli/cli_outage.h"
#include "cli/cli_reboot.h"
#include "cli/cli_recovery.h"
#include "cli/cli_runs.h"
#include "cli/cli_site.h"
#include "cli/cli_state.h"
#include "port/file.h"

#include <string.h>

static const char *const states[] = { [PO_RECOVERY_NONE] = "none",
                                      [PO_RECOVERY_UNCHANGED] = "interrupted-unchanged",
                                      [PO_RECOVERY_INTERRUPTED] = "interrupted",
                                      [PO_RECOVERY_DONE] = "done",
                                      [PO_RECOVERY_TAKEN_BACK] = "taken-back",
                                      [PO_RECOVERY_INCOMPLETE] = "incomplete" };

static json_t *
names_json(const struct po_buf *names)
{
    json_t *list = json_array();

    for (size_t at = 0; at < names->size; at += strlen((const char *)names->bytes + at) + 1)
        (void)json_array_append_new(list, po_cli_json_text((const char *)names->bytes + at));
    return list;
}

static void
put_json(struct po_cli *cli, const struct po_recovery *recovery)
{
    bool is_none = recovery->state == PO_RECOVERY_NONE;

    po_cli_json_member(&cli->out, "restore", json_string(states[recovery->state]));
    po_cli_json_member(&cli->out, "was_undoing", json_boolean(recovery->was_undoing));
    po_cli_json_member(&cli->out, "archive", po_cli_json_text(recovery->archive));
    po_cli_json_member(&cli->out, "time", is_none ? json_null() : po_cli_json_time(recovery->time));
    po_cli_json_member(&cli->out, "kept", names_json(&recovery->kept));
    po_cli_json_member(&cli->out, "ran_before", names_json(&recovery->services));
}

/* req: R8. Whether one is pending. */
static bool
tell_reboot(struct po_cli *cli, struct po_host *host)
{
    struct po_buf since = { 0 };
    bool is_pending = po_cli_reboot_is_pending(host, &since);

    po_cli_json_member(&cli->out, "reboot_pending_since",
                       is_pending ? po_cli_json_text(po_buf_text(&since)) : json_null());
    if (is_pending)
        po_cli_out_tell(
            &cli->out, PO_CLI_WARNING,
            "unfinished: a reboot is pending since the restore of %s. Reboot the machine; "
            "then pobackup after-reboot looks after the services",
            po_buf_text(&since));
    po_buf_deinit(&since);
    return is_pending;
}

/* Whatever is pending, this is what people ask first. */
static void
tell_services(struct po_cli *cli, struct po_host *host)
{
    po_cli_json_array_begin(&cli->out, "services");
    for (size_t i = 0; i < host->ops->service_count(host); i++) {
        const char *name = host->ops->service(host, i)->name;
        enum po_service_state state = PO_SERVICE_UNKNOWN;
        struct po_err err = { 0 };
        bool is_told = host->ops->service_state(host, i, &state, &err) == PO_OK;

        po_cli_out_tell(&cli->out, is_told ? PO_CLI_SAY : PO_CLI_WARNING, "service %s: %s%s%s",
                        name, po_service_state_name(state), is_told ? "" : ": ", err.text);
        po_cli_json_item(&cli->out, json_pack("{s:o, s:s}", "name", po_cli_json_text(name), "state",
                                              po_service_state_name(state)));
    }
    po_cli_json_array_end(&cli->out);
}

/* Nobody works on the site, and services that a dead run had stopped are down: they are started. */
static int
recover_services(struct po_cli *cli, struct po_host *host)
{
    struct po_lock *lock = NULL;
    struct po_err ignored;
    int code = PO_EXIT_DONE;

    if (po_cli_outage_is_noted(host) && po_cli_site_lock_wait(host, 0, &lock, &ignored) == PO_OK &&
        lock != NULL)
        code = po_cli_outage_recover(cli, host);
    po_lock_free(lock);
    return code;
}

static int
show(struct po_cli *cli, struct po_host *host, const char *journals)
{
    struct po_recovery recovery = { 0 };
    struct po_err err = { 0 };
    int code = PO_EXIT_DONE;
    int services_code = recover_services(cli, host);
    int runs_code;

    if (po_recovery_find(&recovery, journals, &err) != PO_OK) {
        code = po_cli_failed(cli, &err);
    } else {
        if (recovery.state == PO_RECOVERY_NONE)
            po_cli_out_tell(&cli->out, PO_CLI_SAY, "no restore is pending");
        po_cli_recovery_tell(cli, &recovery);
        put_json(cli, &recovery);
        if (recovery.state == PO_RECOVERY_UNCHANGED || recovery.state == PO_RECOVERY_INTERRUPTED ||
            recovery.state == PO_RECOVERY_INCOMPLETE)
            code = PO_EXIT_PARTLY;
        if (tell_reboot(cli, host))
            code = PO_EXIT_PARTLY;
    }
    tell_services(cli, host);
    po_cli_drill_left(cli, false);
    runs_code = po_cli_runs_tell(cli, host, po_cli_number(cli, PO_CLI_MAX_AGE, 0));
    po_recovery_deinit(&recovery);
    code = runs_code > code ? runs_code : code;
    return services_code > code ? services_code : code;
}

static int
forget(struct po_cli *cli, struct po_host *host, const char *journals)
{
    struct po_lock *lock = NULL;
    struct po_err err = { 0 };
    int code = PO_EXIT_DONE;

    if (!po_cli_site_lock(cli, host, &lock, &code))
        return code;
    /* By itself: who drops the one does not mean that the restore cannot be taken back any more. */
    if (po_cli_outage_is_left_over(host)) {
        po_cli_outage_forget(host);
        po_cli_out_tell(&cli->out, PO_CLI_SAY,
                        "forgotten: that a run was cut off while services were stopped. What is "
                        "kept of the last restore stays");
    } else if (po_recover_forget(journals, &err) != PO_OK) {
        code = po_cli_failed(cli, &err);
    } else {
        po_cli_out_tell(&cli->out, PO_CLI_SAY,
                        "forgotten: what was kept of the last restore is removed");
    }
    po_lock_free(lock);
    return code;
}

int
po_cmd_status(struct po_cli *cli)
{
    struct po_host *host = NULL;
    struct po_buf journals = { 0 };
    struct po_err err = { 0 };
    int code;

    if (po_cli_has(cli, PO_CLI_FORGET) && po_cli_has(cli, PO_CLI_MAX_AGE))
        return po_cli_usage(cli, "--forget or --max-age: one of them");
    if (!po_cli_site_open(cli, &host, &code))
        return code;
    if (po_cli_state_journals(host, &journals, &err) != PO_OK)
        code = po_cli_failed(cli, &err);
    else if (po_cli_has(cli, PO_CLI_FORGET))
        code = forget(cli, host, po_buf_text(&journals));
    else
        code = show(cli, host, po_buf_text(&journals));
    po_buf_deinit(&journals);
    po_cli_site_free(host);
    return code;
}
