/*
 * service.c - a Windows service for tests: it holds a file open, writes to a log, and stops (or does
 * not) as it is told at its installation. It needs no DLL but the system's.
 *
 *   service.exe --install NAME DISPLAY [OPTION...]
 *       --account ACCOUNT PASSWORD   logs on as this account (else LocalSystem)
 *       --start auto|manual|disabled manual when not given
 *       --depends NAME       of another service; may be given more than once
 *       --log FILE           appends a line every 100 ms while it runs
 *       --hold FILE          holds it open, writing not shared, until its process ends
 *       --hold-alone FILE    holds it open, nothing shared
 *       --child FILE         a copy of service.exe that is started with it, and ends
 *       --child-linger MS      so long after it
 *       --start-delay MS     START_PENDING for so long, and
 *       --stop-delay MS      STOP_PENDING for so long, each with
 *       --checkpoints N      so many steps of progress (0: none)
 *       --linger MS          its process lives on so long after it has stopped
 *       --refuse start       ends at once, with exit code 42 of its own
 *       --refuse stop        does not accept to be stopped (1052)
 *       --hang stop          STOP_PENDING for ever, with a wait hint of 200 ms
 *       --ignore stop        takes the request, and goes on as if nothing were
 *       --die-on-stop        its process ends in the middle of stopping
 *   service.exe --uninstall NAME   ends it if it runs, by force if it must, and removes it
 *   service.exe --sleep MS         no service: a process that does nothing
 *
 * Exit codes: 0 done, 1 not (with a line on standard error), 3 usage.
 */
#include <windows.h>

#include <shellapi.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define LINE_EVERY_MS 100
#define OWN_EXIT_CODE 42
#define STOP_WAIT_MS 500
#define COMMAND_LENGTH 8192
#define DEPENDS_LENGTH 1024
#define NAME_LENGTH 257

struct options {
    const wchar_t *name;
    const wchar_t *display;
    const wchar_t *account;
    const wchar_t *password;
    DWORD start_type;
    wchar_t depends[DEPENDS_LENGTH]; /* each with a NUL behind, and one more */
    size_t depends_length;
    const wchar_t *log;
    const wchar_t *hold;
    const wchar_t *hold_alone;
    const wchar_t *child;
    DWORD child_linger_ms;
    DWORD start_delay_ms;
    DWORD stop_delay_ms;
    DWORD checkpoints;
    DWORD linger_ms;
    bool refuses_start;
    bool refuses_stop;
    bool hangs_on_stop;
    bool ignores_stop;
    bool dies_on_stop;
};

static struct options options = { .start_type = SERVICE_DEMAND_START };

static int
fail(const wchar_t *doing, const wchar_t *what)
{
    (void)fprintf(stderr, "service: %ls %ls: error %lu\n", doing, what,
                  (unsigned long)GetLastError());
    return 1;
}

/* ---- options ---- */

static bool
is(const wchar_t *a, const char *b)
{
    size_t i = 0;

    while (b[i] != '\0' && a[i] == (wchar_t)b[i])
        i++;
    return b[i] == '\0' && a[i] == L'\0';
}

static bool
add_depends(const wchar_t *name)
{
    size_t size = wcslen(name) + 1;

    if (options.depends_length + size + 1 > DEPENDS_LENGTH)
        return false;
    memcpy(options.depends + options.depends_length, name, size * sizeof(wchar_t));
    options.depends_length += size;
    return true;
}

