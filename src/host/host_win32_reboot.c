#include "host/host_win32_reboot.h"

#include "port/file_win32.h"

#include <string.h>

#define MESSAGE_MAX 500u

#define RUN_ONCE_KEY L"SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\RunOnce"
/* With a '!' before it the value goes only once the command has ended well: a crash repeats it. */
#define RUN_ONCE_NAME                                                                              \
    L"!"                                                                                           \
    L"" PO_WIN32_TASK_NAME

#define REASON                                                                                     \
    (SHTDN_REASON_MAJOR_APPLICATION | SHTDN_REASON_MINOR_MAINTENANCE | SHTDN_REASON_FLAG_PLANNED)

#define SHUTDOWN_IS_SCHEDULED 1190u /* ERROR_SHUTDOWN_IS_SCHEDULED, of Vista */

#define SCHTASKS "schtasks.exe"
#define SCHTASKS_TIMEOUT_S 120u
#define SCHTASKS_OUTPUT_MAX ((size_t)4 * 1024 * 1024) /* the list of a large server */

/* ---- the calls ---- */

static DWORD
initiate(const wchar_t *message, DWORD delay_s, bool is_forced, DWORD reason)
{
    /* The system does not write to the message. */
    return InitiateSystemShutdownExW(NULL, (wchar_t *)(uintptr_t)message, delay_s, is_forced, TRUE,
                                     reason)
               ? 0
               : GetLastError();
}

static DWORD
abort_reboot(void)
{
    return AbortSystemShutdownW(NULL) ? 0 : GetLastError();
}

static DWORD
open_run_once(HKEY *key, REGSAM access)
{
    /* A 32-bit program has a view of its own, whose commands run too, but in another order. */
    return (DWORD)RegOpenKeyExW(HKEY_LOCAL_MACHINE, RUN_ONCE_KEY, 0, access | KEY_WOW64_64KEY, key);
}

static DWORD
run_once_set(const wchar_t *name, const wchar_t *command)
{
    HKEY key = NULL;
    DWORD size = (DWORD)((wcslen(command) + 1) * sizeof(*command));
    DWORD code =
        (DWORD)RegCreateKeyExW(HKEY_LOCAL_MACHINE, RUN_ONCE_KEY, 0, NULL, REG_OPTION_NON_VOLATILE,
                               KEY_SET_VALUE | KEY_WOW64_64KEY, NULL, &key, NULL);

    if (code != 0)
        return code;
    code = (DWORD)RegSetValueExW(key, name, 0, REG_SZ, (const BYTE *)command, size);
    (void)RegCloseKey(key);
    return code;
}

static DWORD
run_once_has(const wchar_t *name, bool *exists)
{
    HKEY key = NULL;
    DWORD code = open_run_once(&key, KEY_QUERY_VALUE);

    *exists = false;
    if (code == 0) {
        code = (DWORD)RegQueryValueExW(key, name, NULL, NULL, NULL, NULL);
        *exists = code == 0;
        (void)RegCloseKey(key);
    }
    return code == ERROR_FILE_NOT_FOUND ? 0 : code;
}

static DWORD
run_once_delete(const wchar_t *name)
{
    HKEY key = NULL;
    DWORD code = open_run_once(&key, KEY_SET_VALUE);

    if (code != 0)
        return code;
    code = (DWORD)RegDeleteValueW(key, name);
    (void)RegCloseKey(key);
    return code;
}

const struct po_win32_reboot_calls po_win32_reboot_calls = { .admin = &po_win32_admin_calls,
                                                             .initiate = initiate,
                                                             .abort = abort_reboot,
                                                             .run = po_win32_run,
                                                             .run_once_set = run_once_set,
                                                             .run_once_has = run_once_has,
                                                             .run_once_delete = run_once_delete };

/* ---- the reboot ---- */

