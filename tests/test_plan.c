/* The order of an archive, and which name of a file is the file. */
#include "plan/plan.h"
#include "port/sys.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BIN "Post.OfficeexeBackup"
#define SPOOL "Post.OfficeConfigBackup"
#define BOX "Post.OfficemailboxBackup"

static struct po_entry_list list;
static struct po_plan plan;

static void
setup(void)
{
    list = (struct po_entry_list){ 0 };
    plan = (struct po_plan){ 0 };
}

static void
teardown(void)
{
    po_plan_deinit(&plan);
    po_entry_list_deinit(&list);
}

static uint32_t
add_bytes(const char *path, size_t path_size, enum pobackup_type type, int64_t time, uint64_t size)
{
    struct po_entry *entry;
    struct po_err err;

    if (po_entry_list_add(&list, path, path_size, &entry, &err) != PO_OK)
        ck_abort_msg("%s", err.text);
    entry->type = (uint8_t)type;
    entry->write_time = time;
    entry->size = size;
    return (uint32_t)list.count - 1;
}

static uint32_t
add(const char *path, enum pobackup_type type, int64_t time, uint64_t size)
{
    return add_bytes(path, strlen(path), type, time, size);
}

static uint32_t
add_file(const char *path)
{
    return add(path, POBACKUP_FILE, 0, 1);
}

static void
make(const char *by_delivery, const struct po_plan_link *links, size_t link_count)
{
    struct po_err err;

    if (po_plan_make(&plan, &list, by_delivery, links, link_count, &err) != PO_OK)
        ck_abort_msg("%s", err.text);
}

/* The plan's paths, one a line. */
static void
assert_order(const char *expected)
{
    struct po_buf text = { 0 };

    for (uint32_t i = 0; i < plan.count; i++) {
        const struct po_entry *entry = &list.entries[plan.order[i]];

        po_buf_put(&text, po_entry_path(&list, entry), entry->path_size);
        po_buf_put_u8(&text, '\n');
    }
    ck_assert_str_eq(po_buf_text(&text), expected);
    po_buf_deinit(&text);
}

START_TEST(directories_come_first_and_parents_before_children)
{
    add_file("Post.OfficeRegKeyBackup.reg");
    add(BOX "/00/user", POBACKUP_DIRECTORY, 1, 0);
    add_file(BIN "/a");
    add(BOX "/00", POBACKUP_DIRECTORY, 9, 0);
    add(BIN, POBACKUP_DIRECTORY, 5, 0);
    add(BOX, POBACKUP_DIRECTORY, 7, 0);
    make(BOX, NULL, 0);
    /* Bytes: 'R' before 'e'. */
    assert_order(BIN "\n" BOX "\n" BOX "/00\n" BOX "/00/user\n"
                     "Post.OfficeRegKeyBackup.reg\n" BIN "/a\n");
}
END_TEST

START_TEST(bin_and_spool_are_ordered_by_path)
{
    add(SPOOL "/b", POBACKUP_FILE, 1, 1);
    add(BIN "/z", POBACKUP_FILE, 3, 1);
    add(SPOOL "/a", POBACKUP_SYMLINK, 9, 0);
    add(BIN "/y/x", POBACKUP_FILE, 2, 7);
    make(BOX, NULL, 0);
    assert_order(SPOOL "/a\n" SPOOL "/b\n" BIN "/y/x\n" BIN "/z\n");
}
END_TEST

START_TEST(the_mailbox_comes_last_by_write_time_then_size_then_path)
{
    add(BOX "/9", POBACKUP_FILE, 10, 5);
    add(BOX "/8", POBACKUP_FILE, 10, 5);
    add(BOX "/7", POBACKUP_FILE, 10, 4);
    add(BOX "/a", POBACKUP_FILE, 11, 0);
    add(BOX "/z", POBACKUP_FILE, -3, 9);
    add(BOX "/unknown", POBACKUP_FILE, POBACKUP_TIME_UNKNOWN, 9);
    add("Q", POBACKUP_FILE, 99, 9);
    make(BOX, NULL, 0);
    assert_order("Q\n" BOX "/unknown\n" BOX "/z\n" BOX "/7\n" BOX "/8\n" BOX "/9\n" BOX "/a\n");
}
END_TEST

START_TEST(copies_of_one_message_stand_together_whatever_mailbox_they_are_in)
{
    add(BOX "/00/anna/1", POBACKUP_FILE, 500, 30);
    add(BOX "/00/anna/2", POBACKUP_FILE, 700, 80);
    add(BOX "/01/bert/1", POBACKUP_FILE, 500, 30);
    add(BOX "/01/bert/2", POBACKUP_FILE, 600, 10);
    add(BOX "/02/cleo/1", POBACKUP_FILE, 500, 30);
    make(BOX, NULL, 0);
    assert_order(BOX "/00/anna/1\n" BOX "/01/bert/1\n" BOX "/02/cleo/1\n" BOX "/01/bert/2\n" BOX
                     "/00/anna/2\n");
}
END_TEST

