/* reader_tail.h - the part of opening that needs no index: for reader_open.c and peek.c. */
#ifndef PO_ARCHIVE_READER_TAIL_H
#define PO_ARCHIVE_READER_TAIL_H

#include "archive/reader.h"

/*
 * A reader whose seek table and trailer are read and agree; there is no index (NULL). *index_total is
 * the content size of the index frames. As po_reader_open otherwise: PO_E_UNSUPPORTED, PO_E_FORMAT.
 */
PO_NODISCARD enum po_status po_reader_open_tail(struct po_reader **out,
                                                const struct pobackup_blob *blob,
                                                uint64_t *index_total, struct po_err *err);

#endif
