/*
 * restore_parts.h - what the restore_*.c files share.
 *
 *   plan    what is wanted, where it goes, what speaks against it (restore_plan, _place, _survey)
 *   stage   the new files into a hidden folder on the same volume (restore_stage)
 *   merge   which renames it takes: old files aside, new ones into place (restore_merge)
 *   commit  these renames, then the registry (restore_commit, _registry, _registry_plan)
 *   queue   messages that wait, and are to be held (restore_queue)
 *   log     the renames, to take back those that were done (restore_log)
 *   rights  who may read what: on staged files, on directories, on whole trees (restore_rights)
 */
#ifndef PO_ENGINE_RESTORE_PARTS_H
#define PO_ENGINE_RESTORE_PARTS_H

#include "base/buf.h"
#include "engine/accounts.h"
#include "engine/journal.h"
#include "engine/omissions.h"
#include "engine/restore.h"
#include "port/file.h"
#include "target/target.h"

#define PO_RESTORE_TREES 3
/* Each tree's, another one when a tree turns out to be a volume of its own, and the registry's. */
#define PO_RESTORE_BASES (2 * PO_RESTORE_TREES + 1)

/*
 * The directory beside one or more trees, on their volume. Stage and set-aside are folders in it
 * with the guide's layout; "" = no names yet. The names are in the journal before the folders are
 * made.
 */
struct po_restore_base {
    char *os_path; /* absolute, free of links */
    struct po_dir *dir;
    char stage[80];
    char aside[80];
    bool has_stage; /* made */
    bool has_aside;
    struct po_dir *stage_dir;
    int64_t write_time; /* of the directory, before the stage came into it */
};

struct po_restore_tree {
    enum po_part part;
    const char *member; /* its name in the archive */
    size_t member_size;
    struct po_restore_base *base;
    char *path; /* absolute */
    char *rel;  /* of the tree below the base; "" = the base is the tree itself */
    size_t rel_size;
    bool exists;
    uint64_t freed; /* by removing what is replaced or removed, at least */
    uint32_t first; /* its wanted entries: order[first] to order[end - 1] */
    uint32_t end;
    bool has_aside;
};

/* ---- the log ---- */

enum po_restore_kind {
    PO_RESTORE_MADE,    /* a directory above a tree that was missing, by its path below the base */
    PO_RESTORE_ENTERED, /* a directory that was there and is about to be changed */
    PO_RESTORE_ASIDE,   /* moved from the tree to the set-aside folder */
    PO_RESTORE_NEW,     /* moved from the stage into the tree */
};

struct po_restore_step {
    uint8_t kind;
    uint8_t tree;
    bool is_removed;   /* aside, and nothing new takes its place */
    bool is_directory; /* aside: one that goes as a whole */
    bool is_lent;      /* the path is the index's, and not copied: there are many of them */
    uint32_t entry;    /* entered: its own entry, or PO_NONE */
    uint32_t info;     /* entered: what it was like, in infos */
    union {
        size_t start;     /* in paths */
        const char *lent; /* with is_lent */
    } path;               /* below the tree */
    size_t path_size;
};

/* What an entered directory was like. */
struct po_restore_former {
    struct po_node_info info;
    size_t security_start; /* in securities */
    size_t security_size;  /* 0 = its rights are not changed */
    /* Of a restore that is finished from its journal: mode, owner and rights are in the stage. */
    bool has_facts;
    int64_t new_time;
};

struct po_restore_log {
    /* Room for any path of a step, made before the step: taking back needs no memory. */
    struct po_buf live;
    struct po_buf other;
    struct po_buf paths;
    struct po_restore_step *steps;
    size_t count;
    size_t done; /* of them */
    size_t capacity;
    struct po_buf securities;
    struct po_restore_former *infos;
    uint32_t info_count;
    uint32_t info_capacity;
};

/* ---- the journal (restore_journal.h) ---- */

