/*
 * packing.h - members become frames: packer -> compressors -> writer. Packing (and so reading) happens
 * on the caller's thread, writing on one of its own: so the caller knows at once when everything is
 * read, however slow what is written to may be.
 */
#ifndef PO_ENGINE_PACKING_H
#define PO_ENGINE_PACKING_H

#include "archive/writer.h"
#include "engine/budget.h"
#include "pipeline/ordered.h"
#include "store/store.h"

struct po_packing_slot;
struct po_packing_kept;

struct po_packing {
    struct po_writer *writer;
    uint32_t frame_size;
    unsigned threads; /* compressors */
    int level;        /* as zstd's; 0 = 3 */
    bool is_unchecked;
    bool keeps; /* frames, some buffers full, for faster digests */
    /* For each full frame, on the packing thread: for progress, and to end it. */
    enum po_status (*flushing)(void *ctx, struct po_err *err);
    void *ctx;

    struct po_packer packer; /* during a pass */
    /* The rest is nobody else's. */
    struct po_ordered *pool;
    struct po_packing_slot *slots;
    void **items;
    size_t slot_count;
    struct po_frame_encoder **encoders; /* one a worker */
    uint8_t **scratch;                  /* one a worker: where it encodes to */
    struct po_packing_slot *filling;    /* the packer's slot */
    struct po_packing_kept *kept;       /* written frames whose digests are made together */
};

/* A mail server's disk is the limit by then. */
#define PO_PACKING_THREADS_DEFAULT 4u
/* Below that a frame compresses visibly worse: rather a thread less. */
#define PO_PACKING_FRAME_SIZE_MIN_DEFAULT ((uint32_t)4 << 20)

/*
 * Fits threads, frame_size and keeps into the memory that there is, `budget` saying what is wished for;
 * its numbers of buffers are set here.
 */
void po_packing_fit(struct po_packing *packing, const struct po_budget *budget);
/* Buffers and compressors, for all passes; freed in any case. What stands above the packer is set. */
PO_NODISCARD enum po_status po_packing_new(struct po_packing *packing, struct po_err *err);
void po_packing_free(struct po_packing *packing);
/* Has `pack` fill frames on this thread, and writes them; all are written when it returns. */
PO_NODISCARD enum po_status po_packing_pass(struct po_packing *packing,
                                            enum po_status (*pack)(void *ctx, struct po_err *err),
                                            void *ctx, struct po_err *err);
/* po_writer_finish, with buffers and an encoder of its own: after po_packing_free. Those of `end` need
 * not be set. */
PO_NODISCARD enum po_status po_packing_finish(const struct po_packing *packing,
                                              const struct po_writer_end *end,
                                              uint8_t digest[PO_DIGEST_SIZE], struct po_err *err);

/* What a writer writes to. */
struct pobackup_sink po_packing_sink(struct po_store_sink *sink);

#endif
