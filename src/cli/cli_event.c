#include "cli/cli_event.h"

#include "cli/cli_history.h"
#include "cli/cli_state.h"
#include "port/file.h"

#include <string.h>

static void
put_log_path(struct po_buf *out)
{
    struct po_dir *dir = NULL;
    struct po_err ignored;

    if (po_cli_state_open(&dir, out, &ignored) == PO_OK)
        po_buf_put_text(out, "/pobackup.log");
    else
        po_buf_clear(out);
    po_dir_free(dir);
}

/* `host` is NULL for the system's own log. */
static void
report(struct po_cli *cli, struct po_host *host, enum po_cli_event event, int code)
{
    static const char *const outcomes[] = { [PO_HOST_EVENT_DONE] = "done",
                                            [PO_HOST_EVENT_WARNING] = "done, with problems",
                                            [PO_HOST_EVENT_ERROR] = "failed" };
    enum po_host_event_kind kind = code == PO_EXIT_DONE     ? PO_HOST_EVENT_DONE
                                   : code == PO_EXIT_PARTLY ? PO_HOST_EVENT_WARNING
                                                            : PO_HOST_EVENT_ERROR;
    struct po_host_event what = { .kind = kind, .id = (unsigned)event + (unsigned)kind };
    struct po_buf text = { 0 };
    struct po_buf log = { 0 };
    const char *log_path;
    bool is_in_file = false;
    struct po_err err;
    enum po_status st;

    po_buf_printf(&text, "pobackup %s: %s (exit code %d)\n", cli->verb->name, outcomes[kind], code);
    po_buf_put(&text, cli->out.told.bytes, cli->out.told.size);
    /* Who keeps no state directory is not given one for this. */
    if (host != NULL)
        put_log_path(&log);
    log_path = log.size > 0 ? po_buf_text(&log) : NULL;
    what.text = po_buf_text(&text);
    st = host != NULL ? host->ops->report(host, &what, log_path, &is_in_file, &err)
                      : po_host_report(&what, log_path, &is_in_file, &err);
    if (st != PO_OK)
        po_cli_out_tell(&cli->out, PO_CLI_WARNING, "this run is in no log: %s", err.text);
    po_buf_deinit(&text);
    po_buf_deinit(&log);
}

void
po_cli_event(struct po_cli *cli, struct po_host *host, enum po_cli_event event, int code)
{
    po_cli_history_end(cli, host, code);
    cli->is_reported = true;
    if (host->ops->report != NULL)
        report(cli, host, event, code);
}

void
po_cli_event_unreported(struct po_cli *cli, int code)
{
    static const struct {
        const char *verb;
        enum po_cli_event event;
    } verbs[] = { { "backup", PO_CLI_EVENT_BACKUP },   { "pre-upgrade", PO_CLI_EVENT_BACKUP },
                  { "restore", PO_CLI_EVENT_RESTORE }, { "verify", PO_CLI_EVENT_VERIFY },
                  { "prune", PO_CLI_EVENT_PRUNE },     { "drill", PO_CLI_EVENT_DRILL } };

    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]) && !cli->is_reported; i++) {
        if (strcmp(cli->verb->name, verbs[i].verb) != 0)
            continue;
        cli->is_reported = true;
        report(cli, NULL, verbs[i].event, code);
    }
}
