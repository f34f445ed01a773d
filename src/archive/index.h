/*
 * index.h - the list of the whole snapshot (format.md, section 5). Loading checks every rule and
 * points into the bytes: nothing is parsed per entry, and accessors read the columns where they
 * lie. Writing goes column by column from an entry list.
 */
#ifndef PO_ARCHIVE_INDEX_H
#define PO_ARCHIVE_INDEX_H

#include "archive/entry.h"
#include "archive/frame.h"
#include "archive/index_format.h"

struct po_index {
    uint8_t *bytes; /* owned */
    size_t pages;   /* for po_pages_free */
    size_t size;
    uint8_t archive_id[PO_ID_SIZE];
    uint32_t count;
    uint32_t link_count;
    uint32_t security_count;
    uint32_t frame_count;
    uint32_t parent_count;
    /* The sections, in their order. */
    const uint8_t *sizes;
    const uint8_t *write_times;
    const uint8_t *create_times;
    const uint8_t *change_times;
    const uint8_t *file_ids;
    const uint8_t *hashes;
    const uint8_t *path_ends;
    const uint8_t *attributes;
    const uint8_t *securities;
    const uint8_t *frames;
    const uint8_t *offsets;
    const uint8_t *sources;
    const uint8_t *types;
    const char *paths;
    const uint8_t *link_entries;
    const uint8_t *link_ends;
    const char *links;
    const uint8_t *security_ends;
    const uint8_t *security_bytes;
    const uint8_t *frame_table;
    const uint8_t *parent_table;
    const char *parent_names;
    const uint8_t *unlisted; /* INDEX-11; NULL if none */
    uint32_t unlisted_count;
};

/*
 * The header alone, before memory is taken for the rest: its counts must give an index of `size`
 * bytes. content_size is that of all frames before the index.
 */
PO_NODISCARD enum po_status po_index_check_header(const uint8_t header[PO_INDEX_HEADER_SIZE],
                                                  uint64_t size, uint64_t content_size,
                                                  struct po_err *err);
/* Takes over `bytes`, even when it fails: from po_pages_new or _resize with size `pages` (a buffer's capacity), 0: from po_mem. */
PO_NODISCARD enum po_status po_index_load_take(struct po_index **out, uint8_t *bytes, size_t size,
                                               size_t pages, struct po_err *err);
void po_index_free(struct po_index *index);

/* Entry `number` < count. */
const char *po_index_path(const struct po_index *index, uint32_t number, size_t *size);
uint64_t po_index_size(const struct po_index *index, uint32_t number);
int64_t po_index_write_time(const struct po_index *index, uint32_t number);
int64_t po_index_create_time(const struct po_index *index, uint32_t number);
int64_t po_index_change_time(const struct po_index *index, uint32_t number);
uint64_t po_index_file_id(const struct po_index *index, uint32_t number);
const uint8_t *po_index_hash(const struct po_index *index, uint32_t number);
uint32_t po_index_attributes(const struct po_index *index, uint32_t number);
uint32_t po_index_security(const struct po_index *index, uint32_t number);
uint32_t po_index_frame(const struct po_index *index, uint32_t number);
uint32_t po_index_offset(const struct po_index *index, uint32_t number);
uint16_t po_index_source(const struct po_index *index, uint32_t number);
uint8_t po_index_type(const struct po_index *index, uint32_t number);
/* The target of a link, or NULL. */
const char *po_index_link(const struct po_index *index, uint32_t number, size_t *size);
/* Descriptor `number` from 1: kind byte and bytes. */
const uint8_t *po_index_security_bytes(const struct po_index *index, uint32_t number, size_t *size);
/* The POSIX owner of an entry; false if none is recorded. */
bool po_index_owner(const struct po_index *index, uint32_t number, struct po_posix_owner *owner);
void po_index_frame_info(const struct po_index *index, uint32_t frame, struct po_frame_info *info);
/* Parent `number` from 0; name is not ended by a NUL. */
void po_index_parent(const struct po_index *index, uint32_t number, struct po_parent *parent,
                     const char **name, size_t *name_size);
/* Members that are not part of the snapshot (INDEX-11): row `number` as frame << 32 | offset, and
 * whether a place is one. */
uint64_t po_index_unlisted(const struct po_index *index, uint32_t number);
bool po_index_is_unlisted(const struct po_index *index, uint32_t frame, uint32_t offset);
/* The entry with this path, or PO_NONE. */
uint32_t po_index_find(const struct po_index *index, const char *path, size_t path_size);
/* The first entry whose path is not smaller than `path` (count if none): where a directory's
 * content begins. */
uint32_t po_index_lower_bound(const struct po_index *index, const char *path, size_t path_size);

/* ---- writing ---- */

struct po_index_source {
    const struct po_entry_list *list;
    const uint32_t *order; /* numbers of the saved entries, sorted by path */
    uint32_t count;
    const struct po_frame_info *frames;
    uint32_t frame_count;
    const struct po_parent *parents;
    uint32_t parent_count;
    const uint8_t *archive_id;
};

/* The numbers of all saved entries of a list, sorted by path, each path once (of two, the later
 * one); *order is the caller's. */
PO_NODISCARD enum po_status po_index_sort(const struct po_entry_list *list, uint32_t **order,
                                          uint32_t *count, struct po_err *err);
/* The size of what po_index_put will give. */
PO_NODISCARD enum po_status po_index_encoded_size(const struct po_index_source *source,
                                                  uint64_t *size, struct po_err *err);
/* Prints the index in pieces. */
PO_NODISCARD enum po_status po_index_put(const struct po_index_source *source,
                                         enum po_status (*put)(void *ctx, const void *bytes,
                                                               size_t size, struct po_err *err),
                                         void *ctx, struct po_err *err);

#endif
