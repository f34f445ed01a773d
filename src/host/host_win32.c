#include "host/host_win32.h"

#include "base/mem.h"
#include "host/host_win32_admin.h"
#include "host/host_win32_scm.h"
#include "port/sys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Until the guide's programs are gone after their services have stopped. */
#define PROCESS_WAIT_S 60u
#define STOP_TIMEOUT_S 180u /* the guide's queue may take its time */
#define START_TIMEOUT_S 180u

static void
windows_free(struct po_host *host)
{
    struct po_win32_host *windows = po_win32_host_of(host);

    if (windows == NULL)
        return;
    for (int part = 0; part < PO_PART_COUNT; part++)
        po_mem_free(windows->place[part]);
    for (int i = 0; i < PO_WIN32_SERVICES; i++) {
        po_win32_service_deinit(&windows->found[i]);
        po_buf_deinit(&windows->dependents[i]);
        po_buf_deinit(&windows->recorded[i]);
    }
    po_win32_restore_free(windows->restore);
    po_mem_free(windows->key);
    po_mem_free(windows);
}

static const char *
windows_identity(struct po_host *host)
{
    (void)host;
    return "windows";
}

static enum po_status
windows_check_admin(struct po_host *host, struct po_buf *note, struct po_err *err)
{
    unsigned missing = 0;
    enum po_status st = po_win32_admin_check(&po_win32_admin_calls, note, err);

    (void)host;
    if (st == PO_OK)
        st = po_win32_privileges_enable(&po_win32_admin_calls, PO_WIN32_FOR_FILES, &missing, err);
    if (st != PO_OK || missing == 0)
        return st;
    if (note->size > 0)
        po_buf_put_text(note, "; ");
    po_buf_put_text(note, "these privileges are missing, so that some files may not be read: ");
    po_win32_privileges_put(note, missing);
    return po_buf_check(note, err);
}

static const char *
windows_place(struct po_host *host, enum po_part part)
{
    return po_win32_host_of(host)->place[part];
}

/* ---- services ---- */

static size_t
windows_service_count(struct po_host *host)
{
    (void)host;
    return PO_WIN32_SERVICES;
}

static const struct po_service *
windows_service(struct po_host *host, size_t number)
{
    return number < PO_WIN32_SERVICES ? &po_win32_host_of(host)->services[number] : NULL;
}

static enum po_status
check_number(size_t number, struct po_err *err)
{
    return number < PO_WIN32_SERVICES
               ? PO_OK
               : po_fail(err, PO_E_USAGE, "service %zu of %d", number, PO_WIN32_SERVICES);
}

static enum po_status
windows_service_state(struct po_host *host, size_t number, enum po_service_state *state,
                      struct po_err *err)
{
    enum po_status st = check_number(number, err);

    return st == PO_OK ? po_win32_service_state(&po_win32_host_of(host)->found[number], state, err)
                       : st;
}

/* Only copies what nobody has open any more: the programs may outlive their services (req: B2). */
static enum po_status
windows_service_stop(struct po_host *host, size_t number, unsigned timeout_s, struct po_err *err)
{
    struct po_win32_host *windows = po_win32_host_of(host);
    enum po_status st = check_number(number, err);

    if (timeout_s == 0)
        timeout_s = STOP_TIMEOUT_S;
    if (st == PO_OK)
        st = po_win32_service_stop(&windows->found[number], timeout_s, &windows->dependents[number],
                                   err);
    if (st == PO_OK && number == PO_WIN32_SERVICE_MTA)
        st = po_win32_await_processes(windows->place[PO_PART_BIN], PROCESS_WAIT_S, err);
    return st;
}

static enum po_status
start_dependents(struct po_win32_host *windows, size_t number, struct po_err *err)
{
    struct po_buf *names = &windows->dependents[number];
    enum po_status first = PO_OK;

    for (size_t at = 0; at < names->size; at += strlen((const char *)names->bytes + at) + 1) {
        const char *name = (const char *)names->bytes + at;
        struct po_win32_service service = { 0 };
        struct po_err failure;
        enum po_status st = po_win32_service_find(&service, name, &failure);

        if (st == PO_OK)
            st = po_win32_service_start(&service, START_TIMEOUT_S, &failure);
        po_win32_service_deinit(&service);
        if (st == PO_OK || first != PO_OK)
            continue;
        (void)po_err_prefix(&failure, "%s, which depends on it", name);
        *err = failure;
        first = st;
    }
    if (first == PO_OK)
        po_buf_clear(names);
    return first;
}

