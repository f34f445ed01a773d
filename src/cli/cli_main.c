#include "cli/cli.h"

#include "base/mem.h"
#include "cli/cli_tell.h"
#include "port/sys.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int
po_cli_exit_code(enum po_status status)
{
    switch (status) {
    case PO_OK:
        return PO_EXIT_DONE;
    case PO_E_FORMAT:
        return PO_EXIT_DAMAGED;
    case PO_E_USAGE:
        return PO_EXIT_USAGE;
    case PO_E_CANCELLED:
    case PO_E_NOMEM:
    case PO_E_IO:
    case PO_E_UNSUPPORTED:
    case PO_E_AUTH:
        break;
    }
    return PO_EXIT_FAILED;
}

int
po_cli_failed(struct po_cli *cli, const struct po_err *err)
{
    po_cli_out_tell(&cli->out, PO_CLI_ERROR, "%s", err->text);
    if (po_cli_out_has_document(&cli->out) && cli->out.error == NULL)
        cli->out.error = po_cli_json_err(err);
    return po_cli_exit_code(err->status);
}

int
po_cli_usage(struct po_cli *cli, const char *format, ...)
{
    struct po_err err = { .status = PO_E_USAGE };
    va_list args;

    va_start(args, format);
    (void)vsnprintf(err.text, sizeof(err.text), format, args);
    va_end(args);
    (void)po_cli_failed(cli, &err);
    po_cli_out_tell(&cli->out, PO_CLI_HINT, "How it is used: pobackup help%s%s",
                    cli->verb != NULL ? " " : "", cli->verb != NULL ? cli->verb->name : "");
    return PO_EXIT_USAGE;
}

bool
po_cli_has(const struct po_cli *cli, enum po_cli_id id)
{
    return cli->values.value[id].is_set;
}

const char *
po_cli_text(const struct po_cli *cli, enum po_cli_id id)
{
    return cli->values.value[id].is_set ? cli->values.value[id].text : NULL;
}

int64_t
po_cli_number(const struct po_cli *cli, enum po_cli_id id, int64_t otherwise)
{
    return cli->values.value[id].is_set ? cli->values.value[id].number : otherwise;
}

void
po_cli_catch_interrupts(struct po_cli *cli)
{
    cli->watch.cancel = po_sys_catch_interrupts();
}

bool
po_cli_is_cancelled(const struct po_cli *cli)
{
    return cli->watch.cancel != NULL && __atomic_load_n(cli->watch.cancel, __ATOMIC_RELAXED) != 0;
}

/*
 * The options of the whole program, once they are known. The words are those that could not be
 * parsed, if so: the answer comes in the form that was asked for all the same.
 */
static void
set_up_out(struct po_cli *cli, int argc, char *const *argv)
{
    struct po_cli_out *out = &cli->out;

    out->is_json = po_cli_has(cli, PO_CLI_JSON) || po_cli_is_asked(argc, argv, "--json");
    out->is_quiet = po_cli_has(cli, PO_CLI_QUIET);
    out->is_event_json = po_cli_number(cli, PO_CLI_PROGRESS, 1) == 0 ||
                         po_cli_is_asked(argc, argv, "--progress=json");
    if (po_cli_has(cli, PO_CLI_NO_COLOR)) {
        out->has_stdout_colour = false;
        out->has_stderr_colour = false;
    }
    po_cli_progress_init(&cli->progress, out);
    out->progress = &cli->progress;
    cli->watch.event = po_cli_progress_event;
    cli->watch.ctx = &cli->progress;
}

/* Looks whether all that was written is out. */
static int
flush(struct po_cli *cli, int code)
{
    struct po_err err = { 0 };

    if (po_cli_out_flush(&cli->out, &err) != PO_OK) {
        po_cli_out_tell(&cli->out, PO_CLI_ERROR, "%s", err.text);
        if (code < PO_EXIT_FAILED)
            code = PO_EXIT_FAILED;
    }
    return code;
}

