#include "host/host_win32_events.h"

#include "base/mem.h"
#include "base/text.h"
#include "port/file_win32.h"
#include "port/sys.h"

#include <errno.h>
#include <string.h>

#define SOURCES_KEY L"SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application\\"
#define WIDE_SOURCE L"" PO_WIN32_EVENT_SOURCE
/* One string of an event: 31,839 characters since Vista, 32,766 bytes in all before. */
#define TEXT_MAX 31000u
#define TEXT_MAX_2003 15000u

#define MESSAGE_TABLE_ID 1
#define MODULE_PATH_MAX 32768u
#define TYPES (EVENTLOG_ERROR_TYPE | EVENTLOG_WARNING_TYPE | EVENTLOG_INFORMATION_TYPE)

/* ---- the calls ---- */

static DWORD
set_values(HKEY key, const wchar_t *program, DWORD length)
{
    DWORD types = TYPES;
    DWORD size = (length + 1) * (DWORD)sizeof(*program);
    DWORD code = (DWORD)RegSetValueExW(key, L"EventMessageFile", 0, REG_EXPAND_SZ,
                                       (const BYTE *)program, size);

    if (code != 0)
        return code;
    return (DWORD)RegSetValueExW(key, L"TypesSupported", 0, REG_DWORD, (const BYTE *)&types,
                                 sizeof(types));
}

/* Where it says what it should, nothing is written: that needs fewer rights. */
static bool
is_registered(const wchar_t *path, const wchar_t *program, DWORD length)
{
    DWORD size = (length + 1) * (DWORD)sizeof(*program);
    DWORD room = size;
    wchar_t *found = po_mem_new(length + 1, sizeof(*found));
    HKEY key = NULL;
    bool is_same = false;

    if (found != NULL && RegOpenKeyExW(HKEY_LOCAL_MACHINE, path, 0, KEY_QUERY_VALUE, &key) == 0) {
        is_same =
            RegQueryValueExW(key, L"EventMessageFile", NULL, NULL, (BYTE *)found, &room) == 0 &&
            room == size && memcmp(found, program, size) == 0;
        (void)RegCloseKey(key);
    }
    po_mem_free(found);
    return is_same;
}

static DWORD
register_program(const wchar_t *source, const wchar_t *program, DWORD length)
{
    wchar_t path[512] = SOURCES_KEY;
    size_t start = wcslen(path);
    size_t size = wcslen(source);
    HKEY key = NULL;
    DWORD code;

    if (start + size >= sizeof(path) / sizeof(path[0]))
        return ERROR_INVALID_PARAMETER;
    memcpy(path + start, source, size * sizeof(*path));
    if (is_registered(path, program, length))
        return 0;
    code = (DWORD)RegCreateKeyExW(HKEY_LOCAL_MACHINE, path, 0, NULL, REG_OPTION_NON_VOLATILE,
                                  KEY_SET_VALUE, NULL, &key, NULL);
    if (code == 0)
        code = set_values(key, program, length);
    if (key != NULL)
        (void)RegCloseKey(key);
    return code;
}

static DWORD
register_source(const wchar_t *source)
{
    wchar_t *program;
    DWORD length;
    DWORD code;

    if (FindResourceW(NULL, MAKEINTRESOURCEW(MESSAGE_TABLE_ID), MAKEINTRESOURCEW(11)) == NULL)
        return ERROR_RESOURCE_TYPE_NOT_FOUND;
    program = po_mem_new(MODULE_PATH_MAX, sizeof(*program));
    if (program == NULL)
        return ERROR_NOT_ENOUGH_MEMORY;
    length = GetModuleFileNameW(NULL, program, MODULE_PATH_MAX - 1);
    code = length == 0 ? GetLastError() : register_program(source, program, length);
    po_mem_free(program);
    return code;
}

static DWORD
report(const wchar_t *source, WORD type, DWORD id, const wchar_t *text)
{
    HANDLE log = RegisterEventSourceW(NULL, source);
    DWORD code;

    if (log == NULL)
        return GetLastError();
    code = ReportEventW(log, type, 0, id, NULL, 1, 0, &text, NULL) ? 0 : GetLastError();
    (void)DeregisterEventSource(log);
    return code;
}

const struct po_win32_event_calls po_win32_event_calls = { .register_source = register_source,
                                                           .report = report };

/* ---- the file ---- */

