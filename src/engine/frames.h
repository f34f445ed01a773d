/*
 * frames.h - many frames of an archive at once: fetched in order (what is only looked at: as many at
 * once as there are threads), worked on by several threads, joined in order on the calling thread. The
 * mirror of the backup's pipeline; verify, extract, restore and diff all read through it.
 */
#ifndef PO_ENGINE_FRAMES_H
#define PO_ENGINE_FRAMES_H

#include "archive/reader.h"
#include "base/event.h"

/* One frame on its way. */
struct po_frame_job {
    uint32_t frame;
    uint8_t *bytes;        /* compressed, as fetched */
    uint8_t *content;      /* for the worker to fill; NULL when the run decodes nothing */
    enum po_status status; /* what `work` found: PO_E_FORMAT and PO_E_UNSUPPORTED go on to `join`,
                              anything else ends the run */
    struct po_err err;
    uint8_t digest[PO_DIGEST_SIZE]; /* BLAKE2b of bytes, if the run wants digests */
    bool is_unread; /* the disk did not give it back: status and err say so, user is zeros */
    void *user;     /* one a slot, of user_size bytes */
};

struct po_frames_run {
    const struct po_reader *reader;
    const uint8_t *wanted; /* one byte a frame: not 0 = wanted; NULL = all before the index */
    unsigned threads;      /* 0 = processors; for a raw run one more */
    bool is_narrow;        /* with threads: no buffers but one a worker, which so wait for `join` */
    bool is_raw;           /* no content buffers: only the compressed bytes are looked at, which the
                              workers themselves fetch */
    bool wants_digests;    /* before `work` each job has its digest: of several at once */
    bool goes_on_unread;   /* a frame that cannot be read (PO_E_IO) goes on to `join`, past `work`;
                              else it ends the run */
    const struct po_watch *watch;
    void *ctx;
    size_t user_size; /* each slot's job->user points to this many bytes, zeroed once */
    /* Sets job->status. On a worker, whose own `decoder` is; of a run of one frame on the calling thread. */
    void (*work)(void *ctx, struct po_frame_job *job, struct po_frame_decoder *decoder);
    /* In order, on the calling thread. A failure ends the run. May be NULL. */
    enum po_status (*join)(void *ctx, struct po_frame_job *job, struct po_err *err);
};

PO_NODISCARD enum po_status po_frames_run(const struct po_frames_run *run, struct po_err *err);

#endif
