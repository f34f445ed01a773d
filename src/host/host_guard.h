/*
 * host_guard.h - tells somebody which services are about to be stopped, and which were started
 * again, whoever works on the host: a guardian that brings them back when this process dies
 * (req: B7).
 */
#ifndef PO_HOST_HOST_GUARD_H
#define PO_HOST_HOST_GUARD_H

#include "host/host.h"

enum po_host_guard_news {
    PO_HOST_GUARD_STOP,    /* it is about to be asked to stop */
    PO_HOST_GUARD_STOPPED, /* it has */
    PO_HOST_GUARD_STARTED, /* it runs again, or that was tried in vain, and told */
    PO_HOST_GUARD_READY    /* some are about to be stopped, and still run; no name ("") */
};
typedef void (*po_host_guard_fn)(void *ctx, enum po_host_guard_news news, const char *service);

struct po_host_guard;
/* From now on the host's services are watched. */
PO_NODISCARD enum po_status po_host_guard_begin(struct po_host_guard **out, struct po_host *host,
                                                po_host_guard_fn note, void *ctx,
                                                struct po_err *err);
/* Before the host is freed. NULL is fine. */
void po_host_guard_end(struct po_host_guard *guard);

#endif
