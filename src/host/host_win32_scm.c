/* The service control manager: its table, what it says, and finding services. */
#include "host/host_win32_scm.h"

#include "base/mem.h"
#include "port/file_win32.h"
#include "port/sys.h"

#include <string.h>

/* What the manager's own functions take at most in Server 2003. */
#define LIST_SIZE ((DWORD)64 * 1024)
#define CONFIG_SIZE ((DWORD)8 * 1024)
#define NAME_LENGTH_MAX 256

/* ---- the table ---- */

static const struct po_win32_scm windows = {
    .open_manager = OpenSCManagerW,
    .open_service = OpenServiceW,
    .close = CloseServiceHandle,
    .key_name = GetServiceKeyNameW,
    .list = EnumServicesStatusExW,
    .config = QueryServiceConfigW,
    .status = QueryServiceStatusEx,
    .dependents = EnumDependentServicesW,
    .control = ControlService,
    .start = StartServiceW,
    .open_process = po_win32_process_open,
    .wait = WaitForSingleObject,
    .close_process = CloseHandle,
    .is_process = po_win32_process_exists,
    .now = po_sys_monotonic,
    .sleep_ms = po_sys_sleep_ms,
};

/* Changed by tests only. */
static const struct po_win32_scm *in_use = &windows;

const struct po_win32_scm *
po_win32_scm(void)
{
    return in_use;
}

void
po_win32_scm_replace(const struct po_win32_scm *scm)
{
    in_use = scm != NULL ? scm : &windows;
}

/* ---- what it says ---- */

