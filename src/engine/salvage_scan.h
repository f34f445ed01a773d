/*
 * salvage_scan.h - every frame of a file that is whole, wherever it lies: found by its magic number,
 * proven by decoding it and by its Content_Checksum. Nothing that says where frames lie is believed.
 *
 * First from front to back, taking each frame's word (the sizes in its header and in those of its
 * blocks) for where the next begins, and decoding on all processors. What did not decode is then
 * searched byte by byte. What false beginnings cost is bounded: 256 MiB of decoding and 64 times the
 * file's size; places directly behind a frame that is whole are always tried.
 */
#ifndef PO_ENGINE_SALVAGE_SCAN_H
#define PO_ENGINE_SALVAGE_SCAN_H

#include "archive/seek_table.h"
#include "archive/trailer.h"
#include "base/event.h"

enum po_salvage_kind {
    PO_SALVAGE_CONTINUED, /* begins with no member: the content of an earlier one, or nothing of ours */
    PO_SALVAGE_MEMBER, /* begins with a member of the set */
    PO_SALVAGE_MANIFEST,
    PO_SALVAGE_SUMMARY,
    PO_SALVAGE_INDEX, /* its beginning */
    PO_SALVAGE_TRAILER,
};

struct po_salvage_frame {
    uint64_t offset; /* in the file */
    uint32_t content_size;
    uint32_t compressed_size;
    uint32_t checksum;
    uint8_t xxh3[PO_HASH_SIZE]; /* of the compressed bytes */
    uint8_t kind;               /* enum po_salvage_kind */
    bool is_inside; /* of what is as long as a frame, but does not decode: its content? */
    bool is_usual;  /* a MEMBER whose name is one of a backup's */
};

struct po_salvage_scan {
    struct po_salvage_frame *frames; /* by offset, none in another */
    uint32_t count;
    uint32_t capacity;
    uint64_t size;               /* of the file */
    bool is_cut_short;           /* so many false beginnings that not all were tried */
    struct po_seek_entry *seeks; /* the seek table, when the file has a whole one; else NULL */
    uint32_t seek_count;
    uint64_t seek_offset;
    uint64_t seek_size;
};

/* { 0 } is an empty one. The blob must be one that several threads can read. */
PO_NODISCARD enum po_status po_salvage_scan_run(struct po_salvage_scan *scan,
                                                const struct pobackup_blob *blob, unsigned threads,
                                                const struct po_watch *watch, struct po_err *err);
/* Its part that looks for the seek table. */
PO_NODISCARD enum po_status po_salvage_table_find(struct po_salvage_scan *scan,
                                                  const struct pobackup_blob *blob,
                                                  struct po_err *err);
void po_salvage_scan_deinit(struct po_salvage_scan *scan);
/* The frame that lies directly behind this one, or PO_NONE. */
uint32_t po_salvage_scan_next(const struct po_salvage_scan *scan, uint32_t frame);

#endif
