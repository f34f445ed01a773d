/* cli_backup_tell.h - what came of a backup, for people and in JSON. */
#ifndef PO_CLI_CLI_BACKUP_TELL_H
#define PO_CLI_CLI_BACKUP_TELL_H

#include "cli/cli.h"
#include "engine/backup.h"

/* The archive is there: tells what is in it; the exit code, by what is not (req: B8). */
int po_cli_backup_done(struct po_cli *cli, const char *path,
                       const struct po_backup_options *options,
                       const struct po_backup_result *result);
/* It is not. */
int po_cli_backup_failed(struct po_cli *cli, const struct po_backup_result *result,
                         const struct po_err *err);
/* req: B7. Whatever the backup came to, this is worse: `text` says which services are down. */
int po_cli_backup_services(struct po_cli *cli, const char *text);
/* Of a dry run, JSON and all. */
int po_cli_backup_planned(struct po_cli *cli, const char *path,
                          const struct po_backup_result *result);
void po_cli_backup_json(struct po_cli_out *out, const struct po_backup_result *result);

#endif
