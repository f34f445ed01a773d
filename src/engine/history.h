/*
 * history.h - what was run on this machine, when, and what became of it: the file "history" in the
 * state directory, one JSON object a line, one line a run, oldest first. It tells how old the last
 * good backup is, which backup was verified, and how the room at the target shrinks.
 *
 * It is only appended to. A crash in the middle leaves a last line that is cut off: that is no
 * record, and the next run begins a new line. What is not known in a line is passed over, so that a
 * newer version's file can be read; a line that is no record is, too. When the file has grown too
 * large the older half goes, by a new file and a rename, but for what the questions below need.
 *
 * One file for all sites, as an archive is verified without its site being named: an archive is
 * known by its id, and the run that made it says whose it is.
 */
#ifndef PO_ENGINE_HISTORY_H
#define PO_ENGINE_HISTORY_H

#include "archive/entry.h"
#include "base/buf.h"
#include "host/host.h"

#define PO_HISTORY_NAME "history"
/* Where the older half goes: some 600 runs. */
#define PO_HISTORY_SIZE_MAX (UINT64_C(256) << 10)

/* How an archive was looked at. */
enum po_history_check {
    PO_HISTORY_UNCHECKED,
    PO_HISTORY_FRAMES, /* a backup: each frame was decoded before it was written; none was read back */
    PO_HISTORY_QUICK,
    PO_HISTORY_DEEP
};
/* "none", "frames", "quick", "deep". */
const char *po_history_check_name(enum po_history_check check);

/* { .created = POBACKUP_TIME_UNKNOWN, .outage_seconds = -1 } is one of which nothing is known. */
struct po_history_run {
    int64_t time; /* when it ended */
    const char *verb;
    const char *site; /* po_host_ops.identity; NULL = it worked on none */
    int exit_code;
    double seconds;
    double outage_seconds; /* negative = no service was stopped */
    uint64_t files;
    uint64_t bytes;
    uint64_t part_files[PO_PART_COUNT]; /* a backup: of all files, those of each tree */
    uint64_t excluded;                  /* left out as the user wished */
    /* The archive that it made or read; NULL and zeros when there was none. */
    const char *archive; /* its OS path */
    bool has_archive_id;
    uint8_t archive_id[PO_ID_SIZE];
    uint8_t digest[PO_DIGEST_SIZE];
    int64_t created;
    uint64_t archive_bytes;
    const char *archive_site; /* whose backup it is; NULL = not known */
    /* A backup: nothing was left out, nothing changed while it was read, and most of what the last good
     * one had is there still. */
    bool is_complete;
    enum po_history_check check;
    bool is_whole; /* what the check came to */
    const char
        *untold;   /* its end could not be told to whom it was to be told: why; NULL = it was */
    bool has_free; /* a backup: what is left at the target is known */
    uint64_t free_bytes;
};

/*
 * Adds a run to the history in the directory, which must be there; on disk when this returns. Where
 * run->archive_site is NULL and a backup that made the archive is known, that fills it in, and
 * is_complete. At once with another
 * process: one waits for the other. `size_max` is PO_HISTORY_SIZE_MAX but in tests.
 */
PO_NODISCARD enum po_status po_history_append(const char *dir_path,
                                              const struct po_history_run *run, uint64_t size_max,
                                              struct po_err *err);

struct po_history;
/* All that can be read; none when there is no file or no such directory. */
PO_NODISCARD enum po_status po_history_load(struct po_history **out, const char *dir_path,
                                            struct po_err *err);
void po_history_free(struct po_history *history);

/* From the oldest, 0, on. Lent. */
size_t po_history_count(const struct po_history *history);
const struct po_history_run *po_history_at(const struct po_history *history, size_t number);

/* Whether a run saved a site, as all that have a verb of that kind do; what consolidate makes is the
 * snapshot of a backup that is known itself. */
bool po_history_is_backup(const struct po_history_run *run);
/* Whether a run worked on the site, or on one of its backups. */
bool po_history_is_of(const struct po_history_run *run, const char *site);
/* The last run that made a complete backup of the site that nobody has found damaged. NULL = none. */
const struct po_history_run *po_history_last_backup(const struct po_history *history,
                                                    const char *site);
/* The last such run among the lines before *before, which becomes its number: all of them, one after
 * the other, from po_history_count on. */
const struct po_history_run *po_history_backup_before(const struct po_history *history,
                                                      const char *site, size_t *before);
/* Whether a run made a full, which nobody has found damaged, of the archive of a good backup. */
bool po_history_is_made_of(const struct po_history *history, const struct po_history_run *run,
                           const struct po_history_run *backup);
/* The last run that looked deeply at a complete backup of the site and found it whole, and nobody
 * found it damaged since. NULL = none. */
const struct po_history_run *po_history_last_verified(const struct po_history *history,
                                                      const char *site);
/* When the archive of a run was made; when the run ended, where that is not known. */
int64_t po_history_made_at(const struct po_history_run *run);
/* "20 min 3 s ago", "3.5 days ago"; "in the future" when the clock has been set back. */
void po_history_put_age(struct po_buf *out, int64_t then, int64_t now);

#endif
