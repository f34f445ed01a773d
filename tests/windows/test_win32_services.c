/*
 * Services for real: the system's own manager, and the program service.c beside this one. What the
 * manager of Wine does not do is in test_win32_scm.c.
 */
#include "base/mem.h"
#include "host/host_win32_scm.h"
#include "port/file_win32.h"
#include "port/sys.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define LINE_LENGTH 4096
#define LONG_S 30

static wchar_t program[MAX_PATH + 1];   /* service.exe */
static wchar_t directory[MAX_PATH + 1]; /* each test works in one of its own */
static char name[64];                   /* of the test's service */
static char other_name[64];
static bool is_installed;
static bool is_other_installed;
static unsigned number;
static struct po_win32_service service;
static struct po_buf dependents;
static struct po_err err;

static void
must(enum po_status st)
{
    ck_assert_msg(st == PO_OK, "%s", err.text);
}

static void
must_fail(enum po_status st, const char *text)
{
    ck_assert_int_eq(st, PO_E_IO);
    ck_assert_msg(strstr(err.text, text) != NULL, "\"%s\" has no \"%s\"", err.text, text);
}

/* ---- programs and files ---- */

static HANDLE
start_program(const wchar_t *path, const wchar_t *arguments)
{
    STARTUPINFOW startup = { .cb = sizeof(startup) };
    PROCESS_INFORMATION info;
    wchar_t line[LINE_LENGTH];

    ck_assert_int_gt(swprintf(line, LINE_LENGTH, L"\"%ls\" %ls", path, arguments), 0);
    ck_assert_msg(CreateProcessW(NULL, line, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &info),
                  "error %lu: %ls", (unsigned long)GetLastError(), line);
    (void)CloseHandle(info.hThread);
    return info.hProcess;
}

static DWORD
run(const wchar_t *arguments)
{
    HANDLE process = start_program(program, arguments);
    DWORD code = 99;

    (void)WaitForSingleObject(process, INFINITE);
    (void)GetExitCodeProcess(process, &code);
    (void)CloseHandle(process);
    return code;
}

static const wchar_t *
path_of(const wchar_t *file)
{
    static wchar_t path[2 * MAX_PATH];

    ck_assert_int_gt(swprintf(path, 2 * MAX_PATH, L"%ls\\%ls", directory, file), 0);
    return path;
}

/* Whether nobody holds it any more; it must be there. */
static bool
is_free(const wchar_t *file)
{
    HANDLE opened =
        CreateFileW(path_of(file), GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);

    if (opened == INVALID_HANDLE_VALUE) {
        ck_assert_uint_eq(GetLastError(), ERROR_SHARING_VIOLATION);
        return false;
    }
    (void)CloseHandle(opened);
    return true;
}

static void
remove_directory(void)
{
    WIN32_FIND_DATAW found;
    HANDLE search = FindFirstFileW(path_of(L"*"), &found);

    if (search != INVALID_HANDLE_VALUE) {
        do {
            (void)DeleteFileW(path_of(found.cFileName));
        } while (FindNextFileW(search, &found));
        (void)FindClose(search);
    }
    (void)RemoveDirectoryW(directory);
}

/* ---- the test's service ---- */

static void
set_up(void)
{
    wchar_t temp[MAX_PATH + 1];
    DWORD length = GetModuleFileNameW(NULL, program, MAX_PATH);
    unsigned long id = GetCurrentProcessId();

    while (length > 0 && program[length - 1] != L'\\')
        length--;
    memcpy(program + length, L"service.exe", sizeof(L"service.exe"));
    ck_assert_uint_gt(GetTempPathW(MAX_PATH, temp), 0);
    number++;
    is_installed = is_other_installed = false;
    (void)swprintf(directory, MAX_PATH, L"%lspo-services-%lu-%u", temp, id, number);
    ck_assert(CreateDirectoryW(directory, NULL));
    (void)snprintf(name, sizeof(name), "pobackup-test-%lu-%u", id, number);
    (void)snprintf(other_name, sizeof(other_name), "pobackup-test-%lu-%u-other", id, number);
}

