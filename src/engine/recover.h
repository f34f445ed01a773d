/*
 * recover.h - a restore after the fact, from its journal (restore_journal.h): one that was
 * interrupted is finished or taken back; one that was done is taken back (req: R10).
 *
 * What is done is told by looking: each rename has moved a name or has not. So all of this may
 * itself be interrupted, and done again.
 */
#ifndef PO_ENGINE_RECOVER_H
#define PO_ENGINE_RECOVER_H

#include "base/buf.h"
#include "base/event.h"
#include "engine/problems.h"
#include "host/host.h"

enum po_recovery_state {
    PO_RECOVERY_NONE,        /* nothing to finish or to take back */
    PO_RECOVERY_UNCHANGED,   /* interrupted before a file of the site was changed */
    PO_RECOVERY_INTERRUPTED, /* in between */
    PO_RECOVERY_DONE,        /* done: it can be taken back */
    PO_RECOVERY_TAKEN_BACK,  /* it was; what had been restored is kept */
    PO_RECOVERY_INCOMPLETE   /* old files were removed first, and new ones are missing: to be run
                                again (restore_room.c) */
};

struct po_recovery {
    enum po_recovery_state state;
    char *archive; /* what it was restored from */
    int64_t time;  /* when it began */
    char *folder;  /* the journal's, in journal_dir */
    /* Folders with files that were set aside (or, taken back, restored), an absolute path each, with
     * a NUL behind. */
    struct po_buf kept;
    struct po_buf services; /* that ran before it, each with a NUL behind */
    bool was_undoing;
};

/* What there is: the one that is not finished, else the last that was done. */
PO_NODISCARD enum po_status po_recovery_find(struct po_recovery *out, const char *journal_dir,
                                             struct po_err *err);
void po_recovery_deinit(struct po_recovery *recovery);

struct po_recover_result {
    bool is_taken_back; /* also by resume, when nothing had been changed yet */
    uint64_t steps;     /* renames that were done or taken back now */
    uint64_t came_back; /* of them, those that took something out of the site */
    struct po_problems problems;
    uint64_t rights_failed; /* nodes on which a rule of rights could not be set; told as items */
    double seconds;
    double outage_seconds; /* negative: no service was stopped */
    bool are_services_lost;
    char services_text[1024];
    char *kept; /* what had been restored lies there now; or NULL */
};
void po_recover_result_deinit(struct po_recover_result *result);

/*
 * Takes the restore back: files, registry, rights and modes of directories, services. PO_E_USAGE
 * when there is nothing. What cannot be taken back is a problem, and the journal stays. Files that
 * came since stay; what had been restored is kept in a folder until po_recover_forget, as the
 * services may have written to it.
 */
PO_NODISCARD enum po_status po_recover_undo(struct po_host *host, const char *journal_dir,
                                            const struct po_watch *watch,
                                            struct po_recover_result *result, struct po_err *err);
/* Finishes one that was interrupted, or takes it back when it had changed nothing yet. */
PO_NODISCARD enum po_status po_recover_resume(struct po_host *host, const char *journal_dir,
                                              const struct po_watch *watch,
                                              struct po_recover_result *result, struct po_err *err);
/* The folders that are kept go, and the journal: it cannot be taken back any more. Not of one that
 * was interrupted. */
PO_NODISCARD enum po_status po_recover_forget(const char *journal_dir, struct po_err *err);
/* Of one that is incomplete: removes what it had staged, which is of no use and takes room. */
PO_NODISCARD enum po_status po_recover_clear_room(const char *journal_dir, struct po_err *err);
/* Removes the journals of restores that were done or are incomplete, but for the one of this name;
 * their files stay. */
PO_NODISCARD enum po_status po_recover_drop_others(const char *journal_dir, const char *name,
                                                   struct po_err *err);

#endif
