/* cli_schedule_former.h - the job that a new one of the same name would replace. */
#ifndef PO_CLI_CLI_SCHEDULE_FORMER_H
#define PO_CLI_CLI_SCHEDULE_FORMER_H

#include "cli/cli.h"
#include "cli/cli_schedule.h"

struct po_cli_former {
    const char *name; /* lent */
    bool is_there;
    bool is_known;       /* what it saves */
    bool is_another;     /* site than the new one's, as far as is known */
    struct po_buf when;  /* it runs */
    struct po_buf words; /* its command, a NUL behind each; empty = not known */
    struct po_buf site;  /* as it was given; "" = the default one */
    struct po_buf new_site;
};

/*
 * Whether there is one, and what it saves; `words` are those of the new one, the program and the verb
 * among them. Deinit in any case.
 */
PO_NODISCARD enum po_status po_cli_former_find(struct po_cli_former *former,
                                               const struct po_cli_scheduler *scheduler,
                                               const char *name, char *const *words, size_t count,
                                               struct po_err *err);
void po_cli_former_deinit(struct po_cli_former *former);
/* PO_E_USAGE names both sites when it is another's job, or nobody knows whose. */
PO_NODISCARD enum po_status po_cli_former_check(const struct po_cli_former *former,
                                                struct po_err *err);
/* What was replaced. */
void po_cli_former_tell(struct po_cli *cli, const struct po_cli_former *former);

#endif
