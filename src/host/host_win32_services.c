/* Stopping and starting services. host_win32_scm.h has the rest. */
#include "host/host_win32_scm.h"

#include "base/mem.h"
#include "base/text.h"
#include "port/file_win32.h"

#include <string.h>

/*
 * Windows' advice is to look again after a tenth of the wait hint, and not more often than once a
 * second. But mail is down meanwhile, and looking costs nothing.
 */
#define POLL_FIRST_MS 10u
#define POLL_MIN_MS 50u
#define POLL_MAX_MS 250u
/* What a process gets to end at least, even when its service took all of the time to stop. */
#define PROCESS_WAIT_MIN_S 5.0
/* How long Windows has to notice that a process has ended, before we go by that. */
#define NOTICE_S 3.0
#define DEPENDENTS_ROUNDS_MAX 8

/* A service on its way to another state. */
struct change {
    const struct po_win32_scm *scm;
    struct po_win32_scm_service service;
    SERVICE_STATUS_PROCESS status; /* as it was told last */
    double deadline;               /* of scm->now() */
    double moved_at;               /* when state or checkpoint were others last */
    unsigned timeout_s;
    unsigned pause_ms;
    bool is_asked; /* for the change, and was not refused */
    DWORD reply;   /* what the manager last said to that when it was not success */

    DWORD process_id; /* its last process; 0 = none was seen */
    HANDLE process;   /* NULL when it may not be opened */
    bool is_shared;   /* it may have other services in it */
    bool is_gone;     /* it has ended */
    double gone_at;   /* when that was seen */
};

/* ---- looking ---- */

static void
forget_process(struct change *change)
{
    if (change->process != NULL)
        (void)change->scm->close_process(change->process);
    change->process = NULL;
    change->process_id = 0;
    change->is_gone = false;
}

/*
 * A process is opened while its service runs: the number of one that has ended may be another's
 * later.
 */
static void
check_process(struct change *change)
{
    const struct po_win32_scm *scm = change->scm;
    DWORD id = change->status.dwProcessId;
    bool is_gone;

    if (id != 0 && id != change->process_id) {
        forget_process(change);
        change->is_shared = (change->status.dwServiceType & SERVICE_WIN32_SHARE_PROCESS) != 0;
        change->process_id = id;
        change->process = scm->open_process(SYNCHRONIZE, id);
    }
    if (change->process_id == 0 || change->is_gone)
        return;
    if (change->process != NULL)
        is_gone = scm->wait(change->process, 0) == WAIT_OBJECT_0;
    else
        is_gone = !scm->is_process(change->process_id);
    if (is_gone)
        change->gone_at = scm->now();
    change->is_gone = is_gone;
}

/*
 * It has no process any more, and Windows does not say so yet. (Windows soon will; Wine never
 * does, but lets it be started again.)
 */
static bool
is_dead(const struct change *change)
{
    return change->status.dwCurrentState != SERVICE_STOPPED && change->is_gone &&
           change->status.dwProcessId == change->process_id;
}

/* So long that Windows will not say why it has ended, or the time is up. */
static bool
is_dead_for_long(const struct change *change)
{
    double now = change->scm->now();

    return is_dead(change) && (now - change->gone_at >= NOTICE_S || now >= change->deadline);
}

static enum po_status
look(struct change *change, struct po_err *err)
{
    SERVICE_STATUS_PROCESS status = { 0 };
    DWORD needed = 0;

    if (!change->scm->status(change->service.handle, SC_STATUS_PROCESS_INFO, (BYTE *)&status,
                             sizeof(status), &needed))
        return po_win32_scm_fail(err, GetLastError(), "ask for its state");
    if (status.dwCurrentState != change->status.dwCurrentState ||
        status.dwCheckPoint != change->status.dwCheckPoint)
        change->moved_at = change->scm->now();
    change->status = status;
    check_process(change);
    return PO_OK;
}

/* { 0 } is allowed at end_change; so is a change whose begin failed. */
static enum po_status
begin_change(struct change *change, const char *key, DWORD access, struct po_err *err)
{
    enum po_status st;

    change->scm = po_win32_scm();
    change->pause_ms = POLL_FIRST_MS;
    change->moved_at = change->scm->now();
    st = po_win32_scm_open(&change->service, key, SERVICE_QUERY_STATUS | access, err);
    return st == PO_OK ? look(change, err) : st;
}

