/*
 * cli_parents.h - the parents of a differential are kept beside it: by the name that it recorded, or
 * under another one, as engine/vault.h tells them. What has the name and is another is refused, as the
 * right one may be one of two that were mixed up.
 */
#ifndef PO_CLI_CLI_PARENTS_H
#define PO_CLI_CLI_PARENTS_H

#include "cli/cli_archive.h"
#include "engine/parents.h"

/*
 * For whoever needs contents: from now on archive->reader finds those that lie in parents too, as
 * far as the parents lie beside the archive; one that does not is warned of. false and *code when a
 * file there is not the parent, told.
 */
bool po_cli_parents_join(struct po_cli *cli, struct po_cli_archive *archive, int *code);

/*
 * Checks the parents that lie beside the archive; those that do not become problems in *missing.
 * PO_E_FORMAT: a file there is not the parent. spec: INDEX-9
 */
PO_NODISCARD enum po_status po_cli_parents_check(const struct po_cli_archive *archive,
                                                 const struct po_watch *watch,
                                                 struct po_problems *missing, struct po_err *err);

#endif