enum po_status
po_win32_scm_fail(struct po_err *err, DWORD code, const char *doing)
{
    static const struct {
        DWORD code;
        const char *meaning;
    } known[] = {
        { ERROR_ACCESS_DENIED,
          "this account may not do that; run as a local Administrator (\"Run as administrator\")" },
        { ERROR_DEPENDENT_SERVICES_RUNNING,
          "a service that depends on it has been started meanwhile; stop that one first" },
        { ERROR_INVALID_SERVICE_CONTROL,
          "it does not let itself be stopped; stop it by its own means, or wait until it lets" },
        { ERROR_SERVICE_REQUEST_TIMEOUT,
          "it does not answer; look into its log, or end its process" },
        { ERROR_SERVICE_ALREADY_RUNNING, "Windows says that it runs already, and it does not; "
                                         "its process may still be ending" },
        { ERROR_SERVICE_DATABASE_LOCKED,
          "another program has locked the list of services; end that one, or wait" },
        { ERROR_SERVICE_DISABLED,
          "it is disabled; set its start type to automatic or manual (services.msc)" },
        { ERROR_SERVICE_DOES_NOT_EXIST, "there is no such service" },
        { ERROR_SERVICE_CANNOT_ACCEPT_CTRL,
          "it takes no requests now; try again later, or end its process" },
        { ERROR_SERVICE_DEPENDENCY_FAIL,
          "a service that it depends on did not start; start that one first" },
        { ERROR_SERVICE_LOGON_FAILED,
          "its account cannot log on; set the account's password again (services.msc, Log On)" },
        { ERROR_SERVICE_MARKED_FOR_DELETE,
          "it is being deleted; close services.msc and other programs that look at it" },
        { ERROR_SHUTDOWN_IN_PROGRESS, "Windows is being shut down" },
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (known[i].code == code)
            return po_fail_win32(err, code, "%s: %s", doing, known[i].meaning);
    return po_fail_win32(err, code, "%s", doing);
}

/* ---- opening ---- */

static enum po_status
open_manager(SC_HANDLE *out, DWORD access, struct po_err *err)
{
    *out = in_use->open_manager(NULL, NULL, SC_MANAGER_CONNECT | access);
    if (*out == NULL)
        return po_win32_scm_fail(err, GetLastError(), "open the service control manager");
    return PO_OK;
}

enum po_status
po_win32_scm_open(struct po_win32_scm_service *out, const char *key, DWORD access,
                  struct po_err *err)
{
    struct po_win32_scm_service opened = { 0 };
    struct po_wide wide = { 0 };
    enum po_status st = po_wide_from_text(&wide, key, strlen(key), err);

    if (st == PO_OK)
        st = open_manager(&opened.manager, 0, err);
    if (st == PO_OK) {
        opened.handle = in_use->open_service(opened.manager, wide.text, access);
        if (opened.handle == NULL)
            st = po_win32_scm_fail(err, GetLastError(), "open it");
    }
    po_wide_free(&wide);
    if (st != PO_OK)
        po_win32_scm_close(&opened);
    else
        *out = opened;
    return st;
}

void
po_win32_scm_close(struct po_win32_scm_service *service)
{
    if (service->handle != NULL)
        (void)in_use->close(service->handle);
    if (service->manager != NULL)
        (void)in_use->close(service->manager);
    *service = (struct po_win32_scm_service){ 0 };
}

/* ---- all services ---- */

static enum po_status
list_all(SC_HANDLE manager, BYTE *bytes, DWORD states, po_win32_scm_each_fn each, void *ctx,
         struct po_err *err)
{
    const ENUM_SERVICE_STATUS_PROCESSW *services = (const void *)bytes;
    DWORD resume = 0;
    DWORD code;

    do {
        DWORD needed = 0;
        DWORD count = 0;
        BOOL is_all = in_use->list(manager, SC_ENUM_PROCESS_INFO, SERVICE_WIN32, states, bytes,
                                   LIST_SIZE, &needed, &count, &resume, NULL);

        code = is_all ? ERROR_SUCCESS : GetLastError();
        /* One entry always fits; none at all would go on for ever. */
        if (code != ERROR_SUCCESS && (code != ERROR_MORE_DATA || count == 0))
            return po_win32_scm_fail(err, code, "list the services");
        for (DWORD i = 0; i < count; i++) {
            enum po_status st = each(ctx, &services[i], err);

            if (st != PO_OK)
                return st;
        }
    } while (code == ERROR_MORE_DATA);
    return PO_OK;
}

enum po_status
po_win32_scm_list(DWORD states, po_win32_scm_each_fn each, void *ctx, struct po_err *err)
{
    SC_HANDLE manager = NULL;
    BYTE *bytes = po_mem_new(LIST_SIZE, 1);
    enum po_status st;

    if (bytes == NULL)
        return po_fail_nomem(err, LIST_SIZE);
    st = open_manager(&manager, SC_MANAGER_ENUMERATE_SERVICE, err);
    if (st == PO_OK) {
        st = list_all(manager, bytes, states, each, ctx, err);
        (void)in_use->close(manager);
    }
    po_mem_free(bytes);
    return st;
}

/* ---- finding ---- */

/* In ntdll since NT; the headers of MinGW lack it. */
NTSYSAPI BOOLEAN NTAPI RtlEqualUnicodeString(const UNICODE_STRING *a, const UNICODE_STRING *b,
                                             BOOLEAN is_nocase);

bool
po_win32_is_equal_nocase(const wchar_t *a, size_t a_length, const wchar_t *b, size_t b_length)
{
    UNICODE_STRING a_text = { 0 };
    UNICODE_STRING b_text = { 0 };
    union {
        const wchar_t *in;
        wchar_t *out;
    } a_start = { a }, b_start = { b }; /* RtlEqualUnicodeString only reads */

    if (a_length != b_length || a_length > UINT16_MAX / sizeof(wchar_t))
        return false;
    a_text.Buffer = a_start.out;
    b_text.Buffer = b_start.out;
    a_text.Length = a_text.MaximumLength = (USHORT)(a_length * sizeof(wchar_t));
    b_text.Length = b_text.MaximumLength = a_text.Length;
    return RtlEqualUnicodeString(&a_text, &b_text, TRUE) != 0;
}

struct finding {
    struct po_wide name; /* what is looked for */
    bool is_found;
    bool is_key; /* it is a key name, which goes before a displayed one */
    wchar_t key[NAME_LENGTH_MAX + 1];
};

static bool
is_name(const struct finding *finding, const wchar_t *text)
{
    return po_win32_is_equal_nocase(finding->name.text, finding->name.length, text, wcslen(text));
}

static enum po_status
match(void *ctx, const ENUM_SERVICE_STATUS_PROCESSW *service, struct po_err *err)
{
    struct finding *finding = ctx;
    size_t length = wcslen(service->lpServiceName);
    bool is_key = is_name(finding, service->lpServiceName);

    (void)err;
    if (length > NAME_LENGTH_MAX || finding->is_key ||
        (!is_key && !is_name(finding, service->lpDisplayName)))
        return PO_OK;
    finding->is_found = true;
    finding->is_key = is_key;
    memcpy(finding->key, service->lpServiceName, (length + 1) * sizeof(wchar_t));
    return PO_OK;
}

/*
 * Services that this account may not even see are not in the list; asked for by name, the manager
 * says that it may not, and not that there are none.
 */
static enum po_status
ask_for_key(struct finding *finding, struct po_err *err)
{
    SC_HANDLE manager = NULL;
    SC_HANDLE service = NULL;
    DWORD length = NAME_LENGTH_MAX;
    enum po_status st = open_manager(&manager, 0, err);

    if (st != PO_OK)
        return st;
    finding->is_found =
        in_use->key_name(manager, finding->name.text, finding->key, &length) != FALSE;
    if (!finding->is_found)
        service = in_use->open_service(manager, finding->name.text, SERVICE_QUERY_CONFIG);
    if (service != NULL && finding->name.length <= NAME_LENGTH_MAX) {
        finding->is_found = true;
        memcpy(finding->key, finding->name.text, (finding->name.length + 1) * sizeof(wchar_t));
    } else if (!finding->is_found && service == NULL) {
        DWORD code = GetLastError();

        if (code != ERROR_SERVICE_DOES_NOT_EXIST && code != ERROR_INVALID_NAME)
            st = po_win32_scm_fail(err, code, "open it");
    }
    if (service != NULL)
        (void)in_use->close(service);
    (void)in_use->close(manager);
    return st;
}

/* A copy as UTF-8; NULL for NULL and for nothing. */
static enum po_status
copy_text(char **out, const wchar_t *text, struct po_err *err)
{
    struct po_buf utf8 = { 0 };
    enum po_status st;

    if (text == NULL || text[0] == L'\0')
        return PO_OK;
    po_wide_put(&utf8, text, wcslen(text));
    st = po_buf_check(&utf8, err);
    if (st == PO_OK) {
        *out = po_mem_copy(utf8.bytes, utf8.size);
        if (*out == NULL)
            st = po_fail_nomem(err, utf8.size);
    }
    po_buf_deinit(&utf8);
    return st;
}

static enum po_status
read_config(struct po_win32_service *out, struct po_err *err)
{
    struct po_win32_scm_service service = { 0 };
    QUERY_SERVICE_CONFIGW *config = po_mem_new(CONFIG_SIZE, 1);
    DWORD needed = 0;
    enum po_status st;

    if (config == NULL)
        return po_fail_nomem(err, CONFIG_SIZE);
    st = po_win32_scm_open(&service, out->key, SERVICE_QUERY_CONFIG, err);
    if (st == PO_OK && !in_use->config(service.handle, config, CONFIG_SIZE, &needed))
        st = po_win32_scm_fail(err, GetLastError(), "read how it is set up");
    po_win32_scm_close(&service);
    if (st == PO_OK) {
        const wchar_t *display = config->lpDisplayName;

        out->start_type = config->dwStartType;
        if (display == NULL || display[0] == L'\0')
            out->display_name = po_mem_strdup(out->key);
        else
            st = copy_text(&out->display_name, display, err);
        if (st == PO_OK && out->display_name == NULL)
            st = po_fail_nomem(err, 0);
    }
    if (st == PO_OK)
        st = copy_text(&out->account, config->lpServiceStartName, err);
    if (st == PO_OK && config->lpBinaryPathName != NULL)
        st = po_win32_scm_program(&out->program, config->lpBinaryPathName, err);
    po_mem_free(config);
    return st;
}

enum po_status
po_win32_service_find(struct po_win32_service *out, const char *name, struct po_err *err)
{
    struct po_win32_service found = { 0 };
    struct finding finding = { 0 };
    enum po_status st = po_wide_from_text(&finding.name, name, strlen(name), err);

    if (st == PO_OK)
        st = po_win32_scm_list(SERVICE_STATE_ALL, match, &finding, err);
    if (st == PO_OK && !finding.is_found)
        st = ask_for_key(&finding, err);
    if (st == PO_OK && !finding.is_found)
        st = po_fail(err, PO_E_USAGE, "no service has the key name or displayed name \"%s\"", name);
    if (st == PO_OK)
        st = copy_text(&found.key, finding.key, err);
    if (st == PO_OK)
        st = read_config(&found, err);
    po_wide_free(&finding.name);
    if (st != PO_OK)
        po_win32_service_deinit(&found);
    else
        *out = found;
    return st;
}

void
po_win32_service_deinit(struct po_win32_service *service)
{
    po_mem_free(service->key);
    po_mem_free(service->display_name);
    po_mem_free(service->account);
    po_mem_free(service->program);
    *service = (struct po_win32_service){ 0 };
}

/* ---- the program of an ImagePath ---- */

#define EXE L".exe"
#define EXE_LENGTH 4

static bool
is_file(const wchar_t *path)
{
    DWORD attributes = GetFileAttributesW(path);

    return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) == 0;
}

