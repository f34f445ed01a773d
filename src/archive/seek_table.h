/* seek_table.h - the skippable frame at the end of an archive: the Zstandard Seekable Format's
 * table (format.md, section 7). */
#ifndef PO_ARCHIVE_SEEK_TABLE_H
#define PO_ARCHIVE_SEEK_TABLE_H

#include "archive/format.h"
#include "base/buf.h"

#define PO_SEEK_FOOTER_SIZE 9u

struct po_seek_entry {
    uint32_t compressed_size;
    uint32_t content_size;
    uint32_t checksum; /* low 32 bits of the content's XXH64 */
};

/* Appends the whole skippable frame. */
void po_seek_table_put(struct po_buf *out, const struct po_seek_entry *entries, uint32_t count);

/*
 * Looks at a file's last 9 bytes: *table_size is the size of the whole skippable frame, *count its
 * entries. PO_E_FORMAT: no footer of ours; foreign tables without checksums are accepted here when
 * `foreign`, with *entry_size 8 or 12.
 */
PO_NODISCARD enum po_status po_seek_footer_parse(const uint8_t footer[PO_SEEK_FOOTER_SIZE],
                                                 uint64_t file_size, bool foreign,
                                                 uint64_t *table_size, uint32_t *count,
                                                 unsigned *entry_size, struct po_err *err);

/* Takes the whole frame apart into `entries` (room for count) and checks that the compressed sizes
 * add up to table_offset. */
PO_NODISCARD enum po_status po_seek_table_parse(struct po_seek_entry *entries, uint32_t count,
                                                unsigned entry_size, const uint8_t *bytes,
                                                size_t size, uint64_t table_offset,
                                                struct po_err *err);

#endif
