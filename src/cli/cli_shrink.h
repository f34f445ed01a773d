/*
 * cli_shrink.h - a site that has lost most of what it had: a disk that is not mounted is an empty
 * directory, and a backup of that is whole and of no use. It is told, and does not count as a good
 * backup, until somebody says that it is meant (--allow-shrink).
 */
#ifndef PO_CLI_CLI_SHRINK_H
#define PO_CLI_CLI_SHRINK_H

#include "cli/cli.h"

/*
 * After po_cli_history_backup, whose numbers are compared with those of the last good backup of the
 * site. PO_EXIT_PARTLY, told, and in the history the run is not complete; else PO_EXIT_DONE. Adds
 * "shrunk" to the JSON document.
 */
int po_cli_shrink_check(struct po_cli *cli);
/* Likewise, without comparing: a mailbox or a spool without any file. */
int po_cli_shrink_check_empty(struct po_cli *cli);

#endif
