/* problems.h - the items of a run that failed: a bad file is not a bad backup, but each one is
 * named and counted (requirement B8). */
#ifndef PO_ENGINE_PROBLEMS_H
#define PO_ENGINE_PROBLEMS_H

#include "archive/manifest.h"

struct po_problems {
    struct po_problem *items;
    size_t count;
    size_t capacity;
};

/* Copies path and reason. */
PO_NODISCARD enum po_status po_problems_add(struct po_problems *problems, const char *path,
                                            size_t path_size, const char *reason,
                                            struct po_err *err);
void po_problems_deinit(struct po_problems *problems);

#endif
