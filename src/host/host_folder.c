#include "host/host.h"

#include "base/mem.h"
#include "host/host_folder_file.h"
#include "host/host_folder_ini.h"
#include "host/host_folder_registry.h"
#include "port/file.h"
#include "port/sys.h"
#include "registry/reg.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define INI_NAME "pobackup-site.ini"
#define IDENTITY_PREFIX "folder:"

/* A status command that takes longer has not answered. */
#define STATUS_TIMEOUT_MS 10000u
/* What even the last status command before the end of the waiting gets. */
#define STATUS_TIMEOUT_MIN_MS 1000u
#define POLL_MIN_MS 50u
#define POLL_MAX_MS 200u

/* How much of a command's output a message shows. */
#define TAIL_LINES 4
#define TAIL_SIZE 300

#define REGISTRY_MODE 0600u /* it holds password hashes */

struct folder {
    struct po_host host; /* first: a struct po_host * of ours is a struct folder * */
    char *path;          /* absolute, free of links */
    char *identity;      /* "folder:" and that */
    char *place[PO_PART_COUNT];
    struct po_host_folder_ini ini;
};

/* One way to change a service's state, so that stop and start are one piece of code. */
struct change {
    const char *verb; /* the key of its command */
    const char *command;
    enum po_service_state wanted;
    unsigned timeout_s;
    double deadline; /* po_sys_monotonic */
};

static struct folder *
folder_of(struct po_host *host)
{
    return (struct folder *)host;
}

static void
folder_free(struct po_host *host)
{
    struct folder *folder = folder_of(host);

    if (folder == NULL)
        return;
    for (int part = 0; part < PO_PART_COUNT; part++)
        po_mem_free(folder->place[part]);
    po_host_folder_ini_deinit(&folder->ini);
    po_mem_free(folder->identity);
    po_mem_free(folder->path);
    po_mem_free(folder);
}

static const char *
folder_identity(struct po_host *host)
{
    return folder_of(host)->identity;
}

static const char *
folder_place(struct po_host *host, enum po_part part)
{
    return folder_of(host)->place[part];
}

static const char *
folder_known_place(struct po_host *host, enum po_part part)
{
    return folder_of(host)->ini.known[part];
}

static size_t
folder_service_count(struct po_host *host)
{
    return folder_of(host)->ini.service_count;
}

static const struct po_service *
folder_service(struct po_host *host, size_t number)
{
    struct folder *folder = folder_of(host);

    return number < folder->ini.service_count ? &folder->ini.services[number].service : NULL;
}

/* ---- services ---- */

/* NULL, and *err says so, when there is no such service. */
static const struct po_host_folder_service *
find_service(const struct folder *folder, size_t number, struct po_err *err)
{
    if (number < folder->ini.service_count)
        return &folder->ini.services[number];
    po_fail(err, PO_E_USAGE, "service %zu of %zu", number, folder->ini.service_count);
    return NULL;
}

/* The last lines of a command's output as one, behind ": "; nothing when there are none. */
static void
put_tail(struct po_buf *out, const struct po_buf *output)
{
    size_t end = output->size;
    size_t start;
    int lines = 0;

    while (end > 0 && output->bytes[end - 1] <= ' ')
        end--;
    for (start = end; start > 0 && end - start < TAIL_SIZE; start--) {
        if (output->bytes[start - 1] == '\n' && ++lines == TAIL_LINES)
            break;
    }
    if (start == end)
        return;
    po_buf_put_text(out, ": ");
    for (; start < end; start++) {
        uint8_t byte = output->bytes[start];

        if (byte == '\n')
            po_buf_put_text(out, " | ");
        else if (byte != '\r')
            po_buf_put_u8(out, byte);
    }
}

