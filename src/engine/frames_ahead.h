/*
 * frames_ahead.h - an archive's compressed frames, fetched in order on a thread of their own, with the
 * digests of several made side by side. They lie one behind the other in a ring, so what is fetched ahead
 * costs the memory of what frames are compressed to, and not of the largest of them each.
 */
#ifndef PO_ENGINE_FRAMES_AHEAD_H
#define PO_ENGINE_FRAMES_AHEAD_H

#include "archive/reader.h"

struct po_frames_ahead;

struct po_frames_ahead_options {
    const struct po_reader *reader;
    const uint8_t *wanted; /* one byte a frame: not 0 = wanted; NULL = all before the index */
    bool goes_on_unread;   /* what cannot be read (PO_E_IO) is a frame as others are */
    size_t held_max;       /* frames that the caller has at once when it asks for another */
    size_t
        spare; /* frames of the largest size that there is room for besides: so more are hashed together */
};

struct po_frame_ahead {
    uint32_t frame;
    uint8_t *bytes; /* lent until it is released */
    uint8_t digest[PO_DIGEST_SIZE];
    bool is_unread; /* err says why; bytes and digest are not set */
    struct po_err err;
};

/* Bytes that the ring takes. */
uint64_t po_frames_ahead_size(const struct po_frames_ahead_options *options);
/* Starts the thread. */
PO_NODISCARD enum po_status po_frames_ahead_new(struct po_frames_ahead **out,
                                                const struct po_frames_ahead_options *options,
                                                struct po_err *err);
/* The next frame; *item = NULL after the last. A frame that cannot be read ends it, unless it goes on. */
PO_NODISCARD enum po_status po_frames_ahead_next(struct po_frames_ahead *ahead,
                                                 const struct po_frame_ahead **item,
                                                 struct po_err *err);
/* Gives back the oldest that the caller has. */
void po_frames_ahead_release(struct po_frames_ahead *ahead);
/* Ends the thread. NULL is fine. */
void po_frames_ahead_free(struct po_frames_ahead *ahead);

/* The next wanted frame from *frame on; false when there is none. */
bool po_frames_next_wanted(const struct po_reader *reader, const uint8_t *wanted, uint32_t *frame);
/* Fetches one; with `goes_on_unread` what cannot be read is noted in *is_unread and *why. */
PO_NODISCARD enum po_status po_frames_fetch(const struct po_reader *reader, uint32_t frame,
                                            uint8_t *bytes, bool goes_on_unread, bool *is_unread,
                                            struct po_err *why, struct po_err *err);

#endif
