/*
 * cli_guardian.h - the process that starts the services again when this one dies while they are
 * stopped (req: B7). It is this program with the verb guardian, and reads lines:
 *
 *   noted            what follows is in the site's note too (cli_outage.h)
 *   stop SERVICE     it is about to be asked to stop
 *   stopped SERVICE  it has
 *   started SERVICE  it runs again, or that was tried
 *   end              nothing is left to do
 *
 * When they end without "end", it takes the site's lock and brings back what was stopped and not
 * started; unless the note is gone by then: somebody else has done it.
 */
#ifndef PO_CLI_CLI_GUARDIAN_H
#define PO_CLI_CLI_GUARDIAN_H

#include "cli/cli.h"
#include "host/host.h"

#define PO_CLI_GUARDIAN_NOTED "noted"
#define PO_CLI_GUARDIAN_STOP "stop "
#define PO_CLI_GUARDIAN_STOPPED "stopped "
#define PO_CLI_GUARDIAN_STARTED "started "
#define PO_CLI_GUARDIAN_END "end"

struct po_cli_guardian;

/*
 * Starts it and has it told of all that is done to the host's services. NULL, and a warning, when it
 * cannot be had: the job may go on. NULL without one when no service is to be stopped.
 */
struct po_cli_guardian *po_cli_guardian_begin(struct po_cli *cli, struct po_host *host);
/* Before the host is freed. NULL is fine. */
void po_cli_guardian_end(struct po_cli_guardian *guardian);

#endif
