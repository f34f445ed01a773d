/*
 * columns.h - the groups of a recovery sidecar, some neighbouring ones at a time, on all processors:
 * all their rows are read and added to the parity. Neighbouring groups have neighbouring blocks, so
 * a row of them is one piece of the archive.
 */
#ifndef PO_ENGINE_COLUMNS_H
#define PO_ENGINE_COLUMNS_H

#include "archive/recovery.h"
#include "archive/reed_solomon.h"
#include "base/event.h"

/* So many rows are read before they are added: each time all parity goes through the processor's cache. */
#define PO_COLUMNS_ROWS 4u

/* Some groups on their way. */
struct po_columns_job {
    uint32_t group; /* the first one */
    uint32_t count;
    uint8_t **sums;                 /* one a parity: count blocks, those of the groups in order */
    uint8_t *rows[PO_COLUMNS_ROWS]; /* as large as one of them */
};

struct po_columns_run {
    const struct po_rec_layout *layout;
    const struct po_rs *rs; /* of the layout's rows and parities */
    unsigned threads;       /* 0 = processors */
    const struct po_watch *watch;
    void *ctx;
    /* Whether any of the groups is to be worked on; NULL: all are. */
    bool (*wants)(void *ctx, uint32_t group, uint32_t count);
    /* On a worker, before the rows: `sums` are zeros. NULL: they stay. */
    enum po_status (*begin)(void *ctx, struct po_columns_job *job, struct po_err *err);
    /* On a worker: `count` neighbouring blocks from `block` on, zeros for what is lost and behind
     * the archive's end. */
    enum po_status (*read)(void *ctx, uint32_t block, uint32_t count, uint8_t *bytes,
                           struct po_err *err);
    /* On a worker, when all rows are added. */
    enum po_status (*end)(void *ctx, struct po_columns_job *job, struct po_err *err);
    /* In order, on the calling thread. */
    enum po_status (*join)(void *ctx, struct po_columns_job *job, struct po_err *err);
};

/* Takes at most 48 MiB, where two blocks of each parity fit into that. */
PO_NODISCARD enum po_status po_columns_run(const struct po_columns_run *run, struct po_err *err);

#endif
