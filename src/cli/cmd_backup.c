#include "cli/cli.h"

#include "cli/cli_backup.h"
#include "cli/cli_backup_tell.h"
#include "cli/cli_event.h"
#include "cli/cli_site.h"
#include "cli/cli_target.h"
#include "engine/backup.h"
#include "port/file.h"

#include <string.h>

/* Redirected into a file, which may lie in the site: then it is no part of it. */
static void
note_output(struct po_backup_options *options)
{
    struct po_file *output = NULL;
    struct po_node_info info;
    struct po_err ignored;

    if (po_file_standard(&output, 1, &ignored) == PO_OK &&
        po_file_info(output, &info, &ignored) == PO_OK && info.type == PO_NODE_FILE) {
        options->output_device = info.device;
        options->output_id = info.file_id;
    }
    po_file_free(output);
}

static int
dry_run(struct po_cli *cli, struct po_host *host, const char *path,
        const struct po_backup_options *options)
{
    struct po_backup_result result = { .outage_seconds = -1 };
    struct po_err err = { 0 };
    int code;

    po_cli_catch_interrupts(cli);
    po_cli_json_member(&cli->out, "dry_run", json_true());
    if (po_backup_plan(host, options, &cli->watch, &result, &err) != PO_OK) {
        code = po_cli_failed(cli, &err);
    } else {
        code = po_cli_backup_planned(cli, path, &result);
    }
    po_backup_result_deinit(&result);
    return code;
}

/* What cannot be: before the site is looked at. */
static int
check_dest(struct po_cli *cli, const char *dest)
{
    if (dest == NULL)
        return po_cli_usage(cli, "where to? Give -o DEST: a file, a directory, or - for standard "
                                 "output");
    if (strcmp(dest, "-") == 0 && po_cli_has(cli, PO_CLI_SIGN))
        return po_cli_usage(cli,
                            "-o - and --sign: a signature lies beside a file; write one, or sign "
                            "it later by pobackup sign");
    if (strcmp(dest, "-") != 0 || po_cli_has(cli, PO_CLI_DRY_RUN))
        return PO_EXIT_DONE;
    if (cli->out.is_json)
        return po_cli_usage(cli, "-o - and --json both want standard output; --progress=json tells "
                                 "what happens on standard error");
    if (cli->out.is_stdout_terminal)
        return po_cli_usage(cli, "-o -: standard output is a terminal; an archive is no text");
    if (strcmp(dest, "-") == 0 && po_cli_has(cli, PO_CLI_RECOVERY))
        return po_cli_usage(cli, "--recovery makes a file beside the archive: not with -o -");
    return PO_EXIT_DONE;
}

int
po_cmd_backup(struct po_cli *cli)
{
    const char *dest = po_cli_text(cli, PO_CLI_OUTPUT);
    struct po_backup_options options = { 0 };
    struct po_host *host = NULL;
    struct po_buf path = { 0 };
    int code = check_dest(cli, dest);

    if (code != PO_EXIT_DONE)
        return code;
    if (!po_cli_site_open(cli, &host, &code))
        return code;
    po_cli_backup_set_options(cli, &options);
    if (strcmp(dest, "-") == 0)
        note_output(&options);
    if (po_cli_target_path(cli, host, dest, options.created, &path, &code))
        code = po_cli_has(cli, PO_CLI_DRY_RUN)
                   ? dry_run(cli, host, po_buf_text(&path), &options)
                   : po_cli_backup_run(cli, host, dest, &path, &options);
    if (!po_cli_has(cli, PO_CLI_DRY_RUN))
        po_cli_event(cli, host, PO_CLI_EVENT_BACKUP, code);
    po_buf_deinit(&path);
    po_cli_site_free(host);
    return code;
}
