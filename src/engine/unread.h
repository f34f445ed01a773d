/*
 * unread.h - a blob over one that cannot be read everywhere. What a failing disk does not give back
 * (PO_E_IO) is zeros, in blocks of PO_UNREAD_BLOCK, and is noted; such a block is not asked for again, which
 * takes seconds on some disks.
 */
#ifndef PO_ENGINE_UNREAD_H
#define PO_ENGINE_UNREAD_H

#include "base/err.h"
#include "port/thread.h"

#define PO_UNREAD_BLOCK 4096u

/* Whole blocks, but for the last one of the file. */
struct po_unread_range {
    uint64_t offset;
    uint64_t size;
};

struct po_unread {
    struct pobackup_blob
        blob; /* reads through this; from several threads if the one below can be */
    struct pobackup_blob below;
    struct po_mutex *lock;
    struct po_unread_range
        *ranges; /* by offset, none touches the next; to be read when all is done */
    size_t count;
    size_t capacity;
    struct po_err first; /* why the first could not be read */
};

/* Must stay where it is until po_unread_deinit; { 0 } is fine for that. */
PO_NODISCARD enum po_status po_unread_init(struct po_unread *unread,
                                           const struct pobackup_blob *below, struct po_err *err);
void po_unread_deinit(struct po_unread *unread);

#endif
