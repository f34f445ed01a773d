/* cli_reboot.h - the reboot that ends a restore (req: R8), and what is to run after it (req: R9). */
#ifndef PO_CLI_CLI_REBOOT_H
#define PO_CLI_CLI_REBOOT_H

#include "cli/cli.h"
#include "host/host.h"

/* In the order of the option's choices. */
enum po_cli_reboot { PO_CLI_REBOOT_SCHEDULE, PO_CLI_REBOOT_NOW, PO_CLI_REBOOT_NEVER };

/* A line of the plan: what will be. Nothing where there is nothing to reboot. */
void po_cli_reboot_plan(struct po_cli *cli, const struct po_host *host);
/* The same for JSON: the member of a run that has not come so far; null where none would be. */
json_t *po_cli_reboot_planned(const struct po_cli *cli, const struct po_host *host);
/*
 * After a restore that stands: registers after-reboot and asks for the reboot, or says that it is to
 * be done. The exit code: PO_EXIT_PARTLY when that failed and is left to the user.
 */
int po_cli_reboot_run(struct po_cli *cli, struct po_host *host);
/* A warning time for a reboot that has none. */
bool po_cli_reboot_is_contradictory(const struct po_cli *cli);

/*
 * A restore is unfinished until its reboot: noted in the state directory before the first file is
 * changed, until after-reboot has seen the services, or the restore is taken back. Where nothing is
 * to be rebooted, nothing is noted. A failure is warned of.
 */
void po_cli_reboot_note(struct po_cli *cli, struct po_host *host);
void po_cli_reboot_forget(struct po_cli *cli, struct po_host *host);
/* Since when one is pending, as JSON's time text, appended; false: none is. */
bool po_cli_reboot_is_pending(struct po_host *host, struct po_buf *since);

#endif
