/*
 * event.h - what the engine tells while it works. Events always reach the thread that called the
 * engine.
 */
#ifndef PO_BASE_EVENT_H
#define PO_BASE_EVENT_H

#include <pobackup.h>

enum po_event_kind {
    PO_EVENT_PHASE,    /* text: what begins now ("stopping services") */
    PO_EVENT_PROGRESS, /* the counters */
    PO_EVENT_NOTE,     /* text: good to know */
    PO_EVENT_WARNING,  /* text: the user should do something about it, but the run is good */
    PO_EVENT_ITEM, /* path and text: an item that failed, is damaged, or was left out; it counts */
};

struct po_event {
    enum po_event_kind kind;
    const char *text; /* UTF-8, one line */
    const char *path; /* PO_EVENT_ITEM: archive path, bytes; else NULL */
    size_t path_size;
    uint64_t bytes_done;
    uint64_t bytes_total; /* 0 = not known */
    uint64_t files_done;
    uint64_t files_total;
};

typedef void (*po_event_fn)(void *ctx, const struct po_event *event);

/* How the engine is watched and stopped. All may be NULL. */
struct po_watch {
    po_event_fn event;
    void *ctx;
    /* Not 0 = stop soon (set by a signal handler). */
    const volatile int *cancel;
};

#endif
