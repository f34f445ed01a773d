#include "host/host_guard.h"

#include "base/mem.h"

/* The host's table is exchanged for one of ours, which is first here, so that it leads to the rest. */
struct po_host_guard {
    struct po_host_ops ops;
    const struct po_host_ops *inner;
    struct po_host *host;
    po_host_guard_fn note;
    void *ctx;
};

static const struct po_host_guard *
guard_of(const struct po_host *host)
{
    return (const struct po_host_guard *)(const void *)host->ops;
}

static void
note(struct po_host *host, size_t number, enum po_host_guard_news news)
{
    const struct po_host_guard *guard = guard_of(host);
    const struct po_service *service = guard->inner->service(host, number);

    if (service != NULL)
        guard->note(guard->ctx, news, service->name);
}

static void
guarded_prepare(struct po_host *host)
{
    const struct po_host_guard *guard = guard_of(host);

    guard->note(guard->ctx, PO_HOST_GUARD_READY, "");
}

static enum po_status
guarded_stop(struct po_host *host, size_t number, unsigned timeout_s, struct po_err *err)
{
    enum po_status st;

    note(host, number, PO_HOST_GUARD_STOP);
    st = guard_of(host)->inner->service_stop(host, number, timeout_s, err);
    if (st == PO_OK)
        note(host, number, PO_HOST_GUARD_STOPPED);
    return st;
}

static enum po_status
guarded_start(struct po_host *host, size_t number, unsigned timeout_s, struct po_err *err)
{
    enum po_status st = guard_of(host)->inner->service_start(host, number, timeout_s, err);

    note(host, number, PO_HOST_GUARD_STARTED);
    return st;
}

enum po_status
po_host_guard_begin(struct po_host_guard **out, struct po_host *host, po_host_guard_fn note_fn,
                    void *ctx, struct po_err *err)
{
    struct po_host_guard *guard = po_mem_new(1, sizeof(*guard));

    if (guard == NULL)
        return po_fail_nomem(err, sizeof(*guard));
    guard->ops = *host->ops;
    guard->ops.services_prepare = guarded_prepare;
    guard->ops.service_stop = guarded_stop;
    guard->ops.service_start = guarded_start;
    guard->inner = host->ops;
    guard->host = host;
    guard->note = note_fn;
    guard->ctx = ctx;
    host->ops = &guard->ops;
    *out = guard;
    return PO_OK;
}

void
po_host_guard_end(struct po_host_guard *guard)
{
    if (guard == NULL)
        return;
    guard->host->ops = guard->inner;
    po_mem_free(guard);
}
