/*
 * cli_history.h - the runs' history (engine/history.h) in the state directory: each verb notes in
 * cli->history what it did, and at its end the line is written. Nothing of this ever makes a run
 * fail.
 */
#ifndef PO_CLI_CLI_HISTORY_H
#define PO_CLI_CLI_HISTORY_H

#include "cli/cli.h"
#include "cli/cli_archive.h"
#include "engine/backup.h"
#include "engine/consolidate.h"
#include "engine/history.h"
#include "engine/recover.h"
#include "engine/restore.h"
#include "host/host.h"

/* An archive was written to `path` ("-": standard output), which lives until the line is written. */
void po_cli_history_backup(struct po_cli *cli, struct po_host *host, const char *path,
                           const struct po_backup_options *options,
                           const struct po_backup_result *result);
/*
 * A full was made of the archive `own` and verified deeply. Whose it is, and whether it is complete, is
 * what `history` knows of that one; it lives until the line is written.
 */
void po_cli_history_consolidate(struct po_cli *cli, const struct po_history *history,
                                const uint8_t own[PO_DIGEST_SIZE], const char *path,
                                const struct po_consolidate_result *result);
/* An archive that was opened, and verified deeply, was restored, or was not. */
void po_cli_history_restore(struct po_cli *cli, const struct po_cli_archive *archive,
                            const struct po_restore_result *result);
void po_cli_history_recover(struct po_cli *cli, const struct po_recover_result *result);

/*
 * The run ends with this exit code: the line is written. `host` is the site that it worked on, or
 * NULL (verify), and then no state directory is made: who keeps none here has no history. Where no
 * state directory can be had at all nothing is told, as the lock has told it; a line that cannot be
 * written is a warning.
 */
void po_cli_history_end(struct po_cli *cli, struct po_host *host, int code);

/* The run's end could not be told to whom it was to be told (cli_tell.h): a line of its own. */
void po_cli_history_untold(struct po_cli *cli, int code, const char *why);
/*
 * Appends why the run of the same verb and site before this one could not be told, and when it was;
 * nothing when it was told.
 */
void po_cli_history_put_untold(struct po_cli *cli, struct po_buf *out);

/* false when it cannot be read, which is told as a warning; *out is NULL then. */
bool po_cli_history_load(struct po_cli *cli, struct po_history **out);
/*
 * As it was when it was first asked for: reading a year of runs takes 4 ms, so once is enough where nothing
 * that another process adds meanwhile matters. Lent, until the program ends; NULL when it cannot be read, which
 * is told once.
 */
const struct po_history *po_cli_history_before(struct po_cli *cli);

#endif
