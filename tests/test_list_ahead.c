/* Directories listed ahead: the same children in the same order as one after the other. */
#include "os_help.h"
#include "port/sys.h"
#include "site_help.h"
#include "source/list_ahead.h"
#include "source/walk.h"

#define SMALL_COUNT 40u  /* directories; more than the ring has places */
#define LARGE_FILES 600u /* three chunks */
#define TREE_FILES 3000u
#define GONE 7u /* the number of one that is not there */
#define LARGE 11u

static struct po_dir *root;
static struct po_list_ahead *ahead;
static struct po_buf seen;
static struct po_err err;
static unsigned left; /* children that are taken before one fails; 0: all */
static _Thread_local bool is_here;

static void
setup(void)
{
    help_enter();
    help_make_directory("tree");
    help_must(po_dir_open(&root, "tree", &err), &err);
    is_here = true;
    left = 0;
}

static void
teardown(void)
{
    po_list_ahead_free(ahead);
    ahead = NULL;
    po_dir_free(root);
    root = NULL;
    po_buf_deinit(&seen);
    help_leave();
}

/* Each but GONE has some files and directories, LARGE has many. */
static void
make_directories(void)
{
    char path[64];

    for (unsigned i = 0; i < SMALL_COUNT; i++) {
        unsigned count = i == LARGE ? LARGE_FILES : i * 5 % 17;

        (void)snprintf(path, sizeof path, "tree/%u", i);
        if (i != GONE)
            help_make_directory(path);
        for (unsigned k = 0; k < count && i != GONE; k++) {
            (void)snprintf(path, sizeof path, "tree/%u/a file with some name %u", i, k);
            help_write_text(path, &"1234567"[k % 7]);
        }
    }
}

static enum po_status
see(void *ctx, const char *name, size_t name_size, const struct po_node_info *info,
    const struct po_err *failure, struct po_err *fault)
{
    struct po_buf *rows = ctx;

    ck_assert(is_here);
    ck_assert_ptr_null(failure);
    ck_assert_uint_eq(strlen(name), name_size);
    if (left == 1)
        return po_fail(fault, PO_E_FORMAT, "enough");
    left -= left > 0;
    po_buf_printf(rows, "%s %d %llu %llu %lld\n", name, (int)info->type,
                  (unsigned long long)info->size, (unsigned long long)info->file_id,
                  (long long)info->write_time);
    return po_buf_check(rows, fault);
}

static void
submit(unsigned number)
{
    char name[16];

    (void)snprintf(name, sizeof name, "%u", number);
    help_must(po_list_ahead_submit(ahead, name, strlen(name), &err), &err);
}

/* What is taken out is that of po_dir_list. */
static void
assert_next(unsigned number)
{
    struct po_buf expected = { 0 };
    struct po_err failure = { .status = PO_OK };
    char name[16];
    enum po_status st;

    (void)snprintf(name, sizeof name, "%u", number);
    st = po_dir_list(root, name, strlen(name), see, &expected, &failure);
    po_buf_clear(&seen);
    err = (struct po_err){ .status = PO_OK };
    ck_assert_int_eq(po_list_ahead_next(ahead, see, &seen, &err), st);
    ck_assert_str_eq(po_buf_text(&seen), po_buf_text(&expected));
    ck_assert_str_eq(err.text, failure.text);
    ck_assert_uint_eq(err.os_code, failure.os_code);
    ck_assert_int_eq(st, number == GONE ? PO_E_IO : PO_OK);
    po_buf_deinit(&expected);
}

/* 0: without threads; 1: started at once; 2: they have time to do all they can; 3: so it was fast, and has fewer. */
START_TEST(what_comes_out_is_what_each_directory_alone_gives)
{
    unsigned in = 0;

    make_directories();
    help_must(po_list_ahead_new(&ahead, root, &err), &err);
    for (unsigned out = 0; out < SMALL_COUNT; out++) {
        while (in < SMALL_COUNT && po_list_ahead_count(ahead) < PO_LIST_AHEAD_MAX)
            submit(in++);
        ck_assert_uint_eq(po_list_ahead_count(ahead), in - out);
        if (_i > 0)
            po_list_ahead_start(ahead, _i == 3 ? UINT64_MAX : 0);
        if (_i >= 2 && out % 8 == 0)
            po_sys_sleep_ms(20);
        assert_next(out);
    }
    ck_assert_uint_eq(po_list_ahead_count(ahead), 0);
}
END_TEST

START_TEST(one_directory_at_a_time_is_listed_right_there)
{
    make_directories();
    help_must(po_list_ahead_new(&ahead, root, &err), &err);
    for (unsigned i = 0; i < SMALL_COUNT; i++) {
        submit(i);
        po_list_ahead_start(ahead, 0);
        assert_next(i);
    }
}
END_TEST

