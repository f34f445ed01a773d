/*
 * cli_metrics.h - the file of --metrics: what the last runs came to, in the text format of Prometheus
 * (HELP, TYPE, then one line a value), for node_exporter's textfile collector. Values are told apart
 * by the labels verb and site. Pure: text in, text out.
 */
#ifndef PO_CLI_CLI_METRICS_H
#define PO_CLI_CLI_METRICS_H

#include "base/buf.h"

#include <jansson.h>

struct po_cli_metrics_verified {
    const char *site;
    int64_t
        time; /* 100 ns steps since 1970; POBACKUP_TIME_UNKNOWN: none is, and its old value goes */
};

struct po_cli_metrics_run {
    const char *verb;
    const char *site; /* "" = none */
    int64_t time;     /* when it ended */
    int exit_code;
    double seconds;
    const json_t *document; /* its, for files, bytes and outage; NULL = none */
    const struct po_cli_metrics_verified *verified;
    size_t verified_count;
};

/*
 * Appends the file that follows the old one: this run's values instead of those with its labels, all
 * others as they were. PO_E_FORMAT when the old one has anything that is not ours: it is another
 * program's, and not to be written over.
 */
PO_NODISCARD enum po_status po_cli_metrics_merge(struct po_buf *out, const void *old,
                                                 size_t old_size,
                                                 const struct po_cli_metrics_run *run,
                                                 struct po_err *err);

#endif
