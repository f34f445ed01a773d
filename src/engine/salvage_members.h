/* salvage_members.h - what salvage_members.c and salvage_made_index.c share. */
#ifndef PO_ENGINE_SALVAGE_MEMBERS_H
#define PO_ENGINE_SALVAGE_MEMBERS_H

#include "engine/salvage_parts.h"

struct po_salvage_members {
    const struct po_salvage_scan *scan;
    struct po_salvage_result *result;
    struct po_salvage_broken_list *broken;
    struct po_reader *reader; /* frames in the file's order, then in that of the members */
    struct po_entry_list list;
    struct po_salvage_open *opens; /* by frame */
    size_t open_count;
    size_t open_capacity;
    uint8_t
        *claimed; /* one byte a frame of the scan: a member that begins before it goes on there */
    struct po_frame_decoder *decoder;
    uint8_t *bytes;
    uint8_t *content;
};

/*
 * Puts the frames in the order of the members, makes the index that the reader needs, names what is
 * not whole in `broken`, and says in result->doubts what is not known of each entry.
 */
PO_NODISCARD enum po_status po_salvage_members_index(struct po_salvage_members *members,
                                                     struct po_err *err);

#endif