/* An option of two words; false when it is none. */
static bool
parse_value(const wchar_t *option, const wchar_t *value)
{
    static const struct {
        const char *option;
        DWORD *to;
    } numbers[] = {
        { "--child-linger", &options.child_linger_ms },
        { "--start-delay", &options.start_delay_ms },
        { "--stop-delay", &options.stop_delay_ms },
        { "--checkpoints", &options.checkpoints },
        { "--linger", &options.linger_ms },
    };
    static const struct {
        const char *option;
        const wchar_t **to;
    } texts[] = {
        { "--log", &options.log },
        { "--hold", &options.hold },
        { "--hold-alone", &options.hold_alone },
        { "--child", &options.child },
    };
    static const struct {
        const char *option;
        const char *value;
        bool *to;
    } flags[] = {
        { "--refuse", "start", &options.refuses_start },
        { "--refuse", "stop", &options.refuses_stop },
        { "--hang", "stop", &options.hangs_on_stop },
        { "--ignore", "stop", &options.ignores_stop },
    };
    static const struct {
        const char *value;
        DWORD type;
    } starts[] = {
        { "auto", SERVICE_AUTO_START },
        { "manual", SERVICE_DEMAND_START },
        { "disabled", SERVICE_DISABLED },
    };

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (is(option, numbers[i].option)) {
            *numbers[i].to = wcstoul(value, NULL, 10);
            return true;
        }
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (is(option, texts[i].option)) {
            *texts[i].to = value;
            return true;
        }
    }
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (is(option, flags[i].option) && is(value, flags[i].value)) {
            *flags[i].to = true;
            return true;
        }
    }
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        if (is(option, "--start") && is(value, starts[i].value)) {
            options.start_type = starts[i].type;
            return true;
        }
    }
    return is(option, "--depends") && add_depends(value);
}

static bool
parse(int count, wchar_t **arguments)
{
    int i = 0;

    while (i < count) {
        if (is(arguments[i], "--die-on-stop")) {
            options.dies_on_stop = true;
            i++;
        } else if (is(arguments[i], "--account") && i + 2 < count) {
            options.account = arguments[i + 1];
            options.password = arguments[i + 2];
            i += 3;
        } else if (i + 1 < count && parse_value(arguments[i], arguments[i + 1])) {
            i += 2;
        } else {
            (void)fprintf(stderr, "service: %ls: no such option, or no such value\n", arguments[i]);
            return false;
        }
    }
    return true;
}

/* ---- the service ---- */

static SERVICE_STATUS_HANDLE status_handle;
static SERVICE_STATUS status = { .dwServiceType = SERVICE_WIN32_OWN_PROCESS };
static HANDLE stop_event;
static HANDLE log_file = INVALID_HANDLE_VALUE;
static CRITICAL_SECTION log_lock; /* two threads write, and Wine appends in two steps */

static void
report(DWORD state, DWORD checkpoint, DWORD wait_hint)
{
    status.dwCurrentState = state;
    status.dwControlsAccepted =
        state == SERVICE_RUNNING && !options.refuses_stop ? SERVICE_ACCEPT_STOP : 0;
    status.dwCheckPoint = checkpoint;
    status.dwWaitHint = wait_hint;
    (void)SetServiceStatus(status_handle, &status);
}

static void
log_line(const char *text)
{
    char line[100];
    DWORD written;
    int size = snprintf(line, sizeof(line), "%lu %lu %s\r\n", (unsigned long)GetCurrentProcessId(),
                        (unsigned long)GetTickCount(), text);

    EnterCriticalSection(&log_lock);
    if (log_file != INVALID_HANDLE_VALUE && size > 0)
        (void)WriteFile(log_file, line, (DWORD)size, &written, NULL);
    LeaveCriticalSection(&log_lock);
}

static DWORD WINAPI
on_control(DWORD control, DWORD type, void *data, void *context)
{
    (void)type;
    (void)data;
    (void)context;
    if (control == SERVICE_CONTROL_INTERROGATE)
        return NO_ERROR;
    if (control != SERVICE_CONTROL_STOP)
        return ERROR_CALL_NOT_IMPLEMENTED;
    log_line("asked to stop");
    if (!options.ignores_stop) {
        report(SERVICE_STOP_PENDING, 1, options.hangs_on_stop ? 200 : options.stop_delay_ms + 1000);
        (void)SetEvent(stop_event);
    }
    return NO_ERROR;
}

/* Takes its time, in as many steps as there are checkpoints. */
static void
pass(DWORD state, DWORD delay_ms)
{
    DWORD steps = options.checkpoints + 1;

    for (DWORD i = 0; i < steps; i++) {
        report(state, i + 2, options.checkpoints > 0 ? delay_ms / steps * 2 : delay_ms + 1000);
        Sleep(delay_ms / steps);
    }
}

