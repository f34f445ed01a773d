/*
 * backup_run.h - what the parts of a backup share: backup.c (the course of events), backup_gather.c
 * (what is there), backup_seen.c (what was read while the services ran), backup_pack.c (reading and
 * packing), backup_frames.c (packing.h, for a backup), backup_documents.c (manifest and summary).
 *
 *   hot    services run: bin and mailbox are listed and read, problems are nobody's yet
 *   cold   services are stopped: registry and spool whole, of bin and mailbox what is not as it was
 */
#ifndef PO_ENGINE_BACKUP_RUN_H
#define PO_ENGINE_BACKUP_RUN_H

#include "archive/hash.h"
#include "engine/accounts.h"
#include "engine/backup.h"
#include "engine/packing.h"
#include "engine/services.h"
#include "plan/plan.h"
#include "port/file.h"
#include "port/thread.h"
#include "source/walk.h"

/* See po_backup_options: as long as Linux keeps what is written to a mapped file from its stamps. */
#define PO_BACKUP_MARGIN_MS 30000u

/* The outage, from asking to stop until all are back. */
struct po_backup_outage {
    struct po_services services;
    bool is_stopped; /* something was asked to stop */
    double stopped;
    double walked;
};

/* What the hot pass saw, by path. */
struct po_backup_seen {
    uint32_t count;       /* of the list's first entries; 0 = there was no hot pass */
    uint32_t *slots;      /* hash table: number of an entry + 1, or 0 */
    size_t slot_count;    /* a power of two */
    uint8_t *flags;       /* one an entry (backup_seen.c) */
    int64_t trusted_time; /* what changed later may have changed since without a trace */
    uint64_t fresh_bytes; /* what the entries that are left to the cold pass will take */
    size_t stream_count;  /* of the walk's first streams */
    struct po_buf
        unread; /* paths that the cold pass could not look into, each with its size (u32) */
};

struct po_backup_run {
    struct po_host *host;
    const struct po_backup_options *options;
    const struct po_watch *watch;
    struct po_backup_result *result;
    uint8_t archive_id[PO_ID_SIZE];
    int64_t created;
    uint32_t frame_size;
    unsigned threads;

    struct po_dir *roots[PO_PART_COUNT]; /* NULL: the site has no such tree */
    struct po_buf registry;
    int64_t registry_time;
    uint32_t registry_entry; /* its number, or PO_NONE */
    struct po_entry_list list;
    struct po_walk walk;
    struct po_plan plan;
    struct po_backup_seen seen;
    size_t stream_first; /* of the walk's, those of this pass */
    bool is_hot;         /* the pass that runs */
    struct po_backup_outage outage;
    struct po_parent *parents; /* of a differential: the base, and what it builds on itself */
    uint32_t parent_count;
    uint32_t *recheck; /* entries that lie in a parent, of which the content is compared */
    uint32_t recheck_count;
    uint32_t recheck_capacity;
    struct po_writer writer;
    struct po_accounts accounts;

    /* While frames are made. */
    struct po_packing packing;
    struct po_hasher *hasher;
    bool has_manifest; /* it is packed */
    /* For progress, over both passes. */
    uint64_t bytes_packed;
    uint64_t files_packed;
    uint64_t bytes_planned;
    uint64_t files_planned;
};

/* ---- backup_gather.c ---- */

/* Opens the trees. PO_E_USAGE names what is missing. */
PO_NODISCARD enum po_status po_backup_open_roots(struct po_backup_run *run, struct po_err *err);
/* Lists bin and mailbox while the services run, and makes the plan for reading them. */
PO_NODISCARD enum po_status po_backup_gather_hot(struct po_backup_run *run, struct po_err *err);
/* Reads the registry, lists the trees, makes the plan: for all that was not seen so already. */
PO_NODISCARD enum po_status po_backup_gather(struct po_backup_run *run, struct po_err *err);
/* At the end: of what is saved, what has not its rights; told. */
void po_backup_count_rights(struct po_backup_run *run);
/* Where an entry lies (for po_readahead). */
bool po_backup_locate(void *ctx, const struct po_entry *entry, struct po_dir **root,
                      const char **path, size_t *path_size);

