/* doctor_checks.h - the checks of doctor.h that have a file of their own, and how they report. */
#ifndef PO_ENGINE_DOCTOR_CHECKS_H
#define PO_ENGINE_DOCTOR_CHECKS_H

#include "engine/doctor.h"
#include "engine/history.h"
#include "engine/recover.h"

/* Of more, the rest is counted. */
#define PO_DOCTOR_NAMED_MAX 20u

struct po_doctor {
    struct po_host *host;
    po_check_fn each;
    void *ctx;
    enum po_check_state worst;
    const struct po_history *history; /* NULL = not known */
    const char *site;                 /* its identity, as in the history */
    int64_t now;
    struct po_recovery recovery; /* the last restore; set by po_doctor_pending */
    bool is_any_running;         /* some service: files may be in motion */
    uint64_t bytes;              /* of all trees; set by po_doctor_trees */
    uint64_t tree_bytes[PO_PART_COUNT];
    int64_t newest; /* write time of a file, POBACKUP_TIME_UNKNOWN if none; likewise */
    struct po_buf newest_path;
};

/* Cut at a character when it is too long. */
PO_PRINTF(4, 5)
void po_doctor_say(struct po_doctor *doctor, enum po_check_state state, const char *id,
                   const char *format, ...);

/* Whether a part's place is a path of the file system: a machine's registry is not. */
bool po_doctor_has_path(struct po_host *host, enum po_part part);

/* trees, sizes, unreadable, special */
PO_NODISCARD enum po_status po_doctor_trees(struct po_doctor *doctor, struct po_err *err);
/* leftovers; after po_doctor_pending, if that is asked for */
PO_NODISCARD enum po_status po_doctor_leftovers(struct po_doctor *doctor, struct po_err *err);
/* queue */
PO_NODISCARD enum po_status po_doctor_queue(struct po_doctor *doctor, struct po_err *err);
/* target, volume, space */
PO_NODISCARD enum po_status po_doctor_check_target(struct po_doctor *doctor, const char *target,
                                                   struct po_err *err);
/* The same for the place where the last good backup went, if there is one and it is a directory's. */
PO_NODISCARD enum po_status po_doctor_usual_target(struct po_doctor *doctor, struct po_err *err);
/* backup, verified, uninstall, trend */
void po_doctor_history(struct po_doctor *doctor);
/* product */
PO_NODISCARD enum po_status po_doctor_product(struct po_doctor *doctor, struct po_err *err);
/* pending, lock */
PO_NODISCARD enum po_status po_doctor_pending(struct po_doctor *doctor, const char *journal_dir,
                                              struct po_err *err);
PO_NODISCARD enum po_status po_doctor_lock(struct po_doctor *doctor, const char *lock_path,
                                           struct po_err *err);
/* disk; after po_doctor_trees */
void po_doctor_disk(struct po_doctor *doctor);

#endif
