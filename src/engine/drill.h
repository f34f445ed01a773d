/*
 * drill.h - a restore for practice: an archive into an empty folder site, then every file compared
 * with the archive, the registry parsed, and the site examined as `doctor` does. Nothing is started.
 */
#ifndef PO_ENGINE_DRILL_H
#define PO_ENGINE_DRILL_H

#include "archive/reader.h"
#include "base/event.h"
#include "engine/doctor.h"
#include "engine/problems.h"
#include "host/host.h"

struct po_drill_options {
    bool has_parents; /* as of po_restore_options */
    unsigned threads;
};

struct po_drill_result {
    uint64_t files; /* restored, and their bytes */
    uint64_t bytes;
    uint64_t same;             /* entries that are as the archive has them */
    struct po_problems faults; /* whatever speaks against this archive; none: it is good */
    struct po_problems notes;  /* what doctor warns of */
    uint64_t streams_left;     /* alternate streams that the scratch place cannot hold */
    bool has_registry;
    double restore_seconds;
    double compare_seconds;
};

/*
 * `host` is the scratch site, empty and without services. PO_OK with faults: it can be restored, and
 * is not what it should be. PO_E_FORMAT: the archive is damaged. The result is to be freed in any
 * case.
 */
PO_NODISCARD enum po_status po_drill_run(const struct po_reader *reader, struct po_host *host,
                                         const struct po_drill_options *options,
                                         const struct po_watch *watch,
                                         struct po_drill_result *result, struct po_err *err);
void po_drill_result_deinit(struct po_drill_result *result);

#endif
