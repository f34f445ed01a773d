/* rec_locate.h - finding blocks that are not in their places: bytes were lost, or put in, before. */
#ifndef PO_ENGINE_REC_LOCATE_H
#define PO_ENGINE_REC_LOCATE_H

#include "engine/rec_state.h"

/* Sets state->where of blocks that are lost and lie elsewhere in the file. */
PO_NODISCARD enum po_status po_rec_locate(struct po_rec_state *state,
                                          const struct pobackup_blob *archive,
                                          const struct po_watch *watch, struct po_err *err);

#endif
