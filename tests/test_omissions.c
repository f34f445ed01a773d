/*
 * req: R5. What an archive says that it lacks is read from its summary; here the summary is made for
 * the test and put where the reader's would come from.
 */
#include "archive/manifest.h"
#include "engine/omissions.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MANY 500
#define REASON ((char *)(uintptr_t) "it cannot be read")

static struct po_buf document;
static struct po_omissions omissions;
static struct po_err err;

enum po_status __wrap_po_reader_summary(const struct po_reader *reader, struct po_buf *json,
                                        struct po_err *failure);

enum po_status
__wrap_po_reader_summary(const struct po_reader *reader, struct po_buf *json,
                         struct po_err *failure)
{
    (void)reader;
    po_buf_put(json, document.bytes, document.size);
    return po_buf_check(json, failure);
}

static void
teardown(void)
{
    po_omissions_deinit(&omissions);
    po_buf_deinit(&document);
}

static enum po_status
load_text(const char *text)
{
    po_omissions_deinit(&omissions);
    po_buf_clear(&document);
    po_buf_put_text(&document, text);
    return po_omissions_load(&omissions, NULL, &err);
}

static void
load(const struct po_summary *summary)
{
    ck_assert_msg(po_summary_put(&document, summary, &err) == PO_OK, "%s", err.text);
    ck_assert_msg(po_omissions_load(&omissions, NULL, &err) == PO_OK, "%s", err.text);
}

static bool
covers(const char *path)
{
    return po_omissions_cover(&omissions, path, strlen(path));
}

static struct po_problem
problem(const char *path)
{
    return (struct po_problem){ (char *)(uintptr_t)path, strlen(path), REASON };
}

START_TEST(what_was_skipped_covers_all_that_lies_below)
{
    const struct po_problem skipped[] = { problem("box/user02"), problem("box/b\xFF"),
                                          problem("box/user01/1.MSG"), problem("box/\xC3\xA4") };

    load(&(struct po_summary){ .skipped = skipped, .skipped_count = COUNT(skipped) });
    ck_assert(!po_omissions_are_cut(&omissions));
    ck_assert_uint_eq(omissions.path_count, COUNT(skipped));
    ck_assert(covers("box/user02"));
    ck_assert(covers("box/user02/deep/1.MSG"));
    ck_assert(covers("box/user01/1.MSG"));
    ck_assert(covers("box/\xC3\xA4"));
    /* A name that is no UTF-8 stands there as hexadecimal digits. */
    ck_assert(covers("box/b\xFF"));
    ck_assert(covers("box/b\xFF/1.MSG"));
    ck_assert(!covers("box"));
    ck_assert(!covers("box/b"));
    ck_assert(!covers("box/b\xFE"));
    ck_assert(!covers("box/user01"));
    ck_assert(!covers("box/user01/1.MSGS"));
    ck_assert(!covers("box/user022"));
    ck_assert(!covers("user02"));
}
END_TEST

START_TEST(each_of_many_is_found_and_none_between)
{
    static char names[MANY][32];
    static struct po_problem skipped[MANY];
    char path[40];

    /* In no order. */
    for (unsigned i = 0; i < MANY; i++) {
        (void)snprintf(names[i], sizeof names[i], "box/%03u", i * 7 % MANY * 2);
        skipped[i] = problem(names[i]);
    }
    load(&(struct po_summary){ .skipped = skipped, .skipped_count = MANY });
    for (unsigned i = 0; i < 2 * MANY; i++) {
        (void)snprintf(path, sizeof path, "box/%03u", i);
        ck_assert_msg(covers(path) == (i % 2 == 0), "%s", path);
        (void)snprintf(path, sizeof path, "box/%03u/1", i);
        ck_assert_msg(covers(path) == (i % 2 == 0), "%s", path);
    }
}
END_TEST

