/*
 * req: R8, R9, B9: the reboot, what runs after it, and the event log. Wine reboots nothing, has no
 * scheduled tasks and no event log: what is asked of the system is looked at on its way.
 */
#include "base/mem.h"
#include "host/host_win32_events.h"
#include "host/host_win32_reboot.h"
#include "os_help.h"
#include "port/file_win32.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define RUN_ONCE L"SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\RunOnce"
#define RUN_ONCE_VALUE L"!pobackup after-reboot"
#define SOURCE_KEY L"SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application\\pobackup"

static char top[OS_PATH_SIZE];
static struct po_err err;

static void
must(enum po_status st)
{
    ck_assert_msg(st == PO_OK, "%s", err.text);
}

static void
must_fail(enum po_status st, enum po_status expected, const char *text)
{
    ck_assert_int_eq(st, expected);
    ck_assert_msg(strstr(err.text, text) != NULL, "\"%s\" has no \"%s\"", err.text, text);
}

/* ---- a system of our own ---- */

/* What it has, what it was asked for, and which call fails. */
static struct {
    unsigned calls;
    unsigned fail_at;
    DWORD fail_code;
    DWORD initiate_code;
    DWORD abort_code;
    DWORD privilege_code;
    DWORD delay_s;
    DWORD reason;
    bool is_forced;
    wchar_t message[600];
    bool has_scheduler;
    bool creates_nothing; /* schtasks says that it did */
    bool is_old;          /* Server 2003: names without a folder */
    bool has_task;
    bool has_value;
    wchar_t value[600];
    char command[1024]; /* of the task */
    char last[1024];    /* arguments of schtasks */
} sys;

static void
begin(void)
{
    memset(&sys, 0, sizeof(sys));
    sys.has_scheduler = true;
    sys.fail_code = ERROR_ACCESS_DENIED;
    err = (struct po_err){ 0 };
}

static DWORD
next_call(void)
{
    sys.calls++;
    return sys.calls == sys.fail_at ? sys.fail_code : 0;
}

static DWORD
fake_enable(const wchar_t *privilege)
{
    ck_assert_int_eq(wcscmp(privilege, L"SeShutdownPrivilege"), 0);
    return sys.privilege_code;
}

static DWORD
fake_initiate(const wchar_t *message, DWORD delay_s, bool is_forced, DWORD reason)
{
    ck_assert_uint_lt(wcslen(message), COUNT(sys.message));
    (void)wcscpy(sys.message, message);
    sys.delay_s = delay_s;
    sys.is_forced = is_forced;
    sys.reason = reason;
    return sys.initiate_code;
}

static DWORD
fake_abort(void)
{
    return sys.abort_code;
}

static void
fake_list(struct po_buf *output)
{
    const char *folder = sys.is_old ? "" : "\\";

    po_buf_printf(output, "\"%sGoogleUpdate\",\"N/A\",\"Ready\"\r\n", folder);
    po_buf_printf(output, "\"%smy pobackup after-reboot\",\"N/A\",\"Ready\"\r\n", folder);
    if (sys.has_task)
        po_buf_printf(output, "\"%spobackup after-reboot\",\"N/A\",\"Ready\"\r\n", folder);
    po_buf_printf(output, "\"\\x\\pobackup after-reboot\",\"N/A\",\"Ready\"\r\n");
}

static enum po_status
fake_run(const struct po_win32_run *run, struct po_win32_run_result *result, struct po_buf *output,
         struct po_err *out)
{
    static const char create[] = "/Create /TN \"pobackup after-reboot\" /TR ";

    *result = (struct po_win32_run_result){ 0 };
    (void)snprintf(sys.last, sizeof(sys.last), "%s", run->arguments);
    ck_assert_ptr_nonnull(strstr(run->program, "\\schtasks.exe"));
    ck_assert_uint_gt(run->timeout_s, 0);
    if (next_call() != 0)
        return po_fail(out, PO_E_IO, "start schtasks");
    if (!sys.has_scheduler) {
        po_buf_put_text(output, "ERROR: The service has not been started.\r\n");
        result->exit_code = 1;
    } else if (strcmp(run->arguments, "/Query /FO CSV /NH") == 0) {
        fake_list(output);
    } else if (strncmp(run->arguments, create, strlen(create)) == 0) {
        /* It asks whether to replace the one that is there, and nobody answers. */
        result->exit_code = sys.has_task;
        if (!sys.has_task)
            (void)snprintf(sys.command, sizeof(sys.command), "%s", run->arguments + strlen(create));
        sys.has_task = sys.has_task || !sys.creates_nothing;
    } else {
        ck_assert_str_eq(run->arguments, "/Delete /TN \"pobackup after-reboot\" /F");
        result->exit_code = !sys.has_task;
        sys.has_task = false;
    }
    return PO_OK;
}

