#include "cli/cli_recovery.h"

#include "cli/cli_state.h"
#include "port/sys.h"

#include <string.h>

void
po_cli_recovery_put_site(struct po_buf *out, const struct po_cli *cli)
{
    const char *site = po_cli_text(cli, PO_CLI_SITE);

    if (site == NULL)
        return;
    po_buf_put_text(out, " --site ");
    po_cli_put_word(out, site);
}

static void
put_origin(struct po_buf *out, const struct po_recovery *recovery)
{
    po_buf_put_text(out, "the restore from ");
    po_cli_put_word(out, recovery->archive);
    po_buf_put_text(out, ", begun ");
    po_sys_put_local_time(out, recovery->time);
}

static void
tell_kept(struct po_cli *cli, const struct po_buf *kept, const char *what)
{
    for (size_t at = 0; at < kept->size; at += strlen((const char *)kept->bytes + at) + 1)
        po_cli_out_tell(&cli->out, PO_CLI_SAY, "%s: %s", what, (const char *)kept->bytes + at);
}

void
po_cli_recovery_tell(struct po_cli *cli, const struct po_recovery *recovery)
{
    struct po_buf origin = { 0 };
    struct po_buf site = { 0 };
    const char *text;
    const char *arguments;

    if (recovery->state == PO_RECOVERY_NONE)
        return;
    put_origin(&origin, recovery);
    po_cli_recovery_put_site(&site, cli);
    text = po_buf_text(&origin);
    arguments = po_buf_text(&site);
    switch (recovery->state) {
    case PO_RECOVERY_NONE:
        break;
    case PO_RECOVERY_UNCHANGED:
        po_cli_out_tell(
            &cli->out, PO_CLI_WARNING,
            "%s, was interrupted before it had changed a file; its services may be down", text);
        po_cli_out_tell(&cli->out, PO_CLI_HINT, "Set that right with: pobackup undo%s", arguments);
        break;
    case PO_RECOVERY_INTERRUPTED:
        po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                        "%s, was interrupted while %s; the site is half old and half new, and its "
                        "services may be down",
                        text,
                        recovery->was_undoing ? "it was taken back" : "files were put in place");
        po_cli_out_tell(&cli->out, PO_CLI_HINT, "Finish it with: pobackup %s%s",
                        recovery->was_undoing ? "undo" : "resume", arguments);
        if (!recovery->was_undoing)
            po_cli_out_tell(&cli->out, PO_CLI_HINT, "Or take it back with: pobackup undo%s",
                            arguments);
        break;
    case PO_RECOVERY_INCOMPLETE:
        po_cli_out_tell(&cli->out, PO_CLI_WARNING,
                        "%s, was interrupted when old files had been removed to make room "
                        "(--no-safety-copy) and new ones were not in place: files are missing, and "
                        "its services may be down",
                        text);
        po_cli_out_tell(&cli->out, PO_CLI_HINT, "Run the restore again, or one of another archive");
        break;
    case PO_RECOVERY_DONE:
        po_cli_out_tell(&cli->out, PO_CLI_SAY, "%s, is done", text);
        tell_kept(cli, &recovery->kept, "what it replaced is kept in");
        po_cli_out_tell(&cli->out, PO_CLI_HINT, "Take it back with: pobackup undo%s", arguments);
        po_cli_out_tell(&cli->out, PO_CLI_HINT,
                        "When it is not to be taken back any more: pobackup status --forget%s",
                        arguments);
        break;
    case PO_RECOVERY_TAKEN_BACK:
        po_cli_out_tell(&cli->out, PO_CLI_SAY, "%s, was taken back", text);
        tell_kept(cli, &recovery->kept, "what it had restored is kept in");
        po_cli_out_tell(&cli->out, PO_CLI_HINT,
                        "When you do not need it any more: pobackup status --forget%s", arguments);
        break;
    }
    po_buf_deinit(&origin);
    po_buf_deinit(&site);
}

bool
po_cli_recovery_allows(struct po_cli *cli, struct po_host *host, bool only_changed, int *code)
{
    struct po_recovery recovery = { 0 };
    struct po_buf dir = { 0 };
    struct po_err err = { 0 };
    enum po_status st = po_cli_state_journals(host, &dir, &err);
    bool is_free = true;

    /* No state directory, and so no journal. */
    if (st == PO_OK)
        st = po_recovery_find(&recovery, po_buf_text(&dir), &err);
    else
        st = PO_OK;
    if (st != PO_OK) {
        (void)po_err_prefix(&err, "whether a restore was interrupted cannot be told");
        if (only_changed)
            po_cli_out_tell(&cli->out, PO_CLI_WARNING, "%s", err.text);
        else
            *code = po_cli_failed(cli, &err);
        is_free = only_changed;
    } else if (recovery.state == PO_RECOVERY_INTERRUPTED ||
               (recovery.state == PO_RECOVERY_UNCHANGED && !only_changed)) {
        po_cli_recovery_tell(cli, &recovery);
        (void)po_fail(&err, PO_E_IO, "a restore of this site is not finished; nothing was done");
        *code = po_cli_failed(cli, &err);
        is_free = false;
    } else if (recovery.state == PO_RECOVERY_INCOMPLETE && only_changed) {
        po_cli_recovery_tell(cli, &recovery);
        (void)po_fail(&err, PO_E_IO, "files of this site are missing; nothing was done");
        *code = po_cli_failed(cli, &err);
        is_free = false;
    } else if (recovery.state == PO_RECOVERY_UNCHANGED ||
               recovery.state == PO_RECOVERY_INCOMPLETE) {
        po_cli_recovery_tell(cli, &recovery);
    }
    po_recovery_deinit(&recovery);
    po_buf_deinit(&dir);
    return is_free;
}
