/* repair.h - mending an archive by its recovery sidecar (format-spec/recovery.md, section 3). */
#ifndef PO_ENGINE_REPAIR_H
#define PO_ENGINE_REPAIR_H

#include "engine/rec_state.h"
#include "store/store.h"

/*
 * Whether what is lost can be computed: PO_OK, or PO_E_FORMAT with the reason. `state` is located.
 */
PO_NODISCARD enum po_status po_repair_check(const struct po_rec_state *state, struct po_err *err);

/*
 * Writes the mended archive to `sink`, which must have write_at and read_back; every block of it is
 * then read back and has its hash. Committing is the caller's. PO_E_FORMAT: cannot be mended;
 * PO_E_IO: the archive changed meanwhile, or could not be written.
 */
PO_NODISCARD enum po_status po_engine_repair(const struct po_rec_state *state,
                                             const struct pobackup_blob *archive,
                                             struct po_store_sink *sink, unsigned threads,
                                             const struct po_watch *watch, struct po_err *err);

#endif