START_TEST(what_was_excluded_is_covered)
{
    static const char *const excludes[] = { "box/**/cache", "**/*.tmp" };

    load(&(struct po_summary){ .excludes = excludes, .exclude_count = COUNT(excludes) });
    ck_assert(!po_omissions_are_cut(&omissions));
    ck_assert(covers("box/user01/cache"));
    ck_assert(covers("spool/x.tmp"));
    ck_assert(!covers("spool/cache"));
    ck_assert(!covers("box/user01/caches"));
    ck_assert(!covers("box/x.tmps"));
}
END_TEST

/* The writer lists only so many: who knows which the others are. */
START_TEST(a_list_that_is_cut_covers_everything)
{
    const struct po_problem skipped[] = { problem("box/a"), problem("box/b"), problem("box/c") };

    load(&(struct po_summary){ .skipped = skipped, .skipped_count = 3, .listed_max = 2 });
    ck_assert(po_omissions_are_cut(&omissions));
    ck_assert_uint_eq(omissions.item_count, 3);
    ck_assert(covers("box/c"));
    ck_assert(covers("spool/anything"));
}
END_TEST

START_TEST(what_names_no_path_is_as_good_as_a_cut_list)
{
    static const char *const texts[] = {
        "{\"skipped\": [{\"path\": \"...\"}]}",
        "{\"skipped\": [{\"path\": \"\"}]}",
        "{\"skipped\": [{\"path_hex\": \"\"}]}",
        "{\"skipped\": [{\"reason\": \"x\"}]}",
        "{\"skipped\": [7]}",
        "{\"counts\": {\"skipped\": 1}}",
        "{\"counts\": {\"skipped\": 2}, \"skipped\": [{\"path\": \"a\"}]}",
    };

    for (size_t i = 0; i < COUNT(texts); i++) {
        ck_assert_msg(load_text(texts[i]) == PO_OK, "%s: %s", texts[i], err.text);
        ck_assert_msg(po_omissions_are_cut(&omissions), "%s", texts[i]);
        ck_assert_msg(covers("anything"), "%s", texts[i]);
    }
}
END_TEST

START_TEST(a_summary_without_omissions_covers_nothing)
{
    static const char *const texts[] = {
        "{}",
        "{\"skipped\": [], \"excludes\": []}",
        "{\"skipped\": {}, \"excludes\": \"**\"}",
        "{\"counts\": {\"skipped\": \"9\"}, \"excludes\": [7, null]}",
    };

    for (size_t i = 0; i < COUNT(texts); i++) {
        ck_assert_msg(load_text(texts[i]) == PO_OK, "%s: %s", texts[i], err.text);
        ck_assert_msg(!po_omissions_are_cut(&omissions), "%s", texts[i]);
        ck_assert_msg(!covers("anything"), "%s", texts[i]);
    }
}
END_TEST

START_TEST(digits_that_are_none_are_refused)
{
    static const char *const texts[] = {
        "{\"skipped\": [{\"path_hex\": \"61zz\"}]}",
        "{\"skipped\": [{\"path_hex\": \"616\"}]}",
        "{\"skipped\": [{\"path\": \"a\"}, {\"path_hex\": \" 61\"}]}",
    };

    for (size_t i = 0; i < COUNT(texts); i++) {
        ck_assert_msg(load_text(texts[i]) == PO_E_FORMAT, "%s", texts[i]);
        ck_assert_str_eq(err.text, "summary: a path_hex that is no hexadecimal number");
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("omissions");
    TCase *tests = tcase_create("omissions");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, NULL, teardown);
    tcase_add_test(tests, what_was_skipped_covers_all_that_lies_below);
    tcase_add_test(tests, each_of_many_is_found_and_none_between);
    tcase_add_test(tests, what_was_excluded_is_covered);
    tcase_add_test(tests, a_list_that_is_cut_covers_everything);
    tcase_add_test(tests, what_names_no_path_is_as_good_as_a_cut_list);
    tcase_add_test(tests, a_summary_without_omissions_covers_nothing);
    tcase_add_test(tests, digits_that_are_none_are_refused);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
