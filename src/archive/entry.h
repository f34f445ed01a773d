/*
 * entry.h - the list of entries of one snapshot, as it is being made: the walk adds what it finds,
 * the packer notes where it put it, the index writer prints it. One row an entry (about 90 bytes
 * and its path), so that 200,000 files cost 30 MB.
 */
#ifndef PO_ARCHIVE_ENTRY_H
#define PO_ARCHIVE_ENTRY_H

#include "archive/format.h"
#include "base/buf.h"

#define PO_NONE UINT32_MAX

enum po_entry_state {
    PO_ENTRY_PLANNED,
    PO_ENTRY_SAVED,    /* in the archive, frame and offset are set */
    PO_ENTRY_SKIPPED,  /* could not be read: not in the index */
    PO_ENTRY_UNLISTED, /* begun, then it could not be read on: in the tar, not in the snapshot
                          (INDEX-11) */
};

struct po_entry {
    uint64_t size;
    int64_t write_time;
    int64_t create_time;
    int64_t change_time;
    uint64_t file_id;
    uint8_t hash[PO_HASH_SIZE];
    uint32_t path_start; /* in the list's paths */
    uint32_t path_size;
    uint32_t attributes;
    uint32_t security; /* 0 = none, else number from 1 */
    uint32_t frame;
    uint32_t offset;
    uint32_t link; /* number of a link, or PO_NONE */
    uint16_t source;
    uint8_t type;  /* enum pobackup_type */
    uint8_t state; /* enum po_entry_state */
};

/* The kinds of security descriptors (format.md, section 5). */
#define PO_SECURITY_KIND_WINDOWS 1
#define PO_SECURITY_KIND_POSIX 2

/* A security descriptor of kind POSIX, taken apart. Names point into the descriptor. */
struct po_posix_owner {
    uint32_t mode;
    uint32_t uid;
    uint32_t gid;
    const char *user;
    size_t user_size;
    const char *group;
    size_t group_size;
};

struct po_parent {
    uint8_t archive_id[PO_ID_SIZE];
    uint8_t digest[PO_DIGEST_SIZE];
    int64_t created;
    char *name;
};

/* Rows of bytes in one heap: ends[i] is where row i ends. */
struct po_rows {
    struct po_buf heap;
    uint32_t *ends;
    size_t count;
    size_t capacity;
};

struct po_entry_list {
    struct po_entry *entries;
    size_t count;
    size_t capacity;
    struct po_buf paths;
    struct po_rows links;
    struct po_rows securities;
    uint32_t *security_slots; /* hash table over securities: number, or 0 */
    size_t security_slot_count;
};

void po_entry_list_deinit(struct po_entry_list *list);
/* Makes room for what is known to come: no more than that is taken, and nothing is moved. */
PO_NODISCARD enum po_status po_entry_list_reserve(struct po_entry_list *list, size_t count,
                                                  size_t path_bytes, struct po_err *err);
/* Adds a planned entry with this path, all else zero and times unknown; *out lives until the next
 * add. PO_E_USAGE: path too long (TAR-8). */
PO_NODISCARD enum po_status po_entry_list_add(struct po_entry_list *list, const void *path,
                                              size_t path_size, struct po_entry **out,
                                              struct po_err *err);
/* Stores a link target and sets entry->link. */
PO_NODISCARD enum po_status po_entry_list_set_link(struct po_entry_list *list,
                                                   struct po_entry *entry, const void *target,
                                                   size_t size, struct po_err *err);
/* Stores a descriptor (kind byte and bytes) once; *number from 1. */
PO_NODISCARD enum po_status po_entry_list_security(struct po_entry_list *list, const void *bytes,
                                                   size_t size, uint32_t *number,
                                                   struct po_err *err);
/* Prints and stores a POSIX owner. */
PO_NODISCARD enum po_status po_entry_list_owner(struct po_entry_list *list,
                                                const struct po_posix_owner *owner,
                                                uint32_t *number, struct po_err *err);

const char *po_entry_path(const struct po_entry_list *list, const struct po_entry *entry);
/* A po_sort_text_fn: the path of entry `number`. */
const char *po_entry_list_path(const void *list, uint32_t number, size_t *size);
/* Row `number` of `rows`. */
const uint8_t *po_rows_at(const struct po_rows *rows, uint32_t number, size_t *size);

/* Takes a descriptor apart; false if it is not of kind POSIX or too short. */
bool po_posix_owner_parse(struct po_posix_owner *owner, const uint8_t *bytes, size_t size);

#endif
