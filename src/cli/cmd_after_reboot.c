#include "cli/cli.h"

#include "cli/cli_event.h"
#include "cli/cli_reboot.h"
#include "cli/cli_site.h"
#include "cli/cli_state.h"
#include "engine/after_reboot.h"
#include "port/file.h"

#include <string.h>

/* Services of Windows may start late after a boot; those of a folder site are there or are not. */
#define WAIT_S 120

static const struct {
    const char *name;
    const char *text;
    enum po_cli_tone tone;
    int code;
} outcomes[] = {
    [PO_AFTER_RUNS] = { "runs", "runs", PO_CLI_SAY, PO_EXIT_DONE },
    [PO_AFTER_STARTED] = { "started", "did not start by itself; it was started now", PO_CLI_WARNING,
                           PO_EXIT_PARTLY },
    [PO_AFTER_LEFT] = { "disabled", "is disabled, and so was not started", PO_CLI_WARNING,
                        PO_EXIT_PARTLY },
    [PO_AFTER_FAILED] = { "failed", "could not be started", PO_CLI_PROBLEM, PO_EXIT_SERVICES },
};

static int
tell(struct po_cli *cli, struct po_host *host, const struct po_after_result *result)
{
    bool do_all_run = true;
    int code = PO_EXIT_DONE;

    po_cli_json_array_begin(&cli->out, "services");
    for (size_t i = 0; i < result->count; i++) {
        const struct po_after_service *service = &result->services[i];
        bool has_failed = service->state == PO_AFTER_FAILED;

        po_cli_out_tell(&cli->out, outcomes[service->state].tone, "service %s %s%s%s",
                        service->name, outcomes[service->state].text, has_failed ? ": " : "",
                        has_failed ? service->reason : "");
        po_cli_json_item(&cli->out,
                         json_pack("{s:o, s:s, s:o}", "name", po_cli_json_text(service->name),
                                   "state", outcomes[service->state].name, "reason",
                                   has_failed ? po_cli_json_text(service->reason) : json_null()));
        do_all_run =
            do_all_run && (service->state == PO_AFTER_RUNS || service->state == PO_AFTER_STARTED);
        if (outcomes[service->state].code > code)
            code = outcomes[service->state].code;
    }
    po_cli_json_array_end(&cli->out);
    if (do_all_run)
        po_cli_reboot_forget(cli, host);
    if (code == PO_EXIT_SERVICES)
        po_cli_out_tell(&cli->out, PO_CLI_HINT,
                        "Mail is down. Start them by hand, then run this again");
    return code;
}

/*
 * It has done its work, or a person reads what it could not do: it need not run at the next start.
 * The exit code, which is at least PO_EXIT_PARTLY when that fails.
 */
static int
forget(struct po_cli *cli, struct po_host *host, int code)
{
    struct po_err err;

    if (host->ops->reboot == NULL || host->ops->reboot->forget_after(host, &err) == PO_OK)
        return code;
    po_cli_out_tell(&cli->out, PO_CLI_WARNING, "this would run again at the next start: %s",
                    err.text);
    return code > PO_EXIT_PARTLY ? code : PO_EXIT_PARTLY;
}

static int
look_after(struct po_cli *cli, struct po_host *host)
{
    unsigned wait_s =
        (unsigned)po_cli_number(cli, PO_CLI_WAIT, host->ops->reboot != NULL ? WAIT_S : 0);
    struct po_after_result result = { 0 };
    struct po_err err = { 0 };
    int code;

    po_cli_catch_interrupts(cli);
    if (po_after_reboot_run(host, wait_s, &cli->watch, &result, &err) == PO_OK) {
        code = forget(cli, host, tell(cli, host, &result));
    } else {
        code = po_cli_failed(cli, &err);
    }
    po_after_result_deinit(&result);
    return code;
}

int
po_cmd_after_reboot(struct po_cli *cli)
{
    struct po_host *host = NULL;
    struct po_lock *lock = NULL;
    int code;

    if (!po_cli_site_open(cli, &host, &code))
        return code;
    if (po_cli_site_lock(cli, host, &lock, &code))
        code = look_after(cli, host);
    po_cli_event(cli, host, PO_CLI_EVENT_AFTER_REBOOT, code);
    po_lock_free(lock);
    po_cli_site_free(host);
    return code;
}
