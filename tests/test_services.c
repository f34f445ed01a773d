/* Stopping a site's services and bringing them back. */
#include "engine/services.h"
#include "host/host_guard.h"
#include "port/sys.h"
#include "site_help.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct help_host host;
static struct po_services services;
static struct po_err err;

static void
setup(void)
{
    help_host_init(&host);
    services = (struct po_services){ 0 };
    err = (struct po_err){ 0 };
}

static void
teardown(void)
{
    po_services_deinit(&services);
}

static void
init(void)
{
    struct po_err failure;

    help_must(po_services_init(&services, &host.host, &failure), &failure);
}

static void
stop(const struct po_watch *watch)
{
    help_must(po_services_stop(&services, 0, watch, &err), &err);
}

static void
restore(void)
{
    help_must(po_services_restore(&services, NULL, &err), &err);
}

START_TEST(services_stop_in_reverse_and_start_in_order) /* req: B2, B7 */
{
    host.states[HELP_WEB] = PO_SERVICE_RUNNING;
    init();
    stop(NULL);
    ck_assert_str_eq(host.log, "stop web;stop puf;stop mta;");
    for (int i = 0; i < HELP_SERVICES; i++)
        ck_assert_int_eq(host.states[i], PO_SERVICE_STOPPED);
    host.log[0] = '\0';
    restore();
    ck_assert_str_eq(host.log, "start mta;start puf;start web;");
    for (int i = 0; i < HELP_SERVICES; i++)
        ck_assert_int_eq(host.states[i], PO_SERVICE_RUNNING);
}
END_TEST

START_TEST(a_service_that_was_stopped_is_not_touched) /* req: B2, B7 */
{
    init();
    ck_assert_int_eq(services.before[HELP_WEB], PO_SERVICE_STOPPED);
    stop(NULL);
    ck_assert_str_eq(host.log, "stop puf;stop mta;");
    restore();
    ck_assert_str_eq(host.log, "stop puf;stop mta;start mta;start puf;");
    help_assert_services(&host);
}
END_TEST

START_TEST(with_nothing_running_nothing_is_asked_for)
{
    host.states[HELP_MTA] = host.states[HELP_PUF] = PO_SERVICE_STOPPED;
    init();
    ck_assert(!po_services_any_running(&services));
    stop(NULL);
    restore();
    ck_assert_str_eq(host.log, "");
}
END_TEST

START_TEST(a_site_without_services_is_fine)
{
    host.service_count = 0;
    init();
    ck_assert(!po_services_any_running(&services));
    stop(NULL);
    restore();
}
END_TEST

START_TEST(one_running_service_is_enough_to_be_running)
{
    host.states[HELP_MTA] = PO_SERVICE_STOPPED;
    init();
    ck_assert(po_services_any_running(&services));
}
END_TEST

START_TEST(a_state_that_cannot_be_told_refuses_before_anything_is_stopped)
{
    host.cannot_tell[HELP_PUF] = true;
    ck_assert_int_eq(po_services_init(&services, &host.host, &err), PO_E_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "service puf"));
    ck_assert_ptr_nonnull(strstr(err.text, "nothing was stopped"));
    ck_assert_str_eq(host.log, "");
    help_assert_services(&host);
}
END_TEST

START_TEST(a_failing_question_for_the_state_names_the_service)
{
    host.fail_call = (unsigned)_i + 1;
    ck_assert_int_eq(po_services_init(&services, &host.host, &err), PO_E_IO);
    ck_assert_ptr_nonnull(strstr(err.text, host.services[_i].name));
    ck_assert_ptr_nonnull(strstr(err.text, "made to fail"));
    ck_assert_str_eq(host.log, "");
}
END_TEST

START_TEST(the_timeout_reaches_the_host)
{
    init();
    help_must(po_services_stop(&services, 17, NULL, &err), &err);
    ck_assert_uint_eq(host.last_timeout_s, 17);
    restore();
    ck_assert_uint_eq(host.last_timeout_s, 0); /* to start: the service's own */
}
END_TEST

