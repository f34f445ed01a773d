#include "fake_scm.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static struct fake *fake;

/* What handles point at: a service, its process, the manager. */
static char manager_place;
static char process_places[FAKE_MAX];

struct fake_service *
fake_find(struct fake *in, const wchar_t *key)
{
    for (int i = 0; i < FAKE_MAX; i++) {
        struct fake_service *service = &in->services[i];

        if (service->state != 0 && _wcsicmp(service->key, key) == 0)
            return service;
    }
    return NULL;
}

static struct fake_service *
service_of(SC_HANDLE handle)
{
    ck_assert_ptr_nonnull(handle);
    ck_assert_ptr_ne((void *)handle, &manager_place);
    return (void *)handle;
}

/* Counts a call; false when it is the one to fail. */
static bool
is_call_good(const char *function)
{
    if (++fake->calls != fake->fail_call)
        return true;
    fake->failed = function;
    SetLastError(fake->fail_code);
    return false;
}

static BOOL
refuse(DWORD code)
{
    SetLastError(code);
    return FALSE;
}

static void
write_log(const char *what, const struct fake_service *service)
{
    size_t used = strlen(fake->log);

    (void)snprintf(fake->log + used, sizeof(fake->log) - used, "%s %ls;", what, service->key);
}

/* ---- time ---- */

static void
become_stopped(struct fake_service *service)
{
    service->state = SERVICE_STOPPED;
    service->is_dead = false;
    service->process_end_at = fake->now + service->process_s;
}

static void
pass_time(void)
{
    for (int i = 0; i < FAKE_MAX; i++) {
        struct fake_service *service = &fake->services[i];
        double since = fake->now - service->began_at;

        if ((service->state == SERVICE_STOP_PENDING || service->is_dead) &&
            since >= service->stop_s)
            become_stopped(service);
        if (service->state == SERVICE_START_PENDING && since >= service->start_s)
            service->state = SERVICE_RUNNING;
    }
}

static double
fake_now(void)
{
    return fake->now;
}

static void
fake_sleep_ms(unsigned ms)
{
    fake->now += ms / 1000.0;
    pass_time();
}

static bool
has_process(const struct fake_service *service)
{
    if (service->is_dead)
        return false;
    return service->state != SERVICE_STOPPED || fake->now < service->process_end_at;
}

/* ---- the manager ---- */

static SC_HANDLE
new_handle(void *to)
{
    fake->open_handles++;
    return to;
}

static SC_HANDLE WINAPI
fake_open_manager(LPCWSTR machine, LPCWSTR database, DWORD access)
{
    ck_assert_ptr_null(machine);
    ck_assert_ptr_null(database);
    ck_assert_uint_ne(access & SC_MANAGER_CONNECT, 0);
    return is_call_good(__func__) ? new_handle((void *)&manager_place) : NULL;
}

static SC_HANDLE WINAPI
fake_open_service(SC_HANDLE manager, LPCWSTR key, DWORD access)
{
    struct fake_service *service = fake_find(fake, key);

    ck_assert_ptr_eq((void *)manager, &manager_place);
    ck_assert_uint_ne(access, 0);
    if (!is_call_good(__func__))
        return NULL;
    if (service == NULL || service->open_code != 0) {
        SetLastError(service == NULL ? ERROR_SERVICE_DOES_NOT_EXIST : service->open_code);
        return NULL;
    }
    return new_handle((void *)service);
}

static BOOL WINAPI
fake_close(SC_HANDLE handle)
{
    ck_assert_ptr_nonnull(handle);
    fake->open_handles--;
    SetLastError(0); /* who looks at the error after closing is found out */
    return TRUE;
}

static BOOL WINAPI
fake_key_name(SC_HANDLE manager, LPCWSTR display_name, LPWSTR key, LPDWORD length)
{
    ck_assert_ptr_eq((void *)manager, &manager_place);
    if (!is_call_good(__func__))
        return FALSE;
    for (int i = 0; i < FAKE_MAX; i++) {
        struct fake_service *service = &fake->services[i];

        if (service->state == 0 || _wcsicmp(service->display_name, display_name) != 0)
            continue;
        ck_assert_uint_gt(*length, wcslen(service->key));
        memcpy(key, service->key, (wcslen(service->key) + 1) * sizeof(wchar_t));
        return TRUE;
    }
    return refuse(ERROR_SERVICE_DOES_NOT_EXIST);
}

static SERVICE_STATUS_PROCESS
status_of(const struct fake_service *service)
{
    double since = fake->now - service->began_at;
    bool is_pending =
        service->state == SERVICE_STOP_PENDING || service->state == SERVICE_START_PENDING;
    SERVICE_STATUS_PROCESS status = {
        .dwServiceType = service->type != 0 ? service->type : SERVICE_WIN32_OWN_PROCESS,
        .dwCurrentState = service->state,
        .dwProcessId = service->state != SERVICE_STOPPED ? service->process_id : 0,
        .dwWin32ExitCode = service->state == SERVICE_STOPPED ? service->exit_code : 0,
        .dwServiceSpecificExitCode = service->state == SERVICE_STOPPED ? service->own_exit_code : 0,
    };

    if (is_pending) {
        status.dwCheckPoint = service->step_s > 0 ? 1 + (DWORD)(since / service->step_s) : 1;
        status.dwWaitHint = service->wait_hint_ms;
    }
    return status;
}