static DWORD
fake_set(const wchar_t *name, const wchar_t *command)
{
    DWORD code = next_call();

    ck_assert_int_eq(wcscmp(name, RUN_ONCE_VALUE), 0);
    if (code == 0) {
        (void)wcscpy(sys.value, command);
        sys.has_value = true;
    }
    return code;
}

static DWORD
fake_has(const wchar_t *name, bool *exists)
{
    ck_assert_int_eq(wcscmp(name, RUN_ONCE_VALUE), 0);
    *exists = sys.has_value;
    return next_call();
}

static DWORD
fake_delete(const wchar_t *name)
{
    DWORD code = next_call();

    ck_assert_int_eq(wcscmp(name, RUN_ONCE_VALUE), 0);
    if (code == 0 && !sys.has_value)
        code = ERROR_FILE_NOT_FOUND;
    if (code == 0)
        sys.has_value = false;
    return code;
}

static const struct po_win32_admin_calls fake_admin = { .enable = fake_enable };

static const struct po_win32_reboot_calls fake = { .admin = &fake_admin,
                                                   .initiate = fake_initiate,
                                                   .abort = fake_abort,
                                                   .run = fake_run,
                                                   .run_once_set = fake_set,
                                                   .run_once_has = fake_has,
                                                   .run_once_delete = fake_delete };

/* ---- the reboot ---- */

START_TEST(a_reboot_is_planned_with_message_and_delay)
{
    struct po_win32_reboot how = { .message = "pobackup: \xe5\x86\x8d\xe8\xb5\xb7\xe5\x8b\x95",
                                   .delay_s = 300,
                                   .is_forced = true };

    must(po_win32_reboot(&fake, &how, &err));
    ck_assert_int_eq(wcscmp(sys.message, L"pobackup: \u518d\u8d77\u52d5"), 0);
    ck_assert_uint_eq(sys.delay_s, 300);
    ck_assert(sys.is_forced);
    ck_assert_uint_eq(sys.reason, 0x80040001u);
}
END_TEST

START_TEST(a_message_that_is_too_long_is_cut)
{
    char text[2000];
    struct po_win32_reboot how = { .message = text };

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    must(po_win32_reboot(&fake, &how, &err));
    ck_assert_uint_eq(wcslen(sys.message), 500);
    ck_assert(!sys.is_forced);
}
END_TEST

START_TEST(a_reboot_that_cannot_be_is_told)
{
    static const struct {
        DWORD code;
        const char *text;
    } cases[] = { { ERROR_SHUTDOWN_IN_PROGRESS, "a shutdown is on its way already" },
                  { 1190, "a shutdown is on its way already" },
                  { ERROR_ACCESS_DENIED, "schedule the reboot" } };
    struct po_win32_reboot how = { .message = "x" };

    for (size_t i = 0; i < COUNT(cases); i++) {
        sys.initiate_code = cases[i].code;
        must_fail(po_win32_reboot(&fake, &how, &err), PO_E_IO, cases[i].text);
    }
    sys.privilege_code = ERROR_NOT_ALL_ASSIGNED;
    must_fail(po_win32_reboot(&fake, &how, &err), PO_E_IO, "SeShutdownPrivilege is missing");
    sys.privilege_code = ERROR_ACCESS_DENIED;
    must_fail(po_win32_reboot(&fake, &how, &err), PO_E_IO, "enable SeShutdownPrivilege");
    how.message = "\xff";
    sys.privilege_code = 0;
    must_fail(po_win32_reboot(&fake, &how, &err), PO_E_IO, "UTF-8");
}
END_TEST

