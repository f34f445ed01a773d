/*
 * after_reboot.h - the last step of a restore (req: R9): whether the services have started by
 * themselves after the reboot; those that have not are started.
 */
#ifndef PO_ENGINE_AFTER_REBOOT_H
#define PO_ENGINE_AFTER_REBOOT_H

#include "base/event.h"
#include "host/host.h"

enum po_after_state {
    PO_AFTER_RUNS,    /* by itself */
    PO_AFTER_STARTED, /* now, by us */
    PO_AFTER_LEFT,    /* it is disabled */
    PO_AFTER_FAILED   /* it could not be started, or its state cannot be told */
};

struct po_after_service {
    const char *name; /* lives as long as the host */
    enum po_after_state state;
    char reason[512]; /* of PO_AFTER_FAILED */
};

struct po_after_result {
    struct po_after_service *services; /* in the order in which they are started */
    size_t count;
};

/*
 * Waits until all services run that start by themselves, at most wait_s seconds; then starts those
 * that do not run, in order. PO_OK whatever became of them. The result is to be freed in any case.
 */
PO_NODISCARD enum po_status po_after_reboot_run(struct po_host *host, unsigned wait_s,
                                                const struct po_watch *watch,
                                                struct po_after_result *result, struct po_err *err);
void po_after_result_deinit(struct po_after_result *result);

#endif