static void
uninstall(const char *which)
{
    wchar_t arguments[LINE_LENGTH];

    (void)swprintf(arguments, LINE_LENGTH, L"--uninstall %s", which);
    (void)run(arguments);
}

static void
tear_down(void)
{
    po_win32_service_deinit(&service);
    po_buf_deinit(&dependents);
    if (is_other_installed)
        uninstall(other_name);
    if (is_installed)
        uninstall(name);
    remove_directory();
}

/* With the displayed name "Test NAME". */
static void
install_as(const char *which, const wchar_t *options)
{
    wchar_t arguments[LINE_LENGTH];

    (void)swprintf(arguments, LINE_LENGTH, L"--install %s \"Test %s\" %ls", which, which, options);
    ck_assert_uint_eq(run(arguments), 0);
    *(which == name ? &is_installed : &is_other_installed) = true;
}

static void
install(const wchar_t *options)
{
    install_as(name, options);
    must(po_win32_service_find(&service, name, &err));
}

/* The options, and the path of a file in the directory behind them. */
static void
install_with_file(const wchar_t *options, const wchar_t *file)
{
    wchar_t text[LINE_LENGTH];
    wchar_t quoted[LINE_LENGTH];

    (void)swprintf(quoted, LINE_LENGTH, L"\"%ls\"", path_of(file));
    (void)swprintf(text, LINE_LENGTH, L"%ls %ls", options, quoted);
    install(text);
}

static enum po_status
stop(unsigned timeout_s)
{
    return po_win32_service_stop(&service, timeout_s, &dependents, &err);
}

static enum po_status
start(unsigned timeout_s)
{
    return po_win32_service_start(&service, timeout_s, &err);
}

static enum po_service_state
state(void)
{
    enum po_service_state is = PO_SERVICE_UNKNOWN;

    must(po_win32_service_state(&service, &is, &err));
    return is;
}

static uint32_t
process_id(void)
{
    uint32_t id = 0;

    must(po_win32_service_process(&service, &id, &err));
    return id;
}

/* ---- finding ---- */

START_TEST(an_installed_service_is_found_with_all_that_is_known_of_it)
{
    struct po_buf path = { 0 };

    install(L"--start auto --log C:\\none");
    po_wide_put(&path, program, wcslen(program));
    ck_assert_str_eq(service.key, name);
    ck_assert_int_eq(strncmp(service.display_name, "Test pobackup", 13), 0);
    ck_assert_str_eq(service.account, "LocalSystem");
    ck_assert_str_eq(service.program, po_buf_text(&path));
    ck_assert_uint_eq(service.start_type, SERVICE_AUTO_START);
    po_buf_deinit(&path);
}
END_TEST

START_TEST(it_is_found_by_its_displayed_name_in_another_case)
{
    struct po_win32_service found = { 0 };
    char display_name[80];

    install(L"");
    (void)snprintf(display_name, sizeof(display_name), "TEST %s", name);
    must(po_win32_service_find(&found, display_name, &err));
    ck_assert_str_eq(found.key, name);
    po_win32_service_deinit(&found);
}
END_TEST

START_TEST(a_service_that_is_not_installed_is_not_found)
{
    ck_assert_int_eq(po_win32_service_find(&service, name, &err), PO_E_USAGE);
    ck_assert_ptr_nonnull(strstr(err.text, name));
}
END_TEST

/* ---- stopping and starting ---- */

