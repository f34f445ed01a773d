#include "host/host_win32_run.h"

#include "base/mem.h"
#include "port/file_win32.h"
#include "port/sys.h"

#include <string.h>

#define POLL_MS 50u
#define POLL_BUSY_MS 5u /* while it prints: a full pipe holds it up */
#define PIPE_SIZE ((DWORD)64 * 1024)
#define ENDED_WAIT_MS 5000u
#define ENDED_EXIT_CODE 0xC000013Au /* STATUS_CONTROL_C_EXIT */
/* What is read after its end at most: a background process may write faster than we read. */
#define REST_MAX ((size_t)1024 * 1024)

/* How much of what it printed a message shows. */
#define TAIL_LINES 4
#define TAIL_SIZE 300

struct child {
    HANDLE null;
    HANDLE read_end;
    HANDLE write_end;
    HANDLE job;
    HANDLE process;
    struct po_buf printed; /* in its code page */
    size_t kept_max;
};

static enum po_status
open_ends(struct child *child, struct po_err *err)
{
    SECURITY_ATTRIBUTES inherited = { .nLength = sizeof(inherited), .bInheritHandle = TRUE };

    child->null =
        CreateFileW(L"NUL", GENERIC_READ, PO_SHARE_ALL, &inherited, OPEN_EXISTING, 0, NULL);
    if (child->null == INVALID_HANDLE_VALUE) {
        child->null = NULL;
        return po_fail_win32(err, GetLastError(), "open NUL");
    }
    if (!CreatePipe(&child->read_end, &child->write_end, &inherited, PIPE_SIZE))
        return po_fail_win32(err, GetLastError(), "make a pipe");
    (void)SetHandleInformation(child->read_end, HANDLE_FLAG_INHERIT, 0);
    return PO_OK;
}

/* With all it starts: a job, where one can be had (not in another job before Windows 8). */
static void
put_into_job(struct child *child)
{
    child->job = CreateJobObjectW(NULL, NULL);
    if (child->job != NULL && !AssignProcessToJobObject(child->job, child->process))
        po_nt_close(&child->job);
}

/* Any path as Windows' own programs like it: with backslashes. */
static enum po_status
plain_path(struct po_wide *out, const char *path, struct po_err *err)
{
    enum po_status st = po_wide_from_text(out, path, strlen(path), err);

    for (size_t i = 0; i < out->length; i++)
        if (out->text[i] == L'/')
            out->text[i] = L'\\';
    return st;
}

static enum po_status
start(struct child *child, const struct po_win32_run *run, struct po_err *err)
{
    STARTUPINFOW startup = { .cb = sizeof(startup), .dwFlags = STARTF_USESTDHANDLES };
    PROCESS_INFORMATION info = { 0 };
    struct po_buf line = { 0 };
    struct po_wide program = { 0 };
    struct po_wide wide = { 0 };
    struct po_wide where = { 0 };
    enum po_status st = plain_path(&program, run->program, err);

    po_buf_printf(&line, "\"%s\"%s%s", run->program, *run->arguments == '\0' ? "" : " ",
                  run->arguments);
    if (st == PO_OK)
        st = po_buf_check(&line, err);
    if (st == PO_OK)
        st = po_wide_from_text(&wide, (const char *)line.bytes, line.size, err);
    if (st == PO_OK && run->directory != NULL)
        st = plain_path(&where, run->directory, err);
    startup.hStdInput = child->null;
    startup.hStdOutput = child->write_end;
    startup.hStdError = child->write_end;
    /* A process group of its own: Ctrl-C is for us alone. */
    if (st == PO_OK &&
        !CreateProcessW(program.text, wide.text, NULL, NULL, TRUE,
                        CREATE_SUSPENDED | CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP, NULL,
                        where.text, &startup, &info))
        st = po_fail_win32(err, GetLastError(), "start %s", run->program);
    if (st == PO_OK) {
        child->process = info.hProcess;
        put_into_job(child);
        (void)ResumeThread(info.hThread);
        (void)CloseHandle(info.hThread);
        po_nt_close(&child->write_end);
    }
    po_buf_deinit(&line);
    po_wide_free(&program);
    po_wide_free(&wide);
    po_wide_free(&where);
    return st;
}

/* Forgets all but the last bytes. */
static void
keep_last(struct po_buf *bytes, size_t count)
{
    if (bytes->size <= count)
        return;
    memmove(bytes->bytes, bytes->bytes + bytes->size - count, count);
    bytes->size = count;
}