/* Before, at and behind the change of a chunk. */
START_TEST(a_child_that_is_refused_ends_its_directory_alone)
{
    static const unsigned counts[] = { 1, 2, 200, 300, LARGE_FILES };

    make_directories();
    for (unsigned k = 0; k < sizeof counts / sizeof counts[0]; k++) {
        help_must(po_list_ahead_new(&ahead, root, &err), &err);
        for (unsigned i = 8; i < 8 + 24; i++)
            submit(i);
        po_list_ahead_start(ahead, 0);
        if (_i == 1)
            po_sys_sleep_ms(20);
        for (unsigned i = 8; i < 8 + 24; i++) {
            if (i != LARGE) {
                assert_next(i);
                continue;
            }
            left = counts[k];
            ck_assert_int_eq(po_list_ahead_next(ahead, see, &seen, &err), PO_E_FORMAT);
            ck_assert_str_eq(err.text, "enough");
            left = 0;
        }
        po_list_ahead_free(ahead);
        ahead = NULL;
    }
}
END_TEST

/* Its threads wait for room, for work, or are listing. */
START_TEST(it_can_be_given_up_at_any_directory)
{
    make_directories();
    for (unsigned count = 0; count < 14; count++) {
        help_must(po_list_ahead_new(&ahead, root, &err), &err);
        /* The large one several times: every thread has one. */
        for (unsigned i = 0; i < PO_LIST_AHEAD_MAX; i++)
            submit(i >= 8 && i < 13 ? LARGE : i);
        po_list_ahead_start(ahead, 0);
        if (_i == 1)
            po_sys_sleep_ms(10);
        for (unsigned i = 0; i < count; i++)
            assert_next(i >= 8 && i < 13 ? LARGE : i);
        po_list_ahead_free(ahead);
        ahead = NULL;
    }
}
END_TEST

/* ---- through the walk ---- */

static struct po_entry_list list;
static struct po_problems problems;
static volatile int cancel;
static unsigned files_until_cancel;

static void
teardown_walk(void)
{
    po_entry_list_deinit(&list);
    po_problems_deinit(&problems);
    teardown();
}

static enum po_status
note_problem(void *ctx, const char *path, size_t path_size, const char *reason, struct po_err *e)
{
    (void)ctx;
    ck_assert(is_here);
    return po_problems_add(&problems, path, path_size, reason, e);
}

static bool
see_file(void *ctx, const char *path, size_t path_size, const struct po_node_info *info)
{
    (void)ctx;
    (void)path;
    (void)path_size;
    (void)info;
    ck_assert(is_here);
    if (files_until_cancel > 0 && --files_until_cancel == 0)
        __atomic_store_n(&cancel, 1, __ATOMIC_RELAXED);
    return false;
}

/* Two levels of many directories, and one of many files. */
static void
make_tree(void)
{
    char path[96];

    for (unsigned i = 0; i < 30; i++)
        for (unsigned k = 0; k < i % 7; k++) {
            (void)snprintf(path, sizeof path, "tree/box %u/sub %u/mail", i, k);
            help_write_text(path, "x");
            (void)snprintf(path, sizeof path, "tree/box %u/file %u", i, k);
            help_write_text(path, "xy");
        }
    for (unsigned i = 0; i < TREE_FILES; i++) {
        (void)snprintf(path, sizeof path, "tree/box 3/large/%u", i);
        help_write_text(path, "");
    }
}

/* A directory and its children, for each directory in turn: no more than what walk.h says. */
static enum po_status
expect_child(void *ctx, const char *name, size_t name_size, const struct po_node_info *info,
             const struct po_err *failure, struct po_err *e)
{
    struct po_buf *queue = ctx; /* "D path\n" and "F path\n" */
    size_t line = seen.size;    /* the directory's path */

    (void)failure;
    po_buf_printf(queue, "%c %.*s/%.*s\n", info->type == PO_NODE_DIRECTORY ? 'D' : 'F', (int)line,
                  po_buf_text(&seen), (int)name_size, name);
    return po_buf_check(queue, e);
}

static void
expect_tree(struct po_buf *queue)
{
    po_buf_put_text(queue, "D T\n");
    for (size_t at = 0; at < queue->size;) {
        const char *line = po_buf_text(queue) + at;
        size_t size = strcspn(line, "\n");

        po_buf_clear(&seen);
        po_buf_put(&seen, line + 2, size - 2);
        at += size + 1;
        if (line[0] == 'D')
            help_must(po_dir_list(root, seen.size == 1 ? "" : po_buf_text(&seen) + 2,
                                  seen.size == 1 ? 0 : seen.size - 2, expect_child, queue, &err),
                      &err);
    }
}

