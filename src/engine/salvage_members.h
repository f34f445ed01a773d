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
    uint32_t summary; /* all frames up to it are proven to be the set's; PO_NONE = not known */
};

/*
 * The summary's frame, when the seek table has exactly the frames that the file begins with, up to it:
 * then no member of the set is missing, nor from elsewhere. Else PO_NONE.
 */
uint32_t po_salvage_table_reach(const struct po_salvage_scan *scan);
/*
 * Calls `each` for the members that the summary in this frame says are not part of the snapshot;
 * *is_known = false: it does not say of all.
 */
PO_NODISCARD enum po_status
po_salvage_left_out(struct po_salvage_members *members, uint32_t summary,
                    void (*each)(void *ctx, const char *path, size_t size), void *ctx,
                    bool *is_known, struct po_err *err);

/*
 * Puts the frames in the order of the members, makes the index that the reader needs, names what is
 * not whole in `broken`, and says in result->doubts what is not known of each entry.
 */
PO_NODISCARD enum po_status po_salvage_members_index(struct po_salvage_members *members,
                                                     struct po_err *err);

#endif
