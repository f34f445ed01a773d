/*
 * readahead.h - reads a plan's small files by several threads ahead of their use, and gives them
 * out in the plan's order. Small files on a cold disk cost latency, not bandwidth: eight readers
 * get five times the files of one. What is not a small file passes through unread, so that the
 * order stays.
 */
#ifndef PO_SOURCE_READAHEAD_H
#define PO_SOURCE_READAHEAD_H

#include "archive/entry.h"
#include "port/file.h"

/* Larger files are read by whoever packs them, straight into the frame. */
#define PO_SMALL_FILE_MAX (128u << 10)

struct po_readahead;

/* Where an entry lies: its opened root and the path below it; false: nowhere (it is read in another
 * way). May be called by any reader thread. */
typedef bool (*po_locate_fn)(void *ctx, const struct po_entry *entry, struct po_dir **root,
                             const char **path, size_t *path_size);

/* What came of one entry. */
struct po_read_item {
    uint32_t entry;
    bool is_read;     /* content and info are set; else the packer must see to it itself */
    bool is_failed;   /* reason is set: it could not be read */
    uint32_t os_code; /* of that; 0 = none */
    bool is_changed;  /* it was written to while being read, three times: content is what was read
                        last */
    const uint8_t *content;
    size_t size;
    uint8_t hash[PO_HASH_SIZE];
    struct po_node_info info; /* as of the reading */
    char reason[256];
};

/* With as many threads as there is work for, at most `threads` (1 or more). */
PO_NODISCARD enum po_status po_readahead_new(struct po_readahead **out,
                                             const struct po_entry_list *list,
                                             const uint32_t *order, uint32_t count,
                                             po_locate_fn locate, void *ctx, unsigned threads,
                                             struct po_err *err);
/* The next item in order, until the next call; *item = NULL after the last. */
PO_NODISCARD enum po_status po_readahead_next(struct po_readahead *ahead,
                                              const struct po_read_item **item, struct po_err *err);
void po_readahead_free(struct po_readahead *ahead);

#endif