static void
end_change(struct change *change)
{
    forget_process(change);
    po_win32_scm_close(&change->service);
}

static const char *
state_words(DWORD state)
{
    switch (state) {
    case SERVICE_STOPPED:
        return "stopped";
    case SERVICE_START_PENDING:
        return "still starting";
    case SERVICE_STOP_PENDING:
        return "still stopping";
    case SERVICE_RUNNING:
        return "still running";
    case SERVICE_PAUSED:
        return "paused";
    default:
        return "still pausing or continuing";
    }
}

/* The time is up. `verb` is what was asked for. */
static enum po_status
fail_late(const struct change *change, const char *verb, struct po_err *err)
{
    const SERVICE_STATUS_PROCESS *status = &change->status;
    double still_s = change->scm->now() - change->moved_at;
    const char *words = state_words(status->dwCurrentState);
    enum po_status st;

    if (is_dead(change))
        st = po_fail(err, PO_E_IO,
                     "its process (%lu) has ended, but after %u s Windows says that it is %s",
                     (unsigned long)change->process_id, change->timeout_s, words);
    else if (status->dwCurrentState == SERVICE_RUNNING || status->dwCurrentState == SERVICE_STOPPED)
        st = po_fail(err, PO_E_IO, "%s %u s after it was asked to %s", words, change->timeout_s,
                     verb);
    else if (still_s * 1000 > status->dwWaitHint)
        st = po_fail(err, PO_E_IO,
                     "%s after %u s, and it hangs: no progress for %.0f s (checkpoint %lu, wait "
                     "hint %lu ms); end its process (%lu), or give it more time",
                     words, change->timeout_s, still_s, (unsigned long)status->dwCheckPoint,
                     (unsigned long)status->dwWaitHint, (unsigned long)status->dwProcessId);
    else
        st = po_fail(err, PO_E_IO,
                     "%s after %u s, and it goes on (checkpoint %lu); give it more time", words,
                     change->timeout_s, (unsigned long)status->dwCheckPoint);
    if (change->reply != 0) {
        struct po_err reply;

        (void)po_win32_scm_fail(&reply, change->reply, verb);
        st = po_err_prefix(err, "%s", reply.text);
    }
    return st;
}

/* Waits a little and looks again; a failure when the time is up. */
static enum po_status
wait_and_look(struct change *change, const char *verb, struct po_err *err)
{
    double left_ms = (change->deadline - change->scm->now()) * 1000;
    unsigned most_ms = change->status.dwWaitHint / 10;

    if (left_ms <= 0)
        return fail_late(change, verb, err);
    if (most_ms < POLL_MIN_MS || most_ms > POLL_MAX_MS)
        most_ms = most_ms < POLL_MIN_MS ? POLL_MIN_MS : POLL_MAX_MS;
    if (change->pause_ms > most_ms)
        change->pause_ms = most_ms;
    change->scm->sleep_ms(change->pause_ms < left_ms ? change->pause_ms : (unsigned)left_ms + 1);
    change->pause_ms *= 2;
    return look(change, err);
}

enum po_status
po_win32_service_state(const struct po_win32_service *service, enum po_service_state *state,
                       struct po_err *err)
{
    struct change change = { 0 };
    enum po_status st = begin_change(&change, service->key, 0, err);

    if (st == PO_OK && change.status.dwCurrentState == SERVICE_PAUSED && !is_dead(&change))
        st = po_fail(err, PO_E_IO,
                     "it is paused, which could not be brought back; continue it or stop it first");
    if (st == PO_OK) {
        *state = PO_SERVICE_UNKNOWN;
        if (change.status.dwCurrentState == SERVICE_STOPPED || is_dead(&change))
            *state = PO_SERVICE_STOPPED;
        else if (change.status.dwCurrentState == SERVICE_RUNNING)
            *state = PO_SERVICE_RUNNING;
    }
    end_change(&change);
    return st;
}

enum po_status
po_win32_service_process(const struct po_win32_service *service, uint32_t *id, struct po_err *err)
{
    struct change change = { 0 };
    enum po_status st = begin_change(&change, service->key, 0, err);

    if (st == PO_OK)
        *id = is_dead(&change) ? 0 : change.status.dwProcessId;
    end_change(&change);
    return st;
}

