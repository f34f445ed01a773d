/*
 * frame.h - one Zstandard frame: content to bytes and back (format.md, section 2). Encoders and
 * decoders are reused; each belongs to one thread at a time.
 */
#ifndef PO_ARCHIVE_FRAME_H
#define PO_ARCHIVE_FRAME_H

#include "archive/format.h"
#include "base/err.h"

#include <stdbool.h>

/* What the index's frame table says of a frame, and its Content_Checksum for the seek table. */
struct po_frame_info {
    uint32_t content_size;
    uint32_t compressed_size;
    uint32_t checksum;
    uint8_t xxh3[PO_HASH_SIZE];      /* of the compressed bytes */
    uint8_t blake2b[PO_DIGEST_SIZE]; /* of the compressed bytes */
};

struct po_frame_encoder;

/* `level` as zstd's (1 to 19, and negative). The window spans frames of frame_size. With `check`,
 * each frame is decoded again and compared. */
PO_NODISCARD enum po_status po_frame_encoder_new(struct po_frame_encoder **out, int level,
                                                 uint32_t frame_size, bool check,
                                                 struct po_err *err);
void po_frame_encoder_free(struct po_frame_encoder *encoder);
/* Frames get no BLAKE2b (zeros) from now on: it is made of several at once (blake2b4.h). */
void po_frame_encoder_leave_digest(struct po_frame_encoder *encoder);

/* From now on an index is encoded: at the default level with a smaller table, which costs it 0.3 % and less memory to
 * touch. */
void po_frame_encoder_for_index(struct po_frame_encoder *encoder);

/* The capacity that `out` of po_frame_encode needs. */
size_t po_frame_encoded_bound(size_t content_size);

/*
 * Encodes content_size bytes (1 to 32 MiB) and fills in *info. When checking, the frame is decoded
 * back over `content` and its hash compared with that of before: on PO_OK the content is the same,
 * on failure it is not to be used. A mismatch (broken memory or processor) is PO_E_IO.
 */
PO_NODISCARD enum po_status po_frame_encode(struct po_frame_encoder *encoder, uint8_t *content,
                                            size_t content_size, uint8_t *out, size_t capacity,
                                            struct po_frame_info *info, struct po_err *err);

/* A frame of stored blocks, for content (1 byte to 32 MiB) that must not come out small; `out` has
 * room for po_frame_encoded_bound(content_size). */
void po_frame_store(const uint8_t *content, size_t content_size, uint8_t *out,
                    struct po_frame_info *info);

/* PO_E_FORMAT unless a frame may have these sizes: checked before anything of them is allocated. */
PO_NODISCARD enum po_status po_frame_check_sizes(uint64_t content_size, uint64_t compressed_size,
                                                 struct po_err *err);

struct po_frame_decoder;

PO_NODISCARD enum po_status po_frame_decoder_new(struct po_frame_decoder **out, struct po_err *err);
void po_frame_decoder_free(struct po_frame_decoder *decoder);

/*
 * Decodes exactly one frame of compressed_size bytes into exactly content_size bytes, checking
 * FRAME-1 to FRAME-3 and the frame's checksum, which goes to *checksum (may be NULL). PO_E_FORMAT
 * when anything differs.
 */
PO_NODISCARD enum po_status po_frame_decode(struct po_frame_decoder *decoder, const uint8_t *bytes,
                                            size_t compressed_size, uint8_t *content,
                                            size_t content_size, uint32_t *checksum,
                                            struct po_err *err);

/*
 * Decodes only the beginning of the frame at the start of `bytes` (a file's beginning, or the whole
 * of it), at most `capacity` bytes of content: to see whose it is. *got is how many there are.
 * PO_E_FORMAT when it does not decode, or is cut off in a whole file.
 */
PO_NODISCARD enum po_status po_frame_glance(const uint8_t *bytes, size_t size, bool is_whole,
                                            uint8_t *content, size_t capacity, size_t *got,
                                            struct po_err *err);

/* Fills in *info from a frame's compressed bytes. */
void po_frame_describe(struct po_frame_info *info, const uint8_t *bytes, size_t compressed_size,
                       size_t content_size);

#endif