static enum po_status
windows_service_start(struct po_host *host, size_t number, unsigned timeout_s, struct po_err *err)
{
    struct po_win32_host *windows = po_win32_host_of(host);
    enum po_status st = check_number(number, err);

    if (st == PO_OK)
        st = po_win32_service_start(&windows->found[number],
                                    timeout_s != 0 ? timeout_s : START_TIMEOUT_S, err);
    return st == PO_OK ? start_dependents(windows, number, err) : st;
}

/* ---- registry ---- */

/* A po_win32_problem_fn: the first is named, all are counted (req: B8). */
static enum po_status
note_omission(void *ctx, const char *key, const char *reason, struct po_err *err)
{
    struct po_win32_host *windows = ctx;

    (void)err;
    if (windows->omitted_count++ == 0)
        (void)snprintf(windows->omissions, sizeof(windows->omissions), "%.120s: %.120s", key,
                       reason);
    return PO_OK;
}

static const char *
windows_registry_omissions(struct po_host *host)
{
    return po_win32_host_of(host)->omissions;
}

static enum po_status
windows_registry_export(struct po_host *host, struct po_buf *out, int64_t *write_time,
                        struct po_err *err)
{
    struct po_win32_host *windows = po_win32_host_of(host);
    struct po_reg *reg = NULL;
    enum po_status st;

    windows->omitted_count = 0;
    windows->omissions[0] = '\0';
    st = po_win32_registry_read(&reg, windows->key, note_omission, windows, err);
    if (windows->omitted_count > 1) {
        size_t used = strlen(windows->omissions);

        (void)snprintf(windows->omissions + used, sizeof(windows->omissions) - used,
                       " (and %zu more)", windows->omitted_count - 1);
    }
    if (st == PO_OK)
        st = po_reg_print(reg, out, err);
    po_reg_free(reg);
    if (st == PO_OK)
        *write_time = po_sys_now();
    return st;
}

/* The document that takes the key away. */
static enum po_status
put_removal(const struct po_win32_host *windows, struct po_buf *out, struct po_err *err)
{
    po_buf_printf(out, "Windows Registry Editor Version 5.00\r\n\r\n[-%s]\r\n",
                  windows->place[PO_PART_REGISTRY]);
    return po_buf_check(out, err);
}

/* Merged, as regedit does (req: R3); exact when asked for. */
static enum po_status
windows_registry_import(struct po_host *host, const void *bytes, size_t size, int64_t write_time,
                        enum po_registry_how how, struct po_buf *former, struct po_err *err)
{
    struct po_win32_host *windows = po_win32_host_of(host);
    bool is_removal = size == 0 && how == PO_REGISTRY_EXACT;
    struct po_buf removal = { 0 };
    struct po_reg *reg = NULL;
    int64_t ignored;
    enum po_status st = PO_OK;

    (void)write_time; /* a key has the time of its last change */
    if (is_removal)
        st = put_removal(windows, &removal, err);
    if (st == PO_OK)
        st = po_reg_parse(&reg, is_removal ? removal.bytes : bytes,
                          is_removal ? removal.size : size, PO_REG_CODE_PAGE_AUTO, err);
    if (st == PO_OK)
        st = windows_registry_export(host, former, &ignored, err);
    /* There need be no key yet: then the import makes it. */
    if (st == PO_E_IO && err->os_code == ENOENT) {
        po_buf_clear(former);
        st = PO_OK;
    }
    if (st == PO_OK)
        st = po_win32_registry_write(reg, windows->key, how == PO_REGISTRY_EXACT && !is_removal,
                                     err);
    po_reg_free(reg);
    po_buf_deinit(&removal);
    return st;
}

/* ---- opening ---- */

static const struct po_host_ops windows_ops = {
    .kind = "windows",
    .free = windows_free,
    .identity = windows_identity,
    .check_admin = windows_check_admin,
    .place = windows_place,
    .service_count = windows_service_count,
    .service = windows_service,
    .service_state = windows_service_state,
    .service_stop = windows_service_stop,
    .service_start = windows_service_start,
    .registry_export = windows_registry_export,
    .registry_omissions = windows_registry_omissions,
    .registry_import = windows_registry_import,
    .rights = &po_win32_rights_ops,
    .reboot = &po_win32_reboot_ops,
    .report = po_win32_host_report,
};

static const char *
start_name(const struct po_win32_service *service)
{
    switch (service->start_type) {
    case SERVICE_AUTO_START:
        return "automatic";
    case SERVICE_DEMAND_START:
        return "manual";
    case SERVICE_DISABLED:
        return "disabled";
    default:
        return NULL;
    }
}

