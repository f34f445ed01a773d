/*
 * list_ahead.h - lists directories by several threads ahead of their use, and gives the children out
 * in the order in which the directories were handed in. On a cold disk each child costs a read that
 * the next one does not have to wait for; on a warm one the other cores have a part.
 *
 * One thread hands in and takes out. Until threads are started, and for a directory that none of them
 * has begun when its turn comes, the listing is done right there, on that thread. A directory's
 * children wait in at most two chunks of 32 KiB, however many there are.
 */
#ifndef PO_SOURCE_LIST_AHEAD_H
#define PO_SOURCE_LIST_AHEAD_H

#include "port/file.h"

/* Directories that are handed in and not taken out yet. */
#define PO_LIST_AHEAD_MAX 32u
#define PO_LIST_AHEAD_THREADS 8u

struct po_list_ahead;

/* `root` is lent until the end. */
PO_NODISCARD enum po_status po_list_ahead_new(struct po_list_ahead **out, struct po_dir *root,
                                              struct po_err *err);
/* Gives up what was not taken out. NULL is fine. */
void po_list_ahead_free(struct po_list_ahead *ahead);

/* How many are handed in; one that is being taken out counts. */
size_t po_list_ahead_count(const struct po_list_ahead *ahead);
/* Hands in the directory `path`, which is copied. Only while fewer than PO_LIST_AHEAD_MAX are. */
PO_NODISCARD enum po_status po_list_ahead_submit(struct po_list_ahead *ahead, const char *path,
                                                 size_t path_size, struct po_err *err);
/*
 * Starts threads for the directories that wait, but for the one that the caller will list meanwhile: some more
 * than there are cores, and up to PO_LIST_AHEAD_THREADS where the time that the `children` took, which were given
 * out until now, tells of a disk. To be called often.
 * Where there can be no threads everything goes on without.
 */
void po_list_ahead_start(struct po_list_ahead *ahead, uint64_t children);
/*
 * Takes out the directory that was handed in first: the same calls, on this thread, and the same
 * result as po_dir_list. `each` may hand in others. There must be one.
 */
PO_NODISCARD enum po_status po_list_ahead_next(struct po_list_ahead *ahead, po_dir_list_fn each,
                                               void *ctx, struct po_err *err);

#endif
