/*
 * extract.h - entries of an archive into a directory: each frame needed is read and decoded once,
 * files are written as it is decoded.
 */
#ifndef PO_ENGINE_EXTRACT_H
#define PO_ENGINE_EXTRACT_H

#include "archive/reader.h"
#include "base/event.h"
#include "engine/problems.h"
#include "target/target.h"

struct po_extract_result {
    uint64_t files; /* written, and so on */
    uint64_t directories;
    uint64_t links;
    uint64_t bytes;
    uint64_t failed;             /* wanted entries that are not there now */
    uint8_t *written;            /* one byte an entry: not 0 = it is there now; NULL = none is */
    struct po_problems problems; /* refused, damaged, or not written: each named */
    bool is_damaged;             /* the archive is: exit code 4 */
    struct po_err unread;        /* why the first frame that the disk did not give back */
    struct po_err damage;        /* of an audited run: the first, wherever it is */
    double seconds;
};

enum po_extract_checks {
    PO_EXTRACT_FAST,   /* frames that are needed: XXH3 */
    PO_EXTRACT_DEEP,   /* these: BLAKE2b too */
    PO_EXTRACT_AUDITED /* all of the archive, as by po_engine_verify; damage is told by is_damaged,
                          whether it hits what is wanted or not */
};

/*
 * Marks in wanted[] (one byte an entry, zeroed by the caller) what the patterns select; none =
 * everything. Returns how many. Entries that lie in a parent are marked too.
 */
uint32_t po_extract_select(const struct po_index *index, const char *const *patterns,
                           size_t pattern_count, uint8_t *wanted);

/* For a target (place_ctx): every entry goes where its path says, below the directory. */
struct po_extract_place {
    struct po_dir *dir;
    const struct po_index *index;
};
bool po_extract_place_entry(void *ctx, uint32_t number, struct po_dir **dir, const char **path,
                            size_t *path_size);

/*
 * Writes the wanted entries through a target with these options (index, wanted, stand_ins and
 * problem are set here). Directories and links need the index alone; of hard links to a file that
 * is not wanted, one becomes that file. A file of a source other than 0 becomes a problem "lies in
 * a parent archive", one whose frame is damaged or cannot be read is not written. PO_OK with problems is exit code 1,
 * or 4 when is_damaged. The result is to be freed in any case.
 *
 * How much of the archive is looked at on the way is `checks`; each frame is decoded once.
 */
PO_NODISCARD enum po_status po_extract_run(const struct po_reader *reader, const uint8_t *wanted,
                                           const struct po_target_options *options,
                                           enum po_extract_checks checks, unsigned threads,
                                           const struct po_watch *watch,
                                           struct po_extract_result *result, struct po_err *err);
void po_extract_result_deinit(struct po_extract_result *result);

/*
 * One file's content to a callback, checked against its hash at the end: PO_E_FORMAT then, though
 * bytes were given already. A hard link gives its file's. PO_E_USAGE when it is no file, or lies in
 * a parent.
 */
PO_NODISCARD enum po_status po_cat_run(const struct po_reader *reader, uint32_t entry,
                                       const struct pobackup_sink *sink, struct po_err *err);

/* The same, appended to a buffer. */
PO_NODISCARD enum po_status po_cat_to_buf(const struct po_reader *reader, uint32_t entry,
                                          struct po_buf *out, struct po_err *err);

#endif