/* For the record alone: what cannot be told is left out. */
static void
look_at_service(struct po_win32_host *windows, int number)
{
    struct po_service *service = &windows->services[number];
    struct po_buf *dependents = &windows->recorded[number];
    struct po_err ignored;

    if (po_win32_service_process(&windows->found[number], &service->process_id, &ignored) != PO_OK)
        service->process_id = 0;
    if (po_win32_service_dependents(&windows->found[number], dependents, &ignored) == PO_OK &&
        !dependents->failed)
        service->dependents = dependents;
}

/* What is not found. req: R1: all of it is told at once. */
struct missing {
    struct po_err first;
    struct po_buf texts;
};

static void
miss(struct missing *missing, const struct po_err *failure)
{
    if (missing->first.status == PO_OK)
        missing->first = *failure;
    else
        po_buf_put_text(&missing->texts, "; ");
    po_buf_put_text(&missing->texts, failure->text);
}

static enum po_status
fail_missing(struct missing *missing, struct po_err *err)
{
    const char *text = po_buf_text(&missing->texts);

    *err = missing->first;
    if (err->status != PO_E_NOMEM && !missing->texts.failed)
        (void)snprintf(err->text, sizeof err->text, "%s", text);
    return err->status;
}

static void
find_services(struct po_win32_host *windows, const struct po_host_windows_options *options,
              struct missing *missing)
{
    static const char *const names[PO_WIN32_SERVICES] = {
        [PO_WIN32_SERVICE_MTA] = PO_WIN32_MTA, [PO_WIN32_SERVICE_PUF] = PO_WIN32_PUF
    };

    for (int i = 0; i < PO_WIN32_SERVICES; i++) {
        const char *name = options->services[i] != NULL ? options->services[i] : names[i];
        struct po_err failure;
        enum po_status st = po_win32_service_find(&windows->found[i], name, &failure);

        windows->services[i] = (struct po_service){ .name = windows->found[i].display_name,
                                                    .stop_timeout_s = STOP_TIMEOUT_S,
                                                    .start_timeout_s = START_TIMEOUT_S,
                                                    .tells_pending = true,
                                                    .key = windows->found[i].key,
                                                    .account = windows->found[i].account,
                                                    .start = start_name(&windows->found[i]) };
        if (st == PO_OK)
            look_at_service(windows, i);
        else
            miss(missing, &failure);
    }
}

/* '/' throughout: what the rest of the program takes apart. */
static char *
copy_path(const char *path)
{
    char *copy = path == NULL ? NULL : po_mem_strdup(path);

    for (char *c = copy; c != NULL && *c != '\0'; c++)
        if (*c == '\\')
            *c = '/';
    return copy;
}

/* Where they are is told by services too: without them the key alone is looked at. */
static void
find_places(struct po_win32_host *windows, const struct po_host_windows_options *options,
            struct missing *missing)
{
    struct po_reg *reg = NULL;
    struct po_err failure;
    enum po_status st = po_win32_registry_read(&reg, windows->key, NULL, NULL, &failure);
    bool has_services = missing->first.status == PO_OK;

    for (int part = PO_PART_BIN; part < PO_PART_COUNT; part++)
        windows->place[part] = copy_path(options->place[part]);
    if (st == PO_OK && has_services)
        st = po_win32_places_find(windows->place, reg, windows->found, PO_WIN32_SERVICES, &failure);
    /* As regedit shows it here: the first key of the document. */
    if (st == PO_OK && reg->key_count > 0)
        windows->place[PO_PART_REGISTRY] = po_mem_strdup(reg->keys[0].path);
    if (st == PO_OK && windows->place[PO_PART_REGISTRY] == NULL)
        st = po_fail_nomem(&failure, 0);
    if (st != PO_OK)
        miss(missing, &failure);
    po_reg_free(reg);
}

enum po_status
po_host_windows_open(struct po_host **out, const struct po_host_windows_options *options,
                     struct po_err *err)
{
    struct po_win32_host *windows = po_mem_new(1, sizeof(*windows));
    struct missing missing = { 0 };
    enum po_status st = PO_OK;

    if (windows == NULL)
        return po_fail_nomem(err, sizeof(*windows));
    windows->host.ops = &windows_ops;
    windows->key = po_mem_strdup(options->key != NULL ? options->key : PO_WIN32_KEY);
    if (windows->key == NULL)
        st = po_fail_nomem(err, 0);
    if (st == PO_OK) {
        find_services(windows, options, &missing);
        find_places(windows, options, &missing);
        if (missing.first.status != PO_OK)
            st = fail_missing(&missing, err);
    }
    po_buf_deinit(&missing.texts);
    if (st != PO_OK) {
        windows_free(&windows->host);
        return st;
    }
    *out = &windows->host;
    return PO_OK;
}