/* ---- backup_seen.c ---- */

/* A po_walk's is_known, while the services run: what has just changed is left to the cold pass. */
bool po_backup_seen_is_fresh(void *ctx, const char *path, size_t path_size,
                             const struct po_node_info *info);
/* After the hot walk: so are directories, which had to be listed. */
void po_backup_seen_leave_fresh(struct po_backup_run *run);
/* After the hot walk: which of its files have several names, there or elsewhere. */
PO_NODISCARD enum po_status po_backup_seen_note_links(struct po_backup_run *run,
                                                      struct po_err *err);
/* After the hot pass: what it read is found by path from now on. */
PO_NODISCARD enum po_status po_backup_seen_make(struct po_backup_run *run, struct po_err *err);
/* A po_walk's is_known: the entry is as the hot pass read it. */
bool po_backup_seen_known(void *ctx, const char *path, size_t path_size,
                          const struct po_node_info *info);
/* What stands at this path could not be looked at: what was seen there stays. */
PO_NODISCARD enum po_status po_backup_seen_unread(struct po_backup_run *run, const char *path,
                                                  size_t path_size, struct po_err *err);
/*
 * After the cold walk: of its entries from `first` on, directories and names of files with several
 * that are as they were are not planned again.
 */
PO_NODISCARD enum po_status po_backup_seen_match(struct po_backup_run *run, size_t first,
                                                 struct po_err *err);
/* Whether the hot pass has this file, which cannot be read now: then its entry stays. */
bool po_backup_seen_keep(struct po_backup_run *run, const struct po_entry *entry);
/* At the end: members that are not in the snapshot are unlisted, names that are gone are noted. */
PO_NODISCARD enum po_status po_backup_seen_settle(struct po_backup_run *run, struct po_err *err);
void po_backup_seen_deinit(struct po_backup_seen *seen);

/* ---- backup_base.c ---- */

PO_NODISCARD enum po_status po_backup_base_parents(struct po_backup_run *run, struct po_err *err);
void po_backup_base_free(struct po_backup_run *run);
/* Of the entries from `first` on, those that are as the base has them are not planned any more. */
PO_NODISCARD enum po_status po_backup_base_match(struct po_backup_run *run, size_t first,
                                                 struct po_err *err);
/* Whether a stream of an owner that is as it was lies in the base too: then the entry refers to it. */
bool po_backup_base_stream(struct po_backup_run *run, const struct po_entry *owner,
                           struct po_entry *entry, uint64_t size);
/* Reads a share of what is taken for unchanged; what is not is named and packed. */
PO_NODISCARD enum po_status po_backup_recheck(struct po_backup_run *run, struct po_err *err);

/* ---- backup_pack.c ---- */

/* Reads all that is planned and packs it. */
PO_NODISCARD enum po_status po_backup_pack(struct po_backup_run *run, struct po_err *err);
/* A second member for a file, in place of the first; if it cannot be had, that stays, and is named. */
PO_NODISCARD enum po_status po_backup_pack_again(struct po_backup_run *run, uint32_t number,
                                                 struct po_err *err);
/* Whether an alternate stream is to be saved: its owner is one, and not another name of one. */
bool po_backup_has_stream(const struct po_backup_run *run, const struct po_walk_stream *stream);
/* Notes it in the result. */
PO_NODISCARD enum po_status po_backup_note_stream(struct po_backup_run *run,
                                                  const struct po_walk_stream *stream,
                                                  uint64_t bytes, struct po_err *err);

/* ---- backup_frames.c ---- */

/* Buffers and compressors, for all passes; freed in any case. */
PO_NODISCARD enum po_status po_backup_frames_new(struct po_backup_run *run, struct po_err *err);
void po_backup_frames_free(struct po_backup_run *run);

/* ---- backup_documents.c ---- */

PO_NODISCARD enum po_status po_backup_pack_manifest(struct po_backup_run *run, struct po_err *err);
/* A summary that fits in a frame. */
PO_NODISCARD enum po_status po_backup_put_summary(struct po_backup_run *run, struct po_buf *json,
                                                  struct po_err *err);

#endif