static enum po_status
query_state(const struct folder *folder, const struct po_host_folder_service *service,
            unsigned timeout_ms, enum po_service_state *state, struct po_err *err)
{
    struct po_command_result result = { 0 };
    struct po_buf output = { 0 };
    enum po_status st =
        po_sys_run(service->status, folder->path, timeout_ms, &result, &output, err);

    po_buf_deinit(&output);
    if (st != PO_OK)
        return po_err_prefix(err, "status command \"%s\"", service->status);
    *state = PO_SERVICE_UNKNOWN;
    /* The exit codes of the Linux Standard Base for init scripts. */
    if (!result.timed_out && result.exit_code == 0)
        *state = PO_SERVICE_RUNNING;
    else if (!result.timed_out && result.exit_code == 3)
        *state = PO_SERVICE_STOPPED;
    return PO_OK;
}

static unsigned
milliseconds_left(const struct change *change)
{
    double left = (change->deadline - po_sys_monotonic()) * 1000;

    return left > 0 ? (unsigned)left : 0;
}

/* Runs the command itself. */
static enum po_status
run_change(const struct folder *folder, const struct change *change, struct po_err *err)
{
    struct po_command_result result = { 0 };
    struct po_buf output = { 0 };
    struct po_buf tail = { 0 };
    enum po_status st =
        po_sys_run(change->command, folder->path, milliseconds_left(change), &result, &output, err);

    if (st != PO_OK) {
        st = po_err_prefix(err, "%s command \"%s\"", change->verb, change->command);
        goto done;
    }
    put_tail(&tail, &output);
    if (result.timed_out)
        st = po_fail(err, PO_E_IO, "%s command \"%s\" did not end within %u s and was ended%s",
                     change->verb, change->command, change->timeout_s, po_buf_text(&tail));
    else if (result.exit_code < 0)
        st = po_fail(err, PO_E_IO, "%s command \"%s\" was ended by a signal%s", change->verb,
                     change->command, po_buf_text(&tail));
    else if (result.exit_code != 0)
        st = po_fail(err, PO_E_IO, "%s command \"%s\" ended with exit code %d%s", change->verb,
                     change->command, result.exit_code, po_buf_text(&tail));
done:
    po_buf_deinit(&tail);
    po_buf_deinit(&output);
    return st;
}

/*
 * Asks for the state until it is the wanted one: a command that has ended has often only asked for
 * it.
 */
static enum po_status
await_state(const struct folder *folder, const struct po_host_folder_service *service,
            const struct change *change, struct po_err *err)
{
    unsigned pause_ms = POLL_MIN_MS;

    for (;;) {
        enum po_service_state state = PO_SERVICE_UNKNOWN;
        unsigned left_ms = milliseconds_left(change);
        unsigned timeout_ms = left_ms < STATUS_TIMEOUT_MS ? left_ms : STATUS_TIMEOUT_MS;
        enum po_status st;

        if (timeout_ms < STATUS_TIMEOUT_MIN_MS)
            timeout_ms = STATUS_TIMEOUT_MIN_MS;
        st = query_state(folder, service, timeout_ms, &state, err);
        if (st != PO_OK || state == change->wanted)
            return st;
        left_ms = milliseconds_left(change);
        if (left_ms == 0)
            return po_fail(err, PO_E_IO,
                           "not %s after %u s: %s command \"%s\" ended well, but status command "
                           "\"%s\" says %s",
                           po_service_state_name(change->wanted), change->timeout_s, change->verb,
                           change->command, service->status, po_service_state_name(state));
        po_sys_sleep_ms(pause_ms < left_ms ? pause_ms : left_ms);
        pause_ms = pause_ms * 2 < POLL_MAX_MS ? pause_ms * 2 : POLL_MAX_MS;
    }
}

/* Fills in the rest of *change, which has verb, command and wanted state. */
static enum po_status
change_service(const struct folder *folder, const struct po_host_folder_service *service,
               struct change *change, unsigned timeout_s, unsigned default_timeout_s,
               struct po_err *err)
{
    enum po_service_state state = PO_SERVICE_UNKNOWN;
    enum po_status st = query_state(folder, service, STATUS_TIMEOUT_MS, &state, err);