/* With environment strings expanded, and room behind for ".exe". PO_E_NOMEM when NULL. */
static wchar_t *
expand(const wchar_t *text)
{
    DWORD size = ExpandEnvironmentStringsW(text, NULL, 0);
    wchar_t *expanded =
        size == 0 ? NULL : po_mem_new((size_t)size + EXE_LENGTH + 1, sizeof(*expanded));

    if (expanded != NULL && ExpandEnvironmentStringsW(text, expanded, size) == 0)
        expanded[0] = L'\0';
    return expanded;
}

/* Cuts a line without quotation marks behind its program, when that is there; adds ".exe" at need. */
static bool
cut_at_file(wchar_t *line)
{
    size_t length = wcslen(line);

    for (size_t end = 1; end <= length; end++) {
        wchar_t behind[EXE_LENGTH + 1];

        if (line[end] != L' ' && line[end] != L'\t' && line[end] != L'\0')
            continue;
        memcpy(behind, line + end, sizeof(behind)); /* expand() left room */
        line[end] = L'\0';
        if (is_file(line))
            return true;
        memcpy(line + end, EXE, sizeof(behind));
        if (is_file(line))
            return true;
        memcpy(line + end, behind, sizeof(behind));
    }
    return false;
}

/* The same by its looks. */
static void
cut_by_looks(wchar_t *line)
{
    size_t length = wcslen(line);

    for (size_t i = 0; i + EXE_LENGTH <= length; i++) {
        wchar_t next = line[i + EXE_LENGTH];

        if ((next == L' ' || next == L'\t' || next == L'\0') &&
            po_win32_is_equal_nocase(line + i, EXE_LENGTH, EXE, EXE_LENGTH)) {
            line[i + EXE_LENGTH] = L'\0';
            return;
        }
    }
    line[wcscspn(line, L" \t")] = L'\0';
}

enum po_status
po_win32_scm_program(char **program, const wchar_t *image_path, struct po_err *err)
{
    wchar_t *line = expand(image_path);
    wchar_t *start = line;
    bool is_quoted;
    bool is_absolute;
    enum po_status st = PO_OK;

    if (line == NULL)
        return po_fail_nomem(err, 0);
    start += wcsspn(start, L" \t");
    is_quoted = start[0] == L'"';
    if (is_quoted) {
        start++;
        start[wcscspn(start, L"\"")] = L'\0';
    }
    if (wcsncmp(start, L"\\??\\", 4) == 0)
        start += 4;
    if (!is_quoted && !cut_at_file(start))
        cut_by_looks(start);
    is_absolute =
        (start[0] != L'\0' && start[1] == L':' && (start[2] == L'\\' || start[2] == L'/')) ||
        (start[0] == L'\\' && start[1] == L'\\');
    *program = NULL;
    if (is_absolute)
        st = copy_text(program, start, err);
    po_mem_free(line);
    return st;
}
