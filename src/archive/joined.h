/*
 * joined.h - an archive and the parents that it builds on, as one reader: entries that lie in a
 * parent are found as if they lay in the archive itself, in frames behind its own. So whoever reads
 * contents need not know of parents. What is checked by looking at all members (an audit) is checked
 * on each archive by itself, before.
 */
#ifndef PO_ARCHIVE_JOINED_H
#define PO_ARCHIVE_JOINED_H

#include "archive/reader.h"

struct po_joined;

/*
 * `parents` has one for each parent of the index, proven to be it (spec: INDEX-9); NULL: it is not at
 * hand, its entries keep their source. The archive's reader and all blobs must live as long as the
 * result, the parents' readers need not.
 */
PO_NODISCARD enum po_status po_joined_new(struct po_joined **out, const struct po_reader *reader,
                                          struct po_reader *const *parents, struct po_err *err);
/* NULL is fine. */
void po_joined_free(struct po_joined *joined);
struct po_reader *po_joined_reader(struct po_joined *joined);
/* How many archives: itself (0), then its parents (from 1); and which of the frames are those of one
 * (none when it is not at hand). */
uint32_t po_joined_part_count(const struct po_joined *joined);
void po_joined_part(const struct po_joined *joined, uint32_t part, uint32_t *first_frame,
                    uint32_t *frame_count);

#endif
