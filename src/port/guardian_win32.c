#include "port/guardian.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "port/file_win32.h"

#include <string.h>

/* It has only to notice that we are done. */
#define END_WAIT_MS 10000u

struct po_guardian {
    HANDLE pipe;
    HANDLE process;
};

/* Standard handles are often inheritable, and it would keep those of whoever waits for our end. */
struct standard {
    HANDLE handle[3];
    DWORD flags[3];
};

static void
hide_standard(struct standard *standard)
{
    static const DWORD names[3] = { STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE };

    for (int i = 0; i < 3; i++) {
        standard->handle[i] = GetStdHandle(names[i]);
        if (!GetHandleInformation(standard->handle[i], &standard->flags[i]))
            standard->flags[i] = 0;
        (void)SetHandleInformation(standard->handle[i], HANDLE_FLAG_INHERIT, 0);
    }
}

static void
show_standard(const struct standard *standard)
{
    for (int i = 0; i < 3; i++)
        (void)SetHandleInformation(standard->handle[i], HANDLE_FLAG_INHERIT,
                                   standard->flags[i] & HANDLE_FLAG_INHERIT);
}

static enum po_status
make_line(struct po_wide *line, const char *program, const char *const *arguments,
          struct po_err *err)
{
    struct po_buf text = { 0 };
    enum po_status st;

    po_text_put_argument(&text, program);
    for (size_t i = 0; arguments[i] != NULL; i++) {
        po_buf_put_u8(&text, ' ');
        po_text_put_argument(&text, arguments[i]);
    }
    st = po_buf_check(&text, err);
    if (st == PO_OK)
        st = po_wide_from_text(line, po_buf_text(&text), text.size, err);
    po_buf_deinit(&text);
    return st;
}

/* What it prints goes there; NUL when that cannot be had. */
static HANDLE
open_log(const char *log_path)
{
    SECURITY_ATTRIBUTES inherited = { .nLength = sizeof(inherited), .bInheritHandle = TRUE };
    struct po_wide path = { 0 };
    struct po_err ignored;
    HANDLE file = INVALID_HANDLE_VALUE;

    if (log_path != NULL &&
        po_wide_from_text(&path, log_path, strlen(log_path), &ignored) == PO_OK) {
        for (size_t i = 0; i < path.length; i++)
            if (path.text[i] == L'/')
                path.text[i] = L'\\';
        file = CreateFileW(path.text, FILE_APPEND_DATA | SYNCHRONIZE,
                           FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, &inherited,
                           OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
    }
    po_wide_free(&path);
    if (file == INVALID_HANDLE_VALUE)
        file = CreateFileW(L"NUL", GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, &inherited,
                           OPEN_EXISTING, 0, NULL);
    return file;
}

/* Out of our job, where that is allowed: a job may end all that is in it. */
static DWORD
create(wchar_t *line, HANDLE input, HANDLE output, HANDLE *process)
{
    static const DWORD flags = CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP;
    STARTUPINFOW startup = { .cb = sizeof(startup),
                             .dwFlags = STARTF_USESTDHANDLES,
                             .hStdInput = input,
                             .hStdOutput = output,
                             .hStdError = output };
    PROCESS_INFORMATION info = { 0 };
    struct standard standard;
    DWORD code = 0;

    hide_standard(&standard);
    if (!CreateProcessW(NULL, line, NULL, NULL, TRUE, flags | CREATE_BREAKAWAY_FROM_JOB, NULL, NULL,
                        &startup, &info) &&
        !CreateProcessW(NULL, line, NULL, NULL, TRUE, flags, NULL, NULL, &startup, &info))
        code = GetLastError();
    show_standard(&standard);
    if (code != 0)
        return code;
    (void)CloseHandle(info.hThread);
    *process = info.hProcess;
    return 0;
}

enum po_status
po_guardian_start(struct po_guardian **out, const char *program, const char *const *arguments,
                  const char *log_path, struct po_err *err)
{
    struct po_guardian *guardian = po_mem_new(1, sizeof(*guardian));
    struct po_wide line = { 0 };
    HANDLE input = NULL;
    HANDLE output = NULL;
    DWORD code;
    enum po_status st;

    if (guardian == NULL)
        return po_fail_nomem(err, sizeof(*guardian));
    st = make_line(&line, program, arguments, err);
    if (st != PO_OK)
        goto done;
    /* Neither end is inherited by others; its own is, for this one start. */
    if (!CreatePipe(&input, &guardian->pipe, NULL, 0) ||
        !SetHandleInformation(input, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT)) {
        st = po_fail_win32(err, GetLastError(), "make a pipe");
        goto done;
    }
    output = open_log(log_path);
    code = create(line.text, input, output, &guardian->process);
    if (code != 0)
        st = po_fail_win32(err, code, "start %s", program);
    if (st == PO_OK) {
        *out = guardian;
        guardian = NULL;
    }
done:
    po_wide_free(&line);
    if (input != NULL)
        (void)CloseHandle(input);
    if (output != NULL && output != INVALID_HANDLE_VALUE)
        (void)CloseHandle(output);
    if (guardian != NULL && guardian->pipe != NULL)
        (void)CloseHandle(guardian->pipe);
    po_mem_free(guardian);
    return st;
}

enum po_status
po_guardian_send(struct po_guardian *guardian, const void *bytes, size_t size, struct po_err *err)
{
    DWORD written = 0;

    if (!WriteFile(guardian->pipe, bytes, (DWORD)size, &written, NULL) || written != size)
        return po_fail_win32(err, GetLastError(), "the guardian is gone");
    return PO_OK;
}

void
po_guardian_free(struct po_guardian *guardian)
{
    if (guardian == NULL)
        return;
    (void)CloseHandle(guardian->pipe);
    (void)WaitForSingleObject(guardian->process, END_WAIT_MS);
    (void)CloseHandle(guardian->process);
    po_mem_free(guardian);
}