START_TEST(a_reboot_can_be_cancelled)
{
    bool was_pending = false;

    must(po_win32_reboot_cancel(&fake, &was_pending, &err));
    ck_assert(was_pending);
    sys.abort_code = ERROR_NO_SHUTDOWN_IN_PROGRESS;
    must(po_win32_reboot_cancel(&fake, &was_pending, &err));
    ck_assert(!was_pending);
    sys.abort_code = ERROR_SHUTDOWN_IN_PROGRESS;
    must_fail(po_win32_reboot_cancel(&fake, &was_pending, &err), PO_E_IO, "too late");
    sys.abort_code = ERROR_ACCESS_DENIED;
    must_fail(po_win32_reboot_cancel(&fake, &was_pending, &err), PO_E_IO, "cancel the reboot");
    sys.privilege_code = ERROR_NOT_ALL_ASSIGNED;
    must_fail(po_win32_reboot_cancel(&fake, &was_pending, &err), PO_E_IO, "SeShutdownPrivilege");
}
END_TEST

/* ---- after it ---- */

#define PROGRAM "C:/Program Files/pobackup/pobackup.exe"

START_TEST(a_task_at_the_start_is_made_and_looked_for)
{
    for (int is_old = 0; is_old < 2; is_old++) {
        unsigned how = 99;
        struct po_buf note = { 0 };

        begin();
        sys.is_old = is_old != 0;
        must(po_win32_after_reboot_query(&fake, &how, &err));
        ck_assert_uint_eq(how, 0);
        must(po_win32_after_reboot_register(&fake, PROGRAM, "after-reboot", &how, &note, &err));
        ck_assert_uint_eq(how, PO_WIN32_AFTER_TASK);
        ck_assert_uint_eq(note.size, 0);
        ck_assert_str_eq(sys.command,
                         "\"\\\"C:\\Program Files\\pobackup\\pobackup.exe\\\" after-reboot\" /SC "
                         "ONSTART /RU SYSTEM");
        ck_assert(!sys.has_value);
        must(po_win32_after_reboot_query(&fake, &how, &err));
        ck_assert_uint_eq(how, PO_WIN32_AFTER_TASK);
        /* Again, with other arguments: the former goes first. Those of ours keep their quotes. */
        must(po_win32_after_reboot_register(
            &fake, "C:\\x\\y.exe", "after-reboot --state \"D:\\a b\\\\\"", &how, NULL, &err));
        ck_assert_str_eq(sys.command, "\"\\\"C:\\x\\y.exe\\\" after-reboot --state \\\"D:\\a "
                                      "b\\\\\\\\\\\"\" /SC ONSTART /RU SYSTEM");
        must(po_win32_after_reboot_remove(&fake, &err));
        ck_assert(!sys.has_task);
        must(po_win32_after_reboot_remove(&fake, &err));
        must(po_win32_after_reboot_query(&fake, &how, &err));
        ck_assert_uint_eq(how, 0);
        po_buf_deinit(&note);
    }
}
END_TEST

START_TEST(without_a_scheduler_run_once_takes_it)
{
    unsigned how = 99;
    struct po_buf note = { 0 };

    sys.has_scheduler = false;
    must(po_win32_after_reboot_register(&fake, PROGRAM, "after-reboot", &how, &note, &err));
    ck_assert_uint_eq(how, PO_WIN32_AFTER_RUN_ONCE);
    ck_assert_str_eq(
        po_buf_text(&note),
        "no scheduled task (schtasks.exe ended with exit code 1: ERROR: The service has "
        "not been started.): it runs when an administrator logs on");
    ck_assert_int_eq(
        wcscmp(sys.value, L"\"C:\\Program Files\\pobackup\\pobackup.exe\" after-reboot"), 0);
    must(po_win32_after_reboot_query(&fake, &how, &err));
    ck_assert_uint_eq(how, PO_WIN32_AFTER_RUN_ONCE);
    /* A scheduler that only says that it did it, as well. */
    po_buf_clear(&note);
    sys.has_scheduler = true;
    sys.creates_nothing = true;
    must(po_win32_after_reboot_register(&fake, PROGRAM, "after-reboot", &how, &note, &err));
    ck_assert_uint_eq(how, PO_WIN32_AFTER_RUN_ONCE);
    ck_assert_ptr_nonnull(strstr(po_buf_text(&note), "but there is no task"));
    /* With one that does, it is not run twice. */
    sys.creates_nothing = false;
    must(po_win32_after_reboot_register(&fake, PROGRAM, "after-reboot", &how, NULL, &err));
    ck_assert_uint_eq(how, PO_WIN32_AFTER_TASK);
    ck_assert(!sys.has_value);
    sys.has_value = true;
    must(po_win32_after_reboot_remove(&fake, &err));
    ck_assert(!sys.has_value);
    ck_assert(!sys.has_task);
    po_buf_deinit(&note);
}
END_TEST

