/* watch.h - telling events and looking for cancellation; a NULL watch is fine everywhere. */
#ifndef PO_ENGINE_WATCH_H
#define PO_ENGINE_WATCH_H

#include "base/event.h"

/* PO_E_CANCELLED when the caller asked to stop. */
PO_NODISCARD enum po_status po_watch_check(const struct po_watch *watch, struct po_err *err);
void po_watch_phase(const struct po_watch *watch, const char *text);
void po_watch_note(const struct po_watch *watch, const char *text);
void po_watch_warning(const struct po_watch *watch, const char *text);
void po_watch_item(const struct po_watch *watch, const char *path, size_t path_size,
                   const char *text);
void po_watch_progress(const struct po_watch *watch, uint64_t bytes_done, uint64_t bytes_total,
                       uint64_t files_done, uint64_t files_total);

#endif