    if (st != PO_OK || state == change->wanted)
        return st;
    change->timeout_s = timeout_s != 0 ? timeout_s : default_timeout_s;
    if (change->timeout_s > PO_HOST_FOLDER_TIMEOUT_MAX_S)
        change->timeout_s = PO_HOST_FOLDER_TIMEOUT_MAX_S;
    change->deadline = po_sys_monotonic() + change->timeout_s;
    st = run_change(folder, change, err);
    return st == PO_OK ? await_state(folder, service, change, err) : st;
}

static enum po_status
folder_service_state(struct po_host *host, size_t number, enum po_service_state *state,
                     struct po_err *err)
{
    const struct po_host_folder_service *service = find_service(folder_of(host), number, err);

    if (service == NULL)
        return err->status;
    return query_state(folder_of(host), service, STATUS_TIMEOUT_MS, state, err);
}

static enum po_status
folder_service_stop(struct po_host *host, size_t number, unsigned timeout_s, struct po_err *err)
{
    const struct po_host_folder_service *service = find_service(folder_of(host), number, err);
    struct change change = { .verb = "stop", .wanted = PO_SERVICE_STOPPED };

    if (service == NULL)
        return err->status;
    change.command = service->stop;
    return change_service(folder_of(host), service, &change, timeout_s,
                          service->service.stop_timeout_s, err);
}

static enum po_status
folder_service_start(struct po_host *host, size_t number, unsigned timeout_s, struct po_err *err)
{
    const struct po_host_folder_service *service = find_service(folder_of(host), number, err);
    struct change change = { .verb = "start", .wanted = PO_SERVICE_RUNNING };

    if (service == NULL)
        return err->status;
    change.command = service->start;
    return change_service(folder_of(host), service, &change, timeout_s,
                          service->service.start_timeout_s, err);
}

/* ---- registry ---- */

static enum po_status
registry_place(struct folder *folder, const char **place, struct po_err *err)
{
    *place = folder->place[PO_PART_REGISTRY];
    if (*place == NULL)
        return po_fail(err, PO_E_IO, "%s: the site has no registry (\"none\" in " INI_NAME ")",
                       folder->path);
    return PO_OK;
}

static enum po_status
folder_registry_export(struct po_host *host, struct po_buf *out, int64_t *write_time,
                       struct po_err *err)
{
    const char *place = NULL;
    struct po_node_info info;
    bool exists = false;
    enum po_status st = registry_place(folder_of(host), &place, err);

    if (st != PO_OK)
        return st;
    st = po_host_folder_file_read(place, PO_REG_SIZE_MAX, out, &exists, &info, err);
    if (st == PO_OK && !exists) {
        st = po_fail(err, PO_E_IO, "%s: no such file", place);
        err->os_code = ENOENT;
    }
    if (st == PO_OK)
        *write_time = info.write_time;
    return st;
}

static enum po_status
folder_registry_import(struct po_host *host, const void *bytes, size_t size, int64_t write_time,
                       enum po_registry_how how, struct po_buf *former, struct po_err *err)
{
    const char *place = NULL;
    struct po_buf joined = { 0 };
    struct po_node_info info;
    bool exists = false;
    enum po_status st = registry_place(folder_of(host), &place, err);

    if (st != PO_OK)
        return st;
    st = po_host_folder_file_read(place, PO_REG_SIZE_MAX, former, &exists, &info, err);
    if (st != PO_OK)
        return st;
    if (size == 0 && how == PO_REGISTRY_EXACT)
        return po_host_folder_file_remove(place, err);
    st = po_host_folder_registry_join(&joined, former, bytes, size, how, err);
    if (st == PO_OK && joined.size > 0) {
        bytes = joined.bytes;
        size = joined.size;
    }
    if (st == PO_OK)
        st = po_host_folder_file_replace(place, bytes, size, exists ? &info : NULL, REGISTRY_MODE,
                                         write_time, err);
    po_buf_deinit(&joined);
    return st;
}