/* Reads what is there, without waiting; how much that was. */
static size_t
read_some(struct child *child)
{
    uint8_t bytes[4096];
    DWORD there = 0;
    DWORD got = 0;

    if (!PeekNamedPipe(child->read_end, NULL, 0, NULL, &there, NULL) || there == 0 ||
        !ReadFile(child->read_end, bytes, there < sizeof(bytes) ? there : (DWORD)sizeof(bytes),
                  &got, NULL))
        return 0;
    po_buf_put(&child->printed, bytes, got);
    if (child->printed.size / 2 > child->kept_max)
        keep_last(&child->printed, child->kept_max);
    return got;
}

static void
end_all(const struct child *child)
{
    if (child->job != NULL)
        (void)TerminateJobObject(child->job, ENDED_EXIT_CODE);
    else
        (void)TerminateProcess(child->process, ENDED_EXIT_CODE);
    (void)WaitForSingleObject(child->process, ENDED_WAIT_MS);
}

/* Until it has ended, or was ended. */
static void
wait_for(struct child *child, const struct po_win32_run *run, bool *timed_out, bool *is_cancelled)
{
    double began = po_sys_monotonic();
    DWORD poll_ms = POLL_BUSY_MS;

    while (WaitForSingleObject(child->process, poll_ms) == WAIT_TIMEOUT) {
        double seconds = po_sys_monotonic() - began;

        *is_cancelled = run->cancel != NULL && *run->cancel != 0;
        *timed_out = run->timeout_s != 0 && seconds >= run->timeout_s;
        if (*is_cancelled || *timed_out) {
            end_all(child);
            break;
        }
        /* At most so much at once: who prints for ever must not hold us up. */
        poll_ms = POLL_MS;
        for (int i = 0; i < 64 && read_some(child) > 0; i++)
            poll_ms = POLL_BUSY_MS;
        if (run->waiting != NULL)
            run->waiting(run->ctx, seconds);
    }
    for (size_t rest = 0, got; rest < REST_MAX && (got = read_some(child)) > 0; rest += got)
        continue;
}

/* What it printed is in the code page of consoles: 932 on a Japanese system. */
static enum po_status
put_printed(struct child *child, struct po_buf *output, struct po_err *err)
{
    int size;
    int length;
    wchar_t *wide;

    if (child->printed.failed)
        return po_fail_nomem(err, child->kept_max);
    keep_last(&child->printed, child->kept_max);
    if (child->printed.size == 0 || child->printed.size > INT32_MAX / 2)
        return PO_OK;
    size = (int)child->printed.size;
    wide = po_mem_new(child->printed.size, sizeof(*wide));
    if (wide == NULL)
        return po_fail_nomem(err, child->printed.size * sizeof(*wide));
    length = MultiByteToWideChar(CP_OEMCP, 0, (const char *)child->printed.bytes, size, wide, size);
    po_wide_put(output, wide, length > 0 ? (size_t)length : 0);
    po_mem_free(wide);
    return po_buf_check(output, err);
}

enum po_status
po_win32_run(const struct po_win32_run *run, struct po_win32_run_result *result,
             struct po_buf *output, struct po_err *err)
{
    struct child child = { .kept_max = run->output_max };
    DWORD code = 0;
    bool timed_out = false;
    bool is_cancelled = false;
    enum po_status st = open_ends(&child, err);

    if (st == PO_OK)
        st = start(&child, run, err);
    if (st != PO_OK)
        goto done;
    wait_for(&child, run, &timed_out, &is_cancelled);
    if (!GetExitCodeProcess(child.process, &code))
        code = ENDED_EXIT_CODE;
    st = put_printed(&child, output, err);
    if (st == PO_OK && is_cancelled)
        st = po_fail(err, PO_E_CANCELLED, "%s was ended", run->program);
    if (st == PO_OK)
        *result = (struct po_win32_run_result){ .exit_code = code, .timed_out = timed_out };
done:
    po_nt_close(&child.null);
    po_nt_close(&child.read_end);
    po_nt_close(&child.write_end);
    po_nt_close(&child.process);
    po_nt_close(&child.job);
    po_buf_deinit(&child.printed);
    return st;
}

void
po_win32_run_put_tail(struct po_buf *out, const struct po_buf *output)
{
    size_t end = output->size;
    size_t start;
    int lines = 0;

    while (end > 0 && output->bytes[end - 1] <= ' ')
        end--;
    for (start = end; start > 0 && end - start < TAIL_SIZE; start--)
        if (output->bytes[start - 1] == '\n' && ++lines == TAIL_LINES)
            break;
    /* Not in the middle of a character. */
    while (start < end && (output->bytes[start] & 0xC0) == 0x80)
        start++;
    if (start == end)
        return;
    po_buf_put_text(out, ": ");
    for (; start < end; start++) {
        if (output->bytes[start] == '\n')
            po_buf_put_text(out, " | ");
        else if (output->bytes[start] >= ' ')
            po_buf_put_u8(out, output->bytes[start]);
    }
}