static enum po_status
enable_shutdown(const struct po_win32_reboot_calls *calls, struct po_err *err)
{
    unsigned missing = 0;
    enum po_status st = po_win32_privileges_enable(calls->admin, PO_WIN32_SHUTDOWN, &missing, err);

    if (st == PO_OK && missing != 0)
        st = po_fail(err, PO_E_IO, "SeShutdownPrivilege is missing: this account may not reboot");
    return st;
}

enum po_status
po_win32_reboot(const struct po_win32_reboot_calls *calls, const struct po_win32_reboot *how,
                struct po_err *err)
{
    struct po_wide message = { 0 };
    DWORD code;
    enum po_status st = enable_shutdown(calls, err);

    if (st == PO_OK)
        st = po_wide_from_text(&message, how->message, strlen(how->message), err);
    if (st != PO_OK)
        return st;
    if (message.length > MESSAGE_MAX)
        message.text[MESSAGE_MAX] = L'\0';
    code = calls->initiate(message.text, how->delay_s, how->is_forced, REASON);
    po_wide_free(&message);
    if (code == ERROR_SHUTDOWN_IN_PROGRESS || code == SHUTDOWN_IS_SCHEDULED)
        return po_fail_win32(err, code, "a shutdown is on its way already");
    return code == 0 ? PO_OK : po_fail_win32(err, code, "schedule the reboot");
}

enum po_status
po_win32_reboot_cancel(const struct po_win32_reboot_calls *calls, bool *was_pending,
                       struct po_err *err)
{
    DWORD code;
    enum po_status st = enable_shutdown(calls, err);

    if (st != PO_OK)
        return st;
    code = calls->abort();
    *was_pending = code != ERROR_NO_SHUTDOWN_IN_PROGRESS;
    if (code == ERROR_SHUTDOWN_IN_PROGRESS)
        return po_fail_win32(err, code, "too late: the system is shutting down");
    return code == 0 || !*was_pending ? PO_OK : po_fail_win32(err, code, "cancel the reboot");
}

/* ---- schtasks ---- */

/* One argument in quotation marks, as the C library of the other side takes it apart. */
static void
put_quoted(struct po_buf *out, const char *text)
{
    size_t slashes = 0;

    po_buf_put_text(out, "\"");
    for (const char *at = text; *at != '\0'; at++) {
        /* Backslashes mean themselves, but for those before a quotation mark. */
        for (size_t i = 0; *at == '"' && i < slashes + 1; i++)
            po_buf_put_text(out, "\\");
        slashes = *at == '\\' ? slashes + 1 : 0;
        po_buf_put_u8(out, (uint8_t)*at);
    }
    for (size_t i = 0; i < slashes; i++)
        po_buf_put_text(out, "\\");
    po_buf_put_text(out, "\"");
}

/* By its full path: nobody can put another one before it. */
static enum po_status
put_schtasks(struct po_buf *out, struct po_err *err)
{
    wchar_t directory[MAX_PATH + 1];
    UINT length = GetSystemDirectoryW(directory, MAX_PATH);

    if (length == 0 || length > MAX_PATH)
        return po_fail_win32(err, GetLastError(), "find the system's directory");
    po_wide_put(out, directory, length);
    po_buf_put_text(out, "\\" SCHTASKS);
    return po_buf_check(out, err);
}

/* Runs it; *exit_code and output are only right when it is PO_OK. */
static enum po_status
schtasks(const struct po_win32_reboot_calls *calls, const char *arguments, uint32_t *exit_code,
         struct po_buf *output, struct po_err *err)
{
    struct po_buf program = { 0 };
    struct po_win32_run run = { .arguments = arguments,
                                .timeout_s = SCHTASKS_TIMEOUT_S,
                                .output_max = SCHTASKS_OUTPUT_MAX };
    struct po_win32_run_result result = { 0 };
    enum po_status st = put_schtasks(&program, err);