static enum po_status
walk_tree(void)
{
    struct po_walk walk = {
        .list = &list, .problem = note_problem, .is_known = see_file, .cancel = &cancel
    };
    enum po_status st = po_walk_tree(&walk, root, "T", &err);

    po_walk_deinit(&walk);
    return st;
}

static void
put_list(struct po_buf *out)
{
    for (size_t i = 0; i < list.count; i++)
        po_buf_printf(out, "%c %.*s\n", list.entries[i].type == POBACKUP_DIRECTORY ? 'D' : 'F',
                      (int)list.entries[i].path_size, po_entry_path(&list, &list.entries[i]));
}

START_TEST(the_list_of_a_large_tree_is_that_of_one_thread)
{
    struct po_buf expected = { 0 };
    struct po_buf got = { 0 };

    make_tree();
    expect_tree(&expected);
    for (int i = 0; i < 5; i++) {
        help_must(walk_tree(), &err);
        put_list(&got);
        ck_assert_str_eq(po_buf_text(&got), po_buf_text(&expected));
        po_buf_clear(&got);
        po_entry_list_deinit(&list);
        list = (struct po_entry_list){ 0 };
    }
    ck_assert_uint_eq(problems.count, 0);
    po_buf_deinit(&got);
    po_buf_deinit(&expected);
}
END_TEST

START_TEST(a_large_tree_can_be_cancelled_and_what_was_listed_is_the_same)
{
    struct po_buf expected = { 0 };
    struct po_buf got = { 0 };

    make_tree();
    expect_tree(&expected);
    for (unsigned count = 1; count < 200; count += 23) {
        cancel = 0;
        files_until_cancel = count;
        ck_assert_int_eq(walk_tree(), PO_E_CANCELLED);
        put_list(&got);
        ck_assert_uint_lt(got.size, expected.size);
        ck_assert_int_eq(strncmp(po_buf_text(&got), po_buf_text(&expected), got.size), 0);
        po_buf_clear(&got);
        po_entry_list_deinit(&list);
        list = (struct po_entry_list){ 0 };
    }
    po_buf_deinit(&got);
    po_buf_deinit(&expected);
}
END_TEST

/* Of those that wait: the walk names them in their turn. */
START_TEST(unreadable_directories_of_a_large_tree_are_named_and_the_rest_is_listed)
{
    bool is_root = geteuid() == 0;
    size_t count;

    make_tree();
    help_must(walk_tree(), &err);
    count = list.count;
    po_entry_list_deinit(&list);
    list = (struct po_entry_list){ 0 };
    ck_assert_int_eq(chmod("tree/box 6/sub 2", 0), 0);
    ck_assert_int_eq(chmod("tree/box 29", 0), 0); /* one directory and one file below it */
    if (is_root)
        ck_assert_int_eq(seteuid(65534), 0);
    help_must(walk_tree(), &err);
    if (is_root)
        ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(chmod("tree/box 6/sub 2", 0755), 0);
    ck_assert_int_eq(chmod("tree/box 29", 0755), 0);
    ck_assert_uint_eq(problems.count, 2);
    ck_assert(help_problems_have(&problems, "T/box 6/sub 2", "Permission denied"));
    ck_assert(help_problems_have(&problems, "T/box 29", "Permission denied"));
    ck_assert_uint_eq(list.count, count - 1 - 3);
}
END_TEST

static void
setup_walk(void)
{
    setup();
    cancel = 0;
    files_until_cancel = 0;
    list = (struct po_entry_list){ 0 };
}

int
main(void)
{
    Suite *suite = suite_create("list_ahead");
    TCase *tc = tcase_create("directories");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, what_comes_out_is_what_each_directory_alone_gives, 0, 4);
    tcase_add_test(tc, one_directory_at_a_time_is_listed_right_there);
    tcase_add_loop_test(tc, a_child_that_is_refused_ends_its_directory_alone, 0, 2);
    tcase_add_loop_test(tc, it_can_be_given_up_at_any_directory, 0, 2);
    suite_add_tcase(suite, tc);
    tc = tcase_create("walk");
    tcase_add_checked_fixture(tc, setup_walk, teardown_walk);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, the_list_of_a_large_tree_is_that_of_one_thread);
    tcase_add_test(tc, a_large_tree_can_be_cancelled_and_what_was_listed_is_the_same);
    os_add_posix_test(tc, unreadable_directories_of_a_large_tree_are_named_and_the_rest_is_listed);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
