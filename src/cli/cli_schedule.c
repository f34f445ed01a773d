#include "cli/cli_schedule.h"

#include "base/text.h"
#include "port/file.h"
#include "port/sys.h"

#include <string.h>

#define TIMEOUT_MS 60000u
#define SAID_MAX 500u
#define SYSTEMD_RUNS "/run/systemd/system"

enum po_status
po_cli_scheduler_find(const struct po_cli_scheduler **out, struct po_err *err)
{
    struct po_buf name = { 0 };
    struct po_node_info info;
    struct po_err ignored;
    bool runs_systemd = false;
    enum po_status st = PO_OK;

    if (po_sys_put_environment(&name, "POBACKUP_SCHEDULER") && name.size > 0) {
        if (strcmp(po_buf_text(&name), "systemd") == 0)
            *out = &po_cli_systemd;
        else if (strcmp(po_buf_text(&name), "cron") == 0)
            *out = &po_cli_cron;
        else
            st = po_fail(err, PO_E_USAGE, "POBACKUP_SCHEDULER is systemd or cron, not %s",
                         po_buf_text(&name));
    } else if (po_sys_has_windows_names()) {
        *out = &po_cli_tasks;
    } else {
        if (po_os_stat(SYSTEMD_RUNS, &info, &runs_systemd, &ignored) != PO_OK)
            runs_systemd = false;
        *out = runs_systemd ? &po_cli_systemd : &po_cli_cron;
    }
    po_buf_deinit(&name);
    return st;
}

/* The end of what it said, without the newline behind it. */
static enum po_status
fail_said(const char *command, int code, const struct po_buf *said, struct po_err *err)
{
    struct po_buf text = { 0 };
    size_t size = said->size;
    size_t start;

    while (size > 0 && (said->bytes[size - 1] == '\n' || said->bytes[size - 1] == '\r'))
        size--;
    start = size > SAID_MAX ? size - SAID_MAX : 0;
    po_buf_put(&text, said->bytes + start, size - start);
    (void)po_fail(err, PO_E_IO, "%s: exit code %d: %s", command, code, po_buf_text(&text));
    po_buf_deinit(&text);
    return PO_E_IO;
}

enum po_status
po_cli_schedule_run(const char *command, const struct po_buf *input, struct po_buf *said,
                    struct po_err *err)
{
    struct po_command what = { .line = command,
                               .input = input != NULL ? input->bytes : NULL,
                               .input_size = input != NULL ? input->size : 0,
                               .timeout_ms = TIMEOUT_MS };
    struct po_command_result result = { 0 };
    struct po_buf own = { 0 };
    enum po_status st = po_sys_run_command(&what, &result, &own, err);

    po_buf_put(said, own.bytes, own.size);
    if (st == PO_OK)
        st = po_buf_check(said, err);
    if (st == PO_OK && result.timed_out)
        st = po_fail(err, PO_E_IO, "%s: it does not end", command);
    if (st == PO_OK && result.exit_code != 0)
        st = fail_said(command, result.exit_code, &own, err);
    po_buf_deinit(&own);
    return st;
}
