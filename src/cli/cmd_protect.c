/* pobackup protect: recovery data beside archives that are whole. */
#include "cli/cli.h"

#include "cli/cli_archive.h"
#include "cli/cli_rec.h"

#include <string.h>

static int
protect_one(struct po_cli *cli, const char *path)
{
    const struct po_cli_rec_wish wish = { .percent = (unsigned)po_cli_number(
                                              cli, PO_CLI_RECOVERY, PO_REC_PERCENT_DEFAULT),
                                          .may_replace = po_cli_has(cli, PO_CLI_OVERWRITE) };
    struct po_rec_header header = { 0 };
    struct po_err err = { 0 };
    double seconds = 0;
    enum po_status st = po_cli_rec_protect(cli, path, &wish, &header, &seconds, &err);

    if (po_cli_out_has_document(&cli->out))
        po_cli_json_item(
            &cli->out,
            json_pack("{s:o, s:o, s:o}", "path", po_cli_json_plain_path(path, strlen(path)),
                      "message", st == PO_OK ? json_null() : po_cli_json_text(err.text), "recovery",
                      st == PO_OK ? po_cli_rec_header_json(path, &header, seconds) : json_null()));
    return st == PO_OK ? PO_EXIT_DONE : po_cli_archive_failed(cli, path, &err);
}

int
po_cmd_protect(struct po_cli *cli)
{
    int worst = PO_EXIT_DONE;

    po_cli_catch_interrupts(cli);
    po_cli_json_array_begin(&cli->out, "archives");
    for (size_t i = 0; i < cli->values.arg_count && !po_cli_is_cancelled(cli); i++) {
        struct po_vault_lock *lock = NULL;
        int code = PO_EXIT_DONE;

        if (po_cli_rec_lock(cli, cli->values.args[i], &lock, &code))
            code = protect_one(cli, cli->values.args[i]);
        po_vault_lock_free(lock);
        if (code > worst)
            worst = code;
    }
    po_cli_json_array_end(&cli->out);
    return po_cli_is_cancelled(cli) && worst < PO_EXIT_FAILED ? PO_EXIT_FAILED : worst;
}
