/* Running other programs: po_sys_run_command of sys.h. */
#include "port/sys.h"

#include "base/mem.h"
#include "port/file_win32.h"

#include <stdio.h>
#include <string.h>

#define OUTPUT_KEPT_MAX 65536u
/* A command that says more than this while it is waited for loses what it said first. */
#define OUTPUT_FILE_MAX (4 << 20)
#define POLL_MAX_MS 32u
#define KILLED_WAIT_MS 5000u
#define KILLED_EXIT_CODE 0xC000013Au /* STATUS_CONTROL_C_EXIT */
#define FILE_TRIES 10
#define WRITE_MAX (1u << 20)

struct run {
    HANDLE null;
    /*
     * A file too, and no pipe that would have to be fed while the command may wait for us. Both
     * handles have one position, which tells how much was read. NULL = no input.
     */
    HANDLE input;
    HANDLE command_input;
    /*
     * A file that is gone when its last handle is, and no pipe: a daemon that the command leaves
     * behind may write to it for years, and must not fail when we are gone.
     */
    HANDLE output;
    HANDLE command_output; /* the same, for appending alone */
    HANDLE job;
    HANDLE process;
};

/* Appends a name that nobody else has; the path has room for it. */
static bool
put_temporary_name(wchar_t *path, size_t length)
{
    char name[24];
    uint32_t number = 0;
    struct po_err ignored;

    if (po_sys_random(&number, sizeof(number), &ignored) != PO_OK)
        return false;
    (void)snprintf(name, sizeof(name), "pobackup-%08lx.tmp", (unsigned long)number);
    for (size_t i = 0; i <= strlen(name); i++)
        path[length + i] = (wchar_t)name[i];
    return true;
}

/* NULL when there is no place for it: then nothing is kept of what the command says. */
static HANDLE
open_temporary_file(void)
{
    wchar_t path[MAX_PATH + 1];
    DWORD length = GetTempPathW(MAX_PATH, path);

    for (int i = 0; i < FILE_TRIES && length > 0 && length < MAX_PATH - 24; i++) {
        HANDLE file;

        if (!put_temporary_name(path, length))
            break;
        file = CreateFileW(path, GENERIC_READ | GENERIC_WRITE | DELETE, PO_SHARE_ALL, NULL,
                           CREATE_NEW, FILE_ATTRIBUTE_TEMPORARY | FILE_FLAG_DELETE_ON_CLOSE, NULL);
        if (file != INVALID_HANDLE_VALUE)
            return file;
    }
    return NULL;
}

static enum po_status
open_input(struct run *run, const struct po_command *command, struct po_err *err)
{
    HANDLE self = GetCurrentProcess();
    const uint8_t *at = command->input;
    size_t left = command->input_size;

    if (command->input == NULL)
        return PO_OK;
    run->input = open_temporary_file();
    if (run->input == NULL)
        return po_fail_win32(err, GetLastError(), "make a file for a command's input");
    while (left > 0) {
        DWORD put = left < WRITE_MAX ? (DWORD)left : WRITE_MAX;

        if (!WriteFile(run->input, at, put, &put, NULL) || put == 0)
            return po_fail_win32(err, GetLastError(), "write a command's input");
        at += put;
        left -= put;
    }
    if (SetFilePointer(run->input, 0, NULL, FILE_BEGIN) == INVALID_SET_FILE_POINTER ||
        !DuplicateHandle(self, run->input, self, &run->command_input, GENERIC_READ, TRUE, 0))
        return po_fail_win32(err, GetLastError(), "write a command's input");
    return PO_OK;
}

static bool
is_same_variable(const wchar_t *variable, const char *given)
{
    size_t i = 0;

    /* Names in ASCII, as all of ours are; case does not count. */
    for (; given[i] != '=' && given[i] != '\0'; i++) {
        wchar_t a = variable[i] >= L'a' && variable[i] <= L'z' ? variable[i] - 32 : variable[i];
        wchar_t b = (wchar_t)(given[i] >= 'a' && given[i] <= 'z' ? given[i] - 32 : given[i]);

        if (a != b)
            return false;
    }
    return variable[i] == L'=';
}

