/*
 * salvage.h - every file that is whole, out of an archive that is damaged, cut, or in pieces.
 *
 *   scan: frames by their magic number, proven by decoding (salvage_scan.h)
 *   an index among them: names, hashes and places of all files; each frame is known by its hash,
 *   wherever it lies. Without one: the members' own headers, and how frames follow each other.
 *   extract: as ever (extract.h), from a reader whose frames lie where they were found
 *   what is left of files that are not whole: below PO_SALVAGE_PARTIAL, with a note
 */
#ifndef PO_ENGINE_SALVAGE_H
#define PO_ENGINE_SALVAGE_H

#include "engine/problems.h"
#include "engine/salvage_scan.h"
#include "engine/unread.h"

#include "archive/reader.h"
#include "port/file.h"

#define PO_SALVAGE_PARTIAL "salvaged-partial"
#define PO_SALVAGE_NOTES PO_SALVAGE_PARTIAL "/pobackup-notes.txt"

/* Of an entry. */
enum po_salvage_verdict {
    PO_SALVAGE_NONE,      /* not asked for */
    PO_SALVAGE_CERTAIN,   /* written; name and content are proven, and that it is of the snapshot */
    PO_SALVAGE_DOUBTFUL,  /* written whole, but `doubt` says what is not known */
    PO_SALVAGE_PARTLY,    /* some of its content is below PO_SALVAGE_PARTIAL */
    PO_SALVAGE_LOST,      /* nothing of it is there */
    PO_SALVAGE_IN_PARENT, /* its content lies in another archive */
    PO_SALVAGE_UNWRITTEN, /* it is there, but was not written: a problem says why */
};

/* Whose a frame is that was found. */
enum po_salvage_source {
    PO_SALVAGE_UNKNOWN,
    PO_SALVAGE_OURS,
    PO_SALVAGE_AGAIN,   /* ours, and there before: a double */
    PO_SALVAGE_FOREIGN, /* not of the archive that the index describes */
};

struct po_salvage_options {
    const char
        *directory;     /* where to, a path of the system; made when there is anything to write */
    struct po_dir *dir; /* po_salvage_run's own: what it opened */
    const char *const *patterns;
    size_t pattern_count;
    bool is_overwriting;
    bool sets_owner;
    unsigned threads; /* 0 = processors */
};

/* What is known of a file that is not written as the archive has it. */
struct po_salvage_item {
    char *path; /* owned; NULL: a frame that belongs to nothing known */
    size_t path_size;
    uint64_t size;
    uint64_t there;  /* written of it */
    uint64_t offset; /* of such a frame, in the file */
    const char *reason;
};

struct po_salvage_range {
    uint64_t offset;
    uint64_t size;
};

struct po_salvage_result {
    struct po_unread unread; /* places that the disk does not give back: taken for zeros */
    struct po_salvage_scan scan;
    uint8_t *sources;         /* of each frame of the scan: enum po_salvage_source */
    bool has_index;           /* an index says what the archive had */
    bool has_trailer;         /* and a trailer proves that index */
    uint32_t archive_count;   /* whose manifests or indexes were found */
    struct po_reader *reader; /* its index names the entries; NULL: nothing of ours was found */
    uint8_t *verdicts;        /* of each: enum po_salvage_verdict */
    const char **doubts;      /* of each that is DOUBTFUL or LOST; static texts */
    struct po_salvage_item *partial; /* below PO_SALVAGE_PARTIAL */
    size_t partial_count;
    size_t partial_capacity;
    uint64_t counts[PO_SALVAGE_UNWRITTEN + 1]; /* entries by verdict */
    uint64_t files;                            /* written whole, certain or doubtful */
    uint64_t bytes;
    uint32_t frames_expected;    /* by the index; 0 = not known */
    uint32_t frames_lost;        /* of these */
    struct po_problems problems; /* not written, or not as the archive has it */
    double seconds;
};

/*
 * PO_OK: what could be had is written, the result says what that is. PO_E_UNSUPPORTED: no archive.
 * PO_E_FORMAT: one of which nothing is left. PO_E_IO: nothing could be read, or written. The result is to
 * be freed in any case, and must stay where it is until then. The blob must be one that several threads
 * can read.
 */
PO_NODISCARD enum po_status po_salvage_run(const struct pobackup_blob *blob,
                                           const struct po_salvage_options *options,
                                           const struct po_watch *watch,
                                           struct po_salvage_result *result, struct po_err *err);
/*
 * All that was asked for and that the archive had is written, and its index says so; and nothing of
 * another archive was found, which may be the one that is looked for.
 */
bool po_salvage_is_complete(const struct po_salvage_result *result);
void po_salvage_result_deinit(struct po_salvage_result *result);

#endif
