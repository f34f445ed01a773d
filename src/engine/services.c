#include "engine/services.h"

#include "base/mem.h"
#include "engine/watch.h"
#include "port/sys.h"

#include <stdio.h>
#include <string.h>

#define SETTLE_POLL_MS 200u

enum po_status
po_services_check_admin(struct po_host *host, const struct po_watch *watch, struct po_err *err)
{
    struct po_buf note = { 0 };
    enum po_status st = PO_OK;

    if (host->ops->check_admin != NULL)
        st = host->ops->check_admin(host, &note, err);
    if (st == PO_OK && note.size > 0)
        po_watch_note(watch, po_buf_text(&note));
    po_buf_deinit(&note);
    return st;
}

enum po_status
po_services_init(struct po_services *services, struct po_host *host, struct po_err *err)
{
    size_t count = host->ops->service_count(host);
    enum po_status st = PO_OK;

    *services = (struct po_services){ .host = host };
    services->before = po_mem_new(count, sizeof *services->before);
    services->touch = po_mem_new(count, sizeof *services->touch);
    if (services->before == NULL || services->touch == NULL) {
        po_services_deinit(services);
        return po_fail_nomem(err, count * sizeof *services->before);
    }
    services->count = count;
    for (size_t i = 0; i < count && st == PO_OK; i++) {
        const char *name = host->ops->service(host, i)->name;

        st = host->ops->service_state(host, i, &services->before[i], err);
        if (st != PO_OK)
            (void)po_err_prefix(err, "service %s", name);
        else if (services->before[i] == PO_SERVICE_UNKNOWN)
            st = po_fail(
                err, PO_E_IO,
                "service %s: its state cannot be told, so it could not be brought back as it was; "
                "nothing was stopped",
                name);
    }
    if (st != PO_OK)
        po_services_deinit(services);
    return st;
}

void
po_services_deinit(struct po_services *services)
{
    po_mem_free(services->before);
    po_mem_free(services->touch);
    *services = (struct po_services){ 0 };
}

bool
po_services_any_running(const struct po_services *services)
{
    for (size_t i = 0; i < services->count; i++)
        if (services->before[i] == PO_SERVICE_RUNNING)
            return true;
    return false;
}

static void
tell(const struct po_watch *watch, const char *verb, const char *name)
{
    char text[256];

    (void)snprintf(text, sizeof text, "%s service %s", verb, name);
    po_watch_phase(watch, text);
}

/* req: B2. pufService is stopped before the MTA: the reverse of the order of starting. */
enum po_status
po_services_stop(struct po_services *services, unsigned timeout_s, const struct po_watch *watch,
                 struct po_err *err)
{
    struct po_host *host = services->host;

    services->stop_timeout_s = timeout_s;
    if (host->ops->services_prepare != NULL && po_services_any_running(services))
        host->ops->services_prepare(host);
    services->asked = po_sys_monotonic();
    for (size_t i = services->count; i-- > 0;) {
        const char *name = host->ops->service(host, i)->name;
        enum po_status st = po_watch_check(watch, err);

        if (st != PO_OK)
            return st;
        if (services->before[i] != PO_SERVICE_RUNNING)
            continue;
        tell(watch, "stopping", name);
        /* Noted before: a stop that fails half-way must be undone too. */
        services->touch[i] = PO_SERVICE_ASKED;
        st = host->ops->service_stop(host, i, timeout_s, err);
        if (st != PO_OK)
            return po_err_prefix(err, "service %s", name);
        services->touch[i] = PO_SERVICE_BROUGHT;
    }
    return PO_OK;
}

/* Waits for the stop that was asked for in vain, so that the start after it is one. */
static void
settle(const struct po_services *services, size_t number, const struct po_watch *watch)
{
    struct po_host *host = services->host;
    const struct po_service *service = host->ops->service(host, number);
    unsigned seconds =
        services->stop_timeout_s != 0 ? services->stop_timeout_s : service->stop_timeout_s;
    double deadline;
    char text[256];

    deadline = po_sys_monotonic() + seconds;
    tell(watch, "waiting whether it stops after all:", service->name);
    for (;;) {
        enum po_service_state state = PO_SERVICE_UNKNOWN;
        struct po_err ignored;

        if (host->ops->service_state(host, number, &state, &ignored) == PO_OK &&
            (state == PO_SERVICE_STOPPED ||
             (state == PO_SERVICE_RUNNING && service->tells_pending)))
            return;
        if (po_sys_monotonic() >= deadline)
            break;
        po_sys_sleep_ms(SETTLE_POLL_MS);
    }
    (void)snprintf(text, sizeof text,
                   "service %s was asked to stop and still runs %u s later; look whether it stays",
                   service->name, seconds);
    po_watch_warning(watch, text);
}

