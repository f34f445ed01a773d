/* cli_private.h - files with secrets, which nobody but their owner may read. */
#ifndef PO_CLI_CLI_PRIVATE_H
#define PO_CLI_CLI_PRIVATE_H

#include "port/file.h"

/*
 * PO_E_USAGE when others can read this opened file, or get the right to: by its mode, or on Windows by
 * its access list. `what` is in it: "the password".
 */
PO_NODISCARD enum po_status po_cli_private_check(struct po_file *file, const char *path,
                                                 const char *what, struct po_err *err);

#endif