/* ---- its process ---- */

struct sharers {
    DWORD process_id;
    size_t count;
};

static enum po_status
count_sharer(void *ctx, const ENUM_SERVICE_STATUS_PROCESSW *service, struct po_err *err)
{
    struct sharers *sharers = ctx;

    (void)err;
    if (service->ServiceStatusProcess.dwProcessId == sharers->process_id)
        sharers->count++;
    return PO_OK;
}

static DWORD
milliseconds_to(const struct po_win32_scm *scm, double deadline)
{
    double left_ms = (deadline - scm->now()) * 1000;

    if (left_ms <= 0)
        return 0;
    return left_ms < INT32_MAX ? (DWORD)left_ms + 1 : INT32_MAX;
}

/* A process that other services share lives on. */
static enum po_status
await_process(struct change *change, struct po_err *err)
{
    struct sharers sharers = { .process_id = change->process_id };
    const struct po_win32_scm *scm = change->scm;
    double deadline = scm->now() + PROCESS_WAIT_MIN_S;
    enum po_status st = PO_OK;

    if (deadline < change->deadline)
        deadline = change->deadline;
    if (change->process_id != 0 && change->is_shared && !change->is_gone)
        st = po_win32_scm_list(SERVICE_ACTIVE, count_sharer, &sharers, err);
    if (st != PO_OK || change->process_id == 0 || sharers.count > 0)
        return st;
    for (check_process(change); !change->is_gone; check_process(change)) {
        DWORD left_ms = milliseconds_to(scm, deadline);

        if (left_ms == 0)
            return po_fail(err, PO_E_IO,
                           "it has stopped, but its process (%lu) still runs; end it, or give it "
                           "more time",
                           (unsigned long)change->process_id);
        if (change->process == NULL)
            scm->sleep_ms(POLL_MIN_MS);
        else if (scm->wait(change->process, left_ms) == WAIT_FAILED)
            return po_fail_win32(err, GetLastError(), "it has stopped; wait for its process");
    }
    return PO_OK;
}

/* ---- stopping ---- */

static enum po_status
ask_to_stop(struct change *change, struct po_err *err)
{
    SERVICE_STATUS status;
    DWORD code = change->scm->control(change->service.handle, SERVICE_CONTROL_STOP, &status)
                     ? ERROR_SUCCESS
                     : GetLastError();

    change->reply = code;
    switch (code) {
    case ERROR_SERVICE_NOT_ACTIVE: /* it has died, or ended by itself */
        change->status.dwCurrentState = SERVICE_STOPPED;
        change->is_asked = true; /* it ran before */
        return PO_OK;
    case ERROR_SERVICE_CANNOT_ACCEPT_CTRL: /* it is on its way to another state: again later */
        return PO_OK;
    case ERROR_SUCCESS:
    case ERROR_SERVICE_REQUEST_TIMEOUT: /* it has got it, and does not answer, or died of it */
    case ERROR_BROKEN_PIPE:
    case ERROR_NO_DATA:
    case ERROR_PIPE_NOT_CONNECTED:
    case ERROR_PROCESS_ABORTED:
        change->is_asked = true;
        return PO_OK;
    default:
        return po_win32_scm_fail(err, code, "ask it to stop");
    }
}

/* Without its dependents. *was_asked: it ran, and now has stopped or may yet. */
static enum po_status
stop_one(const char *key, double deadline, unsigned timeout_s, bool *was_asked, struct po_err *err)
{
    struct change change = { .deadline = deadline, .timeout_s = timeout_s };
    enum po_status st = begin_change(&change, key, SERVICE_STOP, err);

    while (st == PO_OK && change.status.dwCurrentState != SERVICE_STOPPED &&
           !is_dead_for_long(&change)) {
        DWORD state = change.status.dwCurrentState;

        /* What is pending is waited for; a stop that is pending is not asked for again. */
        if (!change.is_asked && (state == SERVICE_RUNNING || state == SERVICE_PAUSED))
            st = ask_to_stop(&change, err);
        if (st == PO_OK && change.status.dwCurrentState != SERVICE_STOPPED)
            st = wait_and_look(&change, "stop", err);
    }
    if (st == PO_OK)
        st = await_process(&change, err);
    *was_asked = change.is_asked;
    end_change(&change);
    return st;
}

/* ---- dependents ---- */

