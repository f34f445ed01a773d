/* cli_drill.h - a restore for practice, in words and JSON. */
#ifndef PO_CLI_CLI_DRILL_H
#define PO_CLI_CLI_DRILL_H

#include "cli/cli.h"

/*
 * Drills the archive in a scratch folder of the state directory, which is removed; or in `keep`,
 * which must be empty or missing, and stays. Prints the record; in JSON it is the member "drill". The
 * exit code: PO_EXIT_PARTLY when the archive is not good.
 */
int po_cli_drill(struct po_cli *cli, const char *path, const char *keep);

#endif
