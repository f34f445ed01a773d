/* backup_run.h - what the parts of a backup share: backup.c (the course of events), backup_gather.c
 * (what is there), backup_pack.c (reading and packing). */
#ifndef PO_ENGINE_BACKUP_RUN_H
#define PO_ENGINE_BACKUP_RUN_H

#include "archive/hash.h"
#include "archive/writer.h"
#include "engine/accounts.h"
#include "engine/backup.h"
#include "pipeline/ordered.h"
#include "plan/plan.h"
#include "port/file.h"
#include "port/thread.h"
#include "source/walk.h"

/* One frame on its way from the packer to the writer. */
struct po_backup_slot {
    uint8_t *bytes; /* content, then (after the work) the compressed frame */
    size_t used;
    struct po_frame_info info;
    uint64_t bytes_done; /* contents and files packed when the frame was full: for progress */
    uint64_t files_done;
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
    struct po_writer writer;
    struct po_accounts accounts;

    /* While frames are made. */
    struct po_ordered *pool;
    struct po_backup_slot *slots;
    void **items;
    size_t slot_count;
    struct po_frame_encoder **encoders; /* one a worker */
    uint8_t **scratch;                  /* one a worker: where it encodes to */
    struct po_packer packer;
    struct po_backup_slot *filling; /* the packer's slot */
    struct po_hasher *hasher;
    uint64_t bytes_packed;
    uint64_t files_packed;
    struct po_mutex *lock;
    bool is_all_read; /* under the lock: the last byte of the source was read */
};

/* Opens the trees. PO_E_USAGE names what is missing. */
PO_NODISCARD enum po_status po_backup_open_roots(struct po_backup_run *run, struct po_err *err);
/* Reads the registry, walks the trees, makes the plan. */
PO_NODISCARD enum po_status po_backup_gather(struct po_backup_run *run, struct po_err *err);
/* Where an entry lies (for po_readahead). */
bool po_backup_locate(void *ctx, const struct po_entry *entry, struct po_dir **root,
                      const char **path, size_t *path_size);

/* Reads all that is planned and packs it: the packer thread's work. */
PO_NODISCARD enum po_status po_backup_pack(struct po_backup_run *run, struct po_err *err);
/* Whether an alternate stream is to be saved: its owner is one, and not another name of one. */
bool po_backup_has_stream(const struct po_backup_run *run, const struct po_walk_stream *stream);
/* Notes it in the result. */
PO_NODISCARD enum po_status po_backup_note_stream(struct po_backup_run *run,
                                                  const struct po_walk_stream *stream,
                                                  uint64_t bytes, struct po_err *err);
/* Hands the packer's full frame to the compressors and gives it the next slot. */
PO_NODISCARD enum po_status po_backup_flush(void *ctx, struct po_frame_buf *frame,
                                            struct po_err *err);

#endif
