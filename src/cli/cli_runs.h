/* cli_runs.h - what the history tells people of a site: the last runs, and how old its backup is. */
#ifndef PO_CLI_CLI_RUNS_H
#define PO_CLI_CLI_RUNS_H

#include "cli/cli.h"
#include "host/host.h"

/*
 * The last runs of the site, its last good backup that is still there (cli_good.h), the last one that
 * was verified; the newest first.
 * PO_EXIT_PARTLY, with a warning, when max_age_hours (0 = any age) is given and no good backup of
 * that age is known; else PO_EXIT_DONE.
 */
int po_cli_runs_tell(struct po_cli *cli, struct po_host *host, int64_t max_age_hours);

#endif