/* Names one after the other, each with a NUL behind. */
static const char *
next_name(const struct po_buf *names, const char *name)
{
    const char *end = (const char *)names->bytes + names->size;

    if (name == NULL)
        return names->size > 0 ? (const char *)names->bytes : NULL;
    name += strlen(name) + 1;
    return name < end ? name : NULL;
}

static bool
has_name(const struct po_buf *names, const char *name)
{
    for (const char *one = next_name(names, NULL); one != NULL; one = next_name(names, one))
        if (po_text_is_equal_nocase(one, name))
            return true;
    return false;
}

/* Puts a name before all those from `start` on. */
static void
put_name_before(struct po_buf *names, size_t start, const char *name)
{
    size_t size = strlen(name) + 1;

    if (!po_buf_reserve(names, size))
        return;
    if (names->size > start)
        memmove(names->bytes + start + size, names->bytes + start, names->size - start);
    memcpy(names->bytes + start, name, size);
    names->size += size;
}

/* Those of one service that run, as Windows has them: in the order in which to stop them. */
static enum po_status
list_dependents(const char *key, ENUM_SERVICE_STATUSW **out, DWORD *count, struct po_err *err)
{
    const struct po_win32_scm *scm = po_win32_scm();
    struct po_win32_scm_service service = { 0 };
    ENUM_SERVICE_STATUSW *list = NULL;
    DWORD size = 0;
    DWORD code = ERROR_MORE_DATA;
    enum po_status st = po_win32_scm_open(&service, key, SERVICE_ENUMERATE_DEPENDENTS, err);

    /* More may start between two calls. */
    for (int round = 0; st == PO_OK && code == ERROR_MORE_DATA; round++) {
        DWORD needed = 0;

        code = scm->dependents(service.handle, SERVICE_ACTIVE, list, size, &needed, count)
                   ? ERROR_SUCCESS
                   : GetLastError();
        if (code == ERROR_SUCCESS)
            break;
        if (code != ERROR_MORE_DATA || round == DEPENDENTS_ROUNDS_MAX) {
            st = po_win32_scm_fail(err, code, "list the services that depend on it");
            break;
        }
        po_mem_free(list);
        size = needed;
        list = po_mem_new(size, 1);
        if (list == NULL)
            st = po_fail_nomem(err, size);
    }
    po_win32_scm_close(&service);
    if (st != PO_OK) {
        po_mem_free(list);
        return st;
    }
    *out = list;
    return PO_OK;
}

/*
 * Appends to `order` all that depend on this one, in the order in which to stop them. Windows names
 * those that depend through others too, by all that is known of it; who relies on that would stop
 * half of a chain if it were not so.
 */
static enum po_status
gather_dependents(struct po_buf *order, struct po_buf *seen, const char *key, struct po_err *err)
{
    ENUM_SERVICE_STATUSW *list = NULL;
    struct po_buf name = { 0 };
    DWORD count = 0;
    enum po_status st;

    po_buf_put(seen, key, strlen(key) + 1);
    st = po_buf_check(seen, err);
    if (st == PO_OK)
        st = list_dependents(key, &list, &count, err);
    for (DWORD i = 0; st == PO_OK && i < count; i++) {
        po_buf_clear(&name);
        po_wide_put(&name, list[i].lpServiceName, wcslen(list[i].lpServiceName));
        po_buf_put_u8(&name, 0);
        st = po_buf_check(&name, err);
        if (st != PO_OK || has_name(seen, (const char *)name.bytes))
            continue;
        st = gather_dependents(order, seen, (const char *)name.bytes, err);
        if (st == PO_OK) {
            po_buf_put(order, name.bytes, name.size);
            st = po_buf_check(order, err);
        } else {
            st = po_err_prefix(err, "service %s, which depends on it", (const char *)name.bytes);
        }
    }
    po_buf_deinit(&name);
    po_mem_free(list);
    return st;
}

static enum po_status
find_dependents(struct po_buf *order, const struct po_win32_service *service, struct po_err *err)
{
    struct po_buf seen = { 0 };
    enum po_status st = gather_dependents(order, &seen, service->key, err);

    po_buf_deinit(&seen);
    return st;
}

enum po_status
po_win32_service_dependents(const struct po_win32_service *service, struct po_buf *out,
                            struct po_err *err)
{
    struct po_buf order = { 0 };
    size_t start = out->size;
    enum po_status st = find_dependents(&order, service, err);

