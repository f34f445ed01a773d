/* Stopping, starting and finding services, against fake_scm.h. */
#include "base/mem.h"
#include "fake_scm.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define MTA 0
#define PUF 1
#define DEP 2     /* depends on the MTA */
#define FARTHER 3 /* depends on DEP */
#define IDLE 4    /* depends on the MTA, and is stopped */

static struct fake machine;
static struct po_buf dependents;
static struct po_err err;
static struct po_win32_service service; /* the one a test is about */
static struct po_win32_service found;

static void
reset_machine(void)
{
    machine = (struct fake){
        .services = {
            [MTA] = { .key = L"PostOfficeMTA", .display_name = L"post.office MTA",
                      .state = SERVICE_RUNNING, .process_id = 100 },
            [PUF] = { .key = L"pufService", .display_name = L"post.office pufService",
                      .state = SERVICE_RUNNING, .process_id = 101 },
            [DEP] = { .key = L"dep", .display_name = L"Dependent", .needs = L"PostOfficeMTA",
                      .state = SERVICE_RUNNING, .process_id = 102 },
            [FARTHER] = { .key = L"far", .display_name = L"Farther", .needs = L"dep",
                      .state = SERVICE_RUNNING, .process_id = 103 },
            [IDLE] = { .key = L"idle", .display_name = L"Idle", .needs = L"PostOfficeMTA",
                       .state = SERVICE_STOPPED, .process_id = 104 },
        },
        .fail_code = ERROR_ACCESS_DENIED,
    };
}

static void
use_service(const char *key)
{
    po_win32_service_deinit(&service);
    service.key = po_mem_strdup(key);
    ck_assert_ptr_nonnull(service.key);
}

static void
set_up(void)
{
    reset_machine();
    fake_use(&machine);
    use_service("pufService");
}

static void
tear_down(void)
{
    fake_use(NULL);
    po_buf_deinit(&dependents);
    po_win32_service_deinit(&service);
    po_win32_service_deinit(&found);
    ck_assert_int_eq(machine.open_handles, 0);
}

static void
must(enum po_status st)
{
    ck_assert_msg(st == PO_OK, "%s", err.text);
}