START_TEST(a_command_that_windows_would_not_run_is_refused)
{
    char program[400] = "C:\\";
    unsigned how = 99;

    memset(program + 3, 'x', 300);
    must_fail(po_win32_after_reboot_register(&fake, program, "after-reboot", &how, NULL, &err),
              PO_E_USAGE, "Windows runs 260 at most");
    ck_assert_uint_eq(sys.calls, 0);
}
END_TEST

/* What fails is told, or the other way is taken: never is it thought registered and is not. */
START_TEST(each_call_that_fails_is_told_or_made_good)
{
    for (int has_old = 0; has_old < 2; has_old++) {
        for (unsigned call = 1; call <= 8; call++) {
            unsigned how = 99;
            enum po_status st;

            begin();
            sys.has_task = has_old != 0;
            sys.has_value = has_old != 0;
            sys.fail_at = call;
            st = po_win32_after_reboot_register(&fake, PROGRAM, "after-reboot", &how, NULL, &err);
            if (st == PO_OK) {
                ck_assert(how == PO_WIN32_AFTER_TASK || how == PO_WIN32_AFTER_RUN_ONCE);
                ck_assert(how == PO_WIN32_AFTER_TASK ? sys.has_task : sys.has_value);
            } else {
                ck_assert_int_eq(st, PO_E_IO);
                ck_assert_uint_gt(strlen(err.text), 0);
            }
        }
    }
    for (unsigned call = 1; call <= 2; call++) {
        unsigned how = 99;

        begin();
        sys.fail_at = call;
        if (call == 1)
            must_fail(po_win32_after_reboot_query(&fake, &how, &err), PO_E_IO, "RunOnce");
        else
            must(po_win32_after_reboot_query(&fake, &how, &err));
    }
    for (unsigned call = 1; call <= 3; call++) {
        begin();
        sys.has_task = true;
        sys.has_value = true;
        sys.fail_at = call;
        if (call != 2) /* no scheduler that could be asked: no task that would run */
            must_fail(po_win32_after_reboot_remove(&fake, &err), PO_E_IO, "");
        ck_assert(call == 1 ? !sys.has_task : call == 2 || !sys.has_value);
    }
    begin();
    sys.has_scheduler = false;
    sys.fail_at = 3; /* delete, create, then RunOnce */
    {
        unsigned how = 99;

        must_fail(po_win32_after_reboot_register(&fake, PROGRAM, "x", &how, NULL, &err), PO_E_IO,
                  "no scheduled task (schtasks.exe ended with exit code 1");
        ck_assert_ptr_nonnull(strstr(err.text, "register in RunOnce"));
    }
}
END_TEST

START_TEST(a_task_is_known_by_its_whole_name)
{
    static const struct {
        const char *csv;
        bool is_listed;
    } cases[] = { { "", false },
                  { "\"\\t\",\"N/A\"", true },
                  { "\"t\",\"N/A\"\r\n", true },
                  { "x\r\n\r\n\"\\t\"\r\n", true },
                  { "\"\\t2\",\"N/A\"", false },
                  { "\"\\a\\t\",\"N/A\"", false },
                  { "\"N/A\",\"t\"", false },
                  { "\"\\", false },
                  { "\"", false },
                  { "\"\\t", false } };

    for (size_t i = 0; i < COUNT(cases); i++)
        ck_assert_msg(po_win32_task_is_listed(cases[i].csv, strlen(cases[i].csv), "t") ==
                          cases[i].is_listed,
                      "%s", cases[i].csv);
}
END_TEST

