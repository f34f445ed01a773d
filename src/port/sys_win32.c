#include "port/sys.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/utf16.h"
#include "port/file_win32.h"

#include <fcntl.h>
#include <io.h>
#include <iphlpapi.h>
#include <ntsecapi.h>
#include <psapi.h>
#include <shlobj.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define EPOCH_DIFFERENCE INT64_C(116444736000000000)
#define STEPS_A_SECOND 10000000
#define PROGRAM_PATH_MAX 32768u

/* ---- clock ---- */

int64_t
po_sys_now(void)
{
    FILETIME now;
    ULARGE_INTEGER steps;

    GetSystemTimeAsFileTime(&now);
    steps.LowPart = now.dwLowDateTime;
    steps.HighPart = now.dwHighDateTime;
    return po_time_from_filetime((int64_t)steps.QuadPart);
}

double
po_sys_monotonic(void)
{
    LARGE_INTEGER count;
    LARGE_INTEGER frequency;

    (void)QueryPerformanceFrequency(&frequency);
    (void)QueryPerformanceCounter(&count);
    return (double)count.QuadPart / (double)frequency.QuadPart;
}

void
po_sys_sleep_ms(unsigned ms)
{
    Sleep(ms);
}

static bool
to_system_time(int64_t time, SYSTEMTIME *out)
{
    ULARGE_INTEGER steps = { .QuadPart = (ULONGLONG)po_time_to_filetime(time) };
    FILETIME filetime = { .dwLowDateTime = steps.LowPart, .dwHighDateTime = steps.HighPart };

    return FileTimeToSystemTime(&filetime, out);
}

void
po_sys_put_local_time(struct po_buf *out, int64_t time)
{
    SYSTEMTIME utc;
    SYSTEMTIME local;
    FILETIME as_file;
    ULARGE_INTEGER steps;
    int minutes;

    /* With the rule of that day for summer time, as FileTimeToLocalFileTime has not. */
    if (!to_system_time(time, &utc) || !SystemTimeToTzSpecificLocalTime(NULL, &utc, &local) ||
        !SystemTimeToFileTime(&local, &as_file)) {
        po_text_put_time(out, time);
        return;
    }
    steps.LowPart = as_file.dwLowDateTime;
    steps.HighPart = as_file.dwHighDateTime;
    /* Both sides to the millisecond: the local time has no more. */
    minutes = (int)((((int64_t)steps.QuadPart - EPOCH_DIFFERENCE) / 10000 - time / 10000) / 60000);
    po_buf_printf(out, "%04d-%02d-%02d %02d:%02d:%02d %c%02d%02d", local.wYear, local.wMonth,
                  local.wDay, local.wHour, local.wMinute, local.wSecond, minutes < 0 ? '-' : '+',
                  (minutes < 0 ? -minutes : minutes) / 60, (minutes < 0 ? -minutes : minutes) % 60);
}

void
po_sys_local_date(int64_t time, int *year, int *month, int *day)
{
    SYSTEMTIME utc = { .wYear = 1970, .wMonth = 1, .wDay = 1 };
    SYSTEMTIME local;

    if (!to_system_time(time, &utc) || !SystemTimeToTzSpecificLocalTime(NULL, &utc, &local))
        local = utc;
    *year = local.wYear;
    *month = local.wMonth;
    *day = local.wDay;
}

/* ---- the machine ---- */

unsigned
po_sys_cpu_count(void)
{
    DWORD_PTR ours = 0;
    DWORD_PTR all = 0;
    unsigned count = 0;

    (void)GetProcessAffinityMask(GetCurrentProcess(), &ours, &all);
    for (; ours != 0; ours &= ours - 1)
        count++;
    return count > 0 ? count : 1;
}

enum po_status
po_sys_random(void *bytes, size_t size, struct po_err *err)
{
    unsigned char *to = bytes;

    while (size > 0) {
        ULONG part = size < (1u << 20) ? (ULONG)size : 1u << 20;

        if (!RtlGenRandom(to, part))
            return po_fail_win32(err, GetLastError(), "get random bytes");
        to += part;
        size -= part;
    }
    return PO_OK;
}

void
po_sys_put_host(struct po_buf *out)
{
    wchar_t name[256];
    DWORD length = sizeof(name) / sizeof(name[0]);

    if (GetComputerNameExW(ComputerNamePhysicalDnsHostname, name, &length) && length > 0)
        po_wide_put(out, name, length);
    else
        po_buf_put_text(out, "unknown");
}

typedef LONG(WINAPI *get_version_fn)(RTL_OSVERSIONINFOW *version);

