/* cli_lock.h - a file that several programs change: one after the other. */
#ifndef PO_CLI_CLI_LOCK_H
#define PO_CLI_CLI_LOCK_H

#include "port/file.h"

/*
 * Takes the lock PATH.lock, and waits some seconds for whoever holds it; longer is PO_E_IO. Let go by
 * po_lock_free.
 */
PO_NODISCARD enum po_status po_cli_lock_wait(struct po_lock **out, const char *os_path,
                                             struct po_err *err);
/*
 * The directory of a path, opened, and where in the path the name begins. A path without a name is
 * PO_E_IO.
 */
PO_NODISCARD enum po_status po_cli_open_parent(struct po_dir **out, const char **name,
                                               const char *os_path, struct po_err *err);

#endif
