/* history_line.h - one run of history.h as a line of JSON, both directions. */
#ifndef PO_ENGINE_HISTORY_LINE_H
#define PO_ENGINE_HISTORY_LINE_H

#include "engine/history.h"

/* The line with its newline, appended. */
void po_history_line_put(struct po_buf *out, const struct po_history_run *run);

/* What the strings of a run are made of. */
#define PO_HISTORY_TEXTS 5
struct po_history_line {
    struct po_history_run run;
    char *texts[PO_HISTORY_TEXTS]; /* owned */
};
/*
 * A line without its newline. PO_E_FORMAT: it is no record. What is of another type than it should
 * be counts as not known, but for time and verb, which a record must have.
 */
PO_NODISCARD enum po_status po_history_line_parse(struct po_history_line *line, const void *bytes,
                                                  size_t size, struct po_err *err);
void po_history_line_deinit(struct po_history_line *line);

#endif