void
po_sys_put_addresses(struct po_buf *out)
{
    MIB_IPADDRTABLE *table = NULL;
    ULONG size = 0;

    /* The table may grow between the two calls: then it is not told. */
    if (GetIpAddrTable(NULL, &size, FALSE) != ERROR_INSUFFICIENT_BUFFER)
        return;
    table = po_mem_new(size, 1);
    if (table != NULL && GetIpAddrTable(table, &size, FALSE) == NO_ERROR) {
        for (DWORD i = 0; i < table->dwNumEntries; i++) {
            const DWORD address = table->table[i].dwAddr; /* its bytes are in the network's order */
            unsigned a = address & 0xFF;
            unsigned b = address >> 8 & 0xFF;

            if (a == 0 || a == 127 || (a == 169 && b == 254))
                continue;
            po_buf_printf(out, "%u.%u.%u.%u", a, b, (unsigned)(address >> 16 & 0xFF),
                          (unsigned)(address >> 24));
            po_buf_put_u8(out, 0);
        }
    }
    po_mem_free(table);
}

void
po_sys_put_system(struct po_buf *out)
{
    /* GetVersionEx tells programs without a manifest for a system that it is an older one. */
    get_version_fn get_version = (get_version_fn)po_win32_find(L"ntdll.dll", "RtlGetVersion");
    RTL_OSVERSIONINFOW version = { .dwOSVersionInfoSize = sizeof(version) };
    SYSTEM_INFO info = { 0 };

    if (get_version == NULL || get_version(&version) < 0) {
        po_buf_put_text(out, "Windows");
        return;
    }
    GetNativeSystemInfo(&info);
    po_buf_printf(out, "Windows %lu.%lu.%lu ", (unsigned long)version.dwMajorVersion,
                  (unsigned long)version.dwMinorVersion, (unsigned long)version.dwBuildNumber);
    po_buf_put_text(out, info.wProcessorArchitecture == PROCESSOR_ARCHITECTURE_AMD64   ? "x64"
                         : info.wProcessorArchitecture == PROCESSOR_ARCHITECTURE_INTEL ? "x86"
                                                                                       : "other");
}

uint32_t
po_sys_process_id(void)
{
    return GetCurrentProcessId();
}

bool
po_sys_put_process_start(struct po_buf *out, uint32_t process_id)
{
    HANDLE process = OpenProcess(PROCESS_QUERY_INFORMATION, FALSE, process_id);
    FILETIME began;
    FILETIME other;
    ULARGE_INTEGER steps;
    DWORD exit_code = 0;
    bool is_known;

    if (process == NULL)
        return GetLastError() ==
               ERROR_INVALID_PARAMETER; /* what it says of an id that nobody has */
    is_known = GetProcessTimes(process, &began, &other, &other, &other) != 0 &&
               GetExitCodeProcess(process, &exit_code) != 0;
    (void)CloseHandle(process);
    /* One that has ended is there as long as somebody holds a handle. */
    if (is_known && exit_code == STILL_ACTIVE) {
        steps.LowPart = began.dwLowDateTime;
        steps.HighPart = began.dwHighDateTime;
        po_buf_printf(out, "%llu", (unsigned long long)steps.QuadPart);
    }
    return is_known;
}

uint64_t
po_sys_peak_memory(void)
{
    PROCESS_MEMORY_COUNTERS counters = { .cb = sizeof(counters) };

    if (!GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof(counters)))
        return 0;
    return counters.PeakWorkingSetSize;
}

static HANDLE
standard_handle(int number)
{
    return GetStdHandle(number == 0   ? STD_INPUT_HANDLE
                        : number == 1 ? STD_OUTPUT_HANDLE
                                      : STD_ERROR_HANDLE);
}

bool
po_sys_has_windows_names(void)
{
    return true;
}

bool
po_sys_is_terminal(int standard_number)
{
    DWORD mode;

    return GetConsoleMode(standard_handle(standard_number), &mode) != 0;
}

enum po_status
po_sys_put_program(struct po_buf *out, struct po_err *err)
{
    wchar_t *path = po_mem_new(PROGRAM_PATH_MAX, sizeof(*path));
    enum po_status st = PO_OK;
    DWORD length;

    if (path == NULL)
        return po_fail_nomem(err, PROGRAM_PATH_MAX * sizeof(*path));
    /* A path that does not fit is cut, and the length is all that tells. */
    length = GetModuleFileNameW(NULL, path, PROGRAM_PATH_MAX);
    if (length == 0 || length == PROGRAM_PATH_MAX)
        st = po_fail_win32(err, length == 0 ? GetLastError() : ERROR_FILENAME_EXCED_RANGE,
                           "the program's own path");
    else
        po_wtf8_put_utf16(out, path, length * sizeof(*path), false);
    po_mem_free(path);
    return st == PO_OK ? po_buf_check(out, err) : st;
}

bool
po_sys_is_admin(void)
{
    SID_IDENTIFIER_AUTHORITY authority = { SECURITY_NT_AUTHORITY };
    PSID administrators = NULL;
    BOOL is_member = FALSE;

    if (!AllocateAndInitializeSid(&authority, 2, SECURITY_BUILTIN_DOMAIN_RID,
                                  DOMAIN_ALIAS_RID_ADMINS, 0, 0, 0, 0, 0, 0, &administrators))
        return false;
    /* NULL = this thread's token: a filtered one (not elevated) has the group for denying only. */
    if (!CheckTokenMembership(NULL, administrators, &is_member))
        is_member = FALSE;
    (void)FreeSid(administrators);
    return is_member != FALSE;
}