static void
must_fail(enum po_status st, const char *text)
{
    ck_assert_int_eq(st, PO_E_IO);
    ck_assert_int_eq(err.status, PO_E_IO);
    ck_assert_msg(strstr(err.text, text) != NULL, "\"%s\" has no \"%s\"", err.text, text);
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

/* The names with ';' behind each. */
static void
assert_dependents(const char *expected)
{
    struct po_buf text = { 0 };

    for (size_t i = 0; i < dependents.size; i++)
        po_buf_put_u8(&text, dependents.bytes[i] != 0 ? dependents.bytes[i] : ';');
    ck_assert_str_eq(po_buf_text(&text), expected);
    po_buf_deinit(&text);
}

/* ---- finding ---- */

START_TEST(a_service_is_found_by_either_name_whatever_the_case)
{
    static const char *const names[] = { "PostOfficeMTA", "POSTOFFICEMTA", "post.office MTA",
                                         "Post.Office mta" };

    must(po_win32_service_find(&found, names[_i], &err));
    ck_assert_str_eq(found.key, "PostOfficeMTA");
    ck_assert_str_eq(found.display_name, "post.office MTA");
    ck_assert_str_eq(found.account, ".\\MailServer-user");
    ck_assert_uint_eq(found.start_type, SERVICE_AUTO_START);
    ck_assert_ptr_null(found.program);
}
END_TEST

START_TEST(its_program_is_that_of_its_image_path)
{
    machine.services[MTA].image_path = L"\"C:\\Post.Office\\bin\\Post.Office.exe\" -service";
    must(po_win32_service_find(&found, "post.office MTA", &err));
    ck_assert_str_eq(found.program, "C:\\Post.Office\\bin\\Post.Office.exe");
}
END_TEST

START_TEST(names_are_compared_beyond_ascii)
{
    machine.services[MTA].display_name = L"\x30e1\x30fc\x30eb \xff2d\xff34\xff21 \xc4";
    must(po_win32_service_find(&found,
                               "\xe3\x83\xa1\xe3\x83\xbc\xe3\x83\xab "
                               "\xef\xbd\x8d\xef\xbd\x94\xef\xbd\x81 \xc3\xa4",
                               &err));
    ck_assert_str_eq(found.key, "PostOfficeMTA");
}
END_TEST

START_TEST(a_key_name_goes_before_a_displayed_one)
{
    machine.services[MTA].display_name = L"pufservice";
    machine.services[IDLE].display_name = L"PUFSERVICE";
    must(po_win32_service_find(&found, "pufSERVICE", &err));
    ck_assert_str_eq(found.key, "pufService");
}
END_TEST

START_TEST(a_service_without_a_displayed_name_shows_its_key)
{
    machine.services[PUF].display_name = L"";
    must(po_win32_service_find(&found, "pufservice", &err));
    ck_assert_str_eq(found.display_name, "pufService");
}
END_TEST

START_TEST(a_list_that_comes_in_parts_is_read_to_its_end)
{
    machine.list_at_once = 1;
    must(po_win32_service_find(&found, "idle", &err));
    ck_assert_str_eq(found.key, "idle");
}
END_TEST

START_TEST(a_service_that_does_not_exist_is_wrong_use)
{
    ck_assert_int_eq(po_win32_service_find(&found, "post.office", &err), PO_E_USAGE);
    ck_assert_ptr_nonnull(strstr(err.text, "\"post.office\""));
    ck_assert_ptr_null(found.key);
}
END_TEST

START_TEST(a_service_that_is_not_listed_is_asked_for_by_name)
{
    static const char *const names[] = { "pufservice", "POST.office pufService" };

    machine.services[PUF].is_hidden = true;
    must(po_win32_service_find(&found, names[_i], &err));
    ck_assert_str_eq(found.display_name, "post.office pufService");
}
END_TEST

START_TEST(a_service_that_may_not_be_seen_is_not_told_to_be_missing)
{
    static const char *const names[] = { "pufservice", "POST.office pufService" };

    machine.services[PUF].is_hidden = true;
    machine.services[PUF].open_code = ERROR_ACCESS_DENIED;
    must_fail(po_win32_service_find(&found, names[_i], &err), "run as a local Administrator");
}
END_TEST

START_TEST(finding_tells_each_failure)
{
    unsigned calls;

    machine.services[PUF].is_hidden = _i == 1;
    must(po_win32_service_find(&found, "pufService", &err));
    calls = machine.calls;
    for (unsigned n = 1; n <= calls; n++) {
        enum po_status st;

        po_win32_service_deinit(&found);
        machine.calls = 0;
        machine.fail_call = n;
        st = po_win32_service_find(&found, "pufService", &err);
        ck_assert_int_eq(machine.open_handles, 0);
        if (st == PO_OK) /* of two ways to ask for a name, one is enough */
            ck_assert(_i == 1 && found.key != NULL);
        else
            must_fail(st, "(error 5)");
    }
}
END_TEST

/* ---- states ---- */

START_TEST(a_state_is_told_when_it_is_one)
{
    static const struct {
        DWORD state;
        enum po_service_state expected;
    } states[] = {
        { SERVICE_STOPPED, PO_SERVICE_STOPPED },
        { SERVICE_RUNNING, PO_SERVICE_RUNNING },
        { SERVICE_START_PENDING, PO_SERVICE_UNKNOWN },
        { SERVICE_STOP_PENDING, PO_SERVICE_UNKNOWN },
        { SERVICE_PAUSE_PENDING, PO_SERVICE_UNKNOWN },
        { SERVICE_CONTINUE_PENDING, PO_SERVICE_UNKNOWN },
    };
    enum po_service_state state = PO_SERVICE_UNKNOWN;

    machine.services[PUF].state = states[_i].state;
    must(po_win32_service_state(&service, &state, &err));
    ck_assert_int_eq(state, states[_i].expected);
}
END_TEST

START_TEST(a_paused_service_has_no_state_to_come_back_to)
{
    enum po_service_state state = PO_SERVICE_UNKNOWN;

    machine.services[PUF].state = SERVICE_PAUSED;
    must_fail(po_win32_service_state(&service, &state, &err), "it is paused");
}
END_TEST

START_TEST(the_process_of_a_service_is_told)
{
    uint32_t id = 1;

    must(po_win32_service_process(&service, &id, &err));
    ck_assert_uint_eq(id, 101);
    machine.services[PUF].state = SERVICE_STOPPED;
    must(po_win32_service_process(&service, &id, &err));
    ck_assert_uint_eq(id, 0);
}
END_TEST

START_TEST(asking_for_the_state_tells_each_failure)
{
    enum po_service_state state = PO_SERVICE_RUNNING;

    machine.fail_call = (unsigned)_i;
    must_fail(po_win32_service_state(&service, &state, &err), "(error 5)");
    ck_assert_int_eq(state, PO_SERVICE_RUNNING);
}
END_TEST

START_TEST(a_service_that_has_been_removed_is_told)
{
    enum po_service_state state;

    machine.services[PUF].state = 0;
    must_fail(po_win32_service_state(&service, &state, &err), "there is no such service");
}
END_TEST

/* ---- stopping ---- */

/* req: B2 */
START_TEST(a_service_is_stopped_and_waited_for)
{
    machine.services[PUF].stop_s = 5;
    machine.services[PUF].process_s = 2;
    must(stop(30));
    ck_assert_str_eq(machine.log, "stop pufService;");
    ck_assert_int_eq(machine.services[PUF].state, SERVICE_STOPPED);
    ck_assert_double_ge(machine.now, 7); /* not before its process has gone */
    ck_assert_double_lt(machine.now, 7.5);
    assert_dependents("");
}
END_TEST

START_TEST(a_stopped_service_is_let_be)
{
    machine.services[PUF].state = SERVICE_STOPPED;
    must(stop(30));
    ck_assert_str_eq(machine.log, "");
    ck_assert_double_eq(machine.now, 0);
}
END_TEST

START_TEST(a_stop_that_is_pending_is_not_asked_for_again)
{
    machine.services[PUF].state = SERVICE_STOP_PENDING;
    machine.services[PUF].stop_s = 3;
    must(stop(30));
    ck_assert_uint_eq(machine.requests, 0);
    ck_assert_int_eq(machine.services[PUF].state, SERVICE_STOPPED);
}
END_TEST

START_TEST(a_service_that_starts_is_let_start_and_stopped_then)
{
    machine.services[PUF].state = SERVICE_START_PENDING;
    machine.services[PUF].start_s = 4;
    must(stop(30));
    ck_assert_str_eq(machine.log, "stop pufService;");
    ck_assert_uint_eq(machine.requests, 1);
    ck_assert_double_ge(machine.now, 4);
}
END_TEST

START_TEST(a_paused_service_is_stopped)
{
    machine.services[PUF].state = SERVICE_PAUSED;
    must(stop(30));
    ck_assert_str_eq(machine.log, "stop pufService;");
}
END_TEST

START_TEST(a_service_that_stands_still_is_told_to_hang)
{
    machine.services[PUF].stop_s = FAKE_NEVER;
    machine.services[PUF].wait_hint_ms = 3000;
    must_fail(stop(20), "still stopping after 20 s, and it hangs: no progress for 20 s (checkpoint "
                        "1, wait hint 3000 ms); end its process (101)");
    ck_assert_double_ge(machine.now, 20);
    ck_assert_double_lt(machine.now, 20.1);
}
END_TEST

START_TEST(a_service_that_makes_progress_gets_no_more_time_but_other_words)
{
    machine.services[PUF].stop_s = 60;
    machine.services[PUF].step_s = 2;
    machine.services[PUF].wait_hint_ms = 4000;
    must_fail(stop(20), "still stopping after 20 s, and it goes on (checkpoint");
    ck_assert_double_lt(machine.now, 20.1);
}
END_TEST

START_TEST(a_service_that_stands_still_for_a_while_is_given_its_time)
{
    machine.services[PUF].stop_s = 25;
    machine.services[PUF].wait_hint_ms = 100;
    must(stop(30));
}
END_TEST

START_TEST(a_service_that_ignores_the_request_is_asked_once)
{
    machine.services[PUF].ignores_stop = true;
    must_fail(stop(20), "still running 20 s after it was asked to stop");
    ck_assert_str_eq(machine.log, "stop pufService;");
}
END_TEST

static const struct {
    DWORD code;
    const char *text;
} refusals[] = {
    { ERROR_INVALID_SERVICE_CONTROL, "ask it to stop: it does not let itself be stopped" },
    { ERROR_ACCESS_DENIED, "ask it to stop: this account may not do that; run as a local" },
    { ERROR_DEPENDENT_SERVICES_RUNNING, "a service that depends on it has been started" },
    { ERROR_SHUTDOWN_IN_PROGRESS, "Windows is being shut down" },
    { ERROR_INVALID_HANDLE, "(error 6)" },
};

START_TEST(a_refusal_to_stop_is_told_with_what_to_do)
{
    machine.services[PUF].control_code = refusals[_i].code;
    must_fail(stop(30), refusals[_i].text);
    ck_assert_int_eq(machine.services[PUF].state, SERVICE_RUNNING);
    ck_assert_double_eq(machine.now, 0);
}
END_TEST

START_TEST(a_refusal_has_the_number_of_windows)
{
    machine.services[PUF].control_code = ERROR_INVALID_SERVICE_CONTROL;
    must_fail(stop(30), "error 1052");
}
END_TEST

START_TEST(a_service_that_takes_no_requests_now_is_asked_again)
{
    machine.services[PUF].control_code = ERROR_SERVICE_CANNOT_ACCEPT_CTRL;
    machine.services[PUF].control_times = 3;
    must(stop(30));
    ck_assert_str_eq(machine.log, "stop pufService;");
}
END_TEST

START_TEST(a_service_that_never_takes_requests_is_told)
{
    machine.services[PUF].control_code = ERROR_SERVICE_CANNOT_ACCEPT_CTRL;
    must_fail(stop(30), "it takes no requests now");
    must_fail(PO_E_IO, "error 1061");
    ck_assert_double_lt(machine.now, 30.1);
}
END_TEST

START_TEST(a_service_that_does_not_answer_may_stop_nevertheless)
{
    machine.services[PUF].control_code = ERROR_SERVICE_REQUEST_TIMEOUT;
    machine.services[PUF].stop_s = 3;
    must(stop(30));
    ck_assert_int_eq(machine.services[PUF].state, SERVICE_STOPPED);
}
END_TEST

START_TEST(a_service_that_does_not_answer_and_hangs_is_told_so)
{
    machine.services[PUF].control_code = ERROR_SERVICE_REQUEST_TIMEOUT;
    machine.services[PUF].ignores_stop = true;
    must_fail(stop(30), "it does not answer");
    ck_assert_str_eq(machine.log, "stop pufService;");
}
END_TEST

START_TEST(a_service_that_has_ended_before_it_was_asked_is_stopped)
{
    machine.services[PUF].control_code = ERROR_SERVICE_NOT_ACTIVE;
    must(stop(30));
    ck_assert_int_eq(machine.services[PUF].state, SERVICE_STOPPED);
}
END_TEST

START_TEST(a_service_that_dies_while_it_stops_is_stopped)
{
    machine.services[PUF].dies = true;
    machine.services[PUF].stop_s = 2; /* until Windows has noticed */
    must(stop(30));
    ck_assert_int_eq(machine.services[PUF].state, SERVICE_STOPPED);
}
END_TEST

/* So it is with Wine. */
START_TEST(a_death_that_the_manager_does_not_notice_is_a_stop_after_some_seconds)
{
    machine.services[PUF].dies = true;
    machine.services[PUF].is_process_secret = _i == 1;
    machine.services[PUF].stop_s = FAKE_NEVER;
    must(stop(30));
    ck_assert_double_ge(machine.now, 3);
    ck_assert_double_lt(machine.now, 4);
}
END_TEST

START_TEST(a_death_that_is_seen_when_the_time_is_up_is_a_stop)
{
    machine.services[PUF].dies = true;
    machine.services[PUF].stop_s = FAKE_NEVER;
    must(stop(1));
}
END_TEST

START_TEST(a_service_without_its_process_is_stopped)
{
    enum po_service_state state = PO_SERVICE_UNKNOWN;
    uint32_t id = 1;

    machine.services[PUF].is_dead = true;
    machine.services[PUF].stop_s = FAKE_NEVER;
    machine.services[PUF].state = _i == 0 ? SERVICE_RUNNING : SERVICE_PAUSED;
    must(po_win32_service_state(&service, &state, &err));
    ck_assert_int_eq(state, PO_SERVICE_STOPPED);
    must(po_win32_service_process(&service, &id, &err));
    ck_assert_uint_eq(id, 0);
}
END_TEST

/* ---- its process ---- */

START_TEST(a_process_that_cannot_be_waited_for_is_told)
{
    unsigned calls;

    machine.services[PUF].process_s = 3;
    must(stop(30));
    calls = machine.calls;
    reset_machine();
    machine.services[PUF].process_s = 3;
    machine.fail_call = calls - 1; /* the last one only looks */
    must_fail(stop(30), "it has stopped; wait for its process");
}
END_TEST

START_TEST(a_process_that_stays_is_told)
{
    machine.services[PUF].process_s = FAKE_NEVER;
    must_fail(stop(30), "it has stopped, but its process (101) still runs");
    ck_assert_double_ge(machine.now, 30);
    ck_assert_double_lt(machine.now, 30.1);
}
END_TEST

START_TEST(a_process_gets_some_seconds_even_when_the_time_is_up)
{
    machine.services[PUF].stop_s = 29.9;
    machine.services[PUF].process_s = 3;
    must(stop(30));
    ck_assert_double_ge(machine.now, 32.9);
}
END_TEST

START_TEST(a_process_that_may_not_be_opened_is_waited_for_by_its_number)
{
    machine.services[PUF].is_process_secret = true;
    machine.services[PUF].process_s = 3;
    must(stop(30));
    ck_assert_double_ge(machine.now, 3);
    ck_assert_double_lt(machine.now, 3.2);
}
END_TEST

START_TEST(a_process_that_may_not_be_opened_and_stays_is_told)
{
    machine.services[PUF].is_process_secret = true;
    machine.services[PUF].process_s = FAKE_NEVER;
    must_fail(stop(30), "its process (101) still runs");
}
END_TEST

START_TEST(a_process_that_others_share_is_not_waited_for)
{
    machine.services[PUF].type = SERVICE_WIN32_SHARE_PROCESS;
    machine.services[MTA].type = SERVICE_WIN32_SHARE_PROCESS;
    machine.services[MTA].process_id = machine.services[PUF].process_id;
    must(stop(30));
    ck_assert_double_lt(machine.now, 1);
}
END_TEST

START_TEST(a_process_that_others_could_share_is_waited_for)
{
    machine.services[PUF].type = SERVICE_WIN32_SHARE_PROCESS;
    machine.services[PUF].process_s = 3;
    must(stop(30));
    ck_assert_double_ge(machine.now, 3);
}
END_TEST

/* ---- dependents ---- */

/* req: B2. Whether Windows names all of them at once, or only the next ones. */
START_TEST(dependents_are_stopped_first_and_named_as_they_start)
{
    machine.names_direct_only = _i == 1;
    use_service("PostOfficeMTA");
    must(stop(30));
    ck_assert_str_eq(machine.log, "stop far;stop dep;stop PostOfficeMTA;");
    assert_dependents("dep;far;");
}
END_TEST

START_TEST(dependents_are_named_without_stopping_them)
{
    machine.names_direct_only = _i == 1;
    use_service("PostOfficeMTA");
    po_buf_put(&dependents, "before", 7);
    must(po_win32_service_dependents(&service, &dependents, &err));
    ck_assert_str_eq(machine.log, "");
    assert_dependents("before;dep;far;");
}
END_TEST

START_TEST(names_are_put_behind_what_is_there)
{
    use_service("PostOfficeMTA");
    po_buf_put(&dependents, "before", 7);
    must(stop(30));
    assert_dependents("before;dep;far;");
}
END_TEST

START_TEST(a_dependent_that_was_being_stopped_already_is_not_ours_to_start)
{
    machine.services[FARTHER].state = SERVICE_STOP_PENDING;
    machine.services[FARTHER].stop_s = 1;
    use_service("PostOfficeMTA");
    must(stop(30));
    assert_dependents("dep;");
}
END_TEST

START_TEST(a_dependent_that_refuses_is_named_and_nothing_else_is_stopped)
{
    machine.services[DEP].control_code = ERROR_INVALID_SERVICE_CONTROL;
    use_service("PostOfficeMTA");
    must_fail(stop(30), "service dep, which depends on it: ask it to stop: it does not let itself");
    ck_assert_str_eq(machine.log, "stop far;");
    assert_dependents("far;");
    ck_assert_int_eq(machine.services[MTA].state, SERVICE_RUNNING);
}
END_TEST

/* It may stop yet, so it has to be started again. */
START_TEST(a_dependent_that_hangs_is_among_those_to_start)
{
    machine.services[DEP].stop_s = FAKE_NEVER;
    use_service("PostOfficeMTA");
    must_fail(stop(30), "service dep, which depends on it: still stopping after 30 s");
    assert_dependents("dep;far;");
}
END_TEST

START_TEST(the_time_is_that_of_all_together)
{
    machine.services[FARTHER].stop_s = 8;
    machine.services[DEP].stop_s = 8;
    machine.services[MTA].stop_s = 8;
    use_service("PostOfficeMTA");
    must_fail(stop(20), "still stopping after 20 s");
    ck_assert_double_lt(machine.now, 20.1);
    assert_dependents("dep;far;");
}
END_TEST

/* ---- starting ---- */

/* req: B7 */
START_TEST(a_service_is_started_and_waited_for)
{
    machine.services[PUF].state = SERVICE_STOPPED;
    machine.services[PUF].start_s = 5;
    must(start(30));
    ck_assert_str_eq(machine.log, "start pufService;");
    ck_assert_int_eq(machine.services[PUF].state, SERVICE_RUNNING);
    ck_assert_double_ge(machine.now, 5);
    ck_assert_double_lt(machine.now, 5.3);
}
END_TEST

START_TEST(a_running_service_is_let_be)
{
    must(start(30));
    ck_assert_str_eq(machine.log, "");
}
END_TEST

START_TEST(a_service_that_starts_already_is_waited_for)
{
    machine.services[PUF].state = SERVICE_START_PENDING;
    machine.services[PUF].start_s = 5;
    must(start(30));
    ck_assert_str_eq(machine.log, "");
}
END_TEST

START_TEST(a_service_that_still_stops_is_let_stop_and_started_then)
{
    machine.services[PUF].state = SERVICE_STOP_PENDING;
    machine.services[PUF].stop_s = 5;
    must(start(30));
    ck_assert_str_eq(machine.log, "start pufService;");
    ck_assert_int_eq(machine.services[PUF].state, SERVICE_RUNNING);
}
END_TEST

START_TEST(a_paused_service_is_not_started)
{
    machine.services[PUF].state = SERVICE_PAUSED;
    must_fail(start(30), "it is paused");
}
END_TEST

static const struct {
    DWORD code;
    const char *text;
} start_refusals[] = {
    { ERROR_SERVICE_DISABLED, "start it: it is disabled; set its start type" },
    { ERROR_SERVICE_LOGON_FAILED, "its account cannot log on; set the account's password again" },
    { ERROR_SERVICE_REQUEST_TIMEOUT, "it does not answer" },
    { ERROR_SERVICE_DEPENDENCY_FAIL, "a service that it depends on did not start" },
    { ERROR_SERVICE_MARKED_FOR_DELETE, "it is being deleted" },
    { ERROR_ACCESS_DENIED, "run as a local Administrator" },
    { ERROR_PATH_NOT_FOUND, "error 3)" },
};

START_TEST(a_refusal_to_start_is_told_with_what_to_do)
{
    machine.services[PUF].state = SERVICE_STOPPED;
    machine.services[PUF].start_code = start_refusals[_i].code;
    must_fail(start(30), start_refusals[_i].text);
    ck_assert_int_eq(machine.services[PUF].state, SERVICE_STOPPED);
}
END_TEST

START_TEST(a_start_that_cannot_be_now_is_asked_for_again)
{
    machine.services[PUF].state = SERVICE_STOPPED;
    machine.services[PUF].start_code =
        _i == 0 ? ERROR_SERVICE_ALREADY_RUNNING : ERROR_SERVICE_DATABASE_LOCKED;
    machine.services[PUF].start_times = 3;
    must(start(30));
    ck_assert_str_eq(machine.log, "start pufService;");
}
END_TEST

START_TEST(a_start_that_can_never_be_is_told)
{
    machine.services[PUF].state = SERVICE_STOPPED;
    machine.services[PUF].start_code =
        _i == 0 ? ERROR_SERVICE_ALREADY_RUNNING : ERROR_SERVICE_DATABASE_LOCKED;
    must_fail(start(30), _i == 0 ? "error 1056" : "error 1055");
    must_fail(PO_E_IO, _i == 0 ? "Windows says that it runs already" : "locked the list");
    ck_assert_double_lt(machine.now, 30.1);
}
END_TEST

START_TEST(a_service_that_ends_at_once_is_told_with_its_exit_code)
{
    static const struct {
        DWORD code;
        DWORD own_code;
        const char *text;
    } ends[] = {
        { ERROR_SERVICE_SPECIFIC_ERROR, 42, "exit code 42 (0x2A) of its own" },
        { ERROR_PROCESS_ABORTED, 0, "error 1067" },
        { ERROR_SUCCESS, 0, "without an exit code" },
    };

    machine.services[PUF].state = SERVICE_STOPPED;
    machine.services[PUF].ends_at_start = true;
    machine.services[PUF].exit_code = ends[_i].code;
    machine.services[PUF].own_exit_code = ends[_i].own_code;
    must_fail(start(30), "it ended while it was started");
    must_fail(PO_E_IO, ends[_i].text);
    ck_assert_str_eq(machine.log, "start pufService;"); /* not over and over */
}
END_TEST

START_TEST(a_start_that_hangs_is_told)
{
    machine.services[PUF].state = SERVICE_STOPPED;
    machine.services[PUF].start_s = FAKE_NEVER;
    must_fail(start(20), "still starting after 20 s, and it hangs");
    ck_assert_double_lt(machine.now, 20.1);
}
END_TEST

START_TEST(a_service_that_is_dead_is_started_as_soon_as_the_manager_lets)
{
    machine.services[PUF].is_dead = true;
    machine.starts_dead = _i == 1;
    machine.services[PUF].stop_s = 5; /* until it is noticed */
    must(start(30));
    ck_assert_str_eq(machine.log, "start pufService;");
    ck_assert_int_eq(machine.services[PUF].state, SERVICE_RUNNING);
    if (_i == 0)
        ck_assert_double_ge(machine.now, 5);
    else
        ck_assert_double_lt(machine.now, 1);
}
END_TEST

START_TEST(a_service_that_is_dead_and_cannot_be_started_is_told)
{
    machine.services[PUF].is_dead = true;
    machine.services[PUF].stop_s = FAKE_NEVER;
    must_fail(start(30),
              "its process (101) has ended, but after 30 s Windows says that it is still "
              "running");
    must_fail(PO_E_IO, "error 1056)");
}
END_TEST

START_TEST(a_service_that_dies_while_it_starts_is_told)
{
    machine.services[PUF].state = SERVICE_STOPPED;
    machine.services[PUF].dies_at_start = true;
    machine.services[PUF].start_s = FAKE_NEVER;
    machine.services[PUF].stop_s = FAKE_NEVER;
    must_fail(start(30), "it ended while it was started");
    ck_assert_double_lt(machine.now, 4);
    ck_assert_uint_eq(machine.requests, 1);
}
END_TEST

START_TEST(a_service_that_dies_while_it_starts_is_told_with_what_windows_finds)
{
    machine.services[PUF].state = SERVICE_STOPPED;
    machine.services[PUF].dies_at_start = true;
    machine.services[PUF].start_s = FAKE_NEVER;
    machine.services[PUF].stop_s = 1;
    machine.services[PUF].exit_code = ERROR_PROCESS_ABORTED;
    must_fail(start(30), "error 1067)");
}
END_TEST

START_TEST(the_process_of_a_new_start_may_have_the_number_of_the_old_one)
{
    machine.services[PUF].state = SERVICE_STOP_PENDING;
    machine.services[PUF].stop_s = 1;
    machine.services[PUF].start_s = 10;
    machine.services[PUF].is_process_secret = true;
    machine.services[PUF].keeps_process_id = true;
    must(start(30));
    ck_assert_int_eq(machine.services[PUF].state, SERVICE_RUNNING);
}
END_TEST

/* ---- each call fails once ---- */

/* The MTA and all that were told, and so all is as it was. */
static void
bring_back(void)
{
    struct po_buf names = dependents;

    dependents = (struct po_buf){ 0 };
    use_service("PostOfficeMTA");
    must(start(30));
    for (size_t at = 0; at < names.size; at += strlen((const char *)names.bytes + at) + 1) {
        use_service((const char *)names.bytes + at);
        must(start(30));
    }
    po_buf_deinit(&names);
    use_service("PostOfficeMTA");
    for (int i = 0; i < FAKE_MAX; i++)
        ck_assert_int_eq(machine.services[i].state, i == IDLE ? SERVICE_STOPPED : SERVICE_RUNNING);
}

static void
slow_down(void)
{
    for (int i = 0; i < FAKE_MAX; i++) {
        machine.services[i].stop_s = 0.1;
        machine.services[i].process_s = 0.1;
        machine.services[i].start_s = 0.1;
    }
}

/* One that fails only means that less is known. */
static bool
is_process_call(const char *function)
{
    return strcmp(function, "fake_open_process") == 0 || strcmp(function, "fake_wait") == 0;
}

/* req: B7 */
START_TEST(a_stop_that_fails_anywhere_can_be_undone)
{
    unsigned calls;

    slow_down();
    use_service("PostOfficeMTA");
    must(stop(30));
    calls = machine.calls;
    for (unsigned n = 1; n <= calls; n++) {
        enum po_status st;

        reset_machine();
        slow_down();
        po_buf_clear(&dependents);
        machine.fail_call = n;
        st = stop(30);
        ck_assert_int_eq(machine.open_handles, 0);
        if (st != PO_OK) {
            must_fail(st, "error 5)");
        } else { /* a process that may not be opened is waited for otherwise */
            ck_assert(is_process_call(machine.failed));
            ck_assert_int_eq(machine.services[MTA].state, SERVICE_STOPPED);
        }
        /* Those that were asked are told, and no others. */
        assert_dependents(strstr(machine.log, "stop dep") != NULL   ? "dep;far;"
                          : strstr(machine.log, "stop far") != NULL ? "far;"
                                                                    : "");
        machine.fail_call = 0;
        bring_back();
    }
}
END_TEST

START_TEST(a_start_that_fails_anywhere_can_be_tried_again)
{
    unsigned calls;

    machine.services[PUF].state = SERVICE_STOPPED;
    slow_down();
    must(start(30));
    calls = machine.calls;
    for (unsigned n = 1; n <= calls; n++) {
        reset_machine();
        slow_down();
        machine.services[PUF].state = SERVICE_STOPPED;
        machine.fail_call = n;
        if (start(30) == PO_OK)
            ck_assert(is_process_call(machine.failed));
        else
            must_fail(err.status, "error 5)");
        ck_assert_int_eq(machine.open_handles, 0);
        machine.fail_call = 0;
        must(start(30));
        ck_assert_str_eq(machine.log, "start pufService;");
        ck_assert_int_eq(machine.services[PUF].state, SERVICE_RUNNING);
    }
}
END_TEST

START_TEST(without_the_right_to_the_manager_nothing_is_touched)
{
    machine.fail_call = 1;
    must_fail(stop(30), "open the service control manager: this account may not do that; run as a "
                        "local Administrator");
    machine.calls = 0;
    machine.fail_call = 2;
    must_fail(stop(30), "open it: this account may not do that; run as a local Administrator");
    ck_assert_str_eq(machine.log, "");
}
END_TEST

/* ---- the program of an ImagePath ---- */

/* What %POTEST% is: a directory with a space in its name, and "my svc.exe" in it. */
static wchar_t place[MAX_PATH + 20];

static void
make_file(const wchar_t *name)
{
    wchar_t path[MAX_PATH + 60];
    HANDLE file;

    (void)swprintf(path, sizeof(path) / sizeof(path[0]), L"%ls\\%ls", place, name);
    file = CreateFileW(path, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
    ck_assert_ptr_ne(file, INVALID_HANDLE_VALUE);
    (void)CloseHandle(file);
}

static void
remove_file(const wchar_t *name)
{
    wchar_t path[MAX_PATH + 60];

    (void)swprintf(path, sizeof(path) / sizeof(path[0]), L"%ls\\%ls", place, name);
    (void)DeleteFileW(path);
}

static void
enter_place(void)
{
    wchar_t temp[MAX_PATH + 1];

    ck_assert_uint_gt(GetTempPathW(MAX_PATH, temp), 0);
    (void)swprintf(place, sizeof(place) / sizeof(place[0]), L"%lspo test %lu", temp,
                   (unsigned long)GetCurrentProcessId());
    (void)CreateDirectoryW(place, NULL);
    (void)SetEnvironmentVariableW(L"POTEST", place);
    make_file(L"my svc.exe");
}

static void
leave_place(void)
{
    remove_file(L"my svc.exe");
    remove_file(L"my.exe");
    (void)RemoveDirectoryW(place);
    (void)SetEnvironmentVariableW(L"POTEST", NULL);
}

static const struct {
    const wchar_t *image_path;
    const wchar_t *program; /* behind the place; all of it when it has a ':' or "\\"; or NULL */
} image_paths[] = {
    { L"\"%POTEST%\\my svc.exe\"", L"\\my svc.exe" },
    { L"\"%POTEST%\\my svc.exe\" -x \"a b\"", L"\\my svc.exe" },
    { L"  \"%potest%\\my svc.exe", L"\\my svc.exe" },
    { L"%POTEST%\\my svc.exe", L"\\my svc.exe" },
    { L"%POTEST%\\my svc.exe -x a.exe", L"\\my svc.exe" },
    { L"%POTEST%\\my svc.exe\t-x", L"\\my svc.exe" },
    { L"%POTEST%\\my svc", L"\\my svc.exe" },
    { L"\\??\\%POTEST%\\my svc.exe", L"\\my svc.exe" },
    { L"\"\\??\\%POTEST%\\my svc.exe\" -x", L"\\my svc.exe" },
    { L"%POTEST%\\gone.exe -x a.exe", L"\\gone.exe" },
    { L"\"%POTEST%\\gone svc\" -x", L"\\gone svc" },
    { L"Q:\\Post.Office\\bin\\Post.Office.EXE -k", L"Q:\\Post.Office\\bin\\Post.Office.EXE" },
    { L"Q:\\a b\\Post.Office.execute.exe -k", L"Q:\\a b\\Post.Office.execute.exe" },
    { L"Q:\\nowhere\\svc -k", L"Q:\\nowhere\\svc" },
    { L"\\\\server.invalid\\bin\\svc.exe -k", L"\\\\server.invalid\\bin\\svc.exe" },
    { L"svc.exe -k", NULL },
    { L"system32\\DRIVERS\\x.sys", NULL },
    { L"%NO_SUCH_VARIABLE%\\svc.exe", NULL },
    { L"\"\"", NULL },
    { L"\"", NULL },
    { L" ", NULL },
    { L"", NULL },
};

static void
assert_program(const wchar_t *image_path, const wchar_t *expected)
{
    wchar_t wide[2 * MAX_PATH];
    char text[4 * MAX_PATH];
    char *program = NULL;

    must(po_win32_scm_program(&program, image_path, &err));
    if (expected == NULL) {
        ck_assert_ptr_null(program);
        return;
    }
    (void)swprintf(wide, sizeof(wide) / sizeof(wide[0]), L"%ls%ls",
                   expected[0] == L'\\' && expected[1] != L'\\' ? place : L"", expected);
    ck_assert_int_gt(WideCharToMultiByte(CP_UTF8, 0, wide, -1, text, sizeof(text), NULL, NULL), 0);
    ck_assert_str_eq(program, text);
    po_mem_free(program);
}

START_TEST(the_program_of_an_image_path_is_found)
{
    assert_program(image_paths[_i].image_path, image_paths[_i].program);
}
END_TEST

/* As Windows would start it. */
START_TEST(without_quotation_marks_the_shortest_program_is_meant)
{
    make_file(L"my.exe");
    assert_program(L"%POTEST%\\my svc.exe", L"\\my.exe");
    assert_program(L"\"%POTEST%\\my svc.exe\"", L"\\my svc.exe");
}
END_TEST

#define COUNT(list) ((int)(sizeof(list) / sizeof((list)[0])))

static void
add_finding(Suite *suite)
{
    TCase *tc = tcase_create("find");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, a_service_is_found_by_either_name_whatever_the_case, 0, 4);
    tcase_add_test(tc, its_program_is_that_of_its_image_path);
    tcase_add_test(tc, names_are_compared_beyond_ascii);
    tcase_add_test(tc, a_key_name_goes_before_a_displayed_one);
    tcase_add_test(tc, a_service_without_a_displayed_name_shows_its_key);
    tcase_add_test(tc, a_list_that_comes_in_parts_is_read_to_its_end);
    tcase_add_test(tc, a_service_that_does_not_exist_is_wrong_use);
    tcase_add_loop_test(tc, a_service_that_is_not_listed_is_asked_for_by_name, 0, 2);
    tcase_add_loop_test(tc, a_service_that_may_not_be_seen_is_not_told_to_be_missing, 0, 2);
    tcase_add_loop_test(tc, finding_tells_each_failure, 0, 2);
    tcase_add_loop_test(tc, a_state_is_told_when_it_is_one, 0, 6);
    tcase_add_test(tc, a_paused_service_has_no_state_to_come_back_to);
    tcase_add_test(tc, the_process_of_a_service_is_told);
    tcase_add_loop_test(tc, asking_for_the_state_tells_each_failure, 1, 4);
    tcase_add_test(tc, a_service_that_has_been_removed_is_told);
    suite_add_tcase(suite, tc);
    tc = tcase_create("program");
    tcase_add_checked_fixture(tc, enter_place, leave_place);
    tcase_add_loop_test(tc, the_program_of_an_image_path_is_found, 0, COUNT(image_paths));
    tcase_add_test(tc, without_quotation_marks_the_shortest_program_is_meant);
    suite_add_tcase(suite, tc);
}

static void
add_stopping(Suite *suite)
{
    TCase *tc = tcase_create("stop");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_service_is_stopped_and_waited_for);
    tcase_add_test(tc, a_stopped_service_is_let_be);
    tcase_add_test(tc, a_stop_that_is_pending_is_not_asked_for_again);
    tcase_add_test(tc, a_service_that_starts_is_let_start_and_stopped_then);
    tcase_add_test(tc, a_paused_service_is_stopped);
    tcase_add_test(tc, a_service_that_stands_still_is_told_to_hang);
    tcase_add_test(tc, a_service_that_makes_progress_gets_no_more_time_but_other_words);
    tcase_add_test(tc, a_service_that_stands_still_for_a_while_is_given_its_time);
    tcase_add_test(tc, a_service_that_ignores_the_request_is_asked_once);
    tcase_add_loop_test(tc, a_refusal_to_stop_is_told_with_what_to_do, 0, COUNT(refusals));
    tcase_add_test(tc, a_refusal_has_the_number_of_windows);
    tcase_add_test(tc, a_service_that_takes_no_requests_now_is_asked_again);
    tcase_add_test(tc, a_service_that_never_takes_requests_is_told);
    tcase_add_test(tc, a_service_that_does_not_answer_may_stop_nevertheless);
    tcase_add_test(tc, a_service_that_does_not_answer_and_hangs_is_told_so);
    tcase_add_test(tc, a_service_that_has_ended_before_it_was_asked_is_stopped);
    tcase_add_test(tc, a_service_that_dies_while_it_stops_is_stopped);
    tcase_add_loop_test(tc, a_death_that_the_manager_does_not_notice_is_a_stop_after_some_seconds,
                        0, 2);
    tcase_add_test(tc, a_death_that_is_seen_when_the_time_is_up_is_a_stop);
    tcase_add_loop_test(tc, a_service_without_its_process_is_stopped, 0, 2);
    tcase_add_test(tc, a_process_that_cannot_be_waited_for_is_told);
    tcase_add_test(tc, a_process_that_stays_is_told);
    tcase_add_test(tc, a_process_gets_some_seconds_even_when_the_time_is_up);
    tcase_add_test(tc, a_process_that_may_not_be_opened_is_waited_for_by_its_number);
    tcase_add_test(tc, a_process_that_may_not_be_opened_and_stays_is_told);
    tcase_add_test(tc, a_process_that_others_share_is_not_waited_for);
    tcase_add_test(tc, a_process_that_others_could_share_is_waited_for);
    tcase_add_loop_test(tc, dependents_are_stopped_first_and_named_as_they_start, 0, 2);
    tcase_add_loop_test(tc, dependents_are_named_without_stopping_them, 0, 2);
    tcase_add_test(tc, names_are_put_behind_what_is_there);
    tcase_add_test(tc, a_dependent_that_was_being_stopped_already_is_not_ours_to_start);
    tcase_add_test(tc, a_dependent_that_refuses_is_named_and_nothing_else_is_stopped);
    tcase_add_test(tc, a_dependent_that_hangs_is_among_those_to_start);
    tcase_add_test(tc, the_time_is_that_of_all_together);
    tcase_add_test(tc, a_stop_that_fails_anywhere_can_be_undone);
    tcase_add_test(tc, without_the_right_to_the_manager_nothing_is_touched);
    suite_add_tcase(suite, tc);
}

