/*
 * target.h - writes an archive's entries below an opened directory. Nothing outside it is touched,
 * no link is followed, and a name that is not allowed is refused, named and counted, and the rest
 * goes on. Files are made by several threads at once.
 *
 * Order: po_target_directories first, then files (any order, any thread), then po_target_finish:
 * links, then directories' times and owners (writing into a directory changes its time), deepest
 * first.
 *
 * A failing item is told through `problem` and PO_OK is returned. A failure that all others would
 * meet too (no space, no memory, a broken disk) is returned and ends the run.
 *
 * No file is synced: who needs it on disk calls po_dir_sync_volume once at the end.
 */
#ifndef PO_TARGET_TARGET_H
#define PO_TARGET_TARGET_H

#include "archive/index.h"
#include "port/file.h"

struct po_target;

/* An item failed; may be called from any thread (the target holds a lock meanwhile). */
typedef void (*po_target_problem_fn)(void *ctx, uint32_t entry, const char *reason);

/*
 * What is there now and may get what a target knows nothing of (rights): a directory that was just
 * made and is empty, or an entry that has all else. From any thread. A failure is told as a problem
 * of the entry, which stays.
 */
enum po_target_moment { PO_TARGET_NEW_DIRECTORY, PO_TARGET_ALL_ELSE };
typedef enum po_status (*po_target_node_fn)(void *ctx, enum po_target_moment moment, uint32_t entry,
                                            struct po_dir *dir, const char *path, size_t path_size,
                                            struct po_err *err);

struct po_target_options {
    const struct po_index *index;
    /*
     * Where entry `number` goes: false = nowhere. `*path` is relative to *dir ("" = *dir itself),
     * and lives as long as the target. Entries of one directory go to one directory.
     */
    bool (*place)(void *ctx, uint32_t number, struct po_dir **dir, const char **path,
                  size_t *path_size);
    void *place_ctx;
    const uint8_t *wanted; /* one byte an entry: not 0 = wanted */
    /*
     * For hard links to files that are not wanted themselves: stand_ins[file] is the one of them
     * that is written as a file in its stead, or PO_NONE. NULL = there are none.
     */
    const uint32_t *stand_ins;
    /*
     * Replace files and links that are there, by a rename: another name of an old file keeps the
     * old content. Otherwise each is a problem. A directory is never replaced.
     */
    bool is_overwriting;
    bool sets_owner;    /* uid and gid too (root) */
    bool windows_names; /* NAME-1 in its strict form, and no two names that differ in case alone */
    po_target_problem_fn problem;
    void *problem_ctx;
    po_target_node_fn node; /* may be NULL */
    void *node_ctx;
};

PO_NODISCARD enum po_status
po_target_new(struct po_target **out, const struct po_target_options *options, struct po_err *err);
/* Removes the file that came in pieces, if it was not ended. */
void po_target_free(struct po_target *target);

/* Makes the wanted directories, and parents of wanted entries, shallow first. */
PO_NODISCARD enum po_status po_target_directories(struct po_target *target, struct po_err *err);

/*
 * A wanted file whose whole content is at hand (already checked against its hash): written, times
 * and mode set.
 */
PO_NODISCARD enum po_status po_target_file(struct po_target *target, uint32_t entry,
                                           const uint8_t *content, size_t size, struct po_err *err);

/*
 * A file that comes in pieces (in order, one thread): begin makes it under a name of our own, put
 * appends, end sets times and mode and gives it its name; abandon removes it. One at a time. After
 * a failure of the item the others do nothing.
 */
PO_NODISCARD enum po_status po_target_begin(struct po_target *target, uint32_t entry,
                                            struct po_err *err);
PO_NODISCARD enum po_status po_target_put(struct po_target *target, const uint8_t *bytes,
                                          size_t size, struct po_err *err);
PO_NODISCARD enum po_status po_target_end(struct po_target *target, struct po_err *err);
void po_target_abandon(struct po_target *target, const char *reason);

/* A wanted entry that cannot be had: failed and told, unless it failed before. */
void po_target_reject(struct po_target *target, uint32_t entry, const char *reason);

/*
 * Symbolic links as they are; hard links to wanted files that were written (in another po_dir: a
 * copy); then times, modes and owners of the directories that are wanted or were made.
 */
PO_NODISCARD enum po_status po_target_finish(struct po_target *target, struct po_err *err);

/*
 * Whether a wanted entry is there now, as the archive has it. (Its mode, time or owner may have
 * been refused by the system: that was told.)
 */
bool po_target_is_written(const struct po_target *target, uint32_t entry);

#endif