/* What was written, the telling, and the end of the document, which has what that came to. */
static int
finish(struct po_cli *cli, int code)
{
    po_cli_progress_clear(&cli->progress);
    code = po_cli_tell_end(cli, flush(cli, code));
    po_cli_json_end(&cli->out, code);
    return flush(cli, code);
}

static int
print_help(struct po_cli *cli)
{
    struct po_buf text = { 0 };
    struct po_err err = { 0 };

    po_cli_help_verb(&text, cli->verb);
    (void)po_cli_out_data(&cli->out, text.bytes, text.size);
    po_buf_deinit(&text);
    return po_cli_out_flush(&cli->out, &err) == PO_OK ? PO_EXIT_DONE : po_cli_failed(cli, &err);
}

/* Options are read twice when there is a configuration file: what is typed wins. */
static int
run_verb(struct po_cli *cli, int argc, char **argv)
{
    struct po_err err = { 0 };
    enum po_status st = po_cli_parse(&cli->values, cli->verb, argc, argv, &err);
    const char *config;

    set_up_out(cli, st == PO_OK ? 0 : argc, argv);
    if (st == PO_OK && po_cli_has(cli, PO_CLI_HELP))
        return print_help(cli);
    config = po_cli_text(cli, PO_CLI_CONFIG);
    if (st == PO_OK && config != NULL) {
        st = po_cli_config_load(&cli->values, cli->verb, config, &err);
        set_up_out(cli, 0, NULL);
    }
    po_cli_tell_begin(cli);
    po_cli_json_begin(&cli->out, cli->verb->name);
    if (st == PO_E_USAGE)
        return finish(cli, po_cli_usage(cli, "%s", err.text));
    if (st != PO_OK)
        return finish(cli, po_cli_failed(cli, &err));
    if (po_cli_tell_check(cli, &err) != PO_OK)
        return finish(cli, err.status == PO_E_USAGE ? po_cli_usage(cli, "%s", err.text)
                                                    : po_cli_failed(cli, &err));
    return finish(cli, cli->verb->run(cli));
}

/* No verb; the words begin with it. */
static int
run_no_verb(struct po_cli *cli, const char *name, int argc, char **argv)
{
    const char *nearest = po_cli_nearest_verb(name);
    int code;

    set_up_out(cli, argc, argv);
    po_cli_json_begin(&cli->out, name[0] != '-' ? name : NULL);
    if (name[0] == '-')
        code =
            po_cli_usage(cli, "%s: the verb comes first: pobackup VERB [OPTIONS] ARGUMENTS", name);
    else if (nearest != NULL)
        code = po_cli_usage(cli, "%s: no such verb; is %s meant?", name, nearest);
    else
        code = po_cli_usage(cli, "%s: no such verb", name);
    return finish(cli, code);
}

static int
run(struct po_cli *cli, int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : NULL;
    const struct po_cli_verb *verb;

    if (name == NULL) {
        struct po_buf text = { 0 };

        po_cli_help_all(&text);
        (void)fwrite(text.bytes, 1, text.size, stderr);
        po_buf_deinit(&text);
        return PO_EXIT_USAGE;
    }
    if (strcmp(name, "--version") == 0)
        name = "version";
    else if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    verb = po_cli_verb_find(name);
    if (verb == NULL)
        return run_no_verb(cli, name, argc - 1, argv + 1);
    cli->verb = verb;
    return run_verb(cli, argc - 2, argv + 2);
}

int
po_cli_main(int argc, char **argv)
{
    struct po_cli cli = { .began = po_sys_monotonic(),
                          .began_at = po_sys_now(),
                          .history = { .created = POBACKUP_TIME_UNKNOWN, .outage_seconds = -1 } };
    int code;

    po_cli_out_init(&cli.out);
    code = run(&cli, argc, argv);
    po_cli_values_deinit(&cli.values);
    po_cli_out_deinit(&cli.out);
    po_history_free(cli.before);
    po_mem_free(cli.site);
    return code;
}