/* Ours, but for those that are given: strings of UTF-16 with a NUL behind each, and one more. */
static enum po_status
put_environment(struct po_buf *out, const char *const *given, struct po_err *err)
{
    wchar_t *ours = GetEnvironmentStringsW();
    enum po_status st = PO_OK;

    for (const wchar_t *at = ours; at != NULL && *at != 0; at += wcslen(at) + 1) {
        bool is_given = false;

        for (size_t i = 0; given != NULL && given[i] != NULL; i++)
            is_given = is_given || is_same_variable(at, given[i]);
        if (!is_given)
            po_buf_put(out, at, (wcslen(at) + 1) * sizeof(*at));
    }
    if (ours != NULL)
        (void)FreeEnvironmentStringsW(ours);
    for (size_t i = 0; st == PO_OK && given != NULL && given[i] != NULL; i++) {
        struct po_wide wide = { 0 };

        st = po_wide_from_text(&wide, given[i], strlen(given[i]), err);
        if (st == PO_OK)
            po_buf_put(out, wide.text, (wide.length + 1) * sizeof(*wide.text));
        po_wide_free(&wide);
    }
    po_buf_put_zeros(out, 2 * sizeof(wchar_t));
    return st == PO_OK ? po_buf_check(out, err) : st;
}

static enum po_status
open_files(struct run *run, struct po_err *err)
{
    SECURITY_ATTRIBUTES inherited = { .nLength = sizeof(inherited), .bInheritHandle = TRUE };
    HANDLE self = GetCurrentProcess();

    run->null = CreateFileW(L"NUL", GENERIC_READ | GENERIC_WRITE,
                            FILE_SHARE_READ | FILE_SHARE_WRITE, &inherited, OPEN_EXISTING, 0, NULL);
    if (run->null == INVALID_HANDLE_VALUE) {
        run->null = NULL;
        return po_fail_win32(err, GetLastError(), "open NUL");
    }
    run->output = open_temporary_file();
    if (run->output != NULL &&
        !DuplicateHandle(self, run->output, self, &run->command_output,
                         FILE_APPEND_DATA | FILE_READ_ATTRIBUTES | SYNCHRONIZE, TRUE, 0))
        po_nt_close(&run->output);
    return PO_OK;
}

/* Ends with all its descendants: a job, where one can be had (not in another job before Windows 8). */
static void
put_into_job(struct run *run)
{
    run->job = CreateJobObjectW(NULL, NULL);
    if (run->job != NULL && !AssignProcessToJobObject(run->job, run->process))
        po_nt_close(&run->job);
}

/* The system's own cmd.exe: a name alone would be looked for in the working directory first. */
static bool
find_shell(wchar_t path[MAX_PATH + 1])
{
    static const wchar_t name[] = L"\\cmd.exe";
    UINT length = GetSystemDirectoryW(path, MAX_PATH);

    if (length == 0 || length + sizeof(name) / sizeof(name[0]) > MAX_PATH)
        return false;
    memcpy(path + length, name, sizeof(name));
    return true;
}

static enum po_status
start(struct run *run, const struct po_command *command, struct po_err *err)
{
    const char *directory = command->directory;
    HANDLE output = run->command_output != NULL ? run->command_output : run->null;
    STARTUPINFOW startup = { .cb = sizeof(startup),
                             .dwFlags = STARTF_USESTDHANDLES,
                             .hStdInput =
                                 run->command_input != NULL ? run->command_input : run->null,
                             .hStdOutput = output,
                             .hStdError = output };
    PROCESS_INFORMATION info = { 0 };
    wchar_t shell[MAX_PATH + 1];
    struct po_buf line = { 0 };
    struct po_buf environment = { 0 };
    struct po_wide wide = { 0 };
    struct po_wide where = { 0 };
    enum po_status st = put_environment(&environment, command->variables, err);

    /* With /s the outer quotation marks go, and the command is taken as it is. */
    po_buf_printf(&line, "cmd.exe /d /s /c \"%s\"", command->line);
    if (st == PO_OK)
        st = po_buf_check(&line, err);
    if (st == PO_OK && !find_shell(shell))
        st = po_fail_win32(err, GetLastError(), "find the system's directory");
    if (st == PO_OK)
        st = po_wide_from_text(&wide, (const char *)line.bytes, line.size, err);
    if (st == PO_OK && directory != NULL)
        st = po_wide_from_text(&where, directory, strlen(directory), err);
    for (size_t i = 0; i < where.length; i++)
        if (where.text[i] == L'/')
            where.text[i] = L'\\';
    /* A process group of its own: Ctrl-C is for us alone. */
    if (st == PO_OK && !CreateProcessW(shell, wide.text, NULL, NULL, TRUE,
                                       CREATE_SUSPENDED | CREATE_NO_WINDOW |
                                           CREATE_NEW_PROCESS_GROUP | CREATE_UNICODE_ENVIRONMENT,
                                       environment.bytes, where.text, &startup, &info))
        st = po_fail_win32(err, GetLastError(), "start %s", command->line);
    if (st == PO_OK) {
        run->process = info.hProcess;
        put_into_job(run);
        (void)ResumeThread(info.hThread);
        (void)CloseHandle(info.hThread);
    }
    po_nt_close(&run->command_output);
    po_nt_close(&run->command_input);
    po_buf_deinit(&line);
    po_buf_deinit(&environment);
    po_wide_free(&wide);
    po_wide_free(&where);
    return st;
}

