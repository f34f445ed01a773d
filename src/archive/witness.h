/*
 * witness.h - a second opinion: libarchive reads the same tar. What our own parser and another
 * program's agree on is what stock tools will extract; a mistake in our parser that mirrors one in
 * our writer cannot hide.
 */
#ifndef PO_ARCHIVE_WITNESS_H
#define PO_ARCHIVE_WITNESS_H

#include "archive/layout.h"

/*
 * Reads the members in a frame's content (which begins with one) through libarchive and compares
 * name, type, size and write time with the index, for members that are entries. `open_start`: where
 * the member begins that goes on in the next frame, or SIZE_MAX. Names that libarchive
 * cannot show in the locale are compared by size and time alone; in UTF-8 and C it shows all.
 */
PO_NODISCARD enum po_status po_witness_frame(const uint8_t *content, size_t size, size_t open_start,
                                             const struct po_index *index,
                                             const struct po_layout *layout, uint32_t frame,
                                             struct po_err *err);

#endif
