/*
 * The source module: what a backup reads. walk.h lists a tree into entries, its directories
 * listed by several threads (list_ahead.h); readahead.h reads small files by several threads, in order.
 */
#ifndef PO_SOURCE_WALK_H
#define PO_SOURCE_WALK_H

#include "archive/entry.h"
#include "plan/plan.h"
#include "port/stream.h"

/* An alternate stream of an entry. */
struct po_walk_stream {
    uint32_t owner;
    uint32_t name_start; /* in stream_names */
    uint32_t name_size;
    uint32_t entry; /* for its saver: the number of its own entry; PO_NONE at first */
    uint64_t size;
};

struct po_walk {
    struct po_entry_list *list;
    const struct po_stream_ops *stream_ops; /* NULL = the system's */
    const char *const *excludes;            /* globs on archive paths */
    size_t exclude_count;
    /* An item that cannot be saved: named and passed over. */
    enum po_status (*problem)(void *ctx, const char *path, size_t path_size, const char *reason,
                              struct po_err *err);
    bool is_unread; /* of the problem being told: what is there is not known */
    /*
     * Whether a file or link is known from a former walk, and is the same: then it is not added.
     * NULL: none is.
     */
    bool (*is_known)(void *ctx, const char *path, size_t path_size,
                     const struct po_node_info *info);
    void *ctx;
    const volatile int *cancel;     /* may be NULL */
    struct po_node_extras extras;   /* those of the last entry */
    struct po_walk_stream *streams; /* of files and directories, in the list's order */
    size_t stream_count;
    size_t stream_capacity;
    struct po_buf stream_names;
    struct po_plan_link *links; /* names of files with more than one link */
    size_t link_count;
    size_t link_capacity;
    uint64_t excluded;
    /* Entries whose rights (Windows) could not be read; the first one's reason. They are saved without. */
    uint32_t *without_rights;
    size_t without_rights_count;
    size_t without_rights_capacity;
    char rights_reason[256];
    uint64_t own; /* what a restore of this program left in a tree: passed over */
    /* The file that the backup is written to, by its device and id (0: none): not saved. */
    uint64_t output_device;
    uint64_t output_id;
};

/*
 * Adds the directory `root` under the archive path `member`, and all that lies below it, parents
 * first. Names in one directory come in the system's order. FIFOs, sockets and devices are
 * problems; so is what cannot be examined, and an alternate stream of a link. PO_E_CANCELLED when
 * asked to. What it calls, it calls on this thread.
 */
PO_NODISCARD enum po_status po_walk_tree(struct po_walk *walk, struct po_dir *root,
                                         const char *member, struct po_err *err);
/* Frees what the walk itself holds, not the list. */
void po_walk_deinit(struct po_walk *walk);

#endif
