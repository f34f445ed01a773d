/*
 * writer.h - puts frames into an archive in order, and ends it: index, trailer, seek table. It does
 * not care who encoded the frames or on which thread: the engine and the plain writer of pobackup.h
 * both end here.
 */
#ifndef PO_ARCHIVE_WRITER_H
#define PO_ARCHIVE_WRITER_H

#include "archive/entry.h"
#include "archive/frame.h"
#include "archive/packer.h"

struct po_writer {
    struct pobackup_sink sink;
    uint8_t archive_id[PO_ID_SIZE];
    int64_t created;
    uint64_t offset; /* bytes written so far */
    struct po_frame_info *frames;
    uint32_t frame_count;
    uint32_t frame_capacity;
    uint8_t manifest_digest[PO_DIGEST_SIZE];
};

void po_writer_init(struct po_writer *writer, const struct pobackup_sink *sink,
                    const uint8_t archive_id[PO_ID_SIZE], int64_t created);
void po_writer_deinit(struct po_writer *writer);

/* The BLAKE2b of a frame that was written without. */
void po_writer_set_digest(struct po_writer *writer, uint32_t frame,
                          const uint8_t digest[PO_DIGEST_SIZE]);
/* Writes one encoded frame. */
PO_NODISCARD enum po_status po_writer_put_frame(struct po_writer *writer, const uint8_t *bytes,
                                                const struct po_frame_info *info,
                                                struct po_err *err);

/* Packs the manifest as frame 0, alone, and adds its entry to the list. */
PO_NODISCARD enum po_status po_writer_pack_manifest(struct po_writer *writer,
                                                    struct po_packer *packer,
                                                    struct po_entry_list *list,
                                                    const struct po_buf *json, struct po_err *err);
/* What po_writer_finish works with; buffers are lent. */
struct po_writer_end {
    struct po_entry_list *list;
    const struct po_buf *summary; /* JSON */
    const struct po_parent *parents;
    uint32_t parent_count;
    const struct pobackup_sink *index_copy; /* gets the index's bytes too; NULL: nobody */
    struct po_frame_encoder *encoder;
    struct po_frame_buf content; /* empty, capacity = frame size */
    uint8_t *compressed;
    size_t compressed_capacity;
};

/* After the last frame was put: writes summary (and adds its entry to the list), index, trailer and
 * seek table. `digest` may be NULL. */
PO_NODISCARD enum po_status po_writer_finish(struct po_writer *writer,
                                             const struct po_writer_end *end,
                                             uint8_t digest[PO_DIGEST_SIZE], struct po_err *err);

#endif
