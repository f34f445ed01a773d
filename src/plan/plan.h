/*
 * plan.h - in which order entries go into the archive: directories first, parents before children;
 * then bin and spool by path; then the mailbox by delivery (write time, then size, then path), so
 * that copies of one message to many mailboxes stand within one compression window.
 */
#ifndef PO_PLAN_PLAN_H
#define PO_PLAN_PLAN_H

#include "archive/entry.h"

/* Two names of one file: filled by source/walk. */
struct po_plan_link {
    uint64_t device;
    uint64_t file_id;
    uint32_t entry;
    uint32_t link_count; /* as the system says; 0 = not known */
};

/* Gives the names of one file, as numbers of links, and those of the next; a failure ends it. */
typedef enum po_status (*po_plan_group_fn)(void *ctx, const uint32_t *numbers, uint32_t count,
                                           struct po_err *err);
PO_NODISCARD enum po_status po_plan_each_group(const struct po_plan_link *links, size_t count,
                                               po_plan_group_fn each, void *ctx,
                                               struct po_err *err);

struct po_plan {
    uint32_t *order; /* entry numbers */
    uint32_t count;
    uint64_t bytes; /* of all contents */
};

/*
 * Orders all planned entries of the list. `by_delivery`: the member whose files are ordered by
 * delivery ("Post.OfficemailboxBackup"), or NULL for paths throughout. Of the names of one file
 * (links: file, names with more than one link), the first in order stays a file and the others
 * become hard links to it, whose `frame` is the number of its entry until they are packed.
 */
PO_NODISCARD enum po_status po_plan_make(struct po_plan *plan, struct po_entry_list *list,
                                         const char *by_delivery, const struct po_plan_link *links,
                                         size_t link_count, struct po_err *err);
void po_plan_deinit(struct po_plan *plan);

#endif