enum po_restore_phase {
    PO_RESTORE_STAGING = 1, /* nothing is changed but that stages are there */
    PO_RESTORE_STOPPING,    /* services may be down */
    PO_RESTORE_RENAMING,    /* all steps are known */
    PO_RESTORE_REGISTRY,    /* files are in place */
    PO_RESTORE_RIGHTS,      /* the registry, too */
    PO_RESTORE_STARTING,
    PO_RESTORE_DONE, /* it stands, and can be taken back */
    PO_RESTORE_UNDOING,
    PO_RESTORE_UNDONE,     /* taken back; what had been restored is kept in the stages */
    PO_RESTORE_CLEARED,    /* taken back; only folders of ours are left to be removed */
    PO_RESTORE_MAKING_ROOM /* old files are removed, new ones not in place (restore_room.c) */
};

/* What a journal says besides. */
struct po_restore_pending {
    enum po_restore_phase phase;
    bool no_services;
    bool no_safety_copy;
    bool has_rule; /* of rights, for whole trees */
    enum po_rights rule;
    bool parts[PO_PART_COUNT];
    char *archive;
    struct po_buf services; /* that ran, each with a NUL behind */
    bool has_registry;
    enum po_registry_how registry_how;
    int64_t new_time;
    int64_t former_time;
};

/* ---- the restore ---- */

struct po_restore {
    const struct po_reader *reader;
    struct po_host *host;
    const struct po_restore_options *options;
    const struct po_watch *watch;
    const struct po_watch *plan_watch; /* for what the plan warns of: NULL when it has been told */
    struct po_restore_result *result;
    int64_t time;
    struct po_journal *journal; /* NULL: none is kept */
    struct po_dir *journal_dir;
    char journal_name[80];
    struct po_restore_pending pending; /* loaded from a journal */
    bool sets_owner;
    struct po_origin origin;       /* where the archive is from */
    bool sets_recorded;            /* rights, by descriptor; see restore_rights.c */
    struct po_omissions omissions; /* of the archive: what it lacks is not to be removed */
    uint8_t *wanted; /* 2 = staged, but not at its place: a queued message that is held */
    size_t held_count;
    uint64_t held_bytes; /* on a disk */
    uint32_t *order;     /* the wanted entries of trees; see po_restore_compare */
    uint32_t order_count;
    struct po_restore_tree trees[PO_RESTORE_TREES];
    size_t tree_count;
    struct po_restore_base bases[PO_RESTORE_BASES];
    size_t base_count;
    uint64_t stream_bytes;                 /* of alternate streams that are to be put back */
    uint32_t registry_entry;               /* PO_NONE = not wanted */
    struct po_restore_base *registry_base; /* where the former one is kept */
    struct po_buf registry; /* the set's .reg file, with this machine's places in it */
    struct po_buf former;   /* the site's; empty: there was none */
    int64_t former_time;
    bool has_registry_aside;
    bool has_made_room; /* the old files are gone */
    bool is_verified;
    bool audits;                 /* the archive is verified while it is staged */
    struct po_err registry_loss; /* a failed import that could not be taken back */
    size_t reason_count;
    struct po_err reason; /* the first */
    struct po_restore_log log;
};

/* A reason why nothing can be restored; the plan goes on and lists them all. */
PO_PRINTF(4, 5)
PO_NODISCARD enum po_status po_restore_reason(struct po_restore *r, struct po_err *err,
                                              enum po_status status, const char *format, ...);
/* An item that is not restored, or not quite. */
PO_NODISCARD enum po_status po_restore_problem(struct po_restore *r, const char *path, size_t size,
                                               const char *reason, struct po_err *err);

void po_restore_init(struct po_restore *r, const struct po_reader *reader, struct po_host *host,
                     const struct po_restore_options *options, const struct po_watch *watch,
                     struct po_restore_result *result);
void po_restore_deinit(struct po_restore *r);

