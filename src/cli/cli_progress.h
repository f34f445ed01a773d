/*
 * cli_progress.h - the engine's events on their way to the user: on a terminal one line that is
 * rewritten (bytes, files, rate, time left), with --progress=json one JSON line an event, else
 * nothing but notes and warnings.
 */
#ifndef PO_CLI_CLI_PROGRESS_H
#define PO_CLI_CLI_PROGRESS_H

#include "base/buf.h"
#include "base/event.h"

struct po_cli_out;

struct po_cli_progress {
    struct po_cli_out *out;
    bool is_shown;     /* the terminal's line is wanted */
    bool tells_items;  /* item events are printed as they come, not listed at the end */
    bool is_drawn;     /* the cursor stands behind our line */
    double drawn_at;   /* po_sys_monotonic */
    double told_at;    /* the last progress event in JSON */
    double began;      /* of what the counters count */
    uint64_t began_at; /* bytes done then */
    bool has_counters;
    unsigned columns;
    char phase[256];
    struct po_event last; /* the last counters; no pointers */
};

void po_cli_progress_init(struct po_cli_progress *progress, struct po_cli_out *out);
/* A po_event_fn; ctx is the progress. */
void po_cli_progress_event(void *ctx, const struct po_event *event);
/* Takes the line off the terminal. */
void po_cli_progress_clear(struct po_cli_progress *progress);

#endif
