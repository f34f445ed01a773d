/* diff.h - what differs between two snapshots, or a snapshot and a site: files by content, and registry values one by one. */
#ifndef PO_ENGINE_DIFF_H
#define PO_ENGINE_DIFF_H

#include "archive/reader.h"
#include "base/event.h"
#include "host/host.h"

enum po_diff_kind { PO_DIFF_ADDED, PO_DIFF_REMOVED, PO_DIFF_CHANGED };

/* One difference: seen from the archive, what OTHER has more (added), lacks (removed) or has otherwise (changed). `what`: "content", "type", "link target", "write time",
 * or for registry values their key and name. */
typedef enum po_status (*po_diff_fn)(void *ctx, enum po_diff_kind kind, const char *path, size_t path_size,
                                     const char *what, struct po_err *err);

struct po_diff_result {
    uint64_t added;
    uint64_t removed;
    uint64_t changed;
    uint64_t same;
    uint64_t unreadable; /* in the site; each told as a warning */
};

/* Contents are the same when sizes and XXH3 agree and (between archives) BLAKE2b of the bytes where only the hash would decide: see diff.c. */
PO_NODISCARD enum po_status po_diff_archives(const struct po_reader *a, const struct po_reader *b, po_diff_fn each, void *ctx,
                                             const struct po_watch *watch, struct po_diff_result *result,
                                             struct po_err *err);
PO_NODISCARD enum po_status po_diff_site(const struct po_reader *archive, struct po_host *host, po_diff_fn each, void *ctx,
                                         const struct po_watch *watch, struct po_diff_result *result, struct po_err *err);

#endif
