/*
 * consolidate.h - one full archive out of a differential and its parents, without reading the site:
 * what is of the snapshot stays bit for bit as it is, and what is not goes.
 *
 * A frame of which every member is of the snapshot is copied as it stands, compressed. Of the others the
 * contents that are needed are packed anew, in frames behind those; then all that needs no content (what
 * is in the index is enough): directories, links, empty files. So hard links stand behind what they name.
 */
#ifndef PO_ENGINE_CONSOLIDATE_H
#define PO_ENGINE_CONSOLIDATE_H

#include "archive/joined.h"
#include "base/event.h"
#include "engine/problems.h"
#include "store/store.h"

struct po_consolidate_options {
    int level;           /* as zstd's; 0 = 3 */
    unsigned threads;    /* 0 = processors, at most 4, as memory allows */
    uint32_t frame_size; /* of new frames; 0 = 8 MiB, as memory allows */
};

struct po_consolidate_result {
    uint8_t archive_id[PO_ID_SIZE];
    uint8_t digest[PO_DIGEST_SIZE];
    int64_t created; /* of the differential, and so of the new archive */
    uint64_t files;
    uint64_t bytes; /* of the snapshot: contents */
    /* Of the frames of all source archives: */
    uint32_t frames_copied;
    uint32_t frames_remade;  /* a part of it is needed */
    uint32_t frames_dropped; /* nothing is, the source's own documents and indexes not counted */
    uint64_t bytes_copied;   /* compressed */
    uint64_t archive_bytes;  /* of a plan: an estimate */
    struct po_problems hits; /* what the damaged frame that ended the run holds */
    double seconds;
};
void po_consolidate_result_deinit(struct po_consolidate_result *result);

/*
 * `own` is a differential, `joined` it and its parents. Fills in what is known before anything is
 * written. PO_E_USAGE: it is a full; PO_E_IO: a parent that is needed is not at hand.
 */
PO_NODISCARD enum po_status po_consolidate_plan(const struct po_reader *own,
                                                struct po_joined *joined,
                                                const struct po_consolidate_options *options,
                                                struct po_consolidate_result *result,
                                                struct po_err *err);
/* Writes the new archive into the sink, not yet committed. PO_E_FORMAT: a frame that is needed is
 * damaged; result->hits names what it holds. */
PO_NODISCARD enum po_status
po_consolidate_write(const struct po_reader *own, struct po_joined *joined,
                     struct po_store_sink *sink, const struct po_consolidate_options *options,
                     const struct po_watch *watch, struct po_consolidate_result *result,
                     struct po_err *err);
/* Reads back what was written, verifies it deeply and commits it. The sources may be closed by then,
 * for the sake of memory. What does not verify is PO_E_IO, and is not committed. */
PO_NODISCARD enum po_status po_consolidate_commit(struct po_store_sink *sink, unsigned threads,
                                                  const struct po_watch *watch,
                                                  struct po_consolidate_result *result,
                                                  struct po_err *err);

#endif
