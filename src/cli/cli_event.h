/*
 * cli_event.h - the end of a run: a line in the history, and one event in the system's log, where the
 * site's machine has one.
 */
#ifndef PO_CLI_CLI_EVENT_H
#define PO_CLI_CLI_EVENT_H

#include "cli/cli.h"
#include "host/host.h"

/* What people filter by: the first id of a verb, and 0 to 2 more for done, with problems, failed. */
enum po_cli_event {
    PO_CLI_EVENT_BACKUP = 1,
    PO_CLI_EVENT_RESTORE = 4,
    PO_CLI_EVENT_AFTER_REBOOT = 7,
    PO_CLI_EVENT_RECOVER = 10,
    PO_CLI_EVENT_VERIFY = 13,
    PO_CLI_EVENT_PRUNE = 16,
    PO_CLI_EVENT_DRILL = 19
};

/*
 * Reports the run that ends with this exit code: what cli->history holds of it in the history, all
 * that was told in the log. Where the log takes it not, the file pobackup.log in the state directory
 * does. A failure is a warning.
 */
void po_cli_event(struct po_cli *cli, struct po_host *host, enum po_cli_event event, int code);
/*
 * One event of a run that has not been reported: it works on no site (verify, prune, drill), or its
 * site was not found (backup, restore). Nothing in the history. Other verbs: nothing.
 */
void po_cli_event_unreported(struct po_cli *cli, int code);

#endif
