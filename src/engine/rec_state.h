/*
 * rec_state.h - an opened recovery sidecar, and what is good of it and of its archive. Both may be
 * damaged in any way, cut or shifted; a block that cannot be read is a lost block.
 */
#ifndef PO_ENGINE_REC_STATE_H
#define PO_ENGINE_REC_STATE_H

#include "archive/recovery.h"
#include "base/event.h"
#include "engine/rec_check.h"

#define PO_REC_LOST UINT64_MAX

struct po_rec_state {
    struct po_rec_header header;
    struct pobackup_blob sidecar; /* lent */
    uint64_t shift;    /* what is found from the sidecar's end stands so much later (modulo 2^64) */
    uint8_t *entries;  /* of data and parity blocks */
    uint8_t *is_known; /* one a block of both: whether the entry was found */
    uint64_t *where;   /* one a data block: its place in the archive's file, or PO_REC_LOST */
    uint64_t *parities; /* one a parity block: its place in the sidecar, or PO_REC_LOST */

    unsigned headers_bad; /* of two */
    uint32_t pages_bad;   /* of both tables */
    uint32_t unknown;     /* blocks without an entry: bad in both tables */
    bool is_size_wrong;   /* the sidecar's */
    bool is_inconsistent; /* good parts that are not the same, or not those of the id */
    uint32_t parities_bad;

    uint32_t lost;  /* data blocks that are nowhere */
    uint32_t moved; /* that are elsewhere */
    uint64_t actual_size;
    uint32_t groups_hit;         /* with lost blocks */
    uint32_t groups_over;        /* that have lost more than their parity can give back */
    unsigned most_lost;          /* in one group */
    struct po_rec_unread unread; /* of both files */
};

/*
 * Header, table and parity blocks; `sidecar` must outlive the state. PO_E_FORMAT: no header is good,
 * so nothing can be had from it; PO_E_IO: none could be read. PO_E_UNSUPPORTED: newer.
 */
PO_NODISCARD enum po_status po_rec_state_open(struct po_rec_state *state,
                                              const struct pobackup_blob *sidecar, unsigned threads,
                                              const struct po_watch *watch, struct po_err *err);
void po_rec_state_deinit(struct po_rec_state *state);

/* Looks at all of the archive: fills in `where`, and the counts behind. */
PO_NODISCARD enum po_status po_rec_state_locate(struct po_rec_state *state,
                                                const struct pobackup_blob *archive,
                                                unsigned threads, const struct po_watch *watch,
                                                struct po_err *err);

/* spec: REC-4 */
bool po_rec_state_is_whole(const struct po_rec_state *state);
/* The archive has every block in its place, and no byte more. */
bool po_rec_state_is_archive_whole(const struct po_rec_state *state);

const uint8_t *po_rec_state_entry(const struct po_rec_state *state, uint32_t number);
/* The place of a parity block, by its group and number; PO_REC_LOST. */
uint64_t po_rec_state_parity(const struct po_rec_state *state, unsigned parity, uint32_t group);

#endif
