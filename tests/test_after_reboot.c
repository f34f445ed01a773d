/* req: R9. What is found after a reboot, and what is done about it. */
#include "engine/after_reboot.h"
#include "os_help.h"
#include "site_help.h"

static struct help_host host;
static struct po_after_result result;
static struct po_err err;

static void
setup(void)
{
    help_enter();
    help_host_init(&host);
    result = (struct po_after_result){ 0 };
}

static void
teardown(void)
{
    po_after_result_deinit(&result);
    help_leave();
}

static void
run(unsigned wait_s)
{
    help_must(po_after_reboot_run(&host.host, wait_s, NULL, &result, &err), &err);
    ck_assert_uint_eq(result.count, HELP_SERVICES);
}

START_TEST(what_runs_is_left_alone)
{
    host.states[HELP_WEB] = PO_SERVICE_RUNNING;
    run(0);
    for (size_t i = 0; i < result.count; i++)
        ck_assert_int_eq(result.services[i].state, PO_AFTER_RUNS);
    ck_assert_str_eq(result.services[HELP_PUF].name, "puf");
    ck_assert_str_eq(host.log, "");
}
END_TEST

START_TEST(what_did_not_start_is_started_in_order)
{
    for (int i = 0; i < HELP_SERVICES; i++)
        host.states[i] = PO_SERVICE_STOPPED;
    run(0);
    for (size_t i = 0; i < result.count; i++)
        ck_assert_int_eq(result.services[i].state, PO_AFTER_STARTED);
    ck_assert_str_eq(host.log, "start mta;start puf;start web;");
}
END_TEST

START_TEST(a_disabled_service_is_told_and_left)
{
    host.services[HELP_WEB].start = "disabled";
    run(60); /* and nobody waits for it */
    ck_assert_int_eq(result.services[HELP_WEB].state, PO_AFTER_LEFT);
    ck_assert_str_eq(host.log, "");
}
END_TEST

START_TEST(one_that_cannot_be_started_does_not_keep_the_next_from_it)
{
    host.states[HELP_MTA] = PO_SERVICE_STOPPED;
    host.never_starts[HELP_MTA] = true;
    run(0);
    ck_assert_int_eq(result.services[HELP_MTA].state, PO_AFTER_FAILED);
    ck_assert_str_ne(result.services[HELP_MTA].reason, "");
    ck_assert_int_eq(result.services[HELP_PUF].state, PO_AFTER_RUNS);
    ck_assert_int_eq(result.services[HELP_WEB].state, PO_AFTER_STARTED);
}
END_TEST

/* It comes up while it is waited for: at the eighth question. */
static void
come_up(void *ctx, const char *call)
{
    unsigned *calls = ctx;

    (void)call;
    if (++*calls == 8)
        host.states[HELP_WEB] = PO_SERVICE_RUNNING;
}

START_TEST(one_that_starts_late_is_waited_for)
{
    unsigned calls = 0;

    host.hook = come_up;
    host.ctx = &calls;
    run(30);
    ck_assert_int_eq(result.services[HELP_WEB].state, PO_AFTER_RUNS);
    ck_assert_str_eq(host.log, "");
}
END_TEST

START_TEST(one_that_is_started_by_hand_is_not_waited_for)
{
    host.services[HELP_WEB].start = "manual";
    run(60);
    ck_assert_int_eq(result.services[HELP_WEB].state, PO_AFTER_STARTED);
}
END_TEST

START_TEST(a_state_that_cannot_be_told_ends_in_a_start)
{
    host.states[HELP_WEB] = PO_SERVICE_RUNNING;
    host.fail_call = 7; /* the second look at the first one */
    run(0);
    ck_assert_uint_ge(host.calls, 4);
    for (size_t i = 0; i < result.count; i++)
        ck_assert_int_ne(result.services[i].state, PO_AFTER_FAILED);
}
END_TEST

START_TEST(the_wait_can_be_called_off)
{
    const volatile int cancel = 2;
    const struct po_watch watch = { .cancel = &cancel };

    ck_assert_int_eq(po_after_reboot_run(&host.host, 60, &watch, &result, &err), PO_E_CANCELLED);
    ck_assert_uint_eq(result.count, 0);
    ck_assert_str_eq(host.log, "");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("after_reboot");
    TCase *tests = tcase_create("after_reboot");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, what_runs_is_left_alone);
    tcase_add_test(tests, what_did_not_start_is_started_in_order);
    tcase_add_test(tests, a_disabled_service_is_told_and_left);
    tcase_add_test(tests, one_that_cannot_be_started_does_not_keep_the_next_from_it);
    tcase_add_test(tests, one_that_starts_late_is_waited_for);
    tcase_add_test(tests, one_that_is_started_by_hand_is_not_waited_for);
    tcase_add_test(tests, a_state_that_cannot_be_told_ends_in_a_start);
    tcase_add_test(tests, the_wait_can_be_called_off);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