/* Counts the alternate streams of what is wanted, and tells of those that the target cannot hold. */
PO_NODISCARD enum po_status po_restore_plan_streams(struct po_restore *r, struct po_err *err);
/* Puts them onto the staged files. One that cannot be put is a problem. */
PO_NODISCARD enum po_status po_restore_put_streams(struct po_restore *r, struct po_err *err);
/* Everything that can be told without changing anything; reasons are in the result. */
PO_NODISCARD enum po_status po_restore_prepare(struct po_restore *r, struct po_err *err);
/* Finds a part's place and base; reasons when there is something wrong with them. */
PO_NODISCARD enum po_status po_restore_place(struct po_restore *r, struct po_restore_tree *tree,
                                             const char *place, struct po_err *err);
/* Makes the tree itself its base: for one that is a volume of its own. */
PO_NODISCARD enum po_status
po_restore_move_inside(struct po_restore *r, struct po_restore_tree *tree, struct po_err *err);
PO_NODISCARD enum po_status po_restore_registry_place(struct po_restore *r, const char *place,
                                                      struct po_err *err);
/* Compares the tree as it is with what is wanted: counts, and reasons. */
PO_NODISCARD enum po_status po_restore_survey(struct po_restore *r, struct po_restore_tree *tree,
                                              struct po_err *err);
/* Whether something that the set does not have is to go. */
bool po_restore_removes(const struct po_restore *r, const char *path, size_t size);

/* Counts the messages that wait in the set's spool, and marks those that are to be held. */
PO_NODISCARD enum po_status po_restore_queue_plan(struct po_restore *r, struct po_err *err);
/* Moves them, in the stage, to where they are to be held. */
PO_NODISCARD enum po_status po_restore_queue_hold(struct po_restore *r, struct po_err *err);
/* Notes the step that puts their folder into place, behind all others of its tree. */
PO_NODISCARD enum po_status po_restore_queue_merge(struct po_restore *r, uint8_t tree_number,
                                                   struct po_err *err);
/* Writes all that is wanted to the stages, and takes it to the disk. */
PO_NODISCARD enum po_status po_restore_stage(struct po_restore *r, struct po_err *err);
/* Removes the stages; a warning when that fails. `is_done`: the restore stands. */
void po_restore_unstage(struct po_restore *r, bool is_done);
/* The first base that has a folder of ours: one that could not be removed. NULL: none has. */
const struct po_restore_base *po_restore_left_over(const struct po_restore *r);
/* Makes the stage or set-aside folder of a base, where it is not made yet. */
PO_NODISCARD enum po_status po_restore_make_stage(struct po_restore *r,
                                                  struct po_restore_base *base, struct po_err *err);
PO_NODISCARD enum po_status po_restore_make_aside(struct po_restore *r,
                                                  struct po_restore_base *base, struct po_err *err);

/* With result.makes_room, once all steps are known: removes the old files, and stages then. */
PO_NODISCARD enum po_status po_restore_make_room(struct po_restore *r, struct po_err *err);
/* A failure after it. */
void po_restore_tell_no_way_back(struct po_restore *r, struct po_err *err);
/* What a file of this size may cost on a disk. */
uint64_t po_restore_space(uint64_t size);
/* Notes the steps that put everything into place. */
PO_NODISCARD enum po_status po_restore_merge(struct po_restore *r, struct po_err *err);
/* Moves everything into place; on failure all is taken back. */
PO_NODISCARD enum po_status po_restore_commit(struct po_restore *r, struct po_err *err);
/* Which product the set is of and which is here, and the clock: warnings (req: R1). */
PO_NODISCARD enum po_status po_restore_check_machine(struct po_restore *r, struct po_err *err);
/* Reads the set's registry, rewrites it for this machine, and compares it with what is here. */
PO_NODISCARD enum po_status po_restore_registry_plan(struct po_restore *r, struct po_err *err);
void po_restore_registry_deinit(struct po_restore_registry *registry);
/* Writes down both registries. */
PO_NODISCARD enum po_status po_restore_note_registry(struct po_restore *r, struct po_err *err);
/* Imports the registry, and keeps the former one. */
PO_NODISCARD enum po_status po_restore_import(struct po_restore *r, struct po_err *err);

/* Notes a step, with the room that taking it back needs. The path is copied unless step.is_lent. */
PO_NODISCARD enum po_status po_restore_note(struct po_restore *r, struct po_restore_step step,
                                            const char *path, size_t size, struct po_err *err);
