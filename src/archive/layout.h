/* layout.h - which entries lie where: the entries of source 0 in the order of their members. */
#ifndef PO_ARCHIVE_LAYOUT_H
#define PO_ARCHIVE_LAYOUT_H

#include "archive/index.h"

struct po_layout {
    const struct po_index *index;
    uint32_t *entries; /* entry numbers by frame, then offset */
    uint32_t count;
    uint32_t *frame_starts; /* for each frame, and one more: where its entries begin in `entries` */
};

PO_NODISCARD enum po_status po_layout_init(struct po_layout *layout, const struct po_index *index,
                                           struct po_err *err);
void po_layout_deinit(struct po_layout *layout);
/* The entries whose members begin in `frame`: layout->entries[*first] and *count more. */
void po_layout_frame(const struct po_layout *layout, uint32_t frame, uint32_t *first,
                     uint32_t *count);
/* The entry whose member begins exactly there, or PO_NONE. */
uint32_t po_layout_at(const struct po_layout *layout, uint32_t frame, uint32_t offset);
/*
 * The entry that may continue into `frame`: the last one that begins before it, when none begins in
 * it and it is big enough; else PO_NONE. (By FRAME-4 a continued frame holds no beginnings.)
 */
uint32_t po_layout_continued(const struct po_layout *layout, uint32_t frame);

#endif
