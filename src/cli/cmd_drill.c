#include "cli/cli.h"

#include "cli/cli_drill.h"
#include "cli/cli_history.h"

int
po_cmd_drill(struct po_cli *cli)
{
    int code;

    po_cli_catch_interrupts(cli);
    code = po_cli_drill(cli, cli->values.args[0], po_cli_text(cli, PO_CLI_KEEP));
    po_cli_history_end(cli, NULL, code);
    return code;
}
