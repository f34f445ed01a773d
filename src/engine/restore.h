/*
 * restore.h - an archive into a site (requirements R1 to R6): everything checked first, the new
 * files staged beside their trees while services run, one sync, services stopped, then renames
 * alone; services started again. Replaced and removed files are kept in a set-aside folder beside
 * the tree, which has the guide's layout.
 */
#ifndef PO_ENGINE_RESTORE_H
#define PO_ENGINE_RESTORE_H

#include "archive/reader.h"
#include "base/event.h"
#include "engine/problems.h"
#include "host/host.h"
#include "port/stream.h"
#include "registry/reg.h"

struct po_restore_options {
    const enum po_rights *rights; /* NULL: recorded where the archive has some, else as it goes */
    bool rights_only;             /* of what is there, in the parts; nothing else is done */
    bool parts[PO_PART_COUNT];    /* which parts; the default is registry, spool, mailbox (R6) */
    const char *const *patterns;  /* --path; none = all of the parts */
    size_t pattern_count;
    /*
     * What the set does not have is set aside too. With patterns: what they match and the archive
     * lacks, in directories that something of the set goes into.
     */
    bool is_exact;
    bool is_registry_exact;         /* values that the set does not have go */
    const struct po_reg_move *maps; /* --map: what registry data are to say instead (req: R4) */
    size_t map_count;
    bool holds_queue; /* messages that wait are set aside in the spool (req: R11) */
    bool is_live;     /* services run on: files of the mailbox may be added, and nothing else */
    /* Replaced files are not kept; where old and new ones do not fit at once, they go first. */
    bool no_safety_copy;
    bool no_services;
    bool is_verified; /* deeply, by the caller; else see po_restore_run */
    bool
        checks_digests; /* what is verified too, by BLAKE2b: the file may be somebody's to change */
    bool has_parents; /* the reader is joined with them (archive/joined.h); is_verified is meant of
                         the archive alone */
    bool is_planned;  /* the plan has been told: what it warns of is not told again */
    unsigned stop_timeout_s;
    unsigned threads;
    const char *archive_name; /* for the journal */
    /* Of the site, in the state directory; made if missing. NULL: the restore cannot be taken back,
     * nor finished after a crash (recover.h). */
    const char *journal_dir;
    const struct po_stream_ops *stream_ops; /* NULL = the system's */
};

/* Files and links are counted, directories are not. */
struct po_restore_part {
    bool is_wanted;
    const char *place; /* of this machine; lives as long as the host */
    uint64_t files;
    uint64_t bytes;
    uint64_t replaced;
    uint64_t added;
    uint64_t removed;      /* with is_exact */
    uint64_t left;         /* there, not in the set, left alone (as the plan found it) */
    uint64_t space_needed; /* for the new files, beside the old ones */
    uint64_t space_free;
    char *set_aside; /* where replaced files are kept, or NULL if none were */
};

/* What is told of registry values. */
enum po_restore_value_kind {
    PO_RESTORE_VALUE_CHANGED,
    PO_RESTORE_VALUE_ADDED,
    PO_RESTORE_VALUE_LEFT, /* only here: it survives the import */
    PO_RESTORE_VALUE_REMOVED,
    PO_RESTORE_VALUE_REWRITTEN, /* the set's, for this machine's places; counted above too */
    PO_RESTORE_VALUE_OLD_PLACE, /* the set's, with an old place in it that is not rewritten */
    PO_RESTORE_VALUE_OLD_HOST,  /* the set's, with the old machine's name or address (req: W2) */
    PO_RESTORE_VALUE_KINDS
};

/* Text is UTF-8; of data that are no strings NULL. */
struct po_restore_value {
    enum po_restore_value_kind kind;
    char *key;
    char *name;   /* "" = the default value */
    char *before; /* rewritten: in the set. Old place, old host: what was found */
    char *after;  /* rewritten, old place, old host: the whole of it; a list's strings with " | " */
};

/* req: R3, R4 */
struct po_restore_registry {
    bool is_compared; /* both are .reg documents */
    uint64_t counts[PO_RESTORE_VALUE_KINDS];
    struct po_restore_value *values; /* the first 10,000 of each kind */
    size_t count;
    size_t capacity;
};

/* The messages that wait in the set's spool. */
struct po_restore_queue {
    uint64_t whole;  /* messages (req: R11) */
    uint64_t broken; /* sets without all of their files (req: W1) */
    char *texts;     /* the first of them, a line each; or NULL */
    char held[40];   /* with holds_queue: where they go, below PostOfficeBackup of the spool */
};

/* What the plan says of rights, and afterwards what came of it (req: R7). */
struct po_restore_rights {
    bool is_wanted; /* the site has rights of which the restore is to take care */
    enum po_rights rights;
    char *choices; /* accounts, a line each: "OLD\\a (S-1-...) -> NEW\\a: by name"; or NULL */
    size_t unknown_count; /* accounts that are not known here, and stay as they are */
    uint64_t set;         /* files and directories; not known for poperms */
};

struct po_restore_result {
    struct po_restore_part parts[PO_PART_COUNT];
    struct po_restore_rights rights;
    struct po_restore_registry registry;
    struct po_restore_queue queue;
    char version_set[24]; /* of Post.Office.exe in the set and here; "" = not known (req: R1) */
    char version_here[24];
    bool is_verified; /* the whole archive was found good, by the caller or on the way */
    /* Old files are removed before new ones are written: see no_safety_copy. */
    bool makes_room;
    uint64_t streams;      /* alternate streams that were put back */
    uint64_t streams_left; /* the file system has none: they are only in the archive */
    double seconds;
    double outage_seconds; /* negative = no service was stopped */
    /* With a path: an item that is not restored, or not quite. Without: a reason against it all. */
    struct po_problems problems;
    bool is_changed;        /* after a failure: something could not be taken back, as *err says */
    bool are_services_lost; /* exit code 5, whatever else */
    char services_text[1024];
};

/*
 * What would be done, and every reason why it cannot be (each as a problem with an empty path):
 * nothing is changed. The result is to be freed in any case.
 */
PO_NODISCARD enum po_status po_restore_plan(const struct po_reader *reader, struct po_host *host,
                                            const struct po_restore_options *options,
                                            const struct po_watch *watch,
                                            struct po_restore_result *result, struct po_err *err);

/*
 * Does it. An archive that the caller has not verified is verified as deeply on the way, in the pass
 * that stages its files; with patterns only the frames that are needed are read, and checked. Damage
 * is PO_E_FORMAT, and nothing has changed. If the plan has reasons against it,
 * the first one is the failure: PO_E_USAGE, or PO_E_IO when the machine is in the way. On failure
 * before the commit nothing has changed; a failing commit is taken back, and *err says so (or names
 * what could not be taken back). The result is to be freed in any case.
 */
PO_NODISCARD enum po_status po_restore_run(const struct po_reader *reader, struct po_host *host,
                                           const struct po_restore_options *options,
                                           const struct po_watch *watch,
                                           struct po_restore_result *result, struct po_err *err);
void po_restore_result_deinit(struct po_restore_result *result);

#endif
