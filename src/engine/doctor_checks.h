/* doctor_checks.h - the checks of doctor.h that have a file of their own, and how they report. */
#ifndef PO_ENGINE_DOCTOR_CHECKS_H
#define PO_ENGINE_DOCTOR_CHECKS_H

#include "engine/doctor.h"

/* Of more, the rest is counted. */
#define PO_DOCTOR_NAMED_MAX 20u

struct po_doctor {
    struct po_host *host;
    po_check_fn each;
    void *ctx;
    enum po_check_state worst;
    bool is_any_running; /* some service: files may be in motion */
    uint64_t bytes;      /* of all trees; set by po_doctor_trees */
    int64_t newest;      /* write time of a file, POBACKUP_TIME_UNKNOWN if none; likewise */
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
/* leftovers */
PO_NODISCARD enum po_status po_doctor_leftovers(struct po_doctor *doctor, struct po_err *err);
/* queue */
PO_NODISCARD enum po_status po_doctor_queue(struct po_doctor *doctor, struct po_err *err);
/* target, volume, space */
PO_NODISCARD enum po_status po_doctor_check_target(struct po_doctor *doctor, const char *target,
                                                   struct po_err *err);

#endif