static void
add_starting(Suite *suite)
{
    TCase *tc = tcase_create("start");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_service_is_started_and_waited_for);
    tcase_add_test(tc, a_running_service_is_let_be);
    tcase_add_test(tc, a_service_that_starts_already_is_waited_for);
    tcase_add_test(tc, a_service_that_still_stops_is_let_stop_and_started_then);
    tcase_add_test(tc, a_paused_service_is_not_started);
    tcase_add_loop_test(tc, a_refusal_to_start_is_told_with_what_to_do, 0, COUNT(start_refusals));
    tcase_add_loop_test(tc, a_start_that_cannot_be_now_is_asked_for_again, 0, 2);
    tcase_add_loop_test(tc, a_start_that_can_never_be_is_told, 0, 2);
    tcase_add_loop_test(tc, a_service_that_ends_at_once_is_told_with_its_exit_code, 0, 3);
    tcase_add_test(tc, a_start_that_hangs_is_told);
    tcase_add_loop_test(tc, a_service_that_is_dead_is_started_as_soon_as_the_manager_lets, 0, 2);
    tcase_add_test(tc, a_service_that_is_dead_and_cannot_be_started_is_told);
    tcase_add_test(tc, a_service_that_dies_while_it_starts_is_told);
    tcase_add_test(tc, a_service_that_dies_while_it_starts_is_told_with_what_windows_finds);
    tcase_add_test(tc, the_process_of_a_new_start_may_have_the_number_of_the_old_one);
    tcase_add_test(tc, a_start_that_fails_anywhere_can_be_tried_again);
    suite_add_tcase(suite, tc);
}

int
main(void)
{
    Suite *suite = suite_create("win32_scm");
    SRunner *runner;
    int failed;

    add_finding(suite);
    add_stopping(suite);
    add_starting(suite);
    runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
