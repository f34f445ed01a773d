#include "cli/cli.h"

#include "cli/cli_history.h"
#include "cli/cli_site.h"
#include "cli/cli_state.h"
#include "engine/doctor.h"

#include <string.h>

static const struct look {
    const char *name;
    const char *colour;
    bool is_hidden_by_quiet;
} looks[] = {
    [PO_CHECK_GOOD] = { "good", "\033[32m", true },
    [PO_CHECK_NOTE] = { "note", "", true },
    [PO_CHECK_WARNING] = { "warning", "\033[33m", false },
    [PO_CHECK_BAD] = { "bad", "\033[31m", false },
};

/* A po_check_fn. The answer is the data: it goes to standard output. */
static void
tell_check(void *ctx, enum po_check_state state, const char *id, const char *text)
{
    struct po_cli *cli = ctx;
    const struct look *look = &looks[state];
    struct po_buf line = { 0 };

    if (cli->out.is_json) {
        po_cli_json_item(&cli->out, json_pack("{s:s, s:s, s:o}", "state", look->name, "id", id,
                                              "text", po_cli_json_text(text)));
        return;
    }
    if (cli->out.is_quiet && look->is_hidden_by_quiet)
        return;
    if (cli->out.has_stdout_colour)
        po_buf_put_text(&line, look->colour);
    po_buf_printf(&line, "%-8s", look->name);
    if (cli->out.has_stdout_colour)
        po_buf_put_text(&line, "\033[0m");
    po_buf_printf(&line, "%-10s ", id);
    po_cli_put_message(&line, text);
    (void)po_cli_out_line(&cli->out, &line);
    po_buf_deinit(&line);
}

static int
tell_worst(struct po_cli *cli, enum po_check_state worst)
{
    po_cli_json_member(&cli->out, "worst", json_string(looks[worst].name));
    switch (worst) {
    case PO_CHECK_GOOD:
    case PO_CHECK_NOTE:
        po_cli_out_tell(&cli->out, PO_CLI_SAY, "This site can be backed up and restored.");
        return PO_EXIT_DONE;
    case PO_CHECK_WARNING:
        po_cli_out_tell(&cli->out, PO_CLI_SAY,
                        "This site can be backed up and restored; see the warnings.");
        return PO_EXIT_PARTLY;
    case PO_CHECK_BAD:
        break;
    }
    po_cli_out_tell(&cli->out, PO_CLI_SAY, "Something must be mended first: see what is bad.");
    return PO_EXIT_FAILED;
}

/* Without a state directory there is no history, no journal and no lock: all that is left out. */
static int
run(struct po_cli *cli, struct po_host *host, const char *target)
{
    enum po_check_state worst = PO_CHECK_GOOD;
    struct po_history *history = NULL;
    struct po_buf journals = { 0 };
    struct po_buf lock = { 0 };
    struct po_doctor_options options = { .target = target };
    struct po_err err = { 0 };
    int code;

    if (po_cli_history_load(cli, &history))
        options.history = history;
    if (po_cli_state_journals(host, &journals, &err) == PO_OK)
        options.journal_dir = po_buf_text(&journals);
    if (po_cli_state_lock(host, &lock, &err) == PO_OK)
        options.lock_path = po_buf_text(&lock);
    po_cli_json_array_begin(&cli->out, "checks");
    if (po_doctor_run(host, &options, tell_check, cli, &worst, &err) == PO_OK) {
        po_cli_json_array_end(&cli->out);
        code = tell_worst(cli, worst);
    } else {
        code = po_cli_failed(cli, &err);
    }
    po_history_free(history);
    po_buf_deinit(&journals);
    po_buf_deinit(&lock);
    return code;
}

int
po_cmd_doctor(struct po_cli *cli)
{
    const char *target = po_cli_text(cli, PO_CLI_OUTPUT);
    struct po_host *host = NULL;
    int code;

    /* A configuration file that is shared with backup may say so. */
    if (target != NULL && strcmp(target, "-") == 0)
        target = NULL;
    if (!po_cli_site_open(cli, &host, &code))
        return code;
    code = run(cli, host, target);
    po_cli_site_free(host);
    return code;
}
