/*
 * omissions.h - what an archive says that it lacks: items that could not be read, and what
 * --exclude left out. A restore must not take their absence for a wish to remove them.
 */
#ifndef PO_ENGINE_OMISSIONS_H
#define PO_ENGINE_OMISSIONS_H

#include "archive/reader.h"
#include "base/buf.h"

#include <stdbool.h>

struct po_omissions {
    struct po_buf paths; /* of the items, each with its size before it */
    uint32_t *starts;    /* where each path begins, in byte order of the paths */
    uint32_t path_count;
    char **patterns; /* --exclude */
    size_t pattern_count;
    uint64_t item_count; /* as counted by the writer: it may list less */
};

/* From the archive's summary. To be deinitialised in any case. */
PO_NODISCARD enum po_status po_omissions_load(struct po_omissions *omissions,
                                              const struct po_reader *reader, struct po_err *err);
void po_omissions_deinit(struct po_omissions *omissions);

/* The writer counted more than it listed: nobody knows what is missing. */
bool po_omissions_are_cut(const struct po_omissions *omissions);
/* Whether the path, or a directory that it lies in, was left out or could not be read. */
bool po_omissions_cover(const struct po_omissions *omissions, const char *path, size_t size);

#endif
