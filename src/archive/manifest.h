/* manifest.h - the two JSON members: what was known at the start, and what was known at the end
 * (format.md, section 4). */
#ifndef PO_ARCHIVE_MANIFEST_H
#define PO_ARCHIVE_MANIFEST_H

#include "archive/entry.h"

struct po_manifest_service {
    const char *name;
    const char *state; /* before the backup: "running", "stopped", "unknown" */
    /* As known; NULL: the key is left out. */
    const char *key;                 /* by which a service manager knows it */
    const char *account;             /* it logs on as */
    const char *start;               /* "automatic", "manual", "disabled" */
    uint32_t process_id;             /* 0: left out */
    const struct po_buf *dependents; /* keys, a NUL behind each; NULL: left out */
};

/* What a writer says. Strings may be NULL (null in JSON); bytes that are not UTF-8 become U+FFFD.
 */
struct po_manifest {
    uint8_t archive_id[PO_ID_SIZE];
    int64_t created;
    const char *purpose;             /* why it was taken; NULL: the key is left out */
    const struct po_parent *parents; /* none: a full */
    size_t parent_count;
    const char *host_name;
    const char *host_system;
    const char *host_kind;
    const struct po_buf *host_addresses; /* a NUL behind each; NULL: left out */
    const char *registry;
    const char *bin;
    const char *spool;
    const char *mailbox;
    const struct po_manifest_service *services;
    size_t service_count;
};

PO_NODISCARD enum po_status po_manifest_put(struct po_buf *out, const struct po_manifest *manifest,
                                            struct po_err *err);

/* What a reader must check, and what tells backups of one site from others'. */
struct po_manifest_core {
    uint8_t archive_id[PO_ID_SIZE];
    int64_t created;
    bool is_diff;
    struct po_parent *parents; /* owned; a name is NULL where it is no string */
    size_t parent_count;
    /* Informative, owned; NULL: null, not there, or no string. */
    char *purpose;
    char *host_name;
    char *host_kind;
    char *registry;
    char *bin;
    char *spool;
    char *mailbox;
};

PO_NODISCARD enum po_status po_manifest_parse(struct po_manifest_core *core, const void *bytes,
                                              size_t size, struct po_err *err);
void po_manifest_core_deinit(struct po_manifest_core *core);

struct po_problem {
    char *path; /* archive path, bytes */
    size_t path_size;
    char *reason;
};

/* An account that the security descriptors name. */
struct po_summary_account {
    const char *sid;  /* "S-1-5-..." */
    const char *name; /* "DOMAIN\\name", or NULL: not known */
    const char *kind; /* "user", "group", "unknown" */
};

/* An alternate stream that was saved. */
struct po_summary_stream {
    char *path; /* its owner's archive path, bytes */
    size_t path_size;
    char *name; /* WTF-8, NUL-terminated */
    size_t name_size;
    uint64_t bytes;
};

struct po_summary {
    int64_t finished;
    double outage_seconds; /* negative = services were not touched: null */
    double stop_seconds;
    double walk_seconds;
    double read_seconds;
    double start_seconds;
    uint64_t files;
    uint64_t files_hot; /* of these, read while the services ran */
    uint64_t directories;
    uint64_t links;
    uint64_t bytes;
    const struct po_problem *skipped;
    size_t skipped_count;
    const struct po_problem *changed; /* while being read: saved, but perhaps of mixed ages */
    size_t changed_count;
    const struct po_problem *vanished; /* in the tar, not in the snapshot; only paths are used */
    size_t vanished_count;
    const struct po_problem *silent; /* changed, and their stamps had not */
    size_t silent_count;
    uint64_t files_new; /* of all files, those in this archive itself */
    uint64_t bytes_new;
    uint64_t rechecked;
    const char *const *excludes; /* globs on archive paths: what they match was left out */
    size_t exclude_count;
    const struct po_summary_account *accounts;
    size_t account_count;
    const struct po_summary_stream *streams; /* the first of them */
    size_t stream_listed;
    uint64_t stream_count; /* all */
    size_t listed_max;     /* at most so many of each list are written; 0 = 10,000 */
};

PO_NODISCARD enum po_status po_summary_put(struct po_buf *out, const struct po_summary *summary,
                                           struct po_err *err);
struct json_t;
/* Hexadecimal digits as a string; NULL is out of memory. */
struct json_t *po_json_hex(const uint8_t *bytes, size_t size);
/* Prints a document as these are printed and takes `root` over; NULL (somewhere a value could not be
 * made) is out of memory. */
PO_NODISCARD enum po_status po_json_print_take(struct po_buf *out, struct json_t *root,
                                               struct po_err *err);
/* Whether text is small enough to be parsed: bytes, and what becomes values. spec: MANIFEST-1,
 * SUMMARY-1, READ-1 */
bool po_json_is_small(const void *bytes, size_t size);
/* One strict JSON object of allowed size. spec: SUMMARY-1 */
PO_NODISCARD enum po_status po_summary_check(const void *bytes, size_t size, struct po_err *err);

#endif
