#include "engine/after_reboot.h"

#include "base/mem.h"
#include "engine/watch.h"
#include "port/sys.h"

#include <stdio.h>
#include <string.h>

#define POLL_MS 500u

static bool
is_disabled(const struct po_service *service)
{
    return service->start != NULL && strcmp(service->start, "disabled") == 0;
}

static bool
starts_by_itself(const struct po_service *service)
{
    return service->start == NULL || strcmp(service->start, "automatic") == 0;
}

/* One that cannot be told counts as one that does not run: a start is no harm where it does. */
static bool
runs(struct po_host *host, size_t number)
{
    enum po_service_state state = PO_SERVICE_UNKNOWN;
    struct po_err ignored;

    return host->ops->service_state(host, number, &state, &ignored) == PO_OK &&
           state == PO_SERVICE_RUNNING;
}

static enum po_status
await(struct po_host *host, unsigned wait_s, const struct po_watch *watch, struct po_err *err)
{
    double deadline = po_sys_monotonic() + wait_s;

    po_watch_phase(watch, "waiting for the services to start by themselves");
    for (;;) {
        size_t missing = 0;
        enum po_status st = po_watch_check(watch, err);

        if (st != PO_OK)
            return st;
        for (size_t i = 0; i < host->ops->service_count(host); i++)
            missing += starts_by_itself(host->ops->service(host, i)) && !runs(host, i);
        if (missing == 0 || po_sys_monotonic() >= deadline)
            return PO_OK;
        po_sys_sleep_ms(POLL_MS);
    }
}

static void
see_to(struct po_host *host, size_t number, const struct po_watch *watch,
       struct po_after_service *out)
{
    const struct po_service *service = host->ops->service(host, number);
    struct po_err failure;
    char text[256];

    out->name = service->name;
    out->state = PO_AFTER_RUNS;
    if (runs(host, number))
        return;
    if (is_disabled(service)) {
        out->state = PO_AFTER_LEFT;
        return;
    }
    (void)snprintf(text, sizeof text, "starting service %s", service->name);
    po_watch_phase(watch, text);
    out->state = PO_AFTER_STARTED;
    if (host->ops->service_start(host, number, 0, &failure) == PO_OK)
        return;
    out->state = PO_AFTER_FAILED;
    (void)snprintf(out->reason, sizeof out->reason, "%.500s", failure.text);
}

enum po_status
po_after_reboot_run(struct po_host *host, unsigned wait_s, const struct po_watch *watch,
                    struct po_after_result *result, struct po_err *err)
{
    size_t count = host->ops->service_count(host);
    enum po_status st = await(host, wait_s, watch, err);

    *result = (struct po_after_result){ 0 };
    if (st != PO_OK)
        return st;
    result->services = po_mem_new(count, sizeof *result->services);
    if (result->services == NULL)
        return po_fail_nomem(err, count * sizeof *result->services);
    for (; result->count < count; result->count++)
        see_to(host, result->count, watch, &result->services[result->count]);
    return PO_OK;
}

void
po_after_result_deinit(struct po_after_result *result)
{
    po_mem_free(result->services);
    *result = (struct po_after_result){ 0 };
}