START_TEST(the_system_itself_has_run_once)
{
    unsigned how = 99;
    wchar_t value[300] = L"";
    DWORD size = sizeof(value);
    HKEY key = NULL;

    begin();
    must(po_win32_after_reboot_remove(&po_win32_reboot_calls, &err));
    must(po_win32_after_reboot_query(&po_win32_reboot_calls, &how, &err));
    ck_assert_uint_eq(how, 0);
    must(po_win32_after_reboot_register(&po_win32_reboot_calls, PROGRAM, "after-reboot", &how, NULL,
                                        &err));
    ck_assert_uint_ne(how, 0);
    if (how == PO_WIN32_AFTER_RUN_ONCE) { /* Wine has no tasks */
        ck_assert_int_eq(RegOpenKeyExW(HKEY_LOCAL_MACHINE, RUN_ONCE, 0, KEY_QUERY_VALUE, &key), 0);
        ck_assert_int_eq(RegQueryValueExW(key, RUN_ONCE_VALUE, NULL, NULL, (BYTE *)value, &size),
                         0);
        ck_assert_int_eq(RegCloseKey(key), 0);
        ck_assert_int_eq(
            wcscmp(value, L"\"C:\\Program Files\\pobackup\\pobackup.exe\" after-reboot"), 0);
    }
    must(po_win32_after_reboot_query(&po_win32_reboot_calls, &how, &err));
    ck_assert_uint_ne(how, 0);
    must(po_win32_after_reboot_remove(&po_win32_reboot_calls, &err));
    must(po_win32_after_reboot_query(&po_win32_reboot_calls, &how, &err));
    ck_assert_uint_eq(how, 0);
}
END_TEST

/* ---- events ---- */

static struct {
    unsigned registered;
    DWORD register_code;
    unsigned reported;
    DWORD report_code;
    size_t length_max; /* what the log takes; 0 = everything */
    WORD type;
    DWORD id;
    size_t length;
    wchar_t text[40000];
} event_log;

static DWORD
fake_register_source(const wchar_t *source)
{
    ck_assert_int_eq(wcscmp(source, L"pobackup"), 0);
    event_log.registered++;
    return event_log.register_code;
}

static DWORD
fake_report(const wchar_t *source, WORD type, DWORD id, const wchar_t *text)
{
    ck_assert_int_eq(wcscmp(source, L"pobackup"), 0);
    ck_assert_uint_eq(event_log.registered, 1);
    event_log.reported++;
    event_log.type = type;
    event_log.id = id;
    event_log.length = wcslen(text);
    ck_assert_uint_lt(event_log.length, COUNT(event_log.text));
    (void)wcscpy(event_log.text, text);
    if (event_log.length_max != 0 && event_log.length > event_log.length_max)
        return RPC_S_INVALID_BOUND;
    return event_log.report_code;
}

static const struct po_win32_event_calls fake_events = { .register_source = fake_register_source,
                                                         .report = fake_report };

static void
set_up_events(void)
{
    memset(&event_log, 0, sizeof(event_log));
    err = (struct po_err){ 0 };
    os_temp_make(top, "events");
    ck_assert_int_eq(chdir(top), 0);
}

static void
tear_down_events(void)
{
    ck_assert_int_eq(chdir(".."), 0);
    os_temp_remove(top);
}

START_TEST(an_event_says_what_became_of_a_run)
{
    static const struct po_win32_event events[] = {
        { PO_WIN32_EVENT_DONE, 1, "backup done: 4,000 files\nmail was down for 12 s" },
        { PO_WIN32_EVENT_WARNING, 2, "x" },
        { PO_WIN32_EVENT_ERROR, PO_WIN32_EVENT_ID_MAX, "\xe9\x83\xb5" },
    };
    static const WORD types[] = { EVENTLOG_INFORMATION_TYPE, EVENTLOG_WARNING_TYPE,
                                  EVENTLOG_ERROR_TYPE };
    static const wchar_t *const texts[] = { L"backup done: 4,000 files\r\nmail was down for 12 s",
                                            L"x", L"\u90f5" };

    for (size_t i = 0; i < COUNT(events); i++) {
        bool is_in_file = true;

        memset(&event_log, 0, sizeof(event_log));
        /* That nobody knows the source is no failure. */
        event_log.register_code = i == 0 ? 0 : ERROR_ACCESS_DENIED;
        must(po_win32_event_write(&fake_events, &events[i], "log.txt", &is_in_file, &err));
        ck_assert(!is_in_file);
        ck_assert_uint_eq(event_log.reported, 1);
        ck_assert_uint_eq(event_log.type, types[i]);
        ck_assert_uint_eq(event_log.id, events[i].id);
        ck_assert_int_eq(wcscmp(event_log.text, texts[i]), 0);
    }
    ck_assert(!os_exists("log.txt"));
}
END_TEST

