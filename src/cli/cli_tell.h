/*
 * cli_tell.h - the end of a run, told to whoever is not looking on: a log file (cli_log.h), commands,
 * mail (cli_mail.h), metrics (cli_metrics.h). Silence may mean success only where failure is loud: a
 * run that is good but could not be told so is exit code 1, and stands in the history as untold, so
 * that the next run and `status` tell it. Only the log never fails a run.
 *
 * For the verbs whose table has --log; not for a dry run, which is made by somebody who looks on.
 */
#ifndef PO_CLI_CLI_TELL_H
#define PO_CLI_CLI_TELL_H

#include "cli/cli.h"

/* The options are known, as far as they could be read: before the JSON document begins. */
void po_cli_tell_begin(struct po_cli *cli);
/* What is wrong with them should be known before any service is stopped. */
PO_NODISCARD enum po_status po_cli_tell_check(struct po_cli *cli, struct po_err *err);
/* The run ends with this exit code; returns the program's, which is 1 for 0 when it was not told. */
int po_cli_tell_end(struct po_cli *cli, int code);

/* ---- its parts ---- */

struct po_cli_telling {
    struct po_cli *cli;
    int code;                    /* 0 is 1 once something could not be told */
    struct po_buf untold;        /* what could not, and why; empty = nothing */
    struct po_buf document;      /* the run's, as --json gives it */
    struct po_buf untold_before; /* the run before this one could not be told: when, and why */
};
/* Something could not be told. */
PO_PRINTF(2, 3) void po_cli_tell_failed(struct po_cli_telling *telling, const char *format, ...);

/* cli_tell_mail.c: PO_E_USAGE when the options are wrong, PO_E_IO when the login cannot be read. */
PO_NODISCARD enum po_status po_cli_tell_mail_check(struct po_cli *cli, struct po_err *err);
void po_cli_tell_mail(struct po_cli_telling *telling);
/* cli_tell_metrics.c */
void po_cli_tell_metrics(struct po_cli_telling *telling);

#endif
