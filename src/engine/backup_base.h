/*
 * backup_base.h - what a differential builds on: the index of an earlier archive. What is as it was
 * then is not read; the new index names where it lies, in that archive or in one that it builds on
 * itself (spec: INDEX-9).
 */
#ifndef PO_ENGINE_BACKUP_BASE_H
#define PO_ENGINE_BACKUP_BASE_H

#include "archive/index.h"

struct po_backup_base {
    const struct po_index *index;
    uint8_t digest[PO_DIGEST_SIZE];
    int64_t created;
    const char *name; /* of the file */
    /*
     * Of the files that seem unchanged one in `share` is read and compared, by their names; another
     * part each day. 0 = 30.
     */
    unsigned share;
    unsigned margin_ms; /* as hot_margin_ms of po_backup_options, before the base was begun */
};

#endif
