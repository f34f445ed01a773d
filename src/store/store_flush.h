/*
 * store_flush.h - what is written goes to the disk while more of it is written, so that making it
 * durable at the end waits for the last part alone: a disk that has much to flush takes long for it.
 */
#ifndef PO_STORE_STORE_FLUSH_H
#define PO_STORE_STORE_FLUSH_H

#include "port/file.h"
#include "port/thread.h"

#include <stdatomic.h>

/* After so many bytes the system is told to begin writing. */
#define PO_STORE_FLUSH_START ((uint64_t)16 << 20)
/* After so many they are made durable, on a thread of its own. */
#define PO_STORE_FLUSH_STEP ((uint64_t)64 << 20)

/* All zero, but for the file, at the beginning. */
struct po_store_flush {
    struct po_file *file;
    uint64_t step;      /* 0 = PO_STORE_FLUSH_STEP */
    uint64_t unstarted; /* bytes that nobody has told the system to write */
    uint64_t unflushed; /* bytes since the last flush was begun */
    bool has_failed;    /* failure is the first one's, and stays */
    struct po_err failure;
    /* Of the flush that runs, or has ended and was not looked at. */
    struct po_thread *thread;
    atomic_bool is_done;
    enum po_status status; /* the thread's until is_done */
    struct po_err err;
};

/* So much more was written. The failure of an earlier flush, each time: the system tells it once. */
PO_NODISCARD enum po_status po_store_flush_wrote(struct po_store_flush *flush, uint64_t size,
                                                 struct po_err *err);
/* All that was written is durable. */
PO_NODISCARD enum po_status po_store_flush_all(struct po_store_flush *flush, struct po_err *err);
/* Waits for a flush that runs, and keeps its failure; before the file is closed. */
void po_store_flush_end(struct po_store_flush *flush);

#endif
