/*
 * packer.h - lays members out in frames' contents (FRAME-4 to FRAME-6): a member that fits in a
 * frame is never split; one that does not has frames of its own. It notes frame and offset in the
 * entry. Where a full frame goes is the owner's business: in the engine to a compressor thread, in
 * the plain writer to the encoder at once.
 */
#ifndef PO_ARCHIVE_PACKER_H
#define PO_ARCHIVE_PACKER_H

#include "archive/entry.h"

/* A frame's content being filled. */
struct po_frame_buf {
    uint8_t *bytes;
    size_t capacity; /* the frame size aimed at */
    size_t used;
};

/* Takes the content of one frame and leaves an empty buffer (which may be another) in *frame. */
typedef enum po_status (*po_flush_fn)(void *ctx, struct po_frame_buf *frame, struct po_err *err);

struct po_packer {
    struct po_frame_buf frame;
    po_flush_fn flush;
    void *ctx;
    uint32_t frame_number; /* of the frame being filled */
    struct po_buf header;
    uint64_t member_left; /* content of the open member that is still to come */
    uint64_t member_size;
    size_t member_start; /* in the frame; SIZE_MAX when it began in an earlier one */
};

void po_packer_init(struct po_packer *packer, struct po_frame_buf frame, po_flush_fn flush,
                    void *ctx);
void po_packer_deinit(struct po_packer *packer);

/* Begins a member: entry->size bytes of content must follow. Ends the frame before it when the
 * member does not fit in. */
PO_NODISCARD enum po_status po_packer_begin(struct po_packer *packer,
                                            const struct po_entry_list *list,
                                            struct po_entry *entry, struct po_err *err);
/* What the member takes in the tar: header blocks, content and padding. */
PO_NODISCARD enum po_status po_packer_member_size(struct po_packer *packer,
                                                  const struct po_entry_list *list,
                                                  const struct po_entry *entry, uint64_t *size,
                                                  struct po_err *err);
/* Where the next content bytes go: *room > 0 while content is missing. */
PO_NODISCARD enum po_status po_packer_room(struct po_packer *packer, uint8_t **at, size_t *room,
                                           struct po_err *err);
/* `size` bytes were put there. */
void po_packer_advance(struct po_packer *packer, size_t size);
/* Ends the member with its padding. */
PO_NODISCARD enum po_status po_packer_end(struct po_packer *packer, struct po_err *err);
/* True if the open member lies in the current frame from its start: then po_packer_rewind forgets
 * it. */
bool po_packer_can_rewind(const struct po_packer *packer);
void po_packer_rewind(struct po_packer *packer);
/* A member whose whole content is at hand. */
PO_NODISCARD enum po_status po_packer_add(struct po_packer *packer,
                                          const struct po_entry_list *list, struct po_entry *entry,
                                          const void *content, struct po_err *err);
/* A member that is not an entry of the list (the index). */
PO_NODISCARD enum po_status po_packer_begin_plain(struct po_packer *packer, const char *path,
                                                  uint64_t size, struct po_err *err);
/* Copies content of the open member. */
PO_NODISCARD enum po_status po_packer_put(struct po_packer *packer, const void *bytes, size_t size,
                                          struct po_err *err);
/* Ends the frame, if anything is in it. */
PO_NODISCARD enum po_status po_packer_cut(struct po_packer *packer, struct po_err *err);

#endif
