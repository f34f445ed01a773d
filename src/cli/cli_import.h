/*
 * cli_import.h - a set that was made by hand, a directory in the guide's layout, restored as an
 * archive is (req: N2): it is read into one in the state directory, which loses its name at once, so
 * that nothing is left of it afterwards.
 */
#ifndef PO_CLI_CLI_IMPORT_H
#define PO_CLI_CLI_IMPORT_H

#include "cli/cli_archive.h"

struct po_host;

bool po_cli_import_is_set(const char *path);
/*
 * As po_cli_archive_open. `site`: what it is to be restored to, which must be another directory.
 * Items that cannot be read are told, and *code is PO_EXIT_PARTLY then.
 */
bool po_cli_import_open(struct po_cli *cli, struct po_cli_archive *archive, const char *path,
                        struct po_host *site, int *code);

#endif