/* req: B2, B7 */
START_TEST(a_service_is_started_and_stopped_and_nothing_of_it_stays)
{
    install_with_file(L"--hold", L"held");
    ck_assert_int_eq(state(), PO_SERVICE_STOPPED);
    ck_assert_uint_eq(process_id(), 0);
    must(stop(LONG_S)); /* already so */
    must(start(LONG_S));
    ck_assert_int_eq(state(), PO_SERVICE_RUNNING);
    ck_assert(!is_free(L"held"));
    ck_assert_uint_ne(process_id(), 0);
    must(start(LONG_S)); /* already so */
    must(stop(LONG_S));
    ck_assert_int_eq(state(), PO_SERVICE_STOPPED);
    ck_assert(is_free(L"held"));
    ck_assert_uint_eq(dependents.size, 0);
    must(start(LONG_S)); /* and again */
    ck_assert_int_eq(state(), PO_SERVICE_RUNNING);
}
END_TEST

START_TEST(a_slow_start_and_a_slow_stop_are_waited_for)
{
    double began;

    install(L"--start-delay 1500 --stop-delay 1500 --checkpoints 4");
    began = po_sys_monotonic();
    must(start(LONG_S));
    ck_assert_double_ge(po_sys_monotonic() - began, 1.2);
    ck_assert_int_eq(state(), PO_SERVICE_RUNNING);
    began = po_sys_monotonic();
    must(stop(LONG_S));
    ck_assert_double_ge(po_sys_monotonic() - began, 1.2);
    ck_assert_int_eq(state(), PO_SERVICE_STOPPED);
}
END_TEST

/* req: B2 */
START_TEST(a_process_that_outlives_its_service_is_waited_for)
{
    HANDLE process;

    install_with_file(L"--linger 1500 --hold", L"held");
    must(start(LONG_S));
    process = po_win32_process_open(SYNCHRONIZE, process_id());
    ck_assert_ptr_nonnull(process);
    must(stop(LONG_S));
    ck_assert_uint_eq(WaitForSingleObject(process, 0), WAIT_OBJECT_0);
    (void)CloseHandle(process);
    ck_assert(is_free(L"held"));
}
END_TEST

START_TEST(a_process_that_outlives_its_service_too_long_is_told)
{
    install(L"--linger 60000");
    must(start(LONG_S));
    must_fail(stop(1), "it has stopped, but its process (");
}
END_TEST

START_TEST(a_stop_that_hangs_is_told_when_the_time_is_up)
{
    double began;

    install(L"--hang stop");
    must(start(LONG_S));
    began = po_sys_monotonic();
    must_fail(stop(2), "still stopping after 2 s, and it hangs: no progress for");
    ck_assert_double_ge(po_sys_monotonic() - began, 2);
    ck_assert_double_lt(po_sys_monotonic() - began, 4);
    ck_assert_int_eq(state(), PO_SERVICE_UNKNOWN);
}
END_TEST

START_TEST(a_stop_that_goes_on_when_the_time_is_up_is_told_and_waited_for_later)
{
    install(L"--stop-delay 4000 --checkpoints 8");
    must(start(LONG_S));
    must_fail(stop(1), "still stopping after 1 s, and it goes on (checkpoint");
    must(stop(LONG_S)); /* it is not asked again, which it would refuse */
    ck_assert_int_eq(state(), PO_SERVICE_STOPPED);
}
END_TEST

/* req: B7. What settle() of engine/services.c leaves behind at the worst. */
START_TEST(a_service_that_still_stops_is_started_after_that)
{
    install(L"--stop-delay 2000");
    must(start(LONG_S));
    must_fail(stop(1), "still stopping");
    must(start(LONG_S));
    ck_assert_int_eq(state(), PO_SERVICE_RUNNING);
}
END_TEST

START_TEST(a_refused_stop_is_told_and_the_service_runs_on)
{
    install(L"--refuse stop");
    must(start(LONG_S));
    must_fail(stop(LONG_S), "it does not let itself be stopped");
    must_fail(PO_E_IO, "error 1052)");
    ck_assert_int_eq(state(), PO_SERVICE_RUNNING);
}
END_TEST