/* All are told: the first, and the others behind it. */
static void
add_failure(enum po_status *first, struct po_err *err, const struct po_err *failure)
{
    size_t used = strlen(err->text);

    if (*first == PO_OK) {
        *err = *failure;
        *first = failure->status;
    } else {
        (void)snprintf(err->text + used, sizeof err->text - used, "; %s", failure->text);
    }
}

/* req: B7. Cancellation is not looked at: whatever the user asked for, the services come back. */
enum po_status
po_services_restore(struct po_services *services, const struct po_watch *watch, struct po_err *err)
{
    struct po_host *host = services->host;
    enum po_status first = PO_OK;

    for (size_t i = 0; i < services->count; i++) {
        const char *name = host->ops->service(host, i)->name;
        struct po_err failure;
        enum po_status st;

        if (services->touch[i] == PO_SERVICE_UNTOUCHED)
            continue;
        if (services->touch[i] == PO_SERVICE_ASKED)
            settle(services, i, watch);
        tell(watch, "starting", name);
        st = host->ops->service_start(host, i, 0, &failure);
        if (st == PO_OK) {
            services->touch[i] = PO_SERVICE_UNTOUCHED;
            continue;
        }
        (void)po_err_prefix(&failure, "service %s", name);
        add_failure(&first, err, &failure);
    }
    return first;
}

static bool
has_name(const struct po_buf *names, const char *name)
{
    for (size_t at = 0; at < names->size; at += strlen((const char *)names->bytes + at) + 1)
        if (strcmp((const char *)names->bytes + at, name) == 0)
            return true;
    return false;
}

/* What was asked for as a start does not run for that: it may have ended again. */
static void
check_running(const struct po_services *services, const enum po_service_touch *touched,
              enum po_status *st, struct po_err *err)
{
    struct po_host *host = services->host;

    for (size_t i = 0; i < services->count; i++) {
        enum po_service_state state = PO_SERVICE_UNKNOWN;
        struct po_err failure;

        /* One that could not be started was told. */
        if (touched[i] == PO_SERVICE_UNTOUCHED || services->touch[i] != PO_SERVICE_UNTOUCHED)
            continue;
        if (host->ops->service_state(host, i, &state, &failure) == PO_OK) {
            if (state == PO_SERVICE_RUNNING)
                continue;
            (void)po_fail(&failure, PO_E_IO, "it was started and is %s",
                          po_service_state_name(state));
        }
        (void)po_err_prefix(&failure, "service %s", host->ops->service(host, i)->name);
        add_failure(st, err, &failure);
    }
}

static bool
has_service(struct po_host *host, const char *name)
{
    for (size_t i = 0; i < host->ops->service_count(host); i++)
        if (strcmp(host->ops->service(host, i)->name, name) == 0)
            return true;
    return false;
}

static void
check_names(struct po_host *host, const struct po_buf *names, enum po_status *st,
            struct po_err *err)
{
    for (size_t at = 0; at < names->size;) {
        const char *name = (const char *)names->bytes + at;
        struct po_err failure;

        at += strlen(name) + 1;
        if (has_service(host, name))
            continue;
        (void)po_fail(&failure, PO_E_IO, "service %s: the site has no such service", name);
        add_failure(st, err, &failure);
    }
}

enum po_status
po_services_bring_back(struct po_host *host, const struct po_buf *asked,
                       const struct po_buf *stopped, const struct po_watch *watch,
                       struct po_err *err)
{
    size_t count = host->ops->service_count(host);
    struct po_services services = { .host = host, .count = count };
    enum po_service_touch *touched = po_mem_new(count, sizeof *touched);
    enum po_status st = PO_OK;

    services.before = po_mem_new(count, sizeof *services.before);
    services.touch = po_mem_new(count, sizeof *services.touch);
    if (touched == NULL || services.before == NULL || services.touch == NULL) {
        st = po_fail_nomem(err, count * sizeof *services.before);
        goto done;
    }
    for (size_t i = 0; i < count; i++) {
        const char *name = host->ops->service(host, i)->name;

        if (has_name(asked, name))
            services.touch[i] = PO_SERVICE_ASKED;
        if (has_name(stopped, name))
            services.touch[i] = PO_SERVICE_BROUGHT;
        touched[i] = services.touch[i];
    }
    st = po_services_restore(&services, watch, err);
    check_running(&services, touched, &st, err);
    check_names(host, asked, &st, err);
    check_names(host, stopped, &st, err);
done:
    po_mem_free(touched);
    po_services_deinit(&services);
    return st;
}