/* The service said no but may have stopped: it must be asked to start too. */
START_TEST(a_stop_that_fails_is_named_and_undone)
{
    init();
    host.fail_call = host.calls + 2; /* the MTA's, after pufService's */
    ck_assert_int_eq(po_services_stop(&services, 0, NULL, &err), PO_E_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "service mta"));
    ck_assert_int_eq(host.states[HELP_MTA], PO_SERVICE_STOPPED);
    restore();
    ck_assert_str_eq(host.log, "stop puf;stop mta;start mta;start puf;");
    help_assert_services(&host);
}
END_TEST

START_TEST(after_a_stop_that_fails_no_other_service_is_stopped)
{
    init();
    host.never_stops[HELP_PUF] = true;
    ck_assert_int_eq(po_services_stop(&services, 0, NULL, &err), PO_E_IO);
    ck_assert_str_eq(host.log, "stop puf;");
    restore();
    ck_assert_str_eq(host.log, "stop puf;start puf;");
    help_assert_services(&host);
}
END_TEST

START_TEST(a_service_that_stops_late_is_waited_for_and_started) /* req: B7 */
{
    init();
    host.services[HELP_PUF].stop_timeout_s = 20;
    host.stops_late[HELP_PUF] = 3;
    ck_assert_int_eq(po_services_stop(&services, 0, NULL, &err), PO_E_IO);
    ck_assert_int_eq(host.states[HELP_PUF], PO_SERVICE_RUNNING);
    restore();
    ck_assert_str_eq(host.log, "stop puf;start puf;");
    help_assert_services(&host);
    ck_assert_uint_eq(host.stops_late[HELP_PUF], 0);
}
END_TEST

START_TEST(a_host_that_can_tell_says_that_a_service_runs_on)
{
    double start = po_sys_monotonic();

    init();
    host.services[HELP_PUF].stop_timeout_s = 20;
    host.services[HELP_PUF].tells_pending = true;
    host.never_stops[HELP_PUF] = true;
    ck_assert_int_eq(po_services_stop(&services, 0, NULL, &err), PO_E_IO);
    restore();
    ck_assert(po_sys_monotonic() - start < 10);
    help_assert_services(&host);
}
END_TEST

START_TEST(a_start_that_fails_is_named_and_the_others_are_still_started) /* req: B7 */
{
    init();
    stop(NULL);
    host.never_starts[HELP_MTA] = true;
    ck_assert_int_eq(po_services_restore(&services, NULL, &err), PO_E_IO);
    ck_assert_str_eq(err.text, "service mta: it does not start");
    ck_assert_int_eq(host.states[HELP_PUF], PO_SERVICE_RUNNING);
    ck_assert_str_eq(host.log, "stop puf;stop mta;start mta;start puf;");
}
END_TEST

START_TEST(each_start_that_fails_is_named)
{
    init();
    stop(NULL);
    host.never_starts[HELP_MTA] = host.never_starts[HELP_PUF] = true;
    ck_assert_int_eq(po_services_restore(&services, NULL, &err), PO_E_IO);
    ck_assert_str_eq(err.text, "service mta: it does not start; service puf: it does not start");
}
END_TEST

START_TEST(restoring_again_asks_only_for_what_is_not_back)
{
    init();
    stop(NULL);
    host.never_starts[HELP_MTA] = true;
    ck_assert_int_eq(po_services_restore(&services, NULL, &err), PO_E_IO);
    host.never_starts[HELP_MTA] = false;
    host.log[0] = '\0';
    restore();
    ck_assert_str_eq(host.log, "start mta;");
    help_assert_services(&host);
    restore();
    ck_assert_str_eq(host.log, "start mta;");
}
END_TEST

/* ---- cancelling ---- */

static volatile int cancel;

static void
cancel_at_stop(void *ctx, const char *call)
{
    (void)ctx;
    if (strcmp(call, "stop") == 0)
        cancel = 15;
}

START_TEST(cancelled_before_the_first_stop_nothing_is_stopped)
{
    const struct po_watch watch = { .cancel = &cancel };

    cancel = 2;
    init();
    ck_assert_int_eq(po_services_stop(&services, 0, &watch, &err), PO_E_CANCELLED);
    ck_assert_str_eq(host.log, "");
}
END_TEST

