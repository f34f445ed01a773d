#include "cli/cli_tell.h"

enum po_status
po_cli_tell_mail_check(struct po_cli *cli, struct po_err *err)
{
    if (po_cli_has(cli, PO_CLI_MAIL_TO))
        return po_fail(err, PO_E_USAGE, "--mail-to: not in this version");
    return PO_OK;
}

void
po_cli_tell_mail(struct po_cli_telling *telling)
{
    (void)telling;
}
