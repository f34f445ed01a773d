/* cli_target.h - where a backup goes: a name, a directory, or standard output. */
#ifndef PO_CLI_CLI_TARGET_H
#define PO_CLI_CLI_TARGET_H

#include "base/buf.h"

#include <stdbool.h>

struct po_cli;
struct po_host;

/*
 * The archive's path for DEST ("-" stays), appended. Checked before anything is changed or made:
 * what exists already and what lies inside a part of the site are usage errors; a volume that holds
 * a part is warned of (requirement N3). false: told, *code is the exit code.
 */
bool po_cli_target_path(struct po_cli *cli, struct po_host *host, const char *dest, int64_t created,
                        struct po_buf *path, int *code);
/* Appends "postoffice-HOST-20261124T020000Z-full.tar.zst"; of the host's name what any file system
 * takes. */
void po_cli_target_put_name(struct po_buf *out, const char *host, int64_t created);
/* The name that it made for a full becomes that of a differential. */
void po_cli_target_set_diff(struct po_buf *path);
/* When DEST is a directory and the name that was made is taken, by an archive of the same second: "-2" (-3, ...)
 * stands before its ending. */
PO_NODISCARD enum po_status po_cli_target_set_free(struct po_buf *path, const char *dest,
                                                   struct po_err *err);
bool po_cli_target_is_diff(const char *path);
/* Whether DEST is a directory that is there. */
bool po_cli_target_is_directory(const char *dest);
/* Makes the directory of DEST when it is one that is missing. */
PO_NODISCARD enum po_status po_cli_target_make(const char *dest, struct po_err *err);

#endif