START_TEST(a_name_that_only_begins_like_the_mailbox_is_ordered_by_path)
{
    add(BOX "2/b", POBACKUP_FILE, 1, 1);
    add(BOX "2/a", POBACKUP_FILE, 2, 1);
    add(BOX, POBACKUP_FILE, 3, 1);
    add(BOX "/x", POBACKUP_FILE, 0, 1);
    make(BOX, NULL, 0);
    assert_order(BOX "\n" BOX "2/a\n" BOX "2/b\n" BOX "/x\n");
}
END_TEST

START_TEST(without_delivery_everything_is_ordered_by_path)
{
    add(BOX "/b", POBACKUP_FILE, 1, 1);
    add(BOX "/a", POBACKUP_FILE, 2, 1);
    add(SPOOL "/c", POBACKUP_FILE, 3, 1);
    make(NULL, NULL, 0);
    assert_order(SPOOL "/c\n" BOX "/a\n" BOX "/b\n");
}
END_TEST

START_TEST(paths_are_compared_as_bytes_and_a_shorter_one_comes_first)
{
    add_file("a/b");
    add_file("a\xFF");
    add_file("a");
    add_file("a\n");
    add_file("B");
    make(BOX, NULL, 0);
    assert_order("B\na\na\n\na/b\na\xFF\n");
}
END_TEST

START_TEST(what_was_skipped_is_not_in_the_plan)
{
    uint32_t gone = add_file("gone");

    add_file("here");
    list.entries[gone].state = PO_ENTRY_SKIPPED;
    make(BOX, NULL, 0);
    assert_order("here\n");
    ck_assert_uint_eq(plan.bytes, 1);
}
END_TEST

START_TEST(an_empty_list_gives_an_empty_plan)
{
    make(BOX, NULL, 0);
    ck_assert_uint_eq(plan.count, 0);
    ck_assert_uint_eq(plan.bytes, 0);
}
END_TEST

/* ---- hard links ---- */

static void
assert_link(uint32_t entry, uint32_t file)
{
    size_t size;
    const char *target;

    ck_assert_uint_eq(list.entries[entry].type, POBACKUP_HARDLINK);
    ck_assert_uint_eq(list.entries[entry].size, 0);
    ck_assert_uint_eq(list.entries[entry].frame, file);
    target = (const char *)po_rows_at(&list.links, list.entries[entry].link, &size);
    ck_assert_uint_eq(size, list.entries[file].path_size);
    ck_assert_mem_eq(target, po_entry_path(&list, &list.entries[file]), size);
}

static void
assert_file(uint32_t entry)
{
    ck_assert_uint_eq(list.entries[entry].type, POBACKUP_FILE);
    ck_assert_uint_eq(list.entries[entry].link, PO_NONE);
}

START_TEST(of_the_names_of_one_file_the_first_in_order_stays_a_file)
{
    uint32_t last = add(BIN "/c", POBACKUP_FILE, 0, 100);
    uint32_t first = add(BIN "/a", POBACKUP_FILE, 0, 100);
    uint32_t middle = add(BIN "/b", POBACKUP_FILE, 0, 100);
    const struct po_plan_link links[] = { { 1, 7, last, 2 },
                                          { 1, 7, first, 2 },
                                          { 1, 7, middle, 2 } };

    make(BOX, links, 3);
    assert_file(first);
    assert_link(middle, first);
    assert_link(last, first);
    assert_order(BIN "/a\n" BIN "/b\n" BIN "/c\n");
    /* The content is there once. */
    ck_assert_uint_eq(plan.bytes, 100);
}
END_TEST

/* In the mailbox too, where the names of one file have one time and one size. */
START_TEST(names_in_several_trees_are_settled_by_the_order_of_the_archive_not_by_path)
{
    uint32_t early = add(BOX "/z", POBACKUP_FILE, 1, 9);
    uint32_t box = add(BOX "/a", POBACKUP_FILE, 5, 9);
    uint32_t spool = add("X/name", POBACKUP_FILE, 5, 9);
    const struct po_plan_link links[] = { { 1, 3, box, 2 }, { 1, 3, spool, 2 } };

    make(BOX, links, 2);
    assert_order("X/name\n" BOX "/z\n" BOX "/a\n");
    assert_file(spool);
    assert_link(box, spool);
    assert_file(early);
}
END_TEST

