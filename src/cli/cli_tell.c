#include "cli/cli_tell.h"

#include "base/text.h"
#include "cli/cli_event.h"
#include "cli/cli_history.h"
#include "port/sys.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TIMEOUT_SECONDS 300
/* Of what a command that failed said, the end. */
#define SAID_MAX 500u

void
po_cli_tell_failed(struct po_cli_telling *telling, const char *format, ...)
{
    char text[2048];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    po_cli_out_tell(&telling->cli->out, PO_CLI_WARNING, "this run could not be told: %s", text);
    if (telling->untold.size > 0)
        po_buf_put_text(&telling->untold, "; ");
    po_buf_put_text(&telling->untold, text);
    if (telling->code == PO_EXIT_DONE)
        telling->code = PO_EXIT_PARTLY;
}

/* Once: the log itself cannot tell it. */
static void
warn_of_log(struct po_cli *cli)
{
    struct po_err err = cli->log.err;

    if (err.status == PO_OK || cli->out.log == NULL)
        return;
    cli->out.log = NULL;
    po_cli_out_tell(&cli->out, PO_CLI_WARNING, "this run is not in the log: %s", err.text);
}

void
po_cli_tell_begin(struct po_cli *cli)
{
    cli->is_telling =
        po_cli_option_by_id(cli->verb, PO_CLI_LOG) != NULL && !po_cli_has(cli, PO_CLI_DRY_RUN);
    if (!cli->is_telling)
        return;
    cli->out.is_kept = po_cli_has(cli, PO_CLI_ON_SUCCESS) || po_cli_has(cli, PO_CLI_ON_FAILURE) ||
                       po_cli_has(cli, PO_CLI_METRICS) || po_cli_has(cli, PO_CLI_MAIL_TO);
    if (!po_cli_has(cli, PO_CLI_LOG))
        return;
    cli->log = (struct po_cli_log){
        .path = po_cli_text(cli, PO_CLI_LOG),
        .verb = cli->verb->name,
        .size_max = (uint64_t)po_cli_number(cli, PO_CLI_LOG_SIZE_MAX, PO_CLI_LOG_SIZE),
        .count = (unsigned)po_cli_number(cli, PO_CLI_LOG_KEPT, PO_CLI_LOG_COUNT),
    };
    cli->out.log = &cli->log;
    po_cli_log_line(&cli->log, "", "begin");
    warn_of_log(cli);
}

enum po_status
po_cli_tell_check(struct po_cli *cli, struct po_err *err)
{
    return cli->is_telling ? po_cli_tell_mail_check(cli, err) : PO_OK;
}

/* ---- commands ---- */

/* The end of what it said, on one line. */
static void
put_said(struct po_buf *out, const struct po_buf *said)
{
    size_t size = said->size;
    size_t start;

    while (size > 0 && (said->bytes[size - 1] == '\n' || said->bytes[size - 1] == '\r'))
        size--;
    start = size > SAID_MAX ? size - SAID_MAX : 0;
    if (size > start)
        po_buf_put_text(out, ": ");
    po_text_put_name(out, said->bytes + start, size - start);
}

static void
tell_result(struct po_cli_telling *telling, const char *option, const struct po_command *command,
            const struct po_command_result *result, const struct po_buf *said)
{
    struct po_buf text = { 0 };

    put_said(&text, said);
    if (result->timed_out) {
        po_cli_tell_failed(telling, "%s: the command was ended after %u seconds%s", option,
                           command->timeout_ms / 1000, po_buf_text(&text));
    } else if (result->exit_code < 0) {
        po_cli_tell_failed(telling, "%s: the command was ended by a signal%s", option,
                           po_buf_text(&text));
    } else if (result->exit_code > 0) {
        po_cli_tell_failed(telling, "%s: the command has exit code %d%s", option, result->exit_code,
                           po_buf_text(&text));
    } else if (result->input_taken == 0 && command->input_size > 0) {
        /* Many need none of it, such as one that calls an address: no failure. */
        po_buf_clear(&text);
        po_buf_printf(&text, "%s: the command did not read its input", option);
        po_cli_out_tell(&telling->cli->out, PO_CLI_NOTE, "%s", po_buf_text(&text));
        if (telling->cli->out.log != NULL)
            po_cli_log_line(telling->cli->out.log, "note: ", po_buf_text(&text));
    }
    po_buf_deinit(&text);
}

static void
run_command(struct po_cli_telling *telling)
{
    struct po_cli *cli = telling->cli;
    bool is_good = telling->code == PO_EXIT_DONE;
    enum po_cli_id id = is_good ? PO_CLI_ON_SUCCESS : PO_CLI_ON_FAILURE;
    const char *option = is_good ? "--on-success" : "--on-failure";
    char verb[64];
    char code[64];
    const char *const variables[] = { verb, code, NULL };
    struct po_command command = { .line = po_cli_text(cli, id),
                                  .variables = variables,
                                  .input = po_buf_text(&telling->document),
                                  .input_size = telling->document.size,
                                  .timeout_ms = (unsigned)po_cli_number(cli, PO_CLI_ON_TIMEOUT,
                                                                        TIMEOUT_SECONDS) *
                                                UINT32_C(1000) };
    struct po_command_result result = { 0 };
    struct po_buf said = { 0 };
    struct po_err err = { 0 };

    if (command.line == NULL)
        return;
    (void)snprintf(verb, sizeof(verb), "POBACKUP_VERB=%s", cli->verb->name);
    (void)snprintf(code, sizeof(code), "POBACKUP_EXIT_CODE=%d", telling->code);
    if (po_buf_check(&telling->document, &err) != PO_OK ||
        po_sys_run_command(&command, &result, &said, &err) != PO_OK)
        po_cli_tell_failed(telling, "%s: %s", option, err.text);
    else
        tell_result(telling, option, &command, &result, &said);
    po_buf_deinit(&said);
}

/* ---- the end ---- */

static void
put_document(struct po_cli_telling *telling)
{
    po_buf_clear(&telling->document);
    po_cli_json_put_document(&telling->cli->out, telling->code, &telling->document);
}

static void
end_log(struct po_cli *cli, int code)
{
    struct po_buf line = { 0 };

    po_buf_printf(&line, "end: exit code %d, after ", code);
    po_text_put_seconds(&line, po_sys_monotonic() - cli->began);
    po_cli_log_line(&cli->log, "", po_buf_text(&line));
    warn_of_log(cli);
    po_buf_deinit(&line);
}

int
po_cli_tell_end(struct po_cli *cli, int code)
{
    struct po_cli_telling telling = { .cli = cli, .code = code };

    if (!cli->is_telling)
        return code;
    po_cli_event_unreported(cli, code);
    po_cli_history_put_untold(cli, &telling.untold_before);
    if (telling.untold_before.size > 0)
        po_cli_out_tell(&cli->out, PO_CLI_WARNING, "how the run before ended could not be told: %s",
                        po_buf_text(&telling.untold_before));
    put_document(&telling);
    run_command(&telling);
    /* What the command came to is told by mail, and what became of both by the metrics. */
    put_document(&telling);
    po_cli_tell_mail(&telling);
    put_document(&telling);
    po_cli_tell_metrics(&telling);
    if (telling.untold.size > 0)
        po_cli_history_untold(cli, telling.code, po_buf_text(&telling.untold));
    end_log(cli, telling.code);
    po_buf_deinit(&telling.untold);
    po_buf_deinit(&telling.untold_before);
    po_buf_deinit(&telling.document);
    return telling.code;
}
