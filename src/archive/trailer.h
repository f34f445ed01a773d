/* trailer.h - the 512 bytes that vouch for an archive, and the last data frame, which holds them
 * (format.md, section 6). */
#ifndef PO_ARCHIVE_TRAILER_H
#define PO_ARCHIVE_TRAILER_H

#include "archive/format.h"
#include "base/err.h"

#define PO_TRAILER_SIZE 512u
#define PO_LAST_FRAME_CONTENT_SIZE 2048u /* header, trailer, two zero blocks */
#define PO_LAST_FRAME_SIZE 2062u
/* Where the trailer begins in the last frame: behind zstd's header (10 bytes) and the tar header. */
#define PO_TRAILER_AT (10u + PO_TAR_BLOCK)

struct po_trailer {
    uint8_t archive_id[PO_ID_SIZE];
    int64_t created;
    uint32_t index_frame;
    uint32_t index_frame_count;
    uint64_t index_offset;            /* in the file */
    uint64_t index_compressed_size;   /* of all index frames */
    uint64_t index_size;              /* of the member's content */
    uint8_t index_xxh3[PO_HASH_SIZE]; /* of the compressed index frames */
    uint8_t index_blake2b[PO_DIGEST_SIZE];
    uint8_t manifest_blake2b[PO_DIGEST_SIZE];
    uint64_t entry_count;
    uint64_t content_bytes;
};

/* Prints the last data frame; `digest` (may be NULL) becomes the archive's digest. */
void po_last_frame_put(uint8_t frame[PO_LAST_FRAME_SIZE], const struct po_trailer *trailer,
                       uint8_t digest[PO_DIGEST_SIZE]);

/* Takes it apart; every one of its bytes is checked. */
PO_NODISCARD enum po_status po_last_frame_parse(struct po_trailer *trailer,
                                                uint8_t digest[PO_DIGEST_SIZE],
                                                const uint8_t frame[PO_LAST_FRAME_SIZE],
                                                struct po_err *err);

#endif
