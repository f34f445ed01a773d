#include "cli/cli_tell.h"

void
po_cli_tell_metrics(struct po_cli_telling *telling)
{
    (void)telling;
}
