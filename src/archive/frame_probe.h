/*
 * frame_probe.h - where a Zstandard frame of an archive would end that begins at some place: told from
 * its header and the headers of its blocks alone, nothing is decoded. For looking for frames in a file
 * whose tables are lost.
 */
#ifndef PO_ARCHIVE_FRAME_PROBE_H
#define PO_ARCHIVE_FRAME_PROBE_H

#include "archive/format.h"

#include <stddef.h>

#define PO_FRAME_MAGIC_SIZE 4u

/* `size` bytes (at most 16) at `offset`, valid until the next call; NULL: not there, or not to be
 * read. */
typedef const uint8_t *(*po_probe_peek_fn)(void *ctx, uint64_t offset, size_t size);

struct po_probe {
    uint32_t content_size;
    uint32_t compressed_size;
    uint32_t steps; /* block headers that were looked at: what it cost */
};

/* Whether these bytes are the magic number of a frame. */
bool po_probe_is_magic(const uint8_t *bytes);
/*
 * Whether a frame that keeps FRAME-1 and FRAME-2 may begin at `offset`: probe->compressed_size is then
 * how far it goes. Only decoding proves it. probe->steps is set in any case.
 */
bool po_probe_frame(struct po_probe *probe, uint64_t offset, po_probe_peek_fn peek, void *ctx);

#endif