static uint64_t
output_size(const struct run *run)
{
    LARGE_INTEGER size = { 0 };

    if (run->output == NULL || !GetFileSizeEx(run->output, &size) || size.QuadPart < 0)
        return 0;
    return (uint64_t)size.QuadPart;
}

/* It is open for appending there: what comes next stands at the front. */
static void
bound_output(const struct run *run)
{
    if (output_size(run) > OUTPUT_FILE_MAX &&
        SetFilePointer(run->output, 0, NULL, FILE_BEGIN) != INVALID_SET_FILE_POINTER)
        (void)SetEndOfFile(run->output);
}

/* The end of what the command said. */
static void
read_output(const struct run *run, struct po_buf *output)
{
    uint64_t size = output_size(run);
    uint64_t at = size > OUTPUT_KEPT_MAX ? size - OUTPUT_KEPT_MAX : 0;
    OVERLAPPED where = { .Offset = (DWORD)at, .OffsetHigh = (DWORD)(at >> 32) };
    DWORD got = 0;

    if (size == 0 || !po_buf_reserve(output, OUTPUT_KEPT_MAX))
        return;
    if (ReadFile(run->output, output->bytes + output->size, OUTPUT_KEPT_MAX, &got, &where))
        output->size += got;
}

static void
end_all(struct run *run)
{
    if (run->job != NULL)
        (void)TerminateJobObject(run->job, KILLED_EXIT_CODE);
    else
        (void)TerminateProcess(run->process, KILLED_EXIT_CODE);
    (void)WaitForSingleObject(run->process, KILLED_WAIT_MS);
}

/* Until the command itself has ended; true when it had to be ended. */
static bool
wait_for_end(struct run *run, unsigned timeout_ms)
{
    double deadline = po_sys_monotonic() + timeout_ms / 1000.0;
    DWORD pause_ms = 1;

    while (WaitForSingleObject(run->process, pause_ms) == WAIT_TIMEOUT) {
        if (po_sys_monotonic() >= deadline) {
            end_all(run);
            return true;
        }
        bound_output(run);
        if (pause_ms < POLL_MAX_MS)
            pause_ms *= 2;
    }
    return false;
}

/* All of it when there was none. */
static size_t
input_taken(const struct run *run, const struct po_command *command)
{
    LARGE_INTEGER none = { 0 };
    LARGE_INTEGER at = { 0 };

    if (run->input == NULL || !SetFilePointerEx(run->input, none, &at, FILE_CURRENT))
        return command->input_size;
    return (size_t)at.QuadPart;
}

enum po_status
po_sys_run_command(const struct po_command *command, struct po_command_result *result,
                   struct po_buf *output, struct po_err *err)
{
    struct run run = { 0 };
    DWORD code = 0;
    bool timed_out;
    enum po_status st = open_files(&run, err);

    if (st == PO_OK)
        st = open_input(&run, command, err);
    if (st == PO_OK)
        st = start(&run, command, err);
    if (st != PO_OK)
        goto done;
    timed_out = wait_for_end(&run, command->timeout_ms);
    read_output(&run, output);
    if (!GetExitCodeProcess(run.process, &code))
        code = KILLED_EXIT_CODE;
    /* Codes from 0xC0000000 on are exceptions: the like of a signal. */
    *result =
        (struct po_command_result){ .exit_code = timed_out || code >= 0xC0000000u ? -1 : (int)code,
                                    .timed_out = timed_out,
                                    .input_taken = input_taken(&run, command) };
done:
    po_nt_close(&run.null);
    po_nt_close(&run.input);
    po_nt_close(&run.command_input);
    po_nt_close(&run.output);
    po_nt_close(&run.command_output);
    po_nt_close(&run.process);
    po_nt_close(&run.job);
    return st;
}

enum po_status
po_sys_run(const char *command, const char *directory, unsigned timeout_ms,
           struct po_command_result *result, struct po_buf *output, struct po_err *err)
{
    struct po_command what = { .line = command, .directory = directory, .timeout_ms = timeout_ms };

    return po_sys_run_command(&what, result, output, err);
}
