/* Processes of services: what runs below a directory, and whether a process is there. */
#include "host/host_win32_scm.h"

#include "base/mem.h"
#include "port/file_win32.h"

#include <errno.h>
#include <psapi.h>
#include <string.h>
#include <tlhelp32.h>

#define POLL_MS 100u
#define NAMED_MAX 8u
#define PATH_LENGTH ((DWORD)32768)

/* Of Vista, where the older right is refused for protected processes. */
#define QUERY_LIMITED 0x1000u
typedef BOOL(WINAPI *image_name_fn)(HANDLE process, DWORD flags, LPWSTR path, PDWORD length);

/* ---- opening ---- */

/* *before is what to set again afterwards. false when the account has no such privilege. */
static bool
set_debug_privilege(HANDLE token, TOKEN_PRIVILEGES *before)
{
    TOKEN_PRIVILEGES wanted = { .PrivilegeCount = 1 };
    DWORD size = sizeof(*before);

    wanted.Privileges[0].Attributes = SE_PRIVILEGE_ENABLED;
    if (!LookupPrivilegeValueW(NULL, L"SeDebugPrivilege", &wanted.Privileges[0].Luid))
        return false;
    /* Success with another code of GetLastError when it could not be set. */
    return AdjustTokenPrivileges(token, FALSE, &wanted, sizeof(*before), before, &size) &&
           GetLastError() == ERROR_SUCCESS;
}

HANDLE WINAPI
po_win32_process_open(DWORD access, DWORD id)
{
    HANDLE process = OpenProcess(access, FALSE, id);
    HANDLE token = NULL;
    TOKEN_PRIVILEGES before = { 0 };
    DWORD code;

    if (process != NULL || GetLastError() != ERROR_ACCESS_DENIED)
        return process;
    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_ADJUST_PRIVILEGES | TOKEN_QUERY, &token)) {
        SetLastError(ERROR_ACCESS_DENIED);
        return NULL;
    }
    if (set_debug_privilege(token, &before))
        process = OpenProcess(access, FALSE, id);
    else
        SetLastError(ERROR_ACCESS_DENIED);
    code = GetLastError();
    if (before.PrivilegeCount != 0)
        (void)AdjustTokenPrivileges(token, FALSE, &before, 0, NULL, NULL);
    (void)CloseHandle(token);
    SetLastError(code);
    return process;
}

/* ---- listing ---- */

/* Until the function says false. false, and GetLastError, when the system does not tell. */
static bool
list_processes(bool (*each)(void *ctx, const PROCESSENTRY32W *entry), void *ctx)
{
    HANDLE snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
    PROCESSENTRY32W entry = { .dwSize = sizeof(entry) };
    DWORD code;
    BOOL is_there;

    if (snapshot == INVALID_HANDLE_VALUE)
        return false;
    is_there = Process32FirstW(snapshot, &entry);
    while (is_there) {
        if (!each(ctx, &entry)) {
            (void)CloseHandle(snapshot);
            return true;
        }
        is_there = Process32NextW(snapshot, &entry);
    }
    code = GetLastError();
    (void)CloseHandle(snapshot);
    SetLastError(code);
    return code == ERROR_NO_MORE_FILES;
}

struct search {
    DWORD id;
    bool is_found;
};

static bool
is_not_it(void *ctx, const PROCESSENTRY32W *entry)
{
    struct search *search = ctx;

    search->is_found = entry->th32ProcessID == search->id;
    return !search->is_found;
}

bool
po_win32_process_exists(DWORD id)
{
    struct search search = { .id = id };

    /* Who cannot tell must not say that it is gone. */
    return !list_processes(is_not_it, &search) || search.is_found;
}

/* ---- what runs below a directory ---- */

struct scan {
    char *bin;           /* as the directories have it, all links resolved */
    struct po_wide wide; /* the same */
    wchar_t *path;       /* room for PATH_LENGTH characters */
    image_name_fn image_name;
    struct po_buf names; /* of those that run: "a.exe (process 1), ..." */
    size_t count;
};

static bool
is_separator(wchar_t c)
{
    return c == L'/' || c == L'\\';
}

/* Both with the same kind of separators. */
static bool
is_below(const struct scan *scan, const wchar_t *path, size_t length)
{
    size_t dir = scan->wide.length;

    if (dir > 0 && is_separator(scan->wide.text[dir - 1]))
        dir--;
    return length > dir && is_separator(path[dir]) &&
           po_win32_is_equal_nocase(scan->wide.text, dir, path, dir);
}

/* The path of an open process' program in scan->path; false when it is not told. */
static bool
read_path(const struct scan *scan, HANDLE process)
{
    DWORD length = PATH_LENGTH;

    if (scan->image_name != NULL)
        return scan->image_name(process, 0, scan->path, &length) != FALSE;
    length = GetModuleFileNameExW(process, NULL, scan->path, PATH_LENGTH);
    if (length == 0 || length >= PATH_LENGTH)
        return false;
    if (wcsncmp(scan->path, L"\\??\\", 4) == 0)
        memmove(scan->path, scan->path + 4, (length - 3) * sizeof(wchar_t));
    return true;
}