/* ---- the console ---- */

bool
po_sys_write_terminal(int standard_number, const void *bytes, size_t size)
{
    HANDLE console = standard_handle(standard_number);
    struct po_wide wide = { 0 };
    struct po_err err;
    size_t done = 0;

    if (po_wide_from_text(&wide, bytes, size, &err) != PO_OK)
        return false;
    while (done < wide.length) {
        /* Older consoles take no more than some 30,000 characters in one call. */
        DWORD part = wide.length - done < 8192 ? (DWORD)(wide.length - done) : 8192;
        DWORD got = 0;

        if (!WriteConsoleW(console, wide.text + done, part, &got, NULL) || got == 0)
            break;
        done += got;
    }
    po_wide_free(&wide);
    return done == wide.length;
}

static enum po_status
read_arguments(int *count, char ***arguments, struct po_err *err)
{
    int wide_count = 0;
    wchar_t **wide = CommandLineToArgvW(GetCommandLineW(), &wide_count);
    char **list = wide == NULL ? NULL : po_mem_new((size_t)wide_count + 1, sizeof(*list));

    if (list == NULL)
        return po_fail_win32(err, GetLastError(), "read the command line");
    for (int i = 0; i < wide_count; i++) {
        struct po_buf text = { 0 };

        po_wide_put(&text, wide[i], wcslen(wide[i]));
        list[i] = po_mem_strdup(po_buf_text(&text));
        po_buf_deinit(&text);
        if (list[i] == NULL)
            return po_fail_nomem(err, 0); /* the program ends: nothing to free */
    }
    (void)LocalFree(wide);
    *count = wide_count;
    *arguments = list;
    return PO_OK;
}

enum po_status
po_sys_arguments(int *count, char ***arguments, struct po_err *err)
{
    /* An archive is no text: no carriage return is to be put before its line feeds. */
    (void)_setmode(1, _O_BINARY);
    (void)_setmode(2, _O_BINARY);
    return read_arguments(count, arguments, err);
}

bool
po_sys_put_environment(struct po_buf *out, const char *name)
{
    struct po_wide wide = { 0 };
    struct po_err ignored;
    wchar_t *value = NULL;
    DWORD length = 0;

    if (po_wide_from_text(&wide, name, strlen(name), &ignored) == PO_OK)
        length = GetEnvironmentVariableW(wide.text, NULL, 0);
    if (length > 0)
        value = po_mem_new(length, sizeof(*value));
    if (value != NULL)
        po_wide_put(out, value, GetEnvironmentVariableW(wide.text, value, length));
    po_mem_free(value);
    po_wide_free(&wide);
    return length > 0;
}

/* Appends one of the system's folders, with '/'. */
static HRESULT
put_folder(struct po_buf *out, int folder)
{
    wchar_t path[MAX_PATH + 1];
    HRESULT result = SHGetFolderPathW(NULL, folder, NULL, SHGFP_TYPE_CURRENT, path);

    if (result != S_OK)
        return result;
    for (size_t i = 0; path[i] != L'\0'; i++)
        if (path[i] == L'\\')
            path[i] = L'/';
    po_wide_put(out, path, wcslen(path));
    return S_OK;
}

enum po_status
po_sys_put_data_dir(struct po_buf *out, struct po_err *err)
{
    HRESULT result = put_folder(out, CSIDL_COMMON_APPDATA);

    if (result != S_OK)
        return po_fail_win32(err, (DWORD)result & 0xFFFFu, "find the common application data");
    return po_buf_check(out, err);
}

/* Asked of the system: Server 2003 has no LOCALAPPDATA. */
bool
po_sys_put_user_dir(struct po_buf *out)
{
    return put_folder(out, CSIDL_LOCAL_APPDATA) == S_OK;
}

/* ---- interrupts ---- */

/* The one mutable global: a handler is given nothing but the event. */
static volatile int interrupt;

/* How long a console that is being closed waits for its programs anyway. */
#define CLOSING_WAIT_MS 60000

static BOOL WINAPI
on_console_event(DWORD event)
{
    interrupt = event == CTRL_C_EVENT || event == CTRL_BREAK_EVENT ? SIGINT : SIGTERM;
    /*
     * Who returns from a closing, a logoff or a shutdown is ended at once: the main thread needs
     * the time that the system gives. This thread is one of the system's own.
     */
    if (event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT)
        Sleep(CLOSING_WAIT_MS);
    return TRUE;
}

const volatile int *
po_sys_catch_interrupts(void)
{
    (void)SetConsoleCtrlHandler(on_console_event, TRUE);
    return &interrupt;
}