    run.program = po_buf_text(&program);
    if (st == PO_OK)
        st = calls->run(&run, &result, output, err);
    if (st == PO_OK && result.timed_out)
        st = po_fail(err, PO_E_IO, SCHTASKS " did not end within %u s", SCHTASKS_TIMEOUT_S);
    if (st == PO_OK)
        *exit_code = result.exit_code;
    po_buf_deinit(&program);
    return st;
}

/* The same, when it has to end well. */
static enum po_status
schtasks_well(const struct po_win32_reboot_calls *calls, const char *arguments, struct po_err *err)
{
    struct po_buf output = { 0 };
    struct po_buf tail = { 0 };
    uint32_t code = 0;
    enum po_status st = schtasks(calls, arguments, &code, &output, err);

    if (st == PO_OK && code != 0) {
        po_win32_run_put_tail(&tail, &output);
        st = po_fail(err, PO_E_IO, SCHTASKS " ended with exit code %u%s", (unsigned)code,
                     po_buf_text(&tail));
    }
    po_buf_deinit(&tail);
    po_buf_deinit(&output);
    return st;
}

bool
po_win32_task_is_listed(const char *csv, size_t size, const char *name)
{
    size_t name_size = strlen(name);
    size_t at = 0;

    while (at < size) {
        const char *end = memchr(csv + at, '\n', size - at);
        size_t next = end == NULL ? size : (size_t)(end - csv) + 1;
        size_t from = at;

        /* "name",... on Server 2003; "\name",... in the root folder of newer systems. */
        if (csv[from] == '"') {
            from += from + 1 < next && csv[from + 1] == '\\' ? 2 : 1;
            if (next - from > name_size && memcmp(csv + from, name, name_size) == 0 &&
                csv[from + name_size] == '"')
                return true;
        }
        at = next;
    }
    return false;
}

/* No scheduler, or one that does not answer: then there is no task that would run. */
static enum po_status
has_task(const struct po_win32_reboot_calls *calls, bool *exists, struct po_err *err)
{
    struct po_buf output = { 0 };
    uint32_t code = 0;
    /* Server 2003 cannot ask for one task. */
    enum po_status st = schtasks(calls, "/Query /FO CSV /NH", &code, &output, err);

    *exists = st == PO_OK && code == 0 &&
              po_win32_task_is_listed(po_buf_text(&output), output.size, PO_WIN32_TASK_NAME);
    po_buf_deinit(&output);
    return st == PO_E_NOMEM ? st : PO_OK;
}

static enum po_status
delete_task(const struct po_win32_reboot_calls *calls, struct po_err *err)
{
    return schtasks_well(calls, "/Delete /TN \"" PO_WIN32_TASK_NAME "\" /F", err);
}

/*
 * In place of an older one: Server 2003 would ask whether to replace that, so it goes first, and that
 * there is none is no matter. It looks afterwards: only a task that is listed is one.
 */
static enum po_status
create_task(const struct po_win32_reboot_calls *calls, const char *command, struct po_err *err)
{
    struct po_buf arguments = { 0 };
    bool exists = false;
    enum po_status st = delete_task(calls, err);

    if (st == PO_E_IO)
        st = PO_OK;
    po_buf_put_text(&arguments, "/Create /TN \"" PO_WIN32_TASK_NAME "\" /TR ");
    put_quoted(&arguments, command);
    po_buf_put_text(&arguments, " /SC ONSTART /RU SYSTEM");
    if (st == PO_OK)
        st = po_buf_check(&arguments, err);
    if (st == PO_OK)
        st = schtasks_well(calls, po_buf_text(&arguments), err);
    if (st == PO_OK)
        st = has_task(calls, &exists, err);
    if (st == PO_OK && !exists)
        st = po_fail(err, PO_E_IO, SCHTASKS " ended well, but there is no task");
    po_buf_deinit(&arguments);
    return st;
}

/* ---- after the reboot ---- */

