/* cli_restore.h - a restore in words: the plan, what was done, what failed. */
#ifndef PO_CLI_CLI_RESTORE_H
#define PO_CLI_CLI_RESTORE_H

#include "cli/cli_archive.h"
#include "cli/cli_out.h"
#include "engine/restore.h"

/* Prints the plan; PO_EXIT_FAILED when there is a reason why it cannot be, 1 when items cannot. */
int po_cli_restore_plan(struct po_cli *cli, const struct po_cli_archive *archive,
                        const struct po_restore_result *result);
/* What was done, where the old files are; the exit code. */
int po_cli_restore_tell(struct po_cli *cli, const struct po_restore_result *result);
/* What a failure left behind; the exit code. */
int po_cli_restore_failed(struct po_cli *cli, const struct po_restore_result *result,
                          const struct po_err *err);
void po_cli_restore_json(struct po_cli_out *out, const struct po_restore_result *result,
                         bool is_dry_run);

#endif
