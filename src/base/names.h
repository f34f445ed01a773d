/*
 * names.h - which names an archive may bring into a target (format.md, section 9), and which names
 * in a site are this program's own.
 */
#ifndef PO_BASE_NAMES_H
#define PO_BASE_NAMES_H

#include "base/err.h"

#include <stdbool.h>

/*
 * PO_OK, or PO_E_USAGE with the reason. `windows`: also what Windows cannot hold or would take for
 * something else (NAME-1). Pure text; that no link is followed is port/file.h's promise.
 */
PO_NODISCARD enum po_status po_name_check(const char *path, size_t path_size, bool windows,
                                          struct po_err *err);

/*
 * Whether NTFS can name an alternate stream so: 1 to 255 units of UTF-16 (given as WTF-8), none of
 * them NUL, '/', '\\' or ':'. spec: STREAM-2
 */
bool po_name_is_stream(const char *name, size_t size);

/*
 * What the program itself puts beside or into a tree; each with more behind it: where replaced
 * files are kept, where new ones wait, and a single file that is being written.
 */
#define PO_NAME_SET_ASIDE ".pobackup-set-aside-"
#define PO_NAME_STAGE ".pobackup-stage-"
#define PO_NAME_NEW ".pobackup-new-"

/*
 * Whether one component is such a name, in the exact form that the program gives it: a time behind
 * the first two ("20261124T020000Z", "-2" behind it for a second one), eight hexadecimal digits, "file" or
 * "probe..." behind the third. A backup leaves these out, a target refuses them, and a
 * restore does not take them for content.
 */
bool po_name_is_ours(const char *name, size_t size);
/* Whether any component of a path is. */
bool po_name_has_ours(const char *path, size_t path_size);

#endif