    for (const char *name = next_name(&order, NULL); st == PO_OK && name != NULL;
         name = next_name(&order, name)) {
        put_name_before(out, start, name);
        st = po_buf_check(out, err);
    }
    po_buf_deinit(&order);
    return st;
}

/* req: B2 */
enum po_status
po_win32_service_stop(const struct po_win32_service *service, unsigned timeout_s,
                      struct po_buf *dependents, struct po_err *err)
{
    double deadline = po_win32_scm()->now() + timeout_s;
    struct change change = { 0 };
    struct po_buf order = { 0 };
    size_t start = dependents->size;
    bool was_asked = false;
    enum po_status st = begin_change(&change, service->key, 0, err);
    bool is_stopped = change.status.dwCurrentState == SERVICE_STOPPED;

    end_change(&change);
    if (st != PO_OK || is_stopped)
        return st;
    st = find_dependents(&order, service, err);
    /* Before anything is stopped: what was stopped can be told, whatever happens. */
    if (st == PO_OK && !po_buf_reserve(dependents, order.size))
        st = po_fail_nomem(err, order.size);
    for (const char *name = next_name(&order, NULL); st == PO_OK && name != NULL;
         name = next_name(&order, name)) {
        st = stop_one(name, deadline, timeout_s, &was_asked, err);
        if (was_asked)
            put_name_before(dependents, start, name);
        if (st != PO_OK)
            st = po_err_prefix(err, "service %s, which depends on it", name);
    }
    if (st == PO_OK)
        st = stop_one(service->key, deadline, timeout_s, &was_asked, err);
    po_buf_deinit(&order);
    return st;
}

/* ---- starting ---- */

static enum po_status
ask_to_start(struct change *change, struct po_err *err)
{
    DWORD code =
        change->scm->start(change->service.handle, 0, NULL) ? ERROR_SUCCESS : GetLastError();

    change->reply = code;
    switch (code) {
    case ERROR_SUCCESS:
        change->is_asked = true;
        forget_process(change); /* the new one may have its number */
        return PO_OK;
    case ERROR_SERVICE_ALREADY_RUNNING: /* somebody else has started it, or it is still ending */
    case ERROR_SERVICE_DATABASE_LOCKED: /* again later */
        return PO_OK;
    default:
        return po_win32_scm_fail(err, code, "start it");
    }
}

/* It has been started, and is stopped. */
static enum po_status
fail_ended(const struct change *change, struct po_err *err)
{
    DWORD code = change->status.dwWin32ExitCode;
    DWORD own = change->status.dwServiceSpecificExitCode;

    if (code == ERROR_SERVICE_SPECIFIC_ERROR)
        return po_fail(err, PO_E_IO,
                       "it ended while it was started, with exit code %lu (0x%lX) of its own; its "
                       "log may say why",
                       (unsigned long)own, (unsigned long)own);
    if (code == ERROR_SUCCESS)
        return po_fail(err, PO_E_IO,
                       "it ended while it was started, without an exit code; its log may say why");
    return po_win32_scm_fail(err, code, "it ended while it was started");
}

/* req: B7 */
enum po_status
po_win32_service_start(const struct po_win32_service *service, unsigned timeout_s,
                       struct po_err *err)
{
    struct change change = { .deadline = po_win32_scm()->now() + timeout_s,
                             .timeout_s = timeout_s };
    enum po_status st = begin_change(&change, service->key, SERVICE_START, err);

    while (st == PO_OK && (change.status.dwCurrentState != SERVICE_RUNNING || is_dead(&change))) {
        DWORD state = change.status.dwCurrentState;
        bool is_stopped = state == SERVICE_STOPPED || is_dead(&change);

        /* Windows is given a moment to find out why it has ended. */
        if (is_stopped && change.is_asked &&
            (state == SERVICE_STOPPED || is_dead_for_long(&change)))
            st = fail_ended(&change, err);
        else if (is_stopped && !change.is_asked)
            st = ask_to_start(&change, err);
        else if (state == SERVICE_PAUSED)
            st = po_fail(err, PO_E_IO, "it is paused; continue it (services.msc)");
        if (st == PO_OK)
            st = wait_and_look(&change, "start", err);
    }
    end_change(&change);
    return st;
}
