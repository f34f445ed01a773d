/* req: W1, R11: which files of a spool are the mail queue's, and which sets lack some. */
#include "engine/queue.h"
#include "os_help.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct po_queue *queue;
static struct po_buf text;

static void
setup(void)
{
    struct po_err err;

    ck_assert_int_eq(po_queue_new(&queue, &err), PO_OK);
}

static void
teardown(void)
{
    po_queue_free(queue);
    po_buf_deinit(&text);
}

static void
add(const char *path)
{
    struct po_err err;

    ck_assert_int_eq(po_queue_add(queue, path, strlen(path), &err), PO_OK);
}

static void
finish(void)
{
    struct po_err err;

    ck_assert_int_eq(po_queue_finish(queue, &err), PO_OK);
}

static const char *
broken(size_t number)
{
    po_buf_clear(&text);
    po_queue_put_broken(queue, number, &text);
    return po_buf_text(&text);
}

START_TEST(parts_are_known_by_folder_and_end_of_the_name_in_any_case)
{
    static const struct {
        const char *path;
        bool is_part;
    } cases[] = {
        { "control/1-Control", true },
        { "messages/1-Header", true },
        { "messages/1-Body", true },
        { "CONTROL/1-CONTROL", true },
        { "Messages/a b-c-body", true },
        { "messages/1-Control", true }, /* where it lies is not what it is */
        { "control/1-Body", true },
        { "messages/-Body-Body", true },
        { "messages/-Body", false }, /* no name is left */
        { "messages/1-Body.tmp", false },
        { "messages/1Body", false },
        { "messages/", false },
        { "messages", false },
        { "/1-Body", false },
        { "1-Body", false },
        { "", false },
        { "messages2/1-Body", false },
        { "xmessages/1-Body", false },
        { "messages/deep/1-Body", false },
        { "accounts/messages/1-Body", false },
        { "messages//1-Body", false },
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        ck_assert_msg(po_queue_is_part(cases[i].path, strlen(cases[i].path)) == cases[i].is_part,
                      "%s", cases[i].path);
    ck_assert(!po_queue_is_part("control/1-ControlX", 9)); /* the size decides, not a NUL */
    ck_assert(po_queue_is_part("control/1-ControlX", 17));
}
END_TEST

START_TEST(an_empty_queue_has_no_sets)
{
    add("accounts/1");
    finish();
    ck_assert_uint_eq(po_queue_whole(queue), 0);
    ck_assert_uint_eq(po_queue_broken_count(queue), 0);
}
END_TEST

START_TEST(sets_with_all_three_files_wait_and_others_are_named_with_what_they_lack)
{
    static const char *const paths[] = {
        "messages/b-Body",  "control/a-Control", "messages/c-Header", "control/c-control",
        "messages/a-Body",  "messages/a-Header", "messages/notes",    "control/B10-Control",
        "messages/C-BODY",  "control/e-Control", "messages/e-Body",   "messages/d-Header",
        "messages/d-Body",  "messages/f-Header", "control/a-Control", /* the same file once more */
        "messages/e\n-Body"
    };

    for (size_t i = 0; i < COUNT(paths); i++)
        add(paths[i]);
    finish();
    ck_assert_uint_eq(po_queue_whole(queue), 2);
    ck_assert_uint_eq(po_queue_broken_count(queue), 6);
    ck_assert_str_eq(broken(0), "b: Body without Control and Header");
    ck_assert_str_eq(broken(1), "B10: Control without Header and Body");
    ck_assert_str_eq(broken(2), "d: Header and Body without Control");
    ck_assert_str_eq(broken(3), "e: Control and Body without Header");
    ck_assert_str_eq(broken(4), "e\\n: Body without Control and Header");
    ck_assert_str_eq(broken(5), "f: Header without Control and Body");
}
END_TEST

START_TEST(many_sets_are_counted)
{
    static const char *const kinds[] = { "Control", "Header", "Body" };
    char path[64];

    for (int i = 0; i < 3000; i++) {
        (void)snprintf(path, sizeof path, "messages/%d-%s", i / 3 * 7919 % 1000, kinds[i % 3]);
        if (i != 1500)
            add(path);
    }
    finish();
    ck_assert_uint_eq(po_queue_whole(queue), 999);
    ck_assert_uint_eq(po_queue_broken_count(queue), 1);
    ck_assert_str_eq(broken(0), "500: Header and Body without Control");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("queue");
    TCase *tc = tcase_create("queue");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, parts_are_known_by_folder_and_end_of_the_name_in_any_case);
    tcase_add_test(tc, an_empty_queue_has_no_sets);
    tcase_add_test(tc, sets_with_all_three_files_wait_and_others_are_named_with_what_they_lack);
    tcase_add_test(tc, many_sets_are_counted);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
