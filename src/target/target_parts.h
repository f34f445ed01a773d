/* target_parts.h - what target.c, target_directories.c and target_links.c share. */
#ifndef PO_TARGET_TARGET_PARTS_H
#define PO_TARGET_TARGET_PARTS_H

#include "base/buf.h"
#include "port/thread.h"
#include "target/target.h"

enum po_target_state {
    PO_TARGET_UNWANTED,
    PO_TARGET_READY,   /* wanted, its name is fine */
    PO_TARGET_FAILED,  /* told */
    PO_TARGET_IMPLIED, /* a directory that is not wanted, but was made for what lies in it */
    PO_TARGET_WRITTEN,
};

struct po_target {
    struct po_target_options options;
    struct po_mutex *lock; /* around options.problem */
    /* One byte an entry; each is changed only by the thread that handles the entry. */
    uint8_t *states;
    /* The file that comes in pieces; NULL = none. */
    struct po_file *open_file;
    struct po_buf open_path; /* the name it has meanwhile */
    uint32_t open_entry;
    uint64_t open_size;
};

struct po_target_place {
    struct po_dir *dir;
    const char *path;
    size_t size;
};

/* False when the entry goes nowhere. */
bool po_target_find_place(const struct po_target *target, uint32_t entry,
                          struct po_target_place *place);

/*
 * The item failed by *cause: told, and PO_OK; or returned in *err, when all others would fail too.
 */
PO_NODISCARD enum po_status po_target_fail(struct po_target *target, uint32_t entry,
                                           const struct po_err *cause, struct po_err *err);
/* The item is there, but something about it is not as in the archive. */
void po_target_tell(struct po_target *target, uint32_t entry, const char *reason);

/*
 * Mode to set and whether to set the owner; false when the archive does not say (*mode is what
 * stock tools use then).
 */
bool po_target_owner(const struct po_target *target, uint32_t entry, struct po_posix_owner *owner,
                     uint32_t *mode);
/* Owner, mode and write time of an open file; failures are told. */
void po_target_file_facts(struct po_target *target, uint32_t entry, struct po_file *file);

/* Calls options.node. */
void po_target_node(struct po_target *target, enum po_target_moment moment, uint32_t entry,
                    const struct po_target_place *place);

/* Appends the name, of our own, that the entry has until it is whole. */
PO_NODISCARD enum po_status po_target_new_name(const struct po_target_place *place, uint32_t entry,
                                               struct po_buf *out, struct po_err *err);
/* What stands at the place may be replaced: the options allow it, and it is a file or a link. */
bool po_target_is_replaceable(const struct po_target *target, const struct po_target_place *place);
/* Makes a file under a name of our own: what a dead run left there is removed. */
PO_NODISCARD enum po_status po_target_open_new(const struct po_target_place *place,
                                               const struct po_buf *name, struct po_file **file,
                                               struct po_err *err);

#endif