static enum po_status
set_run_once(const struct po_win32_reboot_calls *calls, const char *command, struct po_err *err)
{
    struct po_wide wide = { 0 };
    enum po_status st = po_wide_from_text(&wide, command, strlen(command), err);
    DWORD code;

    if (st != PO_OK)
        return st;
    code = calls->run_once_set(RUN_ONCE_NAME, wide.text);
    po_wide_free(&wide);
    return code == 0 ? PO_OK : po_fail_win32(err, code, "register in RunOnce");
}

/* The command line; PO_E_USAGE when Windows takes none that is so long. */
static enum po_status
put_command(struct po_buf *out, const char *program, const char *arguments, struct po_err *err)
{
    struct po_wide wide = { 0 };
    enum po_status st;

    po_buf_printf(out, "\"%s\"%s%s", program, *arguments == '\0' ? "" : " ", arguments);
    st = po_buf_check(out, err);
    for (size_t i = 0; st == PO_OK && i < strlen(program) + 1; i++)
        if (out->bytes[i] == '/')
            out->bytes[i] = '\\';
    if (st == PO_OK)
        st = po_wide_from_text(&wide, po_buf_text(out), out->size, err);
    if (st == PO_OK && wide.length > PO_WIN32_COMMAND_MAX)
        st =
            po_fail(err, PO_E_USAGE,
                    "the command for after the reboot has %zu characters; Windows runs %u at most: "
                    "%s",
                    wide.length, PO_WIN32_COMMAND_MAX, po_buf_text(out));
    po_wide_free(&wide);
    return st;
}

enum po_status
po_win32_after_reboot_register(const struct po_win32_reboot_calls *calls, const char *program,
                               const char *arguments, unsigned *how, struct po_buf *note,
                               struct po_err *err)
{
    struct po_buf command = { 0 };
    struct po_err failure = { 0 };
    DWORD code;
    enum po_status st = put_command(&command, program, arguments, err);

    if (st != PO_OK)
        goto done;
    if (create_task(calls, po_buf_text(&command), &failure) == PO_OK) {
        /* An older fallback would run it a second time. */
        code = calls->run_once_delete(RUN_ONCE_NAME);
        if (code != 0 && code != ERROR_FILE_NOT_FOUND)
            st = po_fail_win32(err, code, "remove it from RunOnce");
        *how = PO_WIN32_AFTER_TASK;
        goto done;
    }
    if (note != NULL)
        po_buf_printf(note, "no scheduled task (%s): it runs when an administrator logs on",
                      failure.text);
    st = set_run_once(calls, po_buf_text(&command), err);
    if (st == PO_OK)
        *how = PO_WIN32_AFTER_RUN_ONCE;
    else
        st = po_err_prefix(err, "no scheduled task (%s)", failure.text);
done:
    po_buf_deinit(&command);
    return st;
}

enum po_status
po_win32_after_reboot_query(const struct po_win32_reboot_calls *calls, unsigned *how,
                            struct po_err *err)
{
    bool has_value = false;
    bool is_listed = false;
    DWORD code = calls->run_once_has(RUN_ONCE_NAME, &has_value);
    enum po_status st = PO_OK;

    if (code != 0)
        return po_fail_win32(err, code, "look into RunOnce");
    st = has_task(calls, &is_listed, err);
    if (st == PO_OK)
        *how = (is_listed ? PO_WIN32_AFTER_TASK : 0) | (has_value ? PO_WIN32_AFTER_RUN_ONCE : 0);
    return st;
}

enum po_status
po_win32_after_reboot_remove(const struct po_win32_reboot_calls *calls, struct po_err *err)
{
    bool exists = false;
    DWORD code = calls->run_once_delete(RUN_ONCE_NAME);
    enum po_status st = has_task(calls, &exists, err);

    /* Both are tried, whatever becomes of the other. */
    if (st == PO_OK && exists)
        st = delete_task(calls, err);
    if (code != 0 && code != ERROR_FILE_NOT_FOUND)
        st = po_fail_win32(err, code, "remove it from RunOnce");
    return st;
}
