/* cli_backup.h - a backup as `backup` and `pre-upgrade` make it. */
#ifndef PO_CLI_CLI_BACKUP_H
#define PO_CLI_CLI_BACKUP_H

#include "cli/cli.h"
#include "engine/backup.h"

void po_cli_backup_set_options(const struct po_cli *cli, struct po_backup_options *options);
/*
 * Under the locks of site and vault, with a guardian: chooses what it builds on (nothing, when it has
 * a purpose), saves, drills and prunes as the options say. `path` is po_cli_target_path's, and becomes
 * what the archive is called; it lives until the run's end is told. The exit code.
 */
int po_cli_backup_run(struct po_cli *cli, struct po_host *host, const char *dest,
                      struct po_buf *path, struct po_backup_options *options);

#endif
