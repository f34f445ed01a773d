/* Running other programs: po_sys_run of sys.h. */
#include "port/sys.h"

#include "base/mem.h"
#include "port/file_win32.h"

#include <string.h>

#define OUTPUT_KEPT_MAX ((size_t)64 * 1024)
/*
 * What is read after the end of the command at most: a background process may write faster than we
 * read.
 */
#define REST_MAX ((size_t)1024 * 1024)
#define POLL_MS 10u
#define KILLED_WAIT_MS 5000u
#define KILLED_EXIT_CODE 0xC000013Au /* STATUS_CONTROL_C_EXIT */

struct run {
    HANDLE null;
    HANDLE read_end;
    HANDLE write_end;
    HANDLE job;
    HANDLE process;
    size_t kept;
};

static enum po_status
open_pipes(struct run *run, struct po_err *err)
{
    SECURITY_ATTRIBUTES inherited = { .nLength = sizeof(inherited), .bInheritHandle = TRUE };

    run->null = CreateFileW(L"NUL", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, &inherited,
                            OPEN_EXISTING, 0, NULL);
    if (run->null == INVALID_HANDLE_VALUE) {
        run->null = NULL;
        return po_fail_win32(err, GetLastError(), "open NUL");
    }
    if (!CreatePipe(&run->read_end, &run->write_end, &inherited, 0))
        return po_fail_win32(err, GetLastError(), "make a pipe");
    (void)SetHandleInformation(run->read_end, HANDLE_FLAG_INHERIT, 0);
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

static enum po_status
start(struct run *run, const char *command, const char *directory, struct po_err *err)
{
    STARTUPINFOW startup = { .cb = sizeof(startup), .dwFlags = STARTF_USESTDHANDLES };
    PROCESS_INFORMATION info = { 0 };
    struct po_buf line = { 0 };
    struct po_wide wide = { 0 };
    struct po_wide where = { 0 };
    enum po_status st;

    /* With /s the outer quotation marks go, and the command is taken as it is. */
    po_buf_printf(&line, "cmd.exe /d /s /c \"%s\"", command);
    st = po_buf_check(&line, err);
    if (st == PO_OK)
        st = po_wide_from_text(&wide, (const char *)line.bytes, line.size, err);
    if (st == PO_OK && directory != NULL)
        st = po_wide_from_text(&where, directory, strlen(directory), err);
    for (size_t i = 0; i < where.length; i++)
        if (where.text[i] == L'/')
            where.text[i] = L'\\';
    startup.hStdInput = run->null;
    startup.hStdOutput = run->write_end;
    startup.hStdError = run->write_end;
    /* A process group of its own: Ctrl-C is for us alone. */
    if (st == PO_OK &&
        !CreateProcessW(NULL, wide.text, NULL, NULL, TRUE,
                        CREATE_SUSPENDED | CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP, NULL,
                        where.text, &startup, &info))
        st = po_fail_win32(err, GetLastError(), "start a command");
    if (st == PO_OK) {
        run->process = info.hProcess;
        put_into_job(run);
        (void)ResumeThread(info.hThread);
        (void)CloseHandle(info.hThread);
        po_nt_close(&run->write_end);
    }
    po_buf_deinit(&line);
    po_wide_free(&wide);
    po_wide_free(&where);
    return st;
}

/* Reads what is there, without waiting; false when there is nothing. */
static bool
read_some(struct run *run, struct po_buf *output)
{
    uint8_t bytes[4096];
    DWORD there = 0;
    DWORD got = 0;
    size_t room = OUTPUT_KEPT_MAX - run->kept;

    if (!PeekNamedPipe(run->read_end, NULL, 0, NULL, &there, NULL) || there == 0 ||
        !ReadFile(run->read_end, bytes, there < sizeof(bytes) ? there : (DWORD)sizeof(bytes), &got,
                  NULL) ||
        got == 0)
        return false;
    if (room > got)
        room = got;
    po_buf_put(output, bytes, room);
    run->kept += room;
    return true;
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

enum po_status
po_sys_run(const char *command, const char *directory, unsigned timeout_ms,
           struct po_command_result *result, struct po_buf *output, struct po_err *err)
{
    struct run run = { 0 };
    double deadline = po_sys_monotonic() + timeout_ms / 1000.0;
    DWORD code = 0;
    size_t rest = 0;
    bool timed_out = false;
    enum po_status st = open_pipes(&run, err);

    if (st == PO_OK)
        st = start(&run, command, directory, err);
    if (st != PO_OK)
        goto done;
    while (WaitForSingleObject(run.process, POLL_MS) == WAIT_TIMEOUT && !timed_out) {
        while (read_some(&run, output) && po_sys_monotonic() < deadline)
            continue;
        timed_out = po_sys_monotonic() >= deadline;
    }
    if (timed_out)
        end_all(&run);
    while (rest < REST_MAX && read_some(&run, output))
        rest += 4096;
    if (!GetExitCodeProcess(run.process, &code))
        code = KILLED_EXIT_CODE;
    /* Codes from 0xC0000000 on are exceptions: the like of a signal. */
    *result =
        (struct po_command_result){ .exit_code = timed_out || code >= 0xC0000000u ? -1 : (int)code,
                                    .timed_out = timed_out };
    st = PO_OK;
done:
    po_nt_close(&run.null);
    po_nt_close(&run.read_end);
    po_nt_close(&run.write_end);
    po_nt_close(&run.process);
    po_nt_close(&run.job);
    return st;
}