START_TEST(a_stop_that_is_ignored_is_told)
{
    install(L"--ignore stop");
    must(start(LONG_S));
    must_fail(stop(1), "still running 1 s after it was asked to stop");
}
END_TEST

START_TEST(a_service_that_dies_while_it_stops_has_stopped)
{
    install_with_file(L"--die-on-stop --hold", L"held");
    must(start(LONG_S));
    must(stop(LONG_S));
    ck_assert_int_eq(state(), PO_SERVICE_STOPPED);
    ck_assert(is_free(L"held"));
    must(start(LONG_S));
    ck_assert_int_eq(state(), PO_SERVICE_RUNNING);
}
END_TEST

START_TEST(a_service_that_was_killed_is_stopped)
{
    HANDLE process;

    install(L"");
    must(start(LONG_S));
    process = po_win32_process_open(PROCESS_TERMINATE | SYNCHRONIZE, process_id());
    ck_assert_ptr_nonnull(process);
    ck_assert(TerminateProcess(process, 1));
    (void)WaitForSingleObject(process, INFINITE);
    (void)CloseHandle(process);
    ck_assert_int_eq(state(), PO_SERVICE_STOPPED); /* Wine says "running", for ever */
    ck_assert_uint_eq(process_id(), 0);
    must(stop(LONG_S));
    must(start(LONG_S));
    ck_assert_int_eq(state(), PO_SERVICE_RUNNING);
    ck_assert_uint_ne(process_id(), 0);
    must(stop(LONG_S));
}
END_TEST

START_TEST(a_refused_start_is_told_with_the_exit_code)
{
    install(L"--refuse start");
    must_fail(start(LONG_S), "it ended while it was started, with exit code 42 (0x2A) of its own");
    ck_assert_int_eq(state(), PO_SERVICE_STOPPED);
}
END_TEST

START_TEST(a_disabled_service_is_told_to_be)
{
    install(L"--start disabled");
    must_fail(start(LONG_S), "it is disabled; set its start type");
    must_fail(PO_E_IO, "error 1058)");
}
END_TEST

START_TEST(a_start_that_takes_too_long_is_told)
{
    install(L"--start-delay 3000");
    must_fail(start(1), "still starting after 1 s");
    must(start(LONG_S));
}
END_TEST

/* The manager of Wine stores dependencies and forgets them. */
START_TEST(dependents_are_stopped_first)
{
    wchar_t options[100];

    if (po_win32_find(L"ntdll.dll", "wine_get_version") != NULL)
        return;
    install(L"");
    (void)swprintf(options, 100, L"--depends %s", name);
    install_as(other_name, options);
    po_win32_service_deinit(&service);
    must(po_win32_service_find(&service, other_name, &err));
    must(start(LONG_S));
    po_win32_service_deinit(&service);
    must(po_win32_service_find(&service, name, &err));
    must(stop(LONG_S));
    ck_assert_uint_eq(dependents.size, strlen(other_name) + 1);
    ck_assert_str_eq((const char *)dependents.bytes, other_name);
}
END_TEST

/* ---- processes of a directory ---- */

/* A copy of service.exe as NAME.exe in the directory, which sleeps; the directory as UTF-8. */
static HANDLE
start_copy(const wchar_t *file, const wchar_t *sleep_ms)
{
    wchar_t arguments[40];
    wchar_t path[2 * MAX_PATH];

    memcpy(path, path_of(file), (wcslen(path_of(file)) + 1) * sizeof(wchar_t));
    ck_assert(CopyFileW(program, path, TRUE));
    (void)swprintf(arguments, 40, L"--sleep %ls", sleep_ms);
    return start_program(path, arguments);
}

static void
end_copy(HANDLE process)
{
    (void)TerminateProcess(process, 0);
    (void)WaitForSingleObject(process, INFINITE);
    (void)CloseHandle(process);
}

