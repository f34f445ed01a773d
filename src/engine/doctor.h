/* doctor.h - can this site be backed up and restored? Every check is made and told; nothing is changed. */
#ifndef PO_ENGINE_DOCTOR_H
#define PO_ENGINE_DOCTOR_H

#include "base/event.h"
#include "host/host.h"

enum po_check_state { PO_CHECK_GOOD, PO_CHECK_NOTE, PO_CHECK_WARNING, PO_CHECK_BAD };

/* `id`: a stable name for scripts ("services", "trees", "target", ...); `text`: one line for people. */
typedef void (*po_check_fn)(void *ctx, enum po_check_state state, const char *id, const char *text);

/* `target` (where backups go, may be NULL): exists, writable, has space, not inside a tree (N3), another volume. PO_OK whatever was found; *worst says how it stands. */
PO_NODISCARD enum po_status po_doctor_run(struct po_host *host, const char *target, po_check_fn each, void *ctx,
                                          enum po_check_state *worst, struct po_err *err);

/* N3: PO_E_USAGE when `os_path` (a file to be, or a directory) lies inside a part of the site; *is_same_volume when it is on the volume of one. */
PO_NODISCARD enum po_status po_doctor_target(struct po_host *host, const char *os_path, bool *is_same_volume,
                                             struct po_err *err);

#endif