START_TEST(the_same_number_on_another_device_is_another_file)
{
    uint32_t a = add_file("a");
    uint32_t b = add_file("b");
    uint32_t c = add_file("c");
    uint32_t d = add_file("d");
    const struct po_plan_link links[] = {
        { 2, 7, b, 2 }, { 1, 7, d, 2 }, { 1, 7, a, 2 }, { 2, 7, c, 2 }
    };

    make(BOX, links, 4);
    assert_file(a);
    assert_file(b);
    assert_link(c, b);
    assert_link(d, a);
    ck_assert_uint_eq(plan.bytes, 2);
}
END_TEST

START_TEST(a_single_name_of_a_file_with_more_outside_stays_a_file)
{
    uint32_t a = add_file("a");
    const struct po_plan_link links[] = { { 1, 7, a, 2 } };

    make(BOX, links, 1);
    assert_file(a);
    ck_assert_uint_eq(plan.bytes, 1);
}
END_TEST

/* ---- at random ---- */

static uint64_t seed;

static uint32_t
number_below(uint32_t limit)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % limit;
}

/* Whether x may stand before y, said in another way than plan.c does. */
static bool
may_precede(const struct po_entry *x, const struct po_entry *y)
{
    char a[256];
    char b[256];
    bool x_is_dir = x->type == POBACKUP_DIRECTORY;
    bool y_is_dir = y->type == POBACKUP_DIRECTORY;
    bool x_is_mail;
    bool y_is_mail;

    (void)snprintf(a, sizeof a, "%.*s", (int)x->path_size, po_entry_path(&list, x));
    (void)snprintf(b, sizeof b, "%.*s", (int)y->path_size, po_entry_path(&list, y));
    if (x_is_dir || y_is_dir)
        return x_is_dir && (!y_is_dir || strcmp(a, b) <= 0);
    x_is_mail = strncmp(a, BOX "/", sizeof BOX) == 0;
    y_is_mail = strncmp(b, BOX "/", sizeof BOX) == 0;
    if (x_is_mail != y_is_mail)
        return y_is_mail;
    if (x_is_mail && (x->write_time != y->write_time || x->size != y->size))
        return x->write_time < y->write_time ||
               (x->write_time == y->write_time && x->size < y->size);
    return strcmp(a, b) <= 0;
}

START_TEST(any_list_is_ordered_and_each_entry_planned_once)
{
    static const char *const roots[] = { BIN, SPOOL, BOX };
    uint8_t seen[2000] = { 0 };
    const char *given = getenv("POBACKUP_TEST_SEED");

    seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)po_sys_now();
    printf("seed: POBACKUP_TEST_SEED=%llu\n", (unsigned long long)seed);
    (void)fflush(stdout);
    for (unsigned i = 0; i < 2000; i++) {
        char path[64];

        (void)snprintf(path, sizeof path, "%s/%u/%u", roots[number_below(3)], number_below(30), i);
        add(path, (enum pobackup_type)(POBACKUP_FILE + number_below(3)), number_below(20),
            number_below(4));
    }
    make(BOX, NULL, 0);
    ck_assert_uint_eq(plan.count, 2000);
    for (uint32_t i = 0; i < plan.count; i++) {
        ck_assert_uint_eq(seen[plan.order[i]]++, 0);
        if (i > 0)
            ck_assert_msg(
                may_precede(&list.entries[plan.order[i - 1]], &list.entries[plan.order[i]]),
                "place %u", i);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("plan");
    TCase *order = tcase_create("order");
    TCase *links = tcase_create("hard links");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(order, setup, teardown);
    tcase_add_test(order, directories_come_first_and_parents_before_children);
    tcase_add_test(order, bin_and_spool_are_ordered_by_path);
    tcase_add_test(order, the_mailbox_comes_last_by_write_time_then_size_then_path);
    tcase_add_test(order, copies_of_one_message_stand_together_whatever_mailbox_they_are_in);
    tcase_add_test(order, a_name_that_only_begins_like_the_mailbox_is_ordered_by_path);
    tcase_add_test(order, without_delivery_everything_is_ordered_by_path);
    tcase_add_test(order, paths_are_compared_as_bytes_and_a_shorter_one_comes_first);
    tcase_add_test(order, what_was_skipped_is_not_in_the_plan);
    tcase_add_test(order, an_empty_list_gives_an_empty_plan);
    tcase_add_test(order, any_list_is_ordered_and_each_entry_planned_once);
    suite_add_tcase(suite, order);
    tcase_add_checked_fixture(links, setup, teardown);
    tcase_add_test(links, of_the_names_of_one_file_the_first_in_order_stays_a_file);
    tcase_add_test(links,
                   names_in_several_trees_are_settled_by_the_order_of_the_archive_not_by_path);
    tcase_add_test(links, the_same_number_on_another_device_is_another_file);
    tcase_add_test(links, a_single_name_of_a_file_with_more_outside_stays_a_file);
    suite_add_tcase(suite, links);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
