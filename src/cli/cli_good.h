/*
 * cli_good.h - the last good backup that is still there. The history knows what was made; whoever asks
 * how old the backup is wants to know what is left of it.
 */
#ifndef PO_CLI_CLI_GOOD_H
#define PO_CLI_CLI_GOOD_H

#include "base/buf.h"
#include "engine/history.h"

/* { 0 } is none. */
struct po_cli_good {
    /* What counts: lent by the history; NULL = none. */
    const struct po_history_run *backup;
    struct po_buf
        unseen; /* why it could not be looked at, and so counts by its time alone; empty: it
                             is there */
    /* The last good one, when it does not count; else NULL. */
    const struct po_history_run *gone;
    struct po_buf why; /* it does not */
};

/*
 * Looks for the newest of the site whose archive is where it was written, with the size and the digest
 * that it had, and with all that it builds on; or could not be looked at. A full that was made of it
 * (consolidate) stands for it.
 */
void po_cli_good_find(struct po_cli_good *good, const struct po_history *history, const char *site);
void po_cli_good_deinit(struct po_cli_good *good);

#endif
