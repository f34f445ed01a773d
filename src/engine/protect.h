/* protect.h - making a recovery sidecar (format-spec/recovery.md). */
#ifndef PO_ENGINE_PROTECT_H
#define PO_ENGINE_PROTECT_H

#include "archive/recovery.h"
#include "base/event.h"
#include "store/store.h"

struct po_protect_options {
    unsigned percent; /* 1 to 100 */
    const struct po_rec_layout
        *layout;           /* instead: that of a former sidecar; NULL: as percent says */
    unsigned threads;      /* 0 = processors */
    const uint8_t *digest; /* the archive's, PO_DIGEST_SIZE bytes; NULL: not known */
    const struct po_watch *watch;
};

/*
 * Reads all of `archive` once, in strides, and writes its sidecar to `sink`, which must have
 * write_at; committing it is the caller's. *header may be NULL.
 */
PO_NODISCARD enum po_status po_engine_protect(const struct pobackup_blob *archive,
                                              struct po_store_sink *sink,
                                              const struct po_protect_options *options,
                                              struct po_rec_header *header, struct po_err *err);

#endif
