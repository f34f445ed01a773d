/* cli_scrub.h - `verify --budget` (engine/scrub.h): a share of a vault, and what snapshots shows of it. */
#ifndef PO_CLI_CLI_SCRUB_H
#define PO_CLI_CLI_SCRUB_H

#include "cli/cli_vault.h"

/* Reads what is due today of the vault, within the JSON array "archives"; tells what was read, and
 * what is left, as *summary too where there is a document. Returns the exit code. */
int po_cli_scrub_run(struct po_cli *cli, const char *path, const struct po_vault *vault,
                     json_t **summary);

/*
 * Where all of an archive was read by shares since it was last looked at as a whole, that is what its
 * row says: quick, in the middle of the oldest share's day. What cannot be read of it is told as a note.
 */
void po_cli_scrub_apply(struct po_cli *cli, const char *path, struct po_vault *vault);

#endif
