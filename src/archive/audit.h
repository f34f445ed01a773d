/*
 * audit.h - deep verification: the tar against the index, every content against its hash. Made for
 * many threads: po_audit_frame looks at one frame alone (members that begin and end in it);
 * po_audit_join, called in the order of the frames, joins what crosses their borders.
 */
#ifndef PO_ARCHIVE_AUDIT_H
#define PO_ARCHIVE_AUDIT_H

#include "archive/hash.h"
#include "archive/layout.h"
#include "archive/reader.h"

/* What one frame holds, as po_audit_frame found it. */
struct po_audit_part {
    uint32_t frame;
    bool is_damaged;   /* *err of po_audit_frame says how; nothing below is set */
    bool is_continued; /* no member begins in it: perhaps all of it is content of an earlier one */
    uint32_t matched;  /* entries whose members begin in it and agree */
    uint32_t unlisted; /* members of INDEX-11 that begin in it */
    bool is_open;      /* the last member goes on in the next frame */
    uint32_t open_entry; /* its entry, or PO_NONE when it is a member that lost or is unlisted */
    uint64_t open_size;  /* its content size */
    size_t open_at;      /* where its content begins in the frame's content */
};

/* What is carried from frame to frame. */
struct po_audit {
    const struct po_reader *reader;
    struct po_layout layout;
    struct po_hasher *hasher;
    uint64_t matched;
    uint64_t unlisted;
    bool is_open;
    bool is_lost; /* the open member had a damaged frame: its end is passed over */
    uint32_t open_entry;
    uint32_t continued; /* the entry that went on into the frame joined last, or PO_NONE */
    uint64_t open_content_left;
    uint64_t open_padding_left;
    bool is_damaged; /* some frame was: the number of entries cannot be checked at the end */
};

PO_NODISCARD enum po_status po_audit_init(struct po_audit *verify, const struct po_reader *reader,
                                          struct po_err *err);
void po_audit_deinit(struct po_audit *verify);

/*
 * Checks a frame's digests (`digest`, its BLAKE2b, may be NULL: it is computed), decodes it into
 * `content` and checks the members in it. PO_E_FORMAT or
 * PO_E_UNSUPPORTED: part->is_damaged is set too, and verification may go on with the next frame.
 * Any number of threads, each with its own decoder and buffers.
 */
PO_NODISCARD enum po_status po_audit_frame(const struct po_audit *verify,
                                           struct po_frame_decoder *decoder, uint32_t frame,
                                           const uint8_t *bytes, const uint8_t *digest,
                                           uint8_t *content, struct po_audit_part *part,
                                           struct po_err *err);

/* Of a frame that nobody could read: as of a damaged one. */
void po_audit_lose(struct po_audit_part *part, uint32_t frame);

/* In order, for every frame, damaged or not, with the same content. PO_E_FORMAT likewise. */
PO_NODISCARD enum po_status po_audit_join(struct po_audit *verify, const struct po_audit_part *part,
                                          const uint8_t *content, struct po_err *err);

/* After the last frame: every entry was met. */
PO_NODISCARD enum po_status po_audit_end(struct po_audit *verify, struct po_err *err);
/* Manifest and summary (sections 4 and FRAME-6); part of quick verification too. */
PO_NODISCARD enum po_status po_audit_documents(const struct po_reader *reader, struct po_err *err);

/*
 * Calls `hit` for each entry that frame `frame` has a part of: `continued`, if not PO_NONE, and those
 * that begin in it. Who has joined the frame knows what continued into it (po_audit); who has only
 * the index takes po_layout_continued. spec: READ-2
 */
void po_audit_hits(const struct po_layout *layout, uint32_t frame, uint32_t continued,
                   void (*hit)(void *ctx, uint32_t entry), void *ctx);

#endif