START_TEST(an_event_that_is_too_long_is_cut)
{
    size_t size = 50000;
    char *text = po_mem_new(size + 1, 1);
    struct po_win32_event event = { PO_WIN32_EVENT_DONE, 1, text };
    bool is_in_file = true;

    ck_assert_ptr_nonnull(text);
    memset(text, 'x', size);
    must(po_win32_event_write(&fake_events, &event, NULL, &is_in_file, &err));
    ck_assert_uint_eq(event_log.length, 31000);
    event_log.registered = 0;
    event_log.length_max = 16000;
    must(po_win32_event_write(&fake_events, &event, NULL, &is_in_file, &err));
    ck_assert_uint_eq(event_log.length, 15000);
    po_mem_free(text);
}
END_TEST

static void
read_log(char *text, size_t size)
{
    FILE *file = fopen("log.txt", "rb");
    size_t got;

    ck_assert_ptr_nonnull(file);
    got = fread(text, 1, size - 1, file);
    text[got] = '\0';
    (void)fclose(file);
}

START_TEST(without_an_event_log_a_file_has_the_lines)
{
    static const struct po_win32_event events[] = {
        { PO_WIN32_EVENT_ERROR, 3, "backup failed\nno space\x07 left" },
        { PO_WIN32_EVENT_DONE, 1, "done" },
        { PO_WIN32_EVENT_WARNING, 2, "half" },
    };
    char text[1000];
    bool is_in_file = false;

    event_log.report_code = RPC_S_SERVER_UNAVAILABLE;
    for (size_t i = 0; i < COUNT(events); i++) {
        event_log.registered = 0;
        must(po_win32_event_write(&fake_events, &events[i], "log.txt", &is_in_file, &err));
        ck_assert(is_in_file);
    }
    read_log(text, sizeof(text));
    ck_assert_str_eq(text + 28, strstr(text, " error 3 "));
    ck_assert_ptr_nonnull(strstr(text, "Z error 3 backup failed | no space left\r\n"));
    ck_assert_ptr_nonnull(strstr(text, "Z done 1 done\r\n"));
    ck_assert_ptr_nonnull(strstr(text, "Z warning 2 half\r\n"));
}
END_TEST

START_TEST(an_event_that_is_nowhere_is_a_failure)
{
    struct po_win32_event event = { PO_WIN32_EVENT_DONE, 1, "x" };
    bool is_in_file = true;

    event_log.report_code = ERROR_EVENTLOG_CANT_START;
    must_fail(po_win32_event_write(&fake_events, &event, NULL, &is_in_file, &err), PO_E_IO,
              "write to the event log");
    event_log.registered = 0;
    must_fail(po_win32_event_write(&fake_events, &event, "none/log.txt", &is_in_file, &err),
              PO_E_IO, "write to the event log");
    ck_assert_ptr_nonnull(strstr(err.text, "none/log.txt"));
    ck_assert(!is_in_file);
    event.id = 0;
    must_fail(po_win32_event_write(&fake_events, &event, NULL, &is_in_file, &err), PO_E_USAGE,
              "event 0 of 32");
    event.id = 33;
    must_fail(po_win32_event_write(&fake_events, &event, NULL, &is_in_file, &err), PO_E_USAGE,
              "event 33 of 32");
    event.id = 1;
    event.text = "\xff";
    must_fail(po_win32_event_write(&fake_events, &event, NULL, &is_in_file, &err), PO_E_IO,
              "UTF-8");
}
END_TEST

