/* path.h - paths below a root as text: what all systems have in common. For port/ alone. */
#ifndef PO_PORT_PATH_H
#define PO_PORT_PATH_H

#include "base/buf.h"

/* PO_E_USAGE for a path that is absolute or has an empty, "." or ".." component or a NUL in it. */
PO_NODISCARD enum po_status po_path_check(const char *path, size_t path_size, struct po_err *err);

/* Appends the path for a message: escaped, "." for the root itself, a long one without its middle. */
void po_path_put_for_message(struct po_buf *out, const char *path, size_t path_size);

#endif