static const char *
bin(struct po_buf *out)
{
    po_buf_clear(out);
    po_wide_put(out, directory, wcslen(directory));
    return po_buf_text(out);
}

START_TEST(a_directory_where_nothing_runs_is_not_waited_for)
{
    struct po_buf text = { 0 };

    must(po_win32_await_processes(NULL, 0, &err));
    must(po_win32_await_processes(bin(&text), 0, &err));
    must(po_win32_await_processes("C:\\there\\is\\none", 0, &err));
    po_buf_deinit(&text);
}
END_TEST

/* req: B2 */
START_TEST(programs_of_a_directory_are_waited_for)
{
    struct po_buf text = { 0 };
    HANDLE process = start_copy(L"LDAP_Server.exe", L"1500");

    must(po_win32_await_processes(bin(&text), LONG_S, &err));
    ck_assert_uint_eq(WaitForSingleObject(process, 0), WAIT_OBJECT_0);
    (void)CloseHandle(process);
    po_buf_deinit(&text);
}
END_TEST

START_TEST(programs_that_stay_are_named)
{
    struct po_buf text = { 0 };
    char expected[60];
    HANDLE first = start_copy(L"Post.Office.exe", L"60000");
    HANDLE second = start_copy(L"\x30e1\x30fc\x30eb.exe", L"60000");

    ck_assert_int_eq(po_win32_await_processes(bin(&text), 1, &err), PO_E_IO);
    (void)snprintf(expected, sizeof(expected), "Post.Office.exe (process %lu)",
                   (unsigned long)GetProcessId(first));
    must_fail(PO_E_IO, expected);
    must_fail(PO_E_IO, "\xe3\x83\xa1\xe3\x83\xbc\xe3\x83\xab.exe (process ");
    must_fail(PO_E_IO, "still run after 1 s: ");
    end_copy(first);
    end_copy(second);
    must(po_win32_await_processes(bin(&text), 5, &err));
    po_buf_deinit(&text);
}
END_TEST

START_TEST(the_directory_is_the_same_in_another_case_and_with_other_separators)
{
    struct po_buf text = { 0 };
    HANDLE process = start_copy(L"Post.Office.exe", L"60000");

    CharUpperW(directory);
    (void)bin(&text);
    for (size_t i = 0; i < text.size; i++)
        if (text.bytes[i] == '\\')
            text.bytes[i] = '/';
    po_buf_put_text(&text, "/");
    must_fail(po_win32_await_processes(po_buf_text(&text), 0, &err), "Post.Office.exe");
    end_copy(process);
    po_buf_deinit(&text);
}
END_TEST

START_TEST(a_directory_whose_name_begins_alike_is_another)
{
    struct po_buf text = { 0 };
    HANDLE process = start_copy(L"Post.Office.exe", L"60000");
    char *parent;

    (void)bin(&text);
    text.size--; /* po-services-1-2 and po-services-1- */
    parent = po_mem_copy(text.bytes, text.size);
    ck_assert_ptr_nonnull(parent);
    ck_assert(CreateDirectoryA(parent, NULL) || GetLastError() == ERROR_ALREADY_EXISTS);
    must(po_win32_await_processes(parent, 0, &err));
    (void)RemoveDirectoryA(parent);
    po_mem_free(parent);
    end_copy(process);
    po_buf_deinit(&text);
}
END_TEST

/* Whoever keeps this program in bin: it must not wait for itself. This test runs a copy of itself. */
START_TEST(the_program_that_waits_is_not_waited_for)
{
    wchar_t self[MAX_PATH + 1];
    wchar_t path[2 * MAX_PATH];
    wchar_t arguments[2 * MAX_PATH];
    HANDLE process;
    DWORD code = 99;

    ck_assert_uint_gt(GetModuleFileNameW(NULL, self, MAX_PATH), 0);
    (void)swprintf(path, 2 * MAX_PATH, L"%ls", path_of(L"pobackup.exe"));
    ck_assert(CopyFileW(self, path, TRUE));
    (void)swprintf(arguments, 2 * MAX_PATH, L"--await \"%ls\"", directory);
    process = start_program(path, arguments);
    (void)WaitForSingleObject(process, INFINITE);
    (void)GetExitCodeProcess(process, &code);
    (void)CloseHandle(process);
    ck_assert_uint_eq(code, 0);
}
END_TEST