START_TEST(cancelled_in_the_middle_the_rest_stays_up_and_what_was_stopped_comes_back)
{
    const struct po_watch watch = { .cancel = &cancel };

    cancel = 0;
    host.hook = cancel_at_stop;
    init();
    ck_assert_int_eq(po_services_stop(&services, 0, &watch, &err), PO_E_CANCELLED);
    ck_assert_str_eq(host.log, "stop puf;");
    ck_assert_int_eq(host.states[HELP_MTA], PO_SERVICE_RUNNING);
    /* The flag stays set: the services come back nevertheless. */
    help_must(po_services_restore(&services, &watch, &err), &err);
    ck_assert_str_eq(host.log, "stop puf;start puf;");
    help_assert_services(&host);
}
END_TEST

/* ---- events ---- */

static void
note_phase(void *ctx, const struct po_event *event)
{
    struct po_buf *told = ctx;

    ck_assert_int_eq(event->kind, PO_EVENT_PHASE);
    po_buf_put_text(told, event->text);
    po_buf_put_u8(told, ';');
}

START_TEST(each_stop_and_start_is_told_before_it_happens)
{
    struct po_buf told = { 0 };
    const struct po_watch watch = { .event = note_phase, .ctx = &told };

    init();
    stop(&watch);
    help_must(po_services_restore(&services, &watch, &err), &err);
    ck_assert_str_eq(po_buf_text(&told), "stopping service puf;stopping service mta;"
                                         "starting service mta;starting service puf;");
    po_buf_deinit(&told);
}
END_TEST

/* ---- for a process that is dead ---- */

START_TEST(what_a_dead_process_stopped_is_started_in_order) /* req: B7 */
{
    struct po_buf asked = { 0 };
    struct po_buf stopped = { 0 };

    po_buf_put(&asked, "mta", 4); /* asked to stop, and it did */
    po_buf_put(&stopped, "puf", 4);
    host.states[HELP_MTA] = host.states[HELP_PUF] = PO_SERVICE_STOPPED;
    help_must(po_services_bring_back(&host.host, &asked, &stopped, NULL, &err), &err);
    ck_assert_str_eq(host.log, "start mta;start puf;");
    help_assert_services(&host);
    po_buf_deinit(&asked);
    po_buf_deinit(&stopped);
}
END_TEST

START_TEST(one_that_cannot_be_brought_back_is_named_and_the_next_is)
{
    struct po_buf none = { 0 };
    struct po_buf stopped = { 0 };

    po_buf_put(&stopped, "puf\0mta", 8);
    host.states[HELP_MTA] = host.states[HELP_PUF] = PO_SERVICE_STOPPED;
    host.never_starts[HELP_MTA] = true;
    ck_assert_int_eq(po_services_bring_back(&host.host, &none, &stopped, NULL, &err), PO_E_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "service mta"));
    ck_assert_int_eq(host.states[HELP_PUF], PO_SERVICE_RUNNING);
    po_buf_deinit(&stopped);
}
END_TEST

START_TEST(a_name_without_a_service_is_a_failure_and_the_others_are_started)
{
    struct po_buf none = { 0 };
    struct po_buf stopped = { 0 };

    po_buf_put(&stopped, "nobody\0puf", 11);
    host.states[HELP_PUF] = PO_SERVICE_STOPPED;
    ck_assert_int_eq(po_services_bring_back(&host.host, &none, &stopped, NULL, &err), PO_E_IO);
    ck_assert_str_eq(err.text, "service nobody: the site has no such service");
    help_assert_services(&host);
    po_buf_deinit(&stopped);
}
END_TEST

static void
note_news(void *ctx, enum po_host_guard_news news, const char *service)
{
    static const char *const words[] = { [PO_HOST_GUARD_STOP] = "stop",
                                         [PO_HOST_GUARD_STOPPED] = "stopped",
                                         [PO_HOST_GUARD_STARTED] = "started",
                                         [PO_HOST_GUARD_READY] = "ready" };
    struct po_buf *out = ctx;

    /* Before it is asked for: what the host has done so far is in its log. */
    po_buf_printf(out, "%s %s after \"%s\"; ", words[news], service, host.log);
}

/* Its note takes a while, and the services run meanwhile. */
static void
note_slowly(void *ctx, enum po_host_guard_news news, const char *service)
{
    double *ready = ctx;

    (void)service;
    if (news != PO_HOST_GUARD_READY)
        return;
    po_sys_sleep_ms(50);
    *ready = po_sys_monotonic();
}

