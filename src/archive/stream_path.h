/*
 * stream_path.h - alternate streams in an archive: each is a file below `pobackup/streams/`, whose
 * path names its owner (a file or directory of the snapshot) and the stream (format.md, section 3).
 */
#ifndef PO_ARCHIVE_STREAM_PATH_H
#define PO_ARCHIVE_STREAM_PATH_H

#include "archive/index.h"

#define PO_STREAMS_PREFIX "pobackup/streams/"

/* What a member's path says. { 0 } is empty; may be filled again and again. */
struct po_stream_path {
    struct po_buf owner; /* an archive path */
    struct po_buf name;  /* WTF-8 */
};

/* Whether a path is in the folder of streams. */
bool po_stream_is_path(const char *path, size_t size);
/* Appends the path of a stream: an owner's path, and a name as po_name_is_stream has it. */
void po_stream_put_path(struct po_buf *out, const char *owner, size_t owner_size, const char *name,
                        size_t name_size);
/* Takes a path in that folder apart; PO_E_FORMAT when it is not exactly what po_stream_put_path
 * gives. */
PO_NODISCARD enum po_status po_stream_parse_path(struct po_stream_path *out, const char *path,
                                                 size_t size, struct po_err *err);
void po_stream_path_deinit(struct po_stream_path *path);

/* The entries that are streams: numbers *first to *end - 1. */
void po_stream_entries(const struct po_index *index, uint32_t *first, uint32_t *end);
/* Checks all of them; the index must be sorted. */
PO_NODISCARD enum po_status po_stream_check(const struct po_index *index, struct po_err *err);

#endif
