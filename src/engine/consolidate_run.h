/*
 * consolidate_run.h - what the parts of it share: consolidate.c (the course), consolidate_plan.c (what is
 * copied), consolidate_frames.c (doing it), consolidate_documents.c (manifest and summary).
 */
#ifndef PO_ENGINE_CONSOLIDATE_RUN_H
#define PO_ENGINE_CONSOLIDATE_RUN_H

#include "archive/hash.h"
#include "archive/layout.h"
#include "engine/consolidate.h"
#include "engine/packing.h"

/* What becomes of a frame of the sources. */
enum po_consolidate_fate {
    PO_CONSOLIDATE_DROP,
    PO_CONSOLIDATE_COPY,
    PO_CONSOLIDATE_REMAKE, /* contents of it are packed anew */
};

struct po_consolidate_run {
    const struct po_reader *own;
    struct po_joined *joined;
    const struct po_reader *reader; /* the joined one */
    const struct po_consolidate_options *options;
    const struct po_watch *watch;
    struct po_consolidate_result *result;
    struct po_layout layout; /* of the joined index */
    /* The entries of the snapshot, of the same numbers as in the index. Those of the source's own
     * documents are there too, skipped. */
    struct po_entry_list list;
    uint8_t *fates;    /* enum po_consolidate_fate, one a frame */
    uint32_t *numbers; /* of copied frames in the new archive */
    uint64_t bytes_total;
    uint64_t bytes_done;

    struct po_writer writer;
    struct po_packing packing;
    struct po_err damage;     /* of a frame that is needed; PO_OK if none */
    struct po_hasher *hasher; /* of the content that is being packed */
};

/* ---- consolidate_plan.c ---- */

/* Layout, list, fates, numbers, and what of the result is known by then. */
PO_NODISCARD enum po_status po_consolidate_decide(struct po_consolidate_run *run,
                                                  struct po_err *err);
/* The archives in their order in time: a parent's parents stand before it, the differential is last.
 * Number `at` of po_joined_part_count. */
uint32_t po_consolidate_part(const struct po_consolidate_run *run, uint32_t at);

/* ---- consolidate_frames.c ---- */

PO_NODISCARD enum po_status po_consolidate_copy(struct po_consolidate_run *run, struct po_err *err);
/* A pass (po_packing_pass): what is not copied. */
PO_NODISCARD enum po_status po_consolidate_pack(void *ctx, struct po_err *err);

/* ---- consolidate_documents.c ---- */

/* The differential's manifest as that of a full; the summary likewise, as long as it may be at most. */
PO_NODISCARD enum po_status po_consolidate_put_manifest(const struct po_consolidate_run *run,
                                                        struct po_buf *json, struct po_err *err);
PO_NODISCARD enum po_status po_consolidate_put_summary(const struct po_consolidate_run *run,
                                                       size_t size_max, struct po_buf *json,
                                                       struct po_err *err);

#endif
