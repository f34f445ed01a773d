/* backup.h - one snapshot of a site into an archive: plan, stop, read, start, finish. */
#ifndef PO_ENGINE_BACKUP_H
#define PO_ENGINE_BACKUP_H

#include "base/event.h"
#include "engine/backup_base.h"
#include "engine/problems.h"
#include "engine/saved_streams.h"
#include "host/host.h"
#include "port/stream.h"
#include "store/store.h"

struct po_backup_options {
    int level;           /* zstd; 0 = 3 */
    unsigned threads;    /* compressors; 0 = processors, at most 4 */
    uint32_t frame_size; /* 0 = 8 MiB */
    bool is_by_path;     /* --order=path */
    bool is_unchecked;   /* --no-frame-check */
    bool no_services;    /* leave them alone, whatever their state */
    /*
     * When services run: mailbox and bin are read before they are stopped, and then again what is
     * not as it was. What changed less than hot_margin_ms (0 = 30,000) before the first reading is read
     * again in any case: a write may not have reached the time stamps, which are as coarse as the
     * file system has them.
     */
    bool is_hot;
    unsigned hot_margin_ms;
    unsigned stop_timeout_s;     /* 0 = each service's own */
    const char *const *excludes; /* globs on archive paths */
    size_t exclude_count;
    /* A file that the sink writes to, wherever it is: not part of the site. Id 0: not known. */
    uint64_t output_device;
    uint64_t output_id;
    const struct po_backup_base *base;      /* of a differential; NULL: a full */
    const char *purpose;                    /* see the manifest; NULL: an ordinary backup */
    const struct pobackup_sink *index_copy; /* gets the index, as it is in the archive, too */
    int64_t created;                        /* 0 = now */
    const struct po_stream_ops *stream_ops; /* NULL = the system's */
};

struct po_backup_result {
    uint8_t archive_id[PO_ID_SIZE];
    uint8_t digest[PO_DIGEST_SIZE];
    uint64_t files;
    uint64_t files_hot; /* of these, read while the services ran */
    uint64_t directories;
    uint64_t links;
    uint64_t excluded;
    uint64_t files_new; /* of all files, those that lie in this archive and not in a parent */
    uint64_t bytes_new; /* of contents; likewise */
    uint64_t rechecked; /* files that seemed unchanged, of which the content was compared */
    uint64_t bytes;     /* of contents */
    uint64_t part_files[PO_PART_COUNT]; /* of all files, those of each tree */
    uint64_t archive_bytes;             /* written */
    uint64_t frames;
    double seconds;
    double outage_seconds; /* stop asked until all are back; negative = no service was stopped */
    double stop_seconds;   /* its parts: until all have stopped, */
    double walk_seconds;   /* registry and lists of files, */
    double read_seconds;   /* until the last byte was read, */
    double start_seconds;  /* until all run again */
    /* What is wrong with the registry's export, which is saved as it is; "" = nothing. */
    char registry_problem[256];
    uint64_t without_rights; /* files and directories whose rights could not be read, and are not
                                in the archive */
    struct po_saved_streams streams; /* alternate streams; no files, but their bytes count */
    struct po_problems skipped;      /* not in the archive */
    struct po_problems changed;      /* in it, but written to while being read */
    struct po_problems silent;       /* unchanged by their stamps, and yet not what they were */
    struct po_problems vanished;     /* only there while the services ran: not part of it */
    bool are_services_lost;   /* some service that ran could not be started again: exit code 5,
                                   whatever else */
    char services_text[1024]; /* which, and why */
};

/*
 * Backs the site up into `sink`, and commits it. PO_OK and not complete (po_backup_is_complete), or
 * ->silent not empty, is exit code 1. Missing trees are PO_E_USAGE before anything is stopped. On failure nothing is
 * left at the sink's final name, and services are back (unless are_services_lost).
 */
PO_NODISCARD enum po_status po_backup_run(struct po_host *host, struct po_store_sink *sink,
                                          const struct po_backup_options *options,
                                          const struct po_watch *watch,
                                          struct po_backup_result *result, struct po_err *err);
void po_backup_result_deinit(struct po_backup_result *result);
/* Whether nothing is missing in the archive of what was to be saved, and all of it is of one moment. */
bool po_backup_is_complete(const struct po_backup_result *result);

/* What a backup would read, without stopping or writing anything (--dry-run): counts, bytes and
 * problems in *result. */
PO_NODISCARD enum po_status po_backup_plan(struct po_host *host,
                                           const struct po_backup_options *options,
                                           const struct po_watch *watch,
                                           struct po_backup_result *result, struct po_err *err);

#endif