/* Of scan->path, also by its true name: it may be a short one, or go through a junction. */
static bool
is_program_below(const struct scan *scan)
{
    struct po_buf text = { 0 };
    struct po_wide wide = { 0 };
    struct po_err ignored;
    char *real = NULL;
    bool is_it = false;

    po_wide_put(&text, scan->path, wcslen(scan->path));
    if (po_os_path_real(&real, po_buf_text(&text), &ignored) == PO_OK) {
        if (po_wide_from_text(&wide, real, strlen(real), &ignored) == PO_OK)
            is_it = is_below(scan, wide.text, wide.length);
        po_wide_free(&wide);
    } else {
        for (wchar_t *c = scan->path; *c != L'\0'; c++)
            if (*c == L'\\')
                *c = L'/';
        is_it = is_below(scan, scan->path, wcslen(scan->path));
    }
    po_mem_free(real);
    po_buf_deinit(&text);
    return is_it;
}

/* A process that may not be opened counts when the directory has a program of its name. */
static bool
is_name_in_bin(const struct scan *scan, const wchar_t *name)
{
    struct po_buf text = { 0 };
    struct po_node_info info;
    struct po_err ignored;
    char *path;
    bool exists = false;

    po_wide_put(&text, name, wcslen(name));
    path = po_os_path_join(scan->bin, po_buf_text(&text));
    if (path != NULL && po_os_stat(path, &info, &exists, &ignored) != PO_OK)
        exists = false;
    po_mem_free(path);
    po_buf_deinit(&text);
    return exists && name[0] != L'\0';
}

static bool
is_ours(const struct scan *scan, const PROCESSENTRY32W *entry)
{
    DWORD access = scan->image_name != NULL ? QUERY_LIMITED : PROCESS_QUERY_INFORMATION;
    HANDLE process;
    bool is_it = false;

    /* Idle and system have no program, and we are no service: even when we lie in bin. */
    if (entry->th32ProcessID == 0 || entry->th32ProcessID == 4 ||
        entry->th32ProcessID == GetCurrentProcessId())
        return false;
    if (scan->image_name == NULL)
        access |= PROCESS_VM_READ;
    process = po_win32_process_open(access | SYNCHRONIZE, entry->th32ProcessID);
    if (process == NULL)
        return GetLastError() != ERROR_INVALID_PARAMETER && is_name_in_bin(scan, entry->szExeFile);
    /* Processes that have ended stay in the list while anyone has a handle. */
    if (WaitForSingleObject(process, 0) != WAIT_OBJECT_0)
        is_it = read_path(scan, process) ? is_program_below(scan)
                                         : is_name_in_bin(scan, entry->szExeFile);
    (void)CloseHandle(process);
    return is_it;
}

static bool
name_ours(void *ctx, const PROCESSENTRY32W *entry)
{
    struct scan *scan = ctx;

    if (!is_ours(scan, entry))
        return true;
    if (scan->count++ < NAMED_MAX) {
        po_buf_put_text(&scan->names, scan->names.size > 0 ? ", " : "");
        po_wide_put(&scan->names, entry->szExeFile, wcslen(entry->szExeFile));
        po_buf_printf(&scan->names, " (process %lu)", (unsigned long)entry->th32ProcessID);
    }
    return true;
}

static enum po_status
await(struct scan *scan, unsigned timeout_s, struct po_err *err)
{
    const struct po_win32_scm *scm = po_win32_scm();
    double deadline = scm->now() + timeout_s;

    for (;;) {
        po_buf_clear(&scan->names);
        scan->count = 0;
        if (!list_processes(name_ours, scan))
            return po_fail_win32(err, GetLastError(), "list the processes");
        if (scan->count == 0)
            return PO_OK;
        if (scm->now() >= deadline)
            break;
        scm->sleep_ms(POLL_MS);
    }
    if (scan->count > NAMED_MAX)
        po_buf_printf(&scan->names, " and %zu more", scan->count - NAMED_MAX);
    return po_fail(err, PO_E_IO, "programs in %s still run after %u s: %s", scan->bin, timeout_s,
                   po_buf_text(&scan->names));
}

enum po_status
po_win32_await_processes(const char *bin, unsigned timeout_s, struct po_err *err)
{
    struct scan scan = { 0 };
    enum po_status st;

    if (bin == NULL)
        return PO_OK;
    st = po_os_path_real(&scan.bin, bin, err);
    /* A directory that is not there cannot have a program that runs. */
    if (st != PO_OK)
        return st == PO_E_IO && err->os_code == ENOENT ? PO_OK : st;
    scan.image_name = (image_name_fn)po_win32_find(L"kernel32.dll", "QueryFullProcessImageNameW");
    scan.path = po_mem_new(PATH_LENGTH, sizeof(*scan.path));
    if (scan.path == NULL)
        st = po_fail_nomem(err, PATH_LENGTH * sizeof(*scan.path));
    if (st == PO_OK)
        st = po_wide_from_text(&scan.wide, scan.bin, strlen(scan.bin), err);
    if (st == PO_OK)
        st = await(&scan, timeout_s, err);
    po_buf_deinit(&scan.names);
    po_wide_free(&scan.wide);
    po_mem_free(scan.path);
    po_mem_free(scan.bin);
    return st;
}
