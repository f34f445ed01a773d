/* cli_site.h - which host a --site is: the one place that picks an implementation. */
#ifndef PO_CLI_CLI_SITE_H
#define PO_CLI_CLI_SITE_H

#include "host/host.h"

struct po_cli;

/* Opens the site of --site. What went wrong has been told; *code is the exit code then. */
bool po_cli_site_open(struct po_cli *cli, struct po_host **host, int *code);
void po_cli_site_free(struct po_host *host);
/* For messages: "mail was down for 3.2 s", or that no service was touched. */
void po_cli_put_outage(struct po_buf *to, double outage_seconds);

#endif