START_TEST(every_event_has_a_text_in_our_program)
{
    wchar_t given[] = L"a backup";
    wchar_t *arguments[] = { given };

    for (unsigned id = 1; id <= PO_WIN32_EVENT_ID_MAX; id++) {
        wchar_t text[100] = L"";
        DWORD length = FormatMessageW(FORMAT_MESSAGE_FROM_HMODULE | FORMAT_MESSAGE_ARGUMENT_ARRAY,
                                      NULL, id, 0, text, COUNT(text), (va_list *)(void *)arguments);

        ck_assert_uint_eq(length, wcslen(given) + 2);
        ck_assert_int_eq(wcscmp(text, L"a backup\r\n"), 0);
    }
    for (unsigned id = 0; id <= PO_WIN32_EVENT_ID_MAX + 1; id += PO_WIN32_EVENT_ID_MAX + 1) {
        wchar_t text[100];

        ck_assert_uint_eq(
            FormatMessageW(FORMAT_MESSAGE_FROM_HMODULE | FORMAT_MESSAGE_IGNORE_INSERTS, NULL, id, 0,
                           text, COUNT(text), NULL),
            0);
    }
}
END_TEST

START_TEST(the_source_is_registered_on_first_use)
{
    struct po_win32_event event = { PO_WIN32_EVENT_DONE, 1, "a test" };
    wchar_t program[MAX_PATH + 1];
    wchar_t value[MAX_PATH + 1] = L"";
    DWORD types = 0;
    DWORD size = sizeof(value);
    DWORD types_size = sizeof(types);
    bool is_in_file = true;
    HKEY key = NULL;

    (void)RegDeleteKeyW(HKEY_LOCAL_MACHINE, SOURCE_KEY);
    for (int i = 0; i < 2; i++) {
        must(po_win32_event_write(&po_win32_event_calls, &event, NULL, &is_in_file, &err));
        ck_assert(!is_in_file);
        ck_assert_int_eq(RegOpenKeyExW(HKEY_LOCAL_MACHINE, SOURCE_KEY, 0, KEY_QUERY_VALUE, &key),
                         0);
        size = sizeof(value);
        ck_assert_int_eq(
            RegQueryValueExW(key, L"EventMessageFile", NULL, NULL, (BYTE *)value, &size), 0);
        ck_assert_int_eq(
            RegQueryValueExW(key, L"TypesSupported", NULL, NULL, (BYTE *)&types, &types_size), 0);
        ck_assert_int_eq(RegCloseKey(key), 0);
        ck_assert_uint_gt(GetModuleFileNameW(NULL, program, MAX_PATH), 0);
        ck_assert_int_eq(wcscmp(value, program), 0);
        ck_assert_uint_eq(types, 7);
    }
    (void)RegDeleteKeyW(HKEY_LOCAL_MACHINE, SOURCE_KEY);
}
END_TEST

/* ---- all ---- */

int
main(void)
{
    Suite *suite = suite_create("win32_reboot");
    TCase *reboot = tcase_create("reboot");
    TCase *events = tcase_create("events");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(reboot, begin, NULL);
    tcase_add_test(reboot, a_reboot_is_planned_with_message_and_delay);
    tcase_add_test(reboot, a_message_that_is_too_long_is_cut);
    tcase_add_test(reboot, a_reboot_that_cannot_be_is_told);
    tcase_add_test(reboot, a_reboot_can_be_cancelled);
    tcase_add_test(reboot, a_task_at_the_start_is_made_and_looked_for);
    tcase_add_test(reboot, without_a_scheduler_run_once_takes_it);
    tcase_add_test(reboot, a_command_that_windows_would_not_run_is_refused);
    tcase_add_test(reboot, each_call_that_fails_is_told_or_made_good);
    tcase_add_test(reboot, a_task_is_known_by_its_whole_name);
    tcase_add_test(reboot, the_system_itself_has_run_once);
    suite_add_tcase(suite, reboot);
    tcase_add_checked_fixture(events, set_up_events, tear_down_events);
    tcase_add_test(events, an_event_says_what_became_of_a_run);
    tcase_add_test(events, an_event_that_is_too_long_is_cut);
    tcase_add_test(events, without_an_event_log_a_file_has_the_lines);
    tcase_add_test(events, an_event_that_is_nowhere_is_a_failure);
    tcase_add_test(events, every_event_has_a_text_in_our_program);
    tcase_add_test(events, the_source_is_registered_on_first_use);
    suite_add_tcase(suite, events);
    runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
