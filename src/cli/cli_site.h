/* cli_site.h - which host a --site is: the one place that picks an implementation. */
#ifndef PO_CLI_CLI_SITE_H
#define PO_CLI_CLI_SITE_H

#include "host/host.h"

#include <stdbool.h>

struct po_cli;

/* Opens the site of --site. What went wrong has been told; *code is the exit code then. */
bool po_cli_site_open(struct po_cli *cli, struct po_host **host, int *code);
/*
 * What was typed of a site that could not be opened, as its identity would be if it could: for lists in
 * which it is the same site. NULL: nothing was typed, or out of memory. To be freed by po_mem_free.
 */
char *po_cli_site_typed(const struct po_cli *cli);
void po_cli_site_free(struct po_host *host);
/* For messages: "mail was down for 3.2 s", or that no service was touched. */
void po_cli_put_outage(struct po_buf *to, double outage_seconds);
/*
 * Appends to a failure's message what became of the services (requirement B7). Negative
 * outage_seconds = none was stopped.
 */
void po_cli_err_add_services(struct po_err *err, double outage_seconds, bool are_lost);
/* Appends "; text"; a message that is too long gives way. */
void po_cli_err_add(struct po_err *err, const char *text);

#endif
