/*
 * reader.h - an opened archive. After po_reader_open the tables are proven (seek table, trailer,
 * index agree and have their digests); they never change, so a reader can be shared by threads if
 * its blob can.
 */
#ifndef PO_ARCHIVE_READER_H
#define PO_ARCHIVE_READER_H

#include "archive/index.h"
#include "archive/manifest.h"
#include "archive/seek_table.h"
#include "archive/trailer.h"

struct po_reader {
    struct pobackup_blob blob;
    struct po_seek_entry *seeks; /* one a data frame, the last frame included */
    uint64_t *offsets; /* of each data frame in the file, and where the seek table begins */
    uint32_t frame_count;
    uint32_t content_max;    /* the largest content of the frames before the index */
    uint32_t compressed_max; /* and the largest compressed size */
    struct po_trailer trailer;
    uint8_t digest[PO_DIGEST_SIZE];
    struct po_index *index;
};

/* Reads and checks all but the frames before the index. PO_E_UNSUPPORTED: not an archive, or newer;
 * PO_E_FORMAT: damaged. */
PO_NODISCARD enum po_status po_reader_open(struct po_reader **out, const struct pobackup_blob *blob,
                                           struct po_err *err);
void po_reader_free(struct po_reader *reader);

/* Reads frame `frame` (before the index) as it stands in the file: compressed_size bytes into
 * `bytes`. */
PO_NODISCARD enum po_status po_reader_fetch(const struct po_reader *reader, uint32_t frame,
                                            uint8_t *bytes, struct po_err *err);
/* Its XXH3, and its BLAKE2b as that was computed already; NULL: not that. */
PO_NODISCARD enum po_status po_reader_check_hashes(const struct po_reader *reader, uint32_t frame,
                                                   const uint8_t *bytes, const uint8_t *digest,
                                                   struct po_err *err);
/* Its XXH3 (and with `deep` its BLAKE2b). */
PO_NODISCARD enum po_status po_reader_check_frame(const struct po_reader *reader, uint32_t frame,
                                                  const uint8_t *bytes, bool deep,
                                                  struct po_err *err);
/*
 * The seek table's checksum of the frame. A fault here alone hits no entry: contents can still be
 * read. spec: SEEK-3, READ-2
 */
PO_NODISCARD enum po_status po_reader_check_seek(const struct po_reader *reader, uint32_t frame,
                                                 const uint8_t *bytes, struct po_err *err);
/* Reads, checks (XXH3 and BLAKE2b) and decodes a frame into `content` (its content size); `bytes` has room for
 * its compressed size. */
PO_NODISCARD enum po_status po_reader_decode(const struct po_reader *reader,
                                             struct po_frame_decoder *decoder, uint32_t frame,
                                             uint8_t *bytes, uint8_t *content, struct po_err *err);

/*
 * Finds an entry's member in its frame's decoded content: the header must be that of the entry
 * (path, type, size, time, link). *content_at is where the content begins.
 */
PO_NODISCARD enum po_status po_reader_member(const struct po_reader *reader, uint32_t entry,
                                             const uint8_t *content, size_t content_size,
                                             size_t *content_at, struct po_err *err);

/*
 * The whole content of a file of this archive, of at most size_max bytes, appended to `out`; checked
 * against its hash. *content_at is where it begins in its first frame.
 */
PO_NODISCARD enum po_status po_reader_content(const struct po_reader *reader, uint32_t entry,
                                              uint64_t size_max, struct po_buf *out,
                                              size_t *content_at, struct po_err *err);

/* Reads and checks the manifest (MANIFEST-1 to 3). *json is appended to. */
PO_NODISCARD enum po_status po_reader_manifest(const struct po_reader *reader, struct po_buf *json,
                                               struct po_err *err);
/* Reads the summary; likewise. */
PO_NODISCARD enum po_status po_reader_summary(const struct po_reader *reader, struct po_buf *json,
                                              struct po_err *err);

#endif
