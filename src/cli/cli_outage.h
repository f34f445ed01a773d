/*
 * cli_outage.h - a note in the state directory of what a run does to the services, so that they come
 * back even when the run and its guardian are both gone: after a power cut the next run on the site,
 * or `status`, starts what was stopped (req: B7).
 */
#ifndef PO_CLI_CLI_OUTAGE_H
#define PO_CLI_CLI_OUTAGE_H

#include "cli/cli.h"
#include "host/host_guard.h"

/* Nothing is written before services are about to be stopped. PO_E_IO: there is no state
 * directory. */
struct po_cli_outage;
PO_NODISCARD enum po_status po_cli_outage_new(struct po_cli_outage **out, struct po_host *host,
                                              struct po_err *err);
/*
 * The file is made, with nothing in it: a moment later a stop is noted. Making it durable waits for what a
 * backup has just written, and each record after it does not.
 */
PO_NODISCARD enum po_status po_cli_outage_prepare(struct po_cli_outage *outage, struct po_err *err);
/* Durable when this returns. */
PO_NODISCARD enum po_status po_cli_outage_add(struct po_cli_outage *outage,
                                              enum po_host_guard_news news, const char *service,
                                              struct po_err *err);
/*
 * All is as it was, or was told: the note goes, unless one was there before which could not be set right.
 * NULL is fine.
 */
void po_cli_outage_end(struct po_cli_outage *outage);

bool po_cli_outage_is_noted(struct po_host *host);
/* One is there, and belongs to no restore that is to be finished. */
bool po_cli_outage_is_left_over(struct po_host *host);
/* A guardian says that it has taken over from a dead run, in the note; whether one has. */
void po_cli_outage_take_over(struct po_host *host);
bool po_cli_outage_is_taken_over(struct po_host *host);
void po_cli_outage_forget(struct po_host *host);
/* The same when it names no other services than these, which run again; a NUL behind each. */
void po_cli_outage_forget_these(struct po_host *host, const struct po_buf *asked,
                                const struct po_buf *stopped);

/*
 * With the site's lock held: what a run that is gone had stopped is started, and told; when the note
 * cannot be read, all services of the site that do not run. Not while a restore is interrupted, which
 * has a journal of its own. PO_EXIT_SERVICES when one could not be started or is none of the site's,
 * and the note stays; else PO_EXIT_DONE.
 */
int po_cli_outage_recover(struct po_cli *cli, struct po_host *host);

/* Names, a NUL behind each: `name` is in `to` from now on, and in no other; NULL: in none. */
void po_cli_outage_move(struct po_buf *to, struct po_buf *from, struct po_buf *also_from,
                        const char *name);

#endif