/* Below the tree (of a directory that was made: below the base); not ended by a NUL. */
const char *po_restore_step_path(const struct po_restore *r, const struct po_restore_step *step);
/* What an entered directory is like now. */
PO_NODISCARD enum po_status po_restore_note_entered(struct po_restore *r,
                                                    struct po_restore_step step,
                                                    const struct po_node_info *info,
                                                    const char *path, size_t size,
                                                    struct po_err *err);
/* Takes back all steps that were done, the last first. *err (what failed) gets how that went. */
void po_restore_take_back(struct po_restore *r, struct po_err *err);
/* Times, modes and owners of the directories that were there before, as the archive has them. */
PO_NODISCARD enum po_status po_restore_directory_facts(struct po_restore *r, struct po_err *err);
/* Counts what was removed. */
PO_NODISCARD enum po_status po_restore_count_removed(struct po_restore *r, struct po_err *err);

/* Whether names are judged as Windows takes them: there, and for a host that is one. */
bool po_restore_has_windows_names(const struct po_restore *r);

/* ---- rights ---- */

/* Decides, maps the accounts, and says so in the result; reasons when it cannot be. */
PO_NODISCARD enum po_status po_restore_rights_plan(struct po_restore *r, struct po_err *err);
/* A po_target_node_fn, for what is staged; ctx is the restore. */
PO_NODISCARD enum po_status po_restore_rights_node(void *ctx, enum po_target_moment moment,
                                                   uint32_t entry, struct po_dir *dir,
                                                   const char *path, size_t path_size,
                                                   struct po_err *err);
/* What an open directory that is about to be entered has, for taking it back. */
PO_NODISCARD enum po_status po_restore_rights_note(struct po_restore *r, uint32_t entry,
                                                   struct po_dir *dir,
                                                   struct po_restore_former *former,
                                                   struct po_err *err);
/* Of a directory that was there. */
PO_NODISCARD enum po_status po_restore_rights_entered(struct po_restore *r, uint32_t entry,
                                                      struct po_dir *dir, const char *path,
                                                      size_t path_size,
                                                      const struct po_restore_former *former,
                                                      struct po_err *err);
/* Whether the rights that are chosen are a rule, set on whole trees when all is in place. */
bool po_restore_rights_are_rule(const struct po_restore *r);
/* Writes down the rights that these trees have; nothing when no rule is set, or no way back kept. */
PO_NODISCARD enum po_status po_restore_rights_save(struct po_restore *r, struct po_err *err);
/* Gives them back, before anything is renamed back; what cannot be is a problem. */
PO_NODISCARD enum po_status
po_restore_rights_put_back(struct po_restore *r, struct po_problems *problems, struct po_err *err);
/* All is in place: what concerns whole trees. What fails is an item: the files stand. */
void po_restore_rights_apply(struct po_restore *r);

/* Of a directory that was entered: as it was before. */
PO_NODISCARD enum po_status po_restore_reset_directory(struct po_restore *r,
                                                       const struct po_restore_step *step,
                                                       struct po_err *err);

/* ---- paths ---- */

/* Appends `name`, with a '/' before it unless the path is empty. */
void po_restore_put(struct po_buf *path, const char *name, size_t size);
/* Where `sub` (below the tree) is in the site, in the stage, and set aside; below the base. */
void po_restore_live_path(const struct po_restore_tree *tree, const char *sub, size_t size,
                          struct po_buf *path);
void po_restore_stage_path(const struct po_restore_tree *tree, const char *sub, size_t size,
                           struct po_buf *path);
void po_restore_aside_path(const struct po_restore_tree *tree, const char *sub, size_t size,
                           struct po_buf *path);

/*
 * Order of paths in which all that lies in a directory stands together, behind it: '/' before any
 * other byte. (In byte order "a", "a.b", "a/c" the file stands between.)
 */
int po_restore_compare(const char *a, size_t a_size, const char *b, size_t b_size);

#endif