/* As in Windows, the texts lie in the same memory; here they are constants that live on. */
static wchar_t *
text_of(const wchar_t *text)
{
    union {
        const wchar_t *in;
        wchar_t *out;
    } both = { text };

    return both.out;
}

static BOOL WINAPI
fake_list(SC_HANDLE manager, SC_ENUM_TYPE level, DWORD types, DWORD states, LPBYTE out, DWORD size,
          LPDWORD needed, LPDWORD count, LPDWORD resume, LPCWSTR group)
{
    ENUM_SERVICE_STATUS_PROCESSW *entries = (void *)out;
    DWORD at_once = fake->list_at_once != 0 ? fake->list_at_once : FAKE_MAX;

    ck_assert_ptr_eq((void *)manager, &manager_place);
    ck_assert_int_eq(level, SC_ENUM_PROCESS_INFO);
    ck_assert_uint_eq(types, SERVICE_WIN32);
    ck_assert_ptr_null(group);
    ck_assert_uint_ge(size, FAKE_MAX * sizeof(*entries));
    if (!is_call_good(__func__))
        return FALSE;
    *count = 0;
    *needed = 0;
    for (; *resume < FAKE_MAX; (*resume)++) {
        const struct fake_service *service = &fake->services[*resume];

        if (service->state == 0 || service->is_hidden ||
            (states == SERVICE_ACTIVE && service->state == SERVICE_STOPPED))
            continue;
        if (*count == at_once)
            return refuse(ERROR_MORE_DATA);
        entries[*count] =
            (ENUM_SERVICE_STATUS_PROCESSW){ text_of(service->key), text_of(service->display_name),
                                            status_of(service) };
        (*count)++;
    }
    *resume = 0;
    return TRUE;
}

static BOOL WINAPI
fake_config(SC_HANDLE handle, LPQUERY_SERVICE_CONFIGW out, DWORD size, LPDWORD needed)
{
    const struct fake_service *service = service_of(handle);

    ck_assert_uint_ge(size, sizeof(*out));
    *needed = 0;
    if (!is_call_good(__func__))
        return FALSE;
    *out = (QUERY_SERVICE_CONFIGW){ .dwStartType = SERVICE_AUTO_START,
                                    .lpDisplayName = text_of(service->display_name),
                                    .lpBinaryPathName = text_of(service->image_path),
                                    .lpServiceStartName = text_of(L".\\MailServer-user") };
    return TRUE;
}

static BOOL WINAPI
fake_status(SC_HANDLE handle, SC_STATUS_TYPE level, LPBYTE out, DWORD size, LPDWORD needed)
{
    SERVICE_STATUS_PROCESS status = status_of(service_of(handle));

    ck_assert_int_eq(level, SC_STATUS_PROCESS_INFO);
    ck_assert_uint_ge(size, sizeof(status));
    *needed = sizeof(status);
    if (!is_call_good(__func__))
        return FALSE;
    memcpy(out, &status, sizeof(status));
    return TRUE;
}

/* ---- dependents ---- */

static bool
depends_on(const struct fake_service *service, const struct fake_service *other)
{
    const struct fake_service *needed =
        service->state == 0 || service->needs == NULL ? NULL : fake_find(fake, service->needs);

    if (needed == NULL || needed == other)
        return needed != NULL;
    return !fake->names_direct_only && depends_on(needed, other);
}

static BOOL WINAPI
fake_dependents(SC_HANDLE handle, DWORD states, LPENUM_SERVICE_STATUSW out, DWORD size,
                LPDWORD needed, LPDWORD count)
{
    const struct fake_service *service = service_of(handle);
    const struct fake_service *found[FAKE_MAX];
    DWORD found_count = 0;

    ck_assert_uint_eq(states, SERVICE_ACTIVE);
    *count = 0;
    *needed = 0;
    if (!is_call_good(__func__))
        return FALSE;
    /* A service stands before those that depend on it in our list: so the reverse is right. */
    for (int i = FAKE_MAX; i-- > 0;)
        if (fake->services[i].state != SERVICE_STOPPED && depends_on(&fake->services[i], service))
            found[found_count++] = &fake->services[i];
    if (size < found_count * sizeof(*out)) {
        *needed = found_count * (DWORD)sizeof(*out);
        return refuse(ERROR_MORE_DATA);
    }
    for (DWORD i = 0; i < found_count; i++)
        out[i] = (ENUM_SERVICE_STATUSW){ .lpServiceName = text_of(found[i]->key),
                                         .lpDisplayName = text_of(found[i]->display_name) };
    *count = found_count;
    return TRUE;
}

/* ---- stopping and starting ---- */

