/*
 * diff.h - what differs between two snapshots, or a snapshot and a site: files by content, and
 * registry values one by one.
 *
 * No decision that contents are the same rests on XXH3 (format.md, section 12): between archives
 * equal sizes and hashes are followed by BLAKE2b of the contents, or of the frames that hold them;
 * against a site every byte is compared. The one exception, contents that lie in a parent archive,
 * is counted and told (`unproven`).
 *
 * Left out is what is ours and not the site's: `pobackup/`, and the names of base/names.h. A hard
 * link counts as the file that it names: which of a file's names is "the file" is an accident of
 * order.
 */
#ifndef PO_ENGINE_DIFF_H
#define PO_ENGINE_DIFF_H

#include "archive/reader.h"
#include "base/event.h"
#include "host/host.h"

enum po_diff_kind { PO_DIFF_ADDED, PO_DIFF_REMOVED, PO_DIFF_CHANGED };

/*
 * One difference: seen from the archive, what OTHER has more (added), lacks (removed) or has
 * otherwise (changed). In the order of the paths, but the registry comes first.
 *
 * `what` of a change: "content", "type", "link target", or "write time" (of a file whose content is
 * the same). Of what was added or removed: "file", "directory", "symbolic link", "alternate
 * stream", "reparse point". Of the registry, with `path` = the member: "KEY: NAME" of a value ("@"
 * is the default value), or "KEY" of a key itself; a key that is added or removed is told, and each
 * of its values too; names as they stand in the file, for the caller to make printable. When one of
 * two .reg documents does not parse, they are compared as bytes: "content", and a note says why.
 *
 * A failure of the callback ends the run and is its result.
 */
typedef enum po_status (*po_diff_fn)(void *ctx, enum po_diff_kind kind, const char *path,
                                     size_t path_size, const char *what, struct po_err *err);

struct po_diff_result {
    uint64_t added;
    uint64_t removed;
    uint64_t changed;
    uint64_t same;       /* entries; the registry is one */
    uint64_t unproven;   /* of these: in a parent, see above; told as a warning, once */
    uint64_t unreadable; /* in the site, or nothing to back up; each told as an item event */
};

/*
 * Snapshot against snapshot. PO_E_FORMAT: a frame that had to be looked at is damaged; what was
 * told until then is not all.
 *
 * A content in a parent is the same when both name the same member of the same archive (by digest).
 * Else it counts as the same only when size, XXH3 and write time agree, and as unproven then.
 */
PO_NODISCARD enum po_status po_diff_archives(const struct po_reader *a, const struct po_reader *b,
                                             po_diff_fn each, void *ctx,
                                             const struct po_watch *watch,
                                             struct po_diff_result *result, struct po_err *err);

/*
 * Snapshot against the site as it is now, services running or not. What the site has and nobody can
 * read is neither same nor different: it is counted as unreadable, and so is all that lies below a
 * directory that cannot be listed (counted once). For contents in a parent the site's file is read
 * and its XXH3 compared; same ones are unproven.
 */
PO_NODISCARD enum po_status po_diff_site(const struct po_reader *archive, struct po_host *host,
                                         po_diff_fn each, void *ctx, const struct po_watch *watch,
                                         struct po_diff_result *result, struct po_err *err);

#endif