static bool
start_child(void)
{
    STARTUPINFOW startup = { .cb = sizeof(startup) };
    PROCESS_INFORMATION info;
    wchar_t line[COMMAND_LENGTH];

    (void)swprintf(line, COMMAND_LENGTH, L"\"%ls\" --follow %lu %lu", options.child,
                   (unsigned long)GetCurrentProcessId(), (unsigned long)options.child_linger_ms);
    line[COMMAND_LENGTH - 1] = L'\0';
    if (!CreateProcessW(NULL, line, NULL, NULL, FALSE, CREATE_NO_WINDOW, NULL, NULL, &startup,
                        &info))
        return false;
    (void)CloseHandle(info.hThread);
    (void)CloseHandle(info.hProcess);
    return true;
}

/* Opens what it has to; the error's code, 0 for none. The system closes all when the process ends. */
static DWORD
open_all(void)
{
    stop_event = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (stop_event == NULL)
        return GetLastError();
    if (options.log != NULL) {
        log_file = CreateFileW(options.log, FILE_APPEND_DATA,
                               FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                               OPEN_ALWAYS, 0, NULL);
        if (log_file == INVALID_HANDLE_VALUE)
            return GetLastError();
    }
    if (options.hold != NULL &&
        CreateFileW(options.hold, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ, NULL, OPEN_ALWAYS,
                    0, NULL) == INVALID_HANDLE_VALUE)
        return GetLastError();
    if (options.hold_alone != NULL && CreateFileW(options.hold_alone, GENERIC_READ, 0, NULL,
                                                  OPEN_EXISTING, 0, NULL) == INVALID_HANDLE_VALUE)
        return GetLastError();
    if (options.child != NULL && !start_child())
        return GetLastError();
    return NO_ERROR;
}

static void WINAPI
service_main(DWORD count, wchar_t **arguments)
{
    (void)count;
    (void)arguments;
    status_handle = RegisterServiceCtrlHandlerExW(options.name, on_control, NULL);
    report(SERVICE_START_PENDING, 0, options.start_delay_ms + 1000);
    status.dwWin32ExitCode = open_all();
    if (options.refuses_start) {
        status.dwWin32ExitCode = ERROR_SERVICE_SPECIFIC_ERROR;
        status.dwServiceSpecificExitCode = OWN_EXIT_CODE;
    }
    if (status.dwWin32ExitCode != NO_ERROR) {
        report(SERVICE_STOPPED, 0, 0);
        return;
    }
    if (options.start_delay_ms > 0)
        pass(SERVICE_START_PENDING, options.start_delay_ms);
    log_line("started");
    report(SERVICE_RUNNING, 0, 0);
    while (WaitForSingleObject(stop_event, LINE_EVERY_MS) == WAIT_TIMEOUT)
        log_line("running");
    if (options.dies_on_stop)
        (void)TerminateProcess(GetCurrentProcess(), 1);
    if (options.hangs_on_stop)
        Sleep(INFINITE);
    if (options.stop_delay_ms > 0)
        pass(SERVICE_STOP_PENDING, options.stop_delay_ms);
    log_line("stopped");
    report(SERVICE_STOPPED, 0, 0);
}

static int
run(void)
{
    wchar_t name[NAME_LENGTH] =
        L""; /* Windows ignores it for a process with one service; Wine not */
    SERVICE_TABLE_ENTRYW table[] = { { name, service_main }, { NULL, NULL } };

    InitializeCriticalSection(&log_lock);
    if (wcslen(options.name) < NAME_LENGTH)
        memcpy(name, options.name, (wcslen(options.name) + 1) * sizeof(wchar_t));
    if (!StartServiceCtrlDispatcherW(table))
        return fail(L"run", options.name);
    Sleep(options.linger_ms);
    return 0;
}

/* ---- installing ---- */

/* Appends an argument in quotation marks; what ends in a backslash or has such a mark is not for us. */
static bool
put_argument(wchar_t *line, const wchar_t *argument)
{
    size_t at = wcslen(line);
    size_t length = wcslen(argument);

    if (at + length + 4 > COMMAND_LENGTH || wcschr(argument, L'"') != NULL ||
        (length > 0 && argument[length - 1] == L'\\'))
        return false;
    (void)swprintf(line + at, COMMAND_LENGTH - at, at > 0 ? L" \"%ls\"" : L"\"%ls\"", argument);
    return true;
}