static bool
is_needed(const struct fake_service *service)
{
    for (int i = 0; i < FAKE_MAX; i++)
        if (fake->services[i].state > SERVICE_STOPPED && depends_on(&fake->services[i], service))
            return true;
    return false;
}

static BOOL WINAPI
fake_control(SC_HANDLE handle, DWORD control, LPSERVICE_STATUS status)
{
    struct fake_service *service = service_of(handle);

    ck_assert_ptr_nonnull(status);
    ck_assert_uint_eq(control, SERVICE_CONTROL_STOP);
    fake->requests++;
    if (!is_call_good(__func__))
        return FALSE;
    if (service->state == SERVICE_STOPPED)
        return refuse(ERROR_SERVICE_NOT_ACTIVE);
    if (is_needed(service))
        return refuse(ERROR_DEPENDENT_SERVICES_RUNNING);
    if (service->control_code != 0) {
        DWORD code = service->control_code;

        if (service->control_times > 0 && --service->control_times == 0)
            service->control_code = 0;
        if (code == ERROR_SERVICE_NOT_ACTIVE)
            become_stopped(service);
        if (code != ERROR_SERVICE_REQUEST_TIMEOUT)
            return refuse(code);
    }
    if (service->state != SERVICE_RUNNING && service->state != SERVICE_PAUSED)
        return refuse(ERROR_SERVICE_CANNOT_ACCEPT_CTRL);
    write_log("stop", service);
    service->is_dead = service->dies;
    if (!service->ignores_stop) {
        service->state = SERVICE_STOP_PENDING;
        service->began_at = fake->now;
        pass_time();
    }
    return service->control_code != 0 ? refuse(service->control_code) : TRUE;
}

static BOOL WINAPI
fake_start(SC_HANDLE handle, DWORD count, LPCWSTR *arguments)
{
    struct fake_service *service = service_of(handle);

    ck_assert_uint_eq(count, 0);
    ck_assert_ptr_null(arguments);
    fake->requests++;
    if (!is_call_good(__func__))
        return FALSE;
    if (service->state != SERVICE_STOPPED && !(service->is_dead && fake->starts_dead))
        return refuse(ERROR_SERVICE_ALREADY_RUNNING);
    if (service->start_code != 0) {
        DWORD code = service->start_code;

        if (service->start_times > 0 && --service->start_times == 0)
            service->start_code = 0;
        return refuse(code);
    }
    write_log("start", service);
    service->is_dead = service->dies_at_start;
    if (service->ends_at_start)
        return TRUE;
    if (!service->keeps_process_id)
        service->process_id += 10;
    service->state = SERVICE_START_PENDING;
    service->began_at = fake->now;
    pass_time();
    return TRUE;
}

/* ---- processes ---- */

static struct fake_service *
service_of_process(DWORD id)
{
    for (int i = 0; i < FAKE_MAX; i++)
        if (fake->services[i].state != 0 && fake->services[i].process_id == id &&
            has_process(&fake->services[i]))
            return &fake->services[i];
    return NULL;
}

static HANDLE WINAPI
fake_open_process(DWORD access, DWORD id)
{
    const struct fake_service *service = service_of_process(id);

    ck_assert_uint_eq(access, SYNCHRONIZE);
    if (!is_call_good(__func__))
        return NULL;
    if (service == NULL || service->is_process_secret) {
        SetLastError(service == NULL ? ERROR_INVALID_PARAMETER : ERROR_ACCESS_DENIED);
        return NULL;
    }
    fake->open_handles++;
    return &process_places[service - fake->services];
}

static DWORD WINAPI
fake_wait(HANDLE process, DWORD timeout_ms)
{
    const struct fake_service *service = &fake->services[(char *)process - process_places];
    double until = fake->now + timeout_ms / 1000.0;

    if (!is_call_good(__func__))
        return WAIT_FAILED;
    if (!has_process(service))
        return WAIT_OBJECT_0;
    if (service->state == SERVICE_STOPPED && service->process_end_at <= until) {
        fake->now = service->process_end_at;
        return WAIT_OBJECT_0;
    }
    fake->now = until;
    pass_time();
    return WAIT_TIMEOUT;
}

static BOOL WINAPI
fake_close_process(HANDLE process)
{
    ck_assert_ptr_nonnull(process);
    fake->open_handles--;
    return TRUE;
}

static bool
fake_is_process(DWORD id)
{
    return service_of_process(id) != NULL;
}

void
fake_use(struct fake *machine)
{
    static const struct po_win32_scm table = {
        .open_manager = fake_open_manager,
        .open_service = fake_open_service,
        .close = fake_close,
        .key_name = fake_key_name,
        .list = fake_list,
        .config = fake_config,
        .status = fake_status,
        .dependents = fake_dependents,
        .control = fake_control,
        .start = fake_start,
        .open_process = fake_open_process,
        .wait = fake_wait,
        .close_process = fake_close_process,
        .is_process = fake_is_process,
        .now = fake_now,
        .sleep_ms = fake_sleep_ms,
    };

    fake = machine;
    po_win32_scm_replace(machine != NULL ? &table : NULL);
}
