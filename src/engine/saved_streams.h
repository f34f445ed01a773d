/* saved_streams.h - the alternate streams that a backup saved: all are counted, the first 10,000
 * named. */
#ifndef PO_ENGINE_SAVED_STREAMS_H
#define PO_ENGINE_SAVED_STREAMS_H

#include "archive/manifest.h"

struct po_saved_streams {
    struct po_summary_stream *items;
    size_t listed;
    size_t capacity;
    uint64_t count;
    uint64_t bytes; /* of their contents */
};

/* Copies path and name. */
PO_NODISCARD enum po_status po_saved_streams_add(struct po_saved_streams *streams,
                                                 const struct po_summary_stream *stream,
                                                 struct po_err *err);
void po_saved_streams_deinit(struct po_saved_streams *streams);

#endif
