/*
 * req: B1, B2. What is told of a site whose host is no folder: may this process do the work, what the
 * services say of themselves; and of what else a job finds in its way.
 */
#include "site_help.h"

#include "engine/doctor_checks.h"
#include "os_help.h"

static struct help_host host;
static struct po_host_ops ops; /* the host's, but for what a test puts there */
static struct po_doctor_options options;
static struct po_buf lines; /* "STATE id: text" */
static enum po_check_state worst;

static void
on_check(void *ctx, enum po_check_state state, const char *id, const char *text)
{
    static const char *const names[] = { "GOOD", "NOTE", "WARNING", "BAD" };

    (void)ctx;
    po_buf_printf(&lines, "%s %s: %s\n", names[state], id, text);
}

static const char *
identity(struct po_host *unused)
{
    (void)unused;
    return "test:a site";
}

static void
setup(void)
{
    help_enter();
    help_host_init(&host);
    help_make_site();
    ops = *host.host.ops;
    ops.identity = identity;
    host.host.ops = &ops;
    options = (struct po_doctor_options){ 0 };
}

static void
teardown(void)
{
    po_buf_deinit(&lines);
    help_leave();
}

static void
run(void)
{
    struct po_err err;

    po_buf_clear(&lines);
    help_must(po_doctor_run(&host.host, &options, on_check, NULL, &worst, &err), &err);
}

static void
assert_told(const char *line)
{
    ck_assert_msg(strstr(po_buf_text(&lines), line) != NULL, "\"%s\" is not in:\n%s", line,
                  po_buf_text(&lines));
}

static enum po_status
check_with_a_note(struct po_host *unused, struct po_buf *note, struct po_err *err)
{
    (void)unused;
    po_buf_put_text(note, "the backup privilege is enough");
    return po_buf_check(note, err);
}

START_TEST(the_host_says_whether_this_process_may)
{
    run();
    assert_told("GOOD rights: run by the local Administrator\n");
    host.refuses = "log on as somebody else";
    run();
    assert_told("BAD rights: log on as somebody else\n");
    ck_assert_int_eq(worst, PO_CHECK_BAD);
    ops.check_admin = check_with_a_note;
    run();
    assert_told("NOTE rights: the backup privilege is enough\n");
}
END_TEST

START_TEST(services_that_cannot_be_judged_are_bad)
{
    host.cannot_tell[HELP_WEB] = true;
    run();
    assert_told("GOOD services: mta: running\n");
    assert_told("BAD services: web: whether it runs is not to be learned");
    ck_assert_int_eq(worst, PO_CHECK_BAD);
    host.cannot_tell[HELP_WEB] = false;
    host.calls = 0;
    host.fail_call = 1;
    run();
    assert_told("BAD services: ");
    assert_told("GOOD services: puf: running\n");
}
END_TEST

START_TEST(journals_that_cannot_be_read_are_told)
{
    ck_assert_int_eq(symlink("loop", "loop"), 0);
    options.journal_dir = "loop";
    run();
    assert_told("BAD pending: whether a restore was interrupted cannot be told: ");
    options.journal_dir = "none";
    run();
    assert_told("GOOD pending: no restore was interrupted\n");
}
END_TEST

START_TEST(a_lock_that_cannot_be_taken_is_warned_of)
{
    help_make_directory("lock");
    options.lock_path = "lock";
    run();
    assert_told("WARNING lock: no job can have the site to itself: ");
    /* None is made. */
    options.lock_path = "none";
    run();
    ck_assert_ptr_null(strstr(po_buf_text(&lines), "WARNING lock"));
    ck_assert(!help_is_there("none"));
}
END_TEST

/* Not in the middle of a character. */
START_TEST(a_text_that_is_too_long_is_cut_at_a_character)
{
    struct po_doctor doctor = { .each = on_check };
    char text[2000];

    for (size_t lead = 0; lead < 3; lead++) {
        size_t size = lead;
        const char *told;

        memset(text, 'a', sizeof text);
        for (; size + 3 < sizeof text; size += 3)
            memcpy(text + size, "\xE6\x97\xA5", 3);
        text[size] = '\0';
        po_buf_clear(&lines);
        po_doctor_say(&doctor, PO_CHECK_NOTE, "id", "%s", text);
        told = po_buf_text(&lines) + strlen("NOTE id: ");
        size = strlen(told) - 1;
        ck_assert_uint_ge(size, 1490);
        ck_assert_uint_lt(size, 1500);
        ck_assert_uint_eq((size - lead) % 3, 0);
        ck_assert_int_eq(memcmp(told, text, size), 0);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("doctor_host");
    TCase *tests = tcase_create("host");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, the_host_says_whether_this_process_may);
    tcase_add_test(tests, services_that_cannot_be_judged_are_bad);
    os_add_posix_test(tests, journals_that_cannot_be_read_are_told);
    tcase_add_test(tests, a_lock_that_cannot_be_taken_is_warned_of);
    tcase_add_test(tests, a_text_that_is_too_long_is_cut_at_a_character);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