static int
install(int count, wchar_t **arguments)
{
    wchar_t line[COMMAND_LENGTH] = L"";
    wchar_t self[MAX_PATH + 1] = L"";
    SC_HANDLE manager;
    SC_HANDLE service = NULL;
    bool is_good = GetModuleFileNameW(NULL, self, MAX_PATH) > 0 && put_argument(line, self) &&
                   put_argument(line, L"--run") && put_argument(line, options.name);

    for (int i = 0; is_good && i < count; i++)
        is_good = put_argument(line, arguments[i]);
    if (!is_good)
        return fail(L"write a command line for", options.name);
    manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_ALL_ACCESS);
    if (manager != NULL)
        service = CreateServiceW(
            manager, options.name, options.display, SERVICE_ALL_ACCESS, SERVICE_WIN32_OWN_PROCESS,
            options.start_type, SERVICE_ERROR_NORMAL, line, NULL, NULL,
            options.depends_length > 0 ? options.depends : NULL, options.account, options.password);
    if (service == NULL)
        return fail(L"install", options.name);
    (void)CloseServiceHandle(service);
    (void)CloseServiceHandle(manager);
    return 0;
}

static void
end_process(DWORD id, SC_HANDLE service)
{
    HANDLE process = OpenProcess(PROCESS_TERMINATE | SYNCHRONIZE, FALSE, id);
    SERVICE_STATUS last;

    if (process == NULL)
        return;
    if (!ControlService(service, SERVICE_CONTROL_STOP, &last) ||
        WaitForSingleObject(process, STOP_WAIT_MS) != WAIT_OBJECT_0)
        (void)TerminateProcess(process, 1);
    (void)WaitForSingleObject(process, STOP_WAIT_MS);
    (void)CloseHandle(process);
}

static int
uninstall(const wchar_t *name)
{
    SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
    SC_HANDLE service = manager == NULL ? NULL : OpenServiceW(manager, name, SERVICE_ALL_ACCESS);
    SERVICE_STATUS_PROCESS now = { 0 };
    DWORD needed;

    if (service == NULL)
        return fail(L"open", name);
    if (QueryServiceStatusEx(service, SC_STATUS_PROCESS_INFO, (BYTE *)&now, sizeof(now), &needed) &&
        now.dwProcessId != 0)
        end_process(now.dwProcessId, service);
    if (!DeleteService(service))
        return fail(L"remove", name);
    (void)CloseServiceHandle(service);
    (void)CloseServiceHandle(manager);
    return 0;
}

/* ---- no service ---- */

static int
follow(const wchar_t *id, const wchar_t *linger_ms)
{
    HANDLE process = OpenProcess(SYNCHRONIZE, FALSE, wcstoul(id, NULL, 10));

    if (process != NULL)
        (void)WaitForSingleObject(process, INFINITE);
    Sleep(wcstoul(linger_ms, NULL, 10));
    return 0;
}

static int
usage(void)
{
    (void)fprintf(stderr, "usage: service --install NAME DISPLAY [OPTION...]\n"
                          "       service --uninstall NAME\n"
                          "       service --sleep MS\n"
                          "Its source lists the options.\n");
    return 3;
}

int
main(void)
{
    int count = 0;
    wchar_t **arguments = CommandLineToArgvW(GetCommandLineW(), &count);

    if (arguments == NULL || count < 3)
        return usage();
    options.name = arguments[2];
    if (is(arguments[1], "--run"))
        return parse(count - 3, arguments + 3) ? run() : 3;
    if (is(arguments[1], "--install") && count >= 4) {
        options.display = arguments[3];
        return parse(count - 4, arguments + 4) ? install(count - 4, arguments + 4) : 3;
    }
    if (is(arguments[1], "--uninstall") && count == 3)
        return uninstall(arguments[2]);
    if (is(arguments[1], "--follow") && count == 4)
        return follow(arguments[2], arguments[3]);
    if (is(arguments[1], "--sleep") && count == 3) {
        Sleep(wcstoul(arguments[2], NULL, 10));
        return 0;
    }
    return usage();
}
