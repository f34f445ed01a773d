/* names.h - which names an archive may bring into a target (format.md, section 9). */
#ifndef PO_TARGET_NAMES_H
#define PO_TARGET_NAMES_H

#include "base/err.h"

#include <stdbool.h>

/*
 * PO_OK, or PO_E_USAGE with the reason. `windows`: also what Windows cannot hold or would take for something else (NAME-1). Pure text; that no link is followed is
 * port/file.h's promise.
 */
PO_NODISCARD enum po_status po_name_check(const char *path, size_t path_size, bool windows, struct po_err *err);

#endif
