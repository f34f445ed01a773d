/*
 * peek.h - what an archive is, told without its index: seek table, trailer, manifest. For a vault, in
 * which there are hundreds: it costs three reads and one small frame, however many entries an archive
 * has.
 *
 * It is less than opening: that the manifest's parents are the index's, and that the index is whole,
 * is not looked at.
 */
#ifndef PO_ARCHIVE_PEEK_H
#define PO_ARCHIVE_PEEK_H

#include "archive/manifest.h"
#include "archive/trailer.h"

/* { 0 } is an empty one. */
struct po_peek {
    uint8_t digest[PO_DIGEST_SIZE]; /* the archive's */
    struct po_trailer trailer;
    uint32_t frame_count; /* of data frames */
    struct po_manifest_core manifest;
};

/*
 * *peek becomes what the archive is (MANIFEST-1, MANIFEST-2 and, but for the parents, MANIFEST-3). As
 * po_reader_open: PO_E_UNSUPPORTED: not an archive, or newer; PO_E_FORMAT: damaged. Then *peek is
 * empty.
 */
PO_NODISCARD enum po_status po_peek_read(struct po_peek *peek, const struct pobackup_blob *blob,
                                         struct po_err *err);
/* The digest alone: whether a file is still the archive that it was. Cheaper by the manifest. */
PO_NODISCARD enum po_status po_peek_digest(uint8_t digest[PO_DIGEST_SIZE],
                                           const struct pobackup_blob *blob, struct po_err *err);
void po_peek_deinit(struct po_peek *peek);

#endif
