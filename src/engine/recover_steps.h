/* recover_steps.h - the renames of a journal, forwards and backwards, whichever of them are done. */
#ifndef PO_ENGINE_RECOVER_STEPS_H
#define PO_ENGINE_RECOVER_STEPS_H

#include "engine/recover.h"
#include "engine/restore_parts.h"

/* Then what directories were like. What cannot be taken back is a problem. */
PO_NODISCARD enum po_status
po_recover_steps_back(struct po_restore *r, struct po_recover_result *result, struct po_err *err);
/* Then what directories are to be like, as their staged ones are. A failure ends it. */
PO_NODISCARD enum po_status po_recover_steps_forward(struct po_restore *r,
                                                     struct po_recover_result *result,
                                                     struct po_err *err);

#endif
