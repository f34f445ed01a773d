/*
 * vault_help.h - archives for a vault, in a moment: their tables are whole and say whatever a test wants
 * (entries, sizes, parents, a purpose, any date), but no content is behind the entries. Everything
 * here asserts.
 */
#ifndef PO_TESTS_VAULT_HELP_H
#define PO_TESTS_VAULT_HELP_H

#include "archive/manifest.h"
#include "os_help.h"

#define HELP_HOUR INT64_C(36000000000)
#define HELP_DAY (24 * HELP_HOUR)
#define HELP_NOON INT64_C(17640000000000000) /* in 2025 */

struct help_snapshot {
    int64_t created;
    const char *host; /* NULL: "mail" */
    const char *mailbox;
    const char *purpose; /* NULL: none */
    uint64_t bytes;
    uint32_t entries; /* beside manifest and summary */
    const struct po_parent *parents;
    uint32_t parent_count;
};

/* The archive's bytes, appended; *made becomes what a child says of it (its name is not set). */
void help_snapshot_put(struct po_buf *out, const struct help_snapshot *snapshot,
                       struct po_parent *made);
/* Into a file. */
void help_snapshot_write(const char *path, const struct help_snapshot *snapshot,
                         struct po_parent *made);

#endif
