/*
 * cli_log.h - the file of --log: what runs told, a line each, with the time, the process and the
 * verb. When a line would make it larger than it may be, it becomes FILE.1, what was FILE.1 becomes
 * FILE.2, and so on; the oldest goes.
 *
 * Each line is written by itself, under a lock (FILE.lock), into the file that has the name then: so
 * several programs may write at once while the file is rotated, and a run that is killed has left
 * all that it told until then. Nothing of this ever makes a run fail.
 */
#ifndef PO_CLI_CLI_LOG_H
#define PO_CLI_CLI_LOG_H

#include "base/err.h"

#include <stdbool.h>

#define PO_CLI_LOG_SIZE (INT64_C(4) << 20)
#define PO_CLI_LOG_COUNT 5

struct po_cli_log {
    const char *path; /* NULL = there is none */
    const char *verb;
    uint64_t size_max;
    unsigned count;    /* old ones that are kept */
    struct po_err err; /* the first failure; PO_OK = none */
};

/*
 * Writes "TIME [PROCESS] VERB: PREFIX TEXT", made safe for a terminal. After a failure, which is in
 * log->err, nothing is tried any more.
 */
void po_cli_log_line(struct po_cli_log *log, const char *prefix, const char *text);
/* Adds bytes, which are whole lines. PO_E_IO also when they stand in it but it was not rotated. */
PO_NODISCARD enum po_status po_cli_log_append(const struct po_cli_log *log, const void *bytes,
                                              size_t size, struct po_err *err);

#endif