/* ---- opening ---- */

static const struct po_host_ops folder_ops = {
    .kind = "folder",
    .free = folder_free,
    .identity = folder_identity,
    .place = folder_place,
    .known_place = folder_known_place,
    .service_count = folder_service_count,
    .service = folder_service,
    .service_state = folder_service_state,
    .service_stop = folder_service_stop,
    .service_start = folder_service_start,
    .registry_export = folder_registry_export,
    .registry_import = folder_registry_import,
};

static enum po_status
set_identity(struct folder *folder, struct po_err *err)
{
    size_t size = sizeof(IDENTITY_PREFIX) + strlen(folder->path);

    folder->identity = po_mem_new(size, 1);
    if (folder->identity == NULL)
        return po_fail_nomem(err, size);
    (void)snprintf(folder->identity, size, IDENTITY_PREFIX "%s", folder->path);
    return PO_OK;
}

/* `path` as the user gave it must be a directory that is there; then its absolute form is kept. */
static enum po_status
set_path(struct folder *folder, const char *path, struct po_err *err)
{
    struct po_node_info info = { 0 };
    bool exists = false;
    enum po_status st = po_os_stat(path, &info, &exists, err);

    if (st != PO_OK)
        return st;
    if (!exists)
        return po_fail(err, PO_E_USAGE, "%s: no such folder", path);
    if (info.type != PO_NODE_DIRECTORY)
        return po_fail(err, PO_E_USAGE, "%s: not a folder", path);
    st = po_os_path_real(&folder->path, path, err);
    return st == PO_OK ? set_identity(folder, err) : st;
}

/* A registry file that is a link: what it leads to is read, so that is replaced too. */
static enum po_status
follow_registry(struct folder *folder, struct po_err *err)
{
    char **place = &folder->place[PO_PART_REGISTRY];
    struct po_node_info info;
    char *real = NULL;
    bool exists = false;
    struct po_err failure;
    enum po_status st;

    if (*place == NULL || po_os_stat(*place, &info, &exists, &failure) != PO_OK || !exists)
        return PO_OK;
    st = po_os_path_real(&real, *place, err);
    if (st != PO_OK)
        return st;
    po_mem_free(*place);
    *place = real;
    return PO_OK;
}

static enum po_status
set_places(struct folder *folder, struct po_err *err)
{
    for (int part = 0; part < PO_PART_COUNT; part++) {
        const char *tree = folder->ini.tree[part];

        if (tree != NULL && strcmp(tree, "none") == 0)
            continue;
        if (tree == NULL)
            tree = po_part_member((enum po_part)part);
        folder->place[part] = po_os_path_join(folder->path, tree);
        if (folder->place[part] == NULL)
            return po_fail_nomem(err, strlen(folder->path) + strlen(tree));
    }
    return follow_registry(folder, err);
}

enum po_status
po_host_folder_open(struct po_host **out, const char *folder, struct po_err *err)
{
    struct folder *opened = NULL;
    char *ini_path = NULL;
    enum po_status st;

    opened = po_mem_new(1, sizeof(*opened));
    if (opened == NULL) {
        st = po_fail_nomem(err, sizeof(*opened));
        goto done;
    }
    opened->host.ops = &folder_ops;
    st = set_path(opened, folder, err);
    if (st != PO_OK)
        goto done;
    ini_path = po_os_path_join(opened->path, INI_NAME);
    if (ini_path == NULL) {
        st = po_fail_nomem(err, strlen(opened->path));
        goto done;
    }
    st = po_host_folder_ini_load(&opened->ini, ini_path, err);
    if (st != PO_OK)
        goto done;
    st = set_places(opened, err);
    if (st != PO_OK)
        goto done;
    *out = &opened->host;
    opened = NULL;
done:
    if (opened != NULL)
        folder_free(&opened->host);
    po_mem_free(ini_path);
    return st;
}