static const char *
kind_name(enum po_win32_event_kind kind)
{
    return kind == PO_WIN32_EVENT_ERROR     ? "error"
           : kind == PO_WIN32_EVENT_WARNING ? "warning"
                                            : "done";
}

static void
put_line(struct po_buf *out, const struct po_win32_event *event)
{
    const char *at = event->text;

    po_text_put_time(out, po_sys_now());
    po_buf_printf(out, " %s %u ", kind_name(event->kind), event->id);
    for (; *at != '\0'; at++) {
        if (*at == '\n')
            po_buf_put_text(out, " | ");
        else if ((unsigned char)*at >= ' ')
            po_buf_put_u8(out, (uint8_t)*at);
    }
    po_buf_put_text(out, "\r\n");
}

static enum po_status
append(const char *path, const struct po_buf *line, struct po_err *err)
{
    struct po_file *file = NULL;
    enum po_status st = po_os_file_open(&file, path, PO_FILE_UPDATE, err);

    if (st != PO_OK && err->os_code == ENOENT)
        st = po_os_file_open(&file, path, PO_FILE_CREATE, err);
    if (st != PO_OK)
        return st;
    st = po_file_write(file, line->bytes, line->size, err);
    if (st != PO_OK) {
        po_file_free(file);
        return st;
    }
    return po_file_close(file, err);
}

static enum po_status
write_to_file(const char *path, const struct po_win32_event *event, struct po_err *err)
{
    struct po_buf line = { 0 };
    enum po_status st;

    put_line(&line, event);
    st = po_buf_check(&line, err);
    if (st == PO_OK)
        st = append(path, &line, err);
    po_buf_deinit(&line);
    return st;
}

/* ---- both ---- */

/* Appends \r\n for \n, as the event viewer of Server 2003 wants it. */
static void
put_text(struct po_buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n')
            po_buf_put_u8(out, '\r');
        if (*text != '\r')
            po_buf_put_u8(out, (uint8_t)*text);
    }
}

static enum po_status
write_to_log(const struct po_win32_event_calls *calls, const struct po_win32_event *event,
             struct po_err *err)
{
    static const WORD types[] = { [PO_WIN32_EVENT_DONE] = EVENTLOG_INFORMATION_TYPE,
                                  [PO_WIN32_EVENT_WARNING] = EVENTLOG_WARNING_TYPE,
                                  [PO_WIN32_EVENT_ERROR] = EVENTLOG_ERROR_TYPE };
    struct po_buf text = { 0 };
    struct po_wide wide = { 0 };
    DWORD code;
    enum po_status st;

    put_text(&text, event->text);
    st = po_buf_check(&text, err);
    if (st == PO_OK)
        st = po_wide_from_text(&wide, po_buf_text(&text), text.size, err);
    po_buf_deinit(&text);
    if (st != PO_OK)
        return st;
    (void)calls->register_source(WIDE_SOURCE);
    if (wide.length > TEXT_MAX)
        wide.text[TEXT_MAX] = L'\0';
    code = calls->report(WIDE_SOURCE, types[event->kind], event->id, wide.text);
    /* Older systems take less. */
    if (code != 0 && wide.length > TEXT_MAX_2003) {
        wide.text[TEXT_MAX_2003] = L'\0';
        code = calls->report(WIDE_SOURCE, types[event->kind], event->id, wide.text);
    }
    po_wide_free(&wide);
    return code == 0 ? PO_OK : po_fail_win32(err, code, "write to the event log");
}

enum po_status
po_win32_event_write(const struct po_win32_event_calls *calls, const struct po_win32_event *event,
                     const char *log_path, bool *is_in_file, struct po_err *err)
{
    struct po_err failure = { 0 };
    enum po_status st;

    *is_in_file = false;
    if (event->id == 0 || event->id > PO_WIN32_EVENT_ID_MAX)
        return po_fail(err, PO_E_USAGE, "event %u of %u", event->id, PO_WIN32_EVENT_ID_MAX);
    if (write_to_log(calls, event, &failure) == PO_OK)
        return PO_OK;
    if (log_path == NULL) {
        *err = failure;
        return failure.status;
    }
    st = write_to_file(log_path, event, err);
    if (st != PO_OK)
        return po_err_prefix(err, "%s", failure.text);
    *is_in_file = true;
    return PO_OK;
}
