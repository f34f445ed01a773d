/*
 * services.h - stopping a site's services and bringing them back (requirements B2, B7). Whatever
 * happens between, po_services_restore is called: a service that ran before runs again, one that
 * was stopped stays stopped.
 */
#ifndef PO_ENGINE_SERVICES_H
#define PO_ENGINE_SERVICES_H

#include "base/event.h"
#include "host/host.h"

enum po_service_touch {
    PO_SERVICE_UNTOUCHED,
    PO_SERVICE_ASKED,  /* to stop, and it has not: it may yet do so */
    PO_SERVICE_BROUGHT /* to a stop */
};

struct po_services {
    struct po_host *host;
    size_t count;
    enum po_service_state *before; /* one a service */
    enum po_service_touch *touch;
    unsigned stop_timeout_s; /* what po_services_stop was given */
    double asked;            /* po_sys_monotonic() when po_services_stop began to ask */
};

/*
 * req: B1. Whether this process may stop services, read everything and write it back; a remark goes
 * to the watch. Before anything is changed.
 */
PO_NODISCARD enum po_status
po_services_check_admin(struct po_host *host, const struct po_watch *watch, struct po_err *err);
/* Notes the states. PO_E_IO if one cannot be told: nothing may be stopped that might not be brought
 * back. */
PO_NODISCARD enum po_status po_services_init(struct po_services *services, struct po_host *host,
                                             struct po_err *err);
void po_services_deinit(struct po_services *services);
bool po_services_any_running(const struct po_services *services);
/* Stops those that run, in reverse order of starting; the outage begins at `asked`. On failure the
 * caller must still restore. */
PO_NODISCARD enum po_status po_services_stop(struct po_services *services, unsigned timeout_s,
                                             const struct po_watch *watch, struct po_err *err);
/*
 * Starts again what was touched, in order; goes on after a failure. A service that was asked to
 * stop and did not is waited for first, as long as it had for stopping: a daemon that still
 * finishes its work says "running", and would be gone a moment later (unless the host can tell the
 * two apart). A failure means services are
 * down that were running: exit code 5.
 */
PO_NODISCARD enum po_status po_services_restore(struct po_services *services,
                                                const struct po_watch *watch, struct po_err *err);
/*
 * For another process, which is dead: services that it had asked to stop, and such as have stopped (each
 * name with a NUL behind) are started again, and run then. A name that the host does not have is a
 * failure, told behind those of services that cannot be started.
 */
PO_NODISCARD enum po_status po_services_bring_back(struct po_host *host, const struct po_buf *asked,
                                                   const struct po_buf *stopped,
                                                   const struct po_watch *watch,
                                                   struct po_err *err);

#endif
