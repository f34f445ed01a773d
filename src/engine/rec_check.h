/* rec_check.h - comparing neighbouring blocks with their hashes, on all processors. */
#ifndef PO_ENGINE_REC_CHECK_H
#define PO_ENGINE_REC_CHECK_H

#include "archive/recovery.h"
#include "base/event.h"

struct po_rec_check {
    const struct pobackup_blob *blob;
    uint64_t offset; /* of the first one: may lie behind the blob's end */
    uint32_t block_size;
    uint64_t bytes;          /* of all: the last block may be shorter */
    const uint8_t *entries;  /* one a block */
    const uint8_t *is_known; /* one a block: others are not looked at; NULL: all are known */
    unsigned threads;        /* 0 = processors */
    const struct po_watch *watch;
};

/* Blocks that the system could not read: they count as lost. */
struct po_rec_unread {
    uint32_t count;
    struct po_err first; /* why, of the first one */
};

/*
 * places[i] becomes where block i is, for those that are good; others stay. What cannot be read is
 * added to *unread.
 */
PO_NODISCARD enum po_status po_rec_check_run(const struct po_rec_check *check, uint64_t *places,
                                             struct po_rec_unread *unread, struct po_err *err);

#endif