START_TEST(a_child_that_outlives_its_service_is_waited_for)
{
    struct po_buf text = { 0 };
    double began;

    ck_assert(CopyFileW(program, path_of(L"LDAP_Server.exe"), TRUE));
    install_with_file(L"--child-linger 1500 --child", L"LDAP_Server.exe");
    must(start(LONG_S));
    must_fail(po_win32_await_processes(bin(&text), 0, &err), "LDAP_Server.exe (process ");
    must(stop(LONG_S));
    began = po_sys_monotonic();
    must(po_win32_await_processes(bin(&text), LONG_S, &err));
    ck_assert_double_ge(po_sys_monotonic() - began, 1);
    po_buf_deinit(&text);
}
END_TEST

static void
add_services(Suite *suite)
{
    TCase *tc = tcase_create("services");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, an_installed_service_is_found_with_all_that_is_known_of_it);
    tcase_add_test(tc, it_is_found_by_its_displayed_name_in_another_case);
    tcase_add_test(tc, a_service_that_is_not_installed_is_not_found);
    tcase_add_test(tc, a_service_is_started_and_stopped_and_nothing_of_it_stays);
    tcase_add_test(tc, a_slow_start_and_a_slow_stop_are_waited_for);
    tcase_add_test(tc, a_process_that_outlives_its_service_is_waited_for);
    tcase_add_test(tc, a_process_that_outlives_its_service_too_long_is_told);
    tcase_add_test(tc, a_stop_that_hangs_is_told_when_the_time_is_up);
    tcase_add_test(tc, a_stop_that_goes_on_when_the_time_is_up_is_told_and_waited_for_later);
    tcase_add_test(tc, a_service_that_still_stops_is_started_after_that);
    tcase_add_test(tc, a_refused_stop_is_told_and_the_service_runs_on);
    tcase_add_test(tc, a_stop_that_is_ignored_is_told);
    tcase_add_test(tc, a_service_that_dies_while_it_stops_has_stopped);
    tcase_add_test(tc, a_service_that_was_killed_is_stopped);
    tcase_add_test(tc, a_refused_start_is_told_with_the_exit_code);
    tcase_add_test(tc, a_disabled_service_is_told_to_be);
    tcase_add_test(tc, a_start_that_takes_too_long_is_told);
    tcase_add_test(tc, dependents_are_stopped_first);
    suite_add_tcase(suite, tc);
}

static void
add_processes(Suite *suite)
{
    TCase *tc = tcase_create("processes");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_directory_where_nothing_runs_is_not_waited_for);
    tcase_add_test(tc, programs_of_a_directory_are_waited_for);
    tcase_add_test(tc, programs_that_stay_are_named);
    tcase_add_test(tc, the_directory_is_the_same_in_another_case_and_with_other_separators);
    tcase_add_test(tc, a_directory_whose_name_begins_alike_is_another);
    tcase_add_test(tc, the_program_that_waits_is_not_waited_for);
    tcase_add_test(tc, a_child_that_outlives_its_service_is_waited_for);
    suite_add_tcase(suite, tc);
}

int
main(int count, char **arguments)
{
    Suite *suite;
    SRunner *runner;
    int failed;

    if (count == 3 && strcmp(arguments[1], "--await") == 0)
        return po_win32_await_processes(arguments[2], 0, &err) == PO_OK ? EXIT_SUCCESS
                                                                        : EXIT_FAILURE;
    suite = suite_create("win32_services");

    add_services(suite);
    add_processes(suite);
    runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
