/*
 * contents.h - the contents of many files of an archive, in one pass over the frames that hold
 * them: each frame is fetched, checked (its BLAKE2b too) and decoded once.
 */
#ifndef PO_ENGINE_CONTENTS_H
#define PO_ENGINE_CONTENTS_H

#include "archive/reader.h"
#include "base/event.h"

#define PO_CONTENTS_SCRATCH ((size_t)128 * 1024)

struct po_contents_run {
    const struct po_reader *reader;
    /* One byte an entry: not 0 = wanted. Only files of source 0 that are not empty. */
    const uint8_t *wanted;
    unsigned threads; /* 0 = processors, as memory allows */
    bool is_narrow;   /* as po_frames_run has it */
    /* All pieces come on the calling thread, in the order of their places. */
    bool is_in_order;
    const struct po_watch *watch; /* with is_in_order progress is the callback's business */
    void *ctx;
    /*
     * A content that lies in one frame comes whole, on a worker thread, several at once, in any
     * order. One that spans frames comes in pieces, in order, on the calling thread. `scratch` is
     * PO_CONTENTS_SCRATCH bytes for the callback's use. A failure ends the run and is its result.
     */
    enum po_status (*piece)(void *ctx, uint32_t entry, uint64_t offset, const uint8_t *bytes,
                            size_t size, uint8_t *scratch, struct po_err *err);
    /* When not NULL: which frame is damaged, before the run ends for it. */
    void (*damaged)(void *ctx, uint32_t frame, const struct po_err *damage);
};

/* PO_E_FORMAT: a frame is damaged; not all contents came. */
PO_NODISCARD enum po_status po_contents_run(const struct po_contents_run *run, struct po_err *err);

#endif
