/* cli_drill_left.h - scratch folders in the state directory: whose they are, and what was left of dead drills. */
#ifndef PO_CLI_CLI_DRILL_LEFT_H
#define PO_CLI_CLI_DRILL_LEFT_H

#include "cli/cli.h"
#include "port/file.h"

/* What the name of each begins with. */
#define PO_CLI_DRILL_PREFIX "drill-"

/*
 * The lock of a scratch folder, a file beside it; taken before the folder is made. It goes when the
 * process does, so that nobody's age or number need be guessed. PO_E_IO when somebody has it.
 */
PO_NODISCARD enum po_status po_cli_drill_hold(struct po_lock **lock, const char *scratch,
                                              struct po_err *err);
/* Lets go, and removes the file; when the folder is gone. NULL is fine. */
void po_cli_drill_let_go(struct po_lock *lock, const char *scratch);

/* Folders of drills that are dead: removed, or (!is_removed) only named. Both are told. */
void po_cli_drill_left(struct po_cli *cli, bool is_removed);

#endif