START_TEST(the_outage_begins_when_a_guard_is_ready)
{
    struct po_host_guard *guard = NULL;
    double ready = 0;

    help_must(po_host_guard_begin(&guard, &host.host, note_slowly, &ready, &err), &err);
    init();
    help_must(po_services_stop(&services, 0, NULL, &err), &err);
    ck_assert_double_gt(ready, 0);
    ck_assert_double_ge(services.asked, ready);
    po_host_guard_end(guard);
}
END_TEST

START_TEST(a_guard_of_services_that_are_stopped_has_nothing_to_make_ready)
{
    struct po_host_guard *guard = NULL;
    double ready = 0;

    for (size_t i = 0; i < HELP_SERVICES; i++)
        host.states[i] = PO_SERVICE_STOPPED;
    help_must(po_host_guard_begin(&guard, &host.host, note_slowly, &ready, &err), &err);
    init();
    help_must(po_services_stop(&services, 0, NULL, &err), &err);
    ck_assert_double_eq(ready, 0);
    po_host_guard_end(guard);
}
END_TEST

START_TEST(a_guard_is_told_before_a_stop_and_after_a_start) /* req: B7 */
{
    const struct po_host_ops *ops = host.host.ops;
    struct po_host_guard *guard = NULL;
    struct po_buf told = { 0 };

    help_must(po_host_guard_begin(&guard, &host.host, note_news, &told, &err), &err);
    host.never_stops[HELP_MTA] = true;
    init();
    ck_assert_int_eq(po_services_stop(&services, 0, NULL, &err), PO_E_IO);
    ck_assert_str_eq(po_buf_text(&told),
                     "ready  after \"\"; stop puf after \"\"; stopped puf after \"stop puf;\"; "
                     "stop mta after \"stop puf;\"; ");
    po_buf_clear(&told);
    host.log[0] = '\0';
    ck_assert_int_eq(host.host.ops->service_start(&host.host, HELP_PUF, 0, &err), PO_OK);
    ck_assert_str_eq(po_buf_text(&told), "started puf after \"start puf;\"; ");
    po_host_guard_end(guard);
    ck_assert_ptr_eq(host.host.ops, ops);
    po_buf_deinit(&told);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("services");
    TCase *tc = tcase_create("services");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, services_stop_in_reverse_and_start_in_order);
    tcase_add_test(tc, a_service_that_was_stopped_is_not_touched);
    tcase_add_test(tc, with_nothing_running_nothing_is_asked_for);
    tcase_add_test(tc, a_site_without_services_is_fine);
    tcase_add_test(tc, one_running_service_is_enough_to_be_running);
    tcase_add_test(tc, a_state_that_cannot_be_told_refuses_before_anything_is_stopped);
    tcase_add_loop_test(tc, a_failing_question_for_the_state_names_the_service, 0, HELP_SERVICES);
    tcase_add_test(tc, the_timeout_reaches_the_host);
    tcase_add_test(tc, a_stop_that_fails_is_named_and_undone);
    tcase_add_test(tc, after_a_stop_that_fails_no_other_service_is_stopped);
    tcase_add_test(tc, a_service_that_stops_late_is_waited_for_and_started);
    tcase_add_test(tc, a_host_that_can_tell_says_that_a_service_runs_on);
    tcase_add_test(tc, a_start_that_fails_is_named_and_the_others_are_still_started);
    tcase_add_test(tc, each_start_that_fails_is_named);
    tcase_add_test(tc, restoring_again_asks_only_for_what_is_not_back);
    tcase_add_test(tc, cancelled_before_the_first_stop_nothing_is_stopped);
    tcase_add_test(tc, cancelled_in_the_middle_the_rest_stays_up_and_what_was_stopped_comes_back);
    tcase_add_test(tc, each_stop_and_start_is_told_before_it_happens);
    tcase_add_test(tc, what_a_dead_process_stopped_is_started_in_order);
    tcase_add_test(tc, one_that_cannot_be_brought_back_is_named_and_the_next_is);
    tcase_add_test(tc, a_name_without_a_service_is_a_failure_and_the_others_are_started);
    tcase_add_test(tc, the_outage_begins_when_a_guard_is_ready);
    tcase_add_test(tc, a_guard_of_services_that_are_stopped_has_nothing_to_make_ready);
    tcase_add_test(tc, a_guard_is_told_before_a_stop_and_after_a_start);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
